"""A workload's own bound on its cost where it may share instances: it is about its share, not about whole instances.

Alone, a workload pays its instances; in a pool that several share, what they rent together is paid in proportion to
that (planner.solve.together). So a row that breaks the bound alone may keep it beside others: a row of the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import ceil, floor
from typing import TYPE_CHECKING

from planner.language.problem import Problem
from planner.solve.scale import SCALES
from planner.solve.screen import bounds_of
from planner.solve.table import Table

if TYPE_CHECKING:
    from planner.solve.fleet import Fleet
    from planner.solve.table import Column


def limits(problem: Problem, table: Table) -> dict[str, int]:
    """Return the most that a workload may cost by its own rules, in micro-dollars per hour."""
    own = {rule.name: rule.condition for rule in problem.rules}
    out: dict[str, int] = {}
    for bound in bounds_of(table.workload, problem):
        if bound.quantity != "cost" or bound.operator not in ("<=", "<") or not isinstance(bound.value, Fraction):
            continue
        edge = bound.value * SCALES["cost"]
        most = floor(edge) if bound.operator == "<=" else ceil(edge) - 1
        names = [bound.rule] if bound.rule else [name for name, item in own.items() if item.span == bound.span]
        for name in names:
            out[name] = min(most, out.get(name, most))
    return out


def alone_or_shared(
    problem: Problem, tables: Mapping[str, Table], broken: Mapping[str, Mapping[str, Column]]
) -> dict[str, dict[str, Column]]:
    """Return where rules are broken whoever shares the instances: a bound on cost only where no share keeps it.

    A bound that some row breaks alone stays among the rules, for a conflict to name it.
    """
    import numpy

    out = {name: dict(faults) for name, faults in broken.items()}
    if len(tables) < 2:
        return out
    for name, table in tables.items():
        for rule, most in limits(problem, table).items():
            if rule in out[name] and table.rows:
                sizes = numpy.array(table.sizes, dtype=numpy.int64)[table.pool]
                spared = (table.slots > 0) & (table.costs // numpy.maximum(sizes, 1) <= most)  # a GPU a workload
                out[name][rule] = out[name][rule] & ~spared
    return out


def told(problem: Problem, tables: Mapping[str, Table], fitting: Mapping[str, Column]) -> dict[str, Column]:
    """Return, where a bound counts on a share, a column that keeps apart what rows take of each pool; else nothing."""
    import numpy

    if not any(_counting(problem, tables[name], fitting[name]) for name in tables):
        return {}
    return {
        name: numpy.where(table.slots > 0, table.pool.astype(numpy.int64) << 24 | table.gpus, -1)
        for name, table in tables.items()
    }


def _counting(problem: Problem, table: Table, rows: Column) -> bool:
    found = limits(problem, table)
    return bool(found) and bool((table.costs[rows] > min(found.values())).any())


def add_rows(fleet: Fleet, without: frozenset[str]) -> None:
    """Demand that whoever takes a row above its bound pays no more than that of the pool's price.

    The share of a row of k instances is n × price × k / K, where the pool rents n and its workloads would rent K alone.
    """
    alone: dict[tuple[str, str], int] = {}  # by pool, what its workloads would rent alone
    for name, rows in fleet.rows.items():
        table, most = fleet.tables[name], len(fleet.members[name])
        found = {rule: edge for rule, edge in limits(fleet.problem, table).items() if rule not in without}
        if not found:
            continue
        edge = min(found.values())
        for take, row in zip(fleet.takes[name], rows, strict=True):
            if int(table.costs[row]) <= edge:
                continue
            pool = table.pools[int(table.pool[row])]
            count, rented = int(table.instances[row]), fleet.pools.get(pool)
            if not table.slots[row] or rented is None:
                fleet.model.row({take: 1}, high=0)
                continue
            taken = take
            if most > 1:
                taken = fleet.model.variable(0, 1)
                fleet.model.row({take: 1, taken: -most}, high=0)
            price = table.prices[int(table.pool[row])]
            slack = price * count * fleet.model.ranges[rented][1]
            alone = alone or _rented_alone(fleet)
            fleet.model.row({rented: price * count, alone[pool]: -edge, taken: slack}, high=slack)


def _rented_alone(fleet: Fleet) -> dict[tuple[str, str], int]:
    """Return, by pool that workloads may share, a variable for the instances that they would rent each alone."""
    takers: dict[tuple[str, str], dict[int, int]] = {}
    for name, rows in fleet.rows.items():
        table = fleet.tables[name]
        for take, row in zip(fleet.takes[name], rows, strict=True):
            if table.slots[row]:
                takers.setdefault(table.pools[int(table.pool[row])], {})[take] = int(table.instances[row])
    out = {}
    for pool, terms in takers.items():
        high = sum(instances * fleet.model.ranges[take][1] for take, instances in terms.items())
        out[pool] = fleet.model.variable(0, high)
        fleet.model.row({**terms, out[pool]: -1}, 0, 0)
    return out
