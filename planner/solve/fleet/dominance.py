"""Dominance: which rows an optimal answer can need, before the integer model is built.

**What an answer is.** Every workload takes one row. A row that can be shared takes GPUs of its pool, which rents as
many instances as the GPUs taken there fill, rounded up; any other row rents its own instances. Money is what is rented.
Rules read of a row what it takes (`amounts`), what they distinguish (`read`), and its share of the money.

**Rows of one group** (`one_of_each`). Two rows of a workload are in one group where they take the same of every limited
offer and shared pool, the same amounts, and are the same to every rule over several workloads. Put one for the other in
any answer: all pools rent what they rented, every rule and limit holds as before, and each goal changes by the
difference of the two rows alone. Goals that are sums are compared in their order: the row that comes first in them,
then in the tie-breaks, then in the alphabet, makes the better answer of the two, whatever the others take. A goal that
is the worst of all workloads is not a sum: there a row must also be no worse, or it stays. So a row that an earlier one
of its group equals or betters in every such goal is in no optimum.

**Rows across groups**, only where the objective begins with the lowest cost, no rule wants money spent, and no share is
read:

- `worth_sharing`: let an answer fill N instances of a pool at the price P with rows r, and let alt(r) be the cost,
  alone, of a row that takes no more of anything limited, reads the same and needs nothing limited. Where N × P is more
  than the sum of all alt(r), the answer that takes those rows instead costs less. With d(r) = alt(r) / GPUs of r, a
  fill of N instances is worth at most what a fractional filling by the largest d is; that is concave in N, so that if
  one instance is not worth P, no number is. Rows of such a pool are in no optimum.
- `undominated`: the least that a row can add to an answer's cost is its price alone, or in a pool that others may use
  `floor(GPUs / size)` instances: the rest may fill slots of an instance that is paid anyway, and then adds nothing. The
  most is its price alone. A row whose least is more than the most of another, which takes no more of anything and reads
  the same, is in no optimum.

Every argument puts a better row in the place of another. It ends, because each exchange improves the answer in the one
total order of objective, tie-breaks and alphabet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from planner.record import dataclass
from planner.solve import clock
from planner.solve.columns.table import Table, cases
from planner.solve.objective import RankColumns, best

if TYPE_CHECKING:
    from planner.solve.columns.table import Column


COMPARED = 4000
"""The most rows that are compared pairwise."""
HANDFUL = 64
"""So many rows of a workload that nothing couples to others are left to the solver, the best of them first."""
FREE = 2**61
"""Stands for the cost of a row that none can take the place of."""


@dataclass(frozen=True, slots=True)
class Takes:
    """What a workload's rows take of what is shared.

    `amounts` are by fleet bound, less being better where `lower` does not say otherwise; `read` distinguishes rows to
    rules over several workloads and to shares; `money` is whether a bound reads what is paid, without penalties;
    `possible` are the rows that may share a pool, `limited` those of offers of which only some are available;
    `limits` must not grow from a row to the one that stands for it; `penalty` is what broken preferences cost a row.
    """

    amounts: Mapping[str, Column]
    lower: Mapping[str, bool]
    read: Sequence[Column]
    money: bool
    possible: Column
    limited: Column
    limits: Sequence[Column]
    penalty: Column


def one_of_each(table: Table, fitting: Column, ranks: RankColumns, takes: Takes) -> Column:
    """Return the rows of each group that an optimum can need, in the order of their ranking."""
    import numpy

    if not len(fitting):
        return fitting
    own = takes.possible[fitting] | takes.limited[fitting]
    group = [
        numpy.where(own, table.pool[fitting], -1),
        numpy.where(own, numpy.where(takes.possible[fitting], table.gpus[fitting], -table.instances[fitting]), 0),
        *(values[fitting] for values in takes.amounts.values()),
        *([table.costs[fitting]] if takes.money else []),
        *(values[fitting] for values in takes.read),
    ]
    _, which = cases(group)
    columns = [values for place, values in enumerate(ranks.all) if place not in ranks.worst]
    limits = [*(ranks.all[place] for place in sorted(ranks.worst)), *takes.limits]
    by_name = table.name_columns(fitting)
    order = numpy.lexsort((*reversed(by_name), *(values[fitting] for values in reversed(columns)), which))
    sorted_groups = which[order]
    starts = numpy.flatnonzero(numpy.concatenate(([True], sorted_groups[1:] != sorted_groups[:-1])))
    ends = numpy.append(starts[1:], len(order))
    # where nothing else limits which row stands for a group, its first is the best of it
    alone = ends - starts == 1 if limits else numpy.ones(len(starts), dtype=bool)
    kept = fitting[order[starts[alone]]].tolist()
    for place, (start, end) in enumerate(zip(starts[~alone].tolist(), ends[~alone].tolist(), strict=True)):
        if place % 1000 == 0:
            clock.look()
        rows = fitting[order[start:end]]
        for first in leading(rows, limits):
            same = numpy.ones(len(rows), dtype=bool)
            for values in (*columns, *limits):
                same &= values[rows] == values[rows[first]]
            kept.append(best(rows[same], (), table))
    rows = numpy.array(kept, dtype=numpy.int64)
    sorted_rows: Column = rows[numpy.lexsort(tuple(values[rows] for values in reversed(ranks.all)))]
    return sorted_rows


def leading(rows: Column, limits: Sequence[Column]) -> list[int]:
    """Return the places of ranked rows that no earlier row equals or betters in every limit."""
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


def uncoupled(table: Table, fitting: Column, ranks: RankColumns) -> Column:
    """Return the best row of each kind and number of GPUs, a handful of the best of these: of a workload that nothing
    couples to others all rows are one group, and all but the first of them only stand beside it in the proof."""
    import numpy

    if not len(fitting):
        return fitting
    if ranks.goals and len(fitting) > COMPARED:  # whatever is behind so many in the first goal is not a best of few
        first = ranks.goals[0][fitting]
        fitting = fitting[first <= numpy.partition(first, COMPARED)[COMPARED]]
    if len(fitting) > 5 * COMPARED:
        return numpy.array([best(fitting, ranks.all, table)], dtype=numpy.int64)
    order = fitting[numpy.lexsort(tuple(values[fitting] for values in reversed(ranks.all)))]
    hardware = table.axes["gpu"].index[order].astype(numpy.int64) << 32 | table.gpus[order].astype(numpy.int64)
    _, first = numpy.unique(hardware, return_index=True)
    out = []
    for place in numpy.sort(first)[:HANDFUL].tolist():
        same = order[hardware == hardware[place]]
        for values in ranks.all:
            same = same[values[same] == values[order[place]]]
        out.append(best(same, (), table))
    return numpy.array(out, dtype=numpy.int64)


def least_cost(table: Table, rows: Column, possible: Column) -> Column:
    """Return the least that rows can add to what is paid: whole instances, but in a pool that others may use only those
    that a row fills by itself."""
    import numpy

    sizes = numpy.maximum(numpy.array(table.sizes or [1], dtype=numpy.int64)[table.pool[rows]], 1)
    prices = numpy.array(table.prices or [0], dtype=numpy.int64)[table.pool[rows]]
    column: Column = numpy.where(possible[rows], table.gpus[rows] // sizes * prices, table.costs[rows])
    return column


def least_part(table: Table, rows: Column, possible: Column) -> Column:
    """Return what rows add at least to a sum over all workloads: of instances that others may use the part that they
    fill, rounded down. No answer costs less than that sum, since a pool rents at least what is filled."""
    import numpy

    sizes = numpy.maximum(numpy.array(table.sizes or [1], dtype=numpy.int64)[table.pool[rows]], 1)
    prices = numpy.array(table.prices or [0], dtype=numpy.int64)[table.pool[rows]]
    column: Column = numpy.where(possible[rows], table.gpus[rows] * prices // sizes, table.costs[rows])
    return column


def instead(table: Table, rows: Column, takes: Takes) -> Column:
    """Return for each shareable row the cost, alone, of the cheapest row that can take its place (alt in the proof),
    without its own penalty; FREE for rows that none can replace, and for all where a bound reads what is paid."""
    import numpy

    most = table.costs[rows] + takes.penalty[rows]
    free = numpy.flatnonzero(~takes.limited[rows])
    out = numpy.full(len(rows), FREE, dtype=numpy.int64)
    if not len(free) or takes.money:
        return out
    _, same = cases([values[rows] for values in takes.read]) if takes.read else (None, numpy.zeros(len(rows), int))
    amounts = [-values[rows] if takes.lower[rule] else values[rows] for rule, values in takes.amounts.items()]
    shared = numpy.flatnonzero(takes.possible[rows])
    if not amounts:
        least = numpy.full(int(same.max()) + 1, FREE, dtype=numpy.int64)
        numpy.minimum.at(least, same[free], most[free])
        out[shared] = least[same[shared]]
    else:
        for place, row in enumerate(shared[:COMPARED].tolist()):
            if place % 100 == 0:
                clock.look()
            fits = same[free] == same[row]
            for values in amounts:
                fits &= values[free] <= values[row]
            if fits.any():
                out[row] = most[free[fits]].min()
    return numpy.where(out == FREE, FREE, out - takes.penalty[rows])


def worth_sharing(
    tables: Mapping[str, Table], rows: Mapping[str, Column], takes: Mapping[str, Takes], members: Mapping[str, int]
) -> dict[str, Column]:
    """Return the rows without those of pools that no set of workloads can share to advantage (see the proof above)."""
    import numpy

    fills: dict[tuple[str, str], list[tuple[float, int]]] = {}
    prices: dict[tuple[str, str], tuple[int, int]] = {}
    for name, mine in rows.items():
        table, worth = tables[name], instead(tables[name], mine, takes[name])
        shared = numpy.flatnonzero(takes[name].possible[mine])
        for index in numpy.flatnonzero(numpy.bincount(table.pool[mine[shared]])).tolist():
            own = shared[table.pool[mine[shared]] == index]
            gpus = table.gpus[mine[own]]
            density = float((worth[own] / gpus).max())
            fills.setdefault(table.pools[index], []).append((density, int(gpus.max()) * members[name]))
            prices[table.pools[index]] = table.prices[index], table.sizes[index]
    useless = set()
    for pool, kinds in fills.items():
        price, left = prices[pool]
        value = 0.0
        for density, most in sorted(kinds, reverse=True):
            value += max(0.0, density) * min(left, most)
            left -= min(left, most)
        if value * (1 + 1e-9) < price:
            useless.add(pool)
    out = {}
    for name, mine in rows.items():
        table = tables[name]
        gone = numpy.array([pool in useless for pool in table.pools] or [False], dtype=bool)
        out[name] = mine[~(takes[name].possible[mine] & gone[table.pool[mine]])]
    return out


def undominated(table: Table, rows: Column, takes: Takes) -> Column:
    """Return the rows that no other undercuts whatever is shared while it takes no more and reads the same."""
    import numpy

    if not len(rows):
        return rows
    penalty = takes.penalty[rows]
    paid, spared = table.costs[rows], least_cost(table, rows, takes.possible)
    most, least = paid + penalty, spared + penalty
    free = ~takes.limited[rows]
    same = cases([values[rows] for values in takes.read])[1] if takes.read else numpy.zeros(len(rows), numpy.int64)
    order = numpy.lexsort((most, same))
    starts = numpy.flatnonzero(numpy.diff(same[order], prepend=-1))
    keep = numpy.ones(len(rows), dtype=bool)
    for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(order)], strict=True):
        group = order[start:end]  # rows that read the same, the cheapest first
        floor = least[group]
        highest = int(floor.max())
        amounts = [
            -values[rows[group]] if takes.lower[rule] else values[rows[group]] for rule, values in takes.amounts.items()
        ]
        for judge in numpy.flatnonzero(free[group])[:COMPARED].tolist():
            if judge % 100 == 0:
                clock.look()
            cost = int(most[group[judge]])
            if cost >= highest:
                break
            worse = floor > cost
            for values in amounts:
                worse &= values >= values[judge]
            if takes.money:
                worse &= spared[group] >= paid[group[judge]]
            keep[group[worse]] = False
    kept: Column = rows[keep]
    return kept
