"""What frameworks can be told of splits and recomputation: a row for each, for the search, `check` and `explain`.

transformers: what TrainingArguments (5.24) and accelerate's ParallelismConfig (1.15, parallelism_config.py) take: all
layers or none (`activation_checkpointing`; `every_n_layers` counts otherwise than a number of layers), tensor and
context parallelism beside FSDP2 alone, no pipelines, and no sharding of optimizer states without gradients. fsdp and
deepspeed are PyTorch's own loops, which wrap the layers that they like (`checkpoint_wrapper`, `checkpoint`).
Megatron-LM counts layers (`--recompute-num-layers`), and its selective recomputation is of attention.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Final

from planner.record import dataclass
from planner.solve.parallelism import Fault, Layout

SELECTIVE: Final = ("attention", "operations", "products", "every_second_layer")


@dataclass(frozen=True, slots=True)
class Sayable:
    """`some_layers`: whether part of the layers can recompute; `selective`: what of a layer can; `zero`: its stages;
    `joint`: FSDP's version that tensor and context parallelism need beside copies, 0 where it does not matter;
    `pipelines`: whether it has any."""

    some_layers: bool = True
    selective: tuple[str, ...] = SELECTIVE
    zero: tuple[int, ...] = (0, 1, 2, 3)
    joint: int = 0
    pipelines: bool = True


ANYTHING: Final = Sayable()
SAYABLE: Final = {
    "transformers": Sayable(some_layers=False, selective=(), zero=(0, 2, 3), joint=2, pipelines=False),
    "megatron": Sayable(selective=("attention",)),
}
"""By framework; the others say anything."""


def of(framework: str) -> Sayable:
    """Return what a framework can be told."""
    return SAYABLE.get(framework, ANYTHING)


def layout_faults(framework: str, layout: Layout, fsdp: int) -> Iterator[Fault]:
    """Yield what of a layout a framework cannot be told; `fsdp` is the version that shards."""
    row, copies = of(framework), layout.data > 1
    if layout.zero not in row.zero and layout.data * layout.context > 1:
        stages = " or ".join(map(str, row.zero))
        yield Fault("zero", f"{stages}: {framework} has no setting for the other", Fraction(layout.zero))
    if layout.pipeline > 1 and not row.pipelines:
        yield Fault("pipeline_parallel", f"1: {framework} has no pipelines", Fraction(layout.pipeline))
    for quantity, size in (("tensor_parallel", layout.tensor), ("context_parallel", layout.context)):
        if not row.joint or size == 1 or not (copies or quantity == "context_parallel"):
            continue
        if layout.zero < 2 or not layout.sharded:
            yield Fault(quantity, f"1 without FSDP: {framework} has it beside zero 2 and 3", Fraction(size))
        elif fsdp < row.joint:
            needs = f"1, or fsdp_version = {row.joint}: {framework} has it beside FSDP{row.joint} alone"
            yield Fault(quantity, needs, Fraction(size))


def recomputation_faults(framework: str, mode: str, selective: str, layers: int | None, again: int) -> Iterator[Fault]:
    """Yield what of recomputation a framework cannot be told; `layers` are the model's, None where nobody knows."""
    row = of(framework)
    if mode == "selective" and selective not in row.selective:
        words = f"selective = {' or '.join(row.selective)}" if row.selective else "full or none"
        yield Fault("checkpointing", f"{words}: {framework} has no setting for {selective}", "selective")
    elif mode != "none" and layers is not None and again != layers and not row.some_layers:
        needs = f"{layers}: {framework} recomputes all layers or none"
        yield Fault("checkpointed_layers", needs, Fraction(again))
