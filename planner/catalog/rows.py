"""The rows as the files write them: what a loader checks and what the JSON schemas are generated from."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from planner.record import dataclass


@dataclass(frozen=True, slots=True)
class Limit:
    """What a value of a field must keep: a least number or length, a pattern of the whole text, and what it is."""

    least: float | None = None
    pattern: str | None = None
    about: str = ""


Text = Annotated[str, Limit(1)]
Whole = Annotated[int, Limit(0)]
Count = Annotated[int, Limit(1)]
Number = Annotated[float, Limit(0)]
Exact = Annotated[
    str | int | float, Limit(pattern=r"\d+(\.\d+)?(/[1-9]\d*)?", about="a number or a fraction like 33/8")
]
AsOf = Annotated[
    str,
    Limit(
        pattern=r"\d{4}(-\d\d(-\d\d)?|-H[12])?(/\d{4}(-\d\d(-\d\d)?|-H[12])?)*", about="a day, month, half-year or year"
    ),
]
Words = list[Text]
NORMS = Literal["rms", "ln", "ln_nobias", "none"]
PARTS = Literal[
    "experts", "dense", "shared_expert", "attention", "recurrent", "indexer", "compressor", "gates", "router",
    "embedding", "head", "norm", "other",
]  # fmt: skip
"""The classes of tensors a checkpoint keeps formats apart by; `dense` feed-forward parts stand apart from experts."""


@dataclass(frozen=True, slots=True)
class GpuRow:
    """An accelerator; the shipped catalog is gpus.yaml."""

    id: Annotated[str, Limit(1, r"[a-z][a-z0-9_]*", "snake_case")]
    name: Text
    vendor: Text
    architecture: Text
    marketed_gb: Annotated[int, Limit(1, about="the memory it is sold with, in GB")]
    memory_mib: Annotated[int, Limit(1, about="what a framework can use, in MiB")]
    device_memory_mib: Annotated[int, Limit(1, about="what the device reports, in MiB")]
    memory_source: Text
    bandwidth_gb_s: Annotated[float, Limit(0, about="memory bandwidth in GB/s")]
    tflops: Annotated[dict[str, Number], Limit(about="dense peaks in TFLOP/s by format")]
    native_formats: Words
    link_gb_s: Annotated[float, Limit(0, about="GB/s to the other GPUs of a node, one direction; 0 without a link")]
    max_gpus_per_node: Count
    power_w: Annotated[int, Limit(0, about="board power in W; 0 where it is not published")]
    release_year: Count
    confidence: Literal["high", "medium", "low"]
    source: Text
    compute_capability: Text | None = None
    memory_type: Text | None = None
    unified: bool = False
    link: Text | None = None
    pcie: Text | None = None
    mig: Words | None = None
    multiprocessors: Count | None = None
    cpu: Annotated[Literal["arm"] | None, Limit(about="the host's processor, where it comes with this alone")] = None
    aliases: Words | None = None
    sources: Annotated[dict[str, Text] | None, Limit(about="where each figure comes from, by field")] = None
    note: str = ""
    override: bool = False


@dataclass(frozen=True, slots=True)
class OfferRow:
    """Something that can be rented; the shipped catalog is offers.yaml."""

    id: Annotated[str, Limit(1, about="provider/region/instance_type")]
    provider: Text
    instance_type: Text
    region: Text
    gpu: Text
    gpus: Count
    sold_by: Literal["instance", "gpu"]
    as_of: AsOf
    source: Text
    price_usd_h: Annotated[float | None, Limit(0, about="USD per hour of the whole row, on demand")] = None
    spot_usd_h: Annotated[float | None, Limit(0, about="USD per hour of the whole row, spot")] = None
    reserved_1y_usd_h: Annotated[
        float | None, Limit(0, about="USD per hour of the whole row, committed for a year")
    ] = None
    reserved_3y_usd_h: Annotated[float | None, Limit(0, about="USD per hour of the whole row, for three years")] = None
    spot_as_of: AsOf | None = None
    marketplace: bool = False
    vcpus: Number | None = None
    ram_gib: Number | None = None
    available: Annotated[int | None, Limit(0, about="how many can be had")] = None
    network_gbit_s: Annotated[Number | None, Limit(0, about="Gbit/s between instances, of one of them")] = None
    flags: Words | None = None
    note: str = ""
    override: bool = False


@dataclass(frozen=True, slots=True)
class AttentionRow:
    """Head-wise attention over the own tokens (gqa) or over another input's (cross)."""

    kind: Literal["gqa", "cross"]
    heads: Count
    kv_heads: Count
    head_dim: Count
    v_head_dim: Count | None = None
    qkv_bias: bool = False
    o_bias: bool = False
    qk_norm: Literal["head", "full", False] | None = None
    q_gate: bool = False
    sinks: bool = False
    kv_shared: bool = False
    k_eq_v: bool = False
    window: Count | None = None
    chunk: Count | None = None
    head_gate: bool = False
    index_heads: Count | None = None
    index_dim: Count | None = None


