"""torchtitan's options (torchtitan 0.3.0, config): for what the answer chose, behind `--module` and `--config`.

0.3 has no TOML: a model is a function of its registry, and its settings are options.
"""

from __future__ import annotations

from collections.abc import Iterator

from planner.export import shell
from planner.export.engines.program import Option
from planner.export.faults import Unsayable
from planner.export.locked import LockedWorkload
from planner.export.trainers import run
from planner.physics.training.head import CHUNKS

NAME = "torchtitan"
TYPES = {"fp32": ("float32", "float32"), "bf16": ("bfloat16", "bfloat16"), "bf16_mixed": ("float32", "bfloat16")}
"""What the weights are kept in, and what they are computed in."""
KERNELS = {"fused": "fused", "foreach": "foreach", "for_loop": "for-loop"}
PIECES = {"standard": 1, "chunked": CHUNKS}
"""Pieces of the sequence whose logits are there at a time; its models take 8 unless they are told."""
SPLITS = ("tensor_parallel", "context_parallel", "expert_parallel", "shard_replicas")
STILL = (
    ("--compile.no-enable", None),
    ("--training.disable-cuda-graphs", None),
    ("--parallelism.enable-sequence-parallel", None),
    ("--training.mixed-precision-reduce", "float32"),
)
"""What the formulas count on whatever is chosen: graphs, captured by default since 0.3, keep a pool of memory."""


def faults(answer: LockedWorkload) -> Iterator[Unsayable]:
    """Yield what of an answer torchtitan's options cannot say."""
    yield from run.whole_shapes(answer, NAME, SPLITS)
    yield from run.only(answer, NAME, "method", ("full",))
    yield from run.only(answer, NAME, "precision", TYPES)
    yield from run.only(answer, NAME, "optimizer", ("adamw",))
    yield from run.only(answer, NAME, "preference", ("none",))
    yield from run.only(answer, NAME, "offload", ("none", "parameters"))
    yield from run.only(answer, NAME, "loss", PIECES)
    yield from run.only(answer, NAME, "attention", ("sdpa", "flash"))
    yield from run.only(answer, NAME, "gradient_precision", ("fp32",))
    yield from run.plain_loss(answer, NAME)
    if answer.word("checkpointing") == "selective":
        yield from run.only(answer, NAME, "selective", ("operations",))
    else:
        yield from run.all_or_none(answer, NAME)
    if answer.count("data_parallel") > 1 and answer.count("zero", 0) < 2:
        yield Unsayable("zero", f"{NAME} shards by FSDP here", "set zero = 2 or 3")
    if answer.count("fsdp_version", 2) != 2:
        yield Unsayable("fsdp_version", f"{NAME} shards by FSDP2", "set fsdp_version = 2")
    if not answer.flag("sync_each_batch") and run.accumulation(answer) > 1:
        yield Unsayable("sync_each_batch", f"{NAME} reduces after every micro-batch", "set sync_each_batch = true")
    for quantity in ("packing", "offload_activations", "frozen"):
        if answer.flag(quantity) or answer.word(quantity):
            reason = f"{NAME}'s option for {quantity} is not known here"
            yield Unsayable(quantity, reason, f"leave `{quantity}` out")


def render(answer: LockedWorkload) -> str:
    """Return the options as a shell array, to stand behind those that name the model."""
    return "".join(f"{line}\n" for line in ("options=(", *(f"  {line}" for line in options(answer)), ")"))


def options(answer: LockedWorkload) -> list[str]:
    """Return the options, a line each as a shell reads them; `faults` must be empty."""
    return shell.options(_options(answer))


def _options(answer: LockedWorkload) -> Iterator[Option]:
    kept, computed = TYPES[answer.word("precision")]
    copies, shards = answer.count("shard_replicas"), answer.count("data_parallel")
    yield "--training.local-batch-size", str(answer.count("micro_batch"))
    yield "--training.global-batch-size", str(run.batch(answer))
    yield "--training.seq-len", str(answer.count("sequence"))
    steps = run.steps(answer)
    if steps is not None:
        yield "--training.steps", str(steps)
    yield "--training.dtype", kept
    yield "--training.mixed-precision-param", computed
    yield "--loss.num-chunks", str(PIECES[answer.word("loss")])
    yield "--optimizer.implementation", KERNELS[answer.word("optimizer_kernel")]
    yield "--parallelism.data-parallel-replicate-degree", str(copies)
    yield "--parallelism.data-parallel-shard-degree", str(shards // copies)
    yield "--parallelism.fsdp-reshard-after-forward", "never" if answer.count("zero", 0) == 2 else "always"
    for name in ("tensor_parallel", "pipeline_parallel", "context_parallel", "expert_parallel"):
        yield f"--parallelism.{name.replace('_', '-')}-degree", str(answer.count(name))
    away = answer.word("offload") == "parameters"
    yield f"--training.{'' if away else 'no-'}enable-cpu-offload", None
    yield from STILL
    yield f"activation-checkpoint:{answer.word('checkpointing')}", None
