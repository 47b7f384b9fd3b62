"""All parts of one GPU together: how the pieces of this package add up for a workload."""

from __future__ import annotations

from fractions import Fraction

from planner.catalog.records import Architecture, Format, Gpu
from planner.physics.inference.engine import exchange, graphs, margin, non_torch, overhead, own_share, peak
from planner.physics.inference.kv_cache import PRECISE_STATES, LayerCache, Sequences, format_bits, held, layer_caches
from planner.physics.inference.llama_cpp import MICRO_BATCH
from planner.physics.inference.paging import paged, pooled
from planner.physics.inference.profile import Profile
from planner.physics.inference.vision import towers
from planner.physics.inference.weights import adapters, weights_per_gpu
from planner.record import dataclass

PARTS = ("weights", "kv_cache", "activations", "logits", "overhead", "margin")
SIXTEEN = Fraction(16)


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of one GPU, part by part."""

    parts: dict[str, int]

    @property
    def total(self) -> int:
        """All parts together."""
        return sum(self.parts.values())


@dataclass(frozen=True, slots=True)
class Split:
    """How one replica is split: tensor, pipeline and expert parallel; attention by sequences instead of heads."""

    tensor: int = 1
    pipeline: int = 1
    expert: int = 1
    attention_by_sequence: bool = False

    @property
    def attention(self) -> int:
        """Ranks that share the heads."""
        return 1 if self.attention_by_sequence else self.tensor


@dataclass(frozen=True, slots=True)
class Beside:
    """What is loaded beside the model, and what is in host memory (bytes of each GPU).

    An offloaded cache holds blocks that sequences may come back to, and takes nothing off the GPU: running ones have
    all of theirs there (docs.vllm.ai, features/kv_offloading_usage: "completed KV blocks"; NVIDIA/TensorRT-LLM#7281).
    """

    adapters: int = 0
    adapter_rank: int = 16
    draft: tuple[Architecture, int, Format] | None = None
    offloaded_weights: int = 0
    offloaded_cache: int = 0


@dataclass(frozen=True, slots=True)
class Shape:
    """A model as the memory of serving it needs it."""

    arch: Architecture
    params: int
    fmt: Format
    kv_format: Format
    native_bits: Fraction = SIXTEEN
    max_context: int | None = None


def state_bits(arch: Architecture, profile: Profile) -> int:
    """Bits of a number of a recurrent state, as this engine keeps it."""
    return 32 if arch.family in PRECISE_STATES else profile.state_bits


def cache_groups(
    arch: Architecture, fmt: Format, profile: Profile, tp: int = 1, pp: int = 1
) -> list[tuple[int, LayerCache]]:
    """The layers of the fullest stage with what each holds, in this KV format and as this engine keeps them."""
    whole = pooled(arch, fmt, profile.compressed_pool, pp)
    if whole is not None:
        return whole
    bits, scale_bits = format_bits(fmt)

    def layers(bits: Fraction, scale_bits: int) -> list[tuple[int, LayerCache]]:
        return layer_caches(
            arch,
            bits,
            tp,
            pp,
            scale_bits=scale_bits,
            state_bits=state_bits(arch, profile),
            windows=profile.windows,
            latent_multiple=profile.latent_multiple,
            layer_split=profile.layer_split,
        )

    found = layers(bits, scale_bits)
    if fmt.kv_whole_layers and len({cache for _, cache in found}) == 1:  # a stage has the first of them, or the last
        count = sum(layer for layer, _ in found)
        kept = min(count, -(-fmt.kv_whole_layers // min(pp, 2)))
        return [(count - kept, found[0][1]), (kept, layers(SIXTEEN, 0)[0][1])]
    return paged(found, profile.block, profile.state_pages)


def sequences(
    profile: Profile, context: int, concurrency: int, shared_prefix: int = 0, vision: int = 0, ranks: int = 1
) -> Sequences:
    """The sequences on one GPU as its cache sees them: `ranks` that split attention by sequences have a share each."""
    local = -(-concurrency // ranks)
    chunk = MICRO_BATCH * local if profile.engine == "llama_cpp" else profile.max_batched_tokens * profile.in_flight
    return Sequences(context, local, shared_prefix, chunk, vision)


def weights_beside(model: Shape, split: Split, beside: Beside, found: Profile) -> int:
    """Weights on the fullest GPU: the model, the draft and the adapters, less what is in host memory."""
    tp, pp = split.tensor, split.pipeline
    total = weights_per_gpu(
        model.arch,
        model.params,
        model.fmt,
        model.native_bits,
        tp,
        pp,
        split.expert,
        max_context=model.max_context if found.rope_cache else None,
        attention_tp=split.attention,
        layer_split=found.layer_split,
        absorbed=found.absorbed,
        kernels=found.expert_kernels,
    )
    if beside.draft:
        arch, params, fmt = beside.draft
        total += weights_per_gpu(arch, params, fmt, SIXTEEN, tp)
    if beside.adapters:
        total += adapters(model.arch, beside.adapter_rank, beside.adapters, tp) // pp
    return max(0, total - (0 if found.unified else beside.offloaded_weights))


def cache_beside(model: Shape, split: Split, beside: Beside, found: Profile, load: Sequences) -> int:
    """KV cache on the fullest GPU, the draft's too: what is offloaded is a copy of blocks that no sequence runs on."""
    groups = cache_groups(model.arch, model.kv_format, found, split.attention, split.pipeline)
    total = held(groups, load, found.block)
    if beside.draft:
        total += held(cache_groups(beside.draft[0], model.kv_format, found, split.attention), load, found.block)
    return total


def captured_graphs(arch: Architecture, found: Profile, tp: int, pp: int, beside: Beside) -> int:
    """CUDA graphs on one GPU: the model's, and those of a draft, which has its own."""
    drafted = graphs(beside.draft[0], found, tp) - found.graphs if beside.draft else 0
    return graphs(arch, found, tp, pp) + drafted


def parts(
    model: Shape,
    found: Profile,
    gpu: Gpu | None,
    load: Sequences,
    split: Split = Split(),  # noqa: B008
    beside: Beside = Beside(),  # noqa: B008
    confidence: Fraction | None = None,
) -> Memory:
    """All parts of one GPU, by name.

    Without a `gpu` the whole overhead counts, outside the engine's own budget too; without a `confidence` the margin
    is zero and every part the expected value.
    """
    tp, pp = split.tensor, split.pipeline
    weights = weights_beside(model, split, beside, found)
    cache = cache_beside(model, split, beside, found, load)
    ranks = tp if split.attention_by_sequence else 1
    forward, sampler = peak(
        model.arch,
        found,
        tp,
        split.expert,
        ranks=ranks,
        stages=pp,
        context=load.context * load.concurrency,
        sequences=load.concurrency,
    )
    captured = captured_graphs(model.arch, found, tp, pp, beside)
    if gpu is None:
        rest = found.context + non_torch(found, gpu, tp, pp) + captured
    else:
        rest = overhead(
            found,
            gpu,
            tp,
            pp,
            weights=weights,
            activations=forward,
            logits=sampler,
            towers=towers(model.arch, found),
            exchange=exchange(model.arch, found, ranks if split.expert > 1 else 1),
            graphs=captured,
            own=ranks,
        )
    sizes = (weights, cache, forward, sampler, rest)
    apart = own_share(found, gpu, tp, pp, captured) if gpu is not None else 0
    extra = margin(found, confidence, *sizes, apart) if confidence else 0
    return Memory(dict(zip(PARTS, (*sizes, extra), strict=True)))
