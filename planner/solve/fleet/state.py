"""The integer model of a plan as data: rows, the variables that count who takes them, instances and prices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from fractions import Fraction
from typing import TYPE_CHECKING

from planner.language.problem import Measure, Problem, Value
from planner.language.quantities.outcomes import MONEY, PER_TOKEN, TIMED
from planner.record import dataclass
from planner.solve.candidate import EXPECTED, Outcome, aimed
from planner.solve.columns import distinct
from planner.solve.columns.steps import value
from planner.solve.columns.table import Table
from planner.solve.fleet import cpsat
from planner.solve.objective import RankColumns, WorstGoal
from planner.solve.rent.share_bounds import Shares
from planner.solve.rent.sharing import Pool, paid

if TYPE_CHECKING:
    from planner.solve.columns.table import Column


@dataclass(slots=True)
class Fleet:
    """The integer model: for each class of identical workloads how many of them take each row, and instances of pools.

    `rows`, `takes` and `shares` are parallel: a row, the variable that counts who takes it, and the part of its
    instances that they pay: None where nothing depends on it. `pools` are the variables of instances, `sizes` their
    GPUs and price; `cost` the terms of what is minimised as cost, `money` those of what is rented; `penalties` are the
    columns of what a row's own broken preferences cost. `many` are the workloads of each class, copies counted.
    """

    problem: Problem
    tables: Mapping[str, Table]
    ranks: Mapping[str, RankColumns]
    members: dict[str, list[str]]
    many: dict[str, int]
    rows: dict[str, list[int]]
    sharing: Shares
    penalties: dict[str, Column]
    model: cpsat.IntegerModel = field(default_factory=cpsat.IntegerModel)
    takes: dict[str, list[int]] = field(default_factory=dict)
    shares: dict[str, list[Fraction | None]] = field(default_factory=dict)
    pools: dict[Pool, int] = field(default_factory=dict)
    sizes: dict[Pool, tuple[int, int]] = field(default_factory=dict)
    cost: dict[int, int] = field(default_factory=dict)
    money: dict[int, int] = field(default_factory=dict)
    worst: dict[int, WorstGoal] = field(default_factory=dict)
    least: int = -cpsat.INFINITY
    """What the first goal cannot be below, as far as prices have proven it."""

    def value(self, name: str, place: int, quantity: str) -> Value | Fraction | None:
        """Return what a take has of a quantity; of money what its share comes to."""
        table, row, share = self.tables[name], self.rows[name][place], self.shares[name][place]
        if share is None or share == 1 or quantity.removesuffix(EXPECTED) not in MONEY:
            return distinct.value_of(table, row, quantity)
        return self.outcomes(name, place).get(quantity)

    def outcomes(self, name: str, place: int) -> dict[str, Outcome]:
        """Return what a take pays, and what that follows from."""
        table, row, share = self.tables[name], self.rows[name][place], self.shares[name][place]
        known: tuple[str, ...] = ("cost", "total_cost", *PER_TOKEN, "throughput", "duration")
        known += tuple(aimed(item) for item in known if item in TIMED)
        values = {item: value(item, int(table.outcome(item)[row])) for item in known if item in table.outcomes}
        return values if share is None else values | paid(values, share)


def finder(fleet: Fleet, owner: str, place: int) -> Callable[[str, str], Measure | None]:
    """Return a lookup of what a take has."""

    def find(_: str, quantity: str) -> Measure | None:
        have = fleet.value(owner, place, quantity)
        return None if have is None else Measure(have)

    return find
