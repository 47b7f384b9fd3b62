"""Quantization blocks as people ship them: each class of tensors in the format that its modules are stored in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from planner.catalog.huggingface import ConfigError, read_config
from planner.catalog.load import load

DENSE = {
    "model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 4, "num_attention_heads": 32,
    "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 128256, "max_position_embeddings": 8192,
    "torch_dtype": "bfloat16",
}  # fmt: skip
MIXTURE = {
    "model_type": "qwen3_moe", "hidden_size": 2048, "num_hidden_layers": 4, "num_attention_heads": 32,
    "num_key_value_heads": 4, "head_dim": 128, "intermediate_size": 6144, "moe_intermediate_size": 768,
    "num_experts": 128, "num_experts_per_tok": 8, "vocab_size": 151936, "max_position_embeddings": 40960,
    "torch_dtype": "bfloat16",
}  # fmt: skip
FP8 = {"num_bits": 8, "type": "float", "strategy": "channel"}
NVFP4 = {"num_bits": 4, "type": "float", "strategy": "tensor_group", "group_size": 16}
ATTENTION = {"targets": ["re:.*self_attn.*"], "weights": FP8}


def packed(*targets: str, weights: dict[str, Any] = NVFP4, ignore: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    """Return compressed tensors: the weights of some targets, and attention in FP8 where these are patterns."""
    groups = {"group_0": {"targets": list(targets), "weights": weights}}
    if targets and targets[0] != "Linear":
        groups["group_1"] = ATTENTION
    return {"quant_method": "compressed-tensors", "config_groups": groups, "ignore": ["lm_head", *ignore], **more}


def native(folder: Path, config: dict[str, Any], block: dict[str, Any] | None) -> tuple[Any, ...]:
    (folder / "config.json").write_text(json.dumps({**config, "quantization_config": block} if block else config))
    model = read_config(folder / "config.json")
    leaves = tuple(kind for kind in model.native_leaves if kind not in ("head", "router"))
    return model.native_format, leaves, model.native_classes, model.native_partly


Q4 = {"num_bits": 4, "type": "int", "symmetric": True, "strategy": "group", "group_size": 128}
MX = {"num_bits": 4, "type": "float", "strategy": "group", "group_size": 32, "scale_dtype": "torch.uint8"}
OVER_FP8 = {"attention": "fp8_e4m3"}


@pytest.mark.parametrize(
    ("config", "block", "expected"),
    [
        (MIXTURE, packed("Linear", weights=FP8, ignore=("re:.*mlp.*",)), ("fp8_e4m3", ("experts",), {}, {})),
        (MIXTURE, packed("re:.*mlp.*(gate|up|down)_proj$", ignore=("re:.*mlp.gate$",)), ("nvfp4", (), OVER_FP8, {})),
        (MIXTURE, packed(r"re:.*mlp\.experts.*_proj$"), ("nvfp4", (), OVER_FP8, {})),
        (MIXTURE, packed("re:.*(gate|up|down)_proj$"), ("nvfp4", (), OVER_FP8, {})),
        (MIXTURE, packed("re:.*down_proj$"), ("fp8_e4m3", ("experts",), {}, {})),
        (MIXTURE, packed(r"re:.*layers\.[12]\..*experts.*"), ("nvfp4", (), OVER_FP8, {"experts": 2})),
        (DENSE, packed("re:.*mlp.*", weights=MX), ("mxfp4", (), OVER_FP8, {})),
        (DENSE, packed("Linear", weights=Q4, ignore=("re:.*mlp.*",)), ("int4", ("dense",), {}, {})),
        (
            DENSE,
            packed("Linear", weights=Q4, ignore=(r"re:.*layers\.0\..*",)),
            ("int4", (), {}, {"attention": 1, "dense": 1}),
        ),
        (DENSE, packed("Linear", weights={**Q4, "strategy": "channel"}), ("int4_channel", (), {}, {})),
        (
            DENSE,
            packed("Linear", weights=Q4, format="marlin-24", sparsity_config={"sparsity_structure": "2:4"}),
            ("int4_2of4", (), {}, {}),
        ),
        (
            DENSE,
            {"quant_method": "compressed-tensors", "config_groups": {}, "kv_cache_scheme": {"num_bits": 8}},
            ("bf16", (), {}, {}),
        ),
        (
            DENSE,
            {"quant_method": "auto-round", "bits": 4, "group_size": 128,
             "extra_config": {"model.layers.0.mlp.down_proj": {"bits": 16}}},
            ("int4", (), {}, {"dense": 1}),
        ),
        (
            DENSE,
            {"quant_method": "auto-round", "bits": 4, "group_size": 128,
             "extra_config": {".*self_attn.*": {"bits": 8}}},
            ("int4", (), {"attention": "int8"}, {}),
        ),
        (
            DENSE,
            {"quant_method": "gptq", "bits": 4, "lm_head": True, "dynamic": {"+:.*down_proj.*": {"bits": 8}}},
            ("int8", (), {"attention": "int4", "head": "int4"}, {}),
        ),
        (
            DENSE,
            {"quant_method": "gptq", "bits": 4, "group_size": 128, "dynamic": {"-:.*self_attn.*": {}}},
            ("int4", ("attention",), {}, {}),
        ),
        (
            DENSE,
            {"quant_method": "quark", "global_quant_config": {"weight": {"dtype": "fp8_e4m3"}}, "exclude": ["lm_head"]},
            ("fp8_e4m3", (), {}, {}),
        ),
        (
            MIXTURE,
            {"quant_method": "quark", "exclude": ["lm_head", "*self_attn*", "re:.*mlp.gate$"],
             "global_quant_config": {"weight": {"dtype": "fp4", "group_size": 32, "scale_format": "e8m0"}}},
            ("mxfp4", ("attention",), {}, {}),
        ),
        (
            MIXTURE,
            {"quant_method": "quark", "exclude": ["lm_head", "*mlp.gate"],
             "global_quant_config": {"weight": {"dtype": "fp4", "group_size": 32}},
             "layer_quant_config": {"*self_attn*": {"weight": {"dtype": "fp8_e4m3"}}}},
            ("mxfp4", (), OVER_FP8, {}),
        ),
        (
            DENSE,
            {"quant_method": "torchao", "quant_type": {"default": {"_type": "Float8WeightOnlyConfig"}}},
            ("fp8_e4m3", (), {}, {}),
        ),
        (
            DENSE,
            {"quant_method": "torchao",
             "quant_type": {"default": {"_type": "Int4WeightOnlyConfig", "_data": {"group_size": 64}}}},
            ("int4_zp_g64", (), {}, {}),
        ),
        (
            DENSE,
            {"quant_method": "hqq", "quant_config": {"weight_quant_params": {"nbits": 4, "group_size": 64}}},
            ("int4_zp_g64", (), {}, {}),
        ),
        (DENSE, {"group_size": 64, "bits": 4}, ("mlx4_g64", (), {"embedding": "mlx4_g64", "head": "mlx4_g64"}, {})),
    ],
)  # fmt: skip
def test_each_class_has_the_format_of_its_modules(
    tmp_path: Path, config: dict[str, Any], block: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    assert native(tmp_path, config, block) == expected


def test_mlx_writes_its_block_twice(tmp_path: Path) -> None:
    once = native(tmp_path, {**DENSE, "quantization": {"group_size": 64, "bits": 4}}, None)
    assert once == native(tmp_path, DENSE, {"group_size": 64, "bits": 4})


@pytest.mark.parametrize(
    ("name", "said", "expected"),
    [
        ("quantize_config.json", {"bits": 4, "group_size": 32, "sym": True, "desc_act": False}, "int4_g32"),
        ("quant_config.json", {"zero_point": True, "q_group_size": 128, "w_bit": 4, "version": "GEMM"}, "int4_awq"),
        ("hf_quant_config.json", {"quantization": {"quant_algo": "FP8", "exclude_modules": ["lm_head"]}}, "fp8_e4m3"),
    ],
)
def test_a_file_beside_the_config(tmp_path: Path, name: str, said: dict[str, Any], expected: str) -> None:
    (tmp_path / name).write_text(json.dumps(said))
    assert native(tmp_path, DENSE, None)[0] == expected


def test_the_list_of_mixed_layers_stands_beside(tmp_path: Path) -> None:
    rules = {f"model.layers.{layer}.mlp.{name}_proj": {"quant_algo": "NVFP4"}
             for layer in range(4) for name in ("gate", "up", "down")}  # fmt: skip
    said = {"quantization": {"quant_algo": "MIXED_PRECISION", "quantized_layers": rules}}
    (tmp_path / "hf_quant_config.json").write_text(json.dumps(said))
    block = {"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION"}
    assert native(tmp_path, DENSE, block)[:1] == ("nvfp4",)
    (tmp_path / "hf_quant_config.json").unlink()
    with pytest.raises(ConfigError, match=r"hf_quant_config\.json"):
        native(tmp_path, DENSE, block)


@pytest.mark.parametrize(
    ("block", "named"),
    [
        ({"quant_method": "quark", "global_quant_config": {"weight": {"dtype": "fp6"}}}, "`fp6`"),
        (
            {"quant_method": "torchao", "quant_type": {"default": {"_type": "UIntxWeightOnlyConfig"}}},
            "`UIntxWeightOnly",
        ),
        ({"quant_method": "hqq", "quant_config": {"weight_quant_params": {"nbits": 3, "group_size": 64}}}, "nbits"),
        ({"group_size": 32, "bits": 3}, "is 3 in groups of 32"),
        (packed("re:.*nothing$") | {"config_groups": {"a": {"targets": ["re:x"], "weights": NVFP4}}}, "no module"),
        (packed("re:(" + "a+" * 9), "too long"),
        (packed("re:(a|b)*c"), "too long"),
        (packed("re:(unclosed"), "not a regular expression"),
        ({"quant_method": "gptq", "bits": 4, "dynamic": {"+:.*w9.*": {"bits": 8}}}, "not a module of this model"),
        (packed("Linear", weights=FP8, sparsity_config={"sparsity_structure": "2:4"}), "2:4"),
    ],
)
def test_what_is_not_understood_is_named(tmp_path: Path, block: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        native(tmp_path, DENSE, block)


def test_the_formats_are_in_the_catalog() -> None:
    formats = load()[0].formats
    assert (formats["int4_channel"].bits, formats["int4_channel"].row_bytes) == (4, 2)
    assert float(formats["int4_2of4"].bits) == 3.125
    assert float(formats["mlx4_g64"].bits) == float(formats["int4_zp_g64"].bits) == 4.5


@pytest.mark.parametrize("field", ["num_experts", "n_routed_experts", "num_local_experts", "kv_lora_rank"])
def test_approximate_reads_no_mixture_as_a_dense_llama(tmp_path: Path, field: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps({**DENSE, "model_type": "novel", field: 64}))
    with pytest.raises(ConfigError, match=field):
        read_config(tmp_path / "config.json", approximate=True)
    (tmp_path / "config.json").write_text(json.dumps({**DENSE, "model_type": "novel"}))
    assert read_config(tmp_path / "config.json", approximate=True).verified == "approximate"


@pytest.mark.parametrize(
    ("block", "side"),
    [
        ({"quant_method": "fp8", "weight_block_size": [128, 128]}, 128),
        ({"quant_method": "fp8"}, 0),
        ({"quant_method": "fp8", "weight_block_size": [1, 2**40]}, 1),
        ({"quant_method": "fp8", "weight_block_size": "128"}, 0),
        (packed("Linear", weights={**FP8, "strategy": "block", "block_structure": [128, 128]}), 128),
        (packed("Linear", weights=FP8), 0),
    ],
)
def test_squares_of_fp8_weights_that_share_a_scale(tmp_path: Path, block: dict[str, Any], side: int) -> None:
    (tmp_path / "config.json").write_text(json.dumps({**DENSE, "quantization_config": block}))
    assert read_config(tmp_path / "config.json").native_block == side
