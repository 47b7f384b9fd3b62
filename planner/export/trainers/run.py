"""What every trainer's file asks of a locked training: its steps, its accumulation, what no setting says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from planner.export.faults import Unsayable
from planner.export.locked import LockedWorkload
from planner.language.schema import grouped
from planner.physics.training.choice import StateChoice
from planner.physics.training.states import gradient_format

SHAPES = ("tensor_parallel", "pipeline_parallel", "context_parallel", "expert_parallel", "shard_replicas")
"""Ways to split a training beside data parallelism and ZeRO."""


def accumulation(answer: LockedWorkload) -> int:
    """Return the micro-batches of an optimizer step."""
    return max(1, batch(answer) // (answer.count("micro_batch") * answer.count("data_parallel")))


def batch(answer: LockedWorkload) -> int:
    """Return the sequences of an optimizer step."""
    return answer.count("global_batch")


def steps(answer: LockedWorkload) -> int | None:
    """Return the optimizer steps that see all tokens, rounded up; None where the plan states none."""
    tokens, each = answer.count("tokens", 0), batch(answer) * answer.count("sequence")
    return -(-tokens // each) if tokens else None


ADAPTERS = ("lora", "qlora")
"""Methods that train adapters alone."""
SCRIPT = (
    *("method", "precision", "micro_batch", "global_batch", "sync_each_batch", "sequence", "tokens", "packing"),
    *("optimizer", "optimizer_kernel", "attention", "loss", "loss_precision", "preference", "frozen"),
    *("checkpointing", "checkpointed_layers", "offload_activations"),
)
"""What the memory follows from and a script sets, where a file has no key for it."""


LAYOUT = ("zero", "data_parallel", *SHAPES, "fsdp_version", "offload", "selective", "gradient_precision")
"""How the states lie on GPUs, where no file beside the script says it."""


def elsewhere(answer: LockedWorkload, said: Iterable[str] = (), more: Iterable[str] = ()) -> Iterator[str]:
    """Yield what a script has to set that is not `said` by a file, and `more`, a line each as a plan writes it."""
    names = [*more, *SCRIPT, *(grouped("adapters") if answer.word("method") in ADAPTERS else ())]
    for name in names:
        value = answer.choice.get(name, answer.given.get(name, ""))
        if name not in said and value != "":
            text = str(value).lower() if isinstance(value, bool) else answer.share(name) or str(value)
            yield f"{name} = {text}"
    yield f"gradient accumulation over {accumulation(answer)} micro-batches"
    yield f"evaluation, if any, of {answer.count('micro_batch')} sequences at a time (the Trainer's default is 8)"
    if answer.word("method") == "qlora":
        yield f"BitsAndBytesConfig: {', '.join(f'{name}={value}' for name, value in quantization(answer).items())}"


def quantization(answer: LockedWorkload) -> dict[str, Any]:
    """Return the bitsandbytes options of a 4-bit base: NF4 with double quantization, which the memory counts; stored in
    the type of the other weights where FSDP makes one flat tensor of a layer, which must have one type."""
    return {
        "load_in_4bit": True,
        "bnb_4bit_quant_type": "nf4",
        "bnb_4bit_use_double_quant": True,
        "bnb_4bit_compute_dtype": sixteen(answer),
        "bnb_4bit_quant_storage": sixteen(answer) if sharded(answer) else "uint8",
    }


def sixteen(answer: LockedWorkload) -> str:
    """Return the 16-bit type that a base is computed in."""
    return "float16" if answer.word("precision").startswith("fp16") else "bfloat16"


def sharded(answer: LockedWorkload) -> bool:
    """Return whether FSDP shards the states."""
    return answer.count("zero", 0) > 0 and answer.count("data_parallel") > 1


def hosts(answer: LockedWorkload) -> int:
    """Return the machines: instances that are sold whole, or one where GPUs are sold one by one."""
    return answer.instances if answer.sold_by == "instance" else 1


def only(answer: LockedWorkload, target: str, quantity: str, words: Iterable[str]) -> Iterator[Unsayable]:
    """Yield that a word of an answer is none that a target can say."""
    known, has = tuple(words), answer.word(quantity)
    if has and has not in known:
        reason = f"{target} has no setting for {quantity} = {has}"
        yield Unsayable(quantity, reason, f"set {quantity} = {' or '.join(known)}")


def gradients(answer: LockedWorkload, target: str, framework: str = "transformers") -> Iterator[Unsayable]:
    """Yield that gradients are counted in another format than the one that the trainer makes or reduces them in."""
    method, precision = answer.word("method"), answer.word("precision")
    who = "accelerate" if framework == "transformers" and sharded(answer) else framework
    kept = answer.word("lora_precision") or "fp32"
    made = gradient_format(StateChoice(method, precision, framework=who, adapter_precision=kept))
    if answer.word("gradient_precision") not in ("", made):
        reason = f"{target} has gradients in {made}, and the answer counts {answer.word('gradient_precision')}"
        yield Unsayable("gradient_precision", reason, "leave `gradient_precision` out")


def plain_loss(answer: LockedWorkload, target: str) -> Iterator[Unsayable]:
    """Yield that a loss is counted in another format than fp32, to which transformers and Megatron widen logits."""
    yield from only(answer, target, "loss_precision", ("fp32",))


def whole_shapes(answer: LockedWorkload, target: str, sayable: Iterable[str] = ()) -> Iterator[Unsayable]:
    """Yield the sizes above 1 that a target cannot say."""
    for quantity in SHAPES:
        if quantity not in sayable and answer.count(quantity) > 1:
            yield Unsayable(
                quantity, f"{target} has no setting for {quantity} = {answer.count(quantity)}", f"set {quantity} = 1"
            )


def all_or_none(answer: LockedWorkload, target: str) -> Iterator[Unsayable]:
    """Yield that a target recomputes all layers or none."""
    yield from only(answer, target, "checkpointing", ("none", "full"))
    layers, again = answer.count("layers", 0), answer.count("checkpointed_layers", 0)
    if answer.word("checkpointing") == "full" and again != layers:
        reason = f"{target} recomputes all {layers} layers or none, and the answer recomputes {again}"
        yield Unsayable("checkpointed_layers", reason, f"set checkpointed_layers = {layers}")
