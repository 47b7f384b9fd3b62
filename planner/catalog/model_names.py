"""Which model a name means that no row has: other spellings of a catalog id, and ids of quantised releases."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

from planner.catalog.checkpoints import WIDE
from planner.record import dataclass

if TYPE_CHECKING:
    from planner.catalog.catalog import Catalog

RELEASES = (
    (r"awq(?:[-_](?:int4|4bit))?", "int4_awq"),
    (r"awq(?:[-_](?:int4|4bit))?[-_]g64", "int4_awq_g64"),
    (r"awq(?:[-_](?:int4|4bit))?[-_]g32", "int4_awq_g32"),
    (r"(?:quantized[-._])?w4a16[-_]g64", "int4_g64"),
    (r"(?:quantized[-._])?w4a16[-_]g32", "int4_g32"),
    (r"gptq(?:[-_](?:int4|4bit))?|gptq[-_]int4[-_]g128", "int4_gptq_g128"),
    (r"gptq[-_](?:int8|8bit)", "int8"),
    (r"(?:quantized[-._])?w4a16", "int4"),
    (r"(?:quantized[-._])?w8a8|int8", "int8"),
    (r"fp8(?:[-_](?:dynamic|block|kv|static|per-tensor))?", "fp8_e4m3"),
    (r"nvfp4|fp4", "nvfp4"),
    (r"mxfp4", "mxfp4"),
    (r"(?:unsloth[-_])?bnb[-_]4bit", "nf4_dq"),
    (r"int4|4bit", "int4"),
    (r"(?:i1[-_])?gguf", "q4_k"),
)
"""How releases on the Hugging Face hub end their names, by the format of their weights.

The names are those that their makers give: Qwen (`-AWQ`, `-GPTQ-Int4`, `-FP8`), RedHatAI (`-quantized.w4a16`,
`-FP8-dynamic`, in the docs of llm-compressor), NVIDIA (`-NVFP4`), unsloth (`-bnb-4bit`).
"""
_PIECES = re.compile(r"\d+(?:\.\d+)?(?:x\d+)?[bm]?(?![a-z])|[a-z]+|\d+(?:\.\d+)?")
_SIZE = re.compile(r"a?\d+(?:\.\d+)?(?:x\d+)?[bm]")
MOST = 3
"""So many names are suggested at most."""


@dataclass(frozen=True, slots=True)
class Meant:
    """Models that a name may mean, nearest first, by the names people know; `weights` where it says a format too."""

    models: tuple[str, ...]
    weights: str = ""
    kin: bool = False
    """Whether they are only of the same family and size."""

    @property
    def question(self) -> str:
        """The help line: "did you mean …?", empty where nothing is near."""
        if not self.models:
            return ""
        ids = " or ".join(f"`{name}`" for name in self.models)
        if self.kin:
            return f"of its family and size there is {ids}; a config.json is read too"
        if self.weights == "q4_k":  # a repository of GGUF files has one for each block type
            return f"did you mean {ids} with `engine = llama_cpp` and the file's block type, such as `weights = q4_k`?"
        return f"did you mean {ids}{f' with `weights = {self.weights}`' if self.weights else ''}?"


def meant(text: str, catalog: Catalog) -> Meant:
    """Return the models that a name may mean which no row of the catalog has."""
    base, weights = release(text)
    if weights:
        names = _named(base, catalog) or _near(base, catalog) or _named(base.rpartition("/")[2], catalog)
        return Meant(names, weights)
    near = _near(text, catalog)
    return Meant(near) if near else Meant(_kin(text, catalog), kin=True)


def _named(base: str, catalog: Catalog) -> tuple[str, ...]:
    """Return the names of the models that a name means as it is."""
    model = catalog.find_model(base)
    rows = model if isinstance(model, tuple) else (model,) if model is not None else ()
    return tuple(base if "/" in base else row.id for row in rows)[:MOST]


def release(text: str) -> tuple[str, str]:
    """Return a name without the end that says the format of its weights, and that format; "" where it says none."""
    for pattern, weights in RELEASES:
        match = re.fullmatch(rf"(.+?)[-_.](?:{pattern})", text, re.IGNORECASE)
        if match is not None:
            return match[1], weights
    return text, ""


@lru_cache(maxsize=8192)
def pieces(text: str) -> tuple[str, ...]:
    """Return the parts of a model's name without its owner: `llama`, `3.1`, `8b`, `instruct`."""
    return tuple(_PIECES.findall(text.casefold().rpartition("/")[2].replace("_", "-")))


