"""Decoders with a mixture of experts. Defaults and shapes are those of transformers 5.23, or as a docstring says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from planner.catalog.architecture import Attention, FeedForward, LatentAttention, LayerFeedForward
from planner.catalog.huggingface.config import Config
from planner.catalog.huggingface.dense import DENSE, defaults
from planner.catalog.huggingface.layers import (
    ATTENTION,
    One,
    every,
    gqa,
    head_dim,
    kv_heads,
    moe,
    run_length,
    window_of,
)
from planner.catalog.records import Architecture

_DEEPSEEK = {
    "kv_lora_rank": 512, "q_lora_rank": 1536, "qk_rope_head_dim": 64, "qk_nope_head_dim": 128, "v_head_dim": 128,
}  # fmt: skip
_DEEPSEEK3 = defaults(
    129280, 7168, 18432, 61, 128, 128, 4096, False, **_DEEPSEEK, moe_intermediate_size=2048, n_shared_experts=1,
    n_routed_experts=256, num_experts_per_tok=8, first_k_dense_replace=3,
)  # fmt: skip
_QWEN_MOE = {"decoder_sparse_step": 1, "mlp_only_layers": [], "use_sliding_window": False}

EXPERTS: dict[str, dict[str, Any]] = {
    "mixtral": defaults(
        32000, 4096, 14336, 32, 32, 8, 131072, False, num_local_experts=8, num_experts_per_tok=2
    ),
    "qwen2_moe": defaults(
        151936, 2048, 5632, 24, 16, 16, 32768, False, **_QWEN_MOE, moe_intermediate_size=1408, qkv_bias=True,
        shared_expert_intermediate_size=5632, num_experts=60, num_experts_per_tok=4, sliding_window=4096,
        max_window_layers=28,
    ),
    "qwen3_moe": defaults(
        151936, 2048, 6144, 24, 32, 4, 32768, False, **_QWEN_MOE, moe_intermediate_size=768, num_experts=128,
        num_experts_per_tok=8, sliding_window=4096,
    ),
    "qwen3_vl_moe_text": defaults(
        151936, 2048, 5632, 24, 16, 16, 128000, False, **_QWEN_MOE, moe_intermediate_size=1408, num_experts=60,
        num_experts_per_tok=4,
    ),
    "phimoe": defaults(
        32064, 4096, 6400, 32, 32, 8, 131072, False, num_local_experts=16, num_experts_per_tok=2
    ),
    "granitemoe": defaults(
        32000, 4096, 11008, 32, 32, None, 2048, False, num_local_experts=8, num_experts_per_tok=2
    ),
    "olmoe": defaults(
        50304, 2048, 2048, 16, 16, None, 4096, False, num_experts=64, num_experts_per_tok=8
    ),
    "deepseek": defaults(
        102400, 4096, 11008, 30, 32, 32, 2048, False, moe_intermediate_size=1407, first_k_dense_replace=0
    ),
    "deepseek_v2": defaults(
        102400, 4096, 11008, 32, 32, 32, 2048, False, **_DEEPSEEK, moe_intermediate_size=1407, n_shared_experts=2,
        n_routed_experts=64, first_k_dense_replace=0,
    ),
    "deepseek_v3": _DEEPSEEK3,
    "kimi_k2": _DEEPSEEK3,
    "glm4_moe": defaults(
        151552, 4096, 10944, 46, 96, 8, 131072, False, moe_intermediate_size=1408, num_experts_per_tok=8,
        n_shared_experts=1, n_routed_experts=128, first_k_dense_replace=1,
    ),
    "glm4v_moe_text": defaults(
        151424, 4096, 10944, 46, 96, 8, 65536, False, moe_intermediate_size=1408, num_experts_per_tok=8,
        n_shared_experts=1, n_routed_experts=128, first_k_dense_replace=1, attention_bias=True,
    ),
    "glm4_moe_lite": defaults(
        154880, 2048, 10240, 47, 20, 20, 202752, False, kv_lora_rank=512, q_lora_rank=768, qk_rope_head_dim=64,
        v_head_dim=256, qk_nope_head_dim=192, moe_intermediate_size=1536, n_shared_experts=1, n_routed_experts=64,
        num_experts_per_tok=4, first_k_dense_replace=1,
    ),
    "mistral4": defaults(
        131072, 4096, 12288, 36, 32, 32, 1048576, False, kv_lora_rank=256, q_lora_rank=1024, qk_rope_head_dim=64,
        v_head_dim=128, qk_nope_head_dim=64, moe_intermediate_size=2048, n_shared_experts=1, n_routed_experts=128,
        num_experts_per_tok=4, first_k_dense_replace=0,
    ),
    "dots1": defaults(
        152064, 4608, 10944, 62, 32, 32, 2048, False, moe_intermediate_size=1408, first_k_dense_replace=0,
        sliding_window=4096, max_window_layers=62,
    ),
    "ernie4_5_moe": defaults(
        103424, 2560, 12288, 28, 20, 4, 131072, True, moe_intermediate_size=1536, moe_k=6, moe_num_experts=64,
        moe_num_shared_experts=2, moe_layer_start_index=1, moe_layer_end_index=-1, moe_layer_interval=1,
    ),
    "hunyuan_v1_moe": defaults(290943, 4096, 11008, 32, 32, None, 2048, False, num_experts=1, moe_topk=1),
    "gpt_oss": defaults(
        201088, 2880, 2880, 36, 64, 8, 131072, False, head_dim=64, num_local_experts=128, num_experts_per_tok=4,
        sliding_window=128, attention_bias=True,
    ),
    "minimax_m2": defaults(
        200064, 3072, 1536, 62, 48, 8, 196608, False, head_dim=128, num_local_experts=256, num_experts_per_tok=8
    ),
    "grok-1": {"tie_word_embeddings": True},
    "arctic": defaults(
        32000, 4096, 14336, 32, 32, None, 4096, False, num_local_experts=8, num_experts_per_tok=1, use_residual=False
    ),
    "llama4_text": defaults(
        202048, 5120, 8192, 48, 40, 8, 131072, False, intermediate_size_mlp=16384, head_dim=128, num_experts_per_tok=1,
        num_local_experts=16, interleave_moe_layer_step=1, no_rope_layer_interval=4, attention_chunk_size=8192,
    ),
    "mimo_v2_flash": defaults(
        152576, 4096, 16384, 48, 64, 4, 131072, False, moe_intermediate_size=2048, num_experts_per_tok=8,
        n_routed_experts=256, head_dim=192, v_head_dim=128, sliding_window=129,
    ),
}  # fmt: skip
"""The library's defaults by `model_type`."""

