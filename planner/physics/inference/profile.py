"""An engine at a version with a workload's settings: what the memory of its peak and overhead depends on."""

from __future__ import annotations

from fractions import Fraction
from typing import Final, NamedTuple

from planner.catalog.programs.engines import Engine, ExpertKernel, Release
from planner.catalog.records import Gpu
from planner.physics.inference.kv_cache import Pools
from planner.physics.inference.paging import checkpoints
from planner.record import dataclass

GIB: Final = 2**30
LARGE: Final = 70 * GIB
"""From this memory on vLLM takes larger defaults, in most releases unless it is an A100 (vllm/engine/arg_utils.py)."""

HUGE: Final = 160 * GIB
"""From this memory on vLLM takes still larger ones (there, since 0.28)."""

SMALLEST_SIZES: Final = (1, 2, 4)
"""The batches that vLLM captures as CUDA graphs before its steps (vllm/config)."""

LONG: Final = 32768
"""Above this context vLLM 0.6 and 0.7 prefill in chunks by themselves."""


NOT_DENSE: Final = frozenset({"experts", "gdn", "mamba1", "mamba2", "lightning", "shortconv"})
"""Traits of a model that is a mixture of experts, or that has states."""


class Keeping(NamedTuple):
    """How an engine keeps a cache; the fields are those of a profile."""

    compressed_pool: str
    state_pages: int
    state_tokens: int
    block: int
    state_bits: int
    windows: bool
    latent_multiple: int
    layer_split: bool
    pools: Pools


@dataclass(frozen=True, slots=True)
class Profile:
    """Settings and figures of an engine's release, resolved for a GPU. Bytes, unless a name says otherwise."""

    engine: str
    budget: str
    block: int
    utilization: Fraction
    max_sequences: int
    max_batched_tokens: int
    sampler_bytes_per_logit: Fraction
    non_torch: tuple[tuple[int, int], ...]
    context: int
    graphs: int
    graphs_in_budget: bool
    state_bits: int
    windows: bool
    rope_cache: bool
    latent_multiple: int
    layer_split: bool
    whole_prompt: int
    encoder: str
    max_context: int
    non_torch_bridged: tuple[tuple[int, int], ...]
    thread_bytes: int
    vendor_bytes: tuple[tuple[str, int], ...]
    share_set: bool
    shares: tuple[tuple[int, Fraction], ...]
    reserves: tuple[tuple[int, int, int, int], ...]
    state_pages: int
    by_request: bool
    all_to_all: str
    absorbed: bool
    margins: tuple[tuple[str, tuple[tuple[int, int], ...]], ...]
    graph_layer: tuple[tuple[int, int], ...] = ()
    graph_sizes: int = 0
    full_graphs: bool = False
    in_flight: int = 1
    state_blocks: bool = False
    pools: Pools = Pools()
    communicators: int = 0
    expert_tokens: int = 0
    expert_kernels: tuple[ExpertKernel, ...] = ()
    non_torch_paired: tuple[tuple[int, int], ...] = ()
    compressed_pool: str = ""
    fused: bool = True
    outputs_by_sequence: bool = False
    prefill_graphs: int = 0
    graph_batches: tuple[tuple[int, int, int], ...] = ()
    warm_up_bytes_per_logit: Fraction = Fraction(4)
    counts_tokens: bool = False
    compiles: bool = False
    unified_bytes: int = 0
    graph_extrapolated: Fraction = Fraction(1)
    unified: bool = False
    whole_batches: bool = False
    state_tokens: int = 1
    drafted: int = 0

    # Equal profiles are one object (`profile`): caches ask for it by identity, not by the forty figures of each.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    @property
    def keeps(self) -> Keeping:
        """What of the engine the size of a cache depends on, beside its formats and the sequences in it."""
        pooled = self.compressed_pool, self.state_pages, self.state_tokens, self.block
        return Keeping(*pooled, self.state_bits, self.windows, self.latent_multiple, self.layer_split, self.pools)

    @property
    def loads(self) -> tuple[object, ...]:
        """What of the engine the size of weights depends on, beside their formats and the ranks that share them."""
        return self.rope_cache, self.absorbed, self.layer_split, self.unified, self.expert_kernels


