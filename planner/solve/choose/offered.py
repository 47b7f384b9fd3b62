"""Whether a choice is one of those that the search enumerates for a workload, and if not, why: for one choice."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

from planner.catalog.catalog import Catalog
from planner.language.problem import Problem, Value, Workload
from planner.solve import stated
from planner.solve.inference import layerwise
from planner.solve.inference import space as inference_space
from planner.solve.inference import workload as inference_workload
from planner.solve.inference.workload import Service
from planner.solve.rent.rental import market_of, offers_listed
from planner.solve.structure import (
    SPLIT,
    Fault,
    Layout,
    Split,
    batch_faults,
    checkpointing_faults,
    divides,
    service_faults,
    training_faults,
)

if TYPE_CHECKING:
    from planner.solve.training.workload import Recipe, Run


SHOWN = 8
"""So many values are listed in a reason."""


def unoffered(problem: Problem, workload: Workload, choice: Mapping[str, Value], catalog: Catalog) -> list[Fault]:
    """Return why the search would not enumerate a whole choice: rules of structure that it breaks, and values that
    neither the plan nor its defaults offer. Empty where it is one of the search's."""
    found = _fractional(workload, choice)
    if found:
        return found
    if workload.kind == "training":
        from planner.solve.training import (
            workload as training_workload,  # `check` of an inference starts without the physics of training
        )

        found = list(_training(training_workload.run_of(problem, workload), choice))
    else:
        found = list(_service(inference_workload.service(problem, workload, catalog), choice))
    markets = market_of(problem, workload).markets
    found += _one_of("market", str(choice["market"]), markets)
    if not any(item.id == choice["offer"] for item in offers_listed(problem, workload)):
        found.append(Fault("offer", "an offer that the plan may rent", str(choice["offer"])))
    return found


COUNTS = (
    "gpus",
    "replicas",
    "tensor_parallel",
    "pipeline_parallel",
    "expert_parallel",
    "nodes",
    "context_parallel",
    "data_parallel",
    "shard_replicas",
    "zero",
    "micro_batch",
    "checkpointed_layers",
)
"""The decisions that are whole numbers; all but two are at least 1."""
FROM_ZERO = ("zero", "checkpointed_layers")


def _fractional(workload: Workload, choice: Mapping[str, Value]) -> list[Fault]:
    """Return the decisions that are not the whole numbers that they have to be."""
    out = []
    for name in COUNTS:
        value = choice.get(name)
        if value is None:
            continue
        if not isinstance(value, Fraction) or value.denominator != 1 or value < (name not in FROM_ZERO):
            out.append(Fault(name, "a whole number", value if isinstance(value, Fraction) else str(value)))
    return out


def _count(choice: Mapping[str, Value], name: str) -> int:
    value = choice.get(name, Fraction(1)) if name == "nodes" else choice[name]
    assert isinstance(value, Fraction)
    return int(value)


def _service(this: Service, choice: Mapping[str, Value]) -> Iterator[Fault]:
    forms = inference_space.forms(this)
    for name in ("weights", "kv_cache", "activations", "quantization"):
        offered = dict.fromkeys(str(getattr(form, name)) for form in forms)
        if name == "weights" and layerwise.is_mix(str(choice[name])):
            yield from _mix(this, str(choice[name]), offered)
        else:
            yield from _one_of(name, str(choice[name]), offered)
    split = Split(*(_count(choice, name) for name in SPLIT))
    faults = list(service_faults(this.model, split, this.engine.one_host))
    if not divides(this.model, split.tensor):
        faults.append(Fault("tensor_parallel", "heads that divide evenly", Fraction(split.tensor)))
    yield from faults
    gpus, copies = _count(choice, "gpus"), _count(choice, "replicas")
    if gpus != copies * split.gpus:
        needs = f"replicas × tensor_parallel × pipeline_parallel = {copies * split.gpus}"
        yield Fault("gpus", needs, Fraction(gpus))
        return
    every = inference_space.every_split(this, False)
    if not faults and split not in every:
        yield from _first(
            ("tensor_parallel", split.tensor, [item.tensor for item in every]),
            ("pipeline_parallel", split.pipeline, [item.pipeline for item in every if item.tensor == split.tensor]),
            ("expert_parallel", split.expert, [item.expert for item in every if item.tensor == split.tensor]),
            ("nodes", split.nodes, [item.nodes for item in every if item.gpus == split.gpus]),
        )
    elif not inference_space.may_span(this, False, str(choice["gpu"]), split.nodes):
        spans = inference_space.nodes_by_gpu(this, False)
        yield from _one_of("nodes", split.nodes, spans.get(str(choice["gpu"]), spans[""]))
    if copies not in inference_space.replica_counts(this, split):
        name = "gpus" if "gpus" in this.workload.domains and "replicas" not in this.workload.domains else "replicas"
        yield Fault(name, "a number that the plan leaves", Fraction(gpus if name == "gpus" else copies))


