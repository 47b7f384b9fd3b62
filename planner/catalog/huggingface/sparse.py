"""Decoders whose attention looks up a part of what it keeps: DeepSeek-V3.2 and V4, GLM-5, MiniMax-M3.

Defaults and shapes are those of transformers 5.23 (`models/deepseek_v32`, `deepseek_v4`, `glm_moe_dsa`,
`minimax_m3_vl`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from planner.catalog.architecture import CompressedAttention, FeedForward
from planner.catalog.huggingface.config import Config
from planner.catalog.huggingface.dense import defaults
from planner.catalog.huggingface.experts import EXPERTS, experts_of, latent, mixture
from planner.catalog.huggingface.layers import One, gqa, kv_heads, moe, run_length
from planner.catalog.records import Architecture

_INDEX = {"index_head_dim": 128, "index_n_heads": 64}

SPARSE: dict[str, dict[str, Any]] = {
    "deepseek_v32": {**EXPERTS["deepseek_v3"], "max_position_embeddings": 163840, **_INDEX},
    "glm_moe_dsa": defaults(
        154880, 6144, 12288, 78, 64, 64, 202752, False, kv_lora_rank=512, q_lora_rank=2048, qk_rope_head_dim=64,
        qk_nope_head_dim=192, v_head_dim=256, moe_intermediate_size=2048, n_shared_experts=1, n_routed_experts=256,
        num_experts_per_tok=8, first_k_dense_replace=3, index_head_dim=128, index_n_heads=32, index_topk_freq=1,
        index_skip_topk_offset=2,
    ),
    "deepseek_v4": {
        "vocab_size": 129280, "hidden_size": 4096, "moe_intermediate_size": 2048, "num_hidden_layers": 43,
        "num_attention_heads": 64, "num_key_value_heads": 1, "head_dim": 512, "q_lora_rank": 1024,
        "qk_rope_head_dim": 64, "num_experts_per_tok": 6, "n_routed_experts": 256, "n_shared_experts": 1,
        "max_position_embeddings": 1048576, "hc_mult": 4, "sliding_window": 128, "o_groups": 8, "o_lora_rank": 1024,
        "tie_word_embeddings": False, **_INDEX,
    },
    "minimax_m3_vl_text": defaults(
        200064, 6144, 3072, 60, 64, 4, 524288, False, head_dim=128, num_experts_per_tok=4, num_local_experts=128,
        dense_intermediate_size=12288, shared_intermediate_size=3072, index_head_dim=128, index_n_heads=4,
    ),
}  # fmt: skip
"""The library's defaults by `model_type`."""

_V4_LAYERS = ("sliding_attention", "compressed_sparse_attention", "heavily_compressed_attention")
_V4_RATES = {0: _V4_LAYERS[0], 4: _V4_LAYERS[1], 128: _V4_LAYERS[2]}


def _indexers(config: Config, count: int) -> list[bool]:
    """Return which layers have an indexer; the others use what the last of these chose."""
    known = ("full", "shared")
    kinds = config.words("indexer_types", known, count)
    if kinds is None and config.has("index_topk_pattern"):
        pattern = config.value("index_topk_pattern")
        if not isinstance(pattern, str) or not set(pattern) <= {"F", "S"} or len(pattern) != count:
            raise config.refuse("index_topk_pattern", "must be one F or S a layer")
        kinds = [known[letter == "S"] for letter in pattern]
    if kinds is not None:
        return [kind == "full" for kind in kinds]
    frequency = max(config.maybe("index_topk_freq") or 1, 1)
    offset = config.maybe("index_skip_topk_offset") or 0
    return [max(index - offset + 1, 0) % frequency == 0 for index in range(count)]


def latent_sparse(config: Config) -> Architecture:
    """Return DeepSeek-V3.2 and GLM-5: latent attention with an indexer in every layer, or in some."""
    hidden, heads, count = config.some("hidden_size"), config.some("num_attention_heads"), config.layers()
    scorers, width = config.some("index_n_heads"), config.some("index_head_dim")
    mixer = latent(config, heads)
    if not mixer.q_lora_rank:
        raise config.refuse("q_lora_rank", "is missing: an indexer takes its queries from it")
    words = config.words("mlp_layer_types", ("dense", "sparse"), count)
    indexed = replace(mixer, index_heads=scorers, index_dim=width)
    sharing = replace(mixer, index_shared=True)
    layers: list[One] = []
    for at, own in enumerate(_indexers(config, count)):
        sparse = words[at] == "sparse" if words else None
        layers.append((indexed if own else sharing, mixture(config, at, sparse), 2, 0))
    return Architecture(
        hidden=hidden,
        vocab=config.some("vocab_size"),
        tied=config.flag("tie_word_embeddings"),
        norm="rms",
        groups=run_length(layers),
    )


