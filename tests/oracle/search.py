"""The best of all combinations, found depth first: a branch is left where nothing of it can be better."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from . import physics
from .truth import MICRO, UNKNOWN, Key, Row, Truth, block_of, has, only, rent, steps, time_of


@dataclass(frozen=True)
class Best:
    """The best combination and what it is compared by; `key` is None where nothing keeps every rule."""

    key: Key | None
    rows: tuple[Row, ...] = ()


def best(truth: Truth, limit: int = 3_000_000) -> Best:
    """Return the best of all combinations; of rows that differ in nothing a plan looks at, only the first is tried."""
    return _Search(truth, limit).best()


class _Search:
    """Depth first through all combinations, with what no combination of a branch can be below."""

    def __init__(self, truth: Truth, limit: int) -> None:
        self.truth, self.limit, self.looked = truth, limit, 0
        self.found: Best = Best(None)
        self.rows = [self._distinct(place) for place in range(len(truth.jobs))]
        self.costs = [place for place, goal in enumerate(truth.goals) if goal == ("cost", "minimize")]
        self.least = [self._least(rows) for rows in self.rows]

    def _distinct(self, place: int) -> list[Row]:
        """Return of rows that differ in nothing that is looked at ahead of the tie-break, the first by the tie-break.

        In any combination that row can stand for the others: whatever comes before is the same, and it comes first.
        """
        truth = self.truth
        name = truth.names[place]
        conditions = [of for _, of in truth.conditions if only(of) != name] + [of for _, of in truth.wishes]
        looked = {quantity for of in conditions for owner, quantity in of if owner == name}
        looked |= {bound.quantity for bound in truth.plan.fleet} | {goal.rpartition(".")[2] for goal, _ in truth.goals}
        looked |= {bound.quantity for bound in truth.jobs[place].bounds if bound.quantity in physics.MONEY}
        if "total_cost" in looked:
            looked.add("duration")
        quantities = sorted(looked)
        best: dict[Any, tuple[Any, Row]] = {}
        for row in truth.rows[place]:
            kind = (row.pool, row.gpus, row.instances, row.shared, *(row.values.get(item) for item in quantities))
            runs = [steps(row, "duration")] if "duration" in truth.last else []
            order = (*runs, steps(row, "quality", -1), time_of(row), row.gpus, steps(row, "headroom", -1))
            if kind not in best or order < best[kind][0]:
                best[kind] = (order, row)
        return sorted((row for _, row in best.values()), key=self._parts)  # the most promising first

    def _parts(self, row: Row) -> tuple[int, ...]:
        """Return the least that a row adds to each part of the key that is a sum; of the worst, what it has."""
        truth, out = self.truth, []
        share = row.price * row.gpus // row.offer.gpus if row.shared else row.price * row.instances
        # n instances hold all GPUs, which are as many at least as the K instances rented alone: n / K >= 1 / size
        least = row.price * row.instances // row.offer.gpus if row.shared else share
        for goal, direction in (*truth.goals, *((quantity, "tie") for quantity in truth.last)):
            owner, _, quantity = goal.rpartition(".")
            sign = -1 if direction == "maximize" else 1
            if owner not in ("", block_of(row.job.name)):
                out.append(-UNKNOWN if truth.is_worst(goal, direction) else 0)
            elif quantity in physics.MONEY:
                low = share if quantity == "cost" and not owner else least
                if quantity == "total_cost":
                    hours = row.values.get("duration_expected")
                    low = 0 if hours is None else int(Fraction(low) * hours / 3600) - MICRO
                out.append(-UNKNOWN if sign < 0 else low)
            else:
                none = -UNKNOWN if truth.is_worst(goal, direction) else 0
                out.append(steps(row, quantity, sign) if has(row.job, quantity) else none)
        out.append(row.gpus if row.shared else row.instances * row.offer.gpus)
        out.append(steps(row, "quality", -1))
        out += [time_of(row) if name == row.job.name else 0 for name in truth.names]
        out += [row.gpus, steps(row, "headroom", -1)]
        return tuple(out)

    def _least(self, rows: list[Row]) -> tuple[int, ...]:
        return tuple(min(column) for column in zip(*map(self._parts, rows), strict=True)) if rows else ()

    def best(self) -> Best:
        """Return the best combination."""
        truth = self.truth
        if not all(self.rows):
            return Best(None)
        worst = [truth.is_worst(goal, direction) for goal, direction in truth.goals]
        self.worst = [*worst, *[False] * (len(self.least[0]) - len(worst))]
        # what the workloads behind a place add at least
        first = tuple(-UNKNOWN if worst else 0 for worst in self.worst)
        self.rest: list[tuple[int, ...]] = [first]
        for least in reversed(self.least):
            self.rest.insert(0, self._add(least, self.rest[0]))
        self.parts = [{id(row): self._parts(row) for row in rows} for rows in self.rows]
        self._descend([], first)
        return self.found

    def _add(self, one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(max(a, b) if w else a + b for a, b, w in zip(one, other, self.worst, strict=True))

    def _descend(self, taken: list[Row], sums: tuple[int, ...]) -> None:
        place = len(taken)
        for row in self.rows[place]:
            self.looked += 1
            if self.looked > self.limit:
                raise OverflowError("too many combinations for an oracle")
            now = self._add(sums, self.parts[place][id(row)])
            most = self._add(now, self.rest[place + 1])
            rows = [*taken, row]
            best = self.found.key
            if best is not None and most > best:
                continue
            rented = rent(rows)
            if best is not None and self.costs:
                least = list(most)
                for index in self.costs:
                    least[index] = max(least[index], rented.cost)
                if tuple(least) > best:
                    continue
            if any(
                offer.limit is not None and rented.instances.get(offer.name, 0) > offer.limit
                for offer in self.truth.plan.offers
            ):
                continue
            if place + 1 < len(self.rows):
                self._descend(rows, now)
                continue
            if self.truth.broken(rows, rented):
                continue
            key = self.truth.key(rows, rented)
            if best is None or key < best:
                self.found = Best(key, tuple(rows))