@dataclass(frozen=True, slots=True)
class LatentRow:
    """Multi-head latent attention."""

    kind: Literal["mla"]
    heads: Count
    kv_lora_rank: Count
    nope: Whole
    rope: Whole
    v_head_dim: Count
    q_lora_rank: Whole | None = None
    index_heads: Count | None = None
    index_dim: Count | None = None
    index_shared: bool = False


@dataclass(frozen=True, slots=True)
class CompressedRow:
    """Attention over a window and over tokens compressed at a rate, one key and value for all heads (DeepSeek-V4)."""

    kind: Literal["compressed"]
    heads: Count
    head_dim: Count
    rope: Whole
    q_lora_rank: Count
    o_groups: Count
    o_lora_rank: Count
    window: Count
    rate: Count | None = None
    index_heads: Count | None = None
    index_dim: Count | None = None


@dataclass(frozen=True, slots=True)
class MambaRow:
    """A selective state space."""

    kind: Literal["mamba1"]
    d_inner: Count
    d_state: Count
    d_conv: Count
    dt_rank: Count
    inner_norms: bool = False


@dataclass(frozen=True, slots=True)
class Mamba2Row:
    """A state space with heads, in groups."""

    kind: Literal["mamba2"]
    d_inner: Count
    groups: Count
    d_state: Count
    heads: Count
    d_conv: Count


@dataclass(frozen=True, slots=True)
class DeltaRow:
    """A gated delta net."""

    kind: Literal["gdn"]
    k_heads: Count
    k_dim: Count
    v_heads: Count
    v_dim: Count
    d_conv: Count


@dataclass(frozen=True, slots=True)
class LightningRow:
    """Lightning attention: linear, with a decay per head."""

    kind: Literal["lightning"]
    heads: Count
    head_dim: Count


@dataclass(frozen=True, slots=True)
class ConvolutionRow:
    """A short gated convolution."""

    kind: Literal["shortconv"]
    d_conv: Count


@dataclass(frozen=True, slots=True)
class NothingRow:
    """No part here."""

    kind: Literal["none"]


@dataclass(frozen=True, slots=True)
class DenseRow:
    """A dense feed-forward part."""

    kind: Literal["mlp"]
    inter: Count
    gated: bool = True
    bias: bool = False


@dataclass(frozen=True, slots=True)
class ExpertsRow:
    """A mixture of experts, with shared and dense parts beside it."""

    kind: Literal["moe"]
    experts: Count
    topk: Count
    inter: Count
    gated: bool = True
    bias: bool = False
    shared_inter: Whole | None = None
    shared_gate: bool = False
    router_bias: bool = False
    latent: Whole | None = None
    plus_dense: Whole | None = None


Mixer = (
    AttentionRow
    | LatentRow
    | CompressedRow
    | MambaRow
    | Mamba2Row
    | DeltaRow
    | LightningRow
    | ConvolutionRow
    | NothingRow
)
FeedForward = DenseRow | ExpertsRow | NothingRow


@dataclass(frozen=True, slots=True)
class LayersRow:
    """`count` alike layers; `norms` of the hidden width, `extra` parameters of other kinds, each."""

    count: Annotated[int, Limit(1)]
    mixer: Mixer
    ffn: FeedForward | None
    norms: Whole
    extra: Whole = 0


@dataclass(frozen=True, slots=True)
class VisionRow:
    """An image encoder; `image` and `video` are tokens and patches of the largest one the processor lets through."""

    hidden: Count
    inter: Count
    attention: Count
    pixels: Count
    image: list[Count]
    source: Text
    gated: bool = False
    rotary: bool = False
    video: list[Count] | None = None
    video_steps: Count | None = None
    video_spread: Exact | None = None
    outputs: Count | None = None
    kept: Whole | None = None


@dataclass(frozen=True, slots=True)
class ArchitectureRow:
    """Layers as a run-length list, and what stands outside them."""

    hidden: Count
    vocab: Count
    tied: bool
    norm: NORMS
    groups: list[LayersRow]
    opaque_params: Whole = 0
    pos_rows: Whole = 0
    embed_dim: Count | None = None
    final_norm: bool = True
    head_bias: bool = False
    embed_norm: bool = False
    embed_extra_rows: Whole = 0
    global_extra: Whole = 0
    vision: VisionRow | None = None


