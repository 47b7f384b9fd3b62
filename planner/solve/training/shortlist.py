"""The configurations that can be the best of their hardware, picked from grids of configurations × GPU types.

All rows of a cell (a number of GPUs and a tensor group, on a GPU type) rent the same, so that only memory, time and
quality tell them apart, and these a grid knows without making a row of each. What is picked is a superset of the best
of each cell, and of hardware on which nothing keeps every rule, a superset of what breaks the fewest by least. Only
that is then made rows of, which are judged like any others; what is within a step of the best stays, so that roundings
and tie-breaks are theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from planner.language.problem import Goal
from planner.physics import training_time
from planner.solve.candidate import aimed
from planner.solve.columns.rules import headroom
from planner.solve.columns.steps import SCALES, UNKNOWN
from planner.solve.objective import HUGE, quantity_of
from planner.solve.training import step as training_step
from planner.solve.training.grid import (
    COUNTED,
    FASTER,
    Grid,
    GridInputs,
    Grids,
    first_place,
    late,
    numbers,
    poor,
    quality_of,
    too_large,
)
from planner.solve.training.lower_bound import SAFE, StepLowerBound, lower_bound, lower_bounds, sending_bound
from planner.solve.training.speed import first_that_fits, pace_of, roomiest
from planner.solve.training.step import Pace

if TYPE_CHECKING:
    from planner.solve.columns.table import Column


def best(inputs: GridInputs, surveyed: Grids) -> Column:
    """Return what can be the best of its cell, as places of a configuration × GPU types + that of a GPU type."""
    import numpy

    width, grids = len(inputs.usable), surveyed.grids
    if inputs.order.quality:
        grids = [grid._replace(ok=_of_quality(grid, quality_of(inputs, grid))) for grid in grids]
    if inputs.order.time is not None:
        config, gpu = _fastest(inputs, grids, surveyed.kept)
        return config * width + gpu
    limits = _limits(inputs, grids, surveyed.kept)
    out = [numpy.zeros(0, dtype=numpy.int64)]
    for grid in grids:
        columns = numpy.flatnonzero(surveyed.kept[grid.cell])
        near = inputs.least[grid.config][:, None] <= limits[grid.cell][columns]
        row, column = numpy.nonzero(grid.ok[:, columns] & near)
        out.append(grid.config[row] * width + columns[column])
    return numpy.concatenate(out)


def nearest(inputs: GridInputs, grids: Grids, goals: Sequence[Goal], values: Sequence[int]) -> Column:
    """Return, of hardware that no row keeps every rule on, what would come before these values of the goals, and of
    that what can break the fewest rules with the most headroom; in the same form."""
    import numpy

    out = [numpy.zeros(0, dtype=numpy.int64)]
    lower: StepLowerBound | None = None
    for grid, lacks in zip(grids.grids, grids.lacks, strict=True):
        for costs in inputs.costs:
            cost = costs[grid.cell]
            columns = numpy.flatnonzero(lacks & (cost >= 0))
            before, same = numpy.zeros(len(columns), dtype=bool), numpy.ones(len(columns), dtype=bool)
            lead = 0
            for goal, value in zip(goals, values, strict=True):
                if quantity_of(goal) not in COUNTED:
                    break
                have = _of_cell(inputs, grid.cell, goal, columns, cost)
                before, same, lead = before | (same & (have < value)), same & (have == value), lead + 1
            some = before if lead == len(goals) else before | same
            columns, before, rest = columns[some], before[some], list(zip(goals, values, strict=True))[lead:]
            mine = grid
            if rest and quantity_of(rest[0][0]) == inputs.order.time and not before.any():
                able = (inputs.cards[:, columns, 0] > 0).any(axis=0)  # what computes nothing takes for ever
                columns, before = columns[able], before[able]
            if len(columns) and rest and quantity_of(rest[0][0]) == inputs.order.time:
                lower = lower or lower_bound(inputs)[0]
                rows = _faster(inputs, lower, grid, columns, cost, before, rest[0][1])
                mine = grid._replace(config=grid.config[rows], fit=grid.fit[rows], ok=grid.ok[rows])
            if len(columns) and len(mine.config):
                row, column = numpy.nonzero(_within_reach(inputs, mine, columns, cost, before, rest))
                out.append(mine.config[row] * len(inputs.usable) + columns[column])
    return numpy.concatenate(out)


def _faster(
    inputs: GridInputs, lower: StepLowerBound, grid: Grid, columns: Column, cost: Column, before: Column, value: int
) -> Column:
    """Return the rows that may take less time on some GPU type than is counted by a value of the order's outcome."""
    import numpy

    time, tokens = inputs.order.time, (inputs.run.tokens or 0) / inputs.run.uninterrupted
    assert time is not None
    with numpy.errstate(divide="ignore", invalid="ignore"):
        own = numpy.full(len(columns), abs(value) / SCALES[time])
        if FASTER[time][0] == "maximize":
            taken = 1 / own
        else:
            rates: dict[str, Any] = {"duration": tokens, "total_cost": tokens * cost[columns] / 3.6e9}
            taken = own / rates.get(time, 1.0)
        limit = _slowest(inputs, taken, cost[columns])
    limit[before | ~numpy.isfinite(taken) | (abs(value) >= HUGE)] = numpy.inf
    limit = limit.astype(numpy.float32)
    rows = [
        rows[((low <= limit) & (low < numpy.inf)).any(axis=1) | before.any()]
        for rows, low in lower_bounds(inputs, lower, grid.cell, grid.config, columns, None)
    ]
    return numpy.sort(numpy.concatenate([numpy.zeros(0, dtype=numpy.int64), *rows]))


