"""Grids of a training workload: configurations × GPU types, cell by cell, and which rules of the plan they break.

A cell is a number of GPUs and a tensor group: all of its rows on a GPU type rent the same.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from planner.catalog.records import Gpu
from planner.language.problem import Bound, Problem, Workload
from planner.language.quantities.outcomes import OUTCOMES, TRAINED_TIMES
from planner.language.schema import WHERE
from planner.record import dataclass
from planner.solve import clock
from planner.solve.columns.steps import SCALES, UNKNOWN, steps
from planner.solve.copies import PACES
from planner.solve.objective import PACE, RENTED, decisive, quantity_of, ties
from planner.solve.rent.placement import Placements
from planner.solve.rules import satisfied, simple, speaks_of
from planner.solve.training import step as training_step
from planner.solve.training import workload as training_workload
from planner.solve.training.configurations import Configurations
from planner.solve.training.speed import cards_of, keeps, lightest_of_all, limit_of, pace_of, refused_of, sheets
from planner.solve.training.workload import TrainingWorkload

if TYPE_CHECKING:
    from planner.solve.columns.table import Column


ALIKE = ("cost", "power", *WHERE, "tensor_parallel")
"""What is equal in all rows of a cell that rent the same."""
COUNTED = ("cost", "gpus", "power", "tensor_parallel")
"""Those of them that may be goals."""
_SERVED_BY = {"less": ("minimize", "<=", "<"), "more": ("maximize", ">=", ">")}
"""The direction of a goal on a quantity of which less or more is better, and the operators of bounds that hold it."""
FASTER = {row.name: _SERVED_BY[row.better] for row in OUTCOMES if row.name in TRAINED_TIMES}
"""The goals and bounds on time that the fewest layers recomputed serve best."""
ROOMIER = {row.name: _SERVED_BY[row.better] for row in OUTCOMES if row.of_memory}
"""The goals and bounds on memory that a limit on its bytes stands for."""
KNOWN = {**FASTER, **ROOMIER}


@dataclass(frozen=True, slots=True)
class CellOrder:
    """What decides in a cell: quality first where `quality` is true, then `time`, or memory where that is None; what is
    rented before them where `paid` is true.

    `rules` are the plan's bounds, by the name of the rule.
    """

    quality: bool
    time: str | None
    paid: bool
    rules: tuple[tuple[str, Bound], ...]

    def bounds(self, quantities: Mapping[str, object] | Sequence[str]) -> list[tuple[str, Bound]]:
        """The rules on some quantities."""
        return [(rule, bound) for rule, bound in self.rules if bound.quantity in quantities]


def order_of(problem: Problem, workload: Workload, tokens: int) -> CellOrder | None:
    """Return what decides in a cell; None where the plan tells its rows apart by more than a grid knows."""
    if len(problem.workloads) != 1 or problem.fleet or problem.preferences:
        return None
    rules = [(bound.rule, bound) for bound in workload.bounds]
    for rule in problem.rules:
        limit = simple(rule.condition, workload.name)
        if limit is None or speaks_of(rule.condition) != {workload.name}:
            return None
        rules.append((rule.name, limit))
    for _, bound in rules:
        if bound.quantity in (*ALIKE, "quality"):
            continue
        if bound.operator not in KNOWN.get(bound.quantity, ()) or not isinstance(bound.value, Fraction):
            return None
    timed = any(bound.quantity in FASTER for _, bound in rules)
    if timed and any(quantity_of(goal) in ROOMIER for goal in problem.goals[: decisive(problem)]):
        return None
    quality = paid = False
    for goal in (*problem.goals, *ties(problem)):
        name = PACES["training"] if goal.quantity == PACE else quantity_of(goal)
        if name in COUNTED or name == RENTED or (name in ("duration", "total_cost") and not tokens):
            paid |= name == "cost"
            continue
        if name == "quality" and goal.direction == "maximize":
            quality = True
        elif goal.direction not in KNOWN.get(name, ()):
            return None
        else:
            return CellOrder(quality, name if name in FASTER else None, paid, tuple(rules))
    return None


@dataclass(frozen=True, slots=True)
class GridInputs:
    """What grids are made of. `cells` are numbers of GPUs and tensor groups; by cell and GPU type, `above` are the
    overheads, `rented` the rents, `free` those that break no rule, `costs` what the first, second … of them costs (-1
    where there is none). By GPU type, `usable` is its memory and `room` what the rules on memory leave of it.

    A GPU type counts as several where its hosts and their network tell its rents apart; `same` says which are one.

    `cards` are kinds of arithmetic × GPU types × fields, `refused` by quantity the kinds that it keeps off a GPU type,
    `arithmetic` numbers the kinds that compute the same; `least` and
    `lightest` are each configuration's fewest bytes and their place.
    """

    run: TrainingWorkload
    workload: str
    space: Configurations
    order: CellOrder
    cells: Sequence[tuple[int, int]]
    above: Column
    rented: Column
    free: Column
    costs: list[Column]
    same: Column
    power: Column
    usable: Column
    room: Column
    cards: Column
    refused: dict[str, Column]
    arithmetic: Column
    least: Column
    lightest: Column


class Grid(NamedTuple):
    """A cell: its configurations (rows) on all GPU types (columns).

    `fit` says where the rules on memory are kept, `ok` where every rule of the rows is.
    """

    cell: int
    config: Column
    fit: Column
    ok: Column


def grid_inputs(
    run: TrainingWorkload,
    workload: Workload,
    space: Configurations,
    gpus: Sequence[Gpu],
    order: CellOrder,
    cells: Sequence[tuple[int, int]],
    above: Column,
    placed: Placements,
    outside: Mapping[str, Column],
    reach: Sequence[tuple[int, int]],
) -> GridInputs | None:
    """Return what grids are made of; None where a cell's rents tell its rows apart.

    `gpus` are the columns: GPU types, each as often as its hosts and their network (`reach`) tell its rents apart.
    `placed` rents cells on columns; `outside` says which of these rents break a rule that all rows of a cell break or
    keep.
    """
    import numpy

    shape = len(cells), len(gpus)
    size = len(cells) * len(gpus)
    rented = numpy.bincount(placed.row, minlength=size).reshape(shape)
    if (order.time == "total_cost" or order.bounds(("total_cost",))) and (rented > 1).any():
        return None
    broken = numpy.zeros(len(placed.row), dtype=bool)
    for where in outside.values():
        broken |= where
    by_row = numpy.argsort(placed.row, kind="stable")
    rows = placed.row[by_row]
    turn = numpy.empty_like(by_row)
    turn[by_row] = numpy.arange(len(rows)) - numpy.searchsorted(rows, rows)
    costs = [numpy.full(size, -1, dtype=numpy.int64) for _ in range(max(1, int(rented.max(initial=0))))]
    for place, cost in enumerate(costs):
        mine = turn == place
        cost[placed.row[mine]] = placed.costs[mine]
    least, lightest = lightest_of_all(space)
    cards = cards_of(run, space, gpus, reach)
    limits = [bound for _, bound in order.bounds(ROOMIER)]
    names = numpy.array([gpu.id for gpu in gpus], dtype=object)
    return GridInputs(
        run=run,
        workload=workload.name,
        space=space,
        order=order,
        cells=cells,
        above=above,
        rented=rented,
        free=numpy.bincount(placed.row[~broken], minlength=size).reshape(shape),
        costs=[cost.reshape(shape) for cost in costs],
        same=names[:, None] == names,
        power=numpy.array([gpu.power_w for gpu in gpus], dtype=numpy.int64),
        usable=numpy.array([gpu.memory for gpu in gpus], dtype=numpy.int64),
        room=numpy.array([limit_of(gpu.memory, limits) for gpu in gpus], dtype=numpy.int64),
        cards=cards,
        refused=refused_of(run, space, gpus),
        arithmetic=numpy.unique(cards.reshape(len(cards), -1), axis=0, return_inverse=True)[1].reshape(-1),
        least=least,
        lightest=lightest,
    )


def grid_of(inputs: GridInputs, cell: int, config: Column, broken: dict[str, Column]) -> Grid:
    """Return a cell's grid, and add to `broken` how many candidates break each rule of its rows."""
    import numpy

    clock.look()
    space, order, rented = inputs.space, inputs.order, inputs.rented[cell]
    fit = numpy.zeros((len(config), len(rented)), dtype=bool)
    ok = fit.copy()
    columns = numpy.flatnonzero(rented)
    types, type_of = numpy.unique(inputs.same[columns].argmax(axis=1), return_inverse=True)
    type_of = type_of.reshape(-1)

    def count(rule: str, where: Column, columns: Column) -> None:
        number = broken.setdefault(rule, numpy.zeros(len(rented), dtype=numpy.int64))
        number[columns] += where * rented[columns] * space.stands_for

    able = (inputs.cards[:, types, 0] > 0)[space.kind[config]]
    least = inputs.least[config][:, None] + inputs.above[cell][types]
    for rule, where in too_large(inputs, least, types).items():
        count(rule, where.sum(axis=0)[type_of], columns)
    fits = least <= inputs.room[types]
    fit[:, columns] = fits[:, type_of]
    for name, refused in inputs.refused.items():
        count(f"{inputs.workload}.{name}", refused[:, types][space.kind[config]].sum(axis=0)[type_of], columns)
    good = fits & able
    for rule, bound in order.bounds(("quality",)):
        bad = poor(inputs, bound, config)
        count(rule, bad.sum(), columns)
        good &= ~bad
    good = good[:, type_of]
    if order.bounds(FASTER):
        some = numpy.flatnonzero(good.any(axis=0))
        columns, good = columns[some], good[:, some]
        place = first_place(inputs, cell, config, fit[:, columns], columns)
        names = [bound.quantity for _, bound in order.bounds(FASTER)]
        figures = numbers(inputs, cell, config, columns, place, inputs.costs[0][cell], names, good)
        kept = good.copy()
        for rule, where in late(inputs, figures).items():
            count(rule, (where & good).sum(axis=0), columns)
            kept &= ~where
        good = kept
    ok[:, columns] = good
    return Grid(cell, config, fit, ok)


