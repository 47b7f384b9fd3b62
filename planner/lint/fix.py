"""Applying fixes: edits that do not overlap, from the end of the text to its start."""

from __future__ import annotations

from collections.abc import Iterable

from planner.diagnostics.diagnostic import Diagnostic


def apply(text: str, path: str, findings: Iterable[Diagnostic], unsafe: bool = False) -> tuple[str, list[Diagnostic]]:
    """Return the text with its fixes, and the findings they mend; of two that overlap the first is applied.

    Only edits of `path` are applied, and only safe ones unless `unsafe`.
    """
    edits: list[tuple[int, int, str]] = []
    done: list[Diagnostic] = []
    for item in findings:
        fix = item.fix
        if fix is None or not (fix.safe or unsafe) or any(span.path != path for span, _ in fix.edits):
            continue
        new = [(span.start, span.end, words) for span, words in fix.edits]
        if any(start < other_end and other_start < end or (start, end) == (other_start, other_end)
               for start, end, _ in new for other_start, other_end, _ in edits):  # fmt: skip
            continue
        edits += new
        done.append(item)
    for start, end, words in sorted(edits, reverse=True):
        text = text[:start] + words + text[end:]
    return text, done
