"""GGUF files, whole or split: their tensors by the types of the `gguf` package (the extra `gguf`), and their model."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

from planner.catalog.huggingface.config import Config, ConfigError
from planner.catalog.huggingface.read import DECODERS
from planner.catalog.parameters import parameters
from planner.catalog.records import Architecture, Model
from planner.catalog.stored.gguf_header import BrokenHeader, Header, Short, parse
from planner.catalog.stored.tensors import StoredTensor, StoredTensors
from planner.regular_files import opened

MAX_HEADER = 100_000_000
"""Bytes of a header: a vocabulary of 250_000 tokens with its merges has 15 million."""
MAX_ELEMENTS = 2**48
FORMATS = {"F32": "fp32", "F16": "fp16", "BF16": "bf16"} | {
    name: name.lower()
    for name in (
        "Q8_0", "Q6_K", "Q5_K", "Q5_1", "Q5_0", "Q4_K", "Q4_1", "Q4_0", "Q3_K", "Q2_K", "IQ4_NL", "IQ4_XS", "IQ3_S",
        "IQ3_XXS", "IQ2_S", "IQ2_XS", "IQ2_XXS", "IQ1_M", "IQ1_S", "TQ2_0", "TQ1_0", "Q1_0", "MXFP4", "NVFP4",
    )
}  # fmt: skip
"""The catalog's format of each type that weights are stored in (ggml.h, `enum ggml_type` of ggml-org/llama.cpp); the
rest hold activations while a model runs (Q8_1, Q8_K), or numbers other than weights."""
TYPES = {
    "llama": "llama", "qwen2": "qwen2", "qwen3": "qwen3", "gemma": "gemma", "gemma2": "gemma2", "gemma3": "gemma3_text",
    "phi3": "phi3", "stablelm": "stablelm", "starcoder2": "starcoder2", "olmo2": "olmo2", "granite": "granite",
    "command-r": "cohere", "qwen3moe": "qwen3_moe", "qwen2moe": "qwen2_moe", "gpt-oss": "gpt_oss",
    "cohere2": "cohere2", "olmo": "olmo", "olmoe": "olmoe", "phi2": "phi", "phimoe": "phimoe", "gptneox": "gpt_neox",
    "gpt2": "gpt2", "starcoder": "gpt_bigcode", "bloom": "bloom", "falcon": "falcon", "deepseek": "deepseek",
    "deepseek2": "deepseek_v3", "glm4": "glm4", "chatglm": "glm", "glm4moe": "glm4_moe", "exaone4": "exaone4",
    "nemotron": "nemotron", "smollm3": "smollm3", "seed_oss": "seed_oss", "granitemoe": "granitemoe",
    "dots1": "dots1", "minimax-m2": "minimax_m2", "mistral3": "mistral", "grok": "grok-1", "internlm2": "llama",
    "qwen2vl": "qwen2", "qwen3vl": "qwen3", "qwen3vlmoe": "qwen3_moe", "arctic": "arctic",
    "qwen3next": "qwen3_next", "mamba": "mamba",
}  # fmt: skip
"""The `model_type` whose tensors a GGUF architecture has."""
ALSO = {"deepseek2": ("deepseek_v2",)}
"""Others that llama.cpp calls the same; the one whose count of elements is the file's is meant."""


def read_gguf(path: Path) -> tuple[tuple[StoredTensor, ...], dict[str, Any]]:
    """Return the tensors of a GGUF file and its metadata without long arrays; raise ConfigError.

    One of several files is read with the others, which lie beside it. A file that ends with its header counts as one
    whose data is elsewhere.
    """
    tensors, fields = _one(path)
    count = fields.get("split.count")
    if not isinstance(count, int) or isinstance(count, bool) or count <= 1:
        return tensors, fields
    match = _SPLIT.fullmatch(path.name)
    if match is None or int(match[3]) != count or count > MAX_SPLITS:
        raise ConfigError(path, "split.count", f"is {count}, and the name is not that of one of {count} files")
    every: list[StoredTensor] = []
    first: dict[str, Any] = {}
    for number in range(1, count + 1):
        name = f"{match[1]}-{number:05}-of-{count:05}.gguf"
        if not (path.parent / name).is_file():
            raise ConfigError(path, name, "is one of its files and not here: the model is in all of them together")
        own, own_fields = _one(path.parent / name)
        if own_fields.get("split.count") != count or own_fields.get("split.no") != number - 1:
            raise ConfigError(path.parent / name, "split.no", f"is not that of file {number} of {count}")
        every += own
        first = first or own_fields
    names = [tensor.name for tensor in every]
    stated = first.get("split.tensors.count")
    if len(set(names)) < len(names) or (stated is not None and stated != len(names)):
        raise ConfigError(path, "split.tensors.count", f"is {stated}, and the files have {len(set(names))} tensors")
    return tuple(every), first


