"""The format a checkpoint's weights come in: `torch_dtype`, and what `quantization_config` says of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from planner.catalog.huggingface.config import Config, read_json
from planner.catalog.huggingface.modules import LINEAR, class_of
from planner.record import dataclass

DTYPES = {"bfloat16": "bf16", "float16": "fp16", "half": "fp16", "float32": "fp32", "float": "fp32"}
MAX_NAMES = 1_000_000
_LAYER = re.compile(r"\blayers\.(\d+)\.")
_MODELOPT = (
    ("W4A16_NVFP4", "nvfp4"), ("NVFP4", "nvfp4"), ("MXFP4", "mxfp4"), ("FP4", "nvfp4"), ("MXFP8", "mxfp8"),
    ("FP8", "fp8_e4m3"), ("W4A16_AWQ", "int4_awq"), ("W4A8_AWQ", "int4_awq"),
)  # fmt: skip
"""Algorithms of NVIDIA's ModelOpt and the format of the weights (modelopt/torch/export/quant_utils.py)."""


@dataclass(frozen=True, slots=True)
class Native:
    """The quantized format of most weights ("" where there is none), classes in 16 bit and in other formats.

    `layers` are the layers in which a class is quantized, where a checkpoint lists them; `partly` the layers in which
    it is left alone, where those are listed.
    """

    format: str = ""
    leaves: tuple[str, ...] = ()
    classes: tuple[tuple[str, str], ...] = ()
    layers: tuple[tuple[str, int], ...] = ()
    partly: tuple[tuple[str, int], ...] = ()


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


def quantized(config: Config) -> Native:
    """Return what the weights are quantized to, and what is left alone or in another format."""
    part = config.part("quantization_config", {}, required=False)
    part = part or config.part("compression_config", {}, required=False)
    if part is None and not config.inside:
        part = _beside(config)
    if part is None:
        return Native()
    inner = part.part("quantization", {}, required=False) or part
    if inner.has("quantized_layers"):
        return _by_layer(inner)
    experts = config.value("expert_dtype")
    if experts is None:
        experts = part.value("expert_dtype")
    found = _format(part)
    if isinstance(found, Native):
        return found
    if experts == "fp4" and found == "fp8_e4m3":  # DeepSeek-V4: experts in MXFP4, compressors in 16 bit
        rest = ("attention", "dense", "indexer", "shared_expert")
        return Native("mxfp4", ("compressor",), tuple((name, found) for name in rest))
    if experts not in (None, "fp8"):
        config.doubt("expert_dtype", f"is `{str(experts)[:20]}`; fp4 and fp8 are known")
    everywhere, somewhere = _left_alone(part)
    return Native(found, everywhere, partly=somewhere)


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


def _format(part: Config) -> str | Native:
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
    symmetric = scheme == "gptq" and part.value("sym") is not False and part.value("symmetric") is not False
    if group in (128, None):
        return "int4" if symmetric else "int4_awq"
    if group not in (32, 64):
        raise part.refuse("group_size", f"is {str(group)[:20]}; 32, 64 and 128 are known")
    return f"int4_g{group}" if symmetric else f"int4_{scheme}_g{group}"


def _bitsandbytes(part: Config) -> str:
    if part.flag("load_in_8bit"):
        return "int8"
    kind = str(part.value("bnb_4bit_quant_type") or "fp4")
    if kind != "nf4":
        part.doubt("bnb_4bit_quant_type", f"is `{kind}`; nf4 is known")
    return "nf4_dq" if part.flag("bnb_4bit_use_double_quant") else "nf4"


def _compressed(part: Config) -> str | Native:
    name = str(part.value("format") or "")
    if name.startswith(("nvfp4", "mxfp4")):
        return name[:5]
    groups = part.part("config_groups", {})
    found: dict[str, str] = {}
    everything = ""
    for key in groups.data if groups is not None else ():
        assert groups is not None
        group = groups.part(key, {})
        weights = group.part("weights", {}, required=False) if group is not None else None
        if weights is None or group is None:
            continue
        form = _weights(weights)
        targets = group.value("targets")
        for target in targets if isinstance(targets, list) and targets else ["Linear"]:
            kind = class_of(str(target))
            if str(target) == "Linear":
                everything = _same(part, "config_groups", "Linear", everything, form)
            elif kind:
                found[kind] = _same(part, "config_groups", kind, found.get(kind, ""), form)
            else:
                part.doubt("config_groups", f"targets `{str(target)[:60]}`, whose part of the model is not known")
    formats = {everything, *found.values()} - {""}
    if not formats:
        raise part.refuse("config_groups", "does not say the format of any weights")
    if len(formats) == 1 and everything:
        return everything
    everywhere, somewhere = _left_alone(part)
    return _native(found, everything, tuple(sorted({*everywhere, *(kind for kind, _ in somewhere)})))


