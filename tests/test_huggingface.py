"""Configs of every model type: published counts, the library's defaults, and what a config must not do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.catalog.huggingface import MODEL_TYPES, ConfigError, read_config
from planner.catalog.huggingface.diffusion import CLASSES
from planner.catalog.huggingface.read import WRAPPERS
from planner.physics.inference import kv_bytes_per_token, state_bytes, window_bytes_per_token

CORPUS = Path(__file__).parent / "corpus" / "configs"
ROWS = [json.loads(line) for line in (CORPUS / "published.jsonl").read_text().splitlines()]
BUILT = [json.loads(line) for line in (CORPUS / "built.jsonl").read_text().splitlines()]


def write(folder: Path, config: Any) -> Path:
    path = folder / "config.json"
    path.write_text(config if isinstance(config, str) else json.dumps(config))
    return path


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_published_counts(tmp_path: Path, row: dict[str, Any]) -> None:
    model = read_config(write(tmp_path, row["config"]))
    assert model.params == row["params"]
    if "active" in row:
        assert model.active_params == row["active"]
    if "kv" in row:
        arch = model.architecture
        assert arch is not None
        assert [kv_bytes_per_token(arch), window_bytes_per_token(arch), state_bytes(arch)] == row["kv"]


def kind(row: dict[str, Any]) -> str:
    """The type of a config, which is a class in diffusers."""
    config = row["config"]
    return str(config.get("model_type") or CLASSES[config["_class_name"]])


@pytest.mark.parametrize("row", BUILT, ids=kind)
def test_counts_of_models_the_library_built(tmp_path: Path, row: dict[str, Any]) -> None:
    """Each config was built on the meta device by transformers 5.23 (those of 2026: 5.24) or diffusers 0.40; `params`
    is what it counted.

    A wrapper without a `vision_config` is refused unless the library's default tower is accepted, which is counted.
    """
    approximate = kind(row) in WRAPPERS and "vision_config" not in row["config"]
    assert read_config(write(tmp_path, row["config"]), approximate).params == row["params"]


def test_every_type_is_covered() -> None:
    seen = {kind(row) for row in (*ROWS, *BUILT)}
    text_only = {"qwen2_vl_text", "qwen2_5_vl_text", "qwen3_vl_text", "qwen3_vl_moe_text", "mllama_text_model"}
    text_only |= {"glm4v_text", "glm4v_moe_text", "muse_glimmer_text"}
    assert set(MODEL_TYPES) - seen <= text_only | {"gemma3n", "kimi_k2", "step3p5", "minimax_m3"}


FACTS = (
    "arctic", "bart", "bert", "bloom", "clip", "cohere", "cohere2", "dbrx", "deepseek", "deepseek_v2",
    "deepseek_v3", "deepseek_v4", "distilbert", "dots1", "ernie4_5_moe", "exaone4", "falcon", "falcon_mamba",
    "flux", "gemma", "gemma2", "gemma3", "gemma3_text", "gemma3n_text", "gemma4", "glm", "glm4", "glm4_moe",
    "gpt2", "gpt_bigcode", "gpt_neo", "gpt_neox", "gpt_oss", "gptj", "granite", "granitemoe", "granitemoehybrid",
    "grok-1", "hunyuan_v1_moe", "internlm3", "jamba", "lfm2", "llama", "llama4", "llava", "mamba", "mamba2",
    "mimo_v2_flash", "minimax", "minimax_m2", "mistral", "mistral3", "mixtral", "mllama", "modernbert", "mpt",
    "nemotron", "nemotron-nas", "nemotron_h", "olmo", "olmo2", "olmo3", "olmoe", "openelm", "opt", "phi", "phi3",
    "phimoe", "qwen2", "qwen2_5_vl", "qwen2_moe", "qwen2_vl", "qwen3", "qwen3_5", "qwen3_5_moe", "qwen3_moe",
    "qwen3_next", "qwen3_vl", "qwen3_vl_moe", "roberta", "sdxl_unet", "seed_oss", "siglip", "smollm3", "stablelm",
    "starcoder2", "t5", "vit", "whisper", "xlm-roberta",
)  # fmt: skip
"""Every `model_type` among the 236 models whose counts were gathered to hold this program against (sdxl_unet is the
UNet2DConditionModel of diffusers, flux its FluxTransformer2DModel)."""


@pytest.mark.parametrize("name", FACTS)
def test_every_type_of_the_facts_is_read(tmp_path: Path, name: str) -> None:
    """At least one config of each is read without approximation, to the count that it was published or built with."""
    rows = [row for row in (*ROWS, *BUILT) if kind(row) == name and ("vision_config" in row["config"] or row in ROWS)]
    rows = rows or [row for row in BUILT if kind(row) == name]
    assert rows
    assert read_config(write(tmp_path, rows[0]["config"])).params == rows[0]["params"]


TOWERLESS = sorted(set(WRAPPERS) - {"gemma3n", "gemma4"})


@pytest.mark.parametrize("name", TOWERLESS)
def test_a_wrapper_without_its_vision_part_is_refused_and_named(tmp_path: Path, name: str) -> None:
    """Llama-4-Scout without its `vision_config` would count 417 million parameters too few."""
    config = {"model_type": name, "text_config": {"head_dim": 128} if name == "glm4v_moe" else {}}
    with pytest.raises(ConfigError) as caught:
        read_config(write(tmp_path, config))
    assert caught.value.field == "vision_config"
    whole = read_config(write(tmp_path, config), approximate=True)
    alone = read_config(write(tmp_path, {**config, "architectures": ["SomeForCausalLM"]}))
    assert whole.params > alone.params
    assert whole.verified == "approximate"


def test_layers_ahead_are_said_and_not_counted(tmp_path: Path) -> None:
    config = {"model_type": "deepseek_v3", "num_hidden_layers": 4, "num_nextn_predict_layers": 1}
    model = read_config(write(tmp_path, config))
    assert "1 layer of multi-token prediction is stored" in model.note
    assert model.params == read_config(write(tmp_path, {**config, "num_nextn_predict_layers": 0})).params


LLAMA = {"model_type": "llama", "hidden_size": 64, "num_attention_heads": 4, "torch_dtype": "bfloat16"}


@pytest.mark.parametrize(
    ("quantization", "native"),
    [
        ({"quant_method": "fp8", "fmt": "e4m3", "weight_block_size": [128, 128]}, "fp8_e4m3"),
        ({"quant_method": "fbgemm_fp8"}, "fp8_e4m3"),
        ({"quant_method": "mxfp4"}, "mxfp4"),
        ({"quant_method": "gptq", "bits": 4, "group_size": 128, "sym": True}, "int4"),
        ({"quant_method": "gptq", "bits": 4, "group_size": 64}, "int4_g64"),
        ({"quant_method": "gptq", "bits": 4, "group_size": 64, "sym": False}, "int4_gptq_g64"),
        ({"quant_method": "awq", "bits": 4, "group_size": 32}, "int4_awq_g32"),
        ({"quant_method": "gptq", "bits": 8, "group_size": -1}, "int8"),
        ({"quant_method": "awq", "bits": 4, "group_size": 128}, "int4_awq"),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}, "nf4"),
        ({"load_in_8bit": True}, "int8"),
        ({"quant_method": "modelopt", "quantization": {"quant_algo": "NVFP4"}}, "nvfp4"),
        ({"quant_method": "compressed-tensors", "format": "nvfp4-pack-quantized"}, "nvfp4"),
        (
            {
                "quant_method": "compressed-tensors",
                "config_groups": {"group_0": {"weights": {"num_bits": 8, "type": "float"}}},
            },
            "fp8_e4m3",
        ),
        (
            {
                "quant_method": "compressed-tensors",
                "config_groups": {"group_0": {"weights": {"num_bits": 4, "type": "int", "group_size": 128}}},
            },
            "int4",
        ),
        (None, "bf16"),
    ],
)
def test_native_formats(tmp_path: Path, quantization: dict[str, Any] | None, native: str) -> None:
    config = {**LLAMA, "quantization_config": quantization} if quantization else LLAMA
    assert read_config(write(tmp_path, config)).native_format == native


def test_what_a_checkpoint_leaves_alone(tmp_path: Path) -> None:
    names = ["model.layers.*.self_attn", "model.layers.*.mlp.router", "model.embed_tokens", "lm_head"]
    said = {"quant_method": "mxfp4", "modules_to_not_convert": names}
    config = {"model_type": "gpt_oss", "num_hidden_layers": 2, "quantization_config": said}
    assert read_config(write(tmp_path, config)).native_leaves == ("attention", "embedding", "head", "router")


def test_what_a_checkpoint_leaves_alone_in_some_layers(tmp_path: Path) -> None:
    """Meta's FBGEMM checkpoints leave attention and the first and last layer, Unsloth's dynamic ones some modules."""
    names = [f"model.layers.{at}.self_attn.{part}_proj" for at in range(8) for part in "qkvo"]
    names += ["model.layers.0.mlp.up_proj", "model.layers.0.mlp.down_proj", "model.layers.7", "lm_head", "mtp.layers.0"]
    said = {"quant_method": "fbgemm_fp8", "modules_to_not_convert": names}
    config = {**LLAMA, "num_hidden_layers": 8}
    model = read_config(write(tmp_path, {**config, "quantization_config": said}))
    assert model.native_format == "fp8_e4m3"
    assert (model.native_leaves, model.native_partly) == (("attention", "head"), {"dense": 2})


def test_a_quantization_in_a_file_of_its_own(tmp_path: Path) -> None:
    said = {"producer": {"name": "modelopt"}, "quantization": {"quant_algo": "NVFP4", "exclude_modules": ["lm_head"]}}
    (tmp_path / "hf_quant_config.json").write_text(json.dumps(said))
    model = read_config(write(tmp_path, LLAMA))
    assert (model.native_format, model.native_leaves) == ("nvfp4", ("head",))


def mixed(every: bool = True, **layers: str) -> dict[str, Any]:
    """ModelOpt's mixed precision: modules of the first layer, and of the second, with their algorithms."""
    named = {name.replace("__", "."): {"quant_algo": algorithm} for name, algorithm in layers.items()}
    again = {name.replace(".0.", ".1."): rule for name, rule in named.items()} if every else {}
    rules = named | again
    return {"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION", "quantized_layers": rules}


