"""Parameter counts of an architecture, by tensor class.

The formulas are those of the models' published implementations (Hugging Face transformers); the row schema
is the one of the `models` catalog, and the counts were checked against its `params_total`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from planner.catalog.records import Architecture, Layers

CLASSES: Final = ("embedding", "attention", "mlp", "router", "norm", "head", "other")


def kind(part: Mapping[str, Any] | None) -> str:
    """The kind of a mixer or a feed-forward part; an absent one is `none`."""
    found = str((part or {}).get("kind") or "none")
    return "none" if found == "null" else found


def norm_size(norm: str, width: int) -> int:
    """Parameters of one norm: LayerNorm two vectors, RMSNorm and bias-free LayerNorm one, or nothing."""
    if norm == "none":
        return 0
    return 2 * width if norm in ("ln", "layer") else width


def attention_widths(mixer: Mapping[str, Any]) -> tuple[int, int, int]:
    """Widths of the query, key and value projections of a head-wise attention."""
    head = int(mixer["head_dim"])
    value = int(mixer.get("v_head_dim") or head)
    return int(mixer["heads"]) * head, int(mixer["kv_heads"]) * head, int(mixer["kv_heads"]) * value


def _softmax_attention(mixer: Mapping[str, Any], hidden: int) -> tuple[int, int]:
    """Matrices and norms of grouped-query attention."""
    query, key, value = attention_widths(mixer)
    heads = int(mixer["heads"])
    out = heads * int(mixer.get("v_head_dim") or mixer["head_dim"])
    shared = bool(mixer.get("kv_shared"))
    matrices = hidden * query * (2 if mixer.get("q_gate") else 1) + out * hidden
    bias = query * (2 if mixer.get("q_gate") else 1)
    if not shared:
        matrices += hidden * key
        bias += key
        if not mixer.get("k_eq_v"):
            matrices += hidden * value
            bias += value
    if mixer.get("qkv_bias"):
        matrices += bias
    if mixer.get("o_bias"):
        matrices += hidden
    if mixer.get("sinks"):
        matrices += heads
    if mixer.get("head_gate"):
        matrices += hidden * heads
    norms = 0
    style = mixer.get("qk_norm")
    if style == "full":
        norms = query + (0 if shared else key)
    elif style:
        norms = int(mixer["head_dim"]) * (1 if shared else 2)
    if mixer.get("index_dim"):
        matrices += hidden * (int(mixer["index_heads"]) + 1) * int(mixer["index_dim"])
        norms += 2 * int(mixer["index_dim"])
    return matrices, norms


def _latent_attention(mixer: Mapping[str, Any], hidden: int) -> tuple[int, int]:
    """Matrices and norms of multi-head latent attention (DeepSeek-V2)."""
    heads, nope, rope = int(mixer["heads"]), int(mixer["nope"]), int(mixer["rope"])
    latent, value, rank = (
        int(mixer["kv_lora_rank"]),
        int(mixer["v_head_dim"]),
        int(mixer.get("q_lora_rank") or 0),
    )
    query = heads * (nope + rope)
    matrices = hidden * rank + rank * query if rank else hidden * query
    matrices += hidden * (latent + rope) + latent * heads * (nope + value) + heads * value * hidden
    norms = rank + latent
    if mixer.get("index_dim"):
        scorers, width = int(mixer["index_heads"]), int(mixer["index_dim"])
        matrices += (rank or hidden) * scorers * width + hidden * (width + scorers)
        norms += 2 * width
    return matrices, norms


def _compressed_attention(mixer: Mapping[str, Any], hidden: int) -> tuple[int, int]:
    """Matrices and norms of compressed attention (DeepSeek-V4): one shared key and value of the head's width.

    With `rate` a compressor pools as many tokens into one entry; with `index_dim` windows overlap by two and an
    indexer with a compressor of its own selects entries (transformers, models/deepseek_v4/modeling_deepseek_v4.py).
    """
    heads, size, rank = int(mixer["heads"]), int(mixer["head_dim"]), int(mixer["q_lora_rank"])
    groups, out_rank = int(mixer["o_groups"]), int(mixer["o_lora_rank"])
    matrices = hidden * (rank + size) + heads * size * (rank + out_rank) + groups * out_rank * hidden + heads
    norms = rank + size
    rate, index = int(mixer.get("rate") or 0), int(mixer.get("index_dim") or 0)
    if rate:
        overlap = 2 if index else 1
        matrices += overlap * (2 * hidden + rate) * (size + index)
        norms += size + index
    if index:
        scorers = int(mixer["index_heads"])
        matrices += rank * scorers * index + hidden * scorers
    return matrices, norms


def _mixer(mixer: Mapping[str, Any], hidden: int) -> tuple[int, int]:
    match kind(mixer):
        case "gqa" | "cross":
            return _softmax_attention(mixer, hidden)
        case "mla":
            return _latent_attention(mixer, hidden)
        case "compressed":
            return _compressed_attention(mixer, hidden)
        case "gdn":
            keys = int(mixer["k_heads"]) * int(mixer["k_dim"])
            heads = int(mixer["v_heads"])
            values = heads * int(mixer["v_dim"])
            matrices = hidden * (2 * keys + 2 * values + 2 * heads) + (2 * keys + values) * int(mixer["d_conv"])
            return matrices + 2 * heads + values * hidden, int(mixer["v_dim"])
        case "mamba1":
            inner, state, rank = int(mixer["d_inner"]), int(mixer["d_state"]), int(mixer["dt_rank"])
            matrices = hidden * 2 * inner + inner * (int(mixer["d_conv"]) + 1) + inner * (rank + 2 * state)
            matrices += rank * inner + inner + inner * state + inner + inner * hidden
            return matrices, rank + 2 * state if mixer.get("inner_norms") else 0
        case "mamba2":
            inner, heads = int(mixer["d_inner"]), int(mixer["heads"])
            states = 2 * int(mixer["groups"]) * int(mixer["d_state"])
            matrices = hidden * (2 * inner + states + heads) + (inner + states) * (int(mixer["d_conv"]) + 1)
            return matrices + 3 * heads + inner * hidden, inner
        case "lightning":
            width = int(mixer["heads"]) * int(mixer["head_dim"])
            return 5 * hidden * width, width
        case "shortconv":
            return 4 * hidden * hidden + hidden * int(mixer["d_conv"]), 0
    return 0, 0


def _dense(hidden: int, inter: int, gated: bool, bias: bool) -> int:
    up = 2 if gated else 1
    return (up + 1) * hidden * inter + ((up * inter + hidden) if bias else 0)


def _feed_forward(ffn: Mapping[str, Any] | None, hidden: int, active: bool) -> tuple[int, int]:
    """Parameters of the feed-forward part and its router; with `active`, of the experts in use."""
    if ffn is None or kind(ffn) == "none":
        return 0, 0
    gated, bias = bool(ffn.get("gated", True)), bool(ffn.get("bias", False))
    if kind(ffn) == "mlp":
        return _dense(hidden, int(ffn["inter"]), gated, bias), 0
    latent = int(ffn.get("latent") or 0)
    experts = int(ffn["experts"])
    used = int(ffn["topk"]) if active else experts
    total = used * _dense(latent or hidden, int(ffn["inter"]), gated, bias) + 2 * hidden * latent
    shared = int(ffn.get("shared_inter") or 0)
    if shared:
        total += _dense(hidden, shared, gated, False)
    if ffn.get("plus_dense"):
        total += _dense(hidden, int(ffn["plus_dense"]), True, False)
    router = hidden * experts + (experts if ffn.get("router_bias") else 0) + (hidden if ffn.get("shared_gate") else 0)
    return total, router


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
    found = parameters(arch)
    found["other"] += params_total - sum(found.values())
    return found


def classes_of(arch: Architecture) -> frozenset[str]:
    """The classes of tensors an architecture has, by which a checkpoint may keep its formats apart."""
    found = {"embedding", "head", "norm"}.union(*map(layer_classes, arch.groups))
    return frozenset(found | ({"other"} if arch.opaque_params else set()))


def layer_classes(group: Layers) -> frozenset[str]:
    """The classes of tensors a layer of a group has."""
    mixer, ffn = kind(group.mixer), kind(group.ffn)
    feed_forward = group.ffn or {}
    return frozenset(
        name
        for name, there in (
            ("attention", mixer in ("gqa", "cross", "mla", "compressed")),
            ("recurrent", mixer in ("gdn", "mamba1", "mamba2", "lightning", "shortconv")),
            ("gates", mixer == "gdn"),
            ("indexer", bool(group.mixer.get("index_dim"))),
            ("compressor", bool(group.mixer.get("rate"))),
            ("dense", ffn == "mlp" or bool(feed_forward.get("plus_dense"))),
            ("experts", ffn == "moe"),
            ("router", ffn == "moe"),
            ("shared_expert", bool(feed_forward.get("shared_inter"))),
        )
        if there
    )
