"""Roofline times: bytes over bandwidth against operations over the dense peak (SPEC section 6)."""

from __future__ import annotations

from planner.catalog.records import Architecture
from planner.physics.architecture import attention_widths, kind


def attention_flops(arch: Architecture, context: int) -> int:
    """Operations of one token on `context` tokens' scores and values: 4 × q × context a layer."""
    total = 0
    for group in arch.groups:
        if kind(group.mixer) in ("gqa", "cross"):
            width = attention_widths(group.mixer)[0]
            limit = group.mixer.get("window") or group.mixer.get("chunk")
            seen = min(context, int(limit)) if limit else context
        elif kind(group.mixer) == "mla":
            mixer = group.mixer
            width, seen = int(mixer["heads"]) * (int(mixer["nope"]) + int(mixer["rope"])), context
        else:
            continue
        total += group.count * 4 * width * seen
    return total


def allreduce(hidden: int, layers: int, tokens: int, tp: int, link_bandwidth: int) -> float:
    """Two ring all-reduces of 16-bit activations a layer: each moves 2 (tp - 1) / tp of the tensor."""
    if tp <= 1 or not link_bandwidth:
        return 0.0
    return 2 * layers * (2 * hidden * tokens) * 2 * (tp - 1) / tp / link_bandwidth


def decode(
    weights_bytes: int,
    kv_bytes: int,
    flops: float,
    bandwidth: int,
    peak_flops: int,
    *,
    bandwidth_efficiency: float = 1.0,
    flops_efficiency: float = 1.0,
    communication: float = 0.0,
) -> float:
    """Seconds for one token of every running sequence: the active weights and the caches are read once."""
    reading = (weights_bytes + kv_bytes) / (bandwidth * bandwidth_efficiency)
    return max(reading, flops / (peak_flops * flops_efficiency)) + communication


def prefill(
    params_active: int,
    prompt_tokens: int,
    arch: Architecture | None,
    weights_bytes: int,
    bandwidth: int,
    peak_flops: int,
    *,
    gpus: int = 1,
    bandwidth_efficiency: float = 1.0,
    flops_efficiency: float = 1.0,
    communication: float = 0.0,
) -> float:
    """Seconds to the first token: (2 N + causal attention) a prompt token, at least one reading."""
    scores = attention_flops(arch, prompt_tokens) / 2 if arch else 0.0
    flops = (2 * params_active + scores) * prompt_tokens / gpus
    reading = weights_bytes / (bandwidth * bandwidth_efficiency)
    return max(reading, flops / (peak_flops * flops_efficiency)) + communication


def throughput(concurrency: int, tpot: float) -> float:
    """Tokens a second of all running sequences."""
    return concurrency / tpot if tpot > 0 else 0.0


def training_step(
    params_active: int,
    tokens: int,
    sequence: int,
    arch: Architecture | None,
    peak_flops: int,
    *,
    recomputed: float = 0.0,
    efficiency: float = 0.4,
    gpus: int = 1,
    communication: float = 0.0,
) -> float:
    """Seconds of a step of `tokens` on `gpus`: 6 N, three causal attention passes, and recomputation.

    PaLM (arXiv 2204.02311, appendix B) counts so; `recomputed` is the checkpointed fraction of the layers,
    `efficiency` the share of the dense peak that is reached.
    """
    forward = 2 * params_active + (attention_flops(arch, sequence) / 2 if arch else 0.0)
    return forward * (3 + recomputed) * tokens / gpus / (peak_flops * efficiency) + communication
