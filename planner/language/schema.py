"""The one table of kinds and quantities: what a plan may say, who sets it, and what it means."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

from planner.record import dataclass

Role = Literal["given", "decision", "outcome"]

INFERENCE = "inference"
TRAINING = "training"
BOTH = (INFERENCE, TRAINING)


@dataclass(frozen=True, slots=True)
class Quantity:
    """A row of the table. `type` is number, format, gpu, offer, model, engine, word, words, text, set or boolean.

    `default` is what a plan has that does not mention it, "" where that is nothing at all; defaults that follow from
    something else are in planner/language/defaults.py. `whole` numbers have no fraction; what is `free` is chosen
    where a plan does not mention it; `everything` is what `any` offers of a number that is not free.
    """

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
    whole: bool = False
    everything: tuple[int, ...] = ()
    free: bool = False


HIGHEST = {
    name: Fraction(most)
    for most, names in (
        (2**32, ("context", "prompt", "output", "shared_prefix", "vision_tokens", "max_batched_tokens")),
        (2**27, ("sequence",)),
        (2**50, ("offloaded_weights", "offloaded_cache")),
        (10**6, ("concurrency", "total_concurrency", "max_sequences", "demand", "adapters")),
        (65_536, ("adapter_rank",)),
        (10**9, ("global_batch",)),
        (10**18, ("tokens",)),
    )
    for name in names
}
"""The most that a given number can be: far beyond what is built, so that every figure can be counted."""


def count(
    name: str,
    kinds: tuple[str, ...],
    role: Role,
    doc: str,
    low: int = 1,
    high: int = 4096,
    everything: tuple[int, ...] = (),
    free: bool = False,
    default: int | None = None,
) -> Quantity:
    """Return the row of a whole number; `everything` is what `any` offers where the number is not free anyway."""
    least, most, unsaid = Fraction(low), Fraction(high), None if default is None else Fraction(default)
    return Quantity(name, kinds, role, "number", doc, None, (), unsaid, least, most, True, everything, free)


def number(
    name: str,
    kinds: tuple[str, ...],
    role: Role,
    unit: str | None,
    doc: str,
    low: int | None = 0,
    whole: bool = False,
    default: int | None = None,
) -> Quantity:
    """Return the row of a number in a unit; what is given is no larger than HIGHEST says."""
    least, most = None if low is None else Fraction(low), HIGHEST.get(name) if role == "given" else None
    unsaid = None if default is None else Fraction(default)
    return Quantity(name, kinds, role, "number", doc, unit, (), unsaid, least, most, whole)


def word(name: str, kinds: tuple[str, ...], role: Role, words: str, default: str, doc: str) -> Quantity:
    """Return the row of one word of a few."""
    return Quantity(name, kinds, role, "word", doc, words=tuple(words.split()), default=default or None)


QUANTITIES: tuple[Quantity, ...] = (
    Quantity("model", BOTH, "given", "model", "The model: a catalog id in quotes, or a declared model."),
    number("context", (INFERENCE,), "given", "tokens", "Prompt and output together, per sequence.", 1, True),
    number("concurrency", (INFERENCE,), "given", None, "Sequences of `context` resident on each replica.", 1, True),
    number(
        "total_concurrency",
        (INFERENCE,),
        "given",
        None,
        "Sequences of `context` resident on all replicas together, instead of `concurrency`.",
        1,
        True,
    ),
    Quantity("engine", (INFERENCE,), "given", "engine", "The serving engine.", default="vllm"),
    Quantity("engine_version", (INFERENCE,), "given", "text", "The engine's version."),
    Quantity(
        "gpu_memory_utilization",
        (INFERENCE,),
        "given",
        "number",
        "The engine's share of usable memory.",
        low=Fraction(1, 100),
        high=Fraction(1),
    ),
    number("max_sequences", (INFERENCE,), "given", None, "The engine's largest batch of sequences.", 1, True),
    number("max_batched_tokens", (INFERENCE,), "given", "tokens", "The engine's tokens per forward pass.", 1, True),
    number("prompt", (INFERENCE,), "given", "tokens", "Tokens of a prompt.", 1, True),
    number("output", (INFERENCE,), "given", "tokens", "Tokens of an answer.", 0, True),
    number("demand", (INFERENCE,), "given", "req/s", "Requests per second the service must sustain."),
    Quantity(
        "burstiness",
        (INFERENCE,),
        "given",
        "number",
        "Squared coefficient of variation of the gaps between requests: 1 of Poisson arrivals, 0 of a metronome.",
        default=Fraction(1),
        low=Fraction(0),
        high=Fraction(1000),
    ),
    number(
        "shared_prefix", (INFERENCE,), "given", "tokens", "Tokens all sequences begin with, stored once.", 0, True, 0
    ),
    number("vision_tokens", (INFERENCE,), "given", "tokens", "Image tokens a cross-attention layer keeps.", 0, True, 0),
    Quantity(
        "draft_model", (INFERENCE,), "given", "model", "The model that drafts for speculative decoding.", default=""
    ),
    number("adapters", (INFERENCE,), "given", None, "LoRA adapters kept beside the model at once.", 0, True, 0),
    number("adapter_rank", (INFERENCE,), "given", None, "The largest rank of those adapters.", 1, True, 16),
    number("offloaded_weights", (INFERENCE,), "given", "bytes", "Weights of each GPU kept in host memory.", 0, True, 0),
    number(
        "offloaded_cache",
        (INFERENCE,),
        "given",
        "bytes",
        "Host memory for each GPU's finished cache blocks (prefixes).",
        0,
        True,
        0,
    ),
    word(
        "task",
        (INFERENCE,),
        "given",
        "generate embed rerank",
        "generate",
        "What a request asks for: text, or an embedding or a score of its prompt alone.",
    ),
    word("sampler", (INFERENCE,), "given", "native flashinfer", "native", "How vLLM samples: by sorting, or not."),
    word("attention_parallel", (INFERENCE,), "given", "tensor data", "tensor", "Attention by heads or sequences."),
    Quantity("cuda_graphs", (INFERENCE,), "given", "boolean", "Whether the engine captures CUDA graphs.", default=True),
    word(
        "all_to_all",
        (INFERENCE,),
        "given",
        "gather deepep deepep_low_latency",
        "gather",
        "How tokens reach experts of ranks that have sequences of their own.",
    ),
    Quantity(
        "images", (INFERENCE,), "given", "boolean", "Whether a model with an encoder serves images.", default=True
    ),
    number("sequence", (TRAINING,), "given", "tokens", "Tokens of a training sequence.", 1, True),
    number("global_batch", (TRAINING,), "given", None, "Sequences of one optimizer step.", 1, True),
    number("tokens", (TRAINING,), "given", "tokens", "Tokens to train on.", 1, True),
    number("interruptions", (TRAINING,), "given", None, "How often a day a run on spot is interrupted.", 0),
    number(
        "lost_per_interruption",
        (TRAINING,),
        "given",
        "s",
        "What an interruption costs: the work since the last checkpoint, and the time until the run goes on.",
        0,
    ),
    word("attention", (TRAINING,), "given", "flash sdpa eager", "sdpa", "The attention kernel."),
    word(
        "framework",
        (TRAINING,),
        "given",
        "transformers fsdp deepspeed megatron",
        "transformers",
        "Training framework.",
    ),
    # Fused unless said: the Trainer's adamw_torch_fused (torch 2.8 and newer), torchtitan, DeepSpeed's FusedAdam where
    # torch_adam is unset (deepspeed/runtime/engine.py, _configure_basic_optimizer), and Megatron's FusedAdam of
    # Transformer Engine or apex (NVIDIA/Megatron-LM@0044db1f megatron/core/optimizer/__init__.py).
    word(
        "optimizer_kernel",
        (TRAINING,),
        "given",
        "fused foreach for_loop",
        "fused",
        "Optimizer kernel: one fused kernel, lists of tensors, or a loop.",
    ),
    count("fsdp_version", (TRAINING,), "given", "Which FSDP shards: PyTorch's first (1) or `fully_shard` (2).", 1, 2),
    word(
        "deepspeed_sizes",
        (TRAINING,),
        "given",
        "defaults auto",
        "defaults",
        "Source of the DeepSpeed sizes that the plan does not state.",
    ),
    count("reduce_bucket_size", (TRAINING,), "given", "Gradients that DeepSpeed reduces at once.", 1, 10**12),
    count("sub_group_size", (TRAINING,), "given", "Parameters that DeepSpeed's ZeRO 3 updates at once.", 1, 10**15),
    count(
        "stage3_max_live_parameters", (TRAINING,), "given", "Parameters that ZeRO 3 gathers ahead at most.", 0, 10**12
    ),
    count(
        "stage3_max_reuse_distance",
        (TRAINING,),
        "given",
        "ZeRO 3 keeps a gathered weight that is used again within so many parameters.",
        0,
        10**12,
    ),
    count(
        "stage3_prefetch_bucket_size", (TRAINING,), "given", "Parameters that ZeRO 3 gathers ahead at once.", 0, 10**12
    ),
    Quantity(
        "overlap_comm",
        (TRAINING,),
        "given",
        "boolean",
        "Whether DeepSpeed's ZeRO 1 and 2 reduce while backward runs, with a second bucket.",
        default=False,
    ),
    count("lora_rank", (TRAINING,), "given", "The rank of LoRA's adapters.", 1, 1024, default=16),
    Quantity(
        "lora_targets",
        (TRAINING,),
        "given",
        "words",
        "What LoRA adapts: attention, all_linear, or a set of projections (kept as `k_proj,q_proj`).",
        words=("attention", "all_linear", "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
        default="all_linear",
    ),
    Quantity(
        "lora_dropout",
        (TRAINING,),
        "given",
        "number",
        "LoRA's dropout.",
        default=Fraction(0),
        low=Fraction(0),
        high=Fraction(1),
    ),
    word("lora_precision", (TRAINING,), "given", "fp32 bf16", "fp32", "The format of LoRA's adapters: peft's is fp32."),
    word("loss_precision", (TRAINING,), "given", "fp32 bf16 fp16", "fp32", "The format of the loss."),
    word(
        "gradient_precision", (TRAINING,), "given", "fp32 bf16 fp16", "", "The format of gradients; fsdp reduces in it."
    ),
    word(
        "loss",
        (TRAINING,),
        "given",
        "standard fused chunked",
        "standard",
        "How logits become a loss: whole, fused with the head so that no logits are kept, or in pieces.",
    ),
    word(
        "selective",
        (TRAINING,),
        "given",
        "attention operations products every_second_layer",
        "",
        "What `checkpointing = selective` is: what of the activations is made again.",
    ),
    word(
        "schedule",
        (TRAINING,),
        "given",
        "one_f_one_b gpipe interleaved",
        "one_f_one_b",
        "How a pipeline orders its micro-batches (1F1B, GPipe, interleaved 1F1B): so many are in flight.",
    ),
    word(
        "preference",
        (TRAINING,),
        "given",
        "none dpo",
        "none",
        "Preference tuning: pairs of sequences, and a frozen reference model beside the trained one.",
    ),
    Quantity(
        "packing",
        (TRAINING,),
        "given",
        "boolean",
        "Whether sequences are packed from documents that a mask keeps apart.",
        default=False,
    ),
    Quantity(
        "frozen",
        (TRAINING,),
        "given",
        "words",
        "Parts that are not trained (kept as `embedding,head`).",
        words=("embedding", "head", "attention", "mlp", "router", "norm"),
        default="",
    ),
    Quantity(
        "expert_overlap",
        (TRAINING,),
        "given",
        "boolean",
        "Whether tokens travel to experts and back behind the computing of others (DualPipe), on a part of each GPU.",
        default=False,
    ),
    Quantity(
        "offload_activations",
        (TRAINING,),
        "given",
        "boolean",
        "Whether what is kept for backward waits in host memory.",
        default=False,
    ),
    Quantity(
        "confidence",
        BOTH,
        "given",
        "number",
        "How sure the memory figure must be: the part `margin` grows with it.",
        default=Fraction(95, 100),
        low=Fraction(1, 2),
        high=Fraction(9999, 10_000),
    ),
    Quantity(
        "time_confidence",
        BOTH,
        "given",
        "number",
        "How sure the safe end of a time must be, which bounds are held against.",
        default=Fraction(4, 5),
        low=Fraction(1, 2),
        high=Fraction(99, 100),
    ),
    Quantity("gpu", BOTH, "decision", "gpu", "The GPU type.", free=True),
    count("gpus", BOTH, "decision", "GPUs the workload uses.", free=True),
    count("replicas", (INFERENCE,), "decision", "Copies of the model that serve.", 1, 4096, tuple(range(1, 65))),
    count("nodes", (INFERENCE,), "decision", "Hosts that one replica spans.", 1, 64, tuple(range(1, 9))),
    count("tensor_parallel", BOTH, "decision", "GPUs that share each layer.", 1, 64, free=True),
    count("pipeline_parallel", BOTH, "decision", "Stages that share the layers.", 1, 64, free=True),
    count(
        "expert_parallel",
        BOTH,
        "decision",
        "Expert-parallel degree: GPUs that the experts are sharded across.",
        1,
        512,
        free=True,
    ),
    count("context_parallel", (TRAINING,), "decision", "GPUs that share a sequence.", 1, 512, free=True),
    Quantity("weights", (INFERENCE,), "decision", "format", "The number format of the weights."),
    Quantity("activations", (INFERENCE,), "decision", "format", "The number format of activations."),
    Quantity("kv_cache", (INFERENCE,), "decision", "format", "The number format of the KV cache."),
    word("quantization", (INFERENCE,), "decision", "ptq qat", "ptq", "After or during training."),
    Quantity("offer", BOTH, "decision", "offer", "The offer that is rented.", free=True),
    Quantity("provider", BOTH, "decision", "text", "Cloud provider.", free=True),
    Quantity("region", BOTH, "decision", "text", "Cloud region.", free=True),
    word("market", BOTH, "decision", "on_demand spot reserved_1y reserved_3y", "on_demand", "How it is bought."),
    word("method", (TRAINING,), "decision", "full lora qlora qat", "full", "What is trained."),
    word(
        "precision",
        (TRAINING,),
        "decision",
        "fp32 bf16 fp16_mixed bf16_mixed fp8_mixed int8",
        "bf16_mixed",
        "Precision recipe.",
    ),
    word(
        "optimizer",
        (TRAINING,),
        "decision",
        "sgd sgd_momentum adam adamw adamw_8bit paged_adamw_8bit adafactor lion muon",
        "adamw",
        "The optimizer.",
    ),
    count("micro_batch", (TRAINING,), "decision", "Sequences of one forward pass on one GPU.", free=True),
    Quantity(
        "checkpointing",
        (TRAINING,),
        "decision",
        "word",
        "What is computed again.",
        words=("none", "selective", "full"),
        default="none",
        free=True,
    ),
    count("checkpointed_layers", (TRAINING,), "decision", "Layers that recompute.", 0, 100_000, free=True),
    count("zero", (TRAINING,), "decision", "The ZeRO stage.", 0, 3, free=True),
    count("data_parallel", (TRAINING,), "decision", "Copies that see different data.", free=True),
    count(
        "shard_replicas",
        (TRAINING,),
        "decision",
        "Copies of the shards: data_parallel / shard_replicas GPUs share a model (hybrid sharding).",
    ),
    word(
        "offload",
        (TRAINING,),
        "decision",
        "none optimizer parameters",
        "none",
        "What is kept in host memory: the optimizer's states, or the parameters too.",
    ),
    number("memory", BOTH, "outcome", "bytes", "The peak on the fullest GPU."),
    number(
        "host_memory",
        BOTH,
        "outcome",
        "bytes",
        "What the busiest host must hold of what is offloaded; the offer's RAM bounds it where that is known.",
    ),
    number("headroom", BOTH, "outcome", None, "(usable - memory) / usable.", None),
    number("cost", BOTH, "outcome", "USD/h", "What the rented instances cost."),
    number("quality", BOTH, "outcome", None, "Measured recovery against the native format."),
    number("kv_tokens", (INFERENCE,), "outcome", "tokens", "What the engine's cache will hold."),
    number("max_concurrency", (INFERENCE,), "outcome", None, "Sequences of `context` that fit."),
    number("max_context", (INFERENCE,), "outcome", "tokens", "The longest context at `concurrency`."),
    number(
        "cost_per_token",
        (INFERENCE,),
        "outcome",
        "USD/tok",
        "Cost of a generated token, with its share of the prompt where `output` is said.",
    ),
    number(
        "cost_per_input_token",
        (INFERENCE,),
        "outcome",
        "USD/tok",
        "The prompt's part of what a request costs, per token of it: by the time that GPUs compute for it.",
    ),
    number(
        "cost_per_output_token",
        (INFERENCE,),
        "outcome",
        "USD/tok",
        "The answer's part of what a request costs, per token of it; with the prompt's it is all of `cost`.",
    ),
    number("ttft", (INFERENCE,), "outcome", "s", "Time to the first token."),
    number("ttft_p95", (INFERENCE,), "outcome", "s", "The time to the first token that 95 % of requests keep."),
    number("tpot", (INFERENCE,), "outcome", "s", "Time per output token."),
    number("tpot_p95", (INFERENCE,), "outcome", "s", "The time per output token that 95 % of requests keep."),
    number("load", (INFERENCE,), "outcome", None, "The busy share of a service at its `demand`."),
    number(
        "throughput",
        BOTH,
        "outcome",
        "tok/s",
        "Tokens per second: trained, or generated (at full load where `output` is said).",
    ),
    number("power", BOTH, "outcome", "W", "Board power of the GPUs."),
    number("step_time", (TRAINING,), "outcome", "s", "Time of an optimizer step."),
    number("mfu", (TRAINING,), "outcome", None, "Model FLOPs utilization."),
    number("duration", (TRAINING,), "outcome", "s", "Time of the whole run."),
    number("total_cost", (TRAINING,), "outcome", "USD", "Price of the whole run."),
)

PER_LAYER = frozenset({"weights"})
"""The decisions that `per layer` can make for each layer."""

BY_KIND: dict[str, dict[str, Quantity]] = {
    kind: {row.name: row for row in QUANTITIES if kind in row.kinds} for kind in BOTH
}
"""The quantities of each workload kind by name."""

WORKLOADS = frozenset(BOTH)
DECLARATIONS = frozenset({*BOTH, "model", "gpu", "offer", "format", "measurement", "fleet"})
