"""Decoders whose attention layers differ among each other: Llama 4, MiMo, Step, Gemma 3n and Gemma 4.

Defaults and shapes are those of transformers 5.23.
"""

from __future__ import annotations

from typing import Any

from planner.catalog.architecture import FeedForward
from planner.catalog.huggingface.config import Config
from planner.catalog.huggingface.dense import defaults
from planner.catalog.huggingface.experts import experts_of, within
from planner.catalog.huggingface.layers import ATTENTION, One, every, gqa, kv_heads, moe, run_length
from planner.catalog.records import Architecture

MIXED: dict[str, dict[str, Any]] = {
    "gemma3n_text": defaults(
        262400, 2048, 16384, 35, 8, 2, 32768, True, head_dim=256, sliding_window=512, altup_num_inputs=4,
        vocab_size_per_layer_input=262144, hidden_size_per_layer_input=256, num_kv_shared_layers=15, laurel_rank=64,
    ),
    "gemma4_text": defaults(
        262144, 2304, 9216, 30, 8, 4, 131072, True, head_dim=256, sliding_window=512, global_head_dim=512,
        vocab_size_per_layer_input=262144, hidden_size_per_layer_input=256, num_kv_shared_layers=0,
        attention_k_eq_v=False, enable_moe_block=False, use_double_wide_mlp=False,
    ),
    "step3p5": defaults(
        128815, 4096, 11264, 45, 64, 8, 128000, False, head_dim=128, moe_intermediate_size=1280, n_routed_experts=288,
        num_experts_per_tok=8, share_expert_dim=1280, gating=True,
    ),
}  # fmt: skip
"""The library's defaults by `model_type`."""


def llama4(config: Config) -> Architecture:
    """Return Llama 4: attention in chunks but for every fourth layer, experts at `interleave_moe_layer_step`."""
    hidden, heads, count = config.some("hidden_size"), config.some("num_attention_heads"), config.layers()
    known = ("full_attention", "chunked_attention")
    kinds = config.words("layer_types", known, count)
    if kinds is None:
        ropes, step = config.items("no_rope_layers"), config.some("no_rope_layer_interval")
        if ropes and len(ropes) != count:
            raise config.refuse("no_rope_layers", f"has {len(ropes)} items, and the model {count} layers")
        roped = [bool(item) for item in ropes] if ropes else [bool((index + 1) % step) for index in range(count)]
        kinds = [known[own] for own in roped]
    sparse = config.items("moe_layers")
    step = config.some("interleave_moe_layer_step")
    sparse = sparse if sparse is not None else list(range(step - 1, count, step))
    inter = config.some("intermediate_size")
    experts, used = experts_of(config)
    mixture, dense = moe(experts, used, inter, shared_inter=inter), FeedForward(config.some("intermediate_size_mlp"))
    bias, chunk = config.flag("attention_bias"), config.maybe("attention_chunk_size")
    kv, size = kv_heads(config, heads), config.some("head_dim")
    layers: list[One] = [
        (
            gqa(heads, kv, size, qkv_bias=bias, o_bias=bias, chunk=chunk if kind == "chunked_attention" else None),
            mixture if index in sparse else dense,
            2,
            0,
        )
        for index, kind in enumerate(kinds)
    ]
    return Architecture(
        hidden=hidden,
        vocab=config.some("vocab_size"),
        tied=config.flag("tie_word_embeddings"),
        norm="rms",
        groups=run_length(layers),
    )


