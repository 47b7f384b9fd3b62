"""Parameters of vision towers and projectors: what a wrapper adds to its decoder, as one number.

The shapes are those of the vision classes in transformers 5.23 (`models/*/modeling_*.py`), counted tensor by tensor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from planner.catalog.huggingface.config import Config

CLIP_VISION: dict[str, Any] = {
    "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12,
    "num_channels": 3, "image_size": 224, "patch_size": 32,
}  # fmt: skip
_QWEN2 = {
    "depth": 32, "embed_dim": 1280, "hidden_size": 3584, "mlp_ratio": 4, "in_channels": 3, "patch_size": 14,
    "spatial_merge_size": 2, "temporal_patch_size": 2,
}  # fmt: skip
_QWEN25 = {
    "depth": 32, "hidden_size": 3584, "intermediate_size": 3420, "in_channels": 3, "patch_size": 14,
    "spatial_merge_size": 2, "temporal_patch_size": 2, "out_hidden_size": 3584,
}  # fmt: skip
_QWEN3 = {
    "depth": 27, "hidden_size": 1152, "intermediate_size": 4304, "in_channels": 3, "patch_size": 16,
    "spatial_merge_size": 2, "temporal_patch_size": 2, "out_hidden_size": 3584, "num_position_embeddings": 2304,
    "deepstack_visual_indexes": [8, 16, 24],
}  # fmt: skip

_GLM = {
    "depth": 24, "hidden_size": 1536, "intermediate_size": 13696, "in_channels": 3, "patch_size": 14, "image_size": 336,
    "spatial_merge_size": 2, "temporal_patch_size": 2, "out_hidden_size": 4096, "attention_bias": False,
}  # fmt: skip

VISION: dict[str, dict[str, Any]] = {
    "llava": {**CLIP_VISION, "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "image_size": 336,
              "patch_size": 14},
    "mistral3": {
        "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_channels": 3, "patch_size": 16,
    },
    "gemma3": {**CLIP_VISION, "patch_size": 16, "vision_use_head": True},
    "qwen2_vl": _QWEN2,
    "qwen2_5_vl": _QWEN25,
    "qwen3_vl": _QWEN3,
    "qwen3_vl_moe": _QWEN3,
    "qwen3_5": {**_QWEN3, "deepstack_visual_indexes": []},
    "qwen3_5_moe": {**_QWEN3, "deepstack_visual_indexes": []},
    "llama4": {
        "hidden_size": 768, "intermediate_size": 5632, "num_hidden_layers": 34, "num_channels": 3, "image_size": 448,
        "patch_size": 14, "vision_output_dim": 7680, "projector_input_dim": 4096, "projector_output_dim": 4096,
    },
    "mllama": {
        "hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "num_global_layers": 8,
        "num_channels": 3, "image_size": 448, "patch_size": 14, "max_num_tiles": 4, "vision_output_dim": 7680,
        "supported_aspect_ratios": [[1, 1], [1, 2], [1, 3], [1, 4], [2, 1], [2, 2], [3, 1], [4, 1]],
    },
    "kimi_k25": {
        "hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27, "patch_size": 14,
        "pos_emb_height": 64, "pos_emb_width": 64, "merge_kernel_size": [2, 2],
    },
    "minimax_m3_vl": {
        "hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "num_channels": 3, "patch_size": 14,
        "temporal_patch_size": 2, "spatial_merge_size": 2,
    },
    "step3p7": {
        "hidden_size": 1536, "num_hidden_layers": 47, "num_channels": 3, "image_size": 728, "patch_size": 14,
        "mlp_ratio": 8960 / 1536, "max_position_embeddings": 2704,
    },
    "gemma4": {
        "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 16, "num_attention_heads": 12,
        "num_key_value_heads": 12, "head_dim": 64, "patch_size": 16, "position_embedding_size": 10240,
    },
    "glm4v": _GLM,
    "glm4v_moe": _GLM,
    "muse_glimmer": {
        "hidden_size": 1536, "intermediate_size": 8960, "num_hidden_layers": 50, "patch_size": 14, "patch_temporal": 2,
        "pos_emb_height": 32, "pos_emb_width": 32,
    },
}  # fmt: skip
"""The library's defaults of `vision_config`, by the wrapper's `model_type`."""


def _linear(inputs: int, outputs: int, bias: bool = True) -> int:
    return inputs * outputs + (outputs if bias else 0)


def block(hidden: int, inter: int, bias: bool = True) -> int:
    """Return a pre-norm layer: four projections, a two-matrix feed-forward part with bias, two LayerNorms."""
    return 4 * _linear(hidden, hidden, bias) + _linear(hidden, inter) + _linear(inter, hidden) + 4 * hidden


def clip_tower(vision: Config) -> int:
    """Return CLIP's vision tower, with its class token and its two outer norms."""
    hidden, patch = vision.some("hidden_size"), vision.some("patch_size")
    rows = (vision.some("image_size") // patch) ** 2 + 1
    layers = vision.layers() * block(hidden, vision.some("intermediate_size"))
    return hidden + vision.some("num_channels") * patch * patch * hidden + rows * hidden + 4 * hidden + layers


def siglip_tower(vision: Config) -> int:
    """Return SigLIP's vision tower, with its pooling head where it has one."""
    hidden, patch, inter = vision.some("hidden_size"), vision.some("patch_size"), vision.some("intermediate_size")
    rows = (vision.some("image_size") // patch) ** 2
    total = _linear(vision.some("num_channels") * patch * patch, hidden) + rows * hidden + 2 * hidden
    total += vision.layers() * block(hidden, inter)
    if vision.flag("vision_use_head"):
        total += hidden + 4 * _linear(hidden, hidden) + 2 * hidden + _linear(hidden, inter) + _linear(inter, hidden)
    return total


def _selected(config: Config) -> int:
    """Return how many vision layers a projector takes in."""
    chosen = config.value("vision_feature_layer")
    return len(chosen) if isinstance(chosen, list) else 1


def llava_projector(config: Config, vision: Config, text: int) -> int:
    """Return LLaVA's two linear layers, with bias unless the config says else."""
    bias = config.value("multimodal_projector_bias") is not False
    return _linear(vision.some("hidden_size") * _selected(config), text, bias) + _linear(text, text, bias)


def _llava(config: Config, vision: Config, text: int) -> int:
    return clip_tower(vision) + llava_projector(config, vision, text)


def pixtral_tower(vision: Config) -> int:
    """Return Pixtral's vision tower: gated feed-forward parts, no biases, no position table."""
    hidden, patch = vision.some("hidden_size"), vision.some("patch_size")
    layer = 4 * hidden * hidden + 3 * hidden * vision.some("intermediate_size") + 2 * hidden
    return vision.some("num_channels") * patch * patch * hidden + hidden + vision.layers() * layer


def _mistral3(config: Config, vision: Config, text: int) -> int:
    hidden = vision.some("hidden_size")
    merge = config.maybe("spatial_merge_size") or 2
    bias = config.flag("multimodal_projector_bias")
    projector = hidden + hidden * merge * merge * hidden
    return (
        pixtral_tower(vision) + projector + _linear(hidden * _selected(config), text, bias) + _linear(text, text, bias)
    )


def _gemma3(config: Config, vision: Config, text: int) -> int:
    return siglip_tower(vision) + vision.some("hidden_size") * (text + 1)


def _patches(vision: Config, hidden: int) -> int:
    patch = vision.some("patch_size")
    return vision.some("in_channels", "in_chans") * vision.some("temporal_patch_size") * patch * patch * hidden


def _merger(width: int, out: int) -> int:
    return _linear(width, width) + _linear(width, out)


def _qwen2(config: Config, vision: Config, text: int) -> int:
    hidden = vision.some("embed_dim")
    layer = block(hidden, int(hidden * vision.number("mlp_ratio")))
    merged = hidden * vision.some("spatial_merge_size") ** 2
    merger = 2 * hidden + _merger(merged, vision.some("hidden_size"))
    return _patches(vision, hidden) + vision.layers("depth") * layer + merger


def _qwen25(config: Config, vision: Config, text: int) -> int:
    hidden, inter = vision.some("hidden_size"), vision.some("intermediate_size")
    layer = 4 * _linear(hidden, hidden) + 3 * hidden * inter + 2 * inter + hidden + 2 * hidden
    merged = hidden * vision.some("spatial_merge_size") ** 2
    merger = hidden + _merger(merged, vision.some("out_hidden_size"))
    return _patches(vision, hidden) + vision.layers("depth") * layer + merger


def _qwen3(config: Config, vision: Config, text: int) -> int:
    hidden, out = vision.some("hidden_size"), vision.some("out_hidden_size")
    merged = hidden * vision.some("spatial_merge_size") ** 2
    deep = len(vision.items("deepstack_visual_indexes") or ())
    layers = vision.layers("depth") * block(hidden, vision.some("intermediate_size"))
    outer = _patches(vision, hidden) + hidden + vision.some("num_position_embeddings") * hidden
    return outer + layers + 2 * hidden + _merger(merged, out) + deep * (2 * merged + _merger(merged, out))


def _llama4(config: Config, vision: Config, text: int) -> int:
    hidden, inter, patch = vision.some("hidden_size"), vision.some("intermediate_size"), vision.some("patch_size")
    rows = (vision.some("image_size") // patch) ** 2 + 1
    out = vision.some("projector_output_dim")
    outer = vision.some("num_channels") * patch * patch * hidden + hidden + rows * hidden + 4 * hidden
    adapter = inter * vision.some("projector_input_dim") + out * out
    projector = vision.some("vision_output_dim") * text
    return outer + vision.layers() * block(hidden, inter) + adapter + projector


def _mllama(config: Config, vision: Config, text: int) -> int:
    hidden, inter, patch = vision.some("hidden_size"), vision.some("intermediate_size"), vision.some("patch_size")
    rows = (vision.some("image_size") // patch) ** 2 + 1
    ratios = len(vision.items("supported_aspect_ratios") or ()) + 1
    tiles = vision.some("max_num_tiles")
    layer = block(hidden, inter, bias=False)
    outer = vision.some("num_channels") * patch * patch * hidden + hidden + 4 * hidden
    positions = 1 + rows * hidden + ratios * tiles * rows * hidden + 2 * (ratios * tiles * hidden + 1)
    layers = vision.layers() * layer + vision.layers("num_global_layers") * (layer + 2)
    return outer + positions + layers + _linear(vision.some("vision_output_dim"), text)


def _gemma4(config: Config, vision: Config, text: int) -> int:
    hidden, patch, size = vision.some("hidden_size"), vision.some("patch_size"), vision.some("head_dim")
    query = vision.some("num_attention_heads") * size
    key = vision.some("num_key_value_heads") * size
    layer = 2 * hidden * (query + key) + 2 * size + 3 * hidden * vision.some("intermediate_size") + 4 * hidden
    outer = 3 * patch * patch * hidden + 2 * vision.some("position_embedding_size") * hidden
    return outer + vision.layers() * layer + hidden * text


def _kimi(config: Config, vision: Config, text: int) -> int:
    """Return MoonViT and its patch merger; the published configs name their fields `vt_…`."""
    hidden, inter = (
        vision.some("vt_hidden_size", "hidden_size"),
        vision.some("vt_intermediate_size", "intermediate_size"),
    )
    patch = vision.some("patch_size")
    for field in ("mm_hidden_size", "text_hidden_size"):
        same = hidden if field == "mm_hidden_size" else text
        if vision.has(field) and vision.some(field) != same:
            vision.doubt(field, f"differs from the {same} that it stands for")
    rows = vision.some("init_pos_emb_height", "pos_emb_height") * vision.some("init_pos_emb_width", "pos_emb_width")
    outer = _linear(3 * patch * patch, hidden) + rows * hidden + 2 * hidden
    layers = vision.layers("vt_num_hidden_layers", "num_hidden_layers") * block(hidden, inter)
    kernel = vision.items("merge_kernel_size", 2) or [2, 2]
    if not all(isinstance(side, int) and 0 < side < 100 for side in kernel):
        raise vision.refuse("merge_kernel_size", "must be two small whole numbers")
    width = config.maybe("projection_hidden_size") or hidden
    return outer + layers + 2 * width + _merger(hidden * kernel[0] * kernel[1], text)


def _minimax_m3(config: Config, vision: Config, text: int) -> int:
    hidden = vision.some("hidden_size")
    patch = vision.some("num_channels") * vision.some("temporal_patch_size") * vision.some("patch_size") ** 2
    layers = vision.layers() * block(hidden, vision.some("intermediate_size"))
    width = config.maybe("projector_hidden_size") or 6144
    merged = text * vision.some("spatial_merge_size") ** 2
    projector = _linear(hidden, width) + _linear(merged, width) + 2 * _linear(width, text)
    return patch * hidden + 2 * hidden + layers + projector


def _step3(config: Config, vision: Config, text: int) -> int:
    """Return Step-3.7's tower with layer scales, and two convolutions that quarter the patches."""
    hidden, patch = vision.some("width", "hidden_size"), vision.some("patch_size")
    rows = (vision.some("image_size") // patch) ** 2
    layer = block(hidden, int(hidden * vision.number("mlp_ratio"))) + 2 * hidden
    outer = vision.some("num_channels") * patch * patch * hidden + rows * hidden + 2 * hidden
    down = _linear(9 * hidden, 2 * hidden) + _linear(18 * hidden, 4 * hidden)
    projector = _linear(4 * hidden, text, config.flag("projector_bias"))
    return outer + vision.layers("layers", "num_hidden_layers") * layer + down + projector


def _glm4v(config: Config, vision: Config, text: int) -> int:
    """Return GLM-4.1V's tower: gated parts as wide as its output, a convolution that quarters the patches."""
    hidden, out, patch = vision.some("hidden_size"), vision.some("out_hidden_size"), vision.some("patch_size")
    bias = 3 * hidden if vision.flag("attention_bias") else 0
    layer = 4 * hidden * hidden + bias + 3 * hidden * out + 2 * hidden
    rows = (vision.some("image_size") // patch) ** 2
    outer = _patches(vision, hidden) + hidden + rows * hidden + 2 * hidden
    down = _linear(hidden * vision.some("spatial_merge_size") ** 2, out)
    merger = out * out + 2 * out + 3 * out * vision.some("intermediate_size")
    return outer + vision.layers("depth") * layer + down + merger


def _muse_glimmer(config: Config, vision: Config, text: int) -> int:
    hidden, patch = vision.some("hidden_size"), vision.some("patch_size")
    rows = vision.some("pos_emb_height") * vision.some("pos_emb_width")
    outer = vision.some("patch_temporal") * 3 * patch * patch * hidden + rows * hidden + 4 * hidden
    layers = vision.layers() * block(hidden, vision.some("intermediate_size"))
    width = config.maybe("projector_hidden_size") or 4096
    return outer + layers + (config.maybe("out_hidden_size") or 6144) * width + width * width + width * text


TOWERS: dict[str, Callable[[Config, Config, int], int]] = {
    "llava": _llava,
    "mistral3": _mistral3,
    "gemma3": _gemma3,
    "qwen2_vl": _qwen2,
    "qwen2_5_vl": _qwen25,
    "qwen3_vl": _qwen3,
    "qwen3_vl_moe": _qwen3,
    "qwen3_5": _qwen3,
    "qwen3_5_moe": _qwen3,
    "llama4": _llama4,
    "mllama": _mllama,
    "gemma4": _gemma4,
    "kimi_k25": _kimi,
    "minimax_m3_vl": _minimax_m3,
    "step3p7": _step3,
    "glm4v": _glm4v,
    "glm4v_moe": _glm4v,
    "muse_glimmer": _muse_glimmer,
}
"""The parameters beside the decoder, from the whole config, its vision part and the decoder's hidden width."""