def _mix(this: Service, label: str, offered: Collection[str]) -> Iterator[Fault]:
    """Yield why a mix of formats is none of the plan's: its layers, its formats, or how it is written."""
    try:
        names = layerwise.layers_of(label)
    except ValueError:
        yield Fault("weights", "a mix of formats", label)
        return
    arch = this.model.architecture
    if "weights" not in this.workload.per_layer or arch is None:
        yield Fault("weights", "one format for all layers", label)
    elif len(names) != arch.layers or layerwise.label_of(names) != label:
        yield Fault("weights", f"a format for each of {arch.layers} layers", label)
    else:
        for name in dict.fromkeys(names):
            yield from _one_of("weights", name, offered)


def _training(this: Run, choice: Mapping[str, Value]) -> Iterator[Fault]:
    from planner.solve.training import space as training_space

    recipes = training_space.recipes(this)
    for name in ("method", "precision", "optimizer"):
        yield from _one_of(name, str(choice[name]), dict.fromkeys(str(getattr(it, name)) for it in recipes))
    layout, gpus = layout_of(choice), _count(choice, "gpus")
    size, mode, again = (
        _count(choice, "micro_batch"),
        str(choice["checkpointing"]),
        _count(choice, "checkpointed_layers"),
    )
    faults = list(training_faults(this.model, this.framework, layout))
    yield from faults
    yield from batch_faults(this.global_batch, layout, size)
    if gpus != layout.gpus:
        needs = f"data_parallel × tensor_parallel × pipeline_parallel × context_parallel = {layout.gpus}"
        yield Fault("gpus", needs, Fraction(gpus))
        return
    totals = stated.counts(this.workload, "gpus") or training_space.GPUS_UNSAID
    if gpus not in totals:
        yield from _one_of("gpus", gpus, totals)
        return
    if not faults:
        yield from _layout(this, layout)
    if not any(batch_faults(this.global_batch, layout, size)):
        yield from _one_of("micro_batch", size, training_space.micro_batches(this, layout, False))
    offered = dict(training_space.modes(this, False))
    broken = list(checkpointing_faults(this.model, mode, again))
    yield from broken
    if not broken:
        yield from _one_of("checkpointing", mode, offered)
        yield from _one_of("checkpointed_layers", again, offered.get(mode, (again,)))


def layout_of(choice: Mapping[str, Value]) -> Layout:
    """Return the layout of a training's choice."""
    names = ("data_parallel", "tensor_parallel", "pipeline_parallel", "context_parallel", "expert_parallel", "zero")
    data, tensor, pipeline, context, expert, zero = (_count(choice, name) for name in names)
    copies = _count(choice, "shard_replicas") if "shard_replicas" in choice else 1
    return Layout(data, tensor, pipeline, context, expert, zero, str(choice["offload"]), copies)


def recipe_of(choice: Mapping[str, Value]) -> Recipe:
    """Return the recipe of a training's choice."""
    from planner.solve.training.workload import Recipe

    return Recipe(*(str(choice[name]) for name in ("method", "precision", "optimizer")))


def _layout(this: Run, layout: Layout) -> Iterator[Fault]:
    """Yield which part of a layout the search does not try; layouts of other numbers of GPUs are left out."""
    from planner.solve.training import space as training_space

    domains = {**this.workload.domains, "gpus": (Fraction(layout.gpus),)}
    every = list(training_space.every_layout(replace(this, workload=replace(this.workload, domains=domains)), False))
    if layout in every:
        return
    names = ("tensor", "pipeline", "context", "data", "expert")
    axes = [(f"{name}_parallel", getattr(layout, name), [getattr(it, name) for it in every]) for name in names]
    same = [it for it in every if it.data == layout.data]
    yield from _first(
        *axes,
        ("zero", layout.zero, [item.zero for item in same]),
        ("offload", layout.offload, [item.offload for item in every]),
        ("shard_replicas", layout.replicas, [item.replicas for item in every]),
    )


def _first(*axes: tuple[str, int | str, list[int] | list[str]]) -> Iterator[Fault]:
    """Yield the first quantity whose value is not among those tried; of all together, where each is tried alone."""
    found = [fault for name, value, tried in axes for fault in _one_of(name, value, dict.fromkeys(tried))]
    if found:
        yield found[0]
    else:
        name, value, _ = axes[0]
        yield Fault(name, "a split that is searched", Fraction(value) if isinstance(value, int) else value)


def _one_of(name: str, value: int | str, offered: Iterable[int | str]) -> Iterator[Fault]:
    values = list(offered)
    if value not in values:
        listed = ", ".join(map(str, values[:SHOWN])) + (
            f" and {len(values) - SHOWN} more" if len(values) > SHOWN else ""
        )
        needs = listed if len(values) == 1 else f"one of {listed}" if values else "nothing is offered"
        yield Fault(name, needs, Fraction(value) if isinstance(value, int) else value)
