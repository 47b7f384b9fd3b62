"""Words that the Trainer of transformers has for settings, and what builds on it takes over (training_args.py)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from planner.export.faults import Unsayable
from planner.export.locked import LockedWorkload

OPTIMIZERS = {
    ("adamw", "fused"): "adamw_torch_fused",
    ("adamw", "foreach"): "adamw_torch",
    ("adamw_8bit", "fused"): "adamw_8bit",
    ("paged_adamw_8bit", "fused"): "paged_adamw_8bit",
    ("paged_adamw_32bit", "fused"): "paged_adamw_32bit",
    ("adafactor", "fused"): "adafactor",
}
"""`optim` by optimizer and kernel (transformers/training_args.py, OptimizerNames)."""
ATTENTION = {"sdpa": "sdpa", "flash": "flash_attention_2", "eager": "eager"}
"""`attn_implementation`."""
LLAMA = ("q_proj", "k_proj", "v_proj", "o_proj")
"""What the layers of Llama and most others call their projections around attention."""


def optimizer(answer: LockedWorkload) -> str:
    """Return what `optim` says."""
    return OPTIMIZERS[answer.word("optimizer"), answer.word("optimizer_kernel")]


def batches(answer: LockedWorkload) -> dict[str, Any]:
    """Return the sequences of a forward pass, in training and in evaluation: the Trainer evaluates 8 at a time by
    default (transformers 5.24, training_args.py), whose logits may be more than a whole step was counted with."""
    size = answer.count("micro_batch")
    return {"per_device_train_batch_size": size, "per_device_eval_batch_size": size}


def accelerator(answer: LockedWorkload) -> dict[str, Any]:
    """Return `accelerator_config`: whether gradients are reduced after every micro-batch."""
    return {"gradient_accumulation_kwargs": {"sync_each_batch": answer.flag("sync_each_batch")}}


def faults(answer: LockedWorkload, name: str) -> Iterator[Unsayable]:
    """Yield what no option of the Trainer says."""
    if (answer.word("optimizer"), answer.word("optimizer_kernel")) not in OPTIMIZERS:
        reason = f"{name} has no `optim` for {answer.word('optimizer')} with kernel {answer.word('optimizer_kernel')}"
        yield Unsayable("optimizer", reason, "set optimizer = adamw and optimizer_kernel = fused")
    if answer.word("frozen"):
        yield Unsayable(
            "frozen", f"{name} has no setting for frozen parts", "leave `frozen` out, or freeze them in the script"
        )


def wide_adapters(answer: LockedWorkload) -> Iterator[Unsayable]:
    """Yield that adapters on a base of 16 bits are counted in 16 bits, where peft makes them fp32."""
    if answer.word("method") == "lora" and answer.word("lora_precision") != "fp32":
        reason = f"peft makes adapters fp32 on a base of 16 bits, and the answer counts {answer.word('lora_precision')}"
        yield Unsayable("lora_precision", reason, "set lora_precision = fp32")


def targets(answer: LockedWorkload, everything: str) -> list[str]:
    """Return the modules that adapters stand at; `everything` is the word for all linear layers but the head."""
    named = answer.word("lora_targets")
    if named == "all_linear":
        return [everything]
    return [*LLAMA] if named == "attention" else [part.strip() for part in named.split(",")]
