"""Encoders and encoder-decoders: exact parameter counts by part; no KV cache is described for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from planner.catalog.huggingface.config import Config
from planner.catalog.huggingface.vision import block, clip_tower, siglip_tower

_BERT = {
    "vocab_size": 30522, "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
    "intermediate_size": 3072, "max_position_embeddings": 512, "type_vocab_size": 2,
}  # fmt: skip
_CLIP_VISION = {
    "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_channels": 3, "image_size": 224,
    "patch_size": 32, "vision_use_head": True,
}  # fmt: skip

ENCODERS: dict[str, dict[str, Any]] = {
    "bert": _BERT,
    "roberta": {**_BERT, "vocab_size": 50265},
    "xlm-roberta": _BERT,
    "distilbert": {"vocab_size": 30522, "max_position_embeddings": 512, "n_layers": 6, "dim": 768, "hidden_dim": 3072},
    "modernbert": {
        "vocab_size": 50368, "hidden_size": 768, "intermediate_size": 1152, "num_hidden_layers": 22,
        "max_position_embeddings": 8192,
    },
    "t5": {
        "vocab_size": 32128, "d_model": 512, "d_kv": 64, "d_ff": 2048, "num_layers": 6, "num_decoder_layers": None,
        "num_heads": 8, "relative_attention_num_buckets": 32, "feed_forward_proj": "relu", "tie_word_embeddings": True,
    },
    "whisper": {
        "vocab_size": 51865, "num_mel_bins": 80, "encoder_layers": 4, "decoder_layers": 4, "decoder_ffn_dim": 1536,
        "encoder_ffn_dim": 1536, "d_model": 384, "max_source_positions": 1500, "max_target_positions": 448,
    },
    "bart": {
        "vocab_size": 50265, "max_position_embeddings": 1024, "encoder_layers": 12, "encoder_ffn_dim": 4096,
        "decoder_layers": 12, "decoder_ffn_dim": 4096, "d_model": 1024,
    },
    "vit": {
        "hidden_size": 768, "num_hidden_layers": 12, "intermediate_size": 3072, "image_size": 224, "patch_size": 16,
        "num_channels": 3, "num_labels": 2,
    },
    "clip": {"projection_dim": 512},
    "siglip": {},
}  # fmt: skip
"""The library's defaults by `model_type` (transformers 5.23)."""

Parts = dict[str, int]


def _bert(config: Config) -> Parts:
    hidden = config.some("hidden_size")
    rows = config.some("vocab_size") + config.some("max_position_embeddings") + config.whole("type_vocab_size")
    layers = config.layers() * block(hidden, config.some("intermediate_size"))
    return {"embedding": rows * hidden + 2 * hidden, "layers": layers, "pooler": hidden * hidden + hidden}


def _distilbert(config: Config) -> Parts:
    hidden = config.some("dim", "hidden_size")
    rows = config.some("vocab_size") + config.some("max_position_embeddings")
    layers = config.layers("n_layers", "num_hidden_layers") * block(hidden, config.some("hidden_dim"))
    return {"embedding": rows * hidden + 2 * hidden, "layers": layers}


def _modernbert(config: Config) -> Parts:
    """Count the masked-language model: its first layer has no attention norm, its head a dense layer and a bias."""
    hidden, inter, vocab = config.some("hidden_size"), config.some("intermediate_size"), config.some("vocab_size")
    for field in ("attention_bias", "mlp_bias", "norm_bias"):
        if config.flag(field):
            config.doubt(field, "is true: biases are not described")
    count = config.layers()
    layers = count * (4 * hidden * hidden + 3 * hidden * inter + 2 * hidden) - hidden
    head = hidden * hidden + hidden + vocab
    return {"embedding": vocab * hidden + hidden, "layers": layers, "norm": hidden, "head": head}


def _t5(config: Config) -> Parts:
    hidden, heads, inter = config.some("d_model"), config.some("num_heads"), config.some("d_ff")
    attention = 4 * hidden * heads * config.some("d_kv")
    gated = str(config.value("feed_forward_proj")).startswith("gated")
    ffn = (3 if gated else 2) * hidden * inter
    encoders = config.layers("num_layers")
    decoders = config.layers("num_decoder_layers") if config.has("num_decoder_layers") else encoders
    buckets = config.some("relative_attention_num_buckets") * heads
    vocab = config.some("vocab_size") * hidden
    return {
        "embedding": vocab,
        "encoder": encoders * (attention + ffn + 2 * hidden) + buckets + hidden,
        "decoder": decoders * (2 * attention + ffn + 3 * hidden) + buckets + hidden,
        "head": 0 if config.flag("tie_word_embeddings") else vocab,
    }


