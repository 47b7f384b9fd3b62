"""What frameworks cannot split: the rules of structure of a training step, for the search and for `check` alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction

from planner.catalog.programs.frameworks import Framework
from planner.catalog.records import Model
from planner.solve.needs import need
from planner.solve.parallelism import Fault, Layout, common_faults, divides, layers_of
from planner.solve.training.framework_settings import layout_faults, recomputation_faults

ENDS = 2
"""The embedding and the head may stand for a layer of the first and the last part (Megatron-LM,
`--account-for-embedding-in-pipeline-split`; so Llama 3's 126 layers are 128 parts, arXiv 2407.21783, section 3.3.2)."""


def training_faults(
    model: Model, framework: Framework, layout: Layout, fsdp: int = 2, parts: int = 1
) -> Iterator[Fault]:
    """Yield the rules that a layout breaks; `fsdp` is the version of FSDP that shards, `parts` the virtual stages.

    Megatron-LM's and PyTorch's tensor parallelism give each rank whole heads (`validate_args`, `ColwiseParallel`).
    Experts are split over copies of the data, each of them by tensor parallelism too.
    """
    yield from common_faults(model, layout.pipeline, layout.expert)
    layers = layers_of(model)
    if layers is not None and parts > 1 and 1 < layout.pipeline <= layers < layout.pipeline * parts - ENDS:
        needs = need("parts_at_most", (layers + ENDS) // parts, parts, layers)
        yield Fault("pipeline_parallel", needs, Fraction(layout.pipeline))
    yield from layout_faults(framework, layout, fsdp)
    if layout.data * layout.context % layout.expert:
        ranks = layout.data * layout.context
        needs = need("divisor", "data_parallel × context_parallel", ranks)
        yield Fault("expert_parallel", needs, Fraction(layout.expert))
    if model.architecture is not None and not divides(model, layout.tensor):
        yield Fault("tensor_parallel", need("even_heads"), Fraction(layout.tensor))
    if layout.replicas > 1:
        if not framework.hybrid or layout.zero < 2:
            yield Fault("shard_replicas", need("hybrid"), Fraction(layout.replicas))
        elif layout.data * layout.context % layout.replicas:
            needs = need("divisor", "data_parallel × context_parallel", layout.data * layout.context)
            yield Fault("shard_replicas", needs, Fraction(layout.replicas))
    if layout.pipeline > 1 and layout.zero > framework.piped_zero:
        stages = tuple(stage for stage in framework.zero if stage <= framework.piped_zero)
        above = tuple(stage for stage in framework.zero if stage > framework.piped_zero)
        needs = need("piped", framework.name, stages, above)
        yield Fault("zero", needs, Fraction(layout.zero))


def adapter_faults(framework: Framework, methods: Iterable[str], layout: Layout, dora: bool) -> Iterator[Fault]:
    """Yield that a 4-bit base is not split by tensor parallelism: the quantizers of transformers say how weights are
    split for compressed-tensors, FP8, MXFP4 and NVFP4, that of bitsandbytes does not (5.20, quantizers/); and that DoRA
    is counted on whole weights."""
    if dora and layout.zero > 1 and layout.sharded and "lora" in methods:
        yield Fault("zero", need("whole_dora"), Fraction(layout.zero))
    if layout.tensor > 1 and framework.trainer == "transformers" and "qlora" in methods:
        yield Fault("tensor_parallel", need("whole_base"), Fraction(layout.tensor))


def batch_faults(global_batch: int, layout: Layout, micro_batch: int, adds_up: bool = True) -> Iterator[Fault]:
    """Yield the rule that a micro-batch breaks: a global batch is whole micro-batches of every copy, and one of them
    where the gradients of several do not add up."""
    if not adds_up and global_batch > layout.data * micro_batch:
        needs = need("adds_nothing_up", Fraction(global_batch, layout.data))
        yield Fault("micro_batch", needs, Fraction(micro_batch))
    elif global_batch and global_batch % (layout.data * micro_batch):
        needs = need("divisor", "global_batch / data_parallel", Fraction(global_batch, layout.data))
        yield Fault("micro_batch", needs, Fraction(micro_batch))


def checkpointing_faults(model: Model, mode: str, again: int, framework: Framework, selective: str) -> Iterator[Fault]:
    """Yield the rule that a number of recomputed layers breaks: none without checkpointing, else some of the layers, or
    all where the framework says no more."""
    layers = layers_of(model)
    if mode == "none" and again:
        yield Fault("checkpointed_layers", need("recomputes_none"), Fraction(again))
    elif mode != "none" and not 0 < again <= (again if layers is None else layers):
        yield Fault("checkpointed_layers", need("recomputes", 1, layers, mode), Fraction(again))
    else:
        yield from recomputation_faults(framework, mode, selective, layers, again)
