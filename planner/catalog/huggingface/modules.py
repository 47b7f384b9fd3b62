"""Which class of tensors a module of a checkpoint belongs to, by its name."""

from __future__ import annotations

import re
from typing import Final

LINEAR: Final = (
    "experts", "dense", "shared_expert", "attention", "recurrent", "indexer", "compressor", "gates", "router",
    "embedding", "head", "other",
)  # fmt: skip
"""The classes whose tensors a quantization may take or leave; `dense` feed-forward parts stand apart from experts."""

_WORDS: Final = (
    (("vision", "visual", "multi_modal", "mm_proj", "patch_merge", "audio"), "other"),
    (("indexer.compressor", "compressor", "weights_proj"), "compressor"),
    (("indexer", "index_q", "index_k"), "indexer"),
    (("conv1d", "in_proj_a.", "in_proj_b.", "in_proj_ba", "dt_bias", "a_log"), "gates"),
    (("layernorm", "norm."), "norm"),
    (("embed", "wte."), "embedding"),
    (("lm_head", "output_head"), "head"),
    (("router", "gate.", "shared_expert_gate"), "router"),
    (("shared_expert", "shared_mlp"), "shared_expert"),
    (("expert", "block_sparse_moe"), "experts"),
    (("linear_attn", "mamba", "in_proj", "out_proj", "x_proj", "dt_proj"), "recurrent"),
    (("attn", "attention", "q_proj", "k_proj", "v_proj", "o_proj", "qkv"), "attention"),
    (("mlp", "feed_forward", "ffn", "up_proj", "down_proj", "gate_up_proj", "gate_proj"), "dense"),
    (("norm",), "norm"),
)  # fmt: skip
"""Words of names, the first that fits; the attention of a vision tower is a part of the tower."""
_AHEAD: Final = re.compile(r"\bmtp\b|nextn")


def class_of(name: str) -> str:
    """Return the class, "" for a name that says none and for layers of multi-token prediction, which do not count."""
    text = name.lower().replace("\\", "").rstrip("*.") + "."
    if _AHEAD.search(text):
        return ""
    if text in ("head.", "output."):
        return "head"
    return next((term for words, term in _WORDS if any(word in text for word in words)), "")