@dataclass(frozen=True, slots=True)
class Grids:
    """All grids: by cell and GPU type, `kept` says where a row keeps every rule, `lacks` where no row of the hardware
    does though something rents it; `broken` are by rule the candidates of each GPU type that break it."""

    grids: list[Grid]
    kept: Column
    lacks: Column
    broken: dict[str, Column]


def grids_of(inputs: GridInputs, cell: Column) -> Grids:
    """Return all grids; `cell` is that of each configuration."""
    import numpy

    by_cell = numpy.argsort(cell, kind="stable")
    edges = numpy.searchsorted(cell[by_cell], numpy.arange(len(inputs.cells) + 1)).tolist()
    broken: dict[str, Column] = {}
    grids = [
        grid_of(inputs, place, by_cell[start:end], broken)
        for place, (start, end) in enumerate(itertools.pairwise(edges))
    ]
    counts = numpy.array([gpus for gpus, _ in inputs.cells])
    kept = numpy.array([grid.ok.any(axis=0) for grid in grids]) & (inputs.free > 0)
    whole = numpy.array([kept[counts == gpus].any(axis=0) for gpus in counts.tolist()]) @ inputs.same
    return Grids(grids, kept, ~whole & (inputs.rented > 0), broken)


def too_large(inputs: GridInputs, total: Column, columns: Column | slice = slice(None)) -> dict[str, Column]:
    """Return, by rule on memory, where it is broken by the bytes that rows need on GPU types."""
    import numpy

    usable = inputs.usable[columns]
    out = {f"{inputs.workload}.memory": total > usable}
    for rule, bound in inputs.order.bounds(ROOMIER):
        where = total > numpy.array([limit_of(size, [bound]) for size in usable.tolist()], dtype=numpy.int64)
        out[rule] = out[rule] | where if rule in out else where
    return out


