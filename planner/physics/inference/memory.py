"""All parts of one GPU that serves a model: the one place that says how the pieces of this package add up.

`parts` adds them up for one choice. A table of choices asks for the same functions part by part, each once for what it
depends on; where they take sizes these may be arrays.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

from planner.catalog.records import Architecture, Format, Gpu
from planner.physics.inference import engine
from planner.physics.inference.kv_cache import (
    PRECISE_STATES,
    Groups,
    LayerCache,
    Pools,
    Sequences,
    bytes_held,
    format_bits,
    layer_caches,
)
from planner.physics.inference.llama_cpp import MICRO_BATCH
from planner.physics.inference.paging import divided, paged, pooled
from planner.physics.inference.peak import follows_load, peak
from planner.physics.inference.profile import Keeping, Profile
from planner.physics.inference.vision import towers
from planner.physics.inference.weights import adapters, mixed_weights, weights_per_gpu
from planner.physics.remembered import remembered
from planner.record import dataclass

PARTS = ("weights", "kv_cache", "activations", "logits", "overhead", "margin")
SIXTEEN = Fraction(16)
LARGEST = 2**58
"""What exceeds every machine: larger parts are counted as this, so that sums of columns stay below 2^63."""


@dataclass(frozen=True, slots=True)
class Parallelism:
    """How one replica is split."""

    tensor: int = 1
    """Ranks that share each layer."""
    pipeline: int = 1
    """Stages that the layers are dealt to."""
    expert: int = 1
    """Ranks, of those that share a layer, that hold whole experts."""
    by_sequence: bool = False
    """Whether the ranks that share a layer split attention by sequences instead of heads."""

    @property
    def heads(self) -> int:
        """Ranks that share the heads."""
        return 1 if self.by_sequence else self.tensor

    @property
    def sharers(self) -> int:
        """Ranks that share the sequences."""
        return self.tensor if self.by_sequence else 1


@dataclass(frozen=True, slots=True)
class Extras:
    """What is loaded beside the model, and what is in host memory."""

    adapters: int = 0
    """LoRA adapters that have a slot."""
    adapter_rank: int = 16
    """The largest rank of one."""
    draft: tuple[Architecture, int, Format] | None = None
    """A draft model for speculative decoding: architecture, parameters, format."""
    offloaded_weights: int = 0
    """Bytes of each GPU's weights that are in host memory."""
    offloaded_cache: int = 0
    """Bytes of host memory for blocks that sequences may come back to. It takes nothing off the GPU: running sequences
    have all of theirs there (docs.vllm.ai, features/kv_offloading_usage: "completed KV blocks";
    NVIDIA/TensorRT-LLM#7281)."""


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model in the formats that it is served in."""

    arch: Architecture
    params: int
    """Parameters of all it has, towers included."""
    fmt: Format
    """The format of the weights; where formats differ by layer, of those outside the layers."""
    kv_format: Format
    native_bits: Fraction = SIXTEEN
    """Bits of a weight that no format changes."""
    max_context: int | None = None
    """Tokens that its rotary table has rows for."""
    layers: tuple[tuple[int, Format], ...] = ()
    """Where formats differ by layer: the group and the format of each layer, first to last."""


def state_bits(arch: Architecture, profile: Profile) -> int:
    """Bits of a number of a recurrent state, as this engine keeps it."""
    return _state_bits(arch, profile.state_bits)


def _state_bits(arch: Architecture, stated_bits: int) -> int:
    return 32 if arch.family in PRECISE_STATES else stated_bits


def cache_groups(arch: Architecture, fmt: Format, profile: Profile, tp: int = 1, pp: int = 1) -> Groups:
    """The layers of the fullest stage with what each holds, in this KV format and as this engine keeps them."""
    return _cache_groups(arch, fmt, profile.keeps, tp, pp)


@remembered(4096)
def _cache_groups(arch: Architecture, fmt: Format, keeps: Keeping, tp: int, pp: int) -> Groups:
    whole = pooled(arch, fmt, keeps.compressed_pool, pp)
    if whole is not None:
        return tuple(whole)
    bits, scale_bits = format_bits(fmt)

    def layers(bits: Fraction, scale_bits: int) -> list[tuple[int, LayerCache]]:
        return layer_caches(
            arch,
            bits,
            tp,
            pp,
            scale_bits=scale_bits,
            state_bits=_state_bits(arch, keeps.state_bits),
            windows=keeps.windows,
            latent_multiple=keeps.latent_multiple,
            layer_split=keeps.layer_split,
        )

    caches = layers(bits, scale_bits)
    if fmt.kv_whole_layers and len({cache for _, cache in caches}) == 1:  # a stage has the first of them, or the last
        count = sum(layer for layer, _ in caches)
        kept = min(count, -(-fmt.kv_whole_layers // min(pp, 2)))
        return (count - kept, caches[0][1]), (kept, layers(SIXTEEN, 0)[0][1])
    if keeps.pools.state_batches:  # of a pipeline's stages as many batches are under way
        caches = [(count, replace(cache, state_bits=pp * cache.state_bits)) for count, cache in caches]
    if keeps.pools.state_ratio or keeps.pools.window_ratio:
        return tuple(divided(caches, keeps.pools.window_ratio, keeps.pools.state_slots, keeps.pools.state_ratio))
    return tuple(paged(caches, keeps.block, keeps.state_pages, keeps.state_tokens))


def sequences(
    profile: Profile, context: int, concurrency: int, shared_prefix: int = 0, vision: int = 0, ranks: int = 1
) -> Sequences:
    """The sequences on one GPU as its cache sees them: `ranks` that split attention by sequences have a share each."""
    local = -(-concurrency // ranks)
    each = MICRO_BATCH if profile.engine == "llama_cpp" else 0
    chunk = 0 if each else profile.max_batched_tokens * profile.in_flight
    if profile.whole_batches:  # one layer at a time, which its activations have
        chunk = 0
    states = profile.max_sequences if profile.keeps.pools.state_batches else 0
    return Sequences(context, local, shared_prefix, chunk, vision, states, each)


def read_share(arch: Architecture, fmt: Format, profile: Profile, load: Sequences) -> float:
    """What a decoding step reads at full context, of the bytes that the cache takes.

    Every sequence reads a prefix that is stored once (vLLM's cascade attention is off by default, config/model.py
    disable_cascade_attn, 0.33.0), and of pools of fixed sizes what sequences have is read alone.
    """
    stored = bytes_held(cache_groups(arch, fmt, profile), load, profile.block)
    plain = profile.keeps._replace(pools=Pools())
    read = bytes_held(_cache_groups(arch, fmt, plain, 1, 1), replace(load, shared_prefix=0, states=0), profile.block)
    return read / stored if stored else 1.0


def weights_beside(model: ServedModel, ranks: Parallelism, extras: Extras, profile: Profile) -> int:
    """Weights on the fullest GPU: the model, the draft and the adapters, less what is in host memory."""
    tp, pp = ranks.tensor, ranks.pipeline
    max_context = model.max_context if profile.rope_cache else None
    if model.layers:
        total = mixed_weights(
            model.arch,
            model.params,
            model.fmt,
            model.layers,
            model.native_bits,
            tp,
            pp,
            ranks.expert,
            max_context=max_context,
            attention_tp=ranks.heads,
        )
    else:
        total = weights_per_gpu(
            model.arch,
            model.params,
            model.fmt,
            model.native_bits,
            tp,
            pp,
            ranks.expert,
            max_context=max_context,
            attention_tp=ranks.heads,
            layer_split=profile.layer_split,
            absorbed=profile.absorbed,
            kernels=profile.expert_kernels,
        )
    return with_extras(total, model.arch, ranks, extras, profile)


def with_extras(weights: int, arch: Architecture | None, ranks: Parallelism, extras: Extras, profile: Profile) -> int:
    """A model's own `weights` on the fullest GPU with the draft and the adapters, less what is in host memory.

    Where GPU and host share one memory nothing is less; adapters are of an architecture that is known. LARGEST at most.
    """
    if extras.draft:
        weights += weights_per_gpu(*extras.draft, tp=ranks.tensor)
    if extras.adapters and arch is not None:
        weights += adapters(arch, extras.adapter_rank, extras.adapters, ranks.tensor) // ranks.pipeline
    return min(max(0, weights - (0 if profile.unified else extras.offloaded_weights)), LARGEST)


def cache_groups_beside(model: ServedModel, ranks: Parallelism, extras: Extras, profile: Profile) -> Groups:
    """The layers of the fullest stage with what each holds, and those of the draft model, in one stage."""
    groups = cache_groups(model.arch, model.kv_format, profile, ranks.heads, ranks.pipeline)
    if extras.draft:
        groups = (*groups, *cache_groups(extras.draft[0], model.kv_format, profile, ranks.heads))
    return groups


def cache_beside(model: ServedModel, ranks: Parallelism, extras: Extras, profile: Profile, load: Sequences) -> int:
    """KV cache on the fullest GPU, the draft's too, LARGEST at most.

    What is offloaded is a copy of blocks that no sequence runs on.
    """
    return min(bytes_held(cache_groups_beside(model, ranks, extras, profile), load, profile.block), LARGEST)


def peaks(
    arch: Architecture, profile: Profile, ranks: Parallelism, load: Sequences, first: bool = True
) -> tuple[int, int]:
    """(activations, logits) at the engine's peak, on a `first` start or a later one, LARGEST at most."""
    follow = follows_load(profile)
    forward, sampler = peak(
        arch,
        profile,
        ranks.tensor,
        ranks.expert,
        ranks=ranks.sharers,
        stages=ranks.pipeline if follow else 1,  # others share the answer whatever their stages and their load
        context=load.context * load.concurrency if follow else 0,
        sequences=load.concurrency if follow or profile.drafted else 1,
        first=first,
    )
    return min(forward, LARGEST), min(sampler, LARGEST)


