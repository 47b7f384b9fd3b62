"""A locked choice computed again, without a solver."""

from __future__ import annotations

from fractions import Fraction
from math import isfinite
from typing import Any

from planner.catalog.catalog import Catalog
from planner.language.problem import Problem, Value, Workload
from planner.language.schema import BY_KIND
from planner.solve.candidate import Candidate

FOLLOWS = ("provider", "region")
"""Quantities of a choice that follow from its offer."""


def value(written: Any) -> Value:
    """Return a value of a lock as the language has it."""
    if isinstance(written, int) and not isinstance(written, bool):
        return Fraction(written)
    if isinstance(written, float) and isfinite(written):
        return Fraction(str(written))
    return written if isinstance(written, str | bool) else str(written)


def recompute(problem: Problem, workload: Workload, choice: dict[str, Any], catalog: Catalog) -> Candidate | None:
    """Return the candidate of a choice with what it costs and breaks now, None where it can no longer be had."""
    from planner.solve.judge import Unknown, judge

    names = BY_KIND[workload.kind]
    decided = {key: value(written) for key, written in choice.items() if key in names and key not in FOLLOWS}
    try:
        return judge(problem, workload, decided, catalog)
    except (Unknown, KeyError, ValueError, ZeroDivisionError):
        return None
