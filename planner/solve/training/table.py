"""The table of a training workload: states × activations by moment as arrays, and the numbers of layers that matter.

Recomputing one more layer never takes less time and, up to the last, never more memory. So of all numbers of layers
only two can be the best of a row: the fewest that fit, and those with the most headroom that the bounds on time leave.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING

from planner.catalog.catalog import Catalog
from planner.catalog.records import Gpu, Offer
from planner.language.problem import Bound, Problem, Workload
from planner.record import dataclass
from planner.solve import clock
from planner.solve.columns.rules import bounds_of, breaks, broken_by, fits
from planner.solve.columns.size import MOST, bounded
from planner.solve.columns.table import Axis, Table, empty
from planner.solve.objective import best as best_row
from planner.solve.objective import decisive, quantity_of
from planner.solve.objective import rank_columns as keys_of
from planner.solve.rent.placement import Placements, place
from planner.solve.rent.ram import beyond
from planner.solve.rent.rental import Market, Renting, market_of, offers_for
from planner.solve.rules import reads
from planner.solve.training import workload as training_workload
from planner.solve.training.columns import axes_of, numbers, outcomes_of
from planner.solve.training.configurations import ON_GPUS, Configurations, space
from planner.solve.training.defaults import of_run
from planner.solve.training.distinct import telling
from planner.solve.training.grid import ALIKE, CellOrder, grid_inputs, grids_of, order_of
from planner.solve.training.hosts import column, offloads
from planner.solve.training.shortlist import best, nearest
from planner.solve.training.speed import (
    cards_of,
    first_that_fits,
    joined,
    lightest_of_all,
    limit_of,
    pace_of,
    refused_of,
    roomiest,
    sheets,
)
from planner.solve.training.workload import TrainingWorkload

if TYPE_CHECKING:
    from planner.solve.columns.table import Column


def table(problem: Problem, workload: Workload, catalog: Catalog, fixed: bool = False, rows: str = "all") -> Table:
    """Return the candidates of a training workload that can be the best of their kind, as columns.

    `rows` are all of them; or those that are fitting, with the lightest of what does not fit for each GPU type, number
    of GPUs and group that stays together; or the best of each of these, as far as the plan lets them be told; or the
    telling ones, that stand for all where it is asked which rules a row breaks and by how little (`distinct.py`).
    """

    run = training_workload.run_of(problem, workload)
    offers = offers_for(problem, workload)
    wanted = workload.domains.get("gpu")
    gpus = [problem.gpus[name] for name in sorted(offers) if name in problem.gpus and (not wanted or name in wanted)]
    bounds = bounds_of(workload, problem)
    # optimizers differ in host memory too, which the best of a GPU type is not chosen by
    moved = offloads(workload)
    apart = moved or is_read(problem, workload, "optimizer")
    configurations = space(run, fixed, apart, len(gpus) if moved and rows != "telling" else 0)
    if not len(configurations.kind) or not gpus:
        return empty(workload)
    inputs = TableInputs(
        problem=problem,
        workload=workload,
        run=run,
        space=configurations,
        gpus=gpus,
        offers=offers,
        market=market_of(problem, workload),
        bounds=bounds,
    )
    wanted_best = rows == "best" and configurations.works is not None and not moved
    order = order_of(problem, workload, run.tokens) if wanted_best else None
    picked = None if order is None else _picked(inputs, order)
    if rows == "telling":
        return _telling(inputs)
    return _made(inputs, _fitting(inputs, rows == "all"), rows == "all") if picked is None else picked


@dataclass(frozen=True, slots=True)
class TableInputs:
    """What a table is made from: the space of a workload, the GPU types and offers it may rent, its bounds; `rents`
    keeps what was found of offers."""

    problem: Problem
    workload: Workload
    run: TrainingWorkload
    space: Configurations
    gpus: list[Gpu]
    offers: Mapping[str, list[Offer]]
    market: Market
    bounds: Sequence[Bound]
    rents: dict[int, list[Renting]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Placing:
    """Configurations on GPU types, before offers: overhead, the first place among the layers that fits (the length of
    the run where none does), and how many candidates a row stands for; `broken` is Table's `filtered`."""

    config: Column
    gpu: Column
    above: Column
    fewest: Column
    stands_for: Column | None
    broken: dict[str, Column] | None = None


def _made(inputs: TableInputs, placing: Placing, thorough: bool) -> Table:
    """Return configurations on GPU types, rented and with the numbers of layers that matter, as a table."""
    return _rows(inputs, placing, thorough)[0]


