"""Image models of diffusers: exact parameter counts by part, from a config that names its class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from planner.catalog.huggingface.config import Config

CLASSES = {"FluxTransformer2DModel": "flux", "UNet2DConditionModel": "sdxl_unet"}
"""What a config of diffusers calls its class, and the name it goes by in the catalog."""

DIFFUSION: dict[str, dict[str, Any]] = {
    "flux": {
        "in_channels": 64, "num_layers": 19, "num_single_layers": 38, "attention_head_dim": 128,
        "num_attention_heads": 24, "joint_attention_dim": 4096, "pooled_projection_dim": 768, "guidance_embeds": False,
    },
    "sdxl_unet": {
        "in_channels": 4, "out_channels": 4, "block_out_channels": [320, 640, 1280, 1280], "layers_per_block": 2,
        "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
        "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
        "mid_block_type": "UNetMidBlock2DCrossAttn", "cross_attention_dim": 1280, "transformer_layers_per_block": 1,
        "conv_in_kernel": 3, "conv_out_kernel": 3, "resnet_time_scale_shift": "default", "attention_type": "default",
        "time_embedding_type": "positional",
    },
}  # fmt: skip
"""The library's defaults (diffusers 0.40, models/transformers/transformer_flux.py, unets/unet_2d_condition.py)."""

_UNKNOWN = (
    "class_embed_type", "encoder_hid_dim", "encoder_hid_dim_type", "dual_cross_attention", "only_cross_attention",
    "mid_block_only_cross_attention", "cross_attention_norm", "reverse_transformer_layers_per_block",
    "class_embeddings_concat", "timestep_post_act",
)  # fmt: skip
"""Fields that add parts to a U-Net, none of which the published SD and SDXL models have."""
_DOWN, _UP = ("DownBlock2D", "CrossAttnDownBlock2D"), ("UpBlock2D", "CrossAttnUpBlock2D")
_BLOCKS = 32

Parts = dict[str, int]


def _flux(config: Config) -> Parts:
    """Count FluxTransformer2DModel: double and single stream blocks, modulation, embedders (diffusers)."""
    width, size = (
        config.some("num_attention_heads") * config.some("attention_head_dim"),
        config.some("attention_head_dim"),
    )
    square = width * width
    mlp = 8 * square + 5 * width
    stream = 6 * square + 6 * width + 4 * (square + width) + 2 * size + mlp
    double = config.layers("num_layers") * 2 * stream
    single = 3 * square + 3 * width + 3 * (square + width) + 2 * size + 4 * square + 4 * width + 5 * square + width
    embedders = (256 * width + width + square + width) * (2 if config.flag("guidance_embeds") else 1)
    embedders += config.some("pooled_projection_dim") * width + width + square + width
    channels = config.some("in_channels")
    embedders += channels * width + width + config.some("joint_attention_dim") * width + width
    out = 2 * square + 2 * width + width * channels + channels
    return {
        "embedding": embedders,
        "double_blocks": double,
        "single_blocks": config.layers("num_single_layers") * single,
        "head": out,
    }


def _linear(inputs: int, outputs: int, bias: bool = True) -> int:
    return inputs * outputs + (outputs if bias else 0)


def _residual(inputs: int, outputs: int, time: int) -> int:
    """Return ResnetBlock2D: two norms and convolutions, the time projection, a shortcut where the width changes."""
    own = (
        2 * inputs + _linear(9 * inputs, outputs) + _linear(time, outputs) + 2 * outputs + _linear(9 * outputs, outputs)
    )
    return own + (_linear(inputs, outputs) if inputs != outputs else 0)


def _transformer(width: int, depth: int, cross: int) -> int:
    """Return Transformer2DModel: self and cross attention without biases but at the end, a gated feed-forward part."""
    alone, across = 3 * width * width + _linear(width, width), width * (width + 2 * cross) + _linear(width, width)
    block = 6 * width + alone + across + _linear(width, 8 * width) + _linear(4 * width, width)
    return 2 * width + 2 * _linear(width, width) + depth * block


