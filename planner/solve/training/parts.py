"""What configurations of a training are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from planner.catalog.records import Architecture
from planner.physics import training
from planner.physics.training import table as physics
from planner.record import dataclass
from planner.solve.training.workload import TrainingRecipe

if TYPE_CHECKING:
    from planner.solve.columns.table import Column


class Pairs(NamedTuple):
    """Layouts with micro-batches, in the order of shape, batch and layout: their columns.

    `shape` is the place of the layout's shape, `held` that of its states, `flight` the micro-batches in flight.
    """

    layout: Column
    size: Column
    flight: Column
    held: Column
    shape: Column
    batch: Column


Shape = tuple[int, int, int, int, bool]


@dataclass(frozen=True, slots=True)
class ConfigurationParts:
    """What configurations are made of: kinds of arithmetic with `each` optimizers, shapes of layouts with their pairs,
    and the states, whose columns are `places` of each kind in turn; `over` is what physics.passed_over says of them.

    `choices` are what activations depend on, but pipelines, micro-batches and checkpointing, all different; `trace`
    says which of them a kind has in a shape, and `making` is that of physics.live.
    """

    arch: Architecture
    recipes: list[TrainingRecipe]
    each: int
    shapes: list[Shape]
    pairs: Pairs
    states: physics.StateColumns
    over: Column
    places: int
    choices: list[training.ActivationChoice]
    making: Column
    trace: Column

    @property
    def kinds(self) -> list[tuple[str, str]]:
        """The kinds of arithmetic."""
        return [(item.method, item.precision) for item in self.recipes[:: self.each]]
