"""Rows of imported catalog files (`import "shared/gpus.yaml"`), added to what a plan can name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from planner.catalog import build
from planner.catalog.parameters import parameters
from planner.catalog.programs.build_engines import build_engine
from planner.catalog.records import Model, Offer
from planner.diagnostics import Span
from planner.language.scope import Scope, near
from planner.syntax import tree

MAKERS: dict[str, Any] = {
    "gpus": build.build_gpu,
    "offers": build.build_offer,
    "models": build.build_model,
    "formats": build.build_format,
    "engines": build_engine,
    "quality": build.build_recovery,
}
ENDINGS = (".yaml", ".yml")


def adopt(file: tree.File, scope: Scope) -> None:
    """Add the rows of every imported catalog; a row that hides a shipped one says `override: true`.

    What a row names must be there once all are read: an offer's GPU, a model's formats.
    """
    placed: list[tuple[Any, Span]] = []
    for item in file.items:
        if isinstance(item, tree.Import) and item.path.endswith(ENDINGS):
            placed += _adopt(item, scope)
    declared = {item.name for item in file.items if isinstance(item, tree.Declaration)}
    for record, span in placed:
        reason = _astray(record, scope, declared)
        if reason:
            for table in (scope.models, scope.offers):
                table.pop(record.id, None)
            scope.error("E0203", f"{Path(span.path).name}: `{record.id}` {reason}", span, help="correct the row")


def _astray(record: Any, scope: Scope, declared: set[str]) -> str:
    """Return why a row cannot be what it says, "" where it can."""
    match record:
        case Offer():
            if record.gpu not in scope.gpus and record.gpu not in scope.catalog.gpus and record.gpu not in declared:
                return f"has the GPU `{record.gpu}`, which no catalog has" + _maybe(record.gpu, scope.catalog.gpus)
        case Model():
            for form in (record.native_format, *record.native_classes.values()):
                if form not in scope.formats and form not in scope.catalog.formats and form not in declared:
                    return f"has the format `{form}`, which no catalog has" + _maybe(form, scope.catalog.formats)
            arch = record.architecture
            total = sum(parameters(arch).values()) if arch is not None else record.params
            if total != record.params:
                return (
                    f"has {record.params} parameters, and its architecture {total}: `opaque_params` takes what its "
                    "layers do not have"
                )
    return ""


def _maybe(name: str, value: Any) -> str:
    hint = near(name, value)
    return f"; {hint}" if hint else ""


def kind_of(path: str) -> str | None:
    """Return the kind of catalog a file holds: the kind its name is or ends with (`gpus.yaml`, `our_gpus.yaml`)."""
    stem = Path(path).stem.lower()
    return next((kind for kind in MAKERS if stem.endswith(kind)), None)


def _adopt(item: tree.Import, scope: Scope) -> list[tuple[Any, Span]]:
    """Add the rows of one import, and return them with where they stand."""
    from planner.catalog.reading.table import RowTable, read_sheet

    kind = kind_of(item.path)
    if kind is None:
        scope.error(
            "E0203",
            f'"{Path(item.path).name}" does not say what it holds',
            item.path_span,
            help=f"end its name with one of {', '.join(MAKERS)}, like our_gpus.yaml",
        )
        return []
    table: RowTable[Any] = RowTable(read_sheet(Path(item.path), kind, MAKERS[kind]), MAKERS[kind])
    way = f"the shipped {kind}.yaml shows the form of a row"
    scope.findings.extend(replace(finding, help=finding.help or way) for finding in table.findings)
    if table.findings and not len(table):
        return []
    for name in item.names:
        if name not in table:
            scope.error(
                "E0301",
                f'"{Path(item.path).name}" has no row `{name}`',
                item.span,
                help=near(name, table) or "see its rows",
            )
    shipped = scope.catalog.table(kind)
    placed = []
    for key in table:
        if item.names and key not in item.names:
            continue
        name = f"{item.alias}.{key}" if item.alias else key
        if name in shipped and not table.row(key).get("override"):
            scope.error(
                "E0304",
                f"the imported row `{key}` hides a shipped one",
                item.path_span,
                secondary=((table.span(key), "this row"),),
                help="give it another id, or say `override: true` in the row",
            )
            continue
        record = replace(table[key], id=name)
        _place(kind, name, record, scope)
        placed.append((record, table.span(key)))
    return placed


def _place(kind: str, name: str, record: Any, scope: Scope) -> None:
    if kind == "quality":
        scope.quality.append(record)
        return
    tables: dict[str, dict[str, Any]] = {
        "gpus": scope.gpus,
        "offers": scope.offers,
        "models": scope.models,
        "formats": scope.formats,
        "engines": scope.engines,
    }
    tables[kind][name] = record
