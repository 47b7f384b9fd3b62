"""Two answers of one plan side by side: what changed in each workload, and what it costs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from planner.language.schema import FROM_OFFER
from planner.lock.lock import workload
from planner.lock.read import Lock
from planner.record import dataclass
from planner.solve.answer import Answer


@dataclass(frozen=True, slots=True)
class Side:
    """An answer as a lock says it; `workloads` is empty where nothing fits, `conflict` names the rules then."""

    outcome: str
    workloads: Mapping[str, dict[str, Any]]
    conflict: tuple[str, ...] = ()

    @property
    def cost(self) -> int:
        """Micro-dollars per hour of all workloads."""
        return sum(int(row["cost_micro_usd_per_hour"]) for row in self.workloads.values())


@dataclass(frozen=True, slots=True)
class Change:
    """One figure or choice: before and after, None where a side has none."""

    name: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Compared:
    """One workload of both sides; either may be missing. `choices` and `figures` are what differs."""

    name: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    choices: tuple[Change, ...]
    figures: tuple[Change, ...]

    @property
    def changed(self) -> bool:
        """Whether the sides differ."""
        return bool(self.choices or self.figures) or (self.before is None) != (self.after is None)

    @property
    def cost(self) -> Change:
        """Micro-dollars per hour before and after."""
        return Change("cost", _cost(self.before), _cost(self.after))


@dataclass(frozen=True, slots=True)
class Difference:
    """Both sides and each workload of either, by name. `against` says what `before` is."""

    plan: str
    against: str
    before: Side | None
    after: Side
    workloads: tuple[Compared, ...]

    @property
    def changed(self) -> bool:
        """Whether anything differs."""
        outcome = self.before is None or (self.before.outcome == "infeasible") != (self.after.outcome == "infeasible")
        return outcome or any(item.changed for item in self.workloads)

    @property
    def cost(self) -> Change:
        """Micro-dollars per hour of the whole plan before and after, None where nothing fits or nothing was."""
        sides = (self.before, self.after)
        before, after = (None if side is None or not side.workloads else side.cost for side in sides)
        return Change("cost", before, after)


def of_lock(lock: Lock) -> Side:
    """Return a lock as a side."""
    return Side(lock.outcome, lock.workloads)


def of_answer(answer: Answer) -> Side:
    """Return an answer as a side."""
    rows = {item.chosen.workload: workload(item) for item in answer.workloads}
    return Side(answer.outcome, rows, tuple(item.rule for item in answer.conflict))


def compare(plan: str, against: str, before: Side | None, after: Side) -> Difference:
    """Return the difference of two sides of a plan."""
    old = before.workloads if before is not None else {}
    names = sorted({*old, *after.workloads})
    return Difference(
        plan, against, before, after, tuple(_compared(name, old.get(name), after.workloads.get(name)) for name in names)
    )


def _compared(name: str, before: dict[str, Any] | None, after: dict[str, Any] | None) -> Compared:
    if before is None or after is None:
        return Compared(name, before, after, (), ())
    models = [{"model": row["given"]["model"]} for row in (before, after) if "model" in row.get("given", {})]
    choices = _changes(before["choice"], after["choice"], FROM_OFFER)
    if len(models) == 2:  # earlier locks do not say it
        choices = (*_changes(models[0], models[1], frozenset()), *choices)
    memory = _changes(before["memory"], after["memory"], frozenset({"parts", "peak_moment"}))
    parts = _changes(before["memory"]["parts"], after["memory"]["parts"], frozenset())
    outcomes = _changes(before["outcomes"], after["outcomes"], frozenset({"memory", "cost"}))
    cost = Change("cost", _cost(before), _cost(after))
    first: tuple[Change, ...] = (cost,) if cost.before != cost.after else ()
    first += _changes({"copies": before.get("copies", 1)}, {"copies": after.get("copies", 1)}, frozenset())
    return Compared(name, before, after, choices, (*first, *memory, *parts, *outcomes))


def _cost(row: dict[str, Any] | None) -> int | None:
    return None if row is None else int(row["cost_micro_usd_per_hour"])


def _changes(before: Mapping[str, Any], after: Mapping[str, Any], hidden: Collection[str]) -> tuple[Change, ...]:
    names = [name for name in dict.fromkeys((*before, *after)) if name not in hidden]
    pairs = (Change(name, before.get(name), after.get(name)) for name in names)
    return tuple(item for item in pairs if not _same(item.before, item.after))


def _same(before: Any, after: Any) -> bool:
    """Return whether two values are one; a lock of the first format has nine decimals."""
    if before == after:
        return True
    return isinstance(before, int | float) and isinstance(after, float) and round(after, 9) == before


def other_parts(lock: Lock, document: Mapping[str, Any]) -> list[str]:
    """Return the parts of a lock that are not those of an answer's document, in the order of the lock.

    The program's version may differ: it is not what is answered; nor is what an earlier format recorded of the rows.
    """
    now = document["workloads"]
    if lock.format < 3:  # which did not say yet what is given
        now = {name: {key: value for key, value in row.items() if key != "given"} for name, row in now.items()}
    pairs: dict[str, tuple[Any, Any]] = {
        "outcome": (lock.outcome, document["outcome"]),
        "cost": (lock.cost, document["cost_usd_per_hour"]),
        "objective": (list(lock.objective), document["objective"]),
        **{f"workloads.{name}": (lock.workloads.get(name), now.get(name)) for name in sorted({*lock.workloads, *now})},
        "plan": (lock.plan, document["plan"]),
        "imports": (lock.imports, document["imports"]),
        "catalogs": (lock.catalogs, document["catalogs"]),
        "used": (lock.used, document["used"]),
        "proof": (_proofs(lock), _proofs(lock) and document["proof"]),
    }
    if lock.format == 1:
        del pairs["used"]
        return [name for name, (was, now) in pairs.items() if not _equal(was, now)]
    return [name for name, (was, now) in pairs.items() if was != now]


def _proofs(lock: Lock) -> Any:
    """Return what a lock says of its proof, None where it says nothing that proves it, as earlier ones."""
    proof = lock.document.get("proof")
    return proof if isinstance(proof, dict) and "method" in proof else None


def _equal(was: Any, now: Any) -> bool:
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        return was.keys() == now.keys() and all(_equal(was[key], now[key]) for key in was)
    if isinstance(was, list) and isinstance(now, list):
        return len(was) == len(now) and all(map(_equal, was, now))
    return _same(was, now)
