"""What a workload has of the quantities that its plan does not mention: one answer everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

from planner.language.problem import Value, Workload
from planner.language.schema import BY_KIND

DEFAULTS: dict[str, dict[str, Value]] = {
    kind: {
        name: row.default
        for name, row in rows.items()
        if row.role == "given" and isinstance(row.default, str | bool | Fraction)
    }
    for kind, rows in BY_KIND.items()
}
"""What each kind of workload has of given quantities that are not mentioned."""

STATED: dict[str, dict[str, str]] = {
    kind: {name: row.default for name, row in rows.items() if row.role == "decision" and isinstance(row.default, str)}
    for kind, rows in BY_KIND.items()
}
"""The word that each kind of workload has of decisions that are not mentioned, where one is stated."""

JUDGED = frozenset(
    {
        *("engine_version", "gpu_memory_utilization", "max_sequences", "max_batched_tokens"),
        *("global_batch", "gradient_precision", "selective", "fsdp_version", "sync_each_batch"),
        *("reduce_bucket_size", "sub_group_size", "stage3_max_live_parameters", "stage3_max_reuse_distance"),
        "stage3_prefetch_bucket_size",
    }
)
"""Given quantities whose default follows from a catalog's row or from what is chosen (planner/solve/defaults.py)."""

FOLLOWS = {
    "engine_version": "the newest release in the catalog",
    "gpu_memory_utilization": "what the engine takes by itself",
    "max_sequences": "what the engine takes by itself, at least `concurrency` where it limits what runs at once",
    "max_batched_tokens": "what the engine takes by itself",
    "prompt": "context - output, the whole context where `output` is not mentioned either",
    "global_batch": "data_parallel * micro_batch",
    "gradient_precision": "fp32 in mixed precision, but 16 bits in deepspeed and in transformers under FSDP; else the "
    "weights' format; in LoRA the adapters' format",
    "selective": "attention in megatron, operations in fsdp (torchtitan), else products (PyTorch's own)",
    "fsdp_version": "2 in fsdp, 1 in transformers (accelerate's own default)",
    "sync_each_batch": "false in transformers, and in fsdp with `fsdp_version = 1` (accelerate's own default); true in "
    "fsdp (torchtitan), deepspeed and megatron",
    "reduce_bucket_size": "500000000 (DeepSpeed's default), or hidden * hidden with `deepspeed_sizes = auto`",
    "sub_group_size": "1000000000 (DeepSpeed's default)",
    "stage3_max_live_parameters": "1000000000 (DeepSpeed's default)",
    "stage3_max_reuse_distance": "1000000000 (DeepSpeed's default)",
    "stage3_prefetch_bucket_size": "50000000 (DeepSpeed's default), or 0.9 * hidden * hidden with "
    "`deepspeed_sizes = auto`",
    "replicas": "1; chosen by the solver where `demand` or `total_concurrency` is mentioned",
    "concurrency": "total_concurrency / replicas, rounded up",
    "nodes": "1, but as many as sizes that the plan states need; what crosses hosts pays their network",
    "context_parallel": "1",
    "shard_replicas": "1",
    "expert_parallel": "chosen by the solver; 1 in a training",
    "weights": "the model's native format",
    "activations": "what the engine multiplies the weights in on the GPU (fp8 weights on Hopper: fp8), else 16 bits",
    "kv_cache": "the model's native format where it has 16 bits, else bf16; fp8_e4m3 where the engine takes it by "
    "itself (DeepSeek-V4; DeepSeek-V3.2 in SGLang on Blackwell)",
}
"""From what the default of a quantity follows that has no one default, in words, as `planner explain` says it."""


def filled(kind: str, said: Mapping[str, Value]) -> dict[str, Value]:
    """Return what a plan says of given quantities, with the default of each that it does not mention.

    A prompt is what the output leaves of the context: all of it where no output is mentioned, and at least one token.
    """
    out = {**DEFAULTS[kind], **said}
    context, output = out.get("context"), out.get("output", Fraction(0))
    if "prompt" not in out and isinstance(context, Fraction) and isinstance(output, Fraction):
        out["prompt"] = max(Fraction(1), context - output)
    return out


def changed(workload: Workload, quantity: str, value: Value) -> Workload:
    """Return a workload whose plan says another value of a given quantity; what follows from it follows."""
    said = {name: known for name, known in workload.given.items() if name in workload.said}
    return replace(workload, given=filled(workload.kind, {**said, quantity: value}))


def valueless(workload: Workload, quantity: str) -> bool:
    """Return whether a given quantity has no value: it is not mentioned, and has no default."""
    if quantity == "concurrency" and "total_concurrency" in workload.given:
        return False  # it follows from how many replicas there are
    row = BY_KIND[workload.kind].get(quantity)
    given = row is not None and row.role == "given" and quantity != "model"
    return given and quantity not in workload.given and quantity not in JUDGED
