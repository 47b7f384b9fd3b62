"""`# planner: allow CODE`: warnings that are meant, and allowances that nothing needs (W0613)."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping

from planner.diagnostics.diagnostic import Diagnostic, Fix, Span, warning
from planner.record import dataclass
from planner.syntax.layout import Statement, statements
from planner.syntax.tokens import tokenize

_ALLOW = re.compile(r"#+\s*planner:\s*allow\b(.*)")
_CODE = re.compile(r"[EW]\d{4}")
Lines = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Allowance:
    """A code that is allowed on some lines of a file, or in all of it (`lines` None), and where it says so."""

    code: str
    lines: Lines | None
    span: Span
    comment: Span

    def covers(self, item: Diagnostic) -> bool:
        """Return whether a finding is one of those allowed here; the plan's lock counts as the whole plan."""
        if item.code != self.code or item.is_error or item.span is None:
            return False
        if item.span.path == f"{self.span.path}.lock":
            return self.lines is None
        inside = self.lines is None or self.lines[0] <= item.span.line <= self.lines[1]
        return item.span.path == self.span.path and inside


def allowances(text: str, path: str) -> list[Allowance]:
    """Return what a file allows.

    A comment behind a statement speaks of its line, one right above a statement of the whole statement, one that
    stands alone of the whole file.
    """
    if "planner:" not in text:
        return []
    tokens = tokenize(text, path)
    top, _ = statements(tokens.tokens)
    first_of_line = {token.span.line: token for token in reversed(tokens.tokens)}
    spans = dict(_spans(top))
    comments = {span.line for span, _ in tokens.comments if span.line not in first_of_line}
    out = []
    for span, comment in tokens.comments:
        match = _ALLOW.match(comment)
        if match is None:
            continue
        lines: Lines | None
        if span.line in first_of_line:
            lines = (span.line, span.line)
        else:
            below = span.line + 1
            while below in comments:
                below += 1
            lines = spans.get(below)
        for code in _CODE.finditer(match.group(1)):
            start = match.start(1) + code.start()
            place = Span(path, span.start + start, span.start + start + 5, span.line, span.column + start)
            out.append(Allowance(code.group(), lines, place, span))
    return out


def _spans(items: Iterable[Statement]) -> Iterable[tuple[int, Lines]]:
    """Yield for the first line of each statement its first and last line."""
    for item in items:
        if not item.tokens:
            continue
        first = item.tokens[0].span.line
        last = item.end.line if item.end else item.tokens[-1].span.line
        if item.block is not None:
            yield from _spans(item.block)
        yield first, (first, last)


def allowed(
    findings: Iterable[Diagnostic], texts: Mapping[str, str], unjudged: Container[str] = ()
) -> tuple[tuple[Diagnostic, ...], tuple[Diagnostic, ...]]:
    """Return the findings that are not allowed, and a W0613 for each allowance that none needed.

    `unjudged` are codes that were not looked for: an allowance of one is never unused.
    """
    known = [item for path, text in texts.items() for item in allowances(text, path)]
    if not known:
        return tuple(findings), ()
    kept, needed = [], set()
    for finding in findings:
        covering = [index for index, item in enumerate(known) if item.covers(finding)]
        needed.update(covering)
        if not covering:
            kept.append(finding)
    unused = tuple(
        _unused(item, texts) for index, item in enumerate(known) if index not in needed and item.code not in unjudged
    )
    return tuple(kept), unused


def _unused(item: Allowance, texts: Mapping[str, str]) -> Diagnostic:
    if item.code.startswith("E"):
        return warning("W0613", f"{item.code} is an error and cannot be allowed", item.span, help="mend it")
    text = texts.get(item.span.path, "")
    alone = len(_CODE.findall(text[item.comment.start : item.comment.end])) == 1
    start = len(text[: item.comment.start].rstrip(" \t"))
    end = item.comment.end
    if text[:start].endswith("\n") or not start:  # a comment of its own goes with its line
        end = min(len(text), end + 1)
    cut = Span(item.span.path, start, end, item.span.line, item.span.column)
    fix = Fix("leave the comment out", ((cut, ""),), safe=True) if alone else None
    return warning("W0613", f"nothing here has {item.code}", item.span, help="leave it out", fix=fix)
