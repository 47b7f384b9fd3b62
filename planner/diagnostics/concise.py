"""Diagnostics one a line, for editors and grep."""

from __future__ import annotations

from collections.abc import Iterable

from planner.diagnostics.diagnostic import Diagnostic
from planner.diagnostics.shown import shown


def render(diagnostics: Iterable[Diagnostic]) -> str:
    """Return `path:line:column: error[E0101] message` for each."""
    lines = []
    for item in diagnostics:
        place = f"{shown(item.span.path)}:{item.span.line}:{item.span.column}: " if item.span else ""
        lines.append(f"{place}{item.severity}[{item.code}] {item.message}")
    return "\n".join(lines)
