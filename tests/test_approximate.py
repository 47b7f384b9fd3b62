"""Approximate descriptions: what they assume, that their bounds hold, that answers say so, and that remedies work."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from command import run
from test_huggingface import BUILT, ROWS, kind, write

from planner.catalog.huggingface import ConfigError, read_config
from planner.catalog.huggingface.read import DECODERS, WRAPPERS
from planner.physics.inference import kv_bytes_per_token, window_bytes_per_token

NOVEL = {
    "model_type": "novel", "hidden_size": 1024, "intermediate_size": 4096, "num_attention_heads": 16,
    "num_key_value_heads": 8, "num_hidden_layers": 8, "vocab_size": 32000, "torch_dtype": "bfloat16",
    "rope_theta": 10000.0, "max_position_embeddings": 8192,
}  # fmt: skip
OTHERS = [row for row in (*ROWS, *BUILT) if kind(row) in (*DECODERS, *WRAPPERS)]


def test_bounds_hold_for_every_decoder_that_is_known(tmp_path: Path) -> None:
    """Each config under a type of no row: it is refused, or its bounds hold the exact count and cache."""
    read = refused = 0
    for row in OTHERS:
        approximate = "vision_config" not in row["config"]
        exact = read_config(write(tmp_path, row["config"]), approximate)
        try:
            found = read_config(write(tmp_path, {**row["config"], "model_type": "novel"}), approximate=True)
        except ConfigError:
            refused += 1
            continue
        read += 1
        assert exact.architecture is not None and found.architecture is not None
        assert found.params >= exact.params, row["config"]
        held = kv_bytes_per_token(exact.architecture) + window_bytes_per_token(exact.architecture)
        assert kv_bytes_per_token(found.architecture) >= held, row["config"]
        bounds = re.search(r"has ([\d.]+)([BM]) to ([\d.]+)([BM]) ", " ".join(found.assumed))
        assert bounds is not None
        low, high = (float(bounds[at]) * {"B": 1e9, "M": 1e6}[bounds[at + 1]] for at in (1, 3))
        assert low <= exact.params <= high
    assert read >= 45 and refused >= 150


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("num_experts", 64), ("n_routed_experts", 8), ("kv_lora_rank", 512), ("moe_intermediate_size", 768),
        ("layers_block_type", ["mamba", "attention"]), ("hybrid_override_pattern", "M*M-"), ("ssm_cfg", {"n": 16}),
        ("vision_config", {"hidden_size": 1024}), ("audio_config", {"hidden_size": 64}), ("is_encoder_decoder", True),
        ("encoder_layers", 12), ("attn_output_gate", True), ("layer_types", ["linear_attention"] * 8),
        ("intermediate_sizes", [1024] * 8), ("num_global_layers", 4), ("n_embd", 2048),
    ],
)  # fmt: skip
def test_what_nothing_bounds_is_refused_by_name(tmp_path: Path, field: str, value: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        read_config(write(tmp_path, {**NOVEL, field: value}), approximate=True)
    assert caught.value.field == field


def test_fields_that_change_no_count_are_no_obstacle(tmp_path: Path) -> None:
    more = {"num_labels": 2, "num_beams": 4, "rope_scaling": {"factor": 2.0}, "id2label": {"0": "a", "1": "b"},
            "initializer_range": 0.02, "hidden_act": "silu", "layer_types": ["full_attention"] * 8}  # fmt: skip
    plain = read_config(write(tmp_path, NOVEL), approximate=True)
    assert read_config(write(tmp_path, {**NOVEL, **more}), approximate=True).params == plain.params


def test_other_names_of_the_sizes_are_read(tmp_path: Path) -> None:
    names = {"hidden_size": "n_embd", "num_hidden_layers": "n_layer", "num_attention_heads": "n_head",
             "intermediate_size": "n_inner", "num_key_value_heads": "n_kv_heads"}  # fmt: skip
    other = {names.get(key, key): value for key, value in NOVEL.items()}
    again = read_config(write(tmp_path, other), approximate=True)
    assert again.params == read_config(write(tmp_path, NOVEL), approximate=True).params


def test_a_nested_decoder_is_read(tmp_path: Path) -> None:
    plain = read_config(write(tmp_path, NOVEL), approximate=True)
    nested = read_config(write(tmp_path, {"model_type": "omni", "text_config": NOVEL}), approximate=True)
    assert nested.params == plain.params and nested.max_context == 8192
    llama = {**NOVEL, "model_type": "llama"}
    known = read_config(write(tmp_path, {"model_type": "omni", "text_config": llama}), approximate=True)
    assert known.params == read_config(write(tmp_path, llama)).params
    assert known.verified == "approximate" and "`llama` of its `text_config`" in known.assumed[0]
    with pytest.raises(ConfigError, match="talker_config"):
        both = {"model_type": "omni", "text_config": llama, "talker_config": {"hidden_size": 64}}
        read_config(write(tmp_path, both), approximate=True)


def test_what_is_exact_is_not_called_approximate(tmp_path: Path) -> None:
    model = read_config(write(tmp_path, {**NOVEL, "model_type": "llama"}), approximate=True)
    assert (model.verified, model.assumed) == ("config", ())


DESCRIBED = {kind(row): row["config"] for row in OTHERS}


@pytest.mark.parametrize("name", sorted(DESCRIBED))
def test_a_size_that_nobody_reads_is_refused_by_name(tmp_path: Path, name: str) -> None:
    """A described type with a size of its own making: the library would build something else."""
    config = DESCRIBED[name]
    approximate = "vision_config" not in config and name in WRAPPERS
    inner = "text_config" if isinstance(config.get("text_config"), dict) else None
    for field, value in (("num_memory_layers", 7), ("engram_embed_dim", 512), ("expert_widths", [64, 128])):
        own = {**config, inner: {**config[inner], field: value}} if inner else {**config, field: value}
        if approximate:
            found = read_config(write(tmp_path, own), approximate=True)
            assert any(f"{field}` looks like a size" in text for text in found.assumed)
            continue
        with pytest.raises(ConfigError) as caught:
            read_config(write(tmp_path, own))
        assert caught.value.field.endswith(field) and caught.value.approximable
        assert any(field in text for text in read_config(write(tmp_path, own), approximate=True).assumed)


def test_a_head_that_is_not_described_is_refused(tmp_path: Path) -> None:
    for name in ("LlamaForSequenceClassification", "Qwen2ForRewardModel", "LlamaForTokenClassification"):
        with pytest.raises(ConfigError) as caught:
            read_config(write(tmp_path, {**NOVEL, "model_type": "llama", "architectures": [name]}))
        assert (caught.value.field, name in caught.value.reason) == ("architectures", True)
    assert read_config(write(tmp_path, {**NOVEL, "model_type": "llama", "architectures": ["LlamaForCausalLM"]})).params


PLAN = """\
edition 2026

