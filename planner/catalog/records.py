"""The rows of the catalogs as frozen records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from fractions import Fraction

from planner.catalog.architecture import Architecture, Layers, Vision
from planner.record import dataclass

__all__ = [
    "MARKETS",
    "Architecture",
    "CacheDefault",
    "Engine",
    "ExpertKernel",
    "Format",
    "Gpu",
    "Lack",
    "Layers",
    "Model",
    "Offer",
    "Recovery",
    "Release",
    "Vision",
]


@dataclass(frozen=True, slots=True)
class Format:
    """A number format. `bits` is what one weight costs on disk and on the GPU, scales and zero points included.

    A format that a plan declares may have a `quality` of its own, a recovery that stands before any measurement;
    `like` is the shipped format it copies, whose measurements hold for it otherwise.

    `row_bytes` are scales of each output channel, `expert_multiple` what kernels pad experts to, `only` the one
    tensor class that is quantised (`experts`), `left_bits` what the classes left alone are stored in, `file_types`
    the (tensor, layers, block type, bits) rules of a GGUF file that mixes block types; the first that fits holds.
    `kv_needs` is what hardware must compute for a cache in the format, `kv_whole_layers` how many layers keep theirs in
    16 bit, the first and the last ones. `classes` are tensors of a native checkpoint that are in another format,
    `partly` those left alone in so many layers, and a `tile` of so many rows and columns has one scale; no row has
    them, a model's `native_classes`, `native_partly` and `native_block` say it.
    """

    id: str
    name: str
    bits: Fraction
    element_bits: int
    source: str
    exponent: int | None = None
    mantissa: int | None = None
    largest: float | None = None
    epsilon: float | None = None
    block: int | None = None
    overhead_bits: Fraction = Fraction(0)
    leaves: tuple[str, ...] = ()
    computes_as: str = "bf16"
    needs: tuple[str, ...] = ()
    roles: tuple[str, ...] = ("weights",)
    engines: tuple[str, ...] = ()
    note: str = ""
    quality: Fraction | None = None
    like: str = ""
    row_bytes: int = 0
    expert_multiple: int = 1
    kv_scale_bits: int = 0
    kv_whole_layers: int = 0
    kv_needs: tuple[str, ...] = ()
    left_bits: int = 16
    tile: int = 0
    only: str = ""
    file_types: tuple[tuple[str, str, str, Fraction], ...] = ()
    classes: tuple[tuple[str, Format], ...] = ()
    partly: tuple[tuple[str, int], ...] = ()

    def __hash__(self) -> int:
        return hash(self.id)  # formats of one name are few; to hash a fraction takes longer than to look one up


@dataclass(frozen=True, slots=True)
class Gpu:
    """An accelerator. Sizes in bytes, bandwidth in bytes/s, peaks in FLOP/s by format (dense)."""

    id: str
    name: str
    vendor: str
    architecture: str
    memory: int
    device_memory: int
    marketed_gb: int
    bandwidth: int
    flops: dict[str, int]
    native_formats: tuple[str, ...]
    link_bandwidth: int
    pcie: str | None
    max_gpus_per_node: int
    power_w: int
    release_year: int
    confidence: str
    aliases: tuple[str, ...]
    source: str
    memory_source: str
    note: str = ""
    compute_capability: str | None = None
    memory_type: str = ""
    unified: bool = False
    link: str | None = None
    mig: tuple[str, ...] = ()
    multiprocessors: int | None = None
    cpu: str = ""
    """The architecture of the host's processor where the GPU comes with one kind alone: `arm`, else empty."""
    sources: dict[str, str] = field(default_factory=dict)
    """Where each figure comes from, under the name of its field in the file."""


MARKETS = {"on_demand": "price", "spot": "spot", "reserved_1y": "reserved_1y", "reserved_3y": "reserved_3y"}
"""The markets of an offer, each with the field that has its price."""


@dataclass(frozen=True, slots=True)
class Offer:
    """Something that can be rented. Prices in micro-dollars per hour for the whole instance; None where not sold so."""

    id: str
    provider: str
    instance_type: str
    region: str
    gpu: str
    gpus: int
    price: int | None
    spot: int | None
    sold_by: str
    marketplace: bool
    as_of: str
    source: str
    vcpus: int | None = None
    ram_gib: float | None = None
    available: int | None = None
    flags: tuple[str, ...] = ()
    note: str = ""
    network: int | None = None
    """Bytes/s between its instances, of one of them; None where nobody states it."""
    reserved_1y: int | None = None
    reserved_3y: int | None = None
    """What an hour costs where it is committed to for one year, and for three."""
    spot_as_of: str = ""
    """The day of the spot price, where it is another than that of the others."""

    def dated(self, market: str) -> str:
        """Return the day of the price in a market."""
        return self.spot_as_of if market == "spot" and self.spot_as_of else self.as_of

    def price_in(self, market: str) -> int | None:
        """Return what an hour costs in a market, None where it is not sold so."""
        price: int | None = getattr(self, MARKETS[market], None) if market in MARKETS else None
        return price


