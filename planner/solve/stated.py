"""What a plan states of a count or a word, and whether a choice is among what it offers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction

from planner.language.defaults import STATED
from planner.language.problem import Value, Workload
from planner.language.schema import COUNTED
from planner.solve.needs import need
from planner.solve.parallelism import Fault


def number(workload: Workload, name: str, default: int | None = None) -> int:
    """Return a given count; `default` stands for one that is not mentioned and has no default of its own.

    Raise KeyError where there is neither: a default of the table is never said again.
    """
    value = workload.given.get(name)
    if isinstance(value, Fraction):
        return int(value)
    if default is None:
        raise KeyError(name)
    return default


def counts(workload: Workload, name: str) -> list[int] | None:
    """Return the whole numbers a plan offers for a decision, None where it does not say."""
    values = workload.domains.get(name)
    return None if values is None else sorted(int(value) for value in values if isinstance(value, Fraction))


def words(workload: Workload, name: str, default: tuple[str, ...] = ()) -> list[str]:
    """Return the words a plan offers for a decision, in alphabetical order; its stated default where it offers none."""
    return sorted(str(value) for value in workload.domains.get(name) or default or (STATED[workload.kind][name],))


def fractional(choice: Mapping[str, Value]) -> list[Fault]:
    """Return the decisions that are not the whole numbers that they have to be."""
    out = []
    for name, low in COUNTED.items():
        value = choice.get(name)
        if value is None:
            continue
        if not isinstance(value, Fraction) or value.denominator != 1 or value < low:
            out.append(Fault(name, need("whole_number"), value if isinstance(value, Fraction) else str(value)))
    return out


def chosen_count(choice: Mapping[str, Value], name: str) -> int:
    """Return a decision that has been found to be a whole number."""
    value = choice.get(name, Fraction(1)) if name == "nodes" else choice[name]
    assert isinstance(value, Fraction)
    return int(value)


def first_of(*axes: tuple[str, int | str, list[int] | list[str]]) -> Iterator[Fault]:
    """Yield the first quantity whose value is not among those tried; of all together, where each is tried alone."""
    faults = [fault for name, value, tried in axes for fault in one_of(name, value, dict.fromkeys(tried))]
    if faults:
        yield faults[0]
    else:
        name, value, _ = axes[0]
        yield Fault(name, need("searched"), Fraction(value) if isinstance(value, int) else value)


def one_of(name: str, value: int | str, offered: Iterable[int | str]) -> Iterator[Fault]:
    """Yield a fault where a value is not among those offered."""
    values = list(offered)
    if value not in values:
        yield Fault(name, need("one_of", *values), Fraction(value) if isinstance(value, int) else value)