_MADE: dict[object, Profile] = {}
_MOST: Final = 4096
"""Profiles kept to be found again."""


def version_of(text: str | None) -> tuple[int, ...]:
    """The numbers of a version, `0.10.1.1`, `v0.6.x` or `b5490`; none where there is none."""
    numbers: list[int] = []
    for part in (text or "").strip().lstrip("bvV").split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))] if part else ""
        if not digits:
            break
        numbers.append(int(digits))
    return tuple(numbers)


def release(engine: Engine, version: str | None) -> Release:
    """The release that holds at a version: the newest not after it, the newest of all without one."""
    wanted = version_of(version)
    if not wanted:
        return engine.releases[-1]
    fitting = [row for row in engine.releases if row.since <= wanted]
    return fitting[-1] if fitting else engine.releases[0]


def is_large(gpu: Gpu | None, row: Release | None = None) -> bool:
    """Whether vLLM takes this GPU for one of the H100 class, in a release or as most of them do."""
    if gpu is None:
        return False
    if row is not None and row.large_gpus:
        return any(name in gpu.id for name in row.large_gpus)
    excludes = ("a100",) if row is None else row.large_excludes
    return gpu.memory >= LARGE and not any(name in gpu.id for name in excludes)


def on_hardware(engine: Engine, row: Release, gpu: Gpu | None, mixers: frozenset[str] = frozenset()) -> Release:
    """The release as it behaves on a GPU, for a model with these mixers: as the older one that it falls back to.

    It does below the compute capability it names, and for mixers that it leaves to the older engine.
    """
    least, older = row.falls_back
    if older and mixers & set(row.falls_back_mixers):
        return release(engine, older)
    if not least or gpu is None or gpu.vendor != "nvidia" or gpu.compute_capability is None:
        return row
    return release(engine, older) if version_of(gpu.compute_capability) < version_of(least) else row


def kernels(engine: Engine, version: str | None, gpu: Gpu | None) -> tuple[ExpertKernel, ...]:
    """The kernels for experts that an engine takes on a GPU at a version, the newest without one."""
    wanted = version_of(version)
    return tuple(
        row
        for row in engine.expert_kernels
        if gpu is not None
        and gpu.compute_capability in row.runs_on
        and (not row.since or not wanted or wanted >= version_of(row.since))
        and (not row.until or (bool(wanted) and wanted < version_of(row.until)))
    )


def has_second_runner(row: Release, mixers: frozenset[str], family: str) -> bool:
    """Whether a release takes vLLM's second model runner for a model of these traits and of a family.

    The first that had it took it for dense models without states, and for some families (config/vllm.py,
    use_v2_model_runner). Without a word on the model it is taken for one of these.
    """
    if row.second_runner != "dense":
        return bool(row.second_runner)
    return family in row.second_runner_families or not mixers & NOT_DENSE


def graph_sizes(row: Release, sequences: int, batched: int) -> tuple[int, int]:
    """How many batch sizes a release captures as CUDA graphs: (piecewise, full).

    1, 2, 4, then by steps to the largest, up to twice the sequences where the release looks at them, never beyond the
    tokens of a batch; full graphs, of decoding alone, up to the sequences (vllm/config, cudagraph_capture_sizes).
    """
    sizes = list(SMALLEST_SIZES)
    for step, most in row.graph_steps:
        sizes += range(sizes[-1] - sizes[-1] % step + step, most + 1, step)
    most = min(batched, max(2 * sequences, SMALLEST_SIZES[-1])) if row.graphs_by_sequences else batched
    captured = [size for size in sizes if size <= most]
    decoding = [size for size in sizes if size <= sequences] if row.graphs_by_sequences else sizes
    if not row.graphs_by_sequences and row.graph_modes == ("full",):  # the next size above the sequences too
        decoding = sizes[: next((at for at, size in enumerate(sizes) if size >= sequences), len(sizes)) + 1]
    return (
        len(captured) if "piecewise" in row.graph_modes else 0,
        len(decoding) if "full" in row.graph_modes else 0,
    )