@dataclass(frozen=True, slots=True)
class Model:
    """A model: exact parameter counts and, unless only their number is known, its architecture."""

    id: str
    params: int
    active_params: int
    native_format: str
    max_context: int | None
    licence: str
    model_type: str
    architecture: Architecture | None
    verified: str
    source: str
    aliases: tuple[str, ...] = ()
    breakdown: dict[str, int] = field(default_factory=dict)
    note: str = ""
    published_params: int | None = None
    """What the published checkpoint stores, where that is not `params`; `published_note` says why."""
    published_note: str = ""
    native_leaves: tuple[str, ...] = ()
    """Tensor classes that a natively quantized checkpoint keeps in 16 bit, beside those its format leaves."""
    native_classes: dict[str, str] = field(default_factory=dict)
    """Tensor classes that it keeps in a format of their own, with the format's id."""
    native_partly: dict[str, int] = field(default_factory=dict)
    """Tensor classes that it keeps in 16 bit in some layers, with the number of these layers."""
    native_block: int = 0
    """Rows and columns of a weight that share a scale in its fp8 tensors, 0 where scales are of tensors or rows."""
    stored_bytes: int | None = None
    """Bytes of a checkpoint's data, where the model was read from one; `stored` has them by type."""
    stored: dict[str, int] = field(default_factory=dict)
    of: str = ""
    """The model's row, where this is a checkpoint of it under a name of its own."""
    original_format: str = ""
    """What the model was published in, where this checkpoint was quantized or converted from it."""
    assumed: tuple[str, ...] = ()
    """What an approximate description takes for granted, in sentences; empty where it is exact."""
    layout: str = ""
    """How the formats of a checkpoint's tensors are known: `read`, or `named` where only its name says them."""


