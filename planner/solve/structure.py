"""The rules of structure: what a model, an engine or a framework can split, whatever hardware and formats are chosen.

One pure function a kind of workload, of a choice to the rules it breaks. The search asks it of every split that it
enumerates, and judging one choice (of a lock, say) asks the same one.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from planner.catalog.records import Model
from planner.record import dataclass


@dataclass(frozen=True, slots=True)
class Split:
    """How one replica of a service lies on its GPUs, as many on each of its `nodes`."""

    tensor: int
    pipeline: int
    expert: int = 1
    nodes: int = 1

    @property
    def gpus(self) -> int:
        """GPUs of one replica; experts are split inside them."""
        return self.tensor * self.pipeline

    @property
    def per_node(self) -> int:
        """GPUs of a replica on each of its hosts."""
        return self.gpus // self.nodes


SPLIT = ("tensor_parallel", "pipeline_parallel", "expert_parallel", "nodes")
"""The decisions that are a split, in the order of its fields."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How a training step lies on GPUs."""

    data: int
    tensor: int
    pipeline: int
    context: int
    expert: int
    zero: int
    offload: str = "none"
    replicas: int = 1

    @property
    def gpus(self) -> int:
        """GPUs of the workload; experts are split inside them."""
        return self.data * self.tensor * self.pipeline * self.context

    @property
    def sharded(self) -> bool:
        """Whether gradients, or weights too, are split among copies."""
        return self.zero >= 2 and self.data * self.context > 1

    @property
    def shape(self) -> tuple[int, int, int, int, bool]:
        """What activations, and states before they are divided, depend on: tensor, pipeline, context and expert
        parallelism, and whether copies are sharded."""
        return self.tensor, self.pipeline, self.context, self.expert, self.sharded


@dataclass(frozen=True, slots=True)
class Fault:
    """A rule of structure that a choice breaks: the quantity, what it would have to be, and what it is."""

    quantity: str
    needs: str
    has: Fraction | str


def layers_of(model: Model) -> int | None:
    """Return how many layers a model has; None where only its parameters are known."""
    return model.architecture.layers if model.architecture else None


def experts_of(model: Model) -> int | None:
    """Return the most experts that a layer of a model has, 0 for a dense one; None where only its parameters are
    known."""
    if model.architecture is None:
        return None
    sparse = [group.ffn for group in model.architecture.groups if group.ffn.get("kind") == "moe"]
    return max((int(ffn.get("experts") or 0) for ffn in sparse), default=0)


def divides(model: Model, tensor: int) -> bool:
    """Return whether tensor parallelism splits every layer's heads evenly, as engines and frameworks demand."""
    if model.architecture is None:
        return tensor & (tensor - 1) == 0
    for group in model.architecture.groups:
        heads = group.mixer.get("heads") or group.mixer.get("v_heads")
        if heads and int(heads) % tensor:
            return False
        shared = group.mixer.get("kv_heads")
        if shared and int(shared) % tensor and tensor % int(shared):
            return False
    return True


def service_faults(model: Model, split: Split, one_host: bool = False) -> Iterator[Fault]:
    """Yield the rules that a replica's split breaks, but for the heads' (`divides`), which a table of candidates keeps
    as a rule of its own.

    Experts are split over the ranks of tensor parallelism (vLLM's `enable_expert_parallel`, SGLang's `ep_size`). Hosts
    have whole stages, or stages whole hosts; an engine of `one_host` is one process.
    """
    yield from _common(model, split.pipeline, split.expert)
    if one_host and split.nodes > 1:
        yield Fault("nodes", "1, the engine's one process", Fraction(split.nodes))
    elif split.gpus % split.nodes:
        yield Fault("nodes", f"a divisor of the {split.gpus} GPUs of a replica", Fraction(split.nodes))
    elif split.per_node % split.tensor and split.tensor % split.per_node:
        needs = f"a multiple or divisor of pipeline_parallel = {split.pipeline}"
        yield Fault("nodes", needs, Fraction(split.nodes))
    if split.tensor % split.expert:
        yield Fault("expert_parallel", f"a divisor of tensor_parallel = {split.tensor}", Fraction(split.expert))


def training_faults(model: Model, framework: str, layout: Layout) -> Iterator[Fault]:
    """Yield the rules that a layout breaks.

    Megatron-LM's and PyTorch's tensor parallelism give each rank whole heads (`validate_args`, `ColwiseParallel`).
    Experts are split over copies of the data, each of them by tensor parallelism too. DeepSpeed's PipelineEngine
    refuses ZeRO 2 and 3 (runtime/pipe/engine.py).
    """
    yield from _common(model, layout.pipeline, layout.expert)
    if layout.data * layout.context % layout.expert:
        ranks = layout.data * layout.context
        needs = f"a divisor of data_parallel × context_parallel = {ranks}"
        yield Fault("expert_parallel", needs, Fraction(layout.expert))
    if model.architecture is not None and not divides(model, layout.tensor):
        yield Fault("tensor_parallel", "heads that divide evenly", Fraction(layout.tensor))
    if layout.replicas > 1:
        if framework not in ("transformers", "fsdp") or layout.zero < 2:
            yield Fault("shard_replicas", "1: hybrid sharding is FSDP's, with zero 2 or 3", Fraction(layout.replicas))
        elif layout.data * layout.context % layout.replicas:
            needs = f"a divisor of data_parallel × context_parallel = {layout.data * layout.context}"
            yield Fault("shard_replicas", needs, Fraction(layout.replicas))
    if framework == "deepspeed" and layout.pipeline > 1 and layout.zero > 1:
        yield Fault("zero", "0 or 1: DeepSpeed has no pipelines beside ZeRO 2 and 3", Fraction(layout.zero))


def batch_faults(global_batch: int, layout: Layout, micro_batch: int) -> Iterator[Fault]:
    """Yield the rule that a micro-batch breaks: a global batch is whole micro-batches of every copy."""
    if global_batch and global_batch % (layout.data * micro_batch):
        needs = f"a divisor of global_batch / data_parallel = {Fraction(global_batch, layout.data)}"
        yield Fault("micro_batch", needs, Fraction(micro_batch))


def checkpointing_faults(model: Model, mode: str, again: int) -> Iterator[Fault]:
    """Yield the rule that a number of recomputed layers breaks: none without checkpointing, else some of the layers."""
    layers = layers_of(model)
    if mode == "none" and again:
        yield Fault("checkpointed_layers", "0 without checkpointing", Fraction(again))
    elif mode != "none" and not 0 < again <= (again if layers is None else layers):
        needs = "at least 1" if layers is None else f"1 to {layers}, the model's layers,"
        yield Fault("checkpointed_layers", f"{needs} with checkpointing {mode}", Fraction(again))


def _common(model: Model, pipeline: int, expert: int) -> Iterator[Fault]:
    layers, experts = layers_of(model), experts_of(model)
    if layers is not None and pipeline > layers:
        yield Fault("pipeline_parallel", f"at most {layers}, the model's layers", Fraction(pipeline))
    if experts is not None and expert > max(1, experts):
        yield Fault("expert_parallel", f"at most {max(1, experts)}, the experts of a layer", Fraction(expert))