def _qualities(space: Configurations) -> list[Fraction | None]:
    """Return the quality of each kind of arithmetic; None where nobody knows it."""
    names = [(item.method, item.precision) for item in space.recipes]
    return [training_workload.quality(space.recipes[names.index(kind)]) for kind in space.kinds]


def quality_of(inputs: GridInputs, grid: Grid) -> Column:
    """Return the quality of each configuration in steps."""
    import numpy

    qualities = [UNKNOWN if have is None else int(have * SCALES["quality"]) for have in _qualities(inputs.space)]
    return numpy.array(qualities, dtype=numpy.int64)[inputs.space.kind[grid.config]]


def poor(inputs: GridInputs, bound: Bound, config: Column) -> Column:
    """Return which configurations break a bound on quality; one that nobody knows breaks it unless that may be."""
    import numpy

    broken = [not satisfied(bound, have) for have in _qualities(inputs.space)]
    return numpy.array(broken, dtype=bool)[inputs.space.kind[config]][:, None]


def first_place(inputs: GridInputs, cell: int, config: Column, fit: Column, columns: Column) -> Column:
    """Return the first place that has room on GPU types, the lightest where none has."""
    import numpy

    rooms, which = numpy.unique((inputs.room - inputs.above[cell])[columns], return_inverse=True)
    place = numpy.zeros(fit.shape, dtype=numpy.int64)
    for rows, sizes in sheets(inputs.space, config):
        if sizes.shape[1] == 1:
            continue
        falling = numpy.ascontiguousarray(numpy.minimum.accumulate(sizes, axis=1).T)
        mine = numpy.zeros((len(rows), len(rooms)), dtype=numpy.int32)
        for step in falling:
            mine += step[:, None] > rooms
        place[rows] = mine[:, which.reshape(-1)]
    return numpy.where(fit, place, inputs.lightest[config][:, None])