def captured_graphs(arch: Architecture, profile: Profile, ranks: Parallelism, extras: Extras) -> int:
    """CUDA graphs on one GPU: the model's, and those of a draft, which has its own."""
    drafted = engine.graphs(extras.draft[0], profile, ranks.tensor) - profile.graphs if extras.draft else 0
    return engine.graphs(arch, profile, ranks.tensor, ranks.pipeline) + drafted


def overhead_beside(
    arch: Architecture,
    profile: Profile,
    gpu: Gpu | None,
    ranks: Parallelism,
    extras: Extras,
    weights: Any,
    peaks: tuple[Any, Any],
) -> Any:
    """What no tensor of the program accounts for, with the offloaded cache where GPU and host share one memory.

    Without a `gpu` all of it counts, outside the engine's own budget too. `weights` may be an array.
    """
    tp, pp = ranks.tensor, ranks.pipeline
    graphs = captured_graphs(arch, profile, ranks, extras)
    if gpu is None:
        return profile.context + engine.non_torch(profile, gpu, tp, pp) + graphs
    above = engine.overhead(
        profile,
        gpu,
        tp,
        pp,
        weights=weights,
        activations=peaks[0],
        logits=peaks[1],
        towers=towers(arch, profile),
        exchange=engine.exchange(arch, profile, ranks.sharers if ranks.expert > 1 else 1),
        graphs=graphs,
        attention_ranks=ranks.sharers,
    )
    return above + (extras.offloaded_cache if gpu.unified else 0)


