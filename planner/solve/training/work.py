"""What one GPU does in a step of each configuration of a training space: counted once for each method and pair."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from planner.physics import training_time
from planner.solve.parallelism import Layout
from planner.solve.training import step as training_step
from planner.solve.training import workload as training_workload
from planner.solve.training.workload import TrainingWorkload

if TYPE_CHECKING:
    from planner.solve.columns.table import Column
    from planner.solve.training.parts import ConfigurationParts


class StepWork(NamedTuple):
    """What one GPU does in a step: `shared` of each method and pair, of which a configuration is the `row`; `kept` are
    the bytes a token of it keeps for backward."""

    shared: training_time.Work
    row: Column
    kept: Column


def work_at(works: StepWork, config: Column) -> training_time.Work:
    """Return what one GPU does in a step of configurations."""
    row = works.row[config]
    work = training_time.Work(*(column[row] for column in works.shared))
    return work._replace(kept=works.kept[config] * work.kept)


def works_of(
    run: TrainingWorkload,
    parts: ConfigurationParts,
    layouts: list[Layout],
    modes: list[tuple[str, list[int]]],
    kind: Column,
    pair: Column,
    mode: Column,
) -> StepWork:
    """Return what one GPU does in a step of each configuration."""
    import numpy

    pairs = parts.pairs
    lies: dict[str, Any] = {
        name: numpy.array([getattr(item, name) for item in layouts], dtype=numpy.int64)[pairs.layout]
        for name in ("data", "tensor", "pipeline", "context", "expert", "zero")
    }
    away: Any = numpy.array([item.offload for item in layouts])[pairs.layout]
    arrays: dict[str, Any] = {
        "micro_batch": pairs.size,
        "tp": lies["tensor"],
        "pp": lies["pipeline"],
        "cp": lies["context"],
        "ep": lies["expert"],
    }
    methods = sorted({method for method, _ in parts.kinds})
    shared = []
    for method in methods:
        recipe = next(recipe for recipe in parts.recipes if recipe.method == method)
        choice = training_workload.choice_of(run, recipe, Layout(1, 1, 1, 1, 1, 0), 1, "none")
        work = training_step.work_of(run, replace(choice, **arrays), lies["data"], lies["zero"], 1.0, away)
        shared.append([numpy.broadcast_to(numpy.asarray(each, dtype=float), pairs.size.shape) for each in work])
    # one sequence is apart: see traces
    kept = numpy.array(
        [
            [
                [
                    training_time.kept_for_backward(
                        parts.arch, replace(choice, checkpointing=name, micro_batch=1 if single else 2)
                    )
                    for single in (False, True)
                ]
                for name, _ in modes
            ]
            for choice in parts.choices
        ]
    )
    which = numpy.array([methods.index(method) for method, _ in parts.kinds], dtype=numpy.int64)
    single = (pairs.size[pair] == 1).astype(numpy.int64)
    return StepWork(
        training_time.Work(*numpy.concatenate(shared, axis=1)),
        which[kind] * len(pairs.size) + pair,
        kept[parts.trace[kind, pairs.shape[pair]], mode, single],
    )
