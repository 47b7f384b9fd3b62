"""A decoder of a `model_type` that no row describes: what can be assumed of it, and the most and least it can be.

Only what its sizes bound is read: a dense decoder whose every size is a field known here. A field that may be a size,
a kind of layer or a part, and is not known, is refused by name, for nothing then bounds the model.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from math import ceil, floor
from typing import Any

from planner.catalog.architecture import FeedForward
from planner.catalog.huggingface.config import Config
from planner.catalog.huggingface.layers import ATTENTION, gqa, kv_heads
from planner.catalog.huggingface.overlooked import NEUTRAL, SIZE
from planner.catalog.parameters import parameters
from planner.catalog.records import Architecture, Layers

SIZES = {
    "hidden_size": ("hidden_size", "n_embd", "d_model", "dim"),
    "num_hidden_layers": ("num_hidden_layers", "n_layer", "n_layers", "num_layers"),
    "num_attention_heads": ("num_attention_heads", "n_head", "n_heads", "num_heads"),
    "intermediate_size": ("intermediate_size", "ffn_hidden_size", "n_inner", "ffn_dim"),
    "num_key_value_heads": ("num_key_value_heads", "n_kv_heads", "num_kv_heads", "n_head_kv", "multi_query_group_num"),
    "head_dim": ("head_dim", "kv_channels", "attention_head_size", "d_kv"),
    "vocab_size": ("vocab_size", "padded_vocab_size", "n_vocab"),
}
"""The sizes of a dense decoder, each with the names that the `attribute_map` of transformers' configurations has."""
POSITIONS = ("max_position_embeddings", "n_positions", "max_sequence_length", "n_ctx", "seq_length", "max_seq_len")
ROTARY = ("rope_theta", "rope_scaling", "rope_parameters", "rotary_emb_base", "rotary_pct", "partial_rotary_factor",
          "rotary_dim", "rope_ratio", "rotary", "rotary_percentage")  # fmt: skip
"""Fields of rotary positions, which have no table of weights."""
_PART = re.compile(
    r"moe|expert|mamba|ssm|rwkv|linear_att|altup|laurel|lora|conv|gate|index|sink|latent|recurren|cross|memory|delta|"
    r"engram|hyper|parallel_|pattern|per_layer|encoder|decoder|vision|audio|image|video|mlp_type|residual_|loop|adapter|"
    r"block_type|layer_type|mixer|extra|mtp|ngram|hash"
)
HARMLESS = (NEUTRAL - {"chunk_size", "num_hash_layers", "patch_size", "image_size", "num_channels"}) | {
    "layer_types", "sliding_window_pattern", "is_encoder_decoder", "add_cross_attention", "use_parallel_residual",
    "parallel_residual", "parallel_attn",
}  # fmt: skip
"""Fields whose names look like sizes or parts and that change no count of a dense decoder; two are read apart."""
BLOCKS = frozenset({
    "rope_scaling", "rope_parameters", "quantization_config", "compression_config", "quantization",
    "task_specific_params", "id2label", "label2id", "auto_map", "vision_config", "text_config", "pruned_heads",
})  # fmt: skip
"""Objects in a config that have no sizes of the decoder, or are read apart."""
_NOTHING: tuple[Any, ...] = (None, False, 0, 1, 1.0, "", [], {}, "none")


