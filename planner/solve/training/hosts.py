"""Host memory of a training: what its busiest host must hold of what is offloaded, against the RAM of the offer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.language.problem import Workload
from planner.physics import training
from planner.solve import stated
from planner.solve.parallelism import Layout
from planner.solve.training import workload as training_workload
from planner.solve.training.configurations import Configurations, recipe_at
from planner.solve.training.workload import TrainingRecipe, TrainingWorkload

if TYPE_CHECKING:
    from planner.solve.columns.table import Column


def offloads(workload: Workload) -> bool:
    """Return whether a plan offers to offload states or activations, or to page states."""
    if workload.given["offload_activations"]:
        return True
    moved = any(word != "none" for word in stated.words(workload, "offload"))
    return moved or any(word.startswith("paged_") for word in stated.words(workload, "optimizer"))


def rank_bytes(run: TrainingWorkload, recipe: TrainingRecipe, layout: Layout) -> int:
    """Return the bytes of host memory of one rank, 0 where nothing is offloaded or the model is a rule of thumb's."""
    if run.model.architecture is None or (layout.offload == "none" and not recipe.optimizer.startswith("paged_")):
        return 0
    key = ("host", recipe, layout)
    if key not in run.known:
        choice = training_workload.state_choice(run, recipe, layout, True)
        run.known[key] = training.host(run.model.architecture, run.model.params, choice)
    cached: int = run.known[key]
    return cached


def activation_bytes(
    run: TrainingWorkload, recipe: TrainingRecipe, layout: Layout, micro_batch: int, mode: str, again: int
) -> int:
    """Return the bytes of host memory that one rank's offloaded activations take."""
    arch = run.model.architecture
    if arch is None or not run.workload.given["offload_activations"]:
        return 0
    choice = training_workload.choice_of(run, recipe, layout, micro_batch, mode)
    key = ("stashes", choice)
    if key not in run.known:
        run.known[key] = training.stashes(arch, choice)
    return training.stashed(arch, choice, run.known[key], again)


def host_memory(
    run: TrainingWorkload,
    recipe: TrainingRecipe,
    layout: Layout,
    per_host: int,
    micro_batch: int,
    mode: str,
    again: int,
) -> int:
    """Return the bytes that the busiest of a workload's hosts must hold."""
    each = rank_bytes(run, recipe, layout) + activation_bytes(run, recipe, layout, micro_batch, mode, again)
    return each * min(layout.gpus, per_host)


def column(
    run: TrainingWorkload, configurations: Configurations, config: Column, place: Column, per_host: Column
) -> Column:
    """Return `host_memory` of configurations at a number of layers."""
    import numpy

    if not offloads(run.workload):
        return numpy.zeros(len(config), dtype=numpy.int64)
    recipe, layout = recipe_at(configurations, config, place), configurations.layout[config]
    moved = bool(run.workload.given["offload_activations"])
    more = (configurations.micro_batch[config], configurations.mode[config], place)
    asked = numpy.stack((recipe, layout, *(column * moved for column in more)))
    rows, which = numpy.unique(asked, axis=1, return_inverse=True)
    each = []
    for own, at, size, mode, layers in rows.T.tolist():
        what, lies = configurations.recipes[own], configurations.layouts[at]
        name, again = configurations.modes[mode]
        held = activation_bytes(run, what, lies, size, name, again[layers]) if moved else 0
        each.append(rank_bytes(run, what, lies) + held)
    totals = numpy.array([item.gpus for item in configurations.layouts], dtype=numpy.int64)[layout]
    out: Column = numpy.array(each, dtype=numpy.int64)[which.reshape(-1)] * numpy.minimum(totals, per_host)
    return out
