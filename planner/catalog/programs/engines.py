"""Serving engines: what each takes of a GPU release by release, how fast its kernels are, and what it does not do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from fractions import Fraction

from planner.record import dataclass


@dataclass(frozen=True, slots=True)
class Release:
    """An engine's memory behaviour from the version `since` on; `large` is for GPUs of 70 GiB and more, A100 apart.

    `budget` says how the KV cache is sized: `utilization` (a share of the GPU less what the profiling run used),
    `static` (a share for weights and cache), `free` (a share of what is free after loading) or `grown` (as needed).
    Where no share is set `shares` are by number of ranks, and `reserves` are (GPUs below so many GiB, MiB kept free,
    MiB for each rank, MiB more from four ranks on). `latent_multiple` is what the width of a latent cache is padded to.

    `encoder` says what images the peak holds: a `batch` of the largest, the same by earlier code (`items`) and with
    every output `expanded` to the batch, those of as many `sequences` as a pass holds, or `one`; with a `tenth` of a
    static share that is left to it.

    `non_torch_bytes` are by number of GPUs, `non_torch_bridged_bytes` where no switch joins them and
    `non_torch_paired_bytes` where a bridge joins two; `thread_bytes` of
    local memory for every thread a GPU holds come on top, or the `vendor_bytes` of another vendor's runtime.

    A recurrent state takes `state_pages` pages of the pool it shares with the cache (0: a pool of its own), one more
    for mixers of `state_checkpoints` on GPUs of the compute capabilities that it lists for them, on all where it lists
    none; blocks are then whole multiples of the tokens in `checkpoint_tokens`. Of a pool
    that `state_ratio` splits from the cache's, as much for states as this times what is left, a sequence takes
    `state_slots` places, and one is spare. With `state_batches` every sequence of the largest batch has its state.
    Where `window_families` are named the windows of others hold every token;
    a pool of windows has `window_ratio` places for each of the whole;
    `by_request` says that the tokens reported are those of whole requests, `absorbed` that latent attention keeps its
    products beside its factors. `state_blocks` refuses more sequences than the pool has pages where full graphs are
    captured. Layers with a window hold `batches_in_flight` batches beside it. `compressed_pool` says how the cache of
    compressed attention is pooled: in blocks of the widest group of layers or of `groups` of one size, or by `tokens`.

    A pass holds a whole prompt where a release has `whole_prompts`, and the prompts of all sequences where it has
    `whole_batches`.

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
    whole_batches: bool = False
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
    state_checkpoints: dict[str, tuple[str, ...]] = field(default_factory=dict)
    checkpoint_tokens: dict[str, int] = field(default_factory=dict)
    state_slots: int = 1
    state_batches: bool = False
    state_ratio: Fraction = Fraction(0)
    window_families: tuple[str, ...] = ()
    window_ratio: Fraction = Fraction(0)
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
    the ways of `all_to_all`, a split into more than one rank (`tensor`, `expert` or `pipeline`), GPUs of `vendors`, a
    KV cache in one of `caches`, `latent` attention, attention that is not sparse (`plain`), layers of several kinds
    (`mixed`), a model of one of `families`, one of the `tasks`, a model with `experts`, attention with `sinks`, heads
    of any other size than `head_sizes`, a plan that serves `images`, weights `as_published`, GPUs whose host has one
    of `cpus`, a prefix that sequences share (`prefixes`), a draft model (`drafts`), one of another vocabulary
    (`unlike_drafts`), either of these for more sequences than one (`several`), layers with a recurrent state
    (`states`), more sequences at once than `most_sequences`, a plan that keeps `adapters`, any other rank of them than
    `adapter_ranks`, one that keeps cache blocks or weights on the host (`offloads_cache`, `offloads_weights`), heads
    whose width is no multiple of `head_multiple`, ranks that do not divide the `tower_heads` of an image encoder, a
    model that is any other than `hidden_sizes` wide.
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
    prefixes: bool = False
    drafts: bool = False
    unlike_drafts: bool = False
    several: bool = False
    states: bool = False
    most_sequences: int = 0
    adapters: bool = False
    adapter_ranks: tuple[int, ...] = ()
    offloads_cache: bool = False
    offloads_weights: bool = False
    head_multiple: int = 1
    tower_heads: int = 0
    hidden_sizes: tuple[int, ...] = ()

    @property
    def of_hardware(self) -> bool:
        """Whether other hardware has it, with the same engine."""
        return bool(self.runs_on or self.vendors)


@dataclass(frozen=True, slots=True)
class CacheDefault:
    """The format that an engine keeps the cache of models of these `families`, or of all, in by default.

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
    an image encoder is a file of its own, loaded only where images are served, `refuses_longer` that it does not start
    with a longer context than the model's config states, `expert_ranks` whether `some`, `all` or but `one` of the ranks
    of tensor parallelism can hold whole experts, `vocabulary_block` what it pads a vocabulary to before the ranks have
    equal shares of it, `batch_of_sequences` that a batch must have a token for each sequence,
    `own_kv_heads` that each rank of tensor parallelism needs KV heads of its own. `sets` are the values of given
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
    refuses_longer: bool = False
    expert_ranks: str = "some"
    vocabulary_block: int = 0
    batch_of_sequences: bool = False
    own_kv_heads: bool = False
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
