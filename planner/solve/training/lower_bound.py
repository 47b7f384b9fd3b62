"""The least that a step of each configuration takes on each GPU type, by what it asks of the card and the network.

What a configuration needs at least may be above what another takes: then it is not the best of its cell, and is not
timed (planner.solve.training.shortlist)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from planner.physics import training_time
from planner.solve.training.grid import (
    GridInputs,
    blocks,
)
from planner.solve.training.speed import pace_of
from planner.solve.training.work import work_at

if TYPE_CHECKING:
    from planner.solve.columns.table import Column


SAFE = 1e-5
"""What a bound on time leaves to roundings of floats."""


def sending_bound(inputs: GridInputs, weight: Column, cell: Column, config: Column, gpu: Column) -> Column:
    """Return the least that pairs can take by what they send, whatever compute covers (see `lower_bound`)."""
    assert inputs.space.works is not None
    work = work_at(inputs.space.works, config)
    card = training_time.GpuSpeeds(*inputs.cards[inputs.space.kind[config], gpu].T)
    taken: Column = training_time.sent(work, card) * (1 + work.bubble) * (1 - SAFE) / weight[config]
    return taken * card.peak if inputs.order.time == "mfu" else taken


class StepLowerBound(NamedTuple):
    """What a step asks at least of a card, and what that is multiplied by, in single precision; whether by the card's
    peak as well. Single precision will do for what is only compared: it loses less than SAFE."""

    asked: Column
    factor: Column
    peaked: bool


def lower_bound(inputs: GridInputs) -> tuple[StepLowerBound, Column, bool]:
    """Return a lower bound of the time of each configuration, what a second of it is divided by, and whether it is
    multiplied by the card's peak: so that less is better in what the order goes by."""
    import numpy

    every = numpy.arange(len(inputs.space.kind))
    card = numpy.ones((len(every), inputs.cards.shape[-1]))
    pace = pace_of(inputs.run, inputs.space, card, every, numpy.zeros_like(every))
    assert pace is not None
    demands = training_time.demands(pace.work, pace.again, pace.attention_again)
    weight, peaked = weights(inputs, pace.work)
    factor = ((1 - SAFE) * (1 + pace.work.bubble) / weight).astype(numpy.float32)
    return StepLowerBound(numpy.stack(demands, axis=1).astype(numpy.float32), factor, peaked), weight, peaked


def weights(inputs: GridInputs, work: training_time.Work) -> tuple[Column, bool]:
    """Return what a second of a step is counted by, so that fewer are always better, and whether the peak counts too:
    nothing, the tokens of the step, or its useful FLOPs."""
    if inputs.order.time == "step_time":
        return work.tokens * 0 + 1.0, False
    if inputs.order.time == "mfu":
        return training_time.useful_flops(work), True
    return work.tokens, False


def lower_bounds(
    inputs: GridInputs, lower: StepLowerBound, cell: int, config: Column, columns: Column, wanted: Column | None
) -> Iterator[tuple[Column, Column]]:
    """Yield rows with the least that they can take on GPU types (see `lower_bound`); infinite where it is not wanted,
    or not computed."""
    import numpy

    for rows in blocks(inputs, config):
        own = config[rows]
        card = training_time.GpuSpeeds(*inputs.cards[inputs.space.kind[own[0]], columns].T)
        link = training_time.link(card, inputs.cells[cell][1], 1)
        reached = numpy.stack([card.products, card.attention, card.bandwidth, link])
        with numpy.errstate(divide="ignore", invalid="ignore"):
            each = ((card.peak if lower.peaked else 1.0) / reached).astype(numpy.float32)
        column = lower.asked[own] @ numpy.where(card.peak > 0, each, 0)
        column *= lower.factor[own][:, None]
        if wanted is None:
            column[:, card.peak == 0] = numpy.inf
        else:
            column[~wanted[rows]] = numpy.inf
        yield rows, column