def _rows(inputs: TableInputs, placing: Placing, thorough: bool) -> tuple[Table, Column]:
    """Return `_made`'s table, and the row of the placing that each of its rows is from."""
    import numpy

    clock.look()
    configurations, gpus, workload = inputs.space, inputs.gpus, inputs.workload
    config, gpu = placing.config, placing.gpu
    layouts = numpy.array([(item.gpus, item.tensor) for item in configurations.layouts], dtype=numpy.int64).reshape(
        -1, 2
    )
    total_gpus, tensor = layouts[configurations.layout[config], 0], layouts[configurations.layout[config], 1]
    placed = place(gpus, inputs.offers, inputs.market, gpu, total_gpus, tensor, inputs.rents)
    card = cards_of(inputs.run, configurations, gpus)[configurations.kind[config[placed.row]], gpu[placed.row]]
    card = joined(card, placed.per_host, placed.network)
    base, at = _layers_that_matter(inputs, placing, card, placed)

    own = placed.row[base]
    config, gpu, above, total_gpus = config[own], gpu[own], placing.above[own], total_gpus[own]
    total = configurations.bytes[configurations.start[config] + at] + above
    usable = numpy.array([item.memory for item in gpus], dtype=numpy.int64)[gpu]
    costs = placed.costs[base]
    pace = pace_of(inputs.run, configurations, card[base], config, at)
    outcomes = outcomes_of(inputs.run, configurations, gpus, config, gpu, total, usable, costs, total_gpus, pace)
    broken = {f"{workload.name}.memory": total > usable}
    on_host = column(inputs.run, configurations, config, at, placed.per_host[base])
    outcomes["host_memory"] = lambda: on_host
    if on_host.any():
        ranks = numpy.minimum(total_gpus, placed.per_host[base])
        exceeds = beyond(on_host, placed.pool[base], placed.pools, inputs.problem.offers, ranks)
        broken[f"{workload.name}.host_memory"] = exceeds
    if pace is not None:
        for name, where in refused_of(inputs.run, configurations, gpus).items():
            broken[f"{workload.name}.{name}"] = where[configurations.kind[config], gpu]
    axes = axes_of(configurations, config, at, total_gpus, gpus, gpu)
    axes |= {name: Axis(axis.values, axis.index[base]) for name, axis in placed.axes.items()}
    table = Table(
        workload=workload,
        rows=len(base),
        axes=axes,
        outcomes=outcomes,
        broken=broken,
        costs=costs,
        gpus=total_gpus,
        pool=placed.pool[base],
        pools=placed.pools,
        sizes=placed.sizes,
        prices=placed.prices,
        instances=placed.instances[base],
        slots=placed.slots[base],
        weights=None if placing.stands_for is None else placing.stands_for[own],
        considered=int(configurations.length.sum()) * configurations.stands_for * len(gpus),
        thorough=thorough,
        filtered=placing.broken,
        made_by=inputs.run,
        defaults=of_run(inputs.run),
    )
    return table, own


def is_read(problem: Problem, workload: Workload, quantity: str) -> bool:
    """Return whether a bound, rule or goal reads a decision of a workload."""
    conditions = [item.condition for item in problem.rules] + [item.condition for item in problem.preferences]
    return (
        any(quantity in reads(condition, workload.name) for condition in conditions)
        or any(bound.quantity == quantity for bound in workload.bounds)
        or any(quantity_of(goal) == quantity for goal in problem.goals)
    )


