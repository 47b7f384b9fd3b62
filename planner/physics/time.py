"""Roofline times: bytes over bandwidth against operations over the dense peak."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from planner.catalog.architecture import Attention, CompressedAttention, Experts, LatentAttention
from planner.catalog.records import Architecture, Format
from planner.physics.architecture import layer_parameters
from planner.physics.inference.weights_of_layers import EXACT, layer_weights, outside_weights
from planner.record import dataclass


def attention_flops(arch: Architecture, context: int) -> int:
    """Operations of one token on `context` tokens' scores and values: 4 × q × context a layer."""
    total = 0
    for group in arch.groups:
        match group.mixer:
            case Attention() as mixer:
                limit = mixer.window or mixer.chunk
                width, seen = mixer.widths[0], min(context, limit) if limit else context
            case LatentAttention(heads=heads, query=query):
                width, seen = heads * query, context
            case CompressedAttention(rate=rate) as mixer:
                width = mixer.heads * mixer.head_dim
                seen = min(context, mixer.window) + (context // rate if rate else 0)
            case _:
                continue
        total += group.count * 4 * width * seen
    return total


def larger(first: Any, second: Any) -> Any:
    """The larger of two finite numbers, or of each pair of two arrays, exactly."""
    if isinstance(first, float | int) and isinstance(second, float | int):
        return first if first >= second else second
    return first * (first >= second) + second * (first < second)


def lesser(first: Any, second: Any) -> Any:
    """The smaller of two finite numbers, or of each pair of two arrays, exactly."""
    if isinstance(first, float | int) and isinstance(second, float | int):
        return first if first <= second else second
    return first * (first <= second) + second * (first > second)


def touched_experts(experts: Any, topk: Any, tokens: Any) -> Any:
    """Experts that at least one of `tokens` is routed to, when each chooses `topk` of `experts` evenly."""
    return experts * (1 - (1 - topk / experts) ** tokens)


@dataclass(frozen=True, slots=True)
class Reading:
    """Bytes of a model's weights by what a decoding step does with them, on all GPUs together.

    `dense` is read by every step, `experts` are (bytes, experts, chosen by a token); the embedding of an untied model
    is only looked up.
    """

    dense: float
    experts: tuple[tuple[float, int, int], ...]
    total: float

    def share(self, tokens: Any) -> Any:
        """The share of the weights that a step of `tokens` reads."""
        used = self.dense + sum(
            size * touched_experts(count, chosen, tokens) / count for size, count, chosen in self.experts
        )
        return used / self.total


def reading(arch: Architecture, params: int, fmt: Format, native_bits: Fraction = Fraction(16)) -> Reading:
    """What of these weights a step reads."""
    first, last = outside_weights(arch, params, fmt, native_bits, rounding=EXACT)
    dense = float(last + (first if arch.tied else 0))
    total = float(first + last)
    experts = []
    for index, group in enumerate(arch.groups):
        size = group.count * layer_weights(arch, index, fmt, native_bits, rounding=EXACT)
        total += size
        if isinstance(group.ffn, Experts):
            counts = layer_parameters(arch, group)
            routed = _routed(group.ffn, arch.hidden) / sum(counts.values())
            if fmt.only == "experts":  # the other tensors have 16 bits and more of the bytes
                bits = float(fmt.bits)
                routed = routed * bits / (routed * bits + (1 - routed) * 16)
            experts.append((size * routed, group.ffn.experts, group.ffn.topk))
            size = size * (1 - routed)  # type: ignore[assignment]
        dense += size
    return Reading(dense, tuple(experts), total)


def routed_params(arch: Architecture) -> int:
    """Parameters of all experts that tokens are routed to."""
    mixtures = ((group.count, group.ffn) for group in arch.groups if isinstance(group.ffn, Experts))
    return sum(count * _routed(ffn, arch.hidden) for count, ffn in mixtures)


def active_params(arch: Architecture, params: int) -> float:
    """Parameters that a token passes: all but those of the experts that it is not routed to."""
    mixtures = ((group.count, group.ffn) for group in arch.groups if isinstance(group.ffn, Experts))
    return params - sum(count * _routed(ffn, arch.hidden) * (1 - ffn.topk / ffn.experts) for count, ffn in mixtures)


def _routed(ffn: Experts, hidden: int) -> int:
    return ffn.experts * (3 if ffn.gated else 2) * (ffn.latent or hidden) * ffn.inter


def host_link(pcie: str | None) -> float:
    """Bytes a second between host and GPU, one direction: 0.985 GB/s a lane of gen 3, twice that each generation.

    PCI-SIG; of which about 0.8 are reached (estimate). Unknown is gen 4 x16.
    """
    generation, lanes = 4.0, 16
    if pcie and "x" in pcie:
        head, _, tail = pcie.partition("x")
        generation, lanes = float(head), int(tail.split()[0])
    return 0.8 * 0.985e9 * 2 ** (generation - 3) * lanes


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
