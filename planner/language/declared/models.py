"""Models that a plan declares: by parameter count, by architecture, `like` a shipped one, or from a file."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

from planner.catalog.architecture import Attention, Experts, FeedForward, as_row
from planner.catalog.parameters import parameters
from planner.catalog.records import Architecture, Layers, Model
from planner.language.declared.declare import StatedFields, read_fields
from planner.language.declared.hardware import PLAN, base_row
from planner.language.scope import Scope, near
from planner.syntax import tree

SHAPE = ("hidden", "layers", "heads", "inter", "vocab")
"""What an architecture needs; the rest has a stated default."""
PARTS = (*SHAPE, "kv_heads", "head_dim", "gated", "experts", "active_experts", "shared_inter", "window", "tied")
MIXER = {"heads": "heads", "kv_heads": "kv_heads", "head_dim": "head_dim", "window": "window"}
FFN = {
    "inter": "inter",
    "gated": "gated",
    "experts": "experts",
    "active_experts": "topk",
    "shared_inter": "shared_inter",
}
READERS = {"config": "a Hugging Face config.json", "checkpoint": "a .safetensors file, its index, or a .gguf file"}


def declare_model(declaration: tree.Declaration, scope: Scope) -> None:
    """Add a declared model to the scope."""
    before = len(scope.findings)
    if declaration.value is not None:
        model = read(declaration.name, declaration.value, scope)
    else:
        base = base_row(declaration, scope)
        said = read_fields(declaration, scope)
        if declaration.base is None:
            model = _own(declaration, said, scope) if len(scope.findings) == before else None
        else:
            model = _changed(declaration, base, said, scope) if isinstance(base, Model) else None
    if model is None or len(scope.findings) > before:
        scope.broken.add(declaration.name)
        return
    scope.models[declaration.name] = model


def _number(said: StatedFields, name: str, default: int = 0) -> int:
    value = said.values.get(name)
    return int(value) if isinstance(value, Fraction) else default


def _stated(said: StatedFields) -> dict[str, Any]:
    out: dict[str, Any] = {}
    if "max_context" in said.values:
        out["max_context"] = _number(said, "max_context")
    for name in ("native_format", "licence"):
        if name in said.values:
            out[name] = said.values[name]
    return out


def _own(declaration: tree.Declaration, said: StatedFields, scope: Scope) -> Model | None:
    shape = [name for name in PARTS if name in said.values]
    name = declaration.name
    if not shape:
        if "parameters" not in said.values:
            scope.error(
                "E0404",
                f"model `{name}` says neither `parameters` nor an architecture",
                declaration.name_span,
                help="parameters = 13B; or hidden, layers, heads, inter, vocab; or `like` a model",
            )
            return None
        count = _number(said, "parameters")
        active = _number(said, "active_parameters", count)
        model = Model(
            id=name,
            params=count,
            active_params=min(active, count),
            native_format="bf16",
            max_context=None,
            licence="",
            model_type="",
            architecture=None,
            verified=PLAN,
            source=PLAN,
        )
        return replace(model, **_stated(said))
    missing = [part for part in SHAPE if part not in said.values]
    if missing:
        scope.error(
            "E0404",
            f"model `{name}` has an architecture without `{missing[0]}`",
            declaration.name_span,
            help=f"state {', '.join(missing)} too",
        )
        return None
    for both in ("parameters", "active_parameters"):
        if both in said.values:
            scope.error(
                "E0405",
                f"`{both}` follows from the architecture",
                said.spans[both],
                secondary=((said.spans[shape[0]], "stated here"),),
                help=f"leave out `{both}`",
            )
            return None
    architecture = _architecture(declaration, said, scope)
    if architecture is None:
        return None
    count, active = _counted(architecture)
    model = Model(
        id=name,
        params=count,
        active_params=active,
        native_format="bf16",
        max_context=None,
        licence="",
        model_type="",
        architecture=architecture,
        verified=PLAN,
        source=PLAN,
    )
    return replace(model, **_stated(said))


def _architecture(declaration: tree.Declaration, said: StatedFields, scope: Scope) -> Architecture | None:
    hidden, heads = _number(said, "hidden"), _number(said, "heads")
    if "head_dim" not in said.values and hidden % heads:
        scope.error(
            "E0404",
            f"model `{declaration.name}` does not say `head_dim`",
            said.spans["heads"],
            help=f"hidden / heads is {hidden}/{heads}, which is not a whole number",
        )
        return None
    if heads % (kv := _number(said, "kv_heads", heads)):
        scope.error(
            "E0403",
            f"{heads} heads cannot share {kv} key and value heads",
            said.spans["kv_heads"],
            secondary=((said.spans["heads"], f"{heads} heads"),),
            help="heads is a multiple of kv_heads",
        )
        return None
    mixer = Attention(heads, kv, _number(said, "head_dim", hidden // heads), window=_number(said, "window", 0))
    gated = bool(said.values.get("gated", True))
    ffn: FeedForward | Experts
    if "experts" in said.values:
        if "active_experts" not in said.values:
            scope.error(
                "E0404",
                f"model `{declaration.name}` does not say `active_experts`",
                said.spans["experts"],
                help="active_experts = 2",
            )
            return None
        ffn = Experts(
            experts=_number(said, "experts"),
            topk=_number(said, "active_experts"),
            inter=_number(said, "inter"),
            gated=gated,
            shared_inter=_number(said, "shared_inter", 0),
        )
    else:
        ffn = FeedForward(_number(said, "inter"), gated)
    group = Layers(_number(said, "layers"), mixer, ffn, 2)
    tied = bool(said.values.get("tied", False))
    return Architecture(hidden, _number(said, "vocab"), tied, "rms", (group,))


def _counted(arch: Architecture) -> tuple[int, int]:
    """Return all and active parameters of an architecture."""
    return sum(parameters(arch).values()), sum(parameters(arch, active=True).values())


def _changed(declaration: tree.Declaration, base: Model, said: StatedFields, scope: Scope) -> Model | None:
    changes: dict[str, Any] = {"id": declaration.name, "aliases": (), "source": PLAN, "breakdown": {}, **_stated(said)}
    arch = base.architecture
    shape = [name for name in PARTS if name in said.values]
    if arch is None and shape:
        scope.error(
            "E0405",
            f"`{base.id}` is known by its parameter count alone: it has no `{shape[0]}`",
            said.spans[shape[0]],
            help="state parameters, or a whole architecture without `like`",
        )
        return None
    if "parameters" in said.values or "active_parameters" in said.values:
        count = _number(said, "parameters", base.params)
        if arch is not None:
            name = "parameters" if "parameters" in said.values else "active_parameters"
            scope.error(
                "E0405",
                f"`{name}` follows from the architecture of `{base.id}`",
                said.spans[name],
                help="change its parts, or declare a model of that many parameters without `like`",
            )
            return None
        changes |= {"params": count, "active_params": min(count, _number(said, "active_parameters", count))}
    if arch is not None and shape:
        other = _reshaped(arch, said, shape, base, scope)
        if other is None:
            return None
        changes |= _recounted(base, arch, other)
    return replace(base, **changes)


def _reshaped(
    arch: Architecture, said: StatedFields, shape: list[str], base: Model, scope: Scope
) -> Architecture | None:
    groups = list(arch.groups)
    for name in shape:
        value = said.values[name]
        plain: Any = int(value) if isinstance(value, Fraction) else value
        if name == "layers":
            if len(groups) != 1:
                _refuse(name, f"the layers of `{base.id}` are not alike", said, scope)
                return None
            groups[0] = replace(groups[0], count=plain)
        elif name in MIXER:
            if any(group.mixer.kind != "gqa" for group in groups):
                _refuse(name, f"`{base.id}` does not have grouped-query attention in every layer", said, scope)
                return None
            groups = [replace(group, mixer=replace(group.mixer, **{MIXER[name]: plain})) for group in groups]
        elif name in FFN:
            if any(FFN[name] not in as_row(group.ffn) for group in groups):
                _refuse(name, f"not every layer of `{base.id}` has `{name}`", said, scope)
                return None
            groups = [replace(group, ffn=replace(group.ffn, **{FFN[name]: plain})) for group in groups]
    top: dict[str, Any] = {name: said.values[name] for name in ("tied",) if name in shape}
    top |= {name: _number(said, name) for name in ("hidden", "vocab") if name in shape}
    return replace(arch, groups=tuple(groups), **top)


def _refuse(name: str, reason: str, said: StatedFields, scope: Scope) -> None:
    scope.error("E0405", reason, said.spans[name], help=f"`{name}` cannot be changed by `like`")


def _recounted(base: Model, old: Architecture, new: Architecture) -> dict[str, Any]:
    """Return a changed model's counts: the base's published ones, and what the change adds or takes."""
    before, after = _counted(old), _counted(new)
    return {
        "architecture": new,
        "params": base.params + after[0] - before[0],
        "active_params": base.active_params + after[1] - before[1],
    }


def read(name: str, value: tree.Expression, scope: Scope) -> Model | None:
    """Return the model of `config("…")` or `checkpoint("…")` under a name; None after a finding."""
    if not isinstance(value, tree.Call) or value.function not in READERS:
        named = value.function if isinstance(value, tree.Call) else ""
        scope.error(
            "E0405",
            "a model after `=` is read from a file",
            value.span,
            help=near(named, READERS) or f'model {name} = config("path/config.json")',
        )
        return None
    path, *rest = value.arguments or (None,)
    guess = len(rest) == 1 and isinstance(rest[0], tree.Name) and rest[0].text == "approximate"
    if not isinstance(path, tree.String) or (rest and not guess):
        way = f'{value.function}("path"), or {value.function}("path", approximate)'
        scope.error("E0402", f"`{value.function}` takes one path", value.span, help=way)
        return None
    from planner.language.declared.files import read_model

    return read_model(name, value.function, path, READERS[value.function], scope, bool(rest))
