"""The format a checkpoint's weights come in: `torch_dtype`, and what `quantization_config` says of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from planner.catalog.huggingface import schemes
from planner.catalog.huggingface.assigned import ALONE, Module, Native, found_by, is_pattern, matcher, spread
from planner.catalog.huggingface.config import Config, read_json
from planner.catalog.huggingface.modules import LINEAR, class_of
from planner.catalog.parameters import layer_classes
from planner.catalog.records import Architecture

DTYPES = {"bfloat16": "bf16", "float16": "fp16", "half": "fp16", "float32": "fp32", "float": "fp32"}
MAX_NAMES = 1_000_000
_LAYER = re.compile(r"\blayers\.(\d+)\.")
_MODELOPT = (
    ("W4A16_NVFP4", "nvfp4"), ("NVFP4", "nvfp4"), ("MXFP4", "mxfp4"), ("FP4", "nvfp4"), ("MXFP8", "mxfp8"),
    ("FP8", "fp8_e4m3"), ("W4A16_AWQ", "int4_awq"), ("W4A8_AWQ", "int4_awq"),
)  # fmt: skip
"""Algorithms of NVIDIA's ModelOpt and the format of the weights (modelopt/torch/export/quant_utils.py)."""


def sixteen(config: Config) -> tuple[str, str]:
    """Return the unquantized format, and a note where the file does not state it."""
    for field in ("dtype", "torch_dtype"):
        name = config.data.get(field)
        if name is None:
            continue
        dtype = DTYPES.get(str(name).removeprefix("torch."))
        if dtype is None:
            raise config.refuse(field, f"is `{str(name)[:40]}`; known are {', '.join(DTYPES)}")
        return dtype, ""
    return "", "the config states no dtype: the library builds it in fp32"


def quantized(config: Config, arch: Architecture) -> Native:
    """Return what the weights are quantized to, and what is left alone or in another format."""
    part = config.part("quantization_config", {}, required=False)
    part = part or config.part("compression_config", {}, required=False)
    if part is None and config.has("quantization"):
        part = config.part("quantization", {})
    if part is None and not config.inside:
        part = _beside(config)
    if part is None:
        return Native()
    return replace(_assigned(config, part, arch), block=_block(part))


def _block(part: Config) -> int:
    """Return the larger side of the blocks of an fp8 weight that share a scale; 0 where scales are of other shapes."""
    groups = part.data.get("config_groups")
    weights = (
        [group.get("weights") for group in groups.values() if isinstance(group, dict)]
        if isinstance(groups, dict)
        else []
    )
    shapes = [
        part.data.get("weight_block_size"),
        *(row.get("block_structure") for row in weights if isinstance(row, dict)),
    ]
    sides = [side for shape in shapes if isinstance(shape, list) for side in shape]
    return max((side for side in sides if isinstance(side, int) and 0 < side <= 2**16), default=0)


def _assigned(config: Config, part: Config, arch: Architecture) -> Native:
    if not config.inside and not part.has("quantized_layers") and "MIXED" in str(part.value("quant_algo")).upper():
        part = _beside(config) or part  # the list of its layers stands in the file beside
    inner = part.part("quantization", {}, required=False) or part
    if inner.has("quantized_layers"):
        return _by_layer(inner)
    experts = config.value("expert_dtype")
    if experts is None:
        experts = part.value("expert_dtype")
    spread_form = _format(part, arch)
    if isinstance(spread_form, Native):
        everywhere, somewhere = _left_alone(part, arch)
        if spread_form.format and (everywhere or somewhere):
            left = {*everywhere, *(kind for kind, _ in somewhere if dict(spread_form.classes).get(kind))}
            kept = tuple((kind, form) for kind, form in spread_form.classes if kind not in left)
            more = dict(somewhere) | dict(spread_form.partly)
            partly = tuple(sorted((kind, count) for kind, count in more.items() if kind not in left))
            return replace(spread_form, leaves=tuple(sorted({*spread_form.leaves, *left})), classes=kept, partly=partly)
        return spread_form
    if experts == "fp4" and spread_form == "fp8_e4m3":  # DeepSeek-V4: experts in MXFP4, compressors in 16 bit
        rest = ("attention", "dense", "indexer", "shared_expert")
        return Native("mxfp4", ("compressor",), tuple((name, spread_form) for name in rest))
    if experts not in (None, "fp8"):
        config.doubt("expert_dtype", f"is `{str(experts)[:20]}`; fp4 and fp8 are known")
    everywhere, somewhere = _left_alone(part, arch)
    return Native(spread_form, everywhere, partly=somewhere)


