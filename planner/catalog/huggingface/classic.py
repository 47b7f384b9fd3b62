"""Decoders whose configs have words of their own: GPT-2 to Falcon, OpenELM, and the per-layer Nemotron-NAS.

Shapes and defaults are those of transformers 5.23; of OpenELM and Nemotron-NAS those of the code in their repositories.
"""

from __future__ import annotations

from typing import Any

from planner.catalog.architecture import FeedForward, LayerFeedForward, Mixer
from planner.catalog.huggingface.config import Config
from planner.catalog.huggingface.dense import defaults
from planner.catalog.huggingface.experts import within
from planner.catalog.huggingface.layers import NOTHING, One, gqa, moe, run_length
from planner.catalog.records import Architecture

_GPT = {"n_embd": 768, "n_layer": 12, "n_head": 12, "n_inner": None, "n_positions": 1024, "tie_word_embeddings": True}

CLASSIC: dict[str, dict[str, Any]] = {
    "gpt2": {**_GPT, "vocab_size": 50257},
    "gpt_bigcode": {**_GPT, "vocab_size": 50257, "multi_query": True},
    "gptj": {
        **_GPT, "vocab_size": 50400, "n_embd": 4096, "n_layer": 28, "n_head": 16, "n_positions": 2048,
        "tie_word_embeddings": False,
    },
    "gpt_neo": {
        "vocab_size": 50257, "hidden_size": 2048, "num_layers": 24, "num_heads": 16, "intermediate_size": None,
        "window_size": 256, "max_position_embeddings": 2048, "tie_word_embeddings": True,
        "attention_types": [[["global", "local"], 12]],
    },
    "opt": {
        "vocab_size": 50272, "hidden_size": 768, "num_hidden_layers": 12, "ffn_dim": 3072, "num_attention_heads": 12,
        "max_position_embeddings": 2048, "do_layer_norm_before": True, "enable_bias": True, "tie_word_embeddings": True,
        "layer_norm_elementwise_affine": True,
    },
    "bloom": {"vocab_size": 250880, "hidden_size": 64, "n_layer": 2, "n_head": 8, "tie_word_embeddings": True},
    "falcon": {
        "vocab_size": 65024, "hidden_size": 4544, "num_hidden_layers": 32, "num_attention_heads": 71,
        "num_kv_heads": None, "multi_query": True, "parallel_attn": True, "ffn_hidden_size": None,
        "max_position_embeddings": 2048, "tie_word_embeddings": True,
    },
    "mpt": {
        "d_model": 2048, "n_heads": 16, "n_layers": 24, "expansion_ratio": 4, "max_seq_len": 2048, "vocab_size": 50368,
        "no_bias": True, "tie_word_embeddings": True,
    },
    "dbrx": {
        "d_model": 2048, "n_heads": 16, "n_layers": 24, "max_seq_len": 2048, "vocab_size": 32000,
        "tie_word_embeddings": False,
    },
    "openelm": {
        "vocab_size": 32000, "max_context_length": 2048, "num_transformer_layers": 12, "model_dim": 2048,
        "head_dim": 128, "qkv_multipliers": 1.0, "num_gqa_groups": 1, "ffn_multipliers": 4.0, "ffn_with_glu": True,
        "ffn_dim_divisor": 256, "normalize_qk_projections": False, "share_input_output_layers": False,
    },
    "nemotron-nas": defaults(32000, 4096, 11008, 32, 32, None, 2048, False),
}  # fmt: skip
"""The library's defaults by `model_type`."""


def gpt(config: Config, kind: str) -> Architecture:
    """Return GPT-2, GPT-BigCode (one KV head) or GPT-J (no position table, one norm, a head with bias)."""
    hidden, heads = config.some("n_embd", "hidden_size"), config.some("n_head", "num_attention_heads")
    if config.flag("add_cross_attention"):
        raise config.refuse("add_cross_attention", "makes this no decoder alone")
    size = config.divided("n_head", hidden, heads)
    inter = config.maybe("n_inner", "intermediate_size") or 4 * hidden
    kv = 1 if kind == "gpt_bigcode" and config.flag("multi_query") else heads
    bias = kind != "gptj"
    layer: One = (
        gqa(heads, kv, size, qkv_bias=bias, o_bias=bias),
        FeedForward(inter, False, True),
        1 if not bias else 2,
        0,
    )
    return Architecture(
        hidden=hidden,
        vocab=config.some("vocab_size"),
        tied=config.flag("tie_word_embeddings"),
        norm="ln",
        groups=run_length([layer] * config.layers("n_layer", "num_hidden_layers")),
        pos_rows=config.some("n_positions", "max_position_embeddings") if bias else 0,
        head_bias=not bias,
    )


