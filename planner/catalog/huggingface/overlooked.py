"""What a config says and no description reads: a field that looks like a size, a class with another head."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from planner.catalog.huggingface.config import Config, Fields

SIZE = re.compile(
    r"(?:^(?:n|num)_)|(?:^(?:dim|depth|width|d_\w+)$)|_(?:size|sizes|dim|dims|rank|heads?|layers?|experts?|width|widths|"
    r"channels|groups?|features|units|blocks?|kernel|states?|ratio|multiplier|mult)$"
)
"""Names of sizes, as the configurations of transformers write them."""
NEUTRAL = frozenset({
    "num_labels", "num_return_sequences", "num_beams", "num_beam_groups", "no_repeat_ngram_size",
    "encoder_no_repeat_ngram_size", "chunk_size_feed_forward", "num_nextn_predict_layers", "num_logits_to_keep",
    "rope_dim", "rotary_dim", "rotary_emb_dim", "rotary_ndims", "num_key_value_groups", "n_positions", "n_ctx",
    "max_window_layers", "cross_attention_hidden_size", "attention_multiplier", "residual_multiplier",
    "embedding_multiplier", "n_group", "topk_group", "chunk_size", "attention_chunk_size", "num_hash_layers",
    "num_mtp_modules", "mtp_num_hidden_layers", "qk_head_dim", "sliding_window_size", "time_step_rank",
    "num_tokens_per_image", "patch_size", "image_size", "num_channels",
})  # fmt: skip
"""Fields that look like sizes and change no count of a decoder's parameters or cache."""
_LATENT = ("deepseek_v2", "deepseek_v3", "deepseek_v32", "kimi_k2", "kimi_k25", "glm4_moe_lite", "glm_moe_dsa",
           "deepseek_v4")  # fmt: skip
_MIXTURES = ("qwen2_moe", "qwen3_moe", "qwen3_next", "qwen3_vl_moe", "qwen3_5_moe", "qwen3_5_moe_text", "nemotron_h",
             "granitemoehybrid", "granitemoe", "qwen3_vl_moe_text")  # fmt: skip
NEUTRAL_TO: Mapping[str, frozenset[str]] = {
    **{kind: frozenset({"num_key_value_heads", "head_dim"}) for kind in _LATENT},
    **{kind: frozenset({"intermediate_size", "attention_head_dim"}) for kind in _MIXTURES},
    "mistral4": frozenset({"num_key_value_heads", "head_dim", "intermediate_size"}),
    "mellum": frozenset({"intermediate_size"}),
    "minimax_m3": frozenset({"moe_intermediate_size"}),
    "minimax_m3_vl": frozenset({"moe_intermediate_size"}),
    "hunyuan_v1_moe": frozenset({"moe_intermediate_size"}),
}
"""Sizes that the configs of a `model_type` state and its layers lack: KV heads beside latent attention, the width of
dense layers where every layer has experts."""
_HEADS = re.compile(r"(SequenceClassification|TokenClassification|QuestionAnswering|MultipleChoice|RewardModel|"
                    r"ImageClassification|ForScore|PRM)\w*$")  # fmt: skip


def refuse_overlooked(kind: str, whole: Config, decoder: Config) -> None:
    """Refuse a decoder's config that has sizes nobody read, or names a class with another head than the vocabulary."""
    data = decoder.data
    if isinstance(data, Fields):
        inner = str(data.get("model_type") or "")
        neutral = NEUTRAL | NEUTRAL_TO.get(kind, frozenset()) | NEUTRAL_TO.get(inner, frozenset())
        for field, value in data.items():
            if field not in data.asked and field not in neutral and SIZE.search(field) and _is_size(value):
                decoder.doubt(field, f"looks like a size, and no part of a `{kind[:60]}` that is described has it")
    named = whole.data.get("architectures")
    for name in named if isinstance(named, list) else ():
        if isinstance(name, str) and _HEADS.search(name):
            whole.doubt("architectures", f"names `{name[:60]}`, whose head is not described")


def _is_size(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and all(isinstance(item, int) and not isinstance(item, bool) for item in value)
    return isinstance(value, int) and not isinstance(value, bool) and value > 1


__all__ = ["NEUTRAL", "SIZE", "refuse_overlooked"]
