"""Memory of one GPU that serves a model: weights, KV cache, the engine's activation peak and its overhead.

Formulas: MEMORY.md (inference), checked there against logs of vLLM, SGLang, TensorRT-LLM and llama.cpp.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Final

from planner.catalog.records import Architecture, Engine, Format, Layers
from planner.physics.architecture import (
    CLASSES,
    attention_widths,
    kind,
    layer_parameters,
    outside_parameters,
    parameters,
)

REPLICATED: Final = ("norm", "router", "other")
SAMPLER_BYTES: Final = Fraction(77, 2)


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of one GPU, part by part."""

    parts: dict[str, int]

    @property
    def total(self) -> int:
        """All parts together."""
        return sum(self.parts.values())


def class_bits(fmt: Format, native_bits: Fraction) -> dict[str, Fraction]:
    """Bits of a weight of each tensor class: what the format leaves alone stays 16 bit."""
    left = max(Fraction(16), fmt.bits) if fmt.bits > 16 else min(Fraction(16), max(native_bits, fmt.bits))
    return {name: left if name in fmt.leaves else fmt.bits for name in CLASSES}


def _bytes(counts: dict[str, int], bits: dict[str, Fraction], tp: int) -> Fraction:
    total = Fraction(0)
    for name, count in counts.items():
        local = count if name in REPLICATED else -(-count // tp)
        total += local * bits[name] / 8
    return total


def weights_per_gpu(
    arch: Architecture,
    params: int,
    fmt: Format,
    native_bits: Fraction = Fraction(16),
    tp: int = 1,
    pp: int = 1,
) -> int:
    """Weights on the fullest GPU. `tp` splits matrices, not norms and routers; `pp` splits the layers."""
    bits = class_bits(fmt, native_bits)
    outside = outside_parameters(arch)
    outside["other"] += params - sum(parameters(arch).values())
    groups = [(group.count, _bytes(layer_parameters(arch, group), bits, tp)) for group in arch.groups]
    if pp <= 1:
        return ceil(_bytes(outside, bits, tp) + sum(count * size for count, size in groups))
    stage, left = Fraction(0), -(-arch.layers // pp)
    for count, size in sorted(groups, key=lambda pair: -pair[1]):  # the fullest stage may hold the heaviest layers
        taken = min(count, left)
        stage, left = stage + taken * size, left - taken
    head = {
        **dict.fromkeys(outside, 0),
        "head": outside["head"] or outside["embedding"],
        "norm": outside["norm"],
    }
    first = {**outside, "head": 0, "norm": 0}
    return ceil(stage + max(_bytes(first, bits, tp), _bytes(head, bits, tp)))


@dataclass(frozen=True, slots=True)
class LayerCache:
    """What one layer holds on one GPU: bits a token, the window that bounds it, bits a sequence."""

    token_bits: Fraction
    window: int | None
    state_bits: Fraction


def layer_cache(group: Layers, hidden: int, bits: Fraction, tp: int = 1) -> LayerCache:
    """KV cache of one layer. MLA latents are not split by `tp`; recurrent states are 16 bit."""
    mixer = group.mixer
    match kind(mixer):
        case "gqa":
            if mixer.get("kv_shared"):
                return LayerCache(Fraction(0), None, Fraction(0))
            _, key, value = attention_widths(mixer)
            heads = int(mixer["kv_heads"])
            local = max(1, -(-heads // tp))
            limit = mixer.get("window") or mixer.get("chunk")
            return LayerCache((key + value) // heads * local * bits, int(limit) if limit else None, Fraction(0))
        case "mla":
            width = int(mixer["kv_lora_rank"]) + int(mixer["rope"])
            return LayerCache(width * bits, None, Fraction(0))
        case "gdn":
            heads, keys = int(mixer["v_heads"]), int(mixer["k_heads"]) * int(mixer["k_dim"])
            values = heads * int(mixer["v_dim"])
            elements = values * int(mixer["k_dim"]) + (2 * keys + values) * (int(mixer["d_conv"]) - 1)
        case "mamba1":
            elements = int(mixer["d_inner"]) * (int(mixer["d_state"]) + int(mixer["d_conv"]) - 1)
        case "mamba2":
            inner, states = int(mixer["d_inner"]), int(mixer["d_state"])
            elements = inner * states
            elements += (inner + 2 * int(mixer["groups"]) * states) * (int(mixer["d_conv"]) - 1)
        case "lightning":
            elements = int(mixer["heads"]) * int(mixer["head_dim"]) ** 2
        case "shortconv":
            elements = hidden * (int(mixer["d_conv"]) - 1)
        case _:
            elements = 0
    return LayerCache(Fraction(0), None, Fraction(-(-elements // tp) * 16))


def _stage_share(arch: Architecture, pp: int) -> Fraction:
    return Fraction(-(-arch.layers // pp), arch.layers) if pp > 1 else Fraction(1)


def kv_bytes_per_token(arch: Architecture, bits: Fraction = Fraction(16), tp: int = 1) -> int:
    """Bytes a token costs in the layers that hold every token."""
    caches = ((group.count, layer_cache(group, arch.hidden, bits, tp)) for group in arch.groups)
    return ceil(sum((n * cache.token_bits for n, cache in caches if cache.window is None), Fraction(0)) / 8)


def window_bytes_per_token(arch: Architecture, bits: Fraction = Fraction(16), tp: int = 1) -> int:
    """Bytes a token inside the window costs in the layers that hold only a window."""
    caches = ((group.count, layer_cache(group, arch.hidden, bits, tp)) for group in arch.groups)
    return ceil(sum((n * cache.token_bits for n, cache in caches if cache.window is not None), Fraction(0)) / 8)


def state_bytes(arch: Architecture, tp: int = 1) -> int:
    """Bytes of the recurrent states of one sequence."""
    states = (group.count * layer_cache(group, arch.hidden, Fraction(16), tp).state_bits for group in arch.groups)
    return ceil(sum(states, Fraction(0)) / 8)


def kv_cache(
    arch: Architecture,
    bits: Fraction = Fraction(16),
    tp: int = 1,
    pp: int = 1,
    context: int = 0,
    concurrency: int = 1,
    block: int = 1,
) -> int:
    """KV cache of `concurrency` sequences of `context` tokens, in whole blocks, on the fullest GPU."""
    return _held(_groups_cache(arch, bits, tp, pp), context, concurrency, block)


def _groups_cache(arch: Architecture, bits: Fraction, tp: int, pp: int) -> list[tuple[int, LayerCache]]:
    """Layers of each kind on the fullest stage: kinds alternate, so a stage holds its share of each, rounded up."""
    return [(-(-group.count // pp), layer_cache(group, arch.hidden, bits, tp)) for group in arch.groups]


def _held(groups: list[tuple[int, LayerCache]], context: int, concurrency: int, block: int) -> int:
    tokens = -(-context // block) * block
    total = Fraction(0)
    for count, cache in groups:
        held = tokens
        if cache.window is not None:
            held = min(tokens, -(-cache.window // block) * block)
        total += count * (held * cache.token_bits + cache.state_bits)
    return ceil(concurrency * total / 8)


def _widest(groups: Iterable[Layers]) -> int:
    widest = 0
    for group in groups:
        ffn = group.ffn or {}
        if kind(ffn) == "mlp":
            widest = max(widest, int(ffn["inter"]))
        elif kind(ffn) == "moe":
            shared = int(ffn.get("shared_inter") or 0) + int(ffn.get("plus_dense") or 0)
            widest = max(widest, int(ffn["topk"]) * int(ffn["inter"]) + shared)
    return widest


def activations(arch: Architecture, max_batched_tokens: int, tp: int = 1) -> int:
    """Peak of the forward pass: 2 bytes × batched tokens × 3 × (i + h); `tp` splits i."""
    return 2 * max_batched_tokens * 3 * (-(-_widest(arch.groups) // tp) + arch.hidden)


def logits(arch: Architecture, max_sequences: int, sampler_bytes: Fraction = SAMPLER_BYTES) -> int:
    """Peak of the sampler: about 38.5 bytes for each logit of each sequence (fitted to 19 vLLM logs)."""
    return ceil(sampler_bytes * max_sequences * arch.vocab)


def peak(
    arch: Architecture, max_batched_tokens: int, max_sequences: int, tp: int, sampler_bytes: Fraction
) -> tuple[int, int]:
    """Activations and logits at the peak: the larger of the two moments, the other is not there."""
    forward = activations(arch, max_batched_tokens, tp)
    sampler = logits(arch, max_sequences, sampler_bytes)
    return (forward, 0) if forward >= sampler else (0, sampler)


def overhead(engine: Engine, tp: int = 1) -> int:
    """Context, non-torch at this `tp` (nearest listed above, else the largest), and graphs."""
    listed = engine.non_torch_bytes
    fitting = [key for key in listed if key >= tp]
    non_torch = listed[min(fitting)] if fitting else (listed[max(listed)] if listed else 0)
    return engine.context_bytes + non_torch + engine.graph_bytes


def memory(
    arch: Architecture,
    params: int,
    fmt: Format,
    kv_bits: Fraction,
    engine: Engine,
    *,
    context: int,
    concurrency: int,
    native_bits: Fraction = Fraction(16),
    tp: int = 1,
    pp: int = 1,
    max_batched_tokens: int | None = None,
    max_sequences: int | None = None,
) -> Memory:
    """All parts of one GPU."""
    batched = engine.max_batched_tokens if max_batched_tokens is None else max_batched_tokens
    sequences = engine.max_sequences if max_sequences is None else max_sequences
    forward, sampler = peak(arch, batched, sequences, tp, engine.sampler_bytes_per_logit)
    return Memory(
        {
            "weights": weights_per_gpu(arch, params, fmt, native_bits, tp, pp),
            "kv_cache": kv_cache(arch, kv_bits, tp, pp, context, concurrency, engine.block_tokens),
            "activations": forward,
            "logits": sampler,
            "overhead": overhead(engine, tp),
            "margin": 0,
        }
    )


def max_concurrency(
    budget: int, arch: Architecture, bits: Fraction, tp: int, pp: int, context: int, block: int
) -> int | None:
    """How many sequences of `context` tokens the budget holds; None where a sequence costs nothing."""
    one = Fraction(kv_cache(arch, bits, tp, pp, context, 1 << 20, block), 1 << 20)
    return max(0, int(budget / one)) if one else None


def max_context(
    budget: int,
    arch: Architecture,
    bits: Fraction,
    tp: int,
    pp: int,
    concurrency: int,
    block: int,
    limit: int = 1 << 27,
) -> int:
    """The longest context, in whole blocks up to `limit`, at which the sequences fit."""
    groups = _groups_cache(arch, bits, tp, pp)
    low, high = 0, limit // block
    while low < high:
        middle = (low + high + 1) // 2
        if _held(groups, middle * block, concurrency, block) <= budget:
            low = middle
        else:
            high = middle - 1
    return low * block


def kv_tokens(budget: int, arch: Architecture, bits: Fraction, tp: int = 1, pp: int = 1, block: int = 1) -> int:
    """Tokens one shared pool of this size holds, in whole blocks: the budget over the bytes of a token."""
    per_token = kv_bytes_per_token(arch, bits, tp) + window_bytes_per_token(arch, bits, tp)
    if not per_token:
        return 0
    return max(0, int(budget / (per_token * _stage_share(arch, pp)))) // block * block