def assume(kind: str, whole: Config) -> tuple[Architecture, Config]:
    """Return the largest dense decoder that the sizes of a config allow, and the config; raise ConfigError.

    It has whatever dense decoders of the library may have beside their matrices: gated feed-forward parts, biases, two
    norms around each part, norms of queries and keys, a head of its own unless the config ties it. What was assumed is
    noted on the config.
    """
    config = whole.part("text_config", {}, required=False) or whole
    sizes = _renamed(config)
    for field, value in config.data.items():
        _unread(kind, config, field, value)
    hidden, heads, count = sizes.some("hidden_size"), sizes.some("num_attention_heads"), sizes.layers()
    kv = kv_heads(sizes, heads)
    size = sizes.maybe("head_dim") or sizes.divided("num_attention_heads", hidden, heads)
    inter, vocab = sizes.some("intermediate_size"), sizes.some("vocab_size")
    config.words("layer_types", ATTENTION, count)
    tied = config.flag("tie_word_embeddings") or (config is not whole and whole.flag("tie_word_embeddings"))
    fewest = kv if sizes.has("num_key_value_heads") else 1
    said = config.has("tie_word_embeddings") or whole.has("tie_word_embeddings")
    table = 0 if config.has(*ROTARY) else max((config.maybe(name) or 0 for name in POSITIONS), default=0)
    mixer = gqa(heads, kv, size, qkv_bias=True, o_bias=True, qk_norm="full")
    most = Architecture(
        hidden=hidden,
        vocab=vocab,
        tied=tied,
        norm="ln",
        groups=(Layers(count, mixer, FeedForward(inter, True, True), 4),),
        pos_rows=table,
        head_bias=True,
        embed_norm=True,
    )
    least = replace(
        most,
        tied=tied or not said,
        norm="none",
        groups=(Layers(count, gqa(heads, fewest, size), FeedForward(inter, False), 1),),
        pos_rows=0,
        head_bias=False,
        embed_norm=False,
    )
    low, high = (sum(parameters(each).values()) for each in (least, most))
    whole.assumed.append(
        f"no row describes `{kind[:60]}`: it is read as a dense decoder of {count} layers, hidden size {hidden}, "
        f"{heads} heads and {kv} KV heads of {size}, feed-forward width {inter}, vocabulary {vocab}, in which every "
        "layer keeps every token"
    )
    whole.assumed.append(
        f"a dense decoder of these sizes has {_billions(low, floor)} to {_billions(high, ceil)} parameters; "
        f"{_billions(high, ceil)} are counted: gated feed-forward parts, biases, four norms a layer"
        f"{'' if said else ', a head of its own'}{', a table of positions' if table else ''}"
    )
    return most, config


def _billions(count: int, rounded: Callable[[float], int]) -> str:
    return f"{rounded(count / 1e7) / 100:_.2f}B" if count >= 10**9 else f"{rounded(count / 1e6):_}M"


def only_a_decoder(kind: str, whole: Config) -> None:
    """Refuse what stands beside the decoder of a `model_type` that is not known: nothing bounds it."""
    for field in ("is_encoder_decoder", "add_cross_attention"):
        if whole.data.get(field) is True:
            raise whole.refuse(field, "is true: nothing bounds a model with an encoder or cross attention")
    if whole.data.get("vision_config") is not None:  # an empty one is a tower of the library's own sizes
        raise whole.refuse("vision_config", f"describes the vision tower of a `{kind[:60]}`, which nothing bounds")
    inner = whole.data.get("text_config")
    for field, value in whole.data.items():
        if inner is not None and isinstance(value, Mapping) and field not in BLOCKS and value:
            raise whole.refuse(field, f"describes a part of a `{kind[:60]}` that nothing bounds")


def _renamed(config: Config) -> Config:
    """Return the sizes under the names that most configs have; two names of one size must agree."""
    renamed: dict[str, Any] = {}
    for name, names in SIZES.items():
        said = [(alias, config.data[alias]) for alias in names if config.data.get(alias) is not None]
        for alias, value in said:
            if value != said[0][1]:
                raise config.refuse(alias, f"differs from `{said[0][0]}`")
        if said:
            renamed[name] = said[0][1]
    return config.at(renamed, {})


_KNOWN = frozenset(alias for names in SIZES.values() for alias in names) | HARMLESS | BLOCKS | {*POSITIONS, *ROTARY}


def _unread(kind: str, config: Config, field: str, value: Any) -> None:
    """Refuse a field that may be a size or a part of what is not a dense decoder."""
    if field in _KNOWN or any(value is item or (value == item and type(value) is type(item)) for item in _NOTHING):
        return
    sized = SIZE.search(field) and isinstance(value, list | int | float)
    part = _PART.search(field) and not isinstance(value, float)
    if sized or part or isinstance(value, Mapping):
        raise config.refuse(field, f"is not part of a dense model: nothing bounds what it makes of a `{kind[:60]}`")
