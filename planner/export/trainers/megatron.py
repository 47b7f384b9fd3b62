"""Megatron-LM's options (megatron/training/arguments.py) for what the answer chose, beside those of the model."""

from __future__ import annotations

from collections.abc import Iterator

from planner.export import shell
from planner.export.engines.program import Option
from planner.export.faults import Unsayable
from planner.export.said import Said
from planner.export.trainers import run

SIZES = {
    "--micro-batch-size": "micro_batch",
    "--seq-length": "sequence",
    "--tensor-model-parallel-size": "tensor_parallel",
    "--pipeline-model-parallel-size": "pipeline_parallel",
    "--context-parallel-size": "context_parallel",
    "--expert-model-parallel-size": "expert_parallel",
}


def faults(this: Said) -> Iterator[Unsayable]:
    """Yield what of an answer Megatron's options cannot say."""
    yield from run.only(this, "Megatron", "method", ("full",))
    yield from run.only(this, "Megatron", "precision", ("fp32", "bf16_mixed", "fp16_mixed"))
    yield from run.only(this, "Megatron", "optimizer", ("adam", "adamw", "sgd"))
    yield from run.only(this, "Megatron", "offload", ("none",))
    yield from run.only(this, "Megatron", "schedule", ("one_f_one_b",))
    if this.count("zero", 0) > 1:
        yield Unsayable("zero", "Megatron's distributed optimizer is ZeRO 1", "set zero = 0 or 1")
    if this.count("shard_replicas") > 1:
        yield Unsayable("shard_replicas", "Megatron has no option for hybrid sharding here", "set shard_replicas = 1")
    if this.word("checkpointing") == "selective" and this.word("selective") != "attention":
        reason = f"Megatron's selective recomputation is of attention, not of {this.word('selective')}"
        yield Unsayable("selective", reason, "leave `selective` out")
    again, layers = this.count("checkpointed_layers", 0), this.count("layers", 0)
    if this.word("checkpointing") == "full" and again != layers and this.count("pipeline_parallel") > 1:
        reason = f"Megatron counts recomputed layers by stage, and the answer recomputes {again} of {layers} in all"
        yield Unsayable("checkpointed_layers", reason, f"set checkpointed_layers = {layers}")


def render(this: Said) -> str:
    """Return the options as a shell array, to stand behind those of the model and its data."""
    lines = ["options=(", *(f"  {line}" for line in shell.options(_options(this))), ")"]
    return "".join(f"{line}\n" for line in lines)


def _options(this: Said) -> Iterator[Option]:
    for name, quantity in SIZES.items():
        yield name, str(this.count(quantity))
    yield "--global-batch-size", str(run.batch(this))
    found = run.steps(this)
    if found is not None:
        yield "--train-iters", str(found)
    precision = this.word("precision")
    if precision != "fp32":
        yield f"--{precision.removesuffix('_mixed')}", None
    yield "--optimizer", "sgd" if this.word("optimizer") == "sgd" else "adam"
    if this.count("zero", 0):
        yield "--use-distributed-optimizer", None
    match this.word("checkpointing"):
        case "selective":
            yield "--recompute-granularity", "selective"
        case "full":
            stage = -(-this.count("layers", 0) // this.count("pipeline_parallel"))
            yield "--recompute-granularity", "full"
            yield "--recompute-method", "block"
            yield "--recompute-num-layers", str(min(stage, this.count("checkpointed_layers", 0)))
