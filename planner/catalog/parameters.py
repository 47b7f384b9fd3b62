"""Parameter counts of an architecture, by tensor class.

The formulas are those of the models' published implementations (Hugging Face transformers); the row schema
is the one of the `models` catalog, and the counts were checked against its `params_total`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, assert_never

from planner.catalog.architecture import (
    Architecture,
    Attention,
    CompressedAttention,
    Experts,
    FeedForward,
    GatedDeltaNet,
    LatentAttention,
    LayerFeedForward,
    Layers,
    LightningAttention,
    Mamba1,
    Mamba2,
    Mixer,
    NoPart,
    Recurrent,
    ShortConvolution,
    SoftmaxAttention,
    indexer,
)

CLASSES: Final = ("embedding", "attention", "mlp", "router", "norm", "head", "other")


def norm_size(norm: str, width: int) -> int:
    """Parameters of one norm: LayerNorm two vectors, RMSNorm and bias-free LayerNorm one, or nothing."""
    if norm == "none":
        return 0
    return 2 * width if norm in ("ln", "layer") else width


def _softmax_attention(mixer: Attention, hidden: int) -> tuple[int, int]:
    """Matrices and norms of grouped-query attention."""
    query, key, value = mixer.widths
    shared = mixer.kv_shared
    matrices = hidden * query * (2 if mixer.q_gate else 1) + mixer.heads * mixer.value_dim * hidden
    bias = query * (2 if mixer.q_gate else 1)
    if not shared:
        matrices += hidden * key
        bias += key
        if not mixer.k_eq_v:
            matrices += hidden * value
            bias += value
    if mixer.qkv_bias:
        matrices += bias
    if mixer.o_bias:
        matrices += hidden
    if mixer.sinks:
        matrices += mixer.heads
    if mixer.head_gate:
        matrices += hidden * mixer.heads
    norms = 0
    if mixer.qk_norm == "full":
        norms = query + (0 if shared else key)
    elif mixer.qk_norm:
        norms = mixer.head_dim * (1 if shared else 2)
    if mixer.index_dim:
        matrices += hidden * (mixer.index_heads + 1) * mixer.index_dim
        norms += 2 * mixer.index_dim
    return matrices, norms


def _latent_attention(mixer: LatentAttention, hidden: int) -> tuple[int, int]:
    """Matrices and norms of multi-head latent attention (DeepSeek-V2)."""
    heads, latent, value, rank = mixer.heads, mixer.kv_lora_rank, mixer.v_head_dim, mixer.q_lora_rank or 0
    query = heads * mixer.query
    matrices = hidden * rank + rank * query if rank else hidden * query
    matrices += hidden * (latent + mixer.rope) + latent * heads * (mixer.nope + value) + heads * value * hidden
    norms = rank + latent
    if mixer.index_dim:
        scorers, width = mixer.index_heads, mixer.index_dim
        matrices += (rank or hidden) * scorers * width + hidden * (width + scorers)
        norms += 2 * width
    return matrices, norms


def _compressed_attention(mixer: CompressedAttention, hidden: int) -> tuple[int, int]:
    """Matrices and norms of compressed attention (DeepSeek-V4): one shared key and value of the head's width.

    With `rate` a compressor pools as many tokens into one entry; with `index_dim` windows overlap by two and an
    indexer with a compressor of its own selects entries (transformers, models/deepseek_v4/modeling_deepseek_v4.py).
    """
    heads, size, rank = mixer.heads, mixer.head_dim, mixer.q_lora_rank
    groups, out_rank, index = mixer.o_groups, mixer.o_lora_rank, mixer.index_dim
    matrices = hidden * (rank + size) + heads * size * (rank + out_rank) + groups * out_rank * hidden + heads
    norms = rank + size
    if mixer.rate:
        matrices += mixer.overlap * (2 * hidden + mixer.rate) * (size + index)
        norms += size + index
    if index:
        matrices += rank * mixer.index_heads * index + hidden * mixer.index_heads
    return matrices, norms


def _mixer(mixer: Mixer, hidden: int) -> tuple[int, int]:
    match mixer:
        case Attention():
            return _softmax_attention(mixer, hidden)
        case LatentAttention():
            return _latent_attention(mixer, hidden)
        case CompressedAttention():
            return _compressed_attention(mixer, hidden)
        case GatedDeltaNet(v_heads=heads, keys=keys, values=values):
            matrices = hidden * (2 * keys + 2 * values + 2 * heads) + (2 * keys + values) * mixer.d_conv
            return matrices + 2 * heads + values * hidden, mixer.v_dim
        case Mamba1(d_inner=inner, d_state=state, dt_rank=rank):
            matrices = hidden * 2 * inner + inner * (mixer.d_conv + 1) + inner * (rank + 2 * state)
            matrices += rank * inner + inner + inner * state + inner + inner * hidden
            return matrices, rank + 2 * state if mixer.inner_norms else 0
        case Mamba2(d_inner=inner, heads=heads):
            states = 2 * mixer.groups * mixer.d_state
            matrices = hidden * (2 * inner + states + heads) + (inner + states) * (mixer.d_conv + 1)
            return matrices + 3 * heads + inner * hidden, inner
        case LightningAttention(width=width):
            return 5 * hidden * width, width
        case ShortConvolution(d_conv=span):
            return 4 * hidden * hidden + hidden * span, 0
        case NoPart():
            return 0, 0
        case _:
            assert_never(mixer)


def _dense(hidden: int, inter: int, gated: bool, bias: bool) -> int:
    up = 2 if gated else 1
    return (up + 1) * hidden * inter + ((up * inter + hidden) if bias else 0)


def _feed_forward(ffn: LayerFeedForward, hidden: int, active: bool) -> tuple[int, int]:
    """Parameters of the feed-forward part and its router; with `active`, of the experts in use."""
    match ffn:
        case NoPart():
            return 0, 0
        case FeedForward():
            return _dense(hidden, ffn.inter, ffn.gated, ffn.bias), 0
        case Experts(experts=experts):
            used = ffn.topk if active else experts
            total = used * _dense(ffn.latent or hidden, ffn.inter, ffn.gated, ffn.bias) + 2 * hidden * ffn.latent
            if ffn.shared_inter:
                total += _dense(hidden, ffn.shared_inter, ffn.gated, False)
            if ffn.plus_dense:
                total += _dense(hidden, ffn.plus_dense, True, False)
            bias = experts if ffn.router_bias else 0
            return total, hidden * experts + bias + (hidden if ffn.shared_gate else 0)
        case _:
            assert_never(ffn)


def layer_parameters(arch: Architecture, group: Layers, active: bool = False) -> dict[str, int]:
    """Parameters of one layer of a group, by tensor class."""
    mixer, norms = _mixer(group.mixer, arch.hidden)
    ffn, router = _feed_forward(group.ffn, arch.hidden, active)
    return {
        "embedding": 0,
        "attention": mixer,
        "mlp": ffn,
        "router": router,
        "norm": norms + group.norms * norm_size(arch.norm, arch.hidden),
        "head": 0,
        "other": group.extra,
    }


def routed_parameters(arch: Architecture, group: Layers) -> int:
    """Parameters of a layer's routed experts, 0 where it has none."""
    if not isinstance(group.ffn, Experts):
        return 0
    beside = replace(group, ffn=replace(group.ffn, experts=0))
    return layer_parameters(arch, group)["mlp"] - layer_parameters(arch, beside)["mlp"]


