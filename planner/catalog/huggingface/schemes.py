"""Quantizations that give modules formats of their own: Quark, torchao, HQQ, MLX, AutoRound's and GPTQ's rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from planner.catalog.huggingface.assigned import ALONE, Module, Native, matcher, modules, spread
from planner.catalog.huggingface.config import Config
from planner.catalog.huggingface.modules import class_of
from planner.catalog.records import Architecture

Rule = tuple[Callable[[Module], bool], str]


def _given(arch: Architecture, default: str, rules: Iterable[Rule], alone: tuple[str, ...] = ALONE) -> Native:
    """Return what a checkpoint is stored in: the first rule that fits a module, else the default."""
    known = tuple(rules)

    def form_of(module: Module) -> str:
        return next((form for fits, form in known if fits(module)), "" if module.kind in alone else default)

    return spread(arch, form_of)


def _rule(name: str, form: str, arch: Architecture, part: Config, field: str) -> Rule:
    """Return the rule of a name; refuse one that names no module which this model has and that changes its format."""
    fits = matcher(name, part, field)
    if form and class_of(name) != "other" and not any(fits(module) for module in modules(arch)):
        part.doubt(field, f"names `{name[:80]}`, which is not a module of this model")
    return fits, form


def gptq(part: Config, arch: Architecture, default: str, integers: Callable[[Config], str]) -> Native:
    """Return GPTQModel's `dynamic` (`+:` with bits of their own, `-:` left alone) and `lm_head`."""
    rules: list[Rule] = []
    dynamic = part.part("dynamic", {}, required=False)
    for name in dynamic.data if dynamic is not None else ():
        assert dynamic is not None
        text = name.removeprefix("+:").removeprefix("-:")
        form = "" if name.startswith("-:") else _changed(part, dynamic.part(name, {}), integers)
        rules.append(_rule(f"re:{text}", form, arch, part, "dynamic"))
    alone = tuple(kind for kind in ALONE if kind != "head") if part.flag("lm_head") else ALONE
    return _given(arch, default, rules, alone)


def autoround(part: Config, arch: Architecture, default: str, integers: Callable[[Config], str]) -> Native:
    """Return AutoRound's `extra_config`: modules by name, or by a regular expression, with bits of their own."""
    rules: list[Rule] = []
    extra = part.part("extra_config", {}, required=False)
    for name in extra.data if extra is not None else ():
        assert extra is not None
        own = extra.part(name, {})
        bits = own.maybe("bits") if own is not None else None
        form = "" if bits is not None and bits >= 16 else _changed(part, own, integers)
        text = f"re:{name}" if any(sign in name for sign in "*()|^$\\") else name
        rules.append(_rule(text, form, arch, part, "extra_config"))
    return _given(arch, default, rules)


def _changed(part: Config, current: Config | None, integers: Callable[[Config], str]) -> str:
    """Return the format of a rule, which has the values of the whole where it states none."""
    assert current is not None
    return integers(part.at({**part.data, **current.data}, {}, current.inside))


def quark(part: Config, arch: Architecture, integers: Callable[[Config], str]) -> Native:
    """Return a checkpoint of AMD's Quark: a format for all, formats by pattern, and what is excluded."""
    whole = part.part("quant_config", {}, required=False) or part
    if whole.data.get("layer_type_quant_config"):
        whole.doubt("layer_type_quant_config", "gives formats by the type of a layer, which is not described")
    main = whole.part("global_quant_config", {})
    default = _quark_weight(main, integers)
    rules = [_rule(str(name), "", arch, whole, "exclude") for name in whole.data.get("exclude") or ()]
    by_layer = whole.part("layer_quant_config", {}, required=False)
    for name in by_layer.data if by_layer is not None else ():
        assert by_layer is not None
        form = _quark_weight(by_layer.part(name, {}, required=False), integers)
        rules.append(_rule(name, form, arch, whole, "layer_quant_config"))
    return _given(arch, default, rules, tuple(kind for kind in ALONE if kind != "head"))


def _quark_weight(rule: Config | None, integers: Callable[[Config], str]) -> str:
    weight = rule.part("weight", {}, required=False) if rule is not None else None
    if weight is None:
        return ""
    dtype, group = str(weight.value("dtype") or ""), weight.value("group_size")
    if dtype in ("fp8_e4m3", "fp8_e5m2", "int8"):
        return dtype
    if dtype == "fp4" and group == 32 and str(weight.value("scale_format") or "e8m0") == "e8m0":
        return "mxfp4"
    if dtype == "fp4" and group == 16:
        return "nvfp4"
    if dtype in ("int4", "uint4"):
        data = {"bits": 4, "group_size": group, "sym": dtype == "int4"}
        return integers(weight.at(data, {}))
    raise weight.refuse("dtype", f"is `{dtype[:40]}` in groups of {str(group)[:10]}, which is not known")