model mine = config("config.json", approximate)
inference chat {
  model       = mine
  context     = 2Ki tokens
  concurrency = 1
  gpu         = l4
  gpus        = 1
}
"""


def test_every_form_of_an_answer_says_approximate(tmp_path: Path) -> None:
    write(tmp_path, NOVEL)
    (tmp_path / "p.mem").write_text(PLAN)
    for form in ("table", "json", "markdown", "html"):
        alone = ("estimate", "config.json", "--approximate")
        for words in (("solve", "p.mem", "--no-lock"), ("estimate", "p.mem"), alone, (*alone, "--gpu", "l4")):
            done = run(*words, "--format", form, cwd=tmp_path)
            assert done.returncode == 0, done.stderr
            shown = " ".join(done.stdout.split())
            assert "approximate" in shown and "no row describes `novel`" in shown.replace("\\`", "`"), (words, form)
            assert "parameters" in shown and "are counted" in shown
    assert run("solve", "p.mem", cwd=tmp_path).returncode == 0
    assert 'approximate: "no row describes `novel`' in (tmp_path / "p.mem.lock").read_text()
    assert run("check", "p.mem", cwd=tmp_path).returncode == 0


REFUSED = {
    "unknown": NOVEL,
    "towerless": {"model_type": "qwen3_vl", "text_config": {"num_hidden_layers": 2}},
    "doubted": {**NOVEL, "model_type": "phi", "qk_layernorm": True},
}


@pytest.mark.parametrize("name", REFUSED)
def test_the_remedy_that_a_refusal_names_works_where_it_is_said(tmp_path: Path, name: str) -> None:
    write(tmp_path, REFUSED[name])
    (tmp_path / "p.mem").write_text(PLAN.replace(", approximate", ""))
    for words in (("catalog", "show", "config.json"), ("estimate", "config.json"), ("estimate", "."),
                  ("solve", "--model", "config.json"), ("init", "--model", "config.json", "new.mem")):  # fmt: skip
        if name == "doubted" and words[0] != "catalog":  # vLLM has no Phi any more
            words = (*words, "--engine", "sglang")
        done = run(*words, cwd=tmp_path)
        assert done.returncode == 2, words
        remedy = re.search(r"(--\w+) accepts an approximate description", done.stdout + done.stderr)
        assert remedy is not None, words
        assert run(*words, remedy[1], cwd=tmp_path).returncode == 0, words
    assert run("check", "new.mem", cwd=tmp_path).returncode == 0
    done = run("check", "p.mem", cwd=tmp_path)
    remedy = re.search(r"help: (config\(.*\)) accepts", done.stdout + done.stderr)
    assert done.returncode == 1 and remedy is not None
    (tmp_path / "p.mem").write_text(PLAN.replace('config("config.json", approximate)', remedy[1]))
    assert run("check", "p.mem", cwd=tmp_path).returncode == 0


def test_the_option_is_for_files_alone(tmp_path: Path) -> None:
    for words in (("estimate", "meta-llama/Llama-3.1-8B"), ("solve", "p.mem"), ("init", "p.mem")):
        assert run(*words, "--approximate", cwd=tmp_path).returncode == 2
    assert "--approximate" in run("estimate", "13B", "--approximate", cwd=tmp_path).stderr
