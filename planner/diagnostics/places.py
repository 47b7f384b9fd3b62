"""Places of findings as other programs want them: end positions, paths with `/`, a name that stays when lines move."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import PurePath

from planner.diagnostics.diagnostic import Diagnostic, Span


def end(span: Span, texts: Mapping[str, str]) -> tuple[int, int] | None:
    """Return the 1-based line and column behind a span, None where its text is not known."""
    text = texts.get(span.path)
    if text is None or span.end <= span.start:
        return None
    inside = text[span.start : span.end]
    lines = inside.count("\n")
    if not lines:
        return span.line, span.column + len(inside)
    return span.line + lines, len(inside) - inside.rfind("\n")


def relative(path: str) -> str:
    """Return a path from the working folder with `/`, as it is where it lies outside."""
    if os.path.isabs(path):
        inside = os.path.relpath(path)
        path = path if inside.startswith("..") else inside
    return PurePath(path).as_posix()


def fingerprints(findings: Iterable[Diagnostic]) -> list[str]:
    """Return a name for each finding that stays the same when lines move; equal findings are numbered."""
    seen: dict[str, int] = {}
    out = []
    for item in findings:
        place = relative(item.span.path) if item.span else ""
        key = f"{place}\0{item.code}\0{item.message}"
        seen[key] = seen.get(key, 0) + 1
        out.append(hashlib.sha256(f"{key}\0{seen[key]}".encode("utf-8", "surrogatepass")).hexdigest()[:32])
    return out
