"""accelerate's configuration (accelerate 1.15): processes, mixed precision, and FSDP where states are sharded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from planner.export.documents import yaml_text
from planner.export.faults import Unsayable
from planner.export.locked import LockedWorkload
from planner.export.trainers import run

MIXED = {"fp32": "no", "bf16": "no", "bf16_mixed": "bf16", "fp16_mixed": "fp16"}
"""`mixed_precision` by recipe: pure bf16 is the checkpoint's type, without autocast."""


def faults(answer: LockedWorkload) -> Iterator[Unsayable]:
    """Yield what of an answer accelerate's configuration cannot say."""
    name = "accelerate's configuration"
    yield from run.whole_shapes(answer, name)
    yield from run.only(answer, name, "precision", MIXED)
    yield from run.only(answer, name, "offload", ("none", "parameters"))
    if answer.count("zero", 0) == 1:
        yield Unsayable("zero", "FSDP has no sharding of optimizer states alone", "set zero = 0, 2 or 3")
    yield from run.all_or_none(answer, name)
    yield from run.gradients(answer, name)


def said(answer: LockedWorkload) -> tuple[str, ...]:
    """Return the settings of an answer that the file says; a script sets the others."""
    return ("checkpointing", "checkpointed_layers") if run.sharded(answer) else ()


def render(answer: LockedWorkload) -> str:
    """Return the file; `machine_rank` and the first machine's address are for `accelerate launch` to say."""
    machines, gpus = run.hosts(answer), answer.count("gpus")
    kind = "FSDP" if run.sharded(answer) else "MULTI_GPU" if gpus > 1 else "NO"
    document: dict[str, Any] = {
        "compute_environment": "LOCAL_MACHINE",
        "distributed_type": kind,
        "mixed_precision": MIXED[answer.word("precision")],
        "num_machines": machines,
        "num_processes": gpus,
        "machine_rank": 0,
        "main_training_function": "main",
        "use_cpu": False,
    }
    if kind == "FSDP":
        document["fsdp_config"] = _fsdp(answer)
    return yaml_text([document])


PREFETCHED = {
    "fsdp_backward_prefetch": "BACKWARD_PRE",
    "fsdp_forward_prefetch": False,
    "fsdp_use_orig_params": True,
}
"""What FSDP1 gathers ahead, as it was counted: a layer beside the one at work in backward, none in forward."""


def _fsdp(answer: LockedWorkload) -> dict[str, Any]:
    whole, version = answer.count("zero", 0) == 3, answer.count("fsdp_version")
    strategy = whole if version == 2 else "FULL_SHARD" if whole else "SHARD_GRAD_OP"
    return {
        "fsdp_version": version,
        "fsdp_reshard_after_forward": strategy,
        "fsdp_auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
        **(PREFETCHED if version == 1 else {}),
        "fsdp_offload_params": answer.word("offload") == "parameters",
        "fsdp_activation_checkpointing": answer.word("checkpointing") == "full",
        "fsdp_state_dict_type": "SHARDED_STATE_DICT",
    }
