"""Diagnostics for machines."""

from __future__ import annotations

from collections.abc import Iterable

from planner.diagnostics.diagnostic import Diagnostic, Fix, Span
from planner.diagnostics.shown import json_text


def _place(span: Span | None) -> dict[str, object]:
    if span is None:
        return {"file": None, "line": None, "column": None, "start": None, "end": None}
    return {"file": span.path, "line": span.line, "column": span.column, "start": span.start, "end": span.end}


def record(item: Diagnostic) -> dict[str, object]:
    """Return one diagnostic as a JSON object; `start` and `end` are character offsets, also of a fix's edits."""
    return {
        "code": item.code,
        "severity": item.severity,
        "message": item.message,
        **_place(item.span),
        "label": item.label,
        "help": item.help,
        "secondary": [{**_place(span), "label": label} for span, label in item.secondary],
        "fix": _fix(item.fix) if item.fix else None,
    }


def _fix(fix: Fix) -> dict[str, object]:
    edits = [{**_place(span), "text": text} for span, text in fix.edits]
    return {"title": fix.title, "safe": fix.safe, "edits": edits}


def render(diagnostics: Iterable[Diagnostic]) -> str:
    """Return a JSON list with an object for each diagnostic."""
    return json_text([record(item) for item in diagnostics])