BESIDE = (("hf_quant_config.json", "modelopt"), ("quantize_config.json", "gptq"), ("quant_config.json", "awq"))
"""Files beside a config.json that say how its weights are quantized: of NVIDIA's ModelOpt, AutoGPTQ and AutoAWQ."""


def _beside(config: Config) -> Config | None:
    """Return what a file beside the config says of its weights, where its maker writes one."""
    for name, method in BESIDE:
        path = config.path.parent / name
        if config.path.name != "config.json" or not path.is_file():
            continue
        data, text = read_json(path)
        part = Config(path, text, {"quant_method": method, **data}, {}, config.approximate)
        part.assumed = config.assumed
        inner = part.part("quantization", {}, required=False)
        merged = {**part.data, **(inner.data if inner is not None else {})}
        return part.at(merged, {})
    return None


def _format(part: Config, arch: Architecture) -> str | Native:
    method = str(part.value("quant_method") or "").lower().replace("_", "-")
    if not method and part.has("config_groups"):
        method = "compressed-tensors"
    if not method and part.inside.endswith(("quantization", "quantization_config")) and part.has("bits"):
        return schemes.mlx(part, arch)
    match method:
        case "fp8" | "fbgemm-fp8" | "deepspeedfp":
            text = str(part.value("fmt") or part.value("weight_dtype") or "e4m3")
            return "fp8_e5m2" if "e5m2" in text else "fp8_e4m3"
        case "mxfp4":
            return "mxfp4"
        case "gptq" | "gptq-marlin":
            form = _gptq(part)
            ruled = bool(part.data.get("dynamic")) or part.flag("lm_head")
            return schemes.gptq(part, arch, form, _gptq) if ruled else form
        case "auto-round" | "intel/auto-round" | "autoround":
            form = _gptq(part)
            return schemes.autoround(part, arch, form, _gptq) if part.data.get("extra_config") else form
        case "quark":
            return schemes.quark(part, arch, _gptq)
        case "torchao":
            return schemes.torchao(part, arch)
        case "hqq":
            return schemes.hqq(part)
        case "awq" | "awq-marlin":
            return _integers(part, part.some("bits", "w_bit"), part.value("group_size", "q_group_size"), "awq")
        case "bitsandbytes" | "bnb":
            return _bitsandbytes(part)
        case "compressed-tensors":
            return _compressed(part, arch)
        case "modelopt" | "modelopt-fp4" | "nvfp4":
            return _modelopt(part)
    if part.flag("load_in_4bit") or part.flag("load_in_8bit"):
        return _bitsandbytes(part)
    raise part.refuse("quant_method", f"is `{method or 'absent'}`, whose format is not known")


def _gptq(part: Config) -> str:
    return _integers(part, part.some("bits"), part.value("group_size"), "gptq")


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