def _near(text: str, catalog: Catalog) -> tuple[str, ...]:
    """Return the ids whose names have every part of this one; else the one whose spelling is nearest."""
    wanted = pieces(text)
    names, stored = _names(catalog)
    ranked: dict[str, tuple[int, int, int]] = {}
    for name in (*names, *stored):
        missing, later = _missing(wanted, pieces(name))
        if wanted and not missing:
            ranked[name] = (later, len(pieces(name)) - len(wanted), len(name))
    out: dict[str, str] = {}
    for name in sorted(ranked, key=lambda name: (ranked[name], name)):
        row = catalog.find_model(name)
        if row is not None and not isinstance(row, tuple):
            out.setdefault(row.id, name)
    if out:
        return tuple(out.values())[:MOST]
    return _spelled(text, names)


_NAMES: list[tuple[Catalog, tuple[list[str], list[str]]]] = []
"""The catalog that was asked about last, with its names."""


def _names(catalog: Catalog) -> tuple[list[str], list[str]]:
    """Return the names of models, and those of fine-tunes that are in their model's own format."""
    if not _NAMES or _NAMES[0][0] is not catalog:
        names = [name for key in catalog.models for name in (key, *_aliases(catalog, key))]
        rows = catalog.checkpoints  # a fine-tune with a context of its own is one of them
        _NAMES[:] = [(catalog, (names, [key for key in rows if rows.row(key).get("native_format") in WIDE]))]
    return _NAMES[0][1]


def _kin(text: str, catalog: Catalog) -> tuple[str, ...]:
    """Return the models of the same family whose names say the same sizes: `32b`, or `30b` and `a3b`."""
    wanted = pieces(text)
    sizes = {piece for piece in wanted if _SIZE.fullmatch(piece)}
    if not sizes or not wanted[0].isalpha():
        return ()
    ranked = []
    for name in catalog.models:
        have = pieces(name)
        if have and have[0] == wanted[0] and {piece for piece in have if _SIZE.fullmatch(piece)} == sizes:
            ranked.append((-len(set(have) & set(wanted)), len(name), name))
    return tuple(name for _, _, name in sorted(ranked)[:MOST])


def _spelled(text: str, names: Iterable[str]) -> tuple[str, ...]:
    from difflib import get_close_matches

    low = {name.casefold(): name for name in names}
    short = {name.rpartition("/")[2]: name for name in low}
    close = get_close_matches(text.casefold()[:100], low, 1, 0.7)
    if not close and "/" not in text:
        close = [short[name] for name in get_close_matches(text.casefold()[:100], short, 1, 0.7)]
    return tuple(low[name] for name in close)


def _aliases(catalog: Catalog, key: str) -> tuple[str, ...]:
    return tuple(str(name) for name in catalog.models.row(key).get("aliases") or ())


def _missing(wanted: tuple[str, ...], have: tuple[str, ...]) -> tuple[int, int]:
    """Return how many parts a name lacks, and how many it has only as a later release: 3.3 for 3."""
    left = list(have)
    missing = later = 0
    for piece in wanted:
        if piece in left:
            left.remove(piece)
            continue
        version = next((item for item in left if piece.isdigit() and item.startswith(f"{piece}.")), None)
        if version is None:
            missing += 1
        else:
            left.remove(version)
            later += 1
    return missing, later