def blocks(inputs: GridInputs, config: Column) -> Iterator[Column]:
    """Yield rows that compute the same and of which all or none have several numbers of layers."""
    import numpy

    key = inputs.arithmetic[inputs.space.kind[config]] * 2 + (inputs.space.length[config] > 1)
    for value in numpy.flatnonzero(numpy.bincount(key)).tolist():
        yield numpy.flatnonzero(key == value)


def numbers(
    inputs: GridInputs,
    cell: int,
    config: Column,
    columns: Column,
    place: Column,
    cost: Column,
    names: Sequence[str],
    wanted: Column | None = None,
) -> dict[str, Column]:
    """Return outcomes of time of rows on GPU types at their places, in steps; UNKNOWN where they do not compute it, or
    where nothing of a block is `wanted`. `cost` is that of the cell on each GPU type."""
    import numpy

    space = inputs.space
    out = {name: numpy.full((len(config), len(columns)), UNKNOWN, dtype=numpy.int64) for name in names}
    for rows in blocks(inputs, config):
        own = config[rows]
        able = inputs.cards[space.kind[own[0]], columns, 0] > 0
        if wanted is not None:
            able &= wanted[rows].any(axis=0)
        some = numpy.flatnonzero(able)
        if not len(some):
            continue
        many = space.length[own[0]] > 1
        at = place[rows][:, some] if many else numpy.zeros((1, 1), dtype=numpy.int64)
        card = inputs.cards[space.kind[own[0]], columns[some]][None]
        pace = pace_of(inputs.run, space, card, own[:, None], at)
        assert pace is not None
        with numpy.errstate(divide="ignore", invalid="ignore"):
            figures = training_step.outcome_numbers(inputs.run, pace, cost[columns[some]])
        for name in names:
            if name in figures:
                out[name][rows[:, None], some] = steps(name, figures[name])
    return out


def late(inputs: GridInputs, columns: dict[str, Column]) -> dict[str, Column]:
    """Return, by rule on time, where outcomes break it."""
    out: dict[str, Column] = {}
    for rule, bound in inputs.order.bounds(FASTER):
        where = ~keeps(bound, columns[bound.quantity])
        out[rule] = out[rule] | where if rule in out else where
    return out
