"""What every trainer's file asks of a locked training: its steps, its accumulation, what no setting says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from planner.export.faults import Fault
from planner.export.said import Said

SHAPES = ("tensor_parallel", "pipeline_parallel", "context_parallel", "expert_parallel", "shard_replicas")
"""Ways to split a training beside data parallelism and ZeRO."""


def accumulation(this: Said) -> int:
    """Return the micro-batches of an optimizer step."""
    return max(1, batch(this) // (this.count("micro_batch") * this.count("data_parallel")))


def batch(this: Said) -> int:
    """Return the sequences of an optimizer step."""
    return this.count("global_batch")


def steps(this: Said) -> int | None:
    """Return the optimizer steps that see all tokens, rounded up; None where the plan states none."""
    tokens, each = this.count("tokens", 0), batch(this) * this.count("sequence")
    return -(-tokens // each) if tokens else None


def hosts(this: Said) -> int:
    """Return the machines: instances that are sold whole, or one where GPUs are sold one by one."""
    return this.instances if this.sold_by == "instance" else 1


def only(this: Said, target: str, quantity: str, words: Iterable[str]) -> Iterator[Fault]:
    """Yield that a word of an answer is none that a target can say."""
    known, has = tuple(words), this.word(quantity)
    if has not in known:
        reason = f"{target} has no setting for {quantity} = {has}"
        yield Fault(quantity, reason, f"set {quantity} = {' or '.join(known)}")


def whole_shapes(this: Said, target: str, sayable: Iterable[str] = ()) -> Iterator[Fault]:
    """Yield the sizes above 1 that a target cannot say."""
    for quantity in SHAPES:
        if quantity not in sayable and this.count(quantity) > 1:
            yield Fault(
                quantity, f"{target} has no setting for {quantity} = {this.count(quantity)}", f"set {quantity} = 1"
            )


def all_or_none(this: Said, target: str) -> Iterator[Fault]:
    """Yield that a target recomputes all layers or none."""
    yield from only(this, target, "checkpointing", ("none", "full"))
    layers, again = this.count("layers", 0), this.count("checkpointed_layers", 0)
    if this.word("checkpointing") == "full" and again != layers:
        reason = f"{target} recomputes all {layers} layers or none, and the answer recomputes {again}"
        yield Fault("checkpointed_layers", reason, f"set checkpointed_layers = {layers}")
