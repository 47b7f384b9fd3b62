"""Dominance before a fleet is solved: of rows that take the same from everything shared, only the best one stays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from planner.record import dataclass
from planner.solve import clock
from planner.solve.ranking import Keys, best
from planner.solve.table import Table, cases

if TYPE_CHECKING:
    from planner.solve.table import Column

COMPARED = 4000
"""The most rows that are compared pairwise."""


@dataclass(frozen=True, slots=True)
class Shared:
    """What a table's rows take of what is shared.

    `amounts` are by fleet bound, `told` by what rules over several workloads read; `limited` are the pools of offers
    of which only some are available.
    """

    amounts: Mapping[str, Column]
    lower: Mapping[str, bool]
    told: Sequence[Column]
    limited: frozenset[int]


def reduced(table: Table, fitting: Column, ranks: Keys, shared: Shared, cheapest: bool) -> list[int]:
    """Return the rows that an optimal fleet can need, in the order of their ranking; `cheapest`: cost comes first."""
    import numpy

    if not len(fitting):
        return []
    own = table.slots[fitting] > 0
    if shared.limited:
        own |= numpy.isin(table.pool[fitting], list(shared.limited))
    group = [
        numpy.where(own, table.pool[fitting], -1),
        numpy.where(own, table.gpus[fitting], 0),
        *(values[fitting] for values in shared.amounts.values()),
        *(values[fitting] for values in shared.told),
    ]
    _, which = cases(group)
    columns = [values for place, values in enumerate(ranks.all) if place not in ranks.worst]
    limits = [ranks.all[place] for place in sorted(ranks.worst)]
    order = numpy.lexsort((*(values[fitting] for values in reversed(columns)), which))
    sorted_groups = which[order]
    starts = numpy.flatnonzero(numpy.concatenate(([True], sorted_groups[1:] != sorted_groups[:-1])))
    ends = numpy.append(starts[1:], len(order))
    alone = ends - starts == 1
    kept = fitting[order[starts[alone]]].tolist()
    for place, (start, end) in enumerate(zip(starts[~alone].tolist(), ends[~alone].tolist(), strict=True)):
        if place % 1000 == 0:
            clock.look()
        rows = fitting[order[start:end]]
        for first in leading(rows, limits):
            same = numpy.ones(len(rows), dtype=bool)
            for values in ranks.all:
                same &= values[rows] == values[rows[first]]
            kept.append(best(rows[same], (), table))
    rows = numpy.array(kept, dtype=numpy.int64)
    rows = rows[numpy.lexsort(tuple(values[rows] for values in reversed(ranks.all)))]
    if cheapest:
        rows = rows[undominated(table, rows, ranks, shared)]
    return [int(row) for row in rows]


def leading(rows: Column, limits: Sequence[Column]) -> list[int]:
    """Return the places of ranked rows that no earlier row equals or betters in every limit.

    A goal that is the worst of all workloads limits each of them: below the limit the rest of the ranking decides.
    """
    import numpy

    if not limits:
        return [0]
    have = numpy.stack([values[rows] for values in limits], axis=1)
    if len(limits) == 1:
        lowest = numpy.minimum.accumulate(have[:, 0])
        return [0, *(numpy.flatnonzero(lowest[1:] < lowest[:-1]) + 1).tolist()]
    out: list[int] = []
    left = numpy.arange(len(rows))
    while len(left):
        out.append(int(left[0]))
        left = left[(have[left] < have[left[0]]).any(axis=1)]
    return out


def least_cost(table: Table, rows: Column) -> Column:
    """Return the least that rows can cost: of an instance that can be shared, the part they fill, rounded down."""
    import numpy

    full = table.costs[rows]
    sizes = numpy.array(table.sizes, dtype=numpy.int64)[table.pool[rows]]
    share = full // numpy.maximum(table.instances[rows], 1) * table.gpus[rows] // numpy.maximum(sizes, 1)
    return numpy.where(table.slots[rows] > 0, numpy.minimum(full, share), full)


def undominated(table: Table, rows: Column, ranks: Keys, shared: Shared) -> Column:
    """Return where no other row costs less even unshared, takes no more of anything, and reads the same."""
    import numpy

    penalty = ranks.goals[0][rows] - table.costs[rows]
    most = table.costs[rows] + penalty
    least = least_cost(table, rows) + penalty
    free = ~numpy.isin(table.pool[rows], list(shared.limited)) if shared.limited else numpy.ones(len(rows), bool)
    told = [values[rows] for values in shared.told]
    alike = numpy.zeros(len(rows), dtype=numpy.int64)
    if told:
        _, alike = cases(told)
    order = numpy.lexsort((most, alike))
    starts = numpy.flatnonzero(numpy.diff(alike[order], prepend=-1))
    keep = numpy.ones(len(rows), dtype=bool)
    for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(order)], strict=True):
        group = order[start:end]  # rows that read the same, the cheapest first
        floor = least[group]
        highest = int(floor.max())
        takes = [
            -values[rows[group]] if shared.lower[rule] else values[rows[group]]
            for rule, values in shared.amounts.items()
        ]
        for judge in numpy.flatnonzero(free[group])[:COMPARED].tolist():
            if judge % 100 == 0:
                clock.look()
            cost = int(most[group[judge]])
            if cost >= highest:
                break
            worse = floor > cost
            for values in takes:
                worse &= values >= values[judge]
            keep[group[worse]] = False
    return keep