def mimo(config: Config) -> Architecture:
    """Return MiMo-V2-Flash: windows with sinks and twice the KV heads, values narrower than keys."""
    hidden, heads, count = config.some("hidden_size"), config.some("num_attention_heads"), config.layers()
    pattern = config.items("hybrid_layer_pattern", count)
    kinds = config.words("layer_types", ATTENTION, count)
    if kinds is None:
        own = (
            [bool(item) for item in pattern]
            if pattern
            else [index > 0 and (index + 1) % 6 > 0 for index in range(count)]
        )
        kinds = [ATTENTION[windowed] for windowed in own]
    frequency = config.items("moe_layer_freq", count)
    words = config.words("mlp_layer_types", ("dense", "sparse"), count)
    sparse = [bool(item) for item in frequency] if frequency else [index > 0 for index in range(count)]
    sparse = [word == "sparse" for word in words] if words else sparse
    kv, size, value = config.some("num_key_value_heads"), config.some("head_dim"), config.some("v_head_dim")
    wide = config.maybe("swa_num_key_value_heads") or 2 * kv
    for field, same in (("swa_num_attention_heads", heads), ("swa_head_dim", size), ("swa_v_head_dim", value)):
        if config.has(field) and config.some(field) != same:
            config.doubt(field, f"differs from the {same} of the other layers")
    if config.has("add_full_attention_sink_bias") and config.flag("add_full_attention_sink_bias"):
        config.doubt("add_full_attention_sink_bias", "is true: sinks of the full layers are not described")
    if config.flag("attention_bias"):
        config.doubt("attention_bias", "is true: biases are not described")
    experts, used = experts_of(config)
    shared = (config.maybe("n_shared_experts") or 0) * config.some("moe_intermediate_size")
    mixture = moe(experts, used, config.some("moe_intermediate_size"), shared_inter=shared)
    dense = FeedForward(config.some("intermediate_size"))
    window = config.some("sliding_window")
    layers: list[One] = []
    for kind, own_experts in zip(kinds, sparse, strict=True):
        mixer = gqa(heads, kv, size, v_head_dim=value)
        if kind == "sliding_attention":
            mixer = gqa(heads, wide, size, v_head_dim=value, window=window, sinks=True)
        layers.append((mixer, mixture if own_experts else dense, 2, 0))
    return Architecture(
        hidden=hidden,
        vocab=config.some("vocab_size"),
        tied=config.flag("tie_word_embeddings"),
        norm="rms",
        groups=run_length(layers),
    )


def _step_sparse(config: Config, count: int) -> list[bool]:
    """Return which layers have experts: as listed, by `moe_layers_enum`, or all but the first three."""
    words = config.items("mlp_layer_types")
    if words is not None:
        if len(words) < count or not all(word in ("dense", "sparse") for word in words):
            raise config.refuse("mlp_layer_types", f"must be `dense` or `sparse` for each of the {count} layers")
        return [word == "sparse" for word in words[:count]]
    listed = config.value("moe_layers_enum")
    if listed is None:
        return [index >= 3 for index in range(count)]
    numbers = listed.split(",") if isinstance(listed, str) else config.items("moe_layers_enum") or []
    texts = [str(number).strip() for number in numbers if str(number).strip()]
    if not all(text.isdecimal() for text in texts):
        raise config.refuse("moe_layers_enum", "must be a list of layers")
    chosen = {int(text) for text in texts if len(text) < 9}
    return [index in chosen for index in range(count)]


def step3(config: Config) -> Architecture:
    """Return the decoder of Step-3.5 and 3.7: windows with heads of their own, a gate for each head, experts.

    Lists that go on over the layers of multi-token prediction are cut, as the library cuts them.
    """
    hidden, heads, count = config.some("hidden_size"), config.some("num_attention_heads"), config.layers()
    kv, size = config.some("num_attention_groups", "num_key_value_heads"), config.some("head_dim")
    other = config.part("attention_other_setting", {}, required=False)
    wide = config.maybe("num_sliding_attention_heads") or heads
    if other is not None and not config.has("num_sliding_attention_heads"):
        wide = other.some("num_attention_heads") if other.has("num_attention_heads") else heads
        for field, same in (("num_attention_groups", kv), ("head_dim", size)):
            if other.has(field) and other.some(field) != same:
                other.doubt(field, f"differs from the {same} of the other layers")
    for number, name in ((heads, "num_attention_heads"), (wide, "num_sliding_attention_heads")):
        if number % kv:
            raise config.refuse(name, f"is {number}, which the {kv} KV heads do not divide")
    if config.flag("mlp_bias"):
        config.doubt("mlp_bias", "is true: biases of such a model are not described")
    if config.value("gating") not in (True, "per-head"):
        config.doubt("gating", "is not per head, which is described")
    kinds = config.items("layer_types") or ["full_attention"] * count
    if len(kinds) < count:
        raise config.refuse("layer_types", f"has {len(kinds)} items, and the model {count} layers")
    bias, window = config.flag("attention_bias"), config.maybe("sliding_window")
    experts = config.some("n_routed_experts", "num_local_experts", "num_experts", "moe_num_experts")
    used = within(config, "num_experts_per_tok", config.some("num_experts_per_tok", "moe_top_k"), experts)
    shared = config.maybe("share_expert_dim", "share_expert_dims")
    mixture = moe(experts, used, config.some("moe_intermediate_size"), shared_inter=shared)
    dense = FeedForward(config.some("intermediate_size"))
    own = {"qkv_bias": bias, "o_bias": bias, "qk_norm": "head", "head_gate": True}
    mixers = {
        "full_attention": gqa(heads, kv, size, **own),
        "sliding_attention": gqa(wide, kv, size, window=window, **own),
    }
    for kind in kinds:
        if kind not in tuple(mixers):  # a list or an object is not a key
            raise config.refuse("layer_types", f"has `{str(kind)[:60]}`; known are {', '.join(mixers)}")
    return Architecture(
        hidden=hidden,
        vocab=config.some("vocab_size"),
        tied=config.flag("tie_word_embeddings"),
        norm="rms",
        groups=run_length(
            (mixers[kind], mixture if sparse else dense, 2, 0)
            for kind, sparse in zip(kinds, _step_sparse(config, count), strict=False)
        ),
    )


