"""A good answer before the solver has any: what is scarce goes where it saves most, everything else is the cheapest.

It is an answer only where it keeps every rule, which is counted here in whole numbers. Then it says what no better
answer may cost, so that most rows need not be solved for, and it stands where time runs out before the solver's first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from planner.language.problem import Problem
from planner.record import dataclass
from planner.solve import clock
from planner.solve.columns.rules import penalties
from planner.solve.columns.steps import SCALES, UNKNOWN
from planner.solve.columns.table import Table
from planner.solve.fleet.rows import amount_column, edges
from planner.solve.rent.share_bounds import shares_of, without_wishes
from planner.solve.rules import speaks_of

if TYPE_CHECKING:
    from planner.solve.columns.table import Column

Taken = dict[str, list[tuple[int, int]]]
"""By workload the rows that its copies take, each with how many."""
Pool = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Incumbent:
    """An answer that keeps every rule: the rows that are taken, and what they cost with preferences, in steps."""

    taken: Taken
    value: int


@dataclass(frozen=True, slots=True)
class Want:
    """A row of a workload that takes what is scarce or shared: what one copy saves with it, and what it takes."""

    saves: float
    name: str
    row: int
    pool: Pool
    takes: int


def incumbent(problem: Problem, tables: Mapping[str, Table], fitting: Mapping[str, Column]) -> Incumbent | None:
    """Return an answer of a plan whose cost comes first, None where it is not found this way.

    Plans with rules over several workloads, or about what one pays of what is shared, are left to the solver.
    """
    goal = next(iter(problem.goals), None)
    if goal is None or (goal.quantity, goal.direction) not in (("cost", "minimize"), ("fleet.cost", "minimize")):
        return None
    conditions = [item.condition for item in problem.rules] + [item.condition for item in problem.preferences]
    sharing = shares_of(problem, tables)
    if sharing.read or any(len(speaks_of(condition)) != 1 for condition in conditions):
        return None
    plain = without_wishes(problem, sharing)
    paid = {name: penalties(table, plain) for name, table in tables.items()}
    left = {offer.id: offer.available for offer in problem.offers.limited if offer.available is not None}
    base, wants = _wanted(tables, fitting, sharing.possible, paid, left)
    if base is None:
        return None
    taken = _filled(tables, base, wants, left)
    value = _value(problem, tables, taken, sharing.possible, paid)
    return None if value is None else Incumbent(taken, value)


def _wanted(
    tables: Mapping[str, Table],
    fitting: Mapping[str, Column],
    possible: Mapping[str, Column],
    paid: Mapping[str, Column],
    left: Mapping[str, int],
) -> tuple[dict[str, int] | None, list[Want]]:
    """Return the cheapest row of each workload of what there is enough of, and what rows of anything else would save:
    of what is shared they count what they fill."""
    import numpy

    base: dict[str, int] = {}
    wants: list[Want] = []
    for name, table in tables.items():
        clock.look()
        rows = fitting[name]
        if not len(rows):
            return None, []
        cost = (table.costs + paid[name])[rows]
        scarce = numpy.array([pool[0] in left for pool in table.pools], dtype=bool)[table.pool[rows]]
        free = numpy.flatnonzero(~scarce)
        if not len(free):
            return None, []
        first = free[numpy.lexsort((table.gpus[rows[free]], cost[free]))[0]]
        base[name] = int(rows[first])
        least = int(cost[first])
        special = numpy.flatnonzero(scarce | possible[name][rows])
        sizes = numpy.array(table.sizes, dtype=numpy.int64)[table.pool[rows[special]]]
        prices = numpy.array(table.prices, dtype=numpy.int64)[table.pool[rows[special]]]
        shared = possible[name][rows[special]]
        gpus, instances = table.gpus[rows[special]], table.instances[rows[special]]
        part = numpy.where(shared, prices * gpus / sizes, table.costs[rows[special]]) + paid[name][rows[special]]
        takes = numpy.where(shared, gpus, instances * sizes)
        saves = least - part
        good = numpy.flatnonzero(saves > 0)
        order = good[numpy.lexsort((-(saves[good] / takes[good]), table.pool[rows[special[good]]]))]
        seen: set[int] = set()
        for at in order.tolist():
            row = int(rows[special[at]])
            pool = int(table.pool[row])
            if pool not in seen:
                seen.add(pool)
                wants.append(Want(float(saves[at]), name, row, table.pools[pool], int(takes[at])))
    return base, sorted(wants, key=lambda item: (-item.saves / item.takes, item.name, item.row))


def _filled(tables: Mapping[str, Table], base: Mapping[str, int], wants: list[Want], left: Mapping[str, int]) -> Taken:
    """Return what is taken: wishes are met in their order as long as there is room; what is shared only where what is
    saved pays whole instances."""
    copies = {name: table.workload.copies for name, table in tables.items()}
    sizes = {pool: table.sizes[at] for table in tables.values() for at, pool in enumerate(table.pools)}
    prices = {pool: table.prices[at] for table in tables.values() for at, pool in enumerate(table.pools)}
    room = {pool: left[pool[0]] * size for pool, size in sizes.items() if pool[0] in left}
    met: dict[Pool, list[tuple[Want, int]]] = {}
    rest = dict(copies)
    for want in wants:
        most = rest[want.name]
        if want.pool in room:
            most = min(most, room[want.pool] // want.takes)
        if most:
            met.setdefault(want.pool, []).append((want, most))
            rest[want.name] -= most
            if want.pool in room:
                room[want.pool] -= most * want.takes
    taken: Taken = {name: [(base[name], count)] if count else [] for name, count in rest.items()}
    for pool, wanted in met.items():
        used = sum(want.takes * count for want, count in wanted)
        saved = sum((want.saves + prices[pool] * want.takes / sizes[pool]) * count for want, count in wanted)
        worth = saved >= -(-used // sizes[pool]) * prices[pool]
        for want, count in wanted:
            taken[want.name].append((want.row if worth else base[want.name], count))
    for name, found_rows in taken.items():
        together: dict[int, int] = {}
        for row, count in found_rows:
            together[row] = together.get(row, 0) + count
        taken[name] = list(together.items())
    return taken


def _value(
    problem: Problem,
    tables: Mapping[str, Table],
    taken: Taken,
    possible: Mapping[str, Column],
    paid: Mapping[str, Column],
) -> int | None:
    """Return what an answer costs with preferences, in steps; None where it breaks a limit of the plan."""
    used: dict[Pool, int] = {}
    rented: dict[str, int] = {}
    money = penalty = 0
    amounts = dict.fromkeys(range(len(problem.fleet)), 0)
    sizes = {
        pool: (table.sizes[at], table.prices[at]) for table in tables.values() for at, pool in enumerate(table.pools)
    }
    for name, pairs in taken.items():
        table = tables[name]
        columns = [None if bound.quantity == "cost" else amount_column(bound, table) for bound in problem.fleet]
        for row, count in pairs:
            pool = table.pools[int(table.pool[row])]
            penalty += int(paid[name][row]) * count
            if possible[name][row]:
                used[pool] = used.get(pool, 0) + int(table.gpus[row]) * count
            else:
                money += int(table.costs[row]) * count
                rented[pool[0]] = rented.get(pool[0], 0) + int(table.instances[row]) * count
            for place, column in enumerate(columns):
                if column is None:
                    continue
                bound = problem.fleet[place]
                if bound.quantity in table.outcomes and table.outcome(bound.quantity)[row] == UNKNOWN:
                    return None
                amounts[place] += int(column[row]) * count
    for pool, gpus in used.items():
        size, price = sizes[pool]
        money += -(-gpus // size) * price
        rented[pool[0]] = rented.get(pool[0], 0) + -(-gpus // size)
    for offer in problem.offers.limited:
        if offer.available is not None and rented.get(offer.id, 0) > offer.available:
            return None
    for place, bound in enumerate(problem.fleet):
        low, high = edges(bound, SCALES.get(bound.quantity, 1))
        if not low <= (money if bound.quantity == "cost" else amounts[place]) <= high:
            return None
    return money + penalty