@dataclass(frozen=True, slots=True)
class Release:
    """An engine's memory behaviour from the version `since` on; `large` is for GPUs of 70 GiB and more, A100 apart.

    `budget` says how the KV cache is sized: `utilization` (a share of the GPU less what the profiling run used),
    `static` (a share for weights and cache), `free` (a share of what is free after loading) or `grown` (as needed).
    Where no share is set `shares` are by number of ranks, and `reserves` are (GPUs below so many GiB, MiB kept free,
    MiB for each rank, MiB more from four ranks on). `latent_multiple` is what the width of a latent cache is padded to.

    `encoder` says what images the peak holds: a `batch` of the largest, the same by earlier code (`items`) and with
    every output `expanded` to the batch, those of as many `sequences` as a pass holds, or `one`.

    `non_torch_bytes` are by number of GPUs, `non_torch_bridged_bytes` where no switch joins them and
    `non_torch_paired_bytes` where a bridge joins two; `thread_bytes` of
    local memory for every thread a GPU holds come on top, or the `vendor_bytes` of another vendor's runtime.

    A recurrent state takes `state_pages` pages of the pool it shares with the cache (0: a pool of its own);
    `by_request` says that the tokens reported are those of whole requests, `absorbed` that latent attention keeps its
    products beside its factors. `state_blocks` refuses more sequences than the pool has pages where full graphs are
    captured. Layers with a window hold `batches_in_flight` batches beside it. `compressed_pool` says how the cache of
    compressed attention is pooled: in blocks of the widest group of layers or of `groups` of one size, or by `tokens`.

    CUDA graphs take `graph_bytes`, and `graph_layer_bytes` (by ranks; `graph_vendor_bytes` where a vendor's are larger)
    for each layer and captured size: 1, 2, 4 and on by the steps of `graph_steps` (step, up to), twice as far as there
    are sequences where `graphs_by_sequences`, once for each of `graph_modes` (full ones only up to the sequences).
    `graphs_in_budget` says that their estimate comes off the KV cache.

    Large GPUs are those whose id has one of `large_gpus`, or else all of 70 GiB but for `large_excludes`; from 160
    GiB on the batch is `max_batched_tokens_huge`. On GPUs below the first of `falls_back` (a compute capability),
    and for models with one of `falls_back_mixers`, it behaves as the release of the second. Ranks that communicate
    make `communicator_bytes` beside the context, or `communicator_switched_bytes` where a switch joins them.
    llama.cpp keeps attention's scores on GPUs of the vendors `scores_kept_on`, and computes logits for each token
    of a batch or `outputs_by_sequence`. SGLang keeps `prefill_graphs` (GPUs below so many GiB, MiB) beside the
    reserve, one figure for latent attention, none for mixers of `prefill_graphs_never`; its decode graphs go up to
    `graph_batches` (GPUs below so many GiB, sequences, and from four ranks on). Fused experts take `expert_tokens`
    at a time, all of them where it is zero.

    vLLM's `second_runner` is for `dense` models and those of its `second_runner_families`, which it gives no room for
    graphs in the budget, or for `all`: its profile takes `second_sampler_bytes_per_logit`, its warm-up
    `warm_up_bytes_per_logit`. One that `compiles` does so in the profiling run of a first start.
    Of memory shared with the host `unified_bytes` more are gone (the page cache, which the free memory moves with).
    """

    since: tuple[int, ...]
    budget: str
    gpu_memory_utilization: Fraction
    max_sequences: int
    max_sequences_large: int
    max_batched_tokens: int
    max_batched_tokens_large: int
    sampler_bytes_per_logit: Fraction
    light_sampler_bytes_per_logit: Fraction
    non_torch_bytes: dict[int, int]
    context_bytes: int
    graph_bytes: int
    whole_prompts: bool = False
    graphs_in_budget: bool = False
    state_bits: int = 16
    windows: bool = True
    rope_cache: bool = True
    latent_multiple: int = 1
    reserves: tuple[tuple[int, int, int, int], ...] = ()
    shares: dict[int, Fraction] = field(default_factory=dict)
    source: str = ""
    encoder: str = ""
    thread_bytes: int = 0
    non_torch_bridged_bytes: dict[int, int] = field(default_factory=dict)
    vendor_bytes: dict[str, int] = field(default_factory=dict)
    state_pages: int = 0
    by_request: bool = False
    absorbed: bool = False
    graph_layer_bytes: dict[int, int] = field(default_factory=dict)
    graph_vendor_bytes: dict[str, int] = field(default_factory=dict)
    graph_modes: tuple[str, ...] = ()
    graph_steps: tuple[tuple[int, int], ...] = ()
    graphs_by_sequences: bool = False
    large_gpus: tuple[str, ...] = ()
    large_excludes: tuple[str, ...] = ("a100",)
    max_batched_tokens_huge: int = 0
    batches_in_flight: int = 1
    state_blocks: bool = False
    falls_back: tuple[str, str] = ("", "")
    communicator_bytes: int = 0
    expert_tokens: int = 0
    non_torch_paired_bytes: dict[int, int] = field(default_factory=dict)
    falls_back_mixers: tuple[str, ...] = ()
    compressed_pool: str = ""
    scores_kept_on: tuple[str, ...] = ()
    outputs_by_sequence: bool = False
    prefill_graphs: tuple[tuple[int, int], ...] = ()
    prefill_graphs_latent: int = 0
    prefill_graphs_never: tuple[str, ...] = ()
    graph_batches: tuple[tuple[int, int, int], ...] = ()
    second_runner: str = ""
    second_runner_families: tuple[str, ...] = ()
    second_sampler_bytes_per_logit: Fraction = Fraction(0)
    warm_up_bytes_per_logit: Fraction = Fraction(4)
    compiles: bool = False
    unified_bytes: int = 0
    communicator_switched_bytes: int = 0


@dataclass(frozen=True, slots=True)
class ExpertKernel:
    """How an engine's kernel stores the experts of a mixture: both widths rounded up, inner and hidden.

    It is for weights in one of `formats` on GPUs of the compute capabilities `runs_on`, from version `since` to before
    `until`, where attention is `sparse` or not. `kept_bits` are those of scales of a weight that stay beside them.
    """

    formats: tuple[str, ...]
    runs_on: tuple[str, ...]
    inner: int
    hidden: int
    sparse: bool
    source: str
    since: str = ""
    until: str = ""
    kept_bits: Fraction = Fraction(0)

    def __hash__(self) -> int:
        return hash(self.formats)  # an engine has few


