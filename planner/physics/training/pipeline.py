"""What a pipeline's stage holds: the heaviest layers, and as many micro-batches as its schedule has in flight."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from planner.catalog.records import Architecture
from planner.physics.architecture import layer_parameters
from planner.physics.training.choice import ActivationChoice
from planner.physics.training.recipe import share
from planner.record import dataclass

if TYPE_CHECKING:
    from planner.physics.training.choice import ActivationChoice


class Layer(NamedTuple):
    """A layer at the choice's micro-batch: bytes kept, bytes kept when it is checkpointed, autocast's cache (part of
    `kept`), its heaviest moment (gradients, activations) and its trained parameters."""

    kept: int
    thin: int
    casts: int
    gradients: int
    peak: int
    peak_checkpointed: int
    trained: int


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


@dataclass(frozen=True, slots=True)
class Stage:
    """One pipeline stage at one choice, or at an array of micro-batches: its layers as runs, and what stands before and
    behind them."""

    number: int
    runs: tuple[tuple[int, int], ...]
    layers: tuple[Layer, ...]
    first: Layer | None
    in_flight: tuple[Any, int]
    has_head: bool
    closing: Any
    forward: Any
    forward_logits: Any
    passing: Any
    loss_gradients: Any
    loss_activations: Any
    loss_logits: Any
    ends: tuple[Any, ...]
    mask: Any

    @property
    def depth(self) -> int:
        """Layers of the stage."""
        return sum(count for _, count in self.runs)

    @property
    def first_difference(self) -> Any:
        """What the first layer keeps more than its like (less than nothing: its input needs no gradient)."""
        return self.first.kept - self.layers[self.runs[0][0]].kept if self.first else 0

    def edges(self, sharded: bool) -> set[int]:
        """The first and the last layer of each run; where layers are `sharded`, those beside the outermost too."""
        ends, start = ({min(1, self.depth - 1), max(0, self.depth - 2)} if sharded else set()), 0
        for _, count in self.runs:
            ends |= {start, start + count - 1}
            start += count
        return ends

    def at(self, place: int) -> Layer:
        """The layer at a place."""
        if place == 0 and self.first is not None:
            return self.first
        for index, count in self.runs:
            if place < count:
                return self.layers[index]
            place -= count
        return self.layers[self.runs[-1][0]]

    def before(self, place: int, again: int) -> tuple[int, int, int]:
        """What the layers before `place` keep when the first `again` recompute, those layers' copies of weights, and
        the parameters of the layers before `place`."""
        kept = casts = trained = start = 0
        for index, count in self.runs:
            taken = max(0, min(count, place - start))
            light = max(0, min(taken, again - start))
            layer = self.layers[index]
            kept += light * layer.thin + (taken - light) * layer.kept
            casts += light * layer.casts
            trained += taken * layer.trained
            start += count
        return kept + (self.first_difference if place and not again else 0), casts, trained
