"""Names that nothing uses or that are not written as names are, and a plan without an edition (W0610, W0614, W0615)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from planner.diagnostics.diagnostic import Diagnostic, Fix, Span, warning
from planner.language.schema import WORKLOADS
from planner.lint.source import Source, nodes
from planner.syntax import tree
from planner.syntax.layout import statements
from planner.syntax.tokens import Lexeme, tokenize

SILENT = frozenset({*WORKLOADS, "fleet", "offer", "measurement"})
"""Kinds that count without being named: an offer can be rented once it is declared, a measurement anchors what is like
it."""
EDITION = 2026
_SNAKE = re.compile(r"[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)*")


def is_library(file: tree.File) -> bool:
    """Return whether a file only declares what others import: something, but no workload and no goal."""
    kinds = {item.kind for item in file.items if isinstance(item, tree.Declaration)}
    goal = any(isinstance(item, tree.Optimize | tree.Require | tree.Prefer | tree.Test) for item in file.items)
    declares = bool(kinds) or any(isinstance(item, tree.Let) for item in file.items)
    return declares and not goal and not kinds & {*WORKLOADS, "fleet"}


def names(source: Source) -> Iterator[Diagnostic]:
    """Yield each name the plan's own text declares or imports and never uses."""
    if is_library(source.file):
        return
    used = _used(source)
    for item in source.own():
        match item:
            case tree.Let() if item.name not in used:
                yield _unused(source, item.name, "is never used", item.name_span, item.span)
            case tree.Declaration() if item.kind not in SILENT and item.name not in used:
                yield _unused(
                    source, item.name, "is declared and never used", item.name_span, item.span, item.kind == "model"
                )  # `any` has the others
            case _:
                pass
    text = source.texts.get(source.path, "")
    for statement in statements(tokenize(text, source.path).tokens)[0]:
        if statement.tokens and statement.tokens[0].type == "IMPORT":
            yield from _imported(source, statement.tokens, used)


def spelling(source: Source) -> Iterator[Diagnostic]:
    """Yield each name of the plan's own text that is not in snake_case."""
    for item in source.own():
        match item:
            case tree.Let() | tree.Declaration():
                name, span = item.name, item.name_span
            case tree.Require(name=str(name)) | tree.Prefer(name=str(name)):
                span = item.span
            case _:
                continue
        if not _SNAKE.fullmatch(name):
            yield warning("W0615", f"`{name}` is not in snake_case", span, help=f"call it `{_snake(name)}`")


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def edition(source: Source) -> Iterator[Diagnostic]:
    """Yield a finding where a plan does not say its edition; the safe fix says it in the first free line."""
    if is_library(source.file) or any(isinstance(item, tree.Edition) for item in source.own()):
        return
    first = next(source.own(), None)
    if first is None:
        return
    text = source.texts.get(source.path, "")
    at = _above(text, first.span.start)
    place = Span(source.path, at, at, text.count("\n", 0, at) + 1, 1)
    yield warning(
        "W0614",
        "the plan says no edition",
        Span(source.path, first.span.start, first.span.start, first.span.line, first.span.column),
        help=f"write `edition {EDITION}` first",
        fix=Fix(f"say `edition {EDITION}`", ((place, f"edition {EDITION}\n\n"),), safe=True),
    )


def _above(text: str, offset: int) -> int:
    """Return where the comments right above an offset begin."""
    at = text.rfind("\n", 0, offset) + 1
    while at:
        start = text.rfind("\n", 0, at - 1) + 1
        if not text[start:at].lstrip().startswith("#"):
            break
        at = start
    return at


def _used(source: Source) -> set[str]:
    out: set[str] = set()
    for item in source.file.items:
        for node in nodes(item):
            match node:
                case tree.Relation(target=target):
                    out.update(target.parts[1:])
                case tree.Declaration(base=tree.String(text=text)):
                    out.add(text)
                case _:
                    pass
        targets = {id(node.target) for node in nodes(item) if isinstance(node, tree.Relation)}
        for node in nodes(item):
            if isinstance(node, tree.Name) and id(node) not in targets:
                out.update((node.text, node.parts[0]))
            elif isinstance(node, tree.String):
                out.add(node.text)
    return out


def _unused(source: Source, name: str, why: str, span: Span, whole: Span, safe: bool = True) -> Diagnostic:
    text = source.texts.get(source.path, "")
    return warning(
        "W0610",
        f"`{name}` {why}",
        span,
        help="leave it out",
        fix=Fix(f"leave `{name}` out", ((_line(text, whole), ""),), safe=safe),
    )


def _line(text: str, span: Span) -> Span:
    """Return a statement's whole lines with the comments right above it, where it has them to itself."""
    end = text.find("\n", span.end)
    end = len(text) if end < 0 else end + 1
    start = text.rfind("\n", 0, span.start) + 1
    before, behind = text[start : span.start].strip(), text[span.end : end].strip()
    if before or (behind and not behind.startswith("#")):
        cut = span.end + (len(behind) and behind.startswith(";"))
        return Span(span.path, span.start, cut, span.line, span.column)
    start = _above(text, span.start)
    return Span(span.path, start, end, text.count("\n", 0, start) + 1, 1)


def _imported(source: Source, tokens: list[Lexeme], used: set[str]) -> Iterator[Diagnostic]:
    whole = Span(source.path, tokens[0].span.start, tokens[-1].span.end, tokens[0].span.line, tokens[0].span.column)
    kinds = [token.type for token in tokens]
    if kinds == ["IMPORT", "STRING", "NAME", "NAME"]:
        alias = tokens[3]
        if not any(name == alias.text or name.startswith(f"{alias.text}.") for name in used):
            yield _unused(source, alias.text, "is imported and never used", alias.span, whole)
    elif len(kinds) > 1 and kinds[1] == "LBRACE":
        end = kinds.index("RBRACE") if "RBRACE" in kinds else 2  # a list that is never closed is an error of its own
        listed = [token for token in tokens[2:end] if token.type == "NAME"]
        unused = [token for token in listed if token.text not in used]
        for token in unused:
            finding = _unused(source, token.text, "is imported and never used", token.span, whole)
            if len(listed) > 1:  # the others stay: taking one out of the list is left to the author
                finding = warning("W0610", finding.message, finding.span, help=finding.help)
            yield finding