@dataclass(frozen=True, slots=True)
class Lack:
    """Something that an engine does not do, though it does what stands around it; all that is stated must meet.

    `decision` is the quantity of a plan that is refused for it, `what` names it in answers. It meets weights in one of
    `formats`, attention that is `sparse`, a model that is `dense`, attention split by sequences (`by_sequence`), one of
    the ways of `all_to_all`, a split into more than one rank (`tensor` or `expert`), GPUs of `vendors`, a KV cache in
    one of `caches`, `latent` attention, attention that is not sparse (`plain`), layers of several kinds (`mixed`), a
    model of one of `families`, one of the `tasks`, a model with `experts`, attention with `sinks`, heads of any other
    size than `head_sizes`, a plan that serves `images`, weights `as_published`, GPUs whose host has one of `cpus`.
    Where `runs_on` lists compute capabilities it is a lack of all others, and where `since` and `until` state versions,
    of those from the one to before the other.
    """

    decision: str
    what: str
    source: str
    formats: tuple[str, ...] = ()
    sparse: bool = False
    dense: bool = False
    by_sequence: bool = False
    all_to_all: tuple[str, ...] = ()
    split: str = ""
    vendors: tuple[str, ...] = ()
    runs_on: tuple[str, ...] = ()
    until: str = ""
    since: str = ""
    caches: tuple[str, ...] = ()
    latent: bool = False
    plain: bool = False
    mixed: bool = False
    families: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    experts: bool = False
    sinks: bool = False
    head_sizes: tuple[int, ...] = ()
    images: bool = False
    as_published: bool = False
    cpus: tuple[str, ...] = ()

    @property
    def of_hardware(self) -> bool:
        """Whether other hardware has it, with the same engine."""
        return bool(self.runs_on or self.vendors)


@dataclass(frozen=True, slots=True)
class CacheDefault:
    """The format that an engine keeps the cache of models of these `families`, or of all, in where nothing is said.

    Where `runs_on` lists compute capabilities it does so on GPUs of these alone.
    """

    format: str
    families: tuple[str, ...]
    source: str
    runs_on: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Engine:
    """A serving engine's defaults and overheads; each figure's source is in `sources` under its field's name.

    `vendors` are those whose GPUs it runs on, but for the GPUs it `excludes`; `least_capability` is the compute
    capability that NVIDIA's need, `lacks` what it does not do, `one_host` that a replica lies on one host,
    `whole_blocks` that no rank of tensor parallelism holds part of a block of quantized weights, `encoder_apart` that
    an image encoder is a file of its own, loaded only where images are served. `sets` are the values of given
    quantities that it takes where a plan mentions none.
    """

    id: str
    name: str
    block_tokens: int
    gpu_memory_utilization: Fraction
    max_sequences: int
    max_batched_tokens: int
    context_bytes: int
    non_torch_bytes: dict[int, int]
    graph_bytes: int
    sampler_bytes_per_logit: Fraction
    bandwidth_efficiency: Fraction
    flops_efficiency: Fraction
    sources: dict[str, str]
    source: str
    note: str = ""
    releases: Sequence[Release] = ()
    margins: dict[str, dict[int, int]] = field(default_factory=dict)
    kv_formats: tuple[str, ...] = ()
    layer_split: bool = False
    offload: str = ""
    vendors: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    least_capability: str = ""
    step_us: float = 0.0
    sequence_us: float = 0.0
    collective_us: float = 0.0
    lacks: tuple[Lack, ...] = ()
    expert_kernels: tuple[ExpertKernel, ...] = ()
    cache_defaults: tuple[CacheDefault, ...] = ()
    one_host: bool = False
    whole_blocks: bool = False
    encoder_apart: bool = False
    sets: dict[str, str | int | float | bool] = field(default_factory=dict)
    layer_us: float = 0.0
    request_us: float = 0.0
    prompt_factor: float = 1.0
    prompt_steps: float = 0.0
    prompt_waiting: float = 0.0
    kernels: dict[str, dict[str, dict[str, tuple[float, ...]]]] = field(default_factory=dict)
    """By operation, format and compute capability: microseconds of a call, shares of the bandwidth and of the peak."""
    time_margins: dict[str, dict[int, int]] = field(default_factory=dict)
    """By outcome and confidence in per cent, millionths by which measured times exceed the expected at most."""
    anchored_margins: dict[str, dict[int, int]] = field(default_factory=dict)
    """The same of times that are anchored on three or more measurements of what is like them."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """A measured quality of a format relative to the native one, as a fraction (1 = all kept)."""

    id: str
    role: str
    format: str
    model: str
    method: str
    quantization: str
    metric: str
    recovery: Fraction
    source: str