def gpt_neo(config: Config) -> Architecture:
    """Return GPT-Neo: attention without bias on q, k, v, every second layer in a window."""
    hidden, heads = config.some("hidden_size"), config.some("num_heads", "num_attention_heads")
    count = config.layers("num_layers", "num_hidden_layers")
    kinds: list[Any] = []
    for item in config.items("attention_types") or ():
        if not (isinstance(item, list) and len(item) == 2 and isinstance(item[0], list) and isinstance(item[1], int)):
            raise config.refuse("attention_types", "must be a list of [kinds, how often]")
        kinds += item[0] * min(max(item[1], 0), count + 1)
    if len(kinds) != count or not all(kind in ("global", "local") for kind in kinds):
        raise config.refuse("attention_types", f"does not name global or local for each of {count} layers")
    window = config.some("window_size")
    size = config.divided("num_heads", hidden, heads)
    ffn = FeedForward(config.maybe("intermediate_size") or 4 * hidden, False, True)
    layers = ((gqa(heads, heads, size, o_bias=True, window=window if k == "local" else None), ffn, 2, 0) for k in kinds)
    return Architecture(
        hidden=hidden,
        vocab=config.some("vocab_size"),
        tied=config.flag("tie_word_embeddings"),
        norm="ln",
        groups=run_length(layers),
        pos_rows=config.some("max_position_embeddings"),
    )


def opt(config: Config) -> Architecture:
    """Return OPT: a position table two rows longer than the context, and an embedding of its own width."""
    hidden, heads = config.some("hidden_size"), config.some("num_attention_heads")
    if not config.flag("layer_norm_elementwise_affine"):
        config.doubt("layer_norm_elementwise_affine", "is false: norms without weights are not described")
    bias = config.flag("enable_bias")
    size = config.divided("num_attention_heads", hidden, heads)
    layer: One = (
        gqa(heads, heads, size, qkv_bias=bias, o_bias=bias),
        FeedForward(config.some("ffn_dim"), False, bias),
        2,
        0,
    )
    return Architecture(
        hidden=hidden,
        vocab=config.some("vocab_size"),
        tied=config.flag("tie_word_embeddings"),
        norm="ln",
        groups=run_length([layer] * config.layers()),
        pos_rows=config.some("max_position_embeddings") + 2,
        embed_dim=config.maybe("word_embed_proj_dim") or hidden,
        final_norm=config.flag("do_layer_norm_before") and not config.flag("_remove_final_layer_norm"),
    )


def bloom(config: Config) -> Architecture:
    """Return BLOOM: ALiBi, biases everywhere, a norm behind the embedding."""
    hidden = config.some("hidden_size", "n_embed")
    heads = config.some("n_head", "num_attention_heads")
    size = config.divided("n_head", hidden, heads)
    layer: One = (gqa(heads, heads, size, qkv_bias=True, o_bias=True), FeedForward(4 * hidden, False, True), 2, 0)
    return Architecture(
        hidden=hidden,
        vocab=config.some("vocab_size"),
        tied=config.flag("tie_word_embeddings"),
        norm="ln",
        groups=run_length([layer] * config.layers("n_layer", "num_hidden_layers")),
        embed_norm=True,
    )


def falcon(config: Config) -> Architecture:
    """Return Falcon: multi-query or grouped, with one or two norms before the parallel parts."""
    hidden, heads = config.some("hidden_size"), config.some("num_attention_heads", "n_head")
    new = config.flag("new_decoder_architecture")
    kv = (config.maybe("num_kv_heads", "n_head_kv") or heads) if new else (1 if config.flag("multi_query") else heads)
    config.divided("num_kv_heads", heads, kv)
    parallel = config.flag("parallel_attn")
    norms = config.maybe("num_ln_in_parallel_attn") if new else None
    if norms is None:
        norms = 2 if new or not parallel else 1
    bias = config.flag("bias")
    size = config.divided("num_attention_heads", hidden, heads)
    ffn = FeedForward(config.maybe("ffn_hidden_size") or 4 * hidden, False, bias)
    layer: One = (gqa(heads, kv, size, qkv_bias=bias, o_bias=bias), ffn, norms if parallel else 2, 0)
    return Architecture(
        hidden=hidden,
        vocab=config.some("vocab_size"),
        tied=config.flag("tie_word_embeddings"),
        norm="ln",
        groups=run_length([layer] * config.layers("num_hidden_layers", "n_layer")),
    )


def mpt(config: Config) -> Architecture:
    """Return MPT: ALiBi, no biases, norms without bias."""
    hidden, heads = config.some("d_model", "hidden_size"), config.some("n_heads", "num_attention_heads")
    if not config.flag("no_bias"):
        config.doubt("no_bias", "is false: the library builds MPT without biases")
    attention = config.part("attn_config", {"alibi": True}, required=False)
    if attention is not None and not attention.flag("alibi"):
        attention.doubt("alibi", "is false: a learned position table is not described")
    if attention is not None and attention.flag("qk_ln"):
        attention.doubt("qk_ln", "adds norms that are not described")
    kind = attention.value("attn_type") if attention is not None else None
    kv = 1 if kind == "multiquery_attention" else heads
    if kind not in (None, "multihead_attention", "multiquery_attention") and attention is not None:
        kv = attention.some("kv_n_heads")
    inter = int(config.number("expansion_ratio") * hidden)
    layer: One = (gqa(heads, kv, config.divided("n_heads", hidden, heads)), FeedForward(inter, False), 2, 0)
    return Architecture(
        hidden=hidden,
        vocab=config.some("vocab_size"),
        tied=config.flag("tie_word_embeddings"),
        norm="ln_nobias",
        groups=run_length([layer] * config.layers("n_layers", "num_hidden_layers")),
    )


