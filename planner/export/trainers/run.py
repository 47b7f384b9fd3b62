"""What every trainer's file asks of a locked training: its steps, its accumulation, what no setting says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from planner.export.faults import Unsayable
from planner.export.said import Said
from planner.language.schema import grouped

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


ADAPTERS = ("lora", "qlora")
"""Methods that train adapters alone."""
SCRIPT = (
    *("method", "precision", "micro_batch", "global_batch", "sync_each_batch", "sequence", "tokens", "packing"),
    *("optimizer", "optimizer_kernel", "attention", "loss", "loss_precision", "preference", "frozen"),
    *("checkpointing", "checkpointed_layers", "offload_activations"),
)
"""What the memory follows from and a script sets, where a file is no place for it."""


def elsewhere(this: Said, said: Iterable[str] = ()) -> Iterator[str]:
    """Yield what a script has to set that is not `said` by a file, a line each as a plan writes it."""
    names = [*SCRIPT, *(grouped("adapters") if this.word("method") in ADAPTERS else ())]
    for name in names:
        value = this.choice.get(name, this.given.get(name, ""))
        if name not in said and value != "":
            text = str(value).lower() if isinstance(value, bool) else this.share(name) or str(value)
            yield f"{name} = {text}"
    yield f"gradient accumulation over {accumulation(this)} micro-batches"
    if this.word("method") == "qlora":
        yield f"BitsAndBytesConfig: {', '.join(f'{name}={value}' for name, value in quantization(this).items())}"


def quantization(this: Said) -> dict[str, Any]:
    """Return the bitsandbytes options of a 4-bit base: NF4 with double quantization, which the memory counts; stored in
    the type of the other weights where FSDP makes one flat tensor of a layer, which must have one type."""
    return {
        "load_in_4bit": True,
        "bnb_4bit_quant_type": "nf4",
        "bnb_4bit_use_double_quant": True,
        "bnb_4bit_compute_dtype": sixteen(this),
        "bnb_4bit_quant_storage": sixteen(this) if sharded(this) else "uint8",
    }


def sixteen(this: Said) -> str:
    """Return the 16-bit type that a base is computed in."""
    return "float16" if this.word("precision").startswith("fp16") else "bfloat16"


def sharded(this: Said) -> bool:
    """Return whether FSDP shards the states."""
    return this.count("zero", 0) > 0 and this.count("data_parallel") > 1


def hosts(this: Said) -> int:
    """Return the machines: instances that are sold whole, or one where GPUs are sold one by one."""
    return this.instances if this.sold_by == "instance" else 1


def only(this: Said, target: str, quantity: str, words: Iterable[str]) -> Iterator[Unsayable]:
    """Yield that a word of an answer is none that a target can say."""
    known, has = tuple(words), this.word(quantity)
    if has not in known:
        reason = f"{target} has no setting for {quantity} = {has}"
        yield Unsayable(quantity, reason, f"set {quantity} = {' or '.join(known)}")


def whole_shapes(this: Said, target: str, sayable: Iterable[str] = ()) -> Iterator[Unsayable]:
    """Yield the sizes above 1 that a target cannot say."""
    for quantity in SHAPES:
        if quantity not in sayable and this.count(quantity) > 1:
            yield Unsayable(
                quantity, f"{target} has no setting for {quantity} = {this.count(quantity)}", f"set {quantity} = 1"
            )


def all_or_none(this: Said, target: str) -> Iterator[Unsayable]:
    """Yield that a target recomputes all layers or none."""
    yield from only(this, target, "checkpointing", ("none", "full"))
    layers, again = this.count("layers", 0), this.count("checkpointed_layers", 0)
    if this.word("checkpointing") == "full" and again != layers:
        reason = f"{target} recomputes all {layers} layers or none, and the answer recomputes {again}"
        yield Unsayable("checkpointed_layers", reason, f"set checkpointed_layers = {layers}")