def _picked(inputs: TableInputs, order: CellOrder) -> Table | None:
    """Return a table of the best of all hardware (`shortlist.py`), with what would be better and breaks least of
    hardware on which nothing keeps every rule; None where that cannot be told."""
    import numpy

    configurations, gpus = inputs.space, inputs.gpus
    keys = numpy.array([item.gpus << 16 | item.tensor for item in configurations.layouts], dtype=numpy.int64)[
        configurations.layout
    ]
    known, cell = numpy.unique(keys, return_inverse=True)
    total, tensor = known >> 16, known & 0xFFFF
    every = numpy.tile(numpy.arange(len(gpus)), len(known))
    totals, tensors = numpy.repeat(total, len(gpus)), numpy.repeat(tensor, len(gpus))
    placed = place(gpus, inputs.offers, inputs.market, every, totals, tensors, inputs.rents)
    if not len(placed.row):  # nothing is rented out in this market, or nothing of this size
        return None
    which, gpu = numpy.divmod(placed.row, len(gpus))
    hosts = numpy.stack((gpu, placed.per_host, placed.network), axis=1)
    columns, column = numpy.unique(hosts if inputs.market.joined else hosts[:, :1], axis=0, return_inverse=True)
    card = columns[:, 0]
    cards = [gpus[place] for place in card.tolist()]
    reach = [(per_host, network) for _, per_host, network in columns.tolist()] if inputs.market.joined else []
    placed = replace(placed, row=which * len(cards) + column.reshape(-1))
    above = _overheads(inputs.run, cards, total)
    rents = _rents(inputs, placed, gpu, total[which], tensor[which])
    outside: dict[str, Column] = {}
    for rule, bound in order.bounds(ALIKE):
        where = breaks(rents, bound.quantity, bound.operator, bound.value, bound.unknown)
        outside[rule] = outside[rule] | where if rule in outside else where
    cells = list(zip(total.tolist(), tensor.tolist(), strict=True))
    order_inputs = grid_inputs(
        inputs.run, inputs.workload, configurations, cards, order, cells, above, placed, outside, reach
    )
    if order_inputs is None:
        return None
    seen = grids_of(order_inputs, cell.reshape(-1))
    members = numpy.bincount(cell.reshape(-1))[which] * configurations.stands_for
    broken = {rule: numpy.bincount(card, number, len(gpus)).astype(int) for rule, number in seen.broken.items()} | {
        rule: numpy.bincount(gpu[where], members[where], len(gpus)).astype(int) for rule, where in outside.items()
    }

    def made(pairs: Column) -> Table:
        config, at = numpy.divmod(pairs, len(cards))
        config, at = numpy.divmod(numpy.unique(config * len(gpus) + card[at], return_inverse=True)[0], len(gpus))
        column = numpy.searchsorted(card, at)  # any of the GPU type
        over = above[cell.reshape(-1)[config], column]
        fewest = first_that_fits(configurations, config, order_inputs.room[column] - over)
        return _made(inputs, Placing(config, at, over, fewest, None, broken), False)

    pairs = best(order_inputs, seen)
    table = made(pairs)
    fitting = fits(table, broken_by(table, inputs.problem))
    if not len(fitting) or not seen.lacks.any():
        return table
    ranks = keys_of(table, inputs.problem)
    chosen = best_row(fitting, ranks.all, table)
    goals = inputs.problem.goals[: decisive(inputs.problem)]
    best_values = [int(values[chosen]) for values in ranks.goals[: len(goals)]]
    more = [nearest(order_inputs, seen, goals[:depth], best_values[:depth]) for depth in range(1, len(goals) + 1)]
    return made(numpy.concatenate([pairs, *more])) if any(map(len, more)) else table


def _rents(inputs: TableInputs, placed: Placements, gpu: Column, total: Column, tensor: Column) -> Table:
    """Return what is rented as a table of what all rows that rent it have alike."""
    import numpy

    power = numpy.array([item.power_w for item in inputs.gpus], dtype=numpy.int64)
    return Table(
        workload=inputs.workload,
        rows=len(gpu),
        axes={
            "gpu": Axis(tuple(item.id for item in inputs.gpus), gpu),
            "gpus": numbers(total),
            "tensor_parallel": numbers(tensor),
            **placed.axes,
        },
        outcomes={"cost": lambda: placed.costs, "power": lambda: power[gpu] * total},
        broken={},
        costs=placed.costs,
        gpus=total,
        pool=placed.pool,
        pools=placed.pools,
        sizes=placed.sizes,
        prices=placed.prices,
        instances=placed.instances,
        slots=placed.slots,
    )


def _telling(inputs: TableInputs) -> Table:
    """Return the rows that say which rules are broken, and by how little."""
    import numpy

    configurations, width = inputs.space, len(inputs.gpus)

    def made(block: Column) -> tuple[Table, Column]:
        placing = _fitting(inputs, True, block)
        table, own = _rows(inputs, placing, True)
        return table, placing.config[own]

    config, gpu, broken = telling(inputs.problem, len(configurations.kind), width, made)
    every = _fitting(inputs, True, numpy.unique(config))
    some = numpy.isin(every.config * width + every.gpu, config * width + gpu)
    stands_for = None if every.stands_for is None else every.stands_for[some]
    kept = Placing(every.config[some], every.gpu[some], every.above[some], every.fewest[some], stands_for, broken)
    return _made(inputs, kept, True)


