"""State-space and linear-attention decoders, alone or mixed with attention. Shapes are those of transformers 5.23."""

from __future__ import annotations

from typing import Any

from planner.catalog.architecture import (
    FeedForward,
    GatedDeltaNet,
    LayerFeedForward,
    LightningAttention,
    Mamba1,
    Mamba2,
    Mixer,
    ShortConvolution,
)
from planner.catalog.huggingface.config import Config
from planner.catalog.huggingface.dense import defaults
from planner.catalog.huggingface.experts import experts_of, qwen_ffn, sparse_layers
from planner.catalog.huggingface.layers import NOTHING, One, gqa, head_dim, kv_heads, moe, run_length
from planner.catalog.records import Architecture

_GDN = {
    "linear_conv_kernel_dim": 4, "linear_key_head_dim": 128, "linear_value_head_dim": 128, "linear_num_key_heads": 16,
    "linear_num_value_heads": 32, "head_dim": 256, "full_attention_interval": 4,
}  # fmt: skip
_MAMBA = {
    "vocab_size": 50280, "hidden_size": 768, "state_size": 16, "num_hidden_layers": 32, "expand": 2, "conv_kernel": 4,
    "use_bias": False, "use_conv_bias": True, "time_step_rank": "auto", "tie_word_embeddings": True,
}  # fmt: skip

RECURRENT: dict[str, dict[str, Any]] = {
    "mamba": _MAMBA,
    "falcon_mamba": _MAMBA,
    "mamba2": {
        **_MAMBA, "vocab_size": 32768, "hidden_size": 4096, "state_size": 128, "num_hidden_layers": 64,
        "num_heads": 128, "head_dim": 64, "n_groups": 8, "tie_word_embeddings": False,
    },
    "jamba": defaults(
        65536, 4096, 14336, 32, 32, 8, 262144, False, num_experts=16, num_experts_per_tok=2, expert_layer_period=2,
        expert_layer_offset=1, attn_layer_period=8, attn_layer_offset=4, mamba_d_state=16, mamba_d_conv=4,
        mamba_expand=2, mamba_dt_rank="auto", mamba_conv_bias=True, mamba_proj_bias=False,
    ),
    "nemotron_h": {
        "vocab_size": 131072, "hidden_size": 4096, "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128,
        "intermediate_size": 21504, "max_position_embeddings": 4096, "ssm_state_size": 128, "mamba_num_heads": 128,
        "mamba_head_dim": 64, "n_groups": 8, "conv_kernel": 4, "use_conv_bias": True, "n_routed_experts": 8,
        "n_shared_experts": 1, "moe_intermediate_size": 7688, "moe_shared_expert_intermediate_size": 7688,
        "num_experts_per_tok": 2, "tie_word_embeddings": False,
    },
    "granitemoehybrid": defaults(
        32000, 4096, 11008, 32, 32, None, 2048, False, num_local_experts=8, num_experts_per_tok=2,
        shared_intermediate_size=1024, mamba_n_heads=128, mamba_n_groups=1, mamba_d_state=256, mamba_d_head=64,
        mamba_d_conv=4, mamba_expand=2, mamba_conv_bias=True, mamba_proj_bias=False,
    ),
    "qwen3_next": defaults(
        151936, 2048, 5632, 48, 16, 2, 32768, False, **_GDN, decoder_sparse_step=1, moe_intermediate_size=512,
        shared_expert_intermediate_size=512, num_experts=512, num_experts_per_tok=10, mlp_only_layers=[],
    ),
    "qwen3_5_text": defaults(248320, 4096, 12288, 32, 16, 4, 32768, False, **_GDN),
    "qwen3_5_moe_text": defaults(
        248320, 2048, 5632, 40, 16, 2, 32768, False, **_GDN, moe_intermediate_size=512, num_experts=256,
        shared_expert_intermediate_size=512, num_experts_per_tok=8,
    ),
    "minimax": defaults(
        32000, 4096, 14336, 32, 32, 8, 131072, False, num_local_experts=8, num_experts_per_tok=2
    ),
    "lfm2": defaults(
        65536, 2560, 12288, 32, 32, 8, 128000, True, conv_L_cache=3, block_multiple_of=256,
        block_ffn_dim_multiplier=1.0, block_auto_adjust_ff_dim=True,
    ),
    "lfm2_moe": defaults(
        65536, 2048, 7168, 32, 32, 8, 128000, True, conv_L_cache=3, moe_intermediate_size=1792, num_dense_layers=2,
        num_experts=32, num_experts_per_tok=4,
    ),
}  # fmt: skip
"""The library's defaults by `model_type`."""


