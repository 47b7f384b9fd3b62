"""What a plan states of a count or a word."""

from __future__ import annotations

from fractions import Fraction

from planner.language.defaults import STATED
from planner.language.problem import Workload


def number(workload: Workload, name: str, default: int) -> int:
    """Return a given count; `default` stands for one that is not mentioned and has no default of its own."""
    value = workload.given.get(name)
    return int(value) if isinstance(value, Fraction) else default


def counts(workload: Workload, name: str) -> list[int] | None:
    """Return the whole numbers a plan offers for a decision, None where it does not say."""
    values = workload.domains.get(name)
    return None if values is None else sorted(int(value) for value in values if isinstance(value, Fraction))


def words(workload: Workload, name: str, default: tuple[str, ...] = ()) -> list[str]:
    """Return the words a plan offers for a decision, in alphabetical order; its stated default where it offers none."""
    return sorted(str(value) for value in workload.domains.get(name) or default or (STATED[workload.kind][name],))
