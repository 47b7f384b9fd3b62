"""What an answer rests on, as SHA-256: what the plan says, its imports, and the catalog rows it may choose from."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import PurePath
from typing import Any

from planner.catalog.architecture import LayerPart, as_row
from planner.catalog.catalog import KINDS, Catalog
from planner.language.defaults import DEFAULTS
from planner.language.problem import Problem, Workload
from planner.record import dataclass
from planner.solve.rent.rental import offers_listed
from planner.syntax.layout import Statement, statements
from planner.syntax.lines import Word, flat
from planner.syntax.tokens import tokenize

Ids = dict[str, frozenset[str]]
SHORT = 12
MEASUREMENTS = "measurements"
"""What a plan itself brings: no catalog ships any."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Catalog rows of one kind: how many, and the digest of them all."""

    rows: int
    digest: str


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def plan_digest(text: str) -> str:
    """Return the digest of what a plan says.

    Comments, layout, `test` blocks and the order of its declarations do not change it: none of them changes the
    answer. Everything else does.
    """
    top, _ = statements(tokenize(text, "").tokens)
    kept = (item for item in top if item.tokens and item.tokens[0].type != "TEST")
    return _sha("\n".join(sorted(map(_said, kept))))


def _said(item: Statement) -> str:
    words = flat([Word(token) for token in item.tokens])
    if item.block is None:
        return words
    return f"{words} {{{'; '.join(sorted(_said(entry) for entry in item.block if entry.tokens))}}}"


def import_digests(plan: str, texts: Mapping[str, str]) -> dict[str, str]:
    """Return the digest of each file a plan imports, by its path from the plan's folder with `/`."""
    folder = os.path.dirname(plan) or "."
    out = {}
    for path, text in texts.items():
        if path != plan:
            name = PurePath(os.path.relpath(path, folder)).as_posix()
            out[name] = plan_digest(text) if path.endswith(".mem") else _sha(text.replace("\r\n", "\n"))
    return dict(sorted(out.items()))


def domain(problem: Problem, catalog: Catalog) -> Ids:
    """Return the ids of the rows the solver may choose from or computes with, by catalog.

    The optimum depends on what was not chosen too: a cheaper offer elsewhere makes another answer.
    """
    named: dict[str, set[str]] = {kind: set() for kind in KINDS}
    for workload in (item for one in (problem, *problem.others) for item in one.workloads):
        named["gpus"] |= {str(value) for value in workload.domains.get("gpu", tuple(problem.gpus))}
        named["offers"] |= {item.id for item in offers_listed(problem, workload)}
        named["models"] |= {item.id for item in (workload.model, workload.draft) if item is not None}
        for kind, names in programs(workload, catalog).items():
            named[kind] |= names
        named["formats"] |= _formats(workload) & set(problem.formats)
    measured = zip(catalog.quality, catalog.quality.column("format"), strict=True)
    named["quality"] = {key for key, name in measured if name in named["formats"]}
    return {kind: frozenset(ids) for kind, ids in named.items()}


def programs(workload: Workload, catalog: Catalog, default: bool = True) -> dict[str, set[str]]:
    """Return the rows of what serves or trains a workload, by catalog: its engine and what that makes of the model's
    class, or its framework and the one it runs on; with `default`, those of the kind's default as well."""
    own, usual = workload.given, DEFAULTS[workload.kind]
    if "engine" in own:
        engines = {str(own["engine"]), *([str(usual["engine"])] if default else [])} & set(catalog.engines)
        classes = {f"{name}/{workload.model.model_type}" for name in engines}
        return {"engines": engines, "engine_models": {key for key in classes if key in catalog.engine_models}}
    frameworks = {str(own["framework"]), *([str(usual["framework"])] if default else [])} & set(catalog.frameworks)
    return {"frameworks": frameworks | {base for key in frameworks if (base := catalog.frameworks[key].runs_on)}}


def _formats(workload: Workload) -> set[str]:
    native = workload.model.native_format
    out = {native, "bf16", "fp16", "fp32"}
    for name in ("weights", "kv_cache", "activations"):
        out |= {str(value) for value in workload.domains.get(name, ())}
    return out


def catalog_digests(problem: Problem, catalog: Catalog) -> dict[str, Rows]:
    """Return the digest of the rows in the plan's domain, by catalog; declared rows are digested as resolved."""
    return {
        kind: Rows(len(ids), _of(problem, catalog, kind, ids)) for kind, ids in domain(problem, catalog).items() if ids
    }


def row_digest(problem: Problem, catalog: Catalog, kind: str, key: str) -> str:
    """Return the first digits of the digest of one row, enough to see that it changed."""
    return _of(problem, catalog, kind, frozenset((key,)))[:SHORT]


def _of(problem: Problem, catalog: Catalog, kind: str, ids: frozenset[str]) -> str:
    own = {key: row for key, row in declared(problem, catalog, kind) if key in ids}
    if kind == MEASUREMENTS:
        if ids - own.keys():
            raise KeyError(kind)
        return _sha(json.dumps(own, sort_keys=True, default=_plain))
    shipped = _shipped(catalog, kind, frozenset(ids - own.keys()))
    if not own:
        return shipped
    return _sha(json.dumps([shipped, own], sort_keys=True, default=_plain))


@lru_cache(maxsize=4096)
def _shipped(catalog: Catalog, kind: str, ids: frozenset[str]) -> str:
    return catalog.digest(kind, ids)


def declared(problem: Problem, catalog: Catalog, kind: str) -> Iterable[tuple[str, Any]]:
    """Yield the rows of a kind that a plan declares itself."""
    if kind == MEASUREMENTS:
        yield from ((item.id, {**_fields(item), "model": item.model.id}) for item in problem.measurements)
        return
    shipped = catalog.table(kind)
    match kind:
        case "gpus":
            yield from ((key, problem.gpus[key]) for key in problem.gpus if key not in shipped)
        case "formats":
            yield from ((key, problem.formats[key]) for key in problem.formats if key not in shipped)
        case "offers":
            listed = (item.id for item in problem.offers.listings)
            yield from ((key, problem.offers[key]) for key in listed if key not in shipped)
        case "engines":
            yield from problem.engines.items()
        case "quality":
            yield from ((row.id, row) for row in problem.quality)
        case "models":
            every = (item for one in (problem, *problem.others) for item in one.workloads)
            models = (model for item in every for model in (item.model, item.draft) if model is not None)
            yield from ((model.id, model) for model in models if model.id not in shipped)


def _plain(value: object) -> object:
    """Return a value as digests have it; of a record only what is not as unsaid, by name, so that a field which a later
    release adds changes no digest."""
    if isinstance(value, LayerPart):
        return as_row(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _fields(value)
    return sorted(map(str, value)) if isinstance(value, frozenset) else str(value)


def _fields(value: Any) -> dict[str, Any]:
    return {item.name: own for item in dataclasses.fields(value) if not _unsaid(item, own := getattr(value, item.name))}


def _unsaid(item: dataclasses.Field[object], value: object) -> bool:
    if item.default_factory is not dataclasses.MISSING:
        return value == item.default_factory()
    return item.default is not dataclasses.MISSING and value == item.default