MIXTURE = {"model_type": "qwen3_moe", "num_hidden_layers": 2, "dtype": "bfloat16"}


@pytest.mark.parametrize(
    ("quantization", "native", "leaves", "classes"),
    [
        (  # as in nvidia/MiniMax-M3-NVFP4
            mixed(layers__0__self_attn__q_proj="MXFP8", layers__0__mlp__experts__0__w1="NVFP4"),
            "nvfp4", (), {"attention": "mxfp8"},
        ),
        (  # as in nvidia/Qwen3.6-35B-A3B-NVFP4
            mixed(layers__0__self_attn__q_proj="FP8", layers__0__mlp__experts="W4A16_NVFP4", lm_head="W4A16_NVFP4"),
            "nvfp4", (), {"attention": "fp8_e4m3", "head": "nvfp4"},
        ),
        (mixed(layers__0__mlp__experts="NVFP4"), "nvfp4", ("attention",), {}),
        (  # as in moonshotai/Kimi-K2.5
            {
                "quant_method": "compressed-tensors",
                "config_groups": {
                    "group_0": {"targets": ["Linear"], "weights": {"num_bits": 4, "type": "int", "group_size": 32}}
                },
                "ignore": ["lm_head", "re:.*self_attn.*", "re:.*shared_experts.*"],
            },
            "int4_g32", ("attention", "head"), {},
        ),
        (
            {
                "quant_method": "compressed-tensors",
                "config_groups": {
                    "group_0": {"targets": ["re:.*self_attn.*"], "weights": {"num_bits": 8, "type": "float"}},
                    "group_1": {"targets": ["re:.*experts.*"], "weights": {"num_bits": 4, "type": "float"}},
                },
            },
            "nvfp4", (), {"attention": "fp8_e4m3"},
        ),
    ],
)  # fmt: skip
def test_formats_by_part_of_the_model(
    tmp_path: Path, quantization: dict[str, Any], native: str, leaves: tuple[str, ...], classes: dict[str, str]
) -> None:
    model = read_config(write(tmp_path, {**MIXTURE, "quantization_config": quantization}))
    assert (model.native_format, model.native_leaves, model.native_classes) == (native, leaves, classes)