def own_margin(arch: Architecture, profile: Profile, gpu: Gpu | None, ranks: Parallelism, extras: Extras) -> int:
    """The share of the overhead that has a margin of its own."""
    if gpu is None:
        return 0
    graphs = captured_graphs(arch, profile, ranks, extras)
    return engine.own_share(profile, gpu, ranks.tensor, ranks.pipeline, graphs)


def parts(
    model: ServedModel,
    profile: Profile,
    gpu: Gpu | None,
    load: Sequences,
    ranks: Parallelism = Parallelism(),  # noqa: B008
    extras: Extras = Extras(),  # noqa: B008
    confidence: Fraction | None = None,
) -> dict[str, int]:
    """Bytes of all parts of the fullest GPU, by the names in PARTS.

    Without a `gpu` the whole overhead counts, outside the engine's own budget too; without a `confidence` the margin
    is zero and every part the expected value.
    """
    weights = weights_beside(model, ranks, extras, profile)
    cache = cache_beside(model, ranks, extras, profile, load)
    both = peaks(model.arch, profile, ranks, load)
    above = int(overhead_beside(model.arch, profile, gpu, ranks, extras, weights, both))
    sizes = (weights, cache, *both, above)
    apart = own_margin(model.arch, profile, gpu, ranks, extras)
    extra = engine.margin(profile, confidence, *sizes, apart) if confidence else 0
    return dict(zip(PARTS, (*sizes, extra), strict=True))