def _spread(config: Config, field: str, count: int) -> list[int]:
    """Return a whole number for each block, which a config may state once for all."""
    if not isinstance(config.value(field), list):
        return [config.some(field)] * count
    sizes = config.items(field, count) or []
    if not all(isinstance(item, int) and not isinstance(item, bool) and 0 < item < 2**24 for item in sizes):
        raise config.refuse(field, "must be whole numbers, one for each block")
    return sizes


def _unet(config: Config) -> Parts:
    """Count UNet2DConditionModel: residual and transformer blocks down, in the middle and up, with what goes across."""
    for field in _UNKNOWN:
        if config.value(field):
            config.doubt(field, "adds parts that are not described")
    for field in ("conv_in_kernel", "conv_out_kernel", "resnet_time_scale_shift", "attention_type",
                  "time_embedding_type", "mid_block_type"):  # fmt: skip
        if config.value(field) != DIFFUSION["sdxl_unet"][field]:
            config.doubt(field, f"is not `{DIFFUSION['sdxl_unet'][field]}`, which is described")
    down = config.words("down_block_types", _DOWN) or []
    count = len(down)
    if not 0 < count <= _BLOCKS:
        raise config.refuse("down_block_types", f"has {count} blocks; 1 to {_BLOCKS} are described")
    up = config.words("up_block_types", _UP, count) or []
    widths, layers = _spread(config, "block_out_channels", count), _spread(config, "layers_per_block", count)
    depths, cross = (
        _spread(config, "transformer_layers_per_block", count),
        _spread(config, "cross_attention_dim", count),
    )
    if max(layers) > 1000 or max(depths) > 1000:
        raise config.refuse("layers_per_block", "is absurd; up to 1000 can be described")
    first, time = widths[0], config.maybe("time_embedding_dim") or 4 * widths[0]
    embedding = _linear(9 * config.some("in_channels"), first) + _linear(first, time) + _linear(time, time)
    embedding += (config.maybe("time_cond_proj_dim") or 0) * first + (config.maybe("num_class_embeds") or 0) * time
    added = config.value("addition_embed_type")
    if added == "text_time":
        embedding += _linear(config.some("projection_class_embeddings_input_dim"), time) + _linear(time, time)
    elif added is not None:
        config.doubt("addition_embed_type", "is not `text_time`, which is described")
    parts = {"embedding": embedding, "down_blocks": 0, "mid_block": 0, "up_blocks": 0}
    inside = first
    for at, (word, width) in enumerate(zip(down, widths, strict=True)):
        parts["down_blocks"] += _residual(inside, width, time) + (layers[at] - 1) * _residual(width, width, time)
        parts["down_blocks"] += layers[at] * _transformer(width, depths[at], cross[at]) if word == _DOWN[1] else 0
        parts["down_blocks"] += _linear(9 * width, width) if at < count - 1 else 0
        inside = width
    parts["mid_block"] = 2 * _residual(inside, inside, time) + _transformer(inside, depths[-1], cross[-1])
    for at, word in enumerate(up):
        mirrored = count - 1 - at
        width, skipped = widths[mirrored], widths[max(mirrored - 1, 0)]
        for layer in range(layers[mirrored] + 1):
            across = skipped if layer == layers[mirrored] else width
            parts["up_blocks"] += _residual((inside if layer == 0 else width) + across, width, time)
        blocks = layers[mirrored] + 1
        parts["up_blocks"] += blocks * _transformer(width, depths[mirrored], cross[mirrored]) if word == _UP[1] else 0
        parts["up_blocks"] += _linear(9 * width, width) if at < count - 1 else 0
        inside = width
    return {**parts, "head": 2 * first + _linear(9 * first, config.some("out_channels"))}


COUNTS: dict[str, Callable[[Config], Parts]] = {"flux": _flux, "sdxl_unet": _unet}
"""Parameters by part, by the name in the catalog."""
