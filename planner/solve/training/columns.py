"""The columns of a training's table: its decisions as axes, and its outcomes, made when they are first asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING

from planner.catalog.records import Gpu
from planner.language.quantities.outcomes import TRAINED_TIMES
from planner.solve.candidate import aimed
from planner.solve.columns.rules import headroom
from planner.solve.columns.steps import SCALES, UNKNOWN, steps
from planner.solve.columns.table import Axis, unknown
from planner.solve.training import step as training_step
from planner.solve.training import workload as training_workload
from planner.solve.training.configurations import Configurations, recipe_at
from planner.solve.training.speed import layers_again
from planner.solve.training.step import Pace
from planner.solve.training.workload import TrainingWorkload

if TYPE_CHECKING:
    from planner.solve.columns.table import Column


def numbers(values: Column) -> Axis:
    """Return an axis of whole numbers."""
    import numpy

    distinct = numpy.flatnonzero(numpy.bincount(values))
    place = numpy.zeros(distinct[-1] + 1 if len(distinct) else 0, dtype=numpy.int64)
    place[distinct] = numpy.arange(len(distinct))
    return Axis(tuple(Fraction(n) for n in distinct.tolist()), place[values])


def outcomes_of(
    run: TrainingWorkload,
    configurations: Configurations,
    gpus: Sequence[Gpu],
    config: Column,
    gpu: Column,
    total: Column,
    usable: Column,
    costs: Column,
    total_gpus: Column,
    pace: Pace | None,
) -> dict[str, Callable[[], Column]]:
    """Return what makes each outcome's column, of configurations on GPU types with all that they take."""
    import numpy

    qualities = [training_workload.quality(item) for item in configurations.recipes]
    quality = numpy.array([UNKNOWN if q is None else int(q * SCALES["quality"]) for q in qualities] or [0])
    power = numpy.array([item.power_w for item in gpus] or [0], dtype=numpy.int64)
    out: dict[str, Callable[[], Column]] = {
        "memory": lambda: total,
        "headroom": lambda: headroom(total, usable),
        "cost": lambda: costs,
        "quality": lambda: quality[configurations.recipe[config]],
        "power": lambda: power[gpu] * total_gpus,
    }
    columns: dict[str, Column] = {}

    def timed(name: str) -> Column:
        if pace is None:
            return unknown(len(total))
        if not columns:
            with numpy.errstate(divide="ignore", invalid="ignore"):
                columns.update(training_step.outcome_numbers(run, pace, costs))
        if name not in columns:
            return unknown(len(total))
        configurations: Column = steps(name, numpy.where(pace.card.peak == 0, numpy.nan, columns[name]))
        return configurations

    return out | {name: partial(timed, name) for own in TRAINED_TIMES for name in (own, aimed(own))}


def axes_of(
    configurations: Configurations, config: Column, place: Column, total_gpus: Column, gpus: Sequence[Gpu], gpu: Column
) -> dict[str, Axis]:
    """Return the decisions of configurations on GPU types; `place` is that of the number of layers."""
    import numpy

    def words(values: list[str], index: Column) -> Axis:
        distinct = {word: place_ for place_, word in enumerate(sorted(set(values)))}
        return Axis(tuple(distinct), numpy.array([distinct[word] for word in values] or [0], dtype=numpy.int64)[index])

    def counts(values: list[int], index: Column) -> Axis:
        return numbers(numpy.array(values or [0], dtype=numpy.int64)[index])

    layout, recipe = configurations.layout[config], recipe_at(configurations, config, place)
    return {
        "gpu": Axis(tuple(item.id for item in gpus), gpu),
        "gpus": numbers(total_gpus),
        "checkpointed_layers": numbers(layers_again(configurations, config, place)),
        "method": words([item.method for item in configurations.recipes], recipe),
        "precision": words([item.precision for item in configurations.recipes], recipe),
        "optimizer": words([item.optimizer for item in configurations.recipes], recipe),
        "checkpointing": words([mode for mode, _ in configurations.modes], configurations.mode[config]),
        "micro_batch": numbers(configurations.micro_batch[config]),
        "data_parallel": counts([item.data for item in configurations.layouts], layout),
        "tensor_parallel": counts([item.tensor for item in configurations.layouts], layout),
        "pipeline_parallel": counts([item.pipeline for item in configurations.layouts], layout),
        "context_parallel": counts([item.context for item in configurations.layouts], layout),
        "expert_parallel": counts([item.expert for item in configurations.layouts], layout),
        "shard_replicas": counts([item.replicas for item in configurations.layouts], layout),
        "zero": counts([item.zero for item in configurations.layouts], layout),
        "offload": words([item.offload for item in configurations.layouts], layout),
    }
