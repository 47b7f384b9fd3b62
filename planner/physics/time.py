"""Roofline times: bytes over bandwidth against operations over the dense peak."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from planner.catalog.records import Architecture, Engine, Format
from planner.physics.architecture import attention_widths, kind, layer_parameters
from planner.physics.inference.weights import EXACT, layer_weights, outside_weights
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


@dataclass(frozen=True, slots=True)
class Pace:
    """How close an engine comes to its hardware: shares of bandwidth and dense peak, and seconds that do not shrink.

    A step costs `step` and `sequence` for each running sequence (scheduling, launches, sampling); a collective
    operation `collective`; `conversion` is the share of the bandwidth that block formats reach beside 16-bit weights.
    """

    bandwidth: float
    flops: float
    step: float = 0.0
    sequence: float = 0.0
    collective: float = 0.0
    conversion: float = 1.0


def pace(engine: Engine) -> Pace:
    """An engine's figures from the catalog."""
    return Pace(
        float(engine.bandwidth_efficiency),
        float(engine.flops_efficiency),
        engine.step_us / 1e6,
        engine.sequence_us / 1e6,
        engine.collective_us / 1e6,
        float(engine.conversion_efficiency),
    )


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


def _routed(ffn: Mapping[str, Any], hidden: int) -> int:
    width = int(ffn.get("latent") or hidden)
    return int(ffn["experts"]) * (3 if ffn.get("gated", True) else 2) * width * int(ffn["inter"])


def allreduce(hidden: int, layers: int, tokens: Any, tp: Any, link_bandwidth: Any, latency: float = 0.0) -> Any:
    """Two ring all-reduces of 16-bit activations a layer: each moves 2 (tp - 1) / tp of the tensor, and its latency."""
    split = (tp > 1) * 1
    return 2 * layers * split * (2 * hidden * tokens * 2 * (tp - 1) / tp / link_bandwidth + latency)


def alltoall(hidden: int, layers: int, tokens: Any, topk: int, ep: Any, link_bandwidth: Any, latency: float) -> Any:
    """Sending 16-bit activations to the experts of other ranks and back, once each a layer."""
    split = (ep > 1) * 1
    return 2 * layers * split * (2 * hidden * tokens * topk / ep * (ep - 1) / ep / link_bandwidth + latency)


def host_link(pcie: str | None) -> float:
    """Bytes a second between host and GPU, one direction: 0.985 GB/s a lane of gen 3, twice that each generation.

    PCI-SIG; of which about 0.8 are reached (estimate). Unknown is gen 4 x16.
    """
    generation, lanes = 4.0, 16
    if pcie and "x" in pcie:
        head, _, tail = pcie.partition("x")
        generation, lanes = float(head), int(tail.split()[0])
    return 0.8 * 0.985e9 * 2 ** (generation - 3) * lanes


def decode_step(
    how: Pace,
    *,
    weights: Any,
    cache: Any,
    flops: Any,
    batch: Any,
    bandwidth: Any,
    peak_flops: Any,
    converted: bool = False,
    communication: Any = 0.0,
    offloaded: Any = 0.0,
    host_bandwidth: Any = 1.0,
) -> Any:
    """Seconds of one step that gives each of `batch` sequences a token, on one GPU's share.

    `weights` and `cache` are the bytes it reads, `flops` what it computes; `converted` weights are unpacked while they
    are read; `offloaded` bytes come from the host in every step. Arguments may be arrays.
    """
    share = how.bandwidth * (how.conversion if converted else 1.0)
    read = weights / (bandwidth * share) + cache / (bandwidth * how.bandwidth)
    work = larger(read, flops / (peak_flops * how.flops))
    return work + how.step + how.sequence * batch + communication + offloaded / host_bandwidth


def prefill_time(
    how: Pace,
    *,
    flops: Any,
    weights: Any,
    bandwidth: Any,
    peak_flops: Any,
    passes: Any = 1,
    communication: Any = 0.0,
) -> Any:
    """Seconds to compute a prompt in `passes` passes, each of which reads the weights: the larger of both."""
    work = larger(flops / (peak_flops * how.flops), passes * weights / (bandwidth * how.bandwidth))
    return work + passes * how.step + communication


def prompt_flops(arch: Architecture, active_params: int, prompt: int) -> float:
    """Operations of a whole prompt: 2 a parameter and token, and causal attention (half of all pairs)."""
    return (2 * active_params + attention_flops(arch, prompt) / 2) * prompt


def token_flops(arch: Architecture, active_params: int, context: int) -> float:
    """Operations of one token that sees `context` tokens."""
    return 2 * active_params + attention_flops(arch, context)


def output_rate(batch: Any, output: int, step: Any, prefill: Any) -> Any:
    """Output tokens a second of `batch` slots, each of which is filled by a prompt and then gives `output` tokens.

    Prefills take the GPU from the steps of all others, so a round costs each sequence its share of them.
    """
    return batch * output / (batch * prefill + output * step)


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