_SPLIT = re.compile(r"(.+)-(\d{5})-of-(\d{5})\.gguf")
"""The name of one of several files of a model (llama.cpp, tools/gguf-split)."""
MAX_SPLITS = 1000


def _one(path: Path) -> tuple[tuple[StoredTensor, ...], dict[str, Any]]:
    """Return the tensors and the metadata of one file."""
    try:
        with opened(path) as file:
            size = os.fstat(file.fileno()).st_size
            header = _parsed(file, size)
    except BrokenHeader as problem:
        raise ConfigError(path, problem.field, problem.reason) from None
    except (OSError, ValueError) as problem:
        raise ConfigError(path, "", f"cannot be read: {getattr(problem, 'strerror', None) or problem}") from None
    return tuple(_tensors(path, header, size)), {
        name: value for name, value in header.fields.items() if value is not None
    }


def _parsed(file: BinaryIO, size: int) -> Header:
    """Return the header of an open file, reading no more of it than that needs."""
    raw, wanted = b"", 2**20
    while True:
        raw += file.read(wanted - len(raw))
        try:
            return parse(raw, size)
        except Short:
            if len(raw) < wanted or wanted >= MAX_HEADER:
                raise
            wanted = min(MAX_HEADER, 4 * wanted)


def _tensors(path: Path, header: Header, size: int) -> Iterator[StoredTensor]:
    """Yield the tensors of a header, each held against the file's size where it has data."""
    try:
        from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
    except ImportError:
        raise ConfigError(path, "", "is a GGUF file: install `mem-planner[gguf]` to read it") from None
    data = -(-header.end // header.alignment) * header.alignment
    seen: set[str] = set()
    for entry in header.tensors:
        short = entry.name[:80]
        try:
            kind = GGMLQuantizationType(entry.type)
        except ValueError:
            raise ConfigError(path, short, f"is of type {entry.type}, which is not known") from None
        weights, width = GGML_QUANT_SIZES[kind]
        elements = prod(entry.shape)
        if elements % weights or elements >= MAX_ELEMENTS:
            raise ConfigError(path, short, f"has {elements} elements, which are no blocks of {kind.name}")
        length = elements // weights * width
        if size > data and data + entry.offset + length > size:
            raise ConfigError(path, "", f"is truncated: `{short}` ends after the file's {size} bytes")
        if entry.name in seen:
            raise ConfigError(path, short, "is there twice")
        seen.add(entry.name)
        yield StoredTensor(entry.name, kind.name, entry.shape, length, path.name)


def gguf_model(path: Path) -> Model:
    """Return the model of a GGUF file: exact bytes, and its architecture where its tensors are those of one."""
    tensors, fields = read_gguf(path)
    checkpoint = StoredTensors(path, tensors)
    stored = checkpoint.by_type()
    name = str(fields.get("general.architecture", ""))
    count = checkpoint.elements
    architecture, note = _architecture(path, name, fields, tensors)
    main = next(iter(stored), "F16")
    if main not in FORMATS:
        tensor = next(item for item in tensors if item.dtype == main)
        reason = f"is stored as {main}, as most of the file is: no format of weights is known by that type"
        raise ConfigError(path, tensor.name[:80], reason)
    return Model(
        id=str(path),
        params=count,
        active_params=sum(parameters(architecture, active=True).values()) if architecture else count,
        native_format=FORMATS[main],
        max_context=_whole(fields, f"{name}.context_length"),
        licence=str(fields.get("general.license", "unknown")),
        model_type=TYPES.get(name, name or "unknown"),
        architecture=architecture,
        verified="checkpoint",
        source=f"the header of {path}",
        note=note,
        stored_bytes=checkpoint.bytes,
        stored=stored,
    )


def _whole(fields: dict[str, Any], key: str) -> int | None:
    value = fields.get(key)
    if isinstance(value, list):
        value = value[0] if value and all(item == value[0] for item in value) else None
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _config(
    name: str, kind: str, fields: dict[str, Any], shapes: dict[str, tuple[int, ...]], vocab: int
) -> dict[str, Any]:
    """Return the fields of a config.json that a header says, None for those that it does not."""

    def said(key: str) -> int | None:
        return _whole(fields, f"{name}.{key}")

    experts, shared, inter = said("expert_count"), said("expert_shared_count"), said("expert_feed_forward_length")
    rope, key, value = (
        said("rope.dimension_count"),
        said("attention.key_length_mla"),
        said("attention.value_length_mla"),
    )
    if said("attention.kv_lora_rank") and key is None:  # before the keys of latent attention had names of their own
        key, value = said("attention.key_length"), said("attention.value_length")
    out = {
        "vocab_size": vocab,
        "hidden_size": said("embedding_length"),
        "intermediate_size": said("feed_forward_length"),
        "num_hidden_layers": said("block_count"),
        "num_attention_heads": said("attention.head_count"),
        "num_key_value_heads": said("attention.head_count_kv"),
        "head_dim": None if said("attention.kv_lora_rank") else said("attention.key_length"),
        "sliding_window": said("attention.sliding_window"),
        "num_experts": experts,
        "num_local_experts": experts,
        "n_routed_experts": experts,
        "num_experts_per_tok": said("expert_used_count"),
        "moe_intermediate_size": inter,
        "n_shared_experts": shared,
        "shared_expert_intermediate_size": said("expert_shared_feed_forward_length"),
        "first_k_dense_replace": said("leading_dense_block_count"),
        "q_lora_rank": said("attention.q_lora_rank"),
        "kv_lora_rank": said("attention.kv_lora_rank"),
        "qk_rope_head_dim": rope if said("attention.kv_lora_rank") else None,
        "qk_nope_head_dim": key - rope if key is not None and rope is not None else None,
        "v_head_dim": value,
        "n_positions": said("context_length"),
        "max_position_embeddings": said("context_length"),
        "tie_word_embeddings": "output.weight" not in shapes,
        "attention_bias": "blk.0.attn_q.bias" in shapes or "blk.0.attn_qkv.bias" in shapes,
        "use_qk_norm": "blk.0.attn_q_norm.weight" in shapes,
        "qk_layernorm": "blk.0.attn_q_norm.weight" in shapes,
        "use_qkv_bias": "blk.0.attn_q.bias" in shapes,
        "use_bias": "blk.0.attn_output.bias" in shapes,
        "lm_head_bias": "output.bias" in shapes,
        "use_residual": True,  # Arctic's dense part beside the experts, which its files have
        "num_kv_heads": said("attention.head_count_kv"),
        "new_decoder_architecture": (said("attention.head_count_kv") or 1) > 1,
        "state_size": said("ssm.state_size"),
        "conv_kernel": said("ssm.conv_kernel"),
        "time_step_rank": said("ssm.time_step_rank"),
        "linear_num_value_heads": said("ssm.time_step_rank"),
        "linear_num_key_heads": said("ssm.group_count"),
        "linear_key_head_dim": said("ssm.state_size"),
        "linear_conv_kernel_dim": said("ssm.conv_kernel"),
    }
    own = {"n_embd": "hidden_size", "n_layer": "num_hidden_layers", "n_head": "num_attention_heads",
           "n_inner": "intermediate_size"}  # fmt: skip
    if kind in ("gpt2", "gpt_bigcode"):
        out |= {field: out[same] for field, same in own.items()}
        out["multi_query"] = said("attention.head_count_kv") == 1
    if kind in ("deepseek_v2", "deepseek_v3") and out["q_lora_rank"] is None:
        out["q_lora_rank"] = 0
    return out


def _architecture(
    path: Path, name: str, fields: dict[str, Any], tensors: tuple[StoredTensor, ...]
) -> tuple[Architecture | None, str]:
    shapes = {tensor.name: tensor.shape for tensor in tensors}
    kind = TYPES.get(name)
    if kind == "llama" and _whole(fields, "llama.expert_count"):
        kind = "mixtral"
    embedding = shapes.get("token_embd.weight")
    if kind is None or embedding is None or len(embedding) != 2:
        return None, f"the architecture `{name or 'unnamed'}` is not described"
    tables = sum(tensor.elements for tensor in tensors if tensor.name.startswith("rope_"))
    stored = sum(tensor.elements for tensor in tensors) - tables
    said = ""
    for each in (kind, *ALSO.get(name, ())):
        config = _config(name, each, fields, shapes, int(embedding[0]))
        known = {key: value for key, value in config.items() if value is not None or key == "sliding_window"}
        try:
            architecture = DECODERS[each][1](Config(path, "", known, DECODERS[each][0]))
        except ConfigError as refusal:
            said = said or f"its metadata do not describe a `{each}`: `{refusal.field}` {refusal.reason}"
            continue
        total = sum(parameters(architecture).values())
        if total == stored:
            return architecture, ""
        said = said or f"its {stored} elements are not the {total} of a `{each}` of its metadata"
    return None, said