def _of_cell(inputs: GridInputs, cell: int, goal: Goal, columns: Column, cost: Column) -> Column:
    """Return what all rows of a cell add to a goal, in steps, to be minimised."""
    import numpy

    gpus, tensor = inputs.cells[cell]
    match quantity_of(goal):
        case "cost":
            have = cost[columns]
        case "power":
            have = inputs.power[columns] * gpus
        case "gpus":
            have = numpy.full(len(columns), gpus, dtype=numpy.int64)
        case _:
            have = numpy.full(len(columns), tensor, dtype=numpy.int64)
    return have if goal.direction == "minimize" else -have


def _within_reach(
    inputs: GridInputs, grid: Grid, columns: Column, cost: Column, before: Column, goals: Sequence[tuple[Goal, int]]
) -> Column:
    """Return where a row comes before the values of goals and can be the nearest to keeping every rule.

    A configuration that fits has two rows, with the fewest layers recomputed and with the most headroom.
    """
    import numpy

    space, above = inputs.space, inputs.above[grid.cell][columns]
    fit = grid.fit[:, columns]
    place = first_place(inputs, grid.cell, grid.config, fit, columns)
    low = inputs.least[grid.config][:, None] + above
    high = space.bytes[space.start[grid.config][:, None] + place] + above
    names = [aimed(quantity_of(goal)) for goal, _ in goals if quantity_of(goal) in FASTER]
    names += [bound.quantity for _, bound in inputs.order.bounds(FASTER)]
    figures = numbers(inputs, grid.cell, grid.config, columns, place, cost, names) if names else {}
    fast, roomy = (_before(inputs, grid, columns, cost, before, goals, figures, size) for size in (high, low))
    wanted = fast | (roomy & fit)
    rules = late(inputs, figures) | too_large(inputs, high, columns)
    faults = (inputs.cards[:, columns, 0] == 0)[space.kind[grid.config]].astype(numpy.int64)
    for broken in rules.values():
        faults += broken
    for _, bound in inputs.order.bounds(("quality",)):
        faults += poor(inputs, bound, grid.config)
    mine = wanted & (faults == numpy.where(wanted, faults, 2**31).min(axis=0))
    sure = numpy.where(mine, numpy.where(fast, high, low), 2**62).min(axis=0)
    where: Column = mine & (low <= sure + _step(inputs)[columns])
    return where


