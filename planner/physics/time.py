"""Roofline times: bytes over bandwidth against operations over the dense peak."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from planner.catalog.records import Architecture, Format
from planner.physics.architecture import attention_widths, kind, layer_parameters
from planner.physics.inference.layer_bytes import EXACT, layer_weights, outside_weights
from planner.record import dataclass


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
        elif kind(group.mixer) == "compressed":
            mixer = group.mixer
            width, rate = int(mixer["heads"]) * int(mixer["head_dim"]), int(mixer.get("rate") or 0)
            seen = min(context, int(mixer["window"])) + (context // rate if rate else 0)
        else:
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
        if kind(group.ffn) == "moe":
            counts = layer_parameters(arch, group)
            routed = _routed(group.ffn, arch.hidden) / sum(counts.values())
            if fmt.only == "experts":  # the other tensors have 16 bits and more of the bytes
                bits = float(fmt.bits)
                routed = routed * bits / (routed * bits + (1 - routed) * 16)
            experts.append((size * routed, int(group.ffn["experts"]), int(group.ffn["topk"])))
            size = size * (1 - routed)  # type: ignore[assignment]
        dense += size
    return Reading(dense, tuple(experts), total)


def routed_params(arch: Architecture) -> int:
    """Parameters of all experts that tokens are routed to."""
    return sum(group.count * _routed(group.ffn, arch.hidden) for group in arch.groups if kind(group.ffn) == "moe")


def _routed(ffn: Mapping[str, Any], hidden: int) -> int:
    width = int(ffn.get("latent") or hidden)
    return int(ffn["experts"]) * (3 if ffn.get("gated", True) else 2) * width * int(ffn["inter"])


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