def _compressed(part: Config, arch: Architecture) -> str | Native:
    name = str(part.value("format") or "")
    if name.startswith(("nvfp4", "mxfp4")):
        return name[:5]
    sparsity = part.part("sparsity_config", {}, required=False)
    sparse = str(sparsity.value("sparsity_structure") or "") if sparsity is not None else ""
    if sparse not in ("", "unstructured", "None") and (sparse != "2:4" or name != "marlin-24"):
        part.doubt("sparsity_config", f"is `{sparse[:20]}` in `{name[:40]}`; 2:4 in marlin-24 is known")
    groups = part.part("config_groups", {})
    if groups is not None and not groups.data and part.has("kv_cache_scheme"):
        return Native()  # the cache alone
    if name == "marlin-24":
        return _two_of_four(part, groups)
    if groups is not None and _by_pattern(groups):
        return _grouped(part, groups, arch)
    forms: dict[str, str] = {}
    everything = ""
    for key in groups.data if groups is not None else ():
        assert groups is not None
        group = groups.part(key, {})
        weights = group.part("weights", {}, required=False) if group is not None else None
        if weights is None or group is None:
            continue
        form = _weights(weights, group)
        targets = group.value("targets")
        for target in targets if isinstance(targets, list) and targets else ["Linear"]:
            kind = class_of(str(target))
            if str(target) == "Linear":
                everything = _same(part, "config_groups", "Linear", everything, form)
            elif kind:
                forms[kind] = _same(part, "config_groups", kind, forms.get(kind, ""), form)
            else:
                part.doubt("config_groups", f"targets `{str(target)[:60]}`, whose part of the model is not known")
    formats = {everything, *forms.values()} - {""}
    if not formats:
        raise part.refuse("config_groups", "does not say the format of any weights")
    if len(formats) == 1 and everything:
        return everything
    everywhere, somewhere = _left_alone(part, arch)
    return _native(forms, everything, tuple(sorted({*everywhere, *(kind for kind, _ in somewhere)})))


def _by_pattern(groups: Config) -> bool:
    """Return whether any group of compressed tensors says by a pattern what it is of."""
    targets = (rule.get("targets") for rule in groups.data.values() if isinstance(rule, Mapping))
    return any(is_pattern(str(name)) for names in targets if isinstance(names, list) for name in names)


def _two_of_four(part: Config, groups: Config | None) -> str:
    """Return the format of weights of which two in four are kept, with their places (compressed-tensors marlin_24)."""
    for key in groups.data if groups is not None else ():
        assert groups is not None
        weights = (groups.part(key, {}) or part).part("weights", {})
        assert weights is not None
        if weights.some("num_bits") == 4 and weights.value("group_size") == 128:
            return "int4_2of4"
    raise part.refuse("config_groups", "is 2:4 sparse; 4 bit in groups of 128 is known")


def _grouped(part: Config, groups: Config, arch: Architecture) -> Native:
    """Return compressed tensors whose groups are patterns of module names; names come before types."""
    rules, everything = [], ""
    for key in groups.data:
        group = groups.part(key, {})
        weights = group.part("weights", {}, required=False) if group is not None else None
        if group is None or weights is None:
            continue
        form = _weights(weights, group)
        for target in map(str, group.value("targets") or ["Linear"]):
            if target == "Linear":
                everything = _same(part, "config_groups", "Linear", everything, form)
            else:
                rules.append((matcher(target, part, "config_groups"), form))
    ignored = [matcher(str(name), part, "ignore") for name in (part.value("ignore") or ())[:MAX_NAMES]]

    def form_of(module: Module) -> str:
        if any(fits(module) for fits in ignored):
            return ""
        return next((form for fits, form in rules if fits(module)), "" if module.kind in ALONE else everything)

    native = spread(arch, form_of)
    if not native.format:
        raise part.refuse("config_groups", "matches no module of this model")
    return native


def _weights(weights: Config, group: Config) -> str:
    """Return the format of a group of compressed tensors."""
    bits = weights.some("num_bits")
    named = str(group.value("format") or "")
    if named.startswith(("nvfp4", "mxfp4")):
        return named[:5]
    if str(weights.value("type") or "int") == "int" and bits == 4 and weights.value("strategy") == "channel":
        return "int4_channel"
    if str(weights.value("type") or "int") != "float":
        return _integers(weights, bits, weights.value("group_size"), "gptq")
    if bits not in (4, 8):
        raise weights.refuse("num_bits", f"is {bits}; 4 and 8 bit floats are known")
    if bits == 4 and (weights.value("group_size") == 32 or "uint8" in str(weights.value("scale_dtype"))):
        return "mxfp4"
    return "fp8_e4m3" if bits == 8 else "nvfp4"


