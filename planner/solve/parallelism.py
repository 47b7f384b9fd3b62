"""How a workload lies on GPUs, and what any split of a model must keep, whatever hardware and formats are chosen.

What engines and frameworks add to these stands in `inference/engine_rules.py` and `training/framework_rules.py`.
The search asks them of every split that it enumerates, and judging one choice (of a lock, say) asks the same ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import assert_never

from planner.catalog.architecture import (
    Attention,
    CompressedAttention,
    Experts,
    GatedDeltaNet,
    LatentAttention,
    LightningAttention,
    Mamba1,
    Mamba2,
    NoPart,
    ShortConvolution,
)
from planner.catalog.records import Architecture, Model
from planner.record import dataclass
from planner.solve.needs import Need, need


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
    needs: Need
    has: Fraction | str


def layers_of(model: Model) -> int | None:
    """Return how many layers a model has; None where only its parameters are known."""
    return model.architecture.layers if model.architecture else None


def experts_of(model: Model) -> int | None:
    """Return the most experts that a layer of a model has, 0 for a dense one; None where only its parameters are
    known."""
    if model.architecture is None:
        return None
    return max((group.ffn.experts for group in model.architecture.groups if isinstance(group.ffn, Experts)), default=0)


def divides(model: Model, tensor: int) -> bool:
    """Return whether tensor parallelism splits every layer's heads evenly, as engines and frameworks demand."""
    if model.architecture is None:
        return tensor & (tensor - 1) == 0
    return heads_divide(model.architecture, tensor)


def heads_divide(arch: Architecture, tensor: int) -> bool:
    """Return whether so many ranks share the heads of every layer evenly."""
    for group in arch.groups:
        match group.mixer:
            case Attention(heads=heads, kv_heads=shared):
                if heads % tensor or (shared % tensor and tensor % shared):
                    return False
            case LatentAttention(heads=heads) | CompressedAttention(heads=heads) | Mamba2(heads=heads):
                if heads % tensor:
                    return False
            case LightningAttention(heads=heads) | GatedDeltaNet(v_heads=heads):
                if heads % tensor:
                    return False
            case Mamba1() | ShortConvolution() | NoPart():
                continue
            case _:
                assert_never(group.mixer)
    return True


def common_faults(model: Model, pipeline: int, expert: int) -> Iterator[Fault]:
    """Yield the rules of stages and experts that any split of a model breaks."""
    layers, experts = layers_of(model), experts_of(model)
    if layers is not None and pipeline > layers:
        yield Fault("pipeline_parallel", need("layers_at_most", layers), Fraction(pipeline))
    if experts is not None and expert > max(1, experts):
        yield Fault("expert_parallel", need("experts_at_most", max(1, experts)), Fraction(expert))