def _before(
    inputs: GridInputs,
    grid: Grid,
    columns: Column,
    cost: Column,
    before: Column,
    goals: Sequence[tuple[Goal, int]],
    figures: dict[str, Column],
    size: Column,
) -> Column:
    """Return where rows of this size come before the values of goals, in order of their importance."""
    import numpy

    out = numpy.broadcast_to(before, size.shape).copy()
    same = ~out
    for goal, value in goals:
        name = quantity_of(goal)
        if name in COUNTED:
            have = _of_cell(inputs, grid.cell, goal, columns, cost)
        else:
            if name == "memory":
                own = size
            elif name == "headroom":
                own = headroom(size, inputs.usable[columns])
            else:
                own = figures[aimed(name)] if name in FASTER else quality_of(inputs, grid)[:, None]
            sign = 1 if goal.direction == "minimize" else -1
            have = numpy.where(own == UNKNOWN, HUGE, numpy.clip(sign * own, -HUGE, HUGE))
        out |= same & (have < value)
        same &= have == value
    return out


def _of_quality(grid: Grid, quality: Column) -> Column:
    """Return where rows keep every rule with the best quality that does."""
    import numpy

    own = quality[:, None]
    where: Column = grid.ok & (own == numpy.where(grid.ok, own, UNKNOWN).max(axis=0, initial=UNKNOWN))
    return where


def _fastest(inputs: GridInputs, grids: Sequence[Grid], kept: Column) -> tuple[Column, Column]:
    """Return the pairs that can be the best in time of a cell on a GPU type.

    A step takes at least what the card needs without what compute may cover, and with as few layers recomputed as may
    be. Of each cell the row that needs least is timed; what needs more than that takes is not the best.
    """
    import numpy

    lower, weight, peaked = lower_bound(inputs)
    kept_by = [numpy.flatnonzero(row) for row in kept]
    lows = [
        (grid, columns, rows, low)
        for grid, columns in zip(grids, kept_by, strict=True)
        for rows, low in lower_bounds(inputs, lower, grid.cell, grid.config, columns, grid.ok[:, columns])
    ]
    config, least = numpy.zeros(kept.shape, dtype=numpy.int64), numpy.full(kept.shape, numpy.inf)
    for grid, columns, rows, low in lows:
        row = low.argmin(axis=0)
        least_values = low[row, numpy.arange(len(row))]
        less = least_values < least[grid.cell, columns]
        config[grid.cell, columns[less]] = grid.config[rows[row[less]]]
        least[grid.cell, columns[less]] = least_values[less]
    cell, gpu = numpy.nonzero(kept)
    own = config[cell, gpu]
    pace = _pace_of_pairs(inputs, cell, own, gpu)
    seconds = training_time.step(pace.work, pace.card, pace.again, pace.attention_again).seconds
    limits = numpy.full(kept.shape, -numpy.inf, dtype=numpy.float32)
    taken = numpy.full(kept.shape, numpy.inf)
    taken[cell, gpu] = seconds / weight[own] * (pace.card.peak if peaked else 1)
    if not (inputs.order.quality or inputs.order.paid):
        taken = _least_of_type(inputs, taken)
    limits[cell, gpu] = _slowest(inputs, taken[cell, gpu], inputs.costs[0][cell, gpu])

    cells, owns, gpus = [], [], []
    for grid, columns, rows, low in lows:
        row, column = numpy.nonzero((low <= limits[grid.cell, columns]) & (low < numpy.inf))  # a limit may be infinite
        cells.append(numpy.full(len(row), grid.cell))
        owns.append(grid.config[rows[row]])
        gpus.append(columns[column])
    cell, own, gpu = (numpy.concatenate(columns) for columns in (cells, owns, gpus))
    some = sending_bound(inputs, weight, cell, own, gpu) <= limits[cell, gpu]
    return _first_in_time(inputs, cell[some], own[some], gpu[some])


def _least_of_type(inputs: GridInputs, taken: Column) -> Column:
    """Return what each column may take to be no worse than the best of the columns of its GPU type."""
    import numpy

    cost = inputs.costs[0] if inputs.order.time == "total_cost" else numpy.ones_like(inputs.costs[0])
    known = numpy.isfinite(taken)
    value = numpy.where(known, numpy.where(known, taken, 0) * cost, numpy.inf)
    least: Column = numpy.where(inputs.same, value[:, None, :], numpy.inf).min(axis=2) / numpy.maximum(cost, 1)
    return numpy.where(known & (cost > 0), least, taken)