def _cross(hidden: int, inter: int, key_bias: bool) -> int:
    """Return a decoder layer with self and cross attention."""
    return block(hidden, inter) + 4 * hidden * hidden + (4 if key_bias else 3) * hidden + 2 * hidden


def _whisper(config: Config) -> Parts:
    """Count Whisper: two convolutions before the encoder, keys without bias, head and embedding one table."""
    hidden = config.some("d_model")
    convolutions = 3 * config.some("num_mel_bins") * hidden + hidden + 3 * hidden * hidden + hidden
    encoder = config.layers("encoder_layers") * (block(hidden, config.some("encoder_ffn_dim")) - hidden)
    decoder = config.layers("decoder_layers") * (_cross(hidden, config.some("decoder_ffn_dim"), False) - hidden)
    return {
        "embedding": config.some("vocab_size") * hidden,
        "encoder": convolutions + config.some("max_source_positions") * hidden + encoder + 2 * hidden,
        "decoder": config.some("max_target_positions") * hidden + decoder + 2 * hidden,
    }


def _bart(config: Config) -> Parts:
    """Count BART: position tables two rows longer than the context, norms behind the embeddings."""
    hidden = config.some("d_model")
    positions = (config.some("max_position_embeddings") + 2) * hidden + 2 * hidden
    encoder = config.layers("encoder_layers") * block(hidden, config.some("encoder_ffn_dim"))
    decoder = config.layers("decoder_layers") * _cross(hidden, config.some("decoder_ffn_dim"), True)
    return {
        "embedding": config.some("vocab_size") * hidden,
        "encoder": positions + encoder,
        "decoder": positions + decoder,
    }


def _vit(config: Config) -> Parts:
    hidden, patch = config.some("hidden_size"), config.some("patch_size")
    rows = (config.some("image_size") // patch) ** 2 + 1
    labels = len(config.value("id2label") or ()) or config.some("num_labels")
    patches = config.some("num_channels") * patch * patch * hidden + hidden
    layers = config.layers() * block(hidden, config.some("intermediate_size"))
    return {
        "embedding": hidden + rows * hidden + patches,
        "layers": layers,
        "norm": 2 * hidden,
        "head": hidden * labels + labels,
    }


def _text_tower(text: Config) -> int:
    hidden = text.some("hidden_size")
    rows = text.some("vocab_size") + text.some("max_position_embeddings")
    return rows * hidden + text.layers() * block(hidden, text.some("intermediate_size")) + 2 * hidden


def _clip(config: Config) -> Parts:
    text = config.part(
        "text_config",
        {"vocab_size": 49408, "hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 12,
         "max_position_embeddings": 77},
    )  # fmt: skip
    vision = config.part("vision_config", _CLIP_VISION)
    assert text is not None and vision is not None
    width = config.some("projection_dim")
    projections = width * (text.some("hidden_size") + vision.some("hidden_size")) + 1
    return {"text": _text_tower(text), "vision": clip_tower(vision), "projector": projections}


def _siglip(config: Config) -> Parts:
    text = config.part(
        "text_config",
        {"vocab_size": 32000, "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
         "max_position_embeddings": 64},
    )  # fmt: skip
    vision = config.part("vision_config", {**_CLIP_VISION, "patch_size": 16})
    assert text is not None and vision is not None
    hidden = text.some("hidden_size")
    head = hidden * (text.maybe("projection_size") or hidden) + (text.maybe("projection_size") or hidden)
    return {"text": _text_tower(text) + head, "vision": siglip_tower(vision), "other": 2}


COUNTS: dict[str, Callable[[Config], Parts]] = {
    "bert": _bert,
    "roberta": _bert,
    "xlm-roberta": _bert,
    "distilbert": _distilbert,
    "modernbert": _modernbert,
    "t5": _t5,
    "whisper": _whisper,
    "bart": _bart,
    "vit": _vit,
    "clip": _clip,
    "siglip": _siglip,
}
"""Parameters by part, by `model_type`."""
