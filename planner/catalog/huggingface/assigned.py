"""Rules of a quantization that name modules by patterns, held against the modules that the architecture has."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase

from planner.catalog.architecture import LatentAttention
from planner.catalog.huggingface.config import Config
from planner.catalog.huggingface.modules import LINEAR
from planner.catalog.parameters import layer_classes
from planner.catalog.records import Architecture
from planner.record import dataclass

ALONE = ("router", "embedding", "head", "other")
"""Classes that every format leaves in 16 bit unless a checkpoint says else."""
WIDTHS = {"fp8_e4m3": 8, "fp8_e5m2": 8, "int8": 8, "mxfp8": 9, "mlx8_g64": 9}
"""What is wider than 4 bits."""
PREFIXES = ("model.", "model.language_model.", "language_model.model.")
LONGEST, REPEATS = 300, 4
"""A pattern's length, and its unbounded repeats: what is longer to match than any checkpoint's is refused."""


@dataclass(frozen=True, slots=True)
class Module:
    """A linear module: its names, its class, and its layer (-1 outside of them)."""

    names: tuple[str, ...]
    kind: str
    layer: int


@dataclass(frozen=True, slots=True)
class Native:
    """The quantized format of most weights ("" where there is none), classes in 16 bit and in other formats.

    `layers` are the layers in which a class is quantized, where a checkpoint lists them; `partly` the layers in which
    it is left alone, where those are listed. `block` is the side of the squares that share a scale in fp8.
    """

    format: str = ""
    leaves: tuple[str, ...] = ()
    classes: tuple[tuple[str, str], ...] = ()
    layers: tuple[tuple[str, int], ...] = ()
    partly: tuple[tuple[str, int], ...] = ()
    block: int = 0


def _names(family: str) -> dict[str, tuple[str, ...]]:
    """Return what the modules of each class are called in a layer."""
    gated = ("gate_proj", "up_proj", "down_proj")
    if family in ("mixtral", "minimax_m2", "minimax"):
        block, inner = "block_sparse_moe", ("w1", "w2", "w3")
    else:
        block, inner = ("feed_forward" if family.startswith("llama4") else "mlp"), gated
    shared = "shared_expert" if family.startswith(("qwen", "llama4")) else "shared_experts"
    latent = ("q_a_proj", "q_b_proj", "kv_a_proj_with_mqa", "kv_b_proj", "o_proj")
    return {
        "attention": tuple(f"self_attn.{name}" for name in ("q_proj", "k_proj", "v_proj", "o_proj")),
        "latent": tuple(f"self_attn.{name}" for name in latent),
        "dense": tuple(f"mlp.{name}" for name in gated),
        "experts": tuple(f"{block}.experts.0.{name}" for name in inner),
        "router": (f"{block}.gate",),
        "shared_expert": tuple(f"{block}.{shared}.{name}" for name in gated),
        "recurrent": ("linear_attn.in_proj_qkv", "linear_attn.in_proj_z", "linear_attn.out_proj"),
        "gates": ("linear_attn.in_proj_a", "linear_attn.in_proj_b"),
        "indexer": ("self_attn.indexer.wq_b", "self_attn.indexer.wk"),
    }


def modules(arch: Architecture) -> tuple[Module, ...]:
    """Return the linear modules of an architecture, the first of each layer's experts for all of them."""
    known = _names(arch.family)
    every_module = [Module(("lm_head", "language_model.lm_head"), "head", -1)]
    layer = 0
    for group in arch.groups:
        kinds = layer_classes(group)
        for _ in range(group.count):
            for kind in sorted(kinds & known.keys()):
                latent = kind == "attention" and isinstance(group.mixer, LatentAttention)
                for name in known["latent" if latent else kind]:
                    every_module.append(
                        Module(tuple(f"{start}layers.{layer}.{name}" for start in PREFIXES), kind, layer)
                    )
            layer += 1
    return tuple(every_module)


def is_pattern(name: str) -> bool:
    """Return whether a name is a regular expression or has wildcards other than at its end."""
    return name.startswith("re:") or any(sign in name.rstrip("*.") for sign in "*?[")


def matcher(name: str, part: Config, field: str) -> Callable[[Module], bool]:
    """Return what a name, a name with wildcards or an expression after `re:` matches; it names a module or a parent."""
    if name.startswith("re:"):
        text = name[3:]
        if len(text) > LONGEST or len(re.findall(r"(?<!\\)[*+{]", text)) > REPEATS or re.search(r"\)[*+{]", text):
            raise part.refuse(field, f"has a pattern that is too long to match: `{text[:60]}`")
        try:
            pattern = re.compile(text)
        except (re.error, RecursionError, OverflowError):
            raise part.refuse(field, f"has `{text[:60]}`, which is not a regular expression") from None
        return lambda module: any(pattern.match(each) for each in module.names)
    plain = re.sub(r"experts\.\d+", "experts.0", name)
    if is_pattern(name):
        return lambda module: any(fnmatchcase(each, plain) for each in module.names)
    start = f"{plain.rstrip('.*')}."
    return lambda module: any(f"{each}.".startswith(start) for each in module.names)


def found_by(names: Iterable[str], arch: Architecture, part: Config, field: str) -> Iterator[tuple[str, list[Module]]]:
    """Yield each pattern among names with the modules that it matches, where it matches any."""
    mods = modules(arch)
    for name in names:
        if is_pattern(name):
            fits = matcher(name, part, field)
            matching = [module for module in mods if fits(module)]
            if matching:
                yield name, matching


def widest(forms: Iterable[str]) -> str:
    """Return the format of the most bits."""
    return max(forms, key=lambda form: (WIDTHS.get(form, 4), form))


def spread(arch: Architecture, form_of: Callable[[Module], str]) -> Native:
    """Return what a checkpoint is stored in where each module has a format of its own, "" for 16 bit.

    A class counts in the widest format of its modules, in 16 bit where a layer has any module in it.
    """
    held: dict[str, dict[int, set[str]]] = {}
    for module in modules(arch):
        held.setdefault(module.kind, {}).setdefault(module.layer, set()).add(form_of(module))
    stored = {
        kind: ["" if "" in forms else widest(forms) for forms in layers.values()] for kind, layers in held.items()
    }
    own = {kind: widest(form for form in forms if form) for kind, forms in stored.items() if any(forms)}
    if not own:
        return Native()
    first = ("experts", "dense", "attention")
    main = next((own[kind] for kind in (*first, *own) if kind in own and kind not in ALONE), next(iter(own.values())))
    leaves, classes, partly = [], [], []
    for kind, forms in stored.items():
        wide = forms.count("")
        if kind in ALONE:
            classes += [(kind, own[kind])] if not wide else []
        elif wide == len(forms) or (wide and own[kind] != main):
            leaves.append(kind)
        else:
            partly += [(kind, wide)] if wide else []
            classes += [(kind, own[kind])] if own[kind] != main else []
    left = [kind for kind in LINEAR if kind not in (*stored, *ALONE)]
    return Native(main, tuple(sorted({*leaves, *left})), tuple(sorted(classes)), partly=tuple(sorted(partly)))