def _v4_layers(config: Config, count: int) -> list[str]:
    """Return the kind of each layer: as listed, by `compress_ratios`, or as the library alternates them."""
    listed = config.items("layer_types")
    ratios = config.items("compress_ratios")
    if listed is None and ratios is not None:
        for ratio in ratios:
            if ratio not in tuple(_V4_RATES):  # a list or an object is not a key
                raise config.refuse("compress_ratios", f"has {str(ratio)[:20]}; known are 0, 4 and 128")
        listed = [_V4_RATES[ratio] for ratio in ratios]
    if listed is None:
        return [_V4_LAYERS[1 if index % 2 and index >= 2 else 2] for index in range(count)]
    field = "layer_types" if config.has("layer_types") else "compress_ratios"
    if len(listed) < count:
        raise config.refuse(field, f"has {len(listed)} items, and the model {count} layers")
    for kind in listed:
        if kind not in _V4_LAYERS:
            raise config.refuse(field, f"has `{str(kind)[:60]}`; known are {', '.join(_V4_LAYERS)}")
    return listed[:count]


def _v4_rates(config: Config) -> dict[str, int]:
    rates = {_V4_LAYERS[0]: 0, _V4_LAYERS[1]: 4, _V4_LAYERS[2]: 128}
    part = config.part("compress_rates", {}, required=False)
    for kind, old in ((_V4_LAYERS[1], "compress_rate_csa"), (_V4_LAYERS[2], "compress_rate_hca")):
        if part is not None and part.has(kind):
            rates[kind] = part.some(kind)
        if config.has(old):
            rates[kind] = config.some(old)
    return rates


def deepseek_v4(config: Config) -> Architecture:
    """Return DeepSeek-V4: windows beside compressed tokens, an indexer in every second layer, hyper-connections.

    Each layer has two hyper-connections of `hc_mult` streams and the model one before its head; they count as `extra`.
    """
    hidden, heads, count = config.some("hidden_size"), config.some("num_attention_heads"), config.layers()
    for field in ("attention_bias", "mlp_bias"):
        if config.flag(field):
            config.doubt(field, "is true: biases of such a model are not described")
    for field in ("num_key_value_heads", "n_shared_experts"):
        if config.some(field) != 1:
            config.doubt(field, f"is {config.some(field)}; 1 is described")
    streams, rates = config.some("hc_mult"), _v4_rates(config)
    connection = (2 + streams) * streams * (streams * hidden + 1) + 3
    experts, used = experts_of(config)
    inter = config.some("moe_intermediate_size")
    size, groups = config.some("head_dim"), config.some("o_groups")
    config.divided("o_groups", heads * size, groups)
    mixer = CompressedAttention(
        heads=heads,
        head_dim=size,
        rope=config.some("qk_rope_head_dim"),
        q_lora_rank=config.some("q_lora_rank"),
        o_groups=groups,
        o_lora_rank=config.some("o_lora_rank"),
        window=config.some("sliding_window"),
    )
    scorers, width = config.some("index_n_heads"), config.some("index_head_dim")
    own = {
        _V4_LAYERS[0]: mixer,
        _V4_LAYERS[1]: replace(mixer, rate=rates[_V4_LAYERS[1]], index_heads=scorers, index_dim=width),
        _V4_LAYERS[2]: replace(mixer, rate=rates[_V4_LAYERS[2]]),
    }
    ffn = moe(experts, used, inter, shared_inter=inter)
    return Architecture(
        hidden=hidden,
        vocab=config.some("vocab_size"),
        tied=config.flag("tie_word_embeddings"),
        norm="rms",
        groups=run_length((own[kind], ffn, 2, 2 * connection) for kind in _v4_layers(config, count)),
        global_extra=streams * (streams * hidden + 1) + 1,
    )


def minimax_m3(config: Config) -> Architecture:
    """Return the decoder of MiniMax-M3: grouped-query attention, in some layers with an indexer over key blocks."""
    hidden, heads, count = config.some("hidden_size"), config.some("num_attention_heads"), config.layers()
    part = config.part("sparse_attention_config", {}, required=False)
    scorers, width = config.some("index_n_heads"), config.some("index_head_dim")
    if part is not None:
        scorers = part.some("sparse_num_index_heads") if part.has("sparse_num_index_heads") else scorers
        width = part.some("sparse_index_dim") if part.has("sparse_index_dim") else width
    kinds = config.words("layer_types", ("full_attention", "minimax_m3_sparse"), count)
    frequency = part.items("sparse_attention_freq", count) if part is not None else None
    indexed = [bool(item) for item in frequency] if frequency else [False] * count
    indexed = [kind == "minimax_m3_sparse" for kind in kinds] if kinds else indexed
    words, often = config.words("mlp_layer_types", ("dense", "sparse"), count), config.items("moe_layer_freq", count)
    sparse = [bool(item) for item in often] if often else [True] * count
    sparse = [word == "sparse" for word in words] if words else sparse
    experts, used = experts_of(config)
    ffn = moe(experts, used, config.some("intermediate_size"), shared_inter=config.maybe("shared_intermediate_size"))
    dense = FeedForward(config.some("dense_intermediate_size"))
    plain = gqa(heads, kv_heads(config, heads), config.some("head_dim"), qk_norm="head")
    lookup = replace(plain, index_heads=scorers, index_dim=width)
    return Architecture(
        hidden=hidden,
        vocab=config.some("vocab_size"),
        tied=config.flag("tie_word_embeddings"),
        norm="rms",
        groups=run_length(
            (lookup if own else plain, ffn if mixed else dense, 2, 0)
            for own, mixed in zip(indexed, sparse, strict=True)
        ),
    )
