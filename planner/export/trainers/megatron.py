"""Megatron-LM's options (megatron/training/arguments.py) for what the answer chose, beside those of the model."""

from __future__ import annotations

from collections.abc import Iterator

from planner.export import shell
from planner.export.engines.program import Option
from planner.export.faults import Unsayable
from planner.export.locked import LockedWorkload
from planner.export.trainers import run

SIZES = {
    "--micro-batch-size": "micro_batch",
    "--seq-length": "sequence",
    "--tensor-model-parallel-size": "tensor_parallel",
    "--pipeline-model-parallel-size": "pipeline_parallel",
    "--context-parallel-size": "context_parallel",
    "--expert-model-parallel-size": "expert_parallel",
}


OPTIMIZERS = {
    "adam": ("adam", ()),
    "adamw": ("adam", ()),
    "sgd": ("sgd", (("--sgd-momentum", "0"),)),
    "sgd_momentum": ("sgd", (("--sgd-momentum", "0.9"),)),
}
"""`--optimizer`, and what a state of it hangs on: SGD has a momentum of 0.9 unless it is said to have none. Its kernels
are those of Transformer Engine (core/optimizer/__init__.py)."""
STILL = (("--attention-dropout", "0"), ("--hidden-dropout", "0"))
"""Megatron drops out a tenth by default, and keeps the masks; what is pretrained today drops nothing."""
BACKENDS = {"flash": "flash", "eager": "unfused"}
"""Megatron's names of attention kernels; where a plan says neither, it picks one that keeps no scores."""


def faults(answer: LockedWorkload) -> Iterator[Unsayable]:
    """Yield what of an answer Megatron's options cannot say."""
    yield from run.only(answer, "Megatron", "method", ("full",))
    yield from run.only(answer, "Megatron", "precision", ("fp32", "bf16_mixed", "fp16_mixed"))
    yield from run.only(answer, "Megatron", "optimizer", OPTIMIZERS)
    yield from run.only(answer, "Megatron", "optimizer_kernel", ("fused",))
    yield from run.only(answer, "Megatron", "loss", ("standard",))
    yield from run.only(answer, "Megatron", "preference", ("none",))
    yield from run.plain_loss(answer, "Megatron")
    for quantity in ("packing", "offload_activations", "frozen"):
        if answer.flag(quantity) or answer.word(quantity):
            reason = f"Megatron's option for {quantity} is not known here"
            yield Unsayable(quantity, reason, f"leave `{quantity}` out")
    yield from run.only(answer, "Megatron", "offload", ("none",))
    yield from run.only(answer, "Megatron", "schedule", ("one_f_one_b",))
    if answer.word("gradient_precision") not in ("", "fp32") and answer.word("precision") != "bf16_mixed":
        reason = f"Megatron has 16-bit gradients in bf16 alone, and the answer is in {answer.word('precision')}"
        yield Unsayable("gradient_precision", reason, "set gradient_precision = fp32")
    if answer.count("zero", 0) > 1:
        yield Unsayable("zero", "Megatron's distributed optimizer is ZeRO 1", "set zero = 0 or 1")
    if answer.count("shard_replicas") > 1:
        yield Unsayable("shard_replicas", "Megatron has no option for hybrid sharding here", "set shard_replicas = 1")
    if answer.word("checkpointing") == "selective" and answer.word("selective") != "attention":
        reason = f"Megatron's selective recomputation is of attention, not of {answer.word('selective')}"
        yield Unsayable("selective", reason, "leave `selective` out")
    again, layers = answer.count("checkpointed_layers", 0), answer.count("layers", 0)
    if answer.word("checkpointing") == "full" and again != layers and answer.count("pipeline_parallel") > 1:
        reason = f"Megatron counts recomputed layers by stage, and the answer recomputes {again} of {layers} in all"
        yield Unsayable("checkpointed_layers", reason, f"set checkpointed_layers = {layers}")


def render(answer: LockedWorkload) -> str:
    """Return the options as a shell array, to stand behind those of the model and its data."""
    lines = ["options=(", *(f"  {line}" for line in options(answer)), ")"]
    return "".join(f"{line}\n" for line in lines)


def options(answer: LockedWorkload) -> list[str]:
    """Return the options, a line each as a shell reads them."""
    return shell.options(_options(answer))


def _options(answer: LockedWorkload) -> Iterator[Option]:
    for name, quantity in SIZES.items():
        yield name, str(answer.count(quantity))
    if answer.count("tensor_parallel") > 1:
        yield "--sequence-parallel", None  # what is between the products is split too: counted so, and off by default
    if answer.word("attention") in BACKENDS:
        yield "--attention-backend", BACKENDS[answer.word("attention")]
    yield "--global-batch-size", str(run.batch(answer))
    steps = run.steps(answer)
    if steps is not None:
        yield "--train-iters", str(steps)
    precision = answer.word("precision")
    if precision != "fp32":
        yield f"--{precision.removesuffix('_mixed')}", None
    yield from STILL
    name, more = OPTIMIZERS[answer.word("optimizer")]
    yield "--optimizer", name
    yield from more
    if precision != "fp32":
        wide = answer.word("gradient_precision") in ("", "fp32")
        yield ("--accumulate-allreduce-grads-in-fp32" if wide else "--grad-reduce-in-bf16"), None
    if answer.count("expert_parallel") > 1:
        yield "--expert-tensor-parallel-size", str(answer.count("tensor_parallel"))
    if answer.count("zero", 0):
        yield "--use-distributed-optimizer", None
    match answer.word("checkpointing"):
        case "selective":
            yield "--recompute-granularity", "selective"
        case "full":
            stage = -(-answer.count("layers", 0) // answer.count("pipeline_parallel"))
            yield "--recompute-granularity", "full"
            yield "--recompute-method", "block"
            yield "--recompute-num-layers", str(min(stage, answer.count("checkpointed_layers", 0)))