@dataclass(frozen=True, slots=True)
class ModelRow:
    """A model; the shipped catalog is models.yaml."""

    id: Text
    params: Count
    active_params: Count
    native_format: Text
    licence: Text
    model_type: Text
    verified: Text
    source: Text
    max_context: Count | None = None
    architecture: ArchitectureRow | None = None
    published_params: Count | None = None
    published_note: str = ""
    native_leaves: list[PARTS] | None = None
    native_classes: Annotated[dict[PARTS, Text] | None, Limit(about="the format of tensor classes that differ")] = None
    native_partly: Annotated[dict[PARTS, Count] | None, Limit(about="the layers in which a class is in 16 bit")] = None
    native_block: Annotated[Count | None, Limit(about="rows and columns that share a scale in its fp8 tensors")] = None
    aliases: Words | None = None
    breakdown: dict[str, Whole] | None = None
    note: str = ""
    override: bool = False


@dataclass(frozen=True, slots=True)
class CheckpointRow:
    """Published weights of a model in models.yaml under their own name; the shipped catalog is checkpoints.yaml."""

    id: Text
    of: Annotated[str, Limit(1, about="the id of the model's row")]
    native_format: Annotated[str, Limit(1, about="the format of most of its weights")]
    layout: Annotated[
        Literal["read", "named"], Limit(about="whether its configuration was read, or only its name says the format")
    ]
    source: Text
    native_leaves: list[PARTS] | None = None
    native_classes: Annotated[dict[PARTS, Text] | None, Limit(about="the format of tensor classes that differ")] = None
    native_partly: Annotated[dict[PARTS, Count] | None, Limit(about="the layers in which a class is in 16 bit")] = None
    native_block: Annotated[Count | None, Limit(about="rows and columns that share a scale in its fp8 tensors")] = None
    max_context: Count | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class FormatRow:
    """A number format; the shipped catalog is formats.yaml."""

    id: Text
    name: Text
    bits: Exact
    element_bits: Count
    source: Text
    exponent: Whole | None = None
    mantissa: Whole | None = None
    largest: Number | None = None
    epsilon: Number | None = None
    block: Count | None = None
    overhead_bits: Exact | None = None
    leaves: Words | None = None
    left_bits: Count | None = None
    computes_as: Text | None = None
    needs: Words | None = None
    roles: Words | None = None
    engines: Words | None = None
    row_bytes: Whole | None = None
    kv_scale_bits: Whole | None = None
    kv_whole_layers: Whole | None = None
    kv_needs: Words | None = None
    expert_multiple: Count | None = None
    only: Text | None = None
    file_types: list[Any] | None = None
    aliases: Words | None = None
    note: str = ""
    override: bool = False


@dataclass(frozen=True, slots=True)
class LackRow:
    """Something an engine does not do; all that is stated must meet. `runs_on` are compute capabilities it runs on."""

    decision: Literal[
        "weights", "kv_cache", "gpu", "tensor_parallel", "attention_parallel", "all_to_all", "engine_version", "task"
    ]
    what: Text
    source: Text
    formats: Words | None = None
    sparse: bool = False
    dense: bool = False
    by_sequence: bool = False
    all_to_all: Words | None = None
    split: Literal["tensor", "expert"] | None = None
    vendors: Words | None = None
    runs_on: Words | None = None
    until: Annotated[str | None, Limit(1, r"\d+(\.\d+)*", "a version")] = None
    since: Annotated[str | None, Limit(1, r"\d+(\.\d+)*", "a version")] = None
    caches: Words | None = None
    latent: bool = False
    plain: bool = False
    mixed: bool = False
    families: Words | None = None
    tasks: Words | None = None
    experts: bool = False
    sinks: bool = False
    head_sizes: Annotated[list[Count] | None, Limit(about="of attention; a lack of all other sizes")] = None
    images: bool = False
    as_published: bool = False
    cpus: Words | None = None


@dataclass(frozen=True, slots=True)
class ExpertKernelRow:
    """How an engine's kernel stores experts: what it rounds their widths up to, and what it keeps beside them."""

    formats: Words
    runs_on: Words
    inner: Count
    hidden: Count
    source: Text
    sparse: bool = False
    since: Annotated[str | None, Limit(1, r"\d+(\.\d+)*", "a version")] = None
    until: Annotated[str | None, Limit(1, r"\d+(\.\d+)*", "a version")] = None
    kept_bits: Exact | None = None


@dataclass(frozen=True, slots=True)
class CacheDefaultRow:
    """The cache format an engine takes for all models, or those of `families`, by itself, on all GPUs or `runs_on`."""

    format: Text
    source: Text
    families: Words | None = None
    runs_on: Words | None = None