def _same(part: Config, field: str, kind: str, before: str, now: str) -> str:
    """Return the format of a class of tensors, which one checkpoint must keep for all of them."""
    if before and before != now:
        part.doubt(field, f"gives `{kind}` both {before} and {now}; one format for each part is described")
    return before or now


def _native(form_of: Mapping[str, str], everything: str, left: tuple[str, ...]) -> Native:
    """Return the format of the experts, else of the dense parts, as the main one, and the classes in others.

    A class that no format is given to is left alone unless there is one for everything.
    """
    main = form_of.get("experts") or form_of.get("dense") or everything or next(iter(form_of.values()))
    forms = {kind: form_of.get(kind) or everything for kind in LINEAR if kind not in left or kind in form_of}
    own = () if everything else tuple(kind for kind in LINEAR if not forms.get(kind))
    others = {kind: form for kind, form in forms.items() if form and form != main and kind not in ALONE}
    others |= {kind: form for kind, form in form_of.items() if kind in ALONE}
    leaves = {*(kind for kind in left if kind not in form_of), *(kind for kind in own if kind not in ALONE)}
    return Native(main, tuple(sorted(leaves)), tuple(sorted(others.items())))


def _modelopt(part: Config) -> str:
    inner = part.part("quantization", {}, required=False) or part
    return _algorithm(inner, str(inner.value("quant_algo") or part.value("quant_method") or ""))


def _algorithm(part: Config, name: str) -> str:
    if "MIXED" in name.upper():
        raise part.refuse(
            "quant_algo", "is mixed; hf_quant_config.json, which lists the layers, must lie beside the file"
        )
    for word, algorithm in _MODELOPT:
        if word in name.upper():
            return algorithm
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
    forms: dict[str, str] = {}
    layers: dict[str, set[str]] = {}
    for name, rule in listed.items():
        kind = class_of(name)
        if not kind:
            part.doubt("quantized_layers", f"names `{name[:80]}`, whose part of the model is not known")
            continue
        algorithm = rule.get("quant_algo") if isinstance(rule, Mapping) else None
        form = _algorithm(part, str(algorithm or ""))
        forms[kind] = _same(part, "quantized_layers", kind, forms.get(kind, ""), form)
        if (number := _LAYER.search(name)) is not None:
            layers.setdefault(kind, set()).add(number[1])
    if not forms:
        raise part.refuse("quantized_layers", "names no part of the model")
    return replace(_native(forms, "", ()), layers=tuple((kind, len(numbers)) for kind, numbers in layers.items()))


_LAYERED = ("attention", "dense", "experts", "gates", "recurrent", "shared_expert")
"""What a name of a whole layer stands for."""


def _left_alone(part: Config, arch: Architecture) -> tuple[tuple[str, ...], tuple[tuple[str, int], ...]]:
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
    matched = dict(found_by(names, arch, part, "ignore"))
    for mods in matched.values():
        for kind in {module.kind for module in mods}:
            held = {str(module.layer) for module in mods if module.kind == kind}
            having = sum(group.count for group in arch.groups if kind in layer_classes(group))
            if kind == "head" or len(held) >= having:
                everywhere.add(kind)
            else:
                layers.setdefault(kind, set()).update(held)
    for name in names:
        if name in matched:
            continue
        kind, number = class_of(name), _LAYER.search(f"{name}.")
        if number is None:
            everywhere |= {kind} - {""}
            continue
        whole = not name[number.end() :].strip(".*") and class_of(f"{name.rstrip('.*')}.mlp")
        for each in _LAYERED if whole else (kind,) if kind else ():
            layers.setdefault(each, set()).add(number[1])
    partly = {kind: len(numbers) for kind, numbers in layers.items() if kind not in everywhere}
    return tuple(sorted(everywhere)), tuple(sorted(partly.items()))