SIMPLE: dict[str, dict[str, Any]] = {
    "mixtral": {},
    "phimoe": {"norm": "ln", "head_bias": "lm_head_bias"},
    "granitemoe": {},
    "olmoe": {"qk_norm": "full"},
    "gpt_oss": {"sinks": True, "bias": True, "period": 2},
    "minimax_m2": {"qk_norm": "full"},
    "grok-1": {"norms": 4},
    "arctic": {"norms": 3, "residual": True},
}
"""Models whose every layer is attention and experts, by how they depart from Mixtral."""


def experts_of(config: Config) -> tuple[int, int]:
    """Return how many experts there are and how many a token uses."""
    count = config.some("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts")
    used = config.some("num_experts_per_tok", "experts_per_token", "moe_topk", "moe_k")
    return count, within(config, "num_experts_per_tok", used, count)


def within(config: Config, field: str, used: int, experts: int) -> int:
    """Return how many experts a token uses, which are not more than there are."""
    if used > experts:
        raise config.refuse(field, f"is {used} of {experts} experts")
    return used


def simple(config: Config, rule: dict[str, Any]) -> Architecture:
    """Return a decoder whose layers are all attention and experts.

    Grok-1 is read after hpcai-tech/grok-1; Arctic after Snowflake's code, with experts in every layer: its published
    checkpoint has them, whatever `moe_layer_frequency` says.
    """
    hidden, heads, count = config.some("hidden_size"), config.some("num_attention_heads"), config.layers()
    kv, size = kv_heads(config, heads), head_dim(config, heads, hidden)
    bias = config.flag("attention_bias")
    experts, used = experts_of(config)
    window = window_of(config)
    kinds = config.words("layer_types", ATTENTION, count) if rule.get("period") else None
    windowed = every(count, kinds, rule["period"]) if rule.get("period") else [True] * count
    residual = rule.get("residual") and config.flag("use_residual")
    if rule.get("residual") and not residual:
        config.doubt("use_residual", "is false: Arctic without its dense residual is not described")
    ffn = moe(
        experts, used, config.some("intermediate_size"), bias=rule.get("bias"), router_bias=rule.get("bias"),
        plus_dense=hidden if residual else None,
    )  # fmt: skip
    layers = (
        (
            gqa(
                heads, kv, size, qkv_bias=bias, o_bias=bias, qk_norm=rule.get("qk_norm"), sinks=rule.get("sinks"),
                window=window if own else None,
            ),
            ffn,
            rule.get("norms", 2),
            0,
        )
        for own in windowed
    )  # fmt: skip
    return Architecture(
        hidden=hidden,
        vocab=config.some("vocab_size"),
        tied=config.flag("tie_word_embeddings"),
        norm=rule.get("norm", "rms"),
        groups=run_length(layers),
        head_bias=bool(rule.get("head_bias")) and config.flag(rule["head_bias"]),
    )