@dataclass(frozen=True, slots=True)
class EngineRow:
    """A serving engine; the shipped catalog is engines.yaml."""

    id: Text
    name: Text
    block_tokens: Count
    gpu_memory_utilization: Exact
    max_sequences: Count
    max_batched_tokens: Count
    context_bytes: Whole
    non_torch_bytes: dict[str, Whole]
    graph_bytes: Whole
    sampler_bytes_per_logit: Exact
    bandwidth_efficiency: Exact
    flops_efficiency: Exact
    sources: dict[str, Text]
    source: Text
    step_us: Number | None = None
    sequence_us: Number | None = None
    collective_us: Number | None = None
    layer_us: Number | None = None
    request_us: Number | None = None
    prompt_factor: Number | None = None
    prompt_steps: Number | None = None
    prompt_waiting: Number | None = None
    kernels: dict[str, dict[str, dict[str, list[Number]]]] | None = None
    time_margins: dict[str, Any] | None = None
    anchored_margins: dict[str, Any] | None = None
    kv_formats: Words | None = None
    vendors: Words | None = None
    excludes: Annotated[Words | None, Limit(about="GPUs of these vendors that it does not run on")] = None
    least_capability: Annotated[str | None, Limit(1, r"\d+\.\d", "a compute capability")] = None
    lacks: list[LackRow] | None = None
    expert_kernels: list[ExpertKernelRow] | None = None
    cache_defaults: list[CacheDefaultRow] | None = None
    one_host: Annotated[bool, Limit(about="whether a replica lies on one host")] = False
    whole_blocks: Annotated[bool, Limit(about="whether a rank holds whole blocks of quantized weights alone")] = False
    encoder_apart: Annotated[bool, Limit(about="whether an image encoder is a file of its own")] = False
    sets: Annotated[
        dict[str, str | int | float | bool] | None, Limit(about="what it takes where a plan mentions nothing")
    ] = None
    offload: str = ""
    margins: dict[str, Any] | None = None
    releases: list[Any] | None = None
    layer_split: bool = False
    aliases: Words | None = None
    note: str = ""
    override: bool = False


@dataclass(frozen=True, slots=True)
class TrainerLackRow:
    """Something a framework does not do, or not on GPUs of `vendors`, `below` a capability, or off `runs_on`."""

    decision: Literal["method", "precision", "attention", "gpu"]
    what: Text
    source: Text
    methods: Words | None = None
    precisions: Words | None = None
    attention: Words | None = None
    vendors: Words | None = None
    below: Annotated[str | None, Limit(1, r"\d+\.\d", "a compute capability")] = None
    runs_on: Words | None = None
    cpus: Words | None = None


@dataclass(frozen=True, slots=True)
class FrameworkRow:
    """A training framework; the shipped catalog is frameworks.yaml."""

    id: Annotated[str, Limit(1, r"[a-z][a-z0-9_]*", "snake_case")]
    name: Text
    source: Text
    runs_on: Annotated[str | None, Limit(1, about="the framework whose trainer it runs")] = None
    sets: Annotated[
        dict[str, str | int | float | bool] | None, Limit(about="what it takes where a plan mentions nothing")
    ] = None
    unmodelled: Annotated[str | None, Limit(1, about="why its memory is not known here")] = None
    instead: Annotated[str | None, Limit(1, about="the nearest framework that is modelled")] = None
    vendors: Words | None = None
    products: dict[str, Literal["float8", "te", "te_cached", "int8"]] | None = None
    selective: Text | None = None
    selectives: Words | None = None
    zero: list[Whole] | None = None
    piped_zero: Annotated[int | None, Limit(0, about="the highest stage of ZeRO beside pipelines")] = None
    some_layers: Annotated[bool | None, Limit(about="whether part of the layers can recompute")] = None
    pipelines: bool | None = None
    hybrid: Annotated[bool | None, Limit(about="whether it shards within groups of copies")] = None
    joint: Annotated[int | None, Limit(0, about="FSDP's version beside tensor and context parallelism")] = None
    fsdp_version: Count | None = None
    sync_each_batch: bool | None = None
    lacks: list[TrainerLackRow] | None = None
    sources: Annotated[dict[str, Text] | None, Limit(about="where each field comes from")] = None
    aliases: Words | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class RecoveryRow:
    """A measured quality of a format relative to the native one; the shipped catalog is quality.yaml."""

    id: Text
    role: Literal["weights", "kv_cache", "activations"]
    format: Text
    model: Text
    method: Text
    quantization: Text
    metric: Text
    recovery: Exact
    source: Text
    note: str = ""
    override: bool = False


ROWS: dict[str, type] = {
    "gpus": GpuRow,
    "offers": OfferRow,
    "models": ModelRow,
    "formats": FormatRow,
    "engines": EngineRow,
    "frameworks": FrameworkRow,
    "quality": RecoveryRow,
    "checkpoints": CheckpointRow,
}
"""The form of a row, by catalog."""
