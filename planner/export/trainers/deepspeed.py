"""DeepSpeed's configuration, JSON (deepspeed.ai/docs/config-json); what it has no key for stands under `_planner`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from planner.export.faults import Unsayable
from planner.export.locked import LockedWorkload
from planner.export.trainers import run
from planner.language.schema import grouped

OPTIMIZERS = {"adam": "Adam", "adamw": "AdamW"}
KERNELS = {"fused": {}, "foreach": {"foreach": True}, "for_loop": {"foreach": False}}
"""What makes the optimizer PyTorch's, and which of its kernels (runtime/engine.py, get_optimizer_configuration): unless
it is said, PyTorch takes the one on lists of tensors."""
CONSTANT = {
    "contiguous_gradients": True,
    "reduce_scatter": True,
    "allgather_partitions": True,
    "allgather_bucket_size": 500_000_000,
    "round_robin_gradients": False,
}
"""Defaults of 0.19.8 that the formulas count on (runtime/zero/config.py), for releases that have others."""
PERSISTENT = {"stage3_param_persistence_threshold": 100_000, "stage3_gather_16bit_weights_on_model_save": False}
GATHERED = {"bf16_mixed": "bf16", "fp16_mixed": "fp16", "fp32": "fp32"}
"""What gradients add up in: the default of this release, by `grad_accum_dtype`."""
BUCKETS = ("reduce_bucket_size",)
STAGE_3 = tuple(name for name in grouped("deepspeed_sizes") if name not in BUCKETS)
HERE = ("precision", "micro_batch", "global_batch", "sync_each_batch", "optimizer", "optimizer_kernel")
"""What of a training's settings the keys of this file say; a script sets the others."""


def faults(answer: LockedWorkload) -> Iterator[Unsayable]:
    """Yield what of an answer DeepSpeed's configuration cannot say."""
    yield from run.whole_shapes(answer, "DeepSpeed's configuration")
    yield from run.only(answer, "DeepSpeed's configuration", "precision", ("fp32", "bf16_mixed", "fp16_mixed"))
    yield from run.only(answer, "DeepSpeed's configuration", "optimizer", OPTIMIZERS)
    if answer.word("method") == "full":
        yield from run.gradients(answer, "DeepSpeed's configuration", "deepspeed")


def render(answer: LockedWorkload, head: list[str]) -> str:
    """Return the file."""
    zero: dict[str, Any] = {"stage": answer.count("zero", 0)}
    if zero["stage"]:
        names = (*BUCKETS, *(STAGE_3 if zero["stage"] == 3 else ()))
        zero |= {name: answer.count(name, 0) for name in names}
        zero |= {"overlap_comm": answer.flag("overlap_comm"), **CONSTANT, **(PERSISTENT if zero["stage"] == 3 else {})}
        kept = {
            "offload_optimizer": True,
            "offload_param": answer.word("offload") == "parameters" and zero["stage"] == 3,
        }
        if answer.word("offload") != "none":
            zero |= {name: {"device": "cpu", "pin_memory": True} for name, whether in kept.items() if whether}
    document: dict[str, Any] = {
        "_planner": {"written": head, "set_elsewhere": _elsewhere(answer)},
        "train_batch_size": run.batch(answer),
        "train_micro_batch_size_per_gpu": answer.count("micro_batch"),
        "gradient_accumulation_steps": run.accumulation(answer),
        "bf16": {"enabled": answer.word("precision") == "bf16_mixed"},
        "fp16": {"enabled": answer.word("precision") == "fp16_mixed"},
        "data_types": {"grad_accum_dtype": GATHERED[answer.word("precision")]},
        "zero_optimization": zero,
        "optimizer": {
            "type": OPTIMIZERS[answer.word("optimizer")],
            "params": {
                "torch_adam": answer.word("optimizer_kernel") != "fused",
                **KERNELS[answer.word("optimizer_kernel")],
            },
        },
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _elsewhere(answer: LockedWorkload) -> dict[str, Any]:
    """Return what a script sets itself, as a plan has it."""
    names = [*run.SCRIPT, *(grouped("adapters") if answer.word("method") in run.ADAPTERS else ())]
    values = {name: answer.choice.get(name, answer.given.get(name)) for name in names if name not in HERE}
    return {name: value for name, value in values.items() if value is not None}