def sparse_layers(config: Config, count: int) -> list[bool]:
    """Return which layers of a Qwen have experts."""
    step = config.some("decoder_sparse_step")
    dense = config.items("mlp_only_layers") or []
    return [index not in dense and (index + 1) % step == 0 for index in range(count)]


def qwen_ffn(config: Config, sparse: bool, shared: bool) -> LayerFeedForward:
    """Return the feed-forward part of a Qwen layer."""
    if not sparse:
        return FeedForward(config.some("intermediate_size"))
    experts, used = experts_of(config)
    inter = config.whole("shared_expert_intermediate_size") if shared else 0
    return moe(experts, used, config.some("moe_intermediate_size"), shared_inter=inter, shared_gate=shared)


def qwen_moe(config: Config, kind: str) -> Architecture:
    """Return Qwen2-MoE (a gated shared expert) or Qwen3-MoE (q/k norms)."""
    hidden, heads, count = config.some("hidden_size"), config.some("num_attention_heads"), config.layers()
    kv = kv_heads(config, heads)
    old = kind == "qwen2_moe"
    size = config.divided("num_attention_heads", hidden, heads) if old else head_dim(config, heads, hidden)
    qkv = config.flag("qkv_bias") if old else config.flag("attention_bias")
    if old:
        windows = DENSE["qwen2"].windows(config, count)
    else:
        windows = [window_of(config) if config.flag("use_sliding_window") else None] * count
    layers = (
        (
            gqa(heads, kv, size, qkv_bias=qkv, o_bias=qkv and not old, qk_norm=None if old else "head", window=window),
            qwen_ffn(config, sparse, old),
            2,
            0,
        )
        for window, sparse in zip(windows, sparse_layers(config, count), strict=True)
    )
    return Architecture(
        hidden=hidden,
        vocab=config.some("vocab_size"),
        tied=config.flag("tie_word_embeddings"),
        norm="rms",
        groups=run_length(layers),
    )


def mixture(config: Config, index: int, sparse: bool | None = None) -> LayerFeedForward:
    """Return the feed-forward part of a layer of DeepSeek's kind: dense first, experts after, unless `sparse` says."""
    routed = config.maybe("n_routed_experts")
    if sparse is None:
        frequency = config.maybe("moe_layer_freq") if config.has("moe_layer_freq") else 1
        sparse = index >= config.whole("first_k_dense_replace") and not index % (frequency or 1)
    if not routed or not sparse:
        return FeedForward(config.some("intermediate_size"))
    inter = config.some("moe_intermediate_size")
    shared = (config.maybe("n_shared_experts") or 0) * inter
    experts, used = experts_of(config)
    return moe(experts, used, inter, shared_inter=shared)


def latent(config: Config, heads: int) -> LatentAttention:
    """Return multi-head latent attention."""
    for field in ("attention_bias", "mlp_bias"):
        if config.flag(field):
            config.doubt(field, "is true: biases of such a model are not described")
    return LatentAttention(
        heads=heads,
        q_lora_rank=config.maybe("q_lora_rank"),
        kv_lora_rank=config.some("kv_lora_rank"),
        nope=config.some("qk_nope_head_dim"),
        rope=config.some("qk_rope_head_dim"),
        v_head_dim=config.some("v_head_dim"),
    )


