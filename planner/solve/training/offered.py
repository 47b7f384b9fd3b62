"""Why the search would not enumerate a choice of a training: what its plan and its structure do not offer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction

from planner.language.problem import Value
from planner.solve.needs import need
from planner.solve.parallelism import Fault, Layout
from planner.solve.stated import chosen_count, counts, first_of, one_of
from planner.solve.training.framework_rules import adapter_faults, batch_faults, checkpointing_faults, training_faults
from planner.solve.training.space import GPUS_UNSAID, every_layout, micro_batches, modes, recipes
from planner.solve.training.workload import (
    RECIPE,
    TrainingWorkload,
    adds_up,
    fsdp_version,
    selective,
    virtual_stages,
)


def unoffered(run: TrainingWorkload, choice: Mapping[str, Value]) -> Iterator[Fault]:
    """Yield what of a choice neither the plan nor its defaults offer, and the rules of structure that it breaks."""
    every = recipes(run)
    for name in RECIPE:
        yield from one_of(name, str(choice[name]), dict.fromkeys(str(getattr(it, name)) for it in every))
    layout, gpus = layout_of(choice), chosen_count(choice, "gpus")
    size, mode, again = (
        chosen_count(choice, "micro_batch"),
        str(choice["checkpointing"]),
        chosen_count(choice, "checkpointed_layers"),
    )
    faults = list(training_faults(run.model, run.framework, layout, fsdp_version(run), virtual_stages(run)))
    faults += adapter_faults(run.framework, (str(choice["method"]),), layout, run.workload.given["use_dora"] is True)
    yield from faults
    batch = list(batch_faults(run.global_batch, layout, size, adds_up(run, layout)))
    yield from batch
    if gpus != layout.gpus:
        needs = need("product", "data_parallel × tensor_parallel × pipeline_parallel × context_parallel", layout.gpus)
        yield Fault("gpus", needs, Fraction(gpus))
        return
    totals = counts(run.workload, "gpus") or GPUS_UNSAID
    if gpus not in totals:
        yield from one_of("gpus", gpus, totals)
        return
    if not faults:
        yield from _layout(run, layout)
    if not batch:
        yield from one_of("micro_batch", size, micro_batches(run, layout, False))
    offered = dict(modes(run, False))
    broken = list(checkpointing_faults(run.model, mode, again, run.framework, selective(run)))
    yield from broken
    if not broken:
        yield from one_of("checkpointing", mode, offered)
        yield from one_of("checkpointed_layers", again, offered.get(mode, (again,)))


def layout_of(choice: Mapping[str, Value]) -> Layout:
    """Return the layout of a training's choice."""
    names = ("data_parallel", "tensor_parallel", "pipeline_parallel", "context_parallel", "expert_parallel", "zero")
    data, tensor, pipeline, context, expert, zero = (chosen_count(choice, name) for name in names)
    copies = chosen_count(choice, "shard_replicas") if "shard_replicas" in choice else 1
    return Layout(
        data=data,
        tensor=tensor,
        pipeline=pipeline,
        context=context,
        expert=expert,
        zero=zero,
        offload=str(choice["offload"]),
        replicas=copies,
    )


def _layout(run: TrainingWorkload, layout: Layout) -> Iterator[Fault]:
    """Yield which part of a layout the search does not try; layouts of other numbers of GPUs are left out."""
    domains = {**run.workload.domains, "gpus": (Fraction(layout.gpus),)}
    every = list(every_layout(replace(run, workload=replace(run.workload, domains=domains)), False))
    if layout in every:
        return
    names = ("tensor", "pipeline", "context", "data", "expert")
    axes = [(f"{name}_parallel", getattr(layout, name), [getattr(it, name) for it in every]) for name in names]
    same = [it for it in every if it.data == layout.data]
    yield from first_of(
        *axes,
        ("zero", layout.zero, [item.zero for item in same]),
        ("offload", layout.offload, [item.offload for item in every]),
        ("shard_replicas", layout.replicas, [item.replicas for item in every]),
    )