def outside_parameters(arch: Architecture) -> dict[str, int]:
    """Parameters outside the layers, by tensor class. A tied head is counted once, as the embedding."""
    width = arch.embed_dim or arch.hidden
    embedding = (arch.vocab + arch.embed_extra_rows) * width + arch.pos_rows * arch.hidden
    if width != arch.hidden:
        embedding += 2 * width * arch.hidden
    return {
        "embedding": embedding,
        "attention": 0,
        "mlp": 0,
        "router": 0,
        "norm": norm_size(arch.norm, arch.hidden) * (int(arch.final_norm) + int(arch.embed_norm)),
        "head": (0 if arch.tied else arch.vocab * width) + (arch.vocab if arch.head_bias else 0),
        "other": arch.opaque_params + arch.global_extra,
    }


def parameters(arch: Architecture, active: bool = False) -> dict[str, int]:
    """All parameters by tensor class."""
    total = outside_parameters(arch)
    for group in arch.groups:
        for name, count in layer_parameters(arch, group, active).items():
            total[name] += group.count * count
    return total


def tensors(arch: Architecture, params_total: int) -> dict[str, int]:
    """The parameters by class, adding up to the published total: the unknown is in `other`."""
    counts = parameters(arch)
    counts["other"] += params_total - sum(counts.values())
    return counts


def classes_of(arch: Architecture) -> frozenset[str]:
    """The classes of tensors an architecture has, by which a checkpoint may keep its formats apart."""
    classes = {"embedding", "head", "norm"}.union(*map(layer_classes, arch.groups))
    return frozenset(classes | ({"other"} if arch.opaque_params else set()))


def layer_classes(group: Layers) -> frozenset[str]:
    """The classes of tensors a layer of a group has."""
    mixer, ffn = group.mixer, group.ffn
    experts = isinstance(ffn, Experts)
    return frozenset(
        name
        for name, there in (
            ("attention", isinstance(mixer, SoftmaxAttention)),
            ("recurrent", isinstance(mixer, Recurrent)),
            ("gates", isinstance(mixer, GatedDeltaNet)),
            ("indexer", bool(indexer(mixer)[1])),
            ("compressor", isinstance(mixer, CompressedAttention) and bool(mixer.rate)),
            ("dense", isinstance(ffn, FeedForward) or (isinstance(ffn, Experts) and bool(ffn.plus_dense))),
            ("experts", experts),
            ("router", experts),
            ("shared_expert", isinstance(ffn, Experts) and bool(ffn.shared_inter)),
        )
        if there
    )
