"""What no answer can cost less than, counted over every candidate that fits: integer prices on what limits a plan.

A price on each limit of a plan (an offer of which some are available, a bound of the `fleet` block) turns it into
money: what an answer takes beyond the limit, times the price, is added to what it costs. An answer that keeps the limit
pays no more so than before, whatever the price. Without the limits every workload chooses for itself, and GPUs of
instances that workloads share cost their part of an instance: the sum of what each pays at least is a bound on any
answer. It is counted in integers; nothing rests on where the prices come from. Rules over several workloads are left
out of it, which only lowers it. Unlike the bounds of planner.solve.fleet.duals it does not rest on a model or on what
dominance left of the candidates, so that it is a second witness of both.

Prices are looked for one limit after the other: the bound is concave in each, so that halving finds its top. Everything
is done in integers, so that a plan has the same prices on every machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import gcd, lcm
from typing import TYPE_CHECKING

from planner.language.problem import FleetBound, Problem
from planner.language.quantities.outcomes import MONEY
from planner.record import dataclass
from planner.solve import clock
from planner.solve.classes import representatives
from planner.solve.columns.rules import penalties
from planner.solve.columns.steps import SCALES
from planner.solve.columns.table import Table, cases
from planner.solve.fleet import cpsat
from planner.solve.fleet.rows import amount_column, edges
from planner.solve.rent.share_bounds import shares_of, without_wishes

if TYPE_CHECKING:
    from planner.solve.columns.table import Column

PARTS = 1 << 10
"""Prices are counted in such parts of a micro-dollar."""
LARGEST = 2**60
"""No sum of a candidate is larger."""
AVAILABLE = ".available"
ROUNDS = 3
"""So often the price of each limit is looked for."""


@dataclass(frozen=True, slots=True)
class PricedLimit:
    """A limit of a plan: at most `edge` of what rows and shared instances take, or at least where `sign` is -1."""

    name: str
    edge: int
    sign: int


@dataclass(frozen=True, slots=True)
class PricedRows:
    """The candidates of all classes that limits tell apart, one after the other: class by class from `starts` on.

    `own` is what each pays that it shares with nobody, in micro-dollars; of what may be shared, it takes `gpus` of
    `pool` (-1 for none). `takes` are by limit. `counts` are the workloads of each class. Pools have `sizes` and
    `prices`, and `weights` in each limit. Whatever an answer costs is a multiple of `step`.
    """

    limits: tuple[PricedLimit, ...]
    starts: Column
    counts: Column
    own: Column
    pool: Column
    gpus: Column
    takes: Sequence[Column]
    sizes: Sequence[int]
    prices: Sequence[int]
    weights: Sequence[Sequence[int]]
    step: int

    def bound(self, at: Sequence[int]) -> int | None:
        """Return the bound by the price of each limit, in parts of a micro-dollar; None where there is none."""
        import numpy

        parts = []
        for pool, price in enumerate(self.prices):
            whole = price * PARTS + sum(y * weights[pool] for y, weights in zip(at, self.weights, strict=True))
            if whole < 0:
                return None  # who takes more instances of it pays less and less
            parts.append(whole // self.sizes[pool])
        paid = self.own * PARTS
        if parts:
            paid = paid + numpy.array([*parts, 0], dtype=numpy.int64)[self.pool] * self.gpus
        for y, takes in zip(at, self.takes, strict=True):
            if y:
                paid = paid + y * takes
        least: list[int] = numpy.minimum.reduceat(paid, self.starts).tolist()
        total: int = sum(count * low for count, low in zip(self.counts.tolist(), least, strict=True))
        return total - sum(y * limit.edge for y, limit in zip(at, self.limits, strict=True))

    def whole(self, at: Sequence[int]) -> int | None:
        """Return the bound as a multiple of the step, in micro-dollars."""
        bound = self.bound(at)
        return None if bound is None else -(-bound // (PARTS * self.step)) * self.step

    def named(self, at: Sequence[int]) -> dict[str, int]:
        """Return prices by the name of their limit, those that are not 0."""
        return {limit.name: y for y, limit in zip(at, self.limits, strict=True) if y}

    def largest_price(self, place: int) -> int:
        """Return the largest price of a limit that is looked at."""
        most_gpus = max(1, int(self.gpus.max()))
        takes = max(int(abs(self.takes[place]).max()), *(weight * most_gpus for weight in self.weights[place]), 1)
        highest = (int(self.own.max()) + max(self.prices, default=0) + 1) * PARTS
        return min(highest, LARGEST // takes // (len(self.limits) + 2))


def priced_rows(problem: Problem, tables: Mapping[str, Table], fitting: Mapping[str, Column]) -> PricedRows | None:
    """Return what candidates that fit take of the limits of a plan; None where the lowest cost is not what comes first,
    or figures are too large."""
    import numpy

    goal = next(iter(problem.goals), None)
    if goal is None or (goal.quantity, goal.direction) not in (("cost", "minimize"), ("fleet.cost", "minimize")):
        return None
    sharing = shares_of(problem, tables)
    plain = without_wishes(problem, sharing)
    members: dict[str, int] = {}
    for name, twin in representatives(problem).items():
        members[twin] = members.get(twin, 0) + tables[name].workload.copies
    pools = sorted({pool for name in members for pool in tables[name].pools if pool in sharing.pools})
    place_of = {pool: place for place, pool in enumerate(pools)}
    known = {
        pool: (table.sizes[at], table.prices[at])
        for table in tables.values()
        for at, pool in enumerate(table.pools)
        if pool in place_of
    }
    rented = {pool[0] for name in members for pool in tables[name].pools}
    limits = [pair for pair in limits_of(problem) if pair[1] or pair[0].name.removesuffix(AVAILABLE) in rented]
    step = gcd(*(price for _, price in known.values()), *(wish.worth for wish in problem.preferences))
    starts: list[int] = []
    groups: list[list[Column]] = []
    count = 0
    for name in members:
        clock.look()
        table, rows = tables[name], fitting[name]
        shared = sharing.possible[name][rows]
        extra = penalties(table, plain)[rows]
        own = numpy.where(shared, 0, table.costs[rows]) + extra
        step = gcd(step, int(numpy.gcd.reduce(own)))
        at = numpy.array([place_of.get(pool, -1) for pool in table.pools] or [-1], dtype=numpy.int64)
        pool = numpy.where(shared, at[table.pool[rows]], -1)
        gpus = numpy.where(shared, table.gpus[rows], 0)
        takes = [_taken(problem, limit, bound, table, rows, shared) for limit, bound in limits]
        first, which = cases([pool, gpus, *takes])
        least = numpy.full(len(first), LARGEST, dtype=numpy.int64)
        numpy.minimum.at(least, which, own)
        starts.append(count)
        count += len(first)
        groups.append([least, *(column[first] for column in (pool, gpus, *takes))])
    own, pool, gpus, *takes = (numpy.concatenate(column) for column in zip(*groups, strict=True))
    weights = [[_weight(bound, limit, each, known[each][1]) for each in pools] for limit, bound in limits]
    dearest = max(int(own.max()), max((price for _, price in known.values()), default=0) * max(1, int(gpus.max())))
    if dearest * PARTS >= LARGEST // 4:
        return None
    return PricedRows(
        limits=tuple(limit for limit, _ in limits),
        starts=numpy.array(starts, dtype=numpy.int64),
        counts=numpy.array(list(members.values()), dtype=numpy.int64),
        own=own,
        pool=pool,
        gpus=gpus,
        takes=takes,
        sizes=[known[pool][0] for pool in pools],
        prices=[known[pool][1] for pool in pools],
        weights=weights,
        step=step or 1,
    )


def limits_of(problem: Problem) -> list[tuple[PricedLimit, FleetBound | None]]:
    """Return the limits of a plan that have a price, with the bound of the fleet block that each is."""
    out: list[tuple[PricedLimit, FleetBound | None]] = [
        (PricedLimit(f"{offer.id}{AVAILABLE}", offer.available, 1), None)
        for offer in problem.offers.limited
        if offer.available is not None
    ]
    for bound in problem.fleet:
        if bound.quantity in MONEY and bound.quantity != "cost":
            continue
        low, high = edges(bound, SCALES.get(bound.quantity, 1))
        if bound.operator in ("<=", "<"):
            out.append((PricedLimit(f"{bound.rule} {bound.operator}", high, 1), bound))
        elif bound.operator in (">=", ">"):
            out.append((PricedLimit(f"{bound.rule} {bound.operator}", low, -1), bound))
    return [(limit, bound) for limit, bound in out if abs(limit.edge) < cpsat.INFINITY]


def _taken(
    problem: Problem, limit: PricedLimit, bound: FleetBound | None, table: Table, rows: Column, shared: Column
) -> Column:
    """Return what rows take of a limit but for instances that they share."""
    import numpy

    if bound is None:
        mine = numpy.array([f"{pool[0]}{AVAILABLE}" == limit.name for pool in table.pools] or [False], dtype=bool)
        return numpy.where(mine[table.pool[rows]] & ~shared, table.instances[rows], 0)
    if bound.quantity == "cost":
        return numpy.where(shared, 0, table.costs[rows])
    return amount_column(bound, table)[rows]


def _weight(bound: FleetBound | None, limit: PricedLimit, pool: tuple[str, str], price: int) -> int:
    """Return what a shared instance takes of a limit."""
    if bound is None:
        return int(f"{pool[0]}{AVAILABLE}" == limit.name)
    return price if bound.quantity == "cost" else 0


def best_prices(rows: PricedRows, value: int) -> tuple[int, ...]:
    """Return the prices with the highest bound that is found; none but 0 where these prove a value already."""
    at = [0] * len(rows.limits)
    for _ in range(ROUNDS):
        before = list(at)
        for place, limit in enumerate(rows.limits):
            whole = rows.whole(at)
            if whole is not None and whole >= value:
                return tuple(at)
            at[place] = limit.sign * _top(rows, at, place, limit.sign)
        if at == before:
            break
    return tuple(at)


def _top(rows: PricedRows, at: Sequence[int], place: int, sign: int) -> int:
    """Return the least price of a limit, without its sign, behind which the bound does not rise."""

    def bound(price: int) -> int | None:
        clock.look()
        return rows.bound([*at[:place], sign * price, *at[place + 1 :]])

    unit = lcm(*rows.sizes)  # so that the part of an instance that a GPU costs is not rounded by the price
    low, high = 0, rows.largest_price(place) // unit
    while low < high:
        middle = (low + high) // 2
        here, beyond = bound(middle * unit), bound((middle + 1) * unit)
        if here is not None and beyond is not None and beyond > here:
            low = middle + 1
        else:
            high = middle
    return low * unit