def _whole_model(config: Config, layers: list[One], norm: str = "rms", tie: tuple[str, ...] = ()) -> Architecture:
    return Architecture(
        hidden=config.some("hidden_size"),
        vocab=config.some("vocab_size"),
        tied=config.flag(*(tie or ("tie_word_embeddings",))),
        norm=norm,
        groups=run_length(layers),
    )


def _plain_mamba(config: Config, bias: str, conv_bias: str) -> None:
    if config.flag(bias):
        config.doubt(bias, "is true: biases of the state-space projections are not described")
    if not config.flag(conv_bias):
        config.doubt(conv_bias, "is false: a convolution without bias is not described")


def _rank(config: Config, field: str, hidden: int) -> int:
    return -(-hidden // 16) if config.value(field) == "auto" else config.some(field)


def mamba(config: Config) -> Architecture:
    """Return Mamba and Falcon-Mamba: a selective state space in every layer and nothing else."""
    _plain_mamba(config, "use_bias", "use_conv_bias")
    hidden = config.some("hidden_size", "d_model")
    inner = config.some("intermediate_size") if config.has("intermediate_size") else config.some("expand") * hidden
    mixer = Mamba1(
        d_inner=inner,
        d_state=config.some("state_size"),
        d_conv=config.some("conv_kernel"),
        dt_rank=_rank(config, "time_step_rank", hidden),
    )
    return _whole_model(config, [(mixer, NOTHING, 1, 0)] * config.layers("num_hidden_layers", "n_layer"))


def mamba2(config: Config) -> Architecture:
    """Return Mamba-2: states per head, in groups."""
    _plain_mamba(config, "use_bias", "use_conv_bias")
    inner = config.some("expand") * config.some("hidden_size")
    heads = config.some("num_heads")
    if heads * config.some("head_dim") != inner:
        raise config.refuse("num_heads", f"x head_dim is not expand x hidden_size ({inner})")
    mixer = Mamba2(
        d_inner=inner,
        groups=config.some("n_groups"),
        d_state=config.some("state_size"),
        heads=heads,
        d_conv=config.some("conv_kernel"),
    )
    return _whole_model(config, [(mixer, NOTHING, 1, 0)] * config.layers())


def jamba(config: Config) -> Architecture:
    """Return Jamba: attention in every eighth layer, experts in every second."""
    _plain_mamba(config, "mamba_proj_bias", "mamba_conv_bias")
    hidden, heads = config.some("hidden_size"), config.some("num_attention_heads")
    state = Mamba1(
        d_inner=config.some("mamba_expand") * hidden,
        d_state=config.some("mamba_d_state"),
        d_conv=config.some("mamba_d_conv"),
        dt_rank=_rank(config, "mamba_dt_rank", hidden),
        inner_norms=True,
    )
    attention = gqa(heads, kv_heads(config, heads), config.divided("num_attention_heads", hidden, heads))
    inter = config.some("intermediate_size")
    experts, used = experts_of(config)
    a_period, a_offset = config.some("attn_layer_period"), config.whole("attn_layer_offset")
    e_period, e_offset = config.some("expert_layer_period"), config.whole("expert_layer_offset")
    layers: list[One] = []
    for index in range(config.layers()):
        sparse = experts > 1 and index % e_period == e_offset
        mixer = attention if index % a_period == a_offset else state
        layers.append((mixer, moe(experts, used, inter) if sparse else FeedForward(inter), 2, 0))
    return _whole_model(config, layers)


_NEMOTRON = {"M": "mamba", "-": "mlp", "*": "attention", "E": "moe"}
_NEMOTRON_WORDS = {
    **{word: word for word in _NEMOTRON.values()},
    "linear_attention": "mamba",
    "full_attention": "attention",
}


def nemotron_h(config: Config) -> Architecture:
    """Return Nemotron-H: each layer is one part, a state space, an attention, a dense or a sparse feed-forward part."""
    _plain_mamba(config, "use_bias", "use_conv_bias")
    hidden, heads = config.some("hidden_size"), config.some("num_attention_heads")
    pattern = config.value("hybrid_override_pattern")
    if isinstance(pattern, str) and len(pattern) <= 10_000 and set(pattern) <= set(_NEMOTRON):
        kinds = [_NEMOTRON[letter] for letter in pattern]
    elif pattern is None and config.has("layers_block_type"):
        kinds = [_NEMOTRON_WORDS[w] for w in config.words("layers_block_type", tuple(_NEMOTRON_WORDS)) or ()]
    else:
        raise config.refuse("hybrid_override_pattern", "must be a text of M, -, * and E, one letter a layer")
    if config.has("num_hidden_layers") and config.layers() != len(kinds):
        raise config.refuse("num_hidden_layers", f"is not {len(kinds)}, the length of the pattern")
    parts: dict[str, One] = {}
    if "mamba" in kinds:
        state_heads = config.some("mamba_num_heads")
        inner = state_heads * config.some("mamba_head_dim")
        mixer = Mamba2(
            d_inner=inner,
            groups=config.some("n_groups"),
            d_state=config.some("ssm_state_size"),
            heads=state_heads,
            d_conv=config.some("conv_kernel"),
        )
        parts["mamba"] = (mixer, NOTHING, 1, 0)
    bias = config.flag("attention_bias")
    attention = gqa(heads, kv_heads(config, heads), head_dim(config, heads, hidden), qkv_bias=bias, o_bias=bias)
    parts["attention"] = (attention, NOTHING, 1, 0)
    if config.flag("mlp_bias"):
        config.doubt("mlp_bias", "is true: biases of the feed-forward parts are not described")
    if "mlp" in kinds:
        parts["mlp"] = (NOTHING, FeedForward(config.some("intermediate_size"), False), 1, 0)
    if "moe" in kinds:
        experts, used = experts_of(config)
        shared = config.whole("moe_shared_expert_intermediate_size")
        latent = config.maybe("moe_latent_size")
        inter = config.some("moe_intermediate_size")
        parts["moe"] = (NOTHING, moe(experts, used, inter, gated=False, shared_inter=shared, latent=latent), 1, 0)
    return _whole_model(config, [parts[kind] for kind in kinds])


def granite_hybrid(config: Config) -> Architecture:
    """Return Granite 4: Mamba-2 or attention in each layer, experts and a shared dense part (or that part alone)."""
    _plain_mamba(config, "mamba_proj_bias", "mamba_conv_bias")
    hidden, heads, count = config.some("hidden_size"), config.some("num_attention_heads"), config.layers()
    known = ("mamba", "attention", "linear_attention", "full_attention")
    kinds = config.words("layer_types", known, count) or config.words("layers_block_type", known, count)
    kinds = kinds or ["mamba"] * count
    inner = config.some("mamba_expand") * hidden
    state_heads = config.some("mamba_n_heads")
    if config.value("mamba_d_head") != "auto" and state_heads * config.some("mamba_d_head") != inner:
        raise config.refuse("mamba_n_heads", f"x mamba_d_head is not mamba_expand x hidden_size ({inner})")
    state = Mamba2(
        d_inner=inner,
        groups=config.some("mamba_n_groups"),
        d_state=config.some("mamba_d_state"),
        heads=state_heads,
        d_conv=config.some("mamba_d_conv"),
    )
    bias = config.flag("attention_bias")
    size = config.divided("num_attention_heads", hidden, heads)
    attention = gqa(heads, kv_heads(config, heads), size, qkv_bias=bias, o_bias=bias)
    shared = config.some("shared_intermediate_size")
    ffn: LayerFeedForward = FeedForward(shared)
    if config.maybe("num_local_experts"):
        experts, used = experts_of(config)
        ffn = moe(experts, used, config.some("intermediate_size"), shared_inter=shared)
    mixers: dict[str, Mixer] = {
        "mamba": state,
        "linear_attention": state,
        "attention": attention,
        "full_attention": attention,
    }
    return _whole_model(config, [(mixers[kind], ffn, 2, 0) for kind in kinds])


def qwen_linear(config: Config, kind: str) -> Architecture:
    """Return Qwen3-Next and Qwen3.5: gated delta nets, and a gated attention in every fourth layer."""
    hidden, heads, count = config.some("hidden_size"), config.some("num_attention_heads"), config.layers()
    kinds = config.words("layer_types", ("linear_attention", "full_attention"), count)
    interval = config.some("full_attention_interval")
    kinds = kinds or ["linear_attention" if (i + 1) % interval else "full_attention" for i in range(count)]
    delta = GatedDeltaNet(
        k_heads=config.some("linear_num_key_heads"),
        k_dim=config.some("linear_key_head_dim"),
        v_heads=config.some("linear_num_value_heads"),
        v_dim=config.some("linear_value_head_dim"),
        d_conv=config.some("linear_conv_kernel_dim"),
    )
    if config.has("attn_output_gate") and not config.flag("attn_output_gate"):
        config.doubt("attn_output_gate", "is false: the attention of this model has an output gate")
    bias = config.flag("attention_bias")
    attention = gqa(
        heads, kv_heads(config, heads), head_dim(config, heads, hidden), qk_norm="head", q_gate=True, qkv_bias=bias,
        o_bias=bias,
    )  # fmt: skip
    flags = sparse_layers(config, count) if kind == "qwen3_next" else [kind == "qwen3_5_moe_text"] * count
    layers: list[One] = [
        (delta if name == "linear_attention" else attention, qwen_ffn(config, own, True), 2, 0)
        for name, own in zip(kinds, flags, strict=True)
    ]
    return _whole_model(config, layers)


def minimax(config: Config) -> Architecture:
    """Return MiniMax-Text-01: lightning attention, softmax attention in every eighth layer, experts in all."""
    hidden, heads, count = config.some("hidden_size"), config.some("num_attention_heads"), config.layers()
    size = head_dim(config, heads, hidden)
    kinds = config.words("layer_types", ("linear_attention", "full_attention"), count)
    old = config.items("attn_type_list", count)
    if kinds is None and old is not None:
        kinds = ["full_attention" if item == 1 else "linear_attention" for item in old]
    kinds = kinds or ["linear_attention" if index % 2 else "full_attention" for index in range(count)]
    mixers: dict[str, Mixer] = {
        "linear_attention": LightningAttention(heads, size),
        "full_attention": gqa(heads, kv_heads(config, heads), size),
    }
    experts, used = experts_of(config)
    if config.maybe("shared_intermediate_size"):
        config.doubt("shared_intermediate_size", "adds an expert that is not described")
    ffn = moe(experts, used, config.some("intermediate_size"))
    return _whole_model(config, [(mixers[kind], ffn, 2, 0) for kind in kinds])


def lfm2(config: Config) -> Architecture:
    """Return LFM2: short convolutions and some attention; the feed-forward width may be adjusted from the stated one.

    LFM2-MoE has experts in all but the first layers.
    """
    hidden, heads, count = config.some("hidden_size"), config.some("num_attention_heads"), config.layers()
    kinds = config.words("layer_types", ("conv", "full_attention"), count)
    if kinds is None:
        full = config.items("full_attn_idxs")
        kinds = ["full_attention" if full is None or index in full else "conv" for index in range(count)]
    if config.flag("conv_bias"):
        config.doubt("conv_bias", "is true: biases of the convolutions are not described")
    inter = config.some("block_ff_dim", "intermediate_size")
    if config.flag("block_auto_adjust_ff_dim"):
        inter = int(2 * inter / 3)
        if config.value("block_ffn_dim_multiplier") is not None:
            inter = int(config.number("block_ffn_dim_multiplier") * inter)
            multiple = config.some("block_multiple_of")
            inter += -inter % multiple
    mixers: dict[str, Mixer] = {
        "conv": ShortConvolution(config.some("conv_L_cache")),
        "full_attention": gqa(
            heads, kv_heads(config, heads), config.divided("num_attention_heads", hidden, heads), qk_norm="head"
        ),
    }
    ffns: list[LayerFeedForward] = [FeedForward(inter)] * count
    if "num_experts" in config.defaults:
        experts, used = experts_of(config)
        mixture = moe(experts, used, config.some("moe_intermediate_size"))
        dense = config.whole("num_dense_layers")
        ffns = [FeedForward(inter) if index < dense else mixture for index in range(count)]
    layers = [(mixers[kind], ffn, 2, 0) for kind, ffn in zip(kinds, ffns, strict=True)]
    return _whole_model(config, layers, tie=("tie_embedding", "tie_word_embeddings"))
