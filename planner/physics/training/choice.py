"""What the memory of a training step depends on: choices of its activations and of its states."""

from __future__ import annotations

from typing import Final

from planner.physics.training import deepspeed_bytes
from planner.physics.training.recipe import AUTOCAST, Recipe, recipe_for
from planner.record import dataclass

ADAPTER_BYTES: Final = {"fp32": 4, "bf16": 2, "fp16": 2}


def adapter_bytes(framework: str, precision: str, adapter_precision: str) -> int:
    """Bytes of a weight of LoRA's adapters as the step computes with it: DeepSpeed makes the whole model 16 bit, FSDP
    under accelerate what it gathers."""
    narrow = framework in ("deepspeed", "accelerate") and precision in AUTOCAST
    return 2 if narrow else ADAPTER_BYTES[adapter_precision]


@dataclass(frozen=True, slots=True)
class StateChoice:
    """What the states depend on. `offload` is none, optimizer or parameters; `accumulate`: micro-batches add up.

    `replicas` are copies of the shards (HSDP), `fsdp` is FSDP's version (1, 2), `sizes` and `overlap` are DeepSpeed's.
    `products` are whose 8-bit products the framework runs (recipe.py).
    Where FSDP is not `synced`, only the last of micro-batches that add up reduces gradients (`no_sync`).
    """

    method: str = "full"
    precision: str = "bf16"
    optimizer: str = "adamw"
    kernel: str = "foreach"
    framework: str = "transformers"
    zero: int = 0
    dp: int = 1
    tp: int = 1
    pp: int = 1
    cp: int = 1
    ep: int = 1
    rank: int = 16
    targets: tuple[str, ...] | str = "all_linear"
    adapter_precision: str = "fp32"
    double_quantized: bool = True
    frozen: tuple[str, ...] = ()
    dpo: bool = False
    offload: str = "none"
    accumulate: bool = False
    gradient_precision: str = ""
    replicas: int = 1
    fsdp: int = 2
    synced: bool = True
    sizes: deepspeed_bytes.Sizes = deepspeed_bytes.DEFAULTS
    overlap: bool = False
    products: str = ""
    dora: bool = False


@dataclass(frozen=True, slots=True)
class ActivationChoice:
    """What the activations depend on. `sequence` is in tokens, `micro_batch` in sequences.

    `checkpointing` is none, full or selective; `selective` what that means. `products` are
    whose 8-bit products the framework runs (recipe.py). `micro_batches` is how many a
    pipeline runs in a step, `chunks` the model chunks a stage holds under the interleaved schedule.
    """

    sequence: int
    micro_batch: int = 1
    precision: str = "bf16"
    method: str = "full"
    attention: str = "sdpa"
    framework: str = "transformers"
    checkpointing: str = "none"
    selective: str = "attention"
    loss: str = "standard"
    loss_precision: str = "fp32"
    rank: int = 16
    targets: tuple[str, ...] | str = "all_linear"
    dropout: bool = False
    adapter_precision: str = "fp32"
    tp: int = 1
    pp: int = 1
    cp: int = 1
    ep: int = 1
    schedule: str = "one_f_one_b"
    micro_batches: int = 0
    chunks: int = 2
    frozen: tuple[str, ...] = ()
    dpo: bool = False
    packed: bool = False
    offload: bool = False
    products: str = ""
    dora: bool = False

    @property
    def recipe(self) -> Recipe:
        """The types the step computes in."""
        return recipe_for(
            self.precision,
            self.framework,
            self.method,
            rank=self.rank,
            targets=self.targets,
            dropout=self.dropout,
            frozen=self.frozen,
            tp=self.tp,
            ep=self.ep,
            adapter_item=adapter_bytes(self.framework, self.precision, self.adapter_precision),
            products=self.products,
            dora=self.dora,
        )

    @property
    def sequences(self) -> int:
        """Sequences of one forward pass: a preference pair is two."""
        return self.micro_batch * (2 if self.dpo else 1)