def _windowed(config: Config, count: int, period: int) -> list[bool]:
    return every(count, config.words("layer_types", ATTENTION, count), period)


def gemma3n(config: Config) -> Architecture:
    """Return the decoder of Gemma 3n: AltUp, LAuReL, an embedding per layer, and KV shared by the last layers."""
    hidden, heads, count = config.some("hidden_size"), config.some("num_attention_heads"), config.layers()
    inters = config.value("intermediate_size")
    widths = config.items("intermediate_size", count) if isinstance(inters, list) else None
    inputs, rank, width = (
        config.some("altup_num_inputs"), config.some("laurel_rank"), config.some("hidden_size_per_layer_input"),
    )  # fmt: skip
    laurel = 2 * hidden * rank + hidden
    altup = 2 * hidden + inputs * inputs + inputs**3 + inputs * hidden
    extra = laurel + altup + 2 * hidden * width + hidden
    first_shared = count - config.whole("num_kv_shared_layers")
    bias = config.flag("attention_bias")
    window, kv, size = config.some("sliding_window"), kv_heads(config, heads), config.some("head_dim")
    layers: list[One] = []
    for index, own in enumerate(_windowed(config, count, 5)):
        inter = config.at({"intermediate_size": widths[index]}, {}) if widths else config
        mixer = gqa(
            heads, kv, size, qk_norm="head", window=window if own else None, kv_shared=index >= first_shared > 0,
            qkv_bias=bias, o_bias=bias,
        )  # fmt: skip
        layers.append((mixer, FeedForward(inter.some("intermediate_size")), 4, extra))
    per_layer = count * width
    tables = config.some("vocab_size_per_layer_input") * per_layer + hidden * per_layer + width
    return Architecture(
        hidden=hidden,
        vocab=config.some("vocab_size"),
        tied=config.flag("tie_word_embeddings"),
        norm="rms",
        groups=run_length(layers),
        global_extra=tables + 2 * (inputs - 1) * hidden * hidden,
    )


def gemma4(config: Config) -> Architecture:
    """Return the decoder of Gemma 4: wide heads in the full layers, whose keys may serve as values too."""
    hidden, heads, count = config.some("hidden_size"), config.some("num_attention_heads"), config.layers()
    bias, window = config.flag("attention_bias"), config.some("sliding_window")
    kv, size = kv_heads(config, heads), config.some("head_dim")
    same = config.flag("attention_k_eq_v")
    full_kv = (config.maybe("num_global_key_value_heads") or kv) if same else kv
    full_size = config.maybe("global_head_dim") or size
    width = config.maybe("hidden_size_per_layer_input") or 0
    shared_from = count - config.whole("num_kv_shared_layers")
    inter = config.some("intermediate_size")
    sparse = config.flag("enable_moe_block")
    extra = (2 * hidden * width + hidden) if width else 0
    layers: list[One] = []
    windowed = _windowed(config, count, 6)
    windowed[-1] = False  # the library makes the last layer see everything
    for index, own in enumerate(windowed):
        shared = index >= shared_from
        if own:
            mixer = gqa(heads, kv, size, qk_norm="head", window=window, kv_shared=shared, qkv_bias=bias, o_bias=bias)
        else:
            mixer = gqa(
                heads, full_kv, full_size, qk_norm="head", kv_shared=shared, k_eq_v=same, qkv_bias=bias, o_bias=bias
            )
        dense = inter * (2 if shared and config.flag("use_double_wide_mlp") else 1)
        if sparse:
            experts = config.some("num_experts")
            used = within(config, "top_k_experts", config.some("top_k_experts"), experts)
            own_inter = config.some("moe_intermediate_size", "expert_intermediate_size")
            mixture = moe(experts, used, own_inter, plus_dense=dense, router_bias=True)
            layers.append((mixer, mixture, 7, extra + hidden))
        else:
            layers.append((mixer, FeedForward(dense), 4, extra))
    per_layer = count * width
    tables = config.some("vocab_size_per_layer_input") * per_layer + hidden * per_layer + width if width else 0
    return Architecture(
        hidden=hidden,
        vocab=config.some("vocab_size"),
        tied=config.flag("tie_word_embeddings"),
        norm="rms",
        groups=run_length(layers),
        global_extra=tables,
    )
