"""What a training plan leaves open but hardware: recipes, layouts, micro-batches, recomputed layers."""

from __future__ import annotations

from collections.abc import Iterator

from planner.catalog.programs.frameworks import Framework
from planner.solve.parallelism import Fault, Layout, experts_of, layers_of
from planner.solve.stated import counts, number, words
from planner.solve.training.framework_rules import adapter_faults, batch_faults, checkpointing_faults, training_faults
from planner.solve.training.workload import (
    TrainingRecipe,
    TrainingWorkload,
    adds_up,
    fsdp_version,
    selective,
    virtual_stages,
)

GPUS_UNSAID = (1, 2, 4, 8, 16, 32, 64, 128)
"""The numbers of GPUs that are tried where the plan does not say `gpus`: whole nodes of eight, doubled."""


TENSORS = (1, 2, 4, 8)


PIPELINES = (1, 2, 4, 8)


CONTEXTS = (1,)


MICRO_BATCHES = (1, 2, 4, 8, 16, 32, 64)
WITHIN_NODE = 8
"""GPUs of a node: beyond them, what is not tried unless a plan says so is named."""


def recipes(run: TrainingWorkload) -> list[TrainingRecipe]:
    """Return what the plan offers of methods, precisions and optimizers."""
    item = run.workload
    return [
        TrainingRecipe(method, precision, optimizer)
        for method in words(item, "method")
        for precision in words(item, "precision")
        for optimizer in words(item, "optimizer")
    ]


def pipelines(framework: Framework) -> tuple[int, ...]:
    """Return the pipelines that are tried where the plan does not say: none where a framework has none."""
    return PIPELINES if framework.pipelines else (1,)


def tensors(framework: Framework) -> tuple[int, ...]:
    """Return the tensor parallel sizes that are tried where the plan does not say: none with a trainer of copies alone,
    whose launchers (TRL, accelerate's files) are told of none."""
    return TENSORS if framework.pipelines else (1,)


def _faults(run: TrainingWorkload, layout: Layout) -> Iterator[Fault]:
    """Yield the rules that a layout breaks for what a plan offers."""
    yield from training_faults(run.model, run.framework, layout, fsdp_version(run), virtual_stages(run))
    yield from adapter_faults(
        run.framework, words(run.workload, "method"), layout, run.workload.given["use_dora"] is True
    )


def layouts(run: TrainingWorkload, fixed: bool) -> list[Layout]:
    """Return the ways a step may lie on GPUs; with `fixed`, all of a plan's GPUs see different data."""
    return [item for item in every_layout(run, fixed) if not any(_faults(run, item))]


def every_layout(run: TrainingWorkload, fixed: bool) -> Iterator[Layout]:
    """Yield what a plan leaves of layouts, whether they can be or not."""
    item = run.workload
    allowed = counts(item, "gpus")
    totals = allowed or list((1,) if fixed else GPUS_UNSAID)
    experts = counts(item, "expert_parallel") or [1]
    offloads = words(item, "offload")
    said = counts(item, "data_parallel")
    for total in totals:
        for tp in counts(item, "tensor_parallel") or ((1,) if fixed else tensors(run.framework)):
            for pp in counts(item, "pipeline_parallel") or ((1,) if fixed else pipelines(run.framework)):
                for cp in counts(item, "context_parallel") or CONTEXTS:
                    dp, rest = divmod(total, tp * pp * cp)
                    if rest or (said is not None and dp not in said):
                        continue
                    for ep in experts:
                        for zero in counts(item, "zero") or ((0,) if fixed or dp == 1 else (0, 1, 2, 3)):
                            for copies in counts(item, "shard_replicas") or [1]:
                                yield from (
                                    Layout(
                                        data=dp,
                                        tensor=tp,
                                        pipeline=pp,
                                        context=cp,
                                        expert=ep,
                                        zero=zero,
                                        offload=offload,
                                        replicas=copies,
                                    )
                                    for offload in offloads
                                )


def split_faults(run: TrainingWorkload) -> Iterator[Iterator[Fault]]:
    """Yield the rules of structure that a layout breaks, or, where gradients do not add up in it, each micro-batch.

    Where the framework has no setting for the recomputation that is offered, yield the rules of that alone.
    """
    if not any(modes(run, False)):
        again = counts(run.workload, "checkpointed_layers") or [layers_of(run.model) or 1]
        for mode in words(run.workload, "checkpointing", ("none", "selective", "full")):
            yield from (checkpointing_faults(run.model, mode, count, run.framework, selective(run)) for count in again)
        return
    for item in every_layout(run, False):
        faults = list(_faults(run, item))
        sizes = counts(run.workload, "micro_batch") or list(MICRO_BATCHES)
        if faults or adds_up(run, item):
            yield iter(faults)
        else:
            yield from (batch_faults(run.global_batch, item, size, False) for size in sizes)


def micro_batches(run: TrainingWorkload, layout: Layout, fixed: bool) -> list[int]:
    """Return the micro-batches that divide the global batch, where there is one."""
    sizes = counts(run.workload, "micro_batch") or list((1,) if fixed else MICRO_BATCHES)
    if not run.global_batch:
        return sizes
    return [size for size in sizes if not any(batch_faults(run.global_batch, layout, size, adds_up(run, layout)))]


def modes(run: TrainingWorkload, fixed: bool) -> Iterator[tuple[str, list[int]]]:
    """Yield each way of checkpointing with the numbers of layers that it may recompute.

    By the rule of thumb none of them changes anything, so that only what the plan says is tried.
    """
    layers = layers_of(run.model)
    said = counts(run.workload, "checkpointed_layers")
    default: tuple[str, ...] = ("none", "selective", "full")
    if fixed or layers is None:
        default = ("full",) if said and (max(said) > 0 if fixed else min(said) > 0) else ("none",)
    for mode in words(run.workload, "checkpointing", default):
        if said is not None:
            again = said
        elif mode == "none":
            again = [0]
        elif mode == "selective" or fixed or layers is None:
            again = [layers or 1]
        else:
            again = list(range(1, layers + 1))
        again = [
            count
            for count in again
            if not any(checkpointing_faults(run.model, mode, count, run.framework, selective(run)))
        ]
        if again:
            yield mode, again


def search_limits(run: TrainingWorkload) -> dict[str, int]:
    """Return the limits of what is searched: of what a plan leaves open, and could be larger where the plan said so."""
    out: dict[str, int] = {}
    workload, framework = run.workload, run.framework
    gpus, layers = counts(workload, "gpus"), (layers_of(workload.model) or 1)
    most = max(gpus or GPUS_UNSAID)
    if not gpus:
        out["gpus"] = most
    if workload.model.architecture is None:
        return out
    if "tensor_parallel" not in workload.domains and most > max(tensors(framework)):
        out["tensor_parallel"] = max(tensors(framework))
    if "pipeline_parallel" not in workload.domains and min(most, layers) > max(pipelines(framework)):
        out["pipeline_parallel"] = max(pipelines(framework))
    if "context_parallel" not in workload.domains and most > WITHIN_NODE:
        out["context_parallel"] = max(CONTEXTS)
    if "expert_parallel" not in workload.domains and most > WITHIN_NODE and experts_of(workload.model):
        out["expert_parallel"] = 1
    batch = number(workload, "global_batch", 0)
    if "micro_batch" not in workload.domains and (not batch or batch > max(MICRO_BATCHES)):
        out["micro_batch"] = max(MICRO_BATCHES)
    return out