def dbrx(config: Config) -> Architecture:
    """Return DBRX: fine-grained experts in every layer, norms without bias."""
    hidden, heads = config.some("d_model", "hidden_size"), config.some("n_heads", "num_attention_heads")
    attention = config.part("attn_config", {"kv_n_heads": 1}, required=False)
    kv = attention.some("kv_n_heads") if attention is not None else 1
    filled = {"ffn_hidden_size": 3584, "moe_num_experts": 4, "moe_top_k": 1}
    ffn = config.part("ffn_config", filled, required=False) or config.at({}, filled)
    experts = ffn.some("moe_num_experts")
    mixture = moe(experts, within(ffn, "moe_top_k", ffn.some("moe_top_k"), experts), ffn.some("ffn_hidden_size"))
    layer: One = (gqa(heads, kv, config.divided("n_heads", hidden, heads)), mixture, 2, 0)
    return Architecture(
        hidden=hidden,
        vocab=config.some("vocab_size"),
        tied=config.flag("tie_word_embeddings"),
        norm="ln_nobias",
        groups=run_length([layer] * config.layers("n_layers", "num_hidden_layers")),
    )


def _divisible(value: float, divisor: int) -> int:
    """Return the nearest multiple, never more than a tenth below the value (OpenELM's make_divisible)."""
    nearest = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return nearest + divisor if nearest < 0.9 * value else nearest


def _spread(config: Config, field: str, count: int) -> list[float]:
    value = config.value(field)
    if isinstance(value, list) and len(value) == 2:
        low, high = (config.at({field: item}, {}).number(field) for item in value)
        step = (high - low) / max(count - 1, 1)
        return [round(low + index * step, 2) for index in range(count)]
    if isinstance(value, list):
        raise config.refuse(field, "must be a number or two numbers")
    return [config.number(field)] * count


def openelm(config: Config) -> Architecture:
    """Return OpenELM: heads and width of the feed-forward part grow from layer to layer."""
    hidden, size, groups = config.some("model_dim"), config.some("head_dim"), config.some("num_gqa_groups")
    count, divisor = config.layers("num_transformer_layers"), config.some("ffn_dim_divisor")
    norm = "head" if config.flag("normalize_qk_projections") else None
    layers: list[One] = []
    spread = zip(_spread(config, "qkv_multipliers", count), _spread(config, "ffn_multipliers", count), strict=True)
    for queries, ffn in spread:
        heads = _divisible(hidden * queries, size * groups) // size
        mixer = gqa(heads, heads // groups, size, qk_norm=norm)
        layers.append((mixer, FeedForward(_divisible(hidden * ffn, divisor), config.flag("ffn_with_glu")), 2, 0))
    return Architecture(
        hidden=hidden,
        vocab=config.some("vocab_size"),
        tied=config.flag("share_input_output_layers"),
        norm="rms",
        groups=run_length(layers),
    )


def nemotron_nas(config: Config) -> Architecture:
    """Return a Llama whose layers were searched one by one: some without attention, each with its own width."""
    hidden, heads = config.some("hidden_size"), config.some("num_attention_heads")
    size = config.maybe("head_dim") or config.divided("num_attention_heads", hidden, heads)
    blocks = config.items("block_configs", config.layers())
    if blocks is None:
        raise config.refuse("block_configs", "is missing")
    layers: list[One] = []
    for block in blocks:
        inner = config.at(block if isinstance(block, dict) else {}, {})
        attention, ffn = inner.part("attention", {}), inner.part("ffn", {})
        assert attention is not None and ffn is not None
        for part in (attention, ffn):
            if part.flag("replace_with_linear"):
                part.doubt("replace_with_linear", "is true: a linear layer in place of a part is not described")
        mixer: Mixer = NOTHING
        if not attention.flag("no_op"):
            group = attention.some("n_heads_in_group")
            mixer = gqa(heads, config.divided("n_heads_in_group", heads, group), size)
        dense: LayerFeedForward = NOTHING
        if not ffn.flag("no_op"):
            inter = int(2 * ffn.number("ffn_mult") * hidden / 3)
            dense = FeedForward(inter + -inter % 256)
        layers.append((mixer, dense, (mixer is not NOTHING) + (dense is not NOTHING), 0))
    return Architecture(
        hidden=hidden,
        vocab=config.some("vocab_size"),
        tied=config.flag("tie_word_embeddings"),
        norm="rms",
        groups=run_length(layers),
    )
