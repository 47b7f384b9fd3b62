"""The one table of kinds and quantities: what a plan may say, who sets it, and what it means."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

Role = Literal["given", "decision", "outcome"]

INFERENCE = "inference"
TRAINING = "training"
BOTH = (INFERENCE, TRAINING)


@dataclass(frozen=True, slots=True)
class Quantity:
    """A row of the table. `type` is number, format, gpu, offer, model, word, text or boolean."""

    name: str
    kinds: tuple[str, ...]
    role: Role
    type: str
    doc: str
    unit: str | None = None
    words: tuple[str, ...] = ()
    default: object = None
    low: Fraction | None = None
    high: Fraction | None = None


def _count(name: str, kinds: tuple[str, ...], role: Role, doc: str, low: int = 1, high: int = 4096) -> Quantity:
    return Quantity(name, kinds, role, "number", doc, low=Fraction(low), high=Fraction(high))


def _number(name: str, kinds: tuple[str, ...], role: Role, unit: str | None, doc: str, low: int | None = 0) -> Quantity:
    return Quantity(name, kinds, role, "number", doc, unit, low=None if low is None else Fraction(low))


def _word(name: str, kinds: tuple[str, ...], role: Role, words: str, default: str, doc: str) -> Quantity:
    return Quantity(name, kinds, role, "word", doc, words=tuple(words.split()), default=default)


QUANTITIES: tuple[Quantity, ...] = (
    Quantity("model", BOTH, "given", "model", "The model: a catalog id in quotes, or a declared model."),
    _number("context", (INFERENCE,), "given", "tokens", "Prompt and output together, per sequence.", 1),
    _number("concurrency", (INFERENCE,), "given", None, "Sequences of `context` resident on each replica.", 1),
    _word("engine", (INFERENCE,), "given", "vllm llama_cpp transformers", "vllm", "The serving engine."),
    Quantity("engine_version", (INFERENCE,), "given", "text", "The engine's version."),
    _number("gpu_memory_utilization", (INFERENCE,), "given", None, "The engine's share of usable memory."),
    _number("max_sequences", (INFERENCE,), "given", None, "The engine's largest batch of sequences.", 1),
    _number("max_batched_tokens", (INFERENCE,), "given", "tokens", "The engine's tokens per forward pass.", 1),
    _number("prompt", (INFERENCE,), "given", "tokens", "Tokens of a prompt; unset it is context - output."),
    _number("output", (INFERENCE,), "given", "tokens", "Tokens of an answer."),
    _number("demand", (INFERENCE,), "given", "req/s", "Requests per second the service must sustain."),
    _number("sequence", (TRAINING,), "given", "tokens", "Tokens of a training sequence.", 1),
    _number("global_batch", (TRAINING,), "given", None, "Sequences of one optimizer step.", 1),
    _number("tokens", (TRAINING,), "given", "tokens", "Tokens to train on.", 1),
    _word("attention", (TRAINING,), "given", "flash sdpa eager", "sdpa", "The attention kernel."),
    _word(
        "framework",
        (TRAINING,),
        "given",
        "transformers fsdp deepspeed megatron",
        "transformers",
        "Who trains.",
    ),
    _word(
        "optimizer_kernel",
        (TRAINING,),
        "given",
        "fused foreach for_loop",
        "foreach",
        "How the optimizer steps.",
    ),
    _count("lora_rank", (TRAINING,), "given", "The rank of LoRA's adapters.", 1, 1024),
    _word("lora_targets", (TRAINING,), "given", "attention all_linear", "all_linear", "What LoRA adapts."),
    _number("lora_dropout", (TRAINING,), "given", None, "LoRA's dropout."),
    _word("loss_precision", (TRAINING,), "given", "fp32 bf16 fp16", "fp32", "The format of the loss."),
    _word("gradient_precision", (TRAINING,), "given", "fp32 bf16 fp16", "bf16", "The format of gradients."),
    Quantity("gpu", BOTH, "decision", "gpu", "The GPU type."),
    _count("gpus", BOTH, "decision", "GPUs the workload uses."),
    _count("replicas", (INFERENCE,), "decision", "Copies of the model that serve."),
    _count("tensor_parallel", BOTH, "decision", "GPUs that share each layer.", 1, 64),
    _count("pipeline_parallel", BOTH, "decision", "Stages that share the layers.", 1, 64),
    Quantity("weights", (INFERENCE,), "decision", "format", "The number format of the weights."),
    Quantity("activations", (INFERENCE,), "decision", "format", "The number format of activations."),
    Quantity("kv_cache", (INFERENCE,), "decision", "format", "The number format of the KV cache."),
    _word("quantization", (INFERENCE,), "decision", "ptq qat", "ptq", "After or during training."),
    Quantity("offer", BOTH, "decision", "offer", "What is rented."),
    Quantity("provider", BOTH, "decision", "text", "Who rents it out."),
    Quantity("region", BOTH, "decision", "text", "Where."),
    _word("market", BOTH, "decision", "on_demand spot", "on_demand", "How it is bought."),
    _word("method", (TRAINING,), "decision", "full lora qlora qat", "full", "What is trained."),
    _word(
        "precision",
        (TRAINING,),
        "decision",
        "fp32 bf16 fp16_mixed bf16_mixed fp8_mixed int8",
        "bf16_mixed",
        "The training recipe.",
    ),
    _word(
        "optimizer",
        (TRAINING,),
        "decision",
        "sgd sgd_momentum adam adamw adamw_8bit paged_adamw_8bit adafactor lion muon",
        "adamw",
        "The optimizer.",
    ),
    _count("micro_batch", (TRAINING,), "decision", "Sequences of one forward pass on one GPU."),
    _word("checkpointing", (TRAINING,), "decision", "none selective full", "none", "What is computed again."),
    _count("checkpointed_layers", (TRAINING,), "decision", "Layers that recompute.", 0, 100_000),
    _count("zero", (TRAINING,), "decision", "The ZeRO stage.", 0, 3),
    _count("data_parallel", (TRAINING,), "decision", "Copies that see different data."),
    _number("memory", BOTH, "outcome", "bytes", "The peak on the fullest GPU."),
    _number("headroom", BOTH, "outcome", None, "(usable - memory) / usable.", None),
    _number("cost", BOTH, "outcome", "USD/h", "What the rented instances cost."),
    _number("quality", BOTH, "outcome", None, "Measured recovery against the native format."),
    _number("kv_tokens", (INFERENCE,), "outcome", "tokens", "What the engine's cache will hold."),
    _number("max_concurrency", (INFERENCE,), "outcome", None, "Sequences of `context` that fit."),
    _number("max_context", (INFERENCE,), "outcome", "tokens", "The longest context at `concurrency`."),
    _number("cost_per_token", (INFERENCE,), "outcome", "USD/tok", "Cost of a generated token."),
    _number("ttft", (INFERENCE,), "outcome", "s", "Time to the first token."),
    _number("tpot", (INFERENCE,), "outcome", "s", "Time per output token."),
    _number("throughput", BOTH, "outcome", "tok/s", "Tokens per second."),
    _number("power", BOTH, "outcome", "W", "Board power of the GPUs."),
    _number("step_time", (TRAINING,), "outcome", "s", "Time of an optimizer step."),
    _number("mfu", (TRAINING,), "outcome", None, "Model FLOPs utilization."),
    _number("duration", (TRAINING,), "outcome", "s", "Time of the whole run."),
    _number("total_cost", (TRAINING,), "outcome", "USD", "Price of the whole run."),
)

BY_KIND: dict[str, dict[str, Quantity]] = {
    kind: {row.name: row for row in QUANTITIES if kind in row.kinds} for kind in BOTH
}
"""The quantities of each workload kind by name."""

WORKLOADS = frozenset(BOTH)
DECLARATIONS = frozenset({*BOTH, "model", "gpu", "offer", "format", "fleet"})