def deepseek(config: Config, kind: str) -> Architecture:
    """Return DeepSeek (V1, V2, V3), Kimi, GLM-4-MoE and dots.llm1: dense layers, then routed and shared experts."""
    hidden, heads, count = config.some("hidden_size"), config.some("num_attention_heads"), config.layers()
    bias = config.flag("attention_bias")
    windows: list[int | None] = [None] * count
    mixer: Attention | LatentAttention
    if kind in ("deepseek_v2", "deepseek_v3", "glm4_moe_lite", "kimi_k2", "mistral4"):
        mixer = latent(config, heads)
    else:
        kv = kv_heads(config, heads)
        size = config.divided("num_attention_heads", hidden, heads) if kind == "deepseek" else 0
        size = size or head_dim(config, heads, hidden)
        normed = kind == "dots1" or (kind == "glm4_moe" and config.flag("use_qk_norm"))
        out = bias and kind not in ("glm4_moe", "glm4v_moe_text")
        mixer = gqa(heads, kv, size, qkv_bias=bias, o_bias=out, qk_norm="head" if normed else None)
    if kind == "dots1":
        kinds, start = config.words("layer_types", ATTENTION, count), config.whole("max_window_layers")
        windowed = every(count, kinds, None) if kinds else [index >= start for index in range(count)]
        windows = [window_of(config) if own else None for own in windowed]
    words = config.words("mlp_layer_types", ("dense", "sparse"), count) if kind == "glm4_moe_lite" else None
    layers = (
        (
            replace(mixer, window=window) if window and isinstance(mixer, Attention) else mixer,
            mixture(config, index, words[index] == "sparse" if words else None),
            2,
            0,
        )
        for index, window in enumerate(windows)
    )
    return Architecture(
        hidden=hidden,
        vocab=config.some("vocab_size"),
        tied=config.flag("tie_word_embeddings"),
        norm="rms",
        groups=run_length(layers),
    )


def ernie(config: Config) -> Architecture:
    """Return ERNIE 4.5 MoE: experts in a span of layers, a router with a correction bias."""
    hidden, heads, count = config.some("hidden_size"), config.some("num_attention_heads"), config.layers()
    bias = config.flag("use_bias")
    size = head_dim(config, heads, hidden)
    first, interval = config.whole("moe_layer_start_index"), config.some("moe_layer_interval")
    last = config.value("moe_layer_end_index")
    end = count - 1 if last in (-1, None) else config.whole("moe_layer_end_index")
    inter = config.some("moe_intermediate_size")
    experts, used = experts_of(config)
    shared = (config.maybe("moe_num_shared_experts") or 0) * inter
    if bias:
        config.doubt("use_bias", "is true: biases of experts are not described")
    mixer = gqa(heads, kv_heads(config, heads), size, qkv_bias=bias, o_bias=bias)
    mixture = moe(experts, used, inter, shared_inter=shared, router_bias=True)
    dense = FeedForward(config.some("intermediate_size"), bias=bias)
    layers = (
        (mixer, mixture if (index + 1) % interval == 0 and first <= index <= end else dense, 2, 0)
        for index in range(count)
    )
    return Architecture(
        hidden=hidden,
        vocab=config.some("vocab_size"),
        tied=config.flag("tie_word_embeddings"),
        norm="rms",
        groups=run_length(layers),
    )


def _of_layer(config: Config, field: str, index: int, count: int) -> int:
    value = config.value(field)
    if isinstance(value, list):
        items = config.items(field)
        assert items is not None
        if len(items) < count:
            raise config.refuse(field, f"has {len(items)} items, and the model {count} layers")
        return config.at({field: items[index]}, {}).some(field)
    return config.some(field)


def hunyuan(config: Config) -> Architecture:
    """Return Hunyuan MoE: expert counts may be lists with one item a layer; one shared expert of the same width."""
    hidden, heads, count = config.some("hidden_size"), config.some("num_attention_heads"), config.layers()
    mixer = gqa(
        heads, kv_heads(config, heads), head_dim(config, heads, hidden), qk_norm="head",
        qkv_bias=config.flag("attention_bias"), o_bias=config.flag("attention_bias"),
    )  # fmt: skip
    inter = config.some("intermediate_size")
    layers: list[One] = []
    for index in range(count):
        experts = _of_layer(config, "num_experts", index, count)
        used = within(config, "moe_topk", _of_layer(config, "moe_topk", index, count), experts)
        layers.append((mixer, moe(experts, used, inter, shared_inter=inter), 2, 0))
    return Architecture(
        hidden=hidden,
        vocab=config.some("vocab_size"),
        tied=config.flag("tie_word_embeddings"),
        norm="rms",
        groups=run_length(layers),
    )