def test_deepseek_v4_has_experts_in_mxfp4(tmp_path: Path) -> None:
    """`expert_dtype` fp4 beside an fp8 quantization (vLLM, models/deepseek_v4: DeepseekV4FP8Config)."""
    config = {"model_type": "deepseek_v4", "expert_dtype": "fp4", "quantization_config": {"quant_method": "fp8"}}
    model = read_config(write(tmp_path, config))
    assert (model.native_format, model.native_leaves) == ("mxfp4", ("compressor",))
    assert model.native_classes == dict.fromkeys(("attention", "indexer", "shared_expert"), "fp8_e4m3")
    plain = read_config(write(tmp_path, {**config, "expert_dtype": "fp8"}))
    assert (plain.native_format, plain.native_classes) == ("fp8_e4m3", {})


def test_what_is_left_of_a_vision_tower_is_not_the_attention_of_the_decoder(tmp_path: Path) -> None:
    names = ["model.visual.blocks.0.attn.qkv", "mtp.layers.0.self_attn.q_proj", "model.layers.0.linear_attn.conv1d"]
    said = {"quant_method": "fp8", "modules_to_not_convert": names}
    assert read_config(write(tmp_path, {**MIXTURE, "quantization_config": said})).native_leaves == ()


def test_no_dtype_is_said(tmp_path: Path) -> None:
    model = read_config(write(tmp_path, {"model_type": "llama"}))
    assert (model.native_format, "no dtype" in model.note) == ("fp32", True)


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({}, "model_type"),
        ({"model_type": 5}, "model_type"),
        ({"model_type": "nonsense"}, "model_type"),
        ({"_class_name": "AutoencoderKL"}, "_class_name"),
        ({"_class_name": "UNet2DConditionModel", "class_embed_type": "timestep"}, "class_embed_type"),
        ({"_class_name": "UNet2DConditionModel", "down_block_types": ["DownBlock3D"]}, "down_block_types"),
        ({"_class_name": "UNet2DConditionModel", "layers_per_block": [2, 2]}, "layers_per_block"),
        ({"_class_name": "UNet2DConditionModel", "addition_embed_type": "image"}, "addition_embed_type"),
        ({"model_type": "deepseek_v4", "compress_ratios": [3] * 43}, "compress_ratios"),
        ({"model_type": "deepseek_v4", "compress_ratios": [[]] * 43}, "compress_ratios"),
        ({"model_type": "step3p5", "layer_types": [{}] * 45}, "layer_types"),
        ({"model_type": "deepseek_v4", "num_key_value_heads": 8}, "num_key_value_heads"),
        ({"model_type": "deepseek_v4", "o_groups": 7}, "o_groups"),
        ({"model_type": "deepseek_v32", "q_lora_rank": None}, "q_lora_rank"),
        ({"model_type": "glm_moe_dsa", "indexer_types": ["full"]}, "indexer_types"),
        ({"model_type": "glm_moe_dsa", "index_topk_pattern": "FX"}, "index_topk_pattern"),
        (
            {"model_type": "minimax_m3", "sparse_attention_config": {"sparse_attention_freq": [1]}},
            "sparse_attention_config.sparse_attention_freq",
        ),
        ({"model_type": "step3p5", "layer_types": ["full_attention"]}, "layer_types"),
        ({"model_type": "step3p5", "num_experts_per_tok": 289}, "num_experts_per_tok"),
        ({"model_type": "hunyuan_v1_moe", "num_experts": 64, "moe_topk": 65}, "moe_topk"),
        ({"model_type": "dbrx", "ffn_config": {"moe_num_experts": 4, "moe_top_k": 5}}, "ffn_config.moe_top_k"),
        (
            {
                "model_type": "gemma4_text",
                "enable_moe_block": True,
                "num_experts": 8,
                "top_k_experts": 9,
                "moe_intermediate_size": 64,
            },
            "top_k_experts",
        ),
        ({"model_type": "step3p5", "moe_layers_enum": "a,b"}, "moe_layers_enum"),
        ({"model_type": "step3p5", "attention_other_setting": {"head_dim": 64}}, "attention_other_setting.head_dim"),
        ({**LLAMA, "num_hidden_layers": 1_000_000}, "num_hidden_layers"),
        ({**LLAMA, "num_hidden_layers": -1}, "num_hidden_layers"),
        ({**LLAMA, "num_hidden_layers": "32"}, "num_hidden_layers"),
        ({**LLAMA, "hidden_size": 2**63}, "hidden_size"),
        ({**LLAMA, "hidden_size": None}, "hidden_size"),
        ({**LLAMA, "num_attention_heads": 0}, "num_attention_heads"),
        ({**LLAMA, "num_key_value_heads": 3}, "num_key_value_heads"),
        ({**LLAMA, "tie_word_embeddings": "yes"}, "tie_word_embeddings"),
        ({**LLAMA, "n_routed_experts": 64}, "n_routed_experts"),
        ({**LLAMA, "kv_lora_rank": 512}, "kv_lora_rank"),
        ({**LLAMA, "torch_dtype": "int3"}, "torch_dtype"),
        ({**LLAMA, "quantization_config": {"quant_method": "spqr"}}, "quantization_config.quant_method"),
        ({**LLAMA, "quantization_config": {"quant_method": "gptq", "bits": 3}}, "quantization_config.bits"),
        ({**MIXTURE, "quantization_config": mixed(layers__0__mlp__experts="INT3")}, "quantization_config.quant_algo"),
        ({**MIXTURE, "quantization_config": mixed(layers__0__oddity="FP8")}, "quantization_config.quantized_layers"),
        ({**MIXTURE, "quantization_config": mixed(False, layers__0__mlp__experts="NVFP4")}, "quantized_layers"),
        (
            {
                **MIXTURE,
                "quantization_config": mixed(False, layers__0__mlp__experts="NVFP4", layers__1__mlp__experts="FP8"),
            },
            "quantization_config.quantized_layers",
        ),
        (
            {**MIXTURE, "quantization_config": {**mixed(layers__0__mlp__experts="NVFP4"), "quant_method": "fp8"}},
            "quantization_config.quantized_layers",
        ),
        (
            {**MIXTURE, "quantization_config": {"quant_method": "modelopt", "quantized_layers": []}},
            "quantization_config.quantized_layers",
        ),
        (
            {"model_type": "deepseek_v4", "expert_dtype": "fp2", "quantization_config": {"quant_method": "fp8"}},
            "expert_dtype",
        ),
        ({"model_type": "phi", "qk_layernorm": True}, "qk_layernorm"),
        ({"model_type": "gemma2", "num_hidden_layers": 3, "layer_types": ["full_attention"]}, "layer_types"),
        ({"model_type": "gemma2", "num_hidden_layers": 1, "layer_types": ["odd"]}, "layer_types"),
        ({"model_type": "gemma3", "text_config": {"hidden_size": -1}}, "text_config.hidden_size"),
        ({"model_type": "gemma3"}, "text_config"),
        ({"model_type": "gemma3n", "text_config": {}}, "vision_config"),
        ({"model_type": "llama4", "text_config": {}, "vision_config": None}, "vision_config"),
        ({"model_type": "nemotron_h"}, "hybrid_override_pattern"),
        ({"model_type": "gpt2", "add_cross_attention": True}, "add_cross_attention"),
    ],
)
def test_what_cannot_be_described_names_the_field(tmp_path: Path, config: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_config(write(tmp_path, config))
    assert caught.value.field == field
    assert field.rpartition(".")[2] in str(caught.value)


def test_the_place_of_a_field(tmp_path: Path) -> None:
    text = '{\n  "model_type": "gemma3",\n  "text_config": {\n    "hidden_size": 7.5\n  }\n}\n'
    with pytest.raises(ConfigError) as caught:
        read_config(write(tmp_path, text))
    finding = caught.value.diagnostic()
    assert finding.code == "E0204"
    assert finding.span is not None
    assert (finding.span.line, finding.span.column) == (4, 5)


def test_an_approximation_is_accepted_and_said(tmp_path: Path) -> None:
    path = write(tmp_path, {**LLAMA, "model_type": "nonsense", "vocab_size": 100, "intermediate_size": 128,
                            "num_hidden_layers": 2})  # fmt: skip
    model = read_config(path, approximate=True)
    assert model.verified == "approximate"
    assert "nonsense" in model.assumed[0]
    exact = read_config(write(tmp_path, {**json.loads(path.read_text()), "model_type": "llama"}))
    assert exact.params <= model.params < 1.1 * exact.params


@pytest.mark.parametrize(
    "text", ["", "[]", "{", "nul\0l", '{"a": ' * 60_000, '{"model_type": ' + "9" * 5000 + "}", "\ufeff{}", "NaN"]
)
def test_files_that_are_no_config(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError):
        read_config(write(tmp_path, text))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "none.json", tmp_path / "config.json", tmp_path):
        with pytest.raises(ConfigError):
            read_config(path)


values = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=5), st.sampled_from(["auto"]),
    st.lists(st.integers(-3, 5), max_size=4), st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(row=st.sampled_from(ROWS), data=st.data())
def test_a_mutated_config_is_described_or_refused(
    tmp_path_factory: pytest.TempPathFactory, row: dict[str, Any], data: st.DataObject
) -> None:
    config = json.loads(json.dumps(row["config"]))
    target = config
    if isinstance(config.get("text_config"), dict) and data.draw(st.booleans()):
        target = config["text_config"]
    for field in data.draw(st.lists(st.sampled_from(sorted(target)), min_size=1, max_size=2)):
        target[field] = data.draw(values)
    folder = tmp_path_factory.mktemp("configs", numbered=True)
    try:
        model = read_config(write(folder, config))
    except ConfigError as refusal:
        assert refusal.reason
    else:
        assert model.params > 0
        assert 0 < model.active_params <= model.params
