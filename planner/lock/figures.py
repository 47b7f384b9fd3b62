"""Every figure of a lock computed again: what the lock says, held against what follows from its choices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from math import isfinite
from typing import Any

from planner.catalog.catalog import Catalog
from planner.diagnostics.diagnostic import Diagnostic, error
from planner.language.problem import Problem
from planner.lock.lock import BOUND, document
from planner.lock.read import Lock
from planner.record import dataclass
from planner.solve.answer import Answer, ObjectivePart, Solved
from planner.solve.candidate import Candidate
from planner.solve.choose.goal_values import objective_of
from planner.solve.copies import ordered, solved_together

MOST = 20
"""So many differences of one lock are told one by one."""
CERTIFICATE = ("method", "candidates", "removed", BOUND, "prices")
"""What a lock says of what proves its answer."""
FigurePlace = tuple[str | int, ...]


class Absent:
    """Stands for a key that a side does not have."""

    def __repr__(self) -> str:
        return "nothing"


ABSENT = Absent()


@dataclass(frozen=True, slots=True)
class FigureDifference:
    """A place of a lock, what it says there and what is right; ABSENT where it should not be there, or is not."""

    place: FigurePlace
    says: Any
    right: Any


def expected(
    problem: Problem, catalog: Catalog, texts: Mapping[str, str], lock: Lock, rows: Mapping[str, Candidate]
) -> dict[str, Any]:
    """Return what the lock would say of these candidates, had they been found with the outcome that it names."""
    return with_certificate(document(answer_of(problem, lock, rows), problem, catalog, texts), lock)


def with_certificate(right: dict[str, Any], lock: Lock) -> dict[str, Any]:
    """Return what a lock should say with its own certificate, which is held against the plan elsewhere
    (planner.lock.certificate)."""
    says = lock.document.get("proof")
    own = {key: value for key, value in says.items() if key in CERTIFICATE} if isinstance(says, dict) else {}
    return right | {"proof": right["proof"] | own}


def answer_of(problem: Problem, lock: Lock, rows: Mapping[str, Candidate]) -> Answer:
    """Return the answer that these candidates would be, with the outcome that a lock names.

    Only a search can tell how far a feasible answer is proven: its bounds are taken from the lock, where they can be.
    """
    proven = lock.outcome != "feasible"
    objective = objective_of(problem, rows)
    if not proven:
        objective = tuple(_bounded(part, lock, index) for index, part in enumerate(objective))
    solved = solved_together([Solved(rows[name], (), ()) for name in ordered(rows)])
    cost = sum(row.cost for row in rows.values())
    return Answer("optimal" if proven else "feasible", objective, solved, (), cost, 0, reproducible=proven)


def _bounded(part: ObjectivePart, lock: Lock, index: int) -> ObjectivePart:
    """Return a part with the lock's bound, where that is on the right side of the value, or none was found."""
    says = lock.objective[index].get("bound", ABSENT) if index < len(lock.objective) else ABSENT
    if says is None:
        return replace(part, bound=None)
    if isinstance(says, bool) or not isinstance(says, int | float) or not isfinite(says) or part.value is None:
        return part
    bound = Fraction(str(says))
    low, high = (bound, part.value) if part.direction == "minimize" else (part.value, bound)
    return replace(part, bound=bound) if low <= high else part


def differences(says: Any, right: Any, place: FigurePlace = ()) -> Iterator[FigureDifference]:
    """Yield each leaf that is not what it should be, in the order of the lock."""
    if isinstance(says, dict) and isinstance(right, dict):
        for key in dict.fromkeys((*right, *says)):
            yield from differences(says.get(key, ABSENT), right.get(key, ABSENT), (*place, key))
        if list(says) != list(right) and says.keys() == right.keys():
            yield FigureDifference(place, ", ".join(map(str, says)), ", ".join(map(str, right)))
    elif isinstance(says, list) and isinstance(right, list):
        for index in range(max(len(says), len(right))):
            was, wanted = (items[index] if index < len(items) else ABSENT for items in (says, right))
            yield from differences(was, wanted, (*place, index))
    elif type(says) is not type(right) or says != right:
        yield FigureDifference(place, says, right)


def findings_of(unlike: list[FigureDifference], lock: Lock, again: str) -> list[Diagnostic]:
    """Return an E0805 for each difference, and how many more there are."""
    out = [
        error("E0805", _message(item), lock.span(*item.place), label=_label(item), help=again) for item in unlike[:MOST]
    ]
    if len(unlike) > MOST:
        more = f"{len(unlike) - MOST} more figures of {lock.path} do not follow from its choices"
        out.append(error("E0805", more, lock.span("workloads"), help=again))
    return out


def dotted(place: FigurePlace) -> str:
    """Return a place of a lock in one word, `objective[0].value`."""
    out = ""
    for key in place:
        out += f"[{key}]" if isinstance(key, int) else f".{key}" if out else key
    return out


def _message(item: FigureDifference) -> str:
    name = dotted(item.place)
    if item.says is ABSENT:
        return f"the lock lacks `{name}`"
    if item.right is ABSENT:
        return f"the lock says `{name}` = {shown(item.says)}, which does not belong there"
    return f"the lock says `{name}` = {shown(item.says)}; it is {shown(item.right)}"


def _label(item: FigureDifference) -> str:
    return "remove it" if item.right is ABSENT else f"expected {shown(item.right)}"


def shown(value: Any) -> str:
    """Return a value of a lock as it writes it, cut where it is long."""
    if isinstance(value, dict | list):
        return f"{len(value)} entries"
    written = "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return written if len(written) <= 80 else f"{written[:77]}..."
