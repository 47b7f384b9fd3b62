"""DeepSpeed's configuration, JSON (deepspeed.ai/docs/config-json); what it is no place for stands under `_planner`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from planner.export.faults import Unsayable
from planner.export.said import Said
from planner.export.trainers import run
from planner.language.schema import grouped

OPTIMIZERS = {"adam": "Adam", "adamw": "AdamW"}
KEPT = {"optimizer": ("offload_optimizer",), "parameters": ("offload_optimizer", "offload_param")}
"""What of the ZeRO configuration says where states are kept."""
BUCKETS = ("reduce_bucket_size",)
STAGE_3 = tuple(name for name in grouped("deepspeed_sizes") if name not in BUCKETS)
ELSEWHERE = ("sequence", "tokens", "method", "checkpointing", "checkpointed_layers", "attention", "loss")
"""What a script sets itself: no key of this file does."""


def faults(answer: Said) -> Iterator[Unsayable]:
    """Yield what of an answer DeepSpeed's configuration cannot say."""
    yield from run.whole_shapes(answer, "DeepSpeed's configuration")
    yield from run.only(answer, "DeepSpeed's configuration", "precision", ("fp32", "bf16_mixed", "fp16_mixed"))
    yield from run.only(answer, "DeepSpeed's configuration", "optimizer", OPTIMIZERS)
    if answer.word("optimizer_kernel") == "foreach":
        reason = "DeepSpeed's configuration names its fused kernel or PyTorch's Adam, not which of PyTorch's"
        yield Unsayable("optimizer_kernel", reason, "set optimizer_kernel = fused")
    if answer.word("gradient_precision") == "fp32" and answer.word("precision") != "fp32":
        reason = "gradients in fp32 beside 16-bit weights have no form that is known here"
        yield Unsayable("gradient_precision", reason, "leave `gradient_precision` out")


def render(answer: Said, head: list[str]) -> str:
    """Return the file."""
    zero: dict[str, Any] = {"stage": answer.count("zero", 0)}
    if zero["stage"]:
        names = (*BUCKETS, *(STAGE_3 if zero["stage"] == 3 else ()))
        zero |= {name: answer.count(name, 0) for name in names}
        zero["overlap_comm"] = answer.flag("overlap_comm")
        zero |= {name: {"device": "cpu", "pin_memory": True} for name in KEPT.get(answer.word("offload"), ())}
    document: dict[str, Any] = {
        "_planner": {"written": head, "set_elsewhere": {name: _plain(answer, name) for name in ELSEWHERE}},
        "train_batch_size": run.batch(answer),
        "train_micro_batch_size_per_gpu": answer.count("micro_batch"),
        "gradient_accumulation_steps": run.accumulation(answer),
        "bf16": {"enabled": answer.word("precision") == "bf16_mixed"},
        "fp16": {"enabled": answer.word("precision") == "fp16_mixed"},
        "zero_optimization": zero,
        "optimizer": {
            "type": OPTIMIZERS[answer.word("optimizer")],
            "params": {"torch_adam": answer.word("optimizer_kernel") == "for_loop"},
        },
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _plain(answer: Said, name: str) -> Any:
    return answer.choice.get(name, answer.given.get(name))
