"""The rows of models.yaml and checkpoints.yaml: architectures, layer by layer, and published weights."""

from __future__ import annotations

from typing import Annotated, Literal

from planner.catalog.reading.limits import Count, Exact, Limit, Text, Whole, Words
from planner.record import dataclass

NORMS = Literal["rms", "ln", "ln_nobias", "none"]


PARTS = Literal[
    "experts", "dense", "shared_expert", "attention", "recurrent", "indexer", "compressor", "gates", "router",
    "embedding", "head", "norm", "other",
]  # fmt: skip
"""The classes of tensors a checkpoint keeps formats apart by; `dense` feed-forward parts stand apart from experts."""


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


MixerRow = (
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


FeedForwardRow = DenseRow | ExpertsRow | NothingRow


@dataclass(frozen=True, slots=True)
class LayersRow:
    """`count` identical layers; `norms` of the hidden width, `extra` parameters of other kinds, each."""

    count: Annotated[int, Limit(1)]
    mixer: MixerRow
    ffn: FeedForwardRow | None
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