def _pace_of_pairs(inputs: GridInputs, cell: Column, config: Column, gpu: Column) -> Pace:
    """Return what the time of pairs depends on, with as few layers recomputed as fit."""
    first = first_that_fits(inputs.space, config, inputs.room[gpu] - inputs.above[cell, gpu])
    pace = pace_of(inputs.run, inputs.space, inputs.cards[inputs.space.kind[config], gpu], config, first)
    assert pace is not None
    return pace


def _first_in_time(inputs: GridInputs, cell: Column, config: Column, gpu: Column) -> tuple[Column, Column]:
    """Return of pairs those that are within a step of the best in time of their cell and GPU type."""
    import numpy

    time = inputs.order.time
    assert time is not None
    most = HUGE / SCALES[time]
    with numpy.errstate(divide="ignore", invalid="ignore"):
        value = training_step.outcome_numbers(
            inputs.run, _pace_of_pairs(inputs, cell, config, gpu), inputs.costs[0][cell, gpu]
        )[aimed(time)]
    value = numpy.where(numpy.isnan(value), most, -value if FASTER[time][0] == "maximize" else value)
    value = numpy.clip(value, -most, most)
    best = numpy.full(inputs.rented.shape, numpy.inf)
    numpy.minimum.at(best, (cell, gpu), value)
    near = value <= best[cell, gpu] + 1.01 / SCALES[time]
    return config[near], gpu[near]


def _slowest(inputs: GridInputs, taken: Column, cost: Column) -> Column:
    """Return what a row may take at most to be within a step of one that takes so much, with what floats may lose."""
    import numpy

    time, tokens = inputs.order.time, (inputs.run.tokens or 0) / inputs.run.uninterrupted
    assert time is not None
    step, most = 1.01 / SCALES[time], HUGE / SCALES[time]
    with numpy.errstate(divide="ignore", invalid="ignore"):
        if FASTER[time][0] == "maximize":
            limit = numpy.where((step * taken < 1) & (1 / taken < most), taken / (1 - step * taken), numpy.inf)
        else:
            rates: dict[str, Any] = {"duration": tokens, "total_cost": tokens * cost / 3.6e9}
            each = rates.get(time, 1.0) + 0.0 * taken
            limit = numpy.where((each > 0) & (taken * each < most), taken + step / each, numpy.inf)
    return limit * (1 + SAFE)


def _step(inputs: GridInputs) -> Column:
    """Return the bytes on each GPU type that may round to the same headroom."""
    step: Column = inputs.usable // SCALES["headroom"] + 1
    return step


def _limits(inputs: GridInputs, grids: Sequence[Grid], kept: Column) -> Column:
    """Return, by cell and GPU type, the bytes that its roomiest row needs at most, and a step more.

    Where bounds on time limit how many layers may recompute, that row is not known: what they leave of the
    configuration which is lightest without them stands for it.
    """
    import numpy

    shape = kept.shape
    config, least = (numpy.zeros(shape, dtype=numpy.int64) for _ in range(2))
    every = numpy.arange(shape[1])
    for grid in grids:
        size = numpy.where(grid.ok, inputs.least[grid.config][:, None], 2**62)
        row = size.argmin(axis=0)
        config[grid.cell], least[grid.cell] = grid.config[row], size[row, every]
    bounds = [bound for _, bound in inputs.order.bounds(FASTER)]
    if bounds:
        cell, gpu = numpy.nonzero(kept)
        own, cost = config[cell, gpu], inputs.costs[0][cell, gpu]
        first = first_that_fits(inputs.space, own, inputs.room[gpu] - inputs.above[cell, gpu])
        at = roomiest(inputs.run, inputs.space, inputs.cards[inputs.space.kind[own], gpu], own, first, cost, bounds)
        least[cell, gpu] = inputs.space.bytes[inputs.space.start[own] + at]
    return least + _step(inputs)
