"""What a plan declares, in the order of its text: an outline of it."""

from __future__ import annotations

from planner.diagnostics import Span
from planner.language.schema import WORKLOADS
from planner.record import dataclass
from planner.syntax import tree


@dataclass(frozen=True, slots=True)
class Symbol:
    """An entry of the outline: `sort` is workload, row, value, rule, test or setting; `span` is all of it."""

    name: str
    sort: str
    detail: str
    span: Span
    name_span: Span
    inner: tuple[Symbol, ...] = ()


def symbols(file: tree.File) -> list[Symbol]:
    """Return the outline of a plan's own text."""
    return [entry for item in file.items if (entry := _symbol(item, file.text)) is not None]


def _symbol(item: tree.Item, text: str) -> Symbol | None:
    match item:
        case tree.Let():
            return Symbol(item.name, "value", _words(text, item.value.span), item.span, item.name_span)
        case tree.Declaration():
            sort = "workload" if item.kind in WORKLOADS else "row"
            return Symbol(item.name, sort, item.kind, item.span, item.name_span, _lines(item.body, text))
        case tree.Require() | tree.Prefer():
            detail = _words(text, item.condition.span)
            kind = "require" if isinstance(item, tree.Require) else "prefer"
            return Symbol(item.name or kind, "rule", detail, item.span, item.span)
        case tree.Optimize():
            return Symbol(_words(text, item.span), "rule", "", item.span, item.span)
        case tree.Test():
            return Symbol(item.name or "test", "test", "", item.span, item.span)
    return None


def _lines(body: tuple[tree.Relation, ...], text: str) -> tuple[Symbol, ...]:
    said = {line.target.span: f"{line.operator} {_words(text, line.value.span)}" for line in body}
    return tuple(
        Symbol(line.target.text, "setting", said[line.target.span], line.span, line.target.span) for line in body
    )


def _words(text: str, span: Span) -> str:
    return " ".join(text[span.start : span.end].split())
