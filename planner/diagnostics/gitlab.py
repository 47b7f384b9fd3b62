"""Diagnostics as a GitLab Code Quality report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from planner.diagnostics.diagnostic import Diagnostic
from planner.diagnostics.places import end, fingerprints, relative
from planner.diagnostics.shown import json_text

SEVERITY = {"error": "major", "warning": "minor"}


def _one(item: Diagnostic, texts: Mapping[str, str], fingerprint: str) -> dict[str, object]:
    line, behind = (item.span.line, end(item.span, texts)) if item.span else (1, None)
    return {
        "description": item.message + (f" (help: {item.help})" if item.help else ""),
        "check_name": item.code,
        "fingerprint": fingerprint,
        "severity": SEVERITY[item.severity],
        "location": {
            "path": relative(item.span.path) if item.span else ".",
            "lines": {"begin": line, "end": behind[0] if behind else line},
        },
    }


def render(diagnostics: Iterable[Diagnostic], texts: Mapping[str, str]) -> str:
    """Return the report, a JSON list (https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format)."""
    items = list(diagnostics)
    rows = [_one(item, texts, name) for item, name in zip(items, fingerprints(items), strict=True)]
    return json_text(rows)
