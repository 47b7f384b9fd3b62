"""Every GGUF architecture that is read: metadata as llama.cpp writes them lead to the model of the config."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from test_huggingface import BUILT, ROWS, kind, write

from planner.catalog.huggingface import ConfigError, read_config
from planner.catalog.stored.checkpoint import read_checkpoint
from planner.catalog.stored.gguf import TYPES

KEYS = {
    "block_count": ("num_hidden_layers", "n_layer"),
    "embedding_length": ("hidden_size", "n_embd"),
    "feed_forward_length": ("intermediate_size", "n_inner", "ffn_hidden_size"),
    "attention.head_count": ("num_attention_heads", "n_head"),
    "attention.head_count_kv": ("num_key_value_heads", "num_kv_heads"),
    "attention.key_length": ("head_dim",),
    "attention.sliding_window": ("sliding_window",),
    "context_length": ("max_position_embeddings", "n_positions"),
    "expert_count": ("num_experts", "num_local_experts", "n_routed_experts"),
    "expert_used_count": ("num_experts_per_tok", "experts_per_token"),
    "expert_feed_forward_length": ("moe_intermediate_size",),
    "expert_shared_feed_forward_length": ("shared_expert_intermediate_size",),
    "expert_shared_count": ("n_shared_experts",),
    "leading_dense_block_count": ("first_k_dense_replace",),
    "attention.q_lora_rank": ("q_lora_rank",),
    "attention.kv_lora_rank": ("kv_lora_rank",),
    "rope.dimension_count": ("qk_rope_head_dim",),
    "attention.value_length_mla": ("v_head_dim",),
    "ssm.state_size": ("state_size", "linear_key_head_dim"),
    "ssm.conv_kernel": ("conv_kernel", "linear_conv_kernel_dim"),
    "ssm.time_step_rank": ("time_step_rank", "linear_num_value_heads"),
    "ssm.group_count": ("linear_num_key_heads",),
}
"""The keys of gguf-py (`Keys` of gguf/constants.py), and the fields of a config that its converter writes there."""


def text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def header(architecture: str, config: dict[str, Any], params: int, tied: bool) -> bytes:
    """A file that ends with its header: the model's metadata, its embedding, and the rest as one tensor."""
    said = {"general.architecture": architecture}
    numbers = {}
    for key, names in KEYS.items():
        value = next((config[name] for name in names if isinstance(config.get(name), int)), None)
        if value:
            numbers[f"{architecture}.{key}"] = value
    if "qk_nope_head_dim" in config:
        numbers[f"{architecture}.attention.key_length_mla"] = config["qk_nope_head_dim"] + config["qk_rope_head_dim"]
    if architecture in ("gpt2", "starcoder", "bloom") and f"{architecture}.feed_forward_length" not in numbers:
        numbers[f"{architecture}.feed_forward_length"] = 4 * numbers[f"{architecture}.embedding_length"]
    if config.get("multi_query") and f"{architecture}.attention.head_count_kv" not in numbers:
        numbers[f"{architecture}.attention.head_count_kv"] = 1
    vocab, hidden = config["vocab_size"], numbers[f"{architecture}.embedding_length"]
    tensors: dict[str, tuple[int, ...]] = {"token_embd.weight": (hidden, vocab)}
    rest = params - vocab * hidden
    if not tied:
        tensors["output.weight"] = (hidden, vocab)
        rest -= vocab * hidden
    for name, there in (
        ("blk.0.attn_q.bias", config.get("attention_bias") or config.get("use_qkv_bias") or config.get("use_bias")),
        ("blk.0.attn_qkv.bias", architecture == "gptneox"),
        ("blk.0.attn_output.bias", config.get("use_bias")),
        ("blk.0.attn_q_norm.weight", config.get("use_qk_norm") or config.get("qk_layernorm")),
        ("output.bias", config.get("lm_head_bias")),
    ):
        if there:
            tensors[name] = (1,)
            rest -= 1
    tensors["blk.0.rest.weight"] = (rest,)
    out = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(said) + len(numbers))
    for key, value in said.items():
        out += text(key) + struct.pack("<I", 8) + text(value)
    for key, number in numbers.items():
        out += text(key) + struct.pack("<II", 4, number)
    for name, shape in tensors.items():
        out += (
            text(name)
            + struct.pack("<I", len(shape))
            + struct.pack(f"<{len(shape)}Q", *shape)
            + struct.pack("<IQ", 1, 0)
        )
    return out


CONFIGS: dict[str, list[dict[str, Any]]] = {}
for row in (*ROWS, *BUILT):
    if "vocab_size" in row["config"] and {"hidden_size", "n_embd"} & row["config"].keys():
        CONFIGS.setdefault(kind(row), []).append(row["config"])
"""Configs that state their sizes, by type."""


@pytest.mark.parametrize(("architecture", "kind"), [*sorted(TYPES.items()), ("deepseek2", "deepseek_v2")])
def test_metadata_lead_to_the_model_of_the_config(tmp_path: Path, architecture: str, kind: str) -> None:
    pytest.importorskip("gguf")
    read = 0
    for config in CONFIGS.get(kind, []):
        try:
            exact = read_config(write(tmp_path, config))
        except ConfigError:
            continue
        arch = exact.architecture
        assert arch is not None
        (tmp_path / "a.gguf").write_bytes(header(architecture, config, exact.params, arch.tied))
        found = read_checkpoint(tmp_path / "a.gguf")
        if found.architecture is None:
            continue  # its elements are not those of the metadata: said, and the bytes count all the same
        read += 1
        assert found.architecture == replace(arch, family=found.architecture.family)
        assert found.params == exact.params
    assert read


def test_at_least_forty_architectures_are_read() -> None:
    assert len(TYPES) >= 40
