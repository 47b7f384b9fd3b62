"""The rows of engines.yaml and frameworks.yaml: what serves and what trains, and what each does not do."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from planner.catalog.reading.limits import Count, Exact, Limit, Number, Text, Whole, Words
from planner.record import dataclass


@dataclass(frozen=True, slots=True)
class LackRow:
    """Something an engine does not do; all that is stated must meet. `runs_on` are compute capabilities it runs on."""

    decision: Literal[
        "weights",
        "kv_cache",
        "gpu",
        "tensor_parallel",
        "attention_parallel",
        "all_to_all",
        "engine_version",
        "task",
        "shared_prefix",
        "draft_model",
        "concurrency",
        "adapters",
        "adapter_rank",
        "offloaded_cache",
        "offloaded_weights",
        "pipeline_parallel",
    ]
    what: Text
    source: Text
    formats: Words | None = None
    sparse: bool = False
    dense: bool = False
    by_sequence: bool = False
    all_to_all: Words | None = None
    split: Literal["tensor", "expert", "pipeline"] | None = None
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
    prefixes: bool = False
    drafts: bool = False
    unlike_drafts: bool = False
    several: bool = False
    states: bool = False
    most_sequences: Annotated[int | None, Limit(1, about="at once; a lack of all larger numbers")] = None
    adapters: bool = False
    adapter_ranks: Annotated[list[Count] | None, Limit(about="of adapters; a lack of all other ranks")] = None
    offloads_cache: bool = False
    offloads_weights: bool = False
    head_multiple: Annotated[int | None, Limit(2, about="of head sizes; a lack of heads of any other width")] = None
    tower_heads: Annotated[int | None, Limit(1, about="a lack of ranks that do not divide them")] = None
    hidden_sizes: Annotated[list[Count] | None, Limit(about="of models; a lack of all other sizes")] = None


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
    expert_ranks: Annotated[
        Literal["some", "all", "one"], Limit(about="how many of the ranks of tensor parallelism can hold whole experts")
    ] = "some"
    vocabulary_block: Annotated[
        int | None, Limit(1, about="what the vocabulary is padded to before ranks share it")
    ] = None
    own_kv_heads: Annotated[bool, Limit(about="whether each rank of tensor parallelism needs KV heads of its own")] = (
        False
    )
    batch_of_sequences: Annotated[
        bool, Limit(about="whether a batch must have a token for each sequence that runs at once")
    ] = False
    encoder_apart: Annotated[bool, Limit(about="whether an image encoder is a file of its own")] = False
    refuses_longer: Annotated[
        bool, Limit(about="whether it does not start with a longer context than the model's config states")
    ] = False
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
class EngineModelRow:
    """What an engine makes of models of one type; the shipped catalog is engine_models.yaml."""

    id: Annotated[str, Limit(1, r"[a-z][a-z0-9_]*/[a-z][A-Za-z0-9_.-]*", "engine/model_type")]
    architecture: Annotated[str, Limit(1, about="the class that published configs name")]
    release: Annotated[str, Limit(1, r"\d+(\.\d+)*", "the version from which on the row holds")]
    source: Text
    absent: Annotated[bool, Limit(about="whether the engine cannot run it at all")] = False
    through: Annotated[str | None, Limit(1, about="the engine's implementation of any model that runs it")] = None
    last: Annotated[str | None, Limit(1, r"\d+(\.\d+)*", "the last version that had the class itself")] = None
    first: Annotated[str | None, Limit(1, r"\d+(\.\d+)*", "the first version that has the class itself")] = None
    lora: Annotated[bool, Limit(about="whether it takes adapters")] = True
    pipeline: Annotated[bool, Limit(about="whether it runs in stages")] = True
    fp16: bool = True
    note: str = ""


@dataclass(frozen=True, slots=True)
class EngineOptionRow:
    """What an engine's releases call a setting of a plan; the shipped catalog is engine_options.yaml."""

    id: Annotated[str, Limit(1, r"[a-z][a-z0-9_]*/[a-z][a-z0-9_.]*(=[a-z0-9_]+)?(@[0-9.]+)?", "engine/setting")]
    option: Annotated[str, Limit(1, about="the option, as it is typed")]
    source: Text
    value: Annotated[str | None, Limit(1, about="the word for the value behind `=` in the id")] = None
    since: Annotated[str | None, Limit(1, r"\d+(\.\d+)*", "the first release that is known to have it")] = None
    until: Annotated[str | None, Limit(1, r"\d+(\.\d+)*", "the first release that does not have it")] = None
    note: str = ""


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
    families: Words | None = None


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
