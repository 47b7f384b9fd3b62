"""Memory of one GPU that serves a model, part by part, as pure functions of few arguments.

A solver tabulates each part over the decisions it depends on and adds the tables up:

- `profile(engine, version, gpu, *, utilization, max_sequences, max_batched_tokens, context)` → `Profile`, the engine at
  a version on a GPU with the workload's settings; the other functions take it instead of an engine.
- `weights_per_gpu(arch, params, fmt, native_bits, tp, pp, ep, *, max_context)` → bytes; for formats per layer
  `layer_weights(arch, group_index, fmt, native_bits, tp, ep)` and `outside_weights(arch, params, fmt, native_bits, tp)`
  → (first stage, last stage), and `rope_cache(arch, max_context)`.
- `cache_groups(arch, kv_format, profile, tp, pp)` once, then `held(groups, Sequences(context, concurrency, …), block)`
  → bytes of the KV cache; `kv_cache(…)` does both.
- `peak(arch, profile, tp, context=…)` → (activations, logits).
- `overhead(profile, gpu, tp, pp, weights=…, activations=…, logits=…)` → bytes; only SGLang and TensorRT-LLM look at the
  sizes, which may be arrays.
- `usable(gpu, profile)` → bytes all parts must fit in.
- `margin(profile, confidence, weights, kv_cache, activations, logits, overhead)` → bytes; sizes may be arrays.
- `kv_budget(profile, gpu, tp, pp, weights=…, activations=…, logits=…)` → what the engine gives its cache, expected;
  `pool_tokens(budget, groups, block)`, `most_sequences(budget, groups, sequences, block)` and
  `longest_context(budget, groups, sequences, block, limit)` → `kv_tokens`, `max_concurrency`, `max_context`.
- `adapters(arch, rank, count, tp)` → bytes of LoRA adapters beside the base. A draft model is a model of its own: add
  its `weights_per_gpu` and its `held`.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from planner.catalog.records import Architecture, Engine, Format, Gpu
from planner.physics.inference.capacity import longest_context, most_sequences, pool_tokens
from planner.physics.inference.engine import (
    activations,
    in_budget,
    kv_budget,
    logits,
    margin,
    margin_ppm,
    non_torch,
    overhead,
    peak,
    usable,
)
from planner.physics.inference.kv_cache import (
    LayerCache,
    Sequences,
    format_bits,
    held,
    kv_bytes_per_token,
    kv_cache,
    layer_cache,
    layer_caches,
    state_bytes,
    window_bytes_per_token,
)
from planner.physics.inference.profile import Profile, is_large, profile, release, version_of
from planner.physics.inference.weights import (
    adapters,
    class_bits,
    layer_weights,
    outside_weights,
    rope_cache,
    weights_per_gpu,
)

__all__ = [
    "LayerCache",
    "Memory",
    "Profile",
    "Sequences",
    "activations",
    "adapters",
    "cache_groups",
    "class_bits",
    "format_bits",
    "held",
    "in_budget",
    "is_large",
    "kv_budget",
    "kv_bytes_per_token",
    "kv_cache",
    "kv_tokens",
    "layer_cache",
    "layer_caches",
    "layer_weights",
    "logits",
    "longest_context",
    "margin",
    "margin_ppm",
    "max_concurrency",
    "max_context",
    "memory",
    "most_sequences",
    "non_torch",
    "outside_weights",
    "overhead",
    "peak",
    "pool_tokens",
    "profile",
    "release",
    "rope_cache",
    "state_bytes",
    "usable",
    "version_of",
    "weights_per_gpu",
    "window_bytes_per_token",
]


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of one GPU, part by part."""

    parts: dict[str, int]

    @property
    def total(self) -> int:
        """All parts together."""
        return sum(self.parts.values())


def cache_groups(
    arch: Architecture, fmt: Format, profile: Profile, tp: int = 1, pp: int = 1
) -> list[tuple[int, LayerCache]]:
    """The layers of the fullest stage with what each holds, in this KV format and as this engine keeps them."""
    bits, scale_bits = format_bits(fmt)
    return layer_caches(
        arch,
        bits,
        tp,
        pp,
        scale_bits=scale_bits,
        state_bits=profile.state_bits,
        windows=profile.windows,
        latent_multiple=profile.latent_multiple,
    )


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
    version: str | None = None,
    gpu: Gpu | None = None,
    max_context: int | None = None,
    confidence: Fraction | None = None,
) -> Memory:
    """All parts of one GPU; without a `gpu` the whole overhead counts, without a `confidence` the margin is zero."""
    found = profile(
        engine, version, gpu, max_sequences=max_sequences, max_batched_tokens=max_batched_tokens, context=context
    )
    weights = weights_per_gpu(
        arch, params, fmt, native_bits, tp, pp, max_context=max_context if found.rope_cache else None
    )
    groups = layer_caches(arch, kv_bits, tp, pp, state_bits=found.state_bits, windows=found.windows)
    cache = held(groups, Sequences(context, concurrency), found.block)
    forward, sampler = peak(arch, found, tp, context=context * concurrency)
    if gpu is None:
        rest = found.context + non_torch(found, tp, pp) + found.graphs
    else:
        rest = overhead(found, gpu, tp, pp, weights=weights, activations=forward, logits=sampler)
    sizes = (weights, cache, forward, sampler, rest)
    extra = margin(found, confidence, *sizes) if confidence else 0
    names = ("weights", "kv_cache", "activations", "logits", "overhead", "margin")
    return Memory(dict(zip(names, (*sizes, extra), strict=True)))


def max_concurrency(
    budget: int, arch: Architecture, bits: Fraction, tp: int, pp: int, context: int, block: int
) -> int | None:
    """How many sequences of `context` tokens the budget holds; None where a sequence costs nothing."""
    return most_sequences(budget, layer_caches(arch, bits, tp, pp), Sequences(context, 1), block)


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
    return longest_context(budget, layer_caches(arch, bits, tp, pp), Sequences(0, concurrency), block, limit)


def kv_tokens(budget: int, arch: Architecture, bits: Fraction, tp: int = 1, pp: int = 1, block: int = 1) -> int:
    """Tokens one shared pool of this size holds, in whole blocks."""
    return pool_tokens(budget, layer_caches(arch, bits, tp, pp), block)
