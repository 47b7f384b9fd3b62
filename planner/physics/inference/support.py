"""What an engine does not do: the `lacks` of its row, held against a version, a model, formats, a split and a GPU."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from planner.catalog.architecture import Attention, CompressedAttention, Experts, LatentAttention, Mixer, Recurrent
from planner.catalog.programs.engines import Engine, Lack
from planner.catalog.records import Architecture, Format, Gpu
from planner.physics.inference.profile import version_of
from planner.record import dataclass


@dataclass(frozen=True, slots=True)
class EngineRequest:
    """What a plan asks of an engine, beside a model, formats and a split."""

    by_sequence: bool = False
    """Whether attention is split by sequences."""
    all_to_all: str = "gather"
    task: str = "generate"
    images: bool = True
    prefix: bool = False
    """Whether sequences share a prefix."""
    draft: Architecture | None = None
    """The model that drafts."""
    several: bool = False
    """Whether more sequences than one run at once."""
    sequences: int = 1
    """How many run at once."""
    rank: int = 0
    """The largest rank of adapters; 0 without adapters."""
    cache_on_host: bool = False
    """Whether finished blocks of the cache are kept in host memory."""
    weights_on_host: bool = False
    """Whether weights are."""


def lacks(
    engine: Engine,
    version: str | None,
    arch: Architecture | None,
    asked: EngineRequest = EngineRequest(),  # noqa: B008
) -> tuple[Lack, ...]:
    """What of an engine's lacks holds for a model served in a way at a version; the newest without one."""
    wanted = version_of(version)
    return tuple(
        row
        for row in engine.lacks
        if _holds_at(row, wanted)
        and (not row.sparse or sparse(arch))
        and (not row.latent or latent(arch))
        and (not row.plain or not sparse(arch))
        and (not row.mixed or mixed(arch))
        and (not row.dense or dense(arch))
        and (not row.experts or (arch is not None and not dense(arch)))
        and (not row.sinks or any(mixer.sinks for mixer in _attention(arch)))
        and (not row.head_sizes or any(not {*_head_sizes(mixer)} <= {*row.head_sizes} for mixer in _attention(arch)))
        and (not row.images or (asked.images and arch is not None and bool(arch.vision or arch.opaque_params)))
        and (not row.families or (arch is not None and arch.family in row.families))
        and (not row.by_sequence or asked.by_sequence)
        and (not row.tasks or asked.task in row.tasks)
        and (not row.all_to_all or asked.all_to_all in row.all_to_all)
        and (not row.prefixes or asked.prefix)
        and (not row.drafts or asked.draft is not None)
        and (not row.unlike_drafts or unlike(arch, asked.draft))
        and (not row.several or asked.several)
        and (not row.states or recurrent(arch))
        and (not row.most_sequences or asked.sequences > row.most_sequences)
        and (not row.adapters or bool(asked.rank))
        and (not row.adapter_ranks or (bool(asked.rank) and asked.rank not in row.adapter_ranks))
        and (not row.offloads_cache or asked.cache_on_host)
        and (not row.offloads_weights or asked.weights_on_host)
        and (row.head_multiple == 1 or any(size % row.head_multiple for size in _cached_sizes(arch)))
        and (not row.hidden_sizes or (arch is not None and arch.hidden not in row.hidden_sizes))
    )


def _holds_at(row: Lack, wanted: tuple[int, ...]) -> bool:
    """Whether a lack is one of a version, of the newest where it is empty."""
    return (not row.until or (bool(wanted) and wanted < version_of(row.until))) and (
        not row.since or not wanted or wanted >= version_of(row.since)
    )


def sequence_limit(engine: Engine, version: str | None) -> int | None:
    """Return how many sequences an engine runs at once at most, whatever it is told; None where nothing limits them."""
    wanted = version_of(version)
    limits = [row.most_sequences for row in engine.lacks if row.most_sequences and _holds_at(row, wanted)]
    return min(limits, default=None)


def sparse(arch: Architecture | None) -> bool:
    """Whether a model picks the tokens its latent or compressed attention looks at (DeepSeek-V3.2 and V4, GLM-5)."""
    mixers = [] if arch is None else [group.mixer for group in arch.groups]
    return any(
        isinstance(mixer, CompressedAttention) or (isinstance(mixer, LatentAttention) and bool(mixer.index_heads))
        for mixer in mixers
    )


def unlike(arch: Architecture | None, draft: Architecture | None) -> bool:
    """Whether a draft has a vocabulary of another size; two of one size may differ all the same."""
    return arch is not None and draft is not None and arch.vocab != draft.vocab


def recurrent(arch: Architecture | None) -> bool:
    """Whether layers of a model keep a state instead of tokens."""
    return arch is not None and any(isinstance(group.mixer, Recurrent) for group in arch.groups)


def latent(arch: Architecture | None) -> bool:
    """Whether a model's attention keeps latents."""
    return arch is not None and any(
        isinstance(group.mixer, LatentAttention | CompressedAttention) for group in arch.groups
    )


def mixed(arch: Architecture | None) -> bool:
    """Whether a model's layers keep more than one kind of cache: windows, states or an encoder's beside all tokens."""
    mixers = [] if arch is None else [group.mixer for group in arch.groups]
    return len({(mixer.kind, *_reach(mixer)) for mixer in mixers}) > 1


def _reach(mixer: Mixer) -> tuple[int, int]:
    """The window and the chunk of a mixer that has them."""
    match mixer:
        case Attention(window=window, chunk=chunk):
            return window, chunk
        case CompressedAttention(window=window):
            return window, 0
        case _:
            return 0, 0


def _attention(arch: Architecture | None) -> Iterator[Attention]:
    """The head-wise attention of a model's layers."""
    for group in () if arch is None else arch.groups:
        if isinstance(group.mixer, Attention):
            yield group.mixer


def _cached_sizes(arch: Architecture | None) -> Iterator[int]:
    """The widths of what is cached: keys and values of heads."""
    for mixer in _attention(arch):
        yield from _head_sizes(mixer)


def _head_sizes(mixer: Attention) -> tuple[int, int]:
    """Widths of a key and of a value."""
    return mixer.head_dim, mixer.value_dim


def dense(arch: Architecture | None) -> bool:
    """Whether a model is known to have no experts."""
    return arch is not None and not any(isinstance(group.ffn, Experts) for group in arch.groups)


def met_by_weights(row: Lack, formats: Iterable[Format], native: str = "") -> bool:
    """Whether weights in these formats meet a lack; `native` is the format that the model is published in."""
    return not row.formats or any(
        (item.id in row.formats or item.like in row.formats) and (not row.as_published or item.id == native)
        for item in formats
    )


def met_by_cache(row: Lack, fmt: Format) -> bool:
    """Whether a KV cache in this format meets a lack."""
    return not row.caches or fmt.id in row.caches or fmt.like in row.caches


def met_by_split(row: Lack, tensor: int, expert: int, pipeline: int = 1) -> bool:
    """Whether a split meets a lack."""
    if row.tower_heads and row.tower_heads % tensor == 0:
        return False
    return not row.split or {"tensor": tensor, "expert": expert, "pipeline": pipeline}[row.split] > 1


def met_by_gpu(row: Lack, gpu: Gpu) -> bool:
    """Whether a GPU meets a lack; one whose compute capability nobody states is given the benefit of the doubt."""
    if (row.vendors and gpu.vendor not in row.vendors) or (row.cpus and gpu.cpu not in row.cpus):
        return False
    return not row.runs_on or (gpu.compute_capability is not None and gpu.compute_capability not in row.runs_on)