def _weights(weights: Config) -> str:
    """Return the format of a group of compressed tensors."""
    bits = weights.some("num_bits")
    if str(weights.value("type") or "int") != "float":
        return _integers(weights, bits, weights.value("group_size"), "gptq")
    if bits not in (4, 8):
        raise weights.refuse("num_bits", f"is {bits}; 4 and 8 bit floats are known")
    return "fp8_e4m3" if bits == 8 else "nvfp4"


def _same(part: Config, field: str, kind: str, before: str, now: str) -> str:
    """Return the format of a class of tensors, which one checkpoint must keep for all of them."""
    if before and before != now:
        part.doubt(field, f"gives `{kind}` both {before} and {now}; one format for each part is described")
    return before or now


def _native(found: Mapping[str, str], everything: str, left: tuple[str, ...]) -> Native:
    """Return the format of the experts, else of the dense parts, as the main one, and the classes in others.

    A class that no format is given to is left alone unless there is one for everything.
    """
    main = found.get("experts") or found.get("dense") or everything or next(iter(found.values()))
    forms = {kind: found.get(kind) or everything for kind in LINEAR if kind not in left or kind in found}
    own = () if everything else tuple(kind for kind in LINEAR if not forms.get(kind))
    others = {kind: form for kind, form in forms.items() if form and form != main and kind not in _ALONE}
    others |= {kind: form for kind, form in found.items() if kind in _ALONE}
    leaves = {*(kind for kind in left if kind not in found), *(kind for kind in own if kind not in _ALONE)}
    return Native(main, tuple(sorted(leaves)), tuple(sorted(others.items())))


_ALONE = ("router", "embedding", "head", "other")
"""Classes that every format leaves in 16 bit unless a checkpoint says else."""


def _modelopt(part: Config) -> str:
    inner = part.part("quantization", {}, required=False) or part
    return _algorithm(inner, str(inner.value("quant_algo") or part.value("quant_method") or ""))


def _algorithm(part: Config, name: str) -> str:
    for word, found in _MODELOPT:
        if word in name.upper():
            return found
    raise part.refuse("quant_algo", f"is `{name[:40]}`, whose format is not known")


def _by_layer(part: Config) -> Native:
    """Return a checkpoint of ModelOpt's mixed precision, which lists each quantized module with its algorithm.

    What is not listed is left alone. Over a base that is quantized itself (`quant_method` fp8), what the rest is in is
    not said: refused.
    """
    listed = part.data["quantized_layers"]
    if not isinstance(listed, Mapping) or not 0 < len(listed) <= MAX_NAMES:
        raise part.refuse("quantized_layers", "must name each quantized module")
    method = str(part.value("quant_method") or "modelopt")
    if method not in ("modelopt", "modelopt_mixed", "nvfp4"):
        part.doubt("quantized_layers", f"stands beside `{method[:40]}`: what is not listed may be in either")
    found: dict[str, str] = {}
    layers: dict[str, set[str]] = {}
    for name, rule in listed.items():
        kind = class_of(name)
        if not kind:
            part.doubt("quantized_layers", f"names `{name[:80]}`, whose part of the model is not known")
            continue
        algorithm = rule.get("quant_algo") if isinstance(rule, Mapping) else None
        form = _algorithm(part, str(algorithm or ""))
        found[kind] = _same(part, "quantized_layers", kind, found.get(kind, ""), form)
        if (number := _LAYER.search(name)) is not None:
            layers.setdefault(kind, set()).add(number[1])
    if not found:
        raise part.refuse("quantized_layers", "names no part of the model")
    return replace(_native(found, "", ()), layers=tuple((kind, len(numbers)) for kind, numbers in layers.items()))


_LAYERED = ("attention", "dense", "experts", "gates", "recurrent", "shared_expert")
"""What a name of a whole layer stands for."""


def _left_alone(part: Config) -> tuple[tuple[str, ...], tuple[tuple[str, int], ...]]:
    """Return the classes left in 16 bit in every layer, and those left in so many layers, which their names number.

    A name of one tensor counts as all of its class in its layer, which is the safe reading.
    """
    names: list[str] = []
    for field in ("modules_to_not_convert", "ignore", "ignored_layers", "exclude_modules", "llm_int8_skip_modules"):
        value = part.value(field)
        if isinstance(value, list):
            names += [str(item) for item in value[:MAX_NAMES]]
    everywhere: set[str] = set()
    layers: dict[str, set[str]] = {}
    for name in names:
        kind, number = class_of(name), _LAYER.search(f"{name}.")
        if number is None:
            everywhere |= {kind} - {""}
            continue
        whole = not name[number.end() :].strip(".*") and class_of(f"{name.rstrip('.*')}.mlp")
        for each in _LAYERED if whole else (kind,) if kind else ():
            layers.setdefault(each, set()).add(number[1])
    partly = {kind: len(numbers) for kind, numbers in layers.items() if kind not in everywhere}
    return tuple(sorted(everywhere)), tuple(sorted(partly.items()))