_TORCHAO = (("float8", "fp8_e4m3"), ("int8weightonly", "int8"), ("int8dynamicactivationint8weight", "int8"))
"""Configurations of torchao by the start of their names, and the format of the weights (torchao/quantization)."""


def torchao(part: Config, arch: Architecture) -> Native:
    """Return a checkpoint of torchao: a configuration for all (`default`), and others by module."""
    said = part.value("quant_type")
    if isinstance(said, str):
        said = {"default": {"_type": said, "_data": part.data.get("quant_type_kwargs") or {}}}
    if not isinstance(said, Mapping) or part.data.get("include_input_output_embeddings"):
        raise part.refuse("quant_type", "is not one of torchao's configurations for the linear layers")
    inner = part.at(said, {}, f"{part.inside}.quant_type")
    if set(said) == {"default"}:
        return Native(_torchao(inner, said["default"]))
    by_name = said
    default = said.get("default")
    nested = default.get("_data") if isinstance(default, Mapping) else None
    if isinstance(nested, Mapping) and "module_fqn_to_config" in nested:
        by_name, default = nested["module_fqn_to_config"], nested["module_fqn_to_config"].get("_default")
    rules = [
        _rule(str(name), _torchao(inner, own) if own else "", arch, part, "quant_type")
        for name, own in by_name.items()
        if name not in ("default", "_default")
    ]
    return _given(arch, _torchao(inner, default) if default else "", rules)


def _torchao(part: Config, said: Any) -> str:
    kind = str(said.get("_type") or "") if isinstance(said, Mapping) else ""
    data = said.get("_data") if isinstance(said, Mapping) else None
    name = kind.lower().replace("_", "").removesuffix("config")
    for start, form in _TORCHAO:
        if name.startswith(start):
            return form
    if name == "int4weightonly":
        group = data.get("group_size", 128) if isinstance(data, Mapping) else 128
        if group in (32, 64, 128):
            return f"int4_zp_g{group}"
        raise part.refuse("default", f"has groups of {str(group)[:10]}; 32, 64 and 128 are known")
    raise part.refuse("default", f"is `{kind[:60]}`, whose format is not known")


def hqq(part: Config) -> Native:
    """Return a checkpoint of HQQ, whose groups have a 16-bit scale and zero point."""
    inner = part.part("quant_config", {})
    assert inner is not None
    own = inner.part("weight_quant_params", {}) if inner.has("weight_quant_params") else None
    if own is None:
        raise inner.refuse("weight_quant_params", "is missing: formats by module are not described")
    bits, group = own.some("nbits"), own.value("group_size")
    if bits != 4 or group not in (32, 64, 128):
        raise own.refuse(
            "nbits", f"is {bits} in groups of {str(group)[:10]}; 4 bit in groups of 32, 64 and 128 are known"
        )
    return Native(f"int4_zp_g{group}")


def mlx(part: Config, arch: Architecture) -> Native:
    """Return a checkpoint of MLX, which quantizes embedding and head too, and modules with bits of their own."""
    default = _mlx(part, part.data)
    rules = [
        _rule(name, _mlx(part, own) if isinstance(own, Mapping) else default if own else "", arch, part, name)
        for name, own in part.data.items()
        if "." in name or name == "lm_head"
        if "embed" not in name
    ]
    native = _given(arch, default, rules, ())
    named = [own for name, own in part.data.items() if "embed" in name]
    kept = _mlx(part, named[0]) if named and isinstance(named[0], Mapping) else "" if named else default
    classes = {**dict(native.classes), **({"embedding": kept} if kept else {})}
    return Native(native.format, native.leaves, tuple(sorted(classes.items())), partly=native.partly)


def _mlx(part: Config, said: Mapping[str, Any]) -> str:
    bits, group, mode = (said.get(name, part.data.get(name)) for name in ("bits", "group_size", "mode"))
    if mode in ("mxfp4", "nvfp4", "mxfp8"):
        return str(mode)
    if group != 64 or bits not in (4, 8) or mode not in (None, "affine"):
        raise part.refuse(
            "bits", f"is {str(bits)[:10]} in groups of {str(group)[:10]}; 4 and 8 bit in groups of 64 are known"
        )
    return f"mlx{bits}_g64"