def prefill_graphs(row: Release, gpu: Gpu | None, mixers: frozenset[str]) -> int:
    """MiB that SGLang keeps free for graphs of its prefill chunks: on CUDA alone, not for every mixer, nor
    in every release beside adapters."""
    if gpu is None or gpu.vendor != "nvidia" or mixers & set(row.prefill_graphs_never):
        return 0
    if row.prefill_graphs and "mla" in mixers:
        return row.prefill_graphs_latent
    return next((kept for below, kept in row.prefill_graphs if gpu.device_memory < below * GIB), 0)


def profile(
    engine: Engine,
    version: str | None = None,
    gpu: Gpu | None = None,
    *,
    utilization: Fraction | None = None,
    max_sequences: int | None = None,
    max_batched_tokens: int | None = None,
    context: int = 0,
    running: int = 0,
    prompt: int = 0,
    light_sampler: bool = False,
    eager: bool = False,
    images: bool = True,
    all_to_all: str = "gather",
    adapters: int = 0,
    mixers: frozenset[str] = frozenset(),
    family: str = "",
    narrow_cache: bool = False,
    pooling: bool = False,
    drafted: int = 0,
) -> Profile:
    """Return the engine's settings on this GPU: the workload's where given, else the release's own.

    Without a version it is the newest release, and without `max_sequences` an engine that limits what runs at once
    starts for at least the `running` sequences. Before chunked prefill (`whole_prompts`) a pass holds a whole prompt
    of `context` tokens, in a batch (`whole_batches`) those of all running sequences, of `prompt` tokens each.
    `light_sampler` is the FlashInfer sampler, which sorts nothing; `eager` runs without CUDA graphs, and without
    `images` nothing is kept for them (vLLM's --limit-mm-per-prompt at zero). `all_to_all` is how tokens reach the
    experts of other ranks that have sequences of their own. With `adapters` every graph is captured twice
    (vllm/v1/cudagraph_dispatcher.py). `mixers` are the traits of the model's layers and `family` its own, some of
    which a release leaves to its older engine. A `narrow_cache`, of fewer than 16 bits, is kept for flash attention
    alone (llama.cpp, src/llama-context.cpp). What is `pooling` samples nothing, captures no full graphs and schedules
    a batch at a time (vllm/config/vllm.py). Where a draft model proposes so many tokens, a sequence has as many more in
    each pass (`drafted`): graphs are captured for them (vllm/config/vllm.py _set_cudagraph_sizes), and a recurrent
    state has a page for each (vllm/v1/kv_cache_interface.py MambaSpec, num_speculative_blocks).
    """
    row = on_hardware(engine, release(engine, version), gpu, mixers)
    large = is_large(gpu, row)
    batched = row.max_batched_tokens_large if large else row.max_batched_tokens
    if gpu is not None and row.max_batched_tokens_huge and gpu.memory >= HUGE:
        batched = row.max_batched_tokens_huge
    whole = max(2048, context) if row.whole_prompts else max(1, prompt or context) if row.whole_batches else 0
    if whole and (context <= LONG or row.whole_batches):
        batched = whole * (max(1, running) if row.whole_batches else 1)
    share_set = utilization is not None and bool(row.shares or row.reserves)  # else what is set is what it would be
    own = row.max_sequences_large if large else row.max_sequences
    if max_batched_tokens and engine.batch_of_sequences:
        own = min(own, max_batched_tokens)  # vllm/engine/arg_utils.py _set_default_max_num_seqs_and_batched_tokens_args
    sequences = max_sequences or (max(own, running) if own > 1 else own)
    piecewise, full = (0, 0) if eager else graph_sizes(row, sequences * (1 + drafted), max_batched_tokens or batched)
    rates = row.graph_layer_bytes
    if gpu is not None and gpu.vendor in row.graph_vendor_bytes:
        rates = {ranks: max(size, row.graph_vendor_bytes[gpu.vendor]) for ranks, size in rates.items()}
    if utilization is None:
        utilization = row.gpu_memory_utilization
    link = gpu.link if gpu is not None else None
    switched = bool(row.communicator_switched_bytes and link and "bridge" not in link)
    second = has_second_runner(row, mixers, family) and not (pooling and row.second_runner == "dense")
    if pooling:  # graphs of whole batches are for decoding
        full = 0
    sampler = row.light_sampler_bytes_per_logit if light_sampler else row.sampler_bytes_per_logit
    checkpointed, multiple = checkpoints(row, gpu, mixers)
    base = Profile(
        engine=engine.id,
        budget=row.budget,
        block=engine.block_tokens,
        utilization=utilization,
        max_sequences=sequences,
        max_batched_tokens=max_batched_tokens or batched,
        sampler_bytes_per_logit=Fraction(0) if pooling else row.second_sampler_bytes_per_logit if second else sampler,
        non_torch=tuple(sorted(row.non_torch_bytes.items())),
        context=row.context_bytes,
        graphs=0 if eager else row.graph_bytes,
        graphs_in_budget=row.graphs_in_budget and not (second and row.second_runner == "dense"),
        state_bits=row.state_bits,
        windows=row.windows and (not row.window_families or family in row.window_families),
        rope_cache=row.rope_cache,
        latent_multiple=row.latent_multiple,
        layer_split=engine.layer_split,
        whole_prompt=whole,
        encoder=row.encoder if images else "",
        max_context=context,
        non_torch_bridged=tuple(sorted(row.non_torch_bridged_bytes.items())),
        thread_bytes=row.thread_bytes,
        vendor_bytes=tuple(sorted(row.vendor_bytes.items())),
        share_set=share_set,
        shares=tuple(sorted(row.shares.items())),
        reserves=row.reserves,
        state_pages=row.state_pages + checkpointed + (drafted if row.state_pages else 0),
        drafted=drafted,
        pools=Pools(row.state_batches, row.state_slots, row.state_ratio, row.window_ratio),
        by_request=row.by_request,
        all_to_all=all_to_all,
        absorbed=row.absorbed,
        margins=tuple((part, tuple(sorted(table.items()))) for part, table in sorted(engine.margins.items())),
        graph_layer=tuple(sorted(rates.items())),
        graph_sizes=(piecewise + full) * (2 if adapters else 1),
        full_graphs=bool(full),
        in_flight=1 if pooling else row.batches_in_flight,
        state_blocks=row.state_blocks,
        communicators=row.communicator_switched_bytes if switched else row.communicator_bytes,
        expert_tokens=row.expert_tokens,
        expert_kernels=kernels(engine, version, gpu),
        non_torch_paired=tuple(sorted(row.non_torch_paired_bytes.items())),
        compressed_pool=row.compressed_pool,
        fused=narrow_cache or (gpu.vendor if gpu is not None else "nvidia") not in row.scores_kept_on,
        outputs_by_sequence=row.outputs_by_sequence,
        prefill_graphs=0 if eager else prefill_graphs(row, gpu, mixers | {"adapters"} if adapters else mixers),
        graph_batches=row.graph_batches,
        warm_up_bytes_per_logit=Fraction(0) if pooling else row.warm_up_bytes_per_logit if second else Fraction(4),
        counts_tokens=second and not pooling,
        compiles=row.compiles and not eager,
        unified_bytes=row.unified_bytes,
        unified=gpu is not None and gpu.unified,
        whole_batches=row.whole_batches,
        state_tokens=multiple,
        graph_extrapolated=Fraction(full, max(1, piecewise + full)) if row.second_runner == "all" else Fraction(1),
    )
    if len(_MADE) >= _MOST:
        _MADE.clear()
    return _MADE.setdefault(tuple(getattr(base, name) for name in base.__match_args__), base)