def _fitting(inputs: TableInputs, everything: bool, some: Column | None = None) -> Placing:
    """Return the configurations on each GPU type, all or `some`: with `everything` also all that fit nowhere."""
    import numpy

    configurations, gpus = inputs.space, inputs.gpus
    config = numpy.arange(len(configurations.kind)) if some is None else some
    bounded(len(config) * len(gpus), ON_GPUS, 5 * MOST)
    totals = numpy.array([item.gpus for item in configurations.layouts], dtype=numpy.int64)[
        configurations.layout[config]
    ]
    above = _overheads(inputs.run, gpus, totals)
    room = numpy.array([limit_of(item.memory, inputs.bounds) for item in gpus], dtype=numpy.int64)[None, :] - above
    fewest = numpy.zeros(room.shape, dtype=numpy.int64)
    for rows, sizes in sheets(configurations, config):
        clock.look()
        falling = numpy.minimum.accumulate(sizes, axis=1)
        mine = numpy.zeros((len(rows), len(gpus)), dtype=numpy.int64)
        for step in range(sizes.shape[1]):
            mine += falling[:, step, None] > room[rows]
        fewest[rows] = mine
    fits = fewest < configurations.length[config][:, None]
    keep = fits
    weights = numpy.where(fits, configurations.stands_for, 0)
    if everything:
        keep = numpy.ones_like(fits)
        weights = numpy.full(fits.shape, configurations.stands_for)
    elif not fits.all():
        keep, weights = _lightest(inputs, totals, fits, weights)
    own, gpu = numpy.nonzero(keep)
    return Placing(config[own], gpu, above[keep], fewest[keep], weights[keep])


def _lightest(inputs: TableInputs, totals: Column, fits: Column, weights: Column) -> tuple[Column, Column]:
    """Return what fits, and of the rest the lightest of each number of GPUs and tensor group on each GPU type: of what
    the GPU computes, where there is any."""
    import numpy

    configurations = inputs.space
    able = (cards_of(inputs.run, configurations, inputs.gpus)[:, :, 0] > 0)[configurations.kind]
    tensor = numpy.array([item.tensor for item in configurations.layouts], dtype=numpy.int64)[configurations.layout]
    least, _ = lightest_of_all(configurations)
    keep, weights = fits.copy(), weights.copy()
    for group in sorted(set((totals << 16 | tensor).tolist())):
        members = numpy.flatnonzero(totals << 16 | tensor == group)
        outside = ~fits[members]
        sizes = numpy.where(outside, least[members][:, None] + numpy.where(able[members], 0, 2**60), 2**62)
        chosen = members[sizes.argmin(axis=0)]
        some = numpy.flatnonzero(outside.any(axis=0))
        keep[chosen[some], some] = True
        weights[chosen[some], some] = outside.sum(axis=0)[some] * configurations.stands_for
    return keep, weights


def _overheads(run: TrainingWorkload, gpus: Sequence[Gpu], totals: Column) -> Column:
    """Return the overhead of each configuration on each GPU type, computed once for each number of GPUs."""
    import numpy

    if run.model.architecture is None:
        return numpy.zeros((len(totals), len(gpus)), dtype=numpy.int64)
    counts, which = numpy.unique(totals, return_inverse=True)
    known = [[training_workload.overhead(run, item, int(count)) for item in gpus] for count in counts]
    overheads: Column = numpy.array(known, dtype=numpy.int64).reshape(len(counts), len(gpus))[which.reshape(-1)]
    return overheads


def _layers_that_matter(
    inputs: TableInputs, placing: Placing, card: Column, placed: Placements
) -> tuple[Column, Column]:
    """Return rows of the placements and the place of their number of layers: the fewest, and the roomiest in time; all
    that fit where each leaves other activations to the host."""
    import numpy

    base = placed.row
    own, first = placing.config[base], placing.fewest[base]
    most = roomiest(inputs.run, inputs.space, card, own, first, placed.costs, inputs.bounds)
    everything = numpy.arange(len(base))
    if inputs.workload.given["offload_activations"]:
        fit = first < inputs.space.length[own]
        start = numpy.where(fit, first, most)
        counts = numpy.where(fit, inputs.space.length[own] - first, 1)
        bounded(int(counts.sum()), "offloaded_layers")
        rows = numpy.repeat(everything, counts)
        return rows, start[rows] + numpy.arange(len(rows)) - numpy.repeat(numpy.cumsum(counts) - counts, counts)
    two = (first < inputs.space.length[own]) & (first != most)
    rows = numpy.concatenate([everything, everything[two]])
    places = numpy.concatenate([most, first[two]])
    order = numpy.lexsort((places, rows))
    return rows[order], places[order]
