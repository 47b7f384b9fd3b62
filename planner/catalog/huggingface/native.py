"""The format a checkpoint's weights come in: `torch_dtype`, and what `quantization_config` says of them."""

from __future__ import annotations

from typing import Any

from planner.catalog.huggingface.config import Config, read_json

DTYPES = {"bfloat16": "bf16", "float16": "fp16", "half": "fp16", "float32": "fp32", "float": "fp32"}
_CLASSES = (
    ("embed", "embedding"), ("lm_head", "head"), ("head", "head"), ("self_attn", "attention"), ("attn", "attention"),
    ("router", "router"), ("gate.", "router"), ("shared_expert", "shared_expert"), ("vision", "other"),
    ("visual", "other"), ("multi_modal", "other"), ("norm", "norm"),
)  # fmt: skip
"""Words in a module's name, and the class of tensors it belongs to."""


def sixteen(config: Config) -> tuple[str, str]:
    """Return the unquantized format, and a note where the file does not state it."""
    for field in ("dtype", "torch_dtype"):
        name = config.data.get(field)
        if name is None:
            continue
        found = DTYPES.get(str(name).removeprefix("torch."))
        if found is None:
            raise config.refuse(field, f"is `{str(name)[:40]}`; known are {', '.join(DTYPES)}")
        return found, ""
    return "", "the config states no dtype: the library builds it in fp32"


def quantized(config: Config) -> tuple[str, tuple[str, ...]]:
    """Return the native quantized format of the weights ("" where there is none) and the classes left alone."""
    part = config.part("quantization_config", {}, required=False)
    part = part or config.part("compression_config", {}, required=False)
    if part is None and not config.inside:
        part = _beside(config)
    if part is None:
        return "", ()
    return _format(part), _left_alone(part)


def _beside(config: Config) -> Config | None:
    """Return what an NVIDIA checkpoint says of its weights in the file `hf_quant_config.json` beside its config."""
    path = config.path.parent / "hf_quant_config.json"
    if config.path.name != "config.json" or not path.is_file():
        return None
    data, text = read_json(path)
    part = Config(path, text, {"quant_method": "modelopt", **data}, {}, config.approximate)
    inner = part.part("quantization", {}, required=False)
    merged = {**part.data, **(inner.data if inner is not None else {})}
    return Config(path, text, merged, {}, config.approximate)


def _format(part: Config) -> str:
    method = str(part.value("quant_method") or "").lower().replace("_", "-")
    if not method and part.has("config_groups"):
        method = "compressed-tensors"
    match method:
        case "fp8" | "fbgemm-fp8" | "deepspeedfp":
            text = str(part.value("fmt") or part.value("weight_dtype") or "e4m3")
            return "fp8_e5m2" if "e5m2" in text else "fp8_e4m3"
        case "mxfp4":
            return "mxfp4"
        case "gptq" | "auto-round" | "intel/auto-round" | "gptq-marlin" | "autoround":
            return _integers(part, part.some("bits"), part.value("group_size"), "gptq")
        case "awq" | "awq-marlin":
            return _integers(part, part.some("bits", "w_bit"), part.value("group_size", "q_group_size"), "awq")
        case "bitsandbytes" | "bnb":
            return _bitsandbytes(part)
        case "compressed-tensors":
            return _compressed(part)
        case "modelopt" | "modelopt-fp4" | "nvfp4":
            return _modelopt(part)
    if part.flag("load_in_4bit") or part.flag("load_in_8bit"):
        return _bitsandbytes(part)
    raise part.refuse("quant_method", f"is `{method or 'absent'}`, whose format is not known")


def _integers(part: Config, bits: int, group: Any, scheme: str) -> str:
    if bits == 8:
        return "int8"
    if bits != 4:
        raise part.refuse("bits", f"is {bits}; 4 and 8 bit are known")
    if group in (128, None):
        symmetric = scheme == "gptq" and part.value("sym") is not False
        return "int4" if symmetric else "int4_awq"
    known = {64: "int4_gptq_g64", 32: "int4_gptq_g32"}
    if group not in known:
        raise part.refuse("group_size", f"is {str(group)[:20]}; 32, 64 and 128 are known")
    return known[group]


def _bitsandbytes(part: Config) -> str:
    if part.flag("load_in_8bit"):
        return "int8"
    kind = str(part.value("bnb_4bit_quant_type") or "fp4")
    if kind != "nf4":
        part.doubt("bnb_4bit_quant_type", f"is `{kind}`; nf4 is known")
    return "nf4_dq" if part.flag("bnb_4bit_use_double_quant") else "nf4"


def _compressed(part: Config) -> str:
    name = str(part.value("format") or "")
    if name.startswith(("nvfp4", "mxfp4")):
        return name[:5]
    groups = part.part("config_groups", {})
    found = set()
    for key in groups.data if groups is not None else ():
        assert groups is not None
        group = groups.part(key, {})
        weights = group.part("weights", {}, required=False) if group is not None else None
        if weights is None:
            continue
        bits = weights.some("num_bits")
        if str(weights.value("type") or "int") == "float":
            if bits not in (4, 8):
                raise weights.refuse("num_bits", f"is {bits}; 4 and 8 bit floats are known")
            found.add("fp8_e4m3" if bits == 8 else "nvfp4")
        else:
            found.add(_integers(weights, bits, weights.value("group_size"), "gptq"))
    if len(found) != 1:
        raise part.refuse("config_groups", "does not give the weights one format")
    return found.pop()


def _modelopt(part: Config) -> str:
    inner = part.part("quantization", {}, required=False) or part
    algorithm = str(inner.value("quant_algo") or part.value("quant_method") or "").upper()
    for word, found in (("NVFP4", "nvfp4"), ("FP4", "nvfp4"), ("MXFP8", "mxfp8"), ("FP8", "fp8_e4m3")):
        if word in algorithm:
            return found
    raise inner.refuse("quant_algo", f"is `{algorithm[:40]}`, whose format is not known")


def _left_alone(part: Config) -> tuple[str, ...]:
    names: list[str] = []
    for field in ("modules_to_not_convert", "ignore", "ignored_layers", "exclude_modules", "llm_int8_skip_modules"):
        value = part.value(field)
        if isinstance(value, list):
            names += [str(item) for item in value[:10_000]]
    found = {}
    for name in names:
        text = name.lower() + "."
        kind = next((kind for word, kind in _CLASSES if word in text), None)
        if kind is not None:
            found[kind] = True
    return tuple(sorted(found))
