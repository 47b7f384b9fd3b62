"""Memory of one GPU that serves a model, part by part, as pure functions of few arguments.

A solver tabulates each part over the decisions it depends on and adds the tables up:

- `profile(engine, version, gpu, *, utilization, max_sequences, max_batched_tokens, context)` → `Profile`, the engine at
  a version on a GPU with the workload's settings; the other functions take it instead of an engine.
- `weights_per_gpu(arch, params, fmt, native_bits, tp, pp, ep, *, max_context)` → bytes; for formats per layer
  `layer_weights(arch, group_index, fmt, native_bits, tp, ep)` and `outside_weights(arch, params, fmt, native_bits, tp)`
  → (first stage, last stage), and `rope_cache(arch, max_context)`.
- `cache_groups(arch, kv_format, profile, tp, pp)` and `sequences(profile, context, concurrency, shared_prefix, vision)`
  once, then `held(groups, sequences, profile.block)` → bytes of the KV cache.
- `peak(arch, profile, tp, ep, ranks=…, stages=…, context=…, sequences=…)` → (activations, logits).
- `overhead(profile, gpu, tp, pp, weights=…, activations=…, logits=…)` → bytes; only SGLang and TensorRT-LLM look at the
  sizes, which may be arrays.
- `usable(gpu, profile)` → bytes all parts must fit in.
- `margin(profile, confidence, weights, kv_cache, activations, logits, overhead)` → bytes; sizes may be arrays.
- `kv_budget(profile, gpu, tp, pp, weights=…, activations=…, logits=…)` → what the engine gives its cache, expected;
  `pool_tokens(budget, groups, block)`, `most_sequences(budget, groups, sequences, block)` and
  `longest_context(budget, groups, sequences, block, limit)` → `kv_tokens`, `max_concurrency`, `max_context`.
- `weights_beside` and `cache_beside` add LoRA adapters, a draft model and what is offloaded (`Extras`), and split
  attention by sequences (`Parallelism`); `parts(ServedModel, profile, gpu, sequences, Parallelism, Extras, confidence)`
  is everything for one GPU at once. It stands once, in `memory.py`; tables of many choices are made of the same
  functions.

Quantities of a workload that these take: `engine_version gpu_memory_utilization max_sequences max_batched_tokens
sampler cuda_graphs images all_to_all` (`profile`), `context concurrency shared_prefix vision_tokens` (`sequences`),
`adapters adapter_rank draft_model offloaded_weights offloaded_cache` (`Extras`), `attention_parallel`
(`Parallelism`), `confidence` (`margin`).
"""

from __future__ import annotations

from planner.physics.inference.blocks import Cut, cut
from planner.physics.inference.capacity import longest_context, most_sequences, pool_tokens
from planner.physics.inference.engine import (
    GRAPH_START,
    beside_budget,
    beside_pool,
    cache_room,
    exchange,
    fixed,
    graph_spread,
    graphs,
    in_budget,
    kv_budget,
    margin,
    margin_ppm,
    most_requests,
    non_torch,
    outside,
    overhead,
    own_share,
    request_table,
    runs_on,
    served_logits,
    static_free,
    usable,
    utilization,
)
from planner.physics.inference.kv_cache import (
    Groups,
    LayerCache,
    Sequences,
    bytes_held,
    format_bits,
    kv_bytes_per_token,
    kv_cache,
    layer_cache,
    layer_caches,
    state_bytes,
    window_bytes_per_token,
)
from planner.physics.inference.memory import (
    LARGEST,
    PARTS,
    Extras,
    Parallelism,
    ServedModel,
    cache_beside,
    cache_groups,
    cache_groups_beside,
    captured_graphs,
    overhead_beside,
    own_margin,
    parts,
    peaks,
    read_share,
    sequences,
    state_bits,
    weights_beside,
    with_extras,
)
from planner.physics.inference.paging import pages
from planner.physics.inference.peak import activations, follows_load, peak
from planner.physics.inference.profile import Profile, is_large, profile, release, version_of
from planner.physics.inference.sampling import (
    first_start,
    logits,
    sampler_states,
    traits,
    warm_up,
)
from planner.physics.inference.support import (
    EngineRequest,
    lacks,
    met_by_cache,
    met_by_gpu,
    met_by_split,
    met_by_weights,
    sequence_limit,
    sparse,
)
from planner.physics.inference.vision import encoder_of, images, towers
from planner.physics.inference.weights import adapters, any_layer, mixed_weights, weights_per_gpu
from planner.physics.inference.weights_of_layers import class_bits, layer_weights, outside_weights, rope_cache

__all__ = [
    "GRAPH_START",
    "LARGEST",
    "PARTS",
    "Cut",
    "EngineRequest",
    "Extras",
    "Groups",
    "LayerCache",
    "Parallelism",
    "Profile",
    "Sequences",
    "ServedModel",
    "activations",
    "adapters",
    "any_layer",
    "beside_budget",
    "beside_pool",
    "bytes_held",
    "cache_beside",
    "cache_groups",
    "cache_groups_beside",
    "cache_room",
    "captured_graphs",
    "class_bits",
    "cut",
    "encoder_of",
    "exchange",
    "first_start",
    "fixed",
    "follows_load",
    "format_bits",
    "graph_spread",
    "graphs",
    "images",
    "in_budget",
    "is_large",
    "kv_budget",
    "kv_bytes_per_token",
    "kv_cache",
    "lacks",
    "layer_cache",
    "layer_caches",
    "layer_weights",
    "logits",
    "longest_context",
    "margin",
    "margin_ppm",
    "met_by_cache",
    "met_by_gpu",
    "met_by_split",
    "met_by_weights",
    "mixed_weights",
    "most_requests",
    "most_sequences",
    "non_torch",
    "outside",
    "outside_weights",
    "overhead",
    "overhead_beside",
    "own_margin",
    "own_share",
    "pages",
    "parts",
    "peak",
    "peaks",
    "pool_tokens",
    "profile",
    "read_share",
    "release",
    "request_table",
    "rope_cache",
    "runs_on",
    "sampler_states",
    "sequence_limit",
    "sequences",
    "served_logits",
    "sparse",
    "state_bits",
    "state_bytes",
    "static_free",
    "towers",
    "traits",
    "usable",
    "utilization",
    "version_of",
    "warm_up",
    "weights_beside",
    "weights_per_gpu",
    "window_bytes_per_token",
    "with_extras",
]
