"""Applying fixes: edits that do not overlap, from the end of the text to its start."""

from __future__ import annotations

from collections.abc import Iterable

from planner.diagnostics.diagnostic import Diagnostic
from planner.language.problem import Problem
from planner.syntax.format import same


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
        if any((start < other_end and other_start < end) or (start, end) == (other_start, other_end)
               for start, end, _ in new for other_start, other_end, _ in edits):  # fmt: skip
            continue
        edits += new
        done.append(item)
    for start, end, words in sorted(edits, reverse=True):
        text = text[:start] + words + text[end:]
    return text, done


def means_the_same(before: Problem, after: Problem) -> bool:
    """Return whether two problems ask for the same: all but places, and names that nothing used."""
    if len(before.workloads) != len(after.workloads):
        return False
    for one, other in zip(before.workloads, after.workloads, strict=True):
        if (one.name, one.given, one.domains, one.model, one.per_layer) != (
            other.name, other.given, other.domains, other.model, other.per_layer,
        ):  # fmt: skip
            return False
        if not same(one.bounds, other.bounds):
            return False
    stated = (before.rules, before.preferences, before.fleet, before.goals)
    now = (after.rules, after.preferences, after.fleet, after.goals)
    return all(map(same, stated, now)) and len(before.offers) == len(after.offers)
