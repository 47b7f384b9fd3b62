"""What a pipeline's stage holds: the heaviest layers, and as many micro-batches as its schedule has in flight."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.catalog.records import Architecture
from planner.physics.architecture import layer_parameters
from planner.physics.training.recipe import share

if TYPE_CHECKING:
    from planner.physics.training.activations import ActivationChoice


def stage_runs(arch: Architecture, pp: int) -> list[tuple[int, int]]:
    """Groups and counts of the layers of the fullest pipeline stage: the heaviest layers, never the average."""
    if pp <= 1:
        return [(index, group.count) for index, group in enumerate(arch.groups)]
    wanted = share(arch.layers, pp)
    weight = {index: sum(layer_parameters(arch, group).values()) for index, group in enumerate(arch.groups)}
    taken: dict[int, int] = {}
    for index in sorted(weight, key=lambda each: -weight[each]):
        taken[index] = min(arch.groups[index].count, wanted - sum(taken.values()))
    return [(index, taken[index]) for index in sorted(taken) if taken[index]]


def in_flight(choice: ActivationChoice, stage: int) -> tuple[int, int]:
    """Micro-batches whose activations a stage holds, as a fraction (numerator, denominator) of a micro-batch.

    gpipe holds all of a step (arXiv 1811.06965); 1f1b as many as stages follow (PipeDream-flush, arXiv 2006.09503);
    interleaved 1 + (p - 1) / (p v) times the p of the first stage (arXiv 2205.05198, section 4.2.3).
    """
    if choice.pp <= 1:
        return 1, 1
    most = choice.micro_batches or 4 * choice.pp
    if choice.schedule == "gpipe":
        return most, 1
    if choice.schedule == "interleaved":
        first = choice.pp * choice.chunks + choice.pp - 1
        return (min(first, most * choice.chunks), choice.chunks) if stage == 0 else (choice.chunks + 1, choice.chunks)
    return (min(choice.pp, most) if stage == 0 else 1), 1
