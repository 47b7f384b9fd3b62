"""The shapes of vision towers, as the memory of serving needs them: what a layer holds and the largest image.

Widths are those of the config; how large an image or video may be is the processor's, which the config does not say:
the `preprocessor_config` of the published checkpoints and vLLM's processors (vllm/model_executor/models/*.py, 0.29).
"""

from __future__ import annotations

from fractions import Fraction

from planner.catalog.huggingface.config import Config
from planner.catalog.records import Vision

_QWEN = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_vl_moe", "qwen3_5", "qwen3_5_moe")
IMAGE_TOKENS = 16384
"""Tokens of the largest image of the Qwen family: max_pixels 12845056 over 28², longest_edge 16777216 over 32²."""
VIDEO_TOKENS = 12288
"""Tokens of the largest video of Qwen3: longest_edge 25165824 over 2 × 32²."""


def encoder(kind: str, whole: Config, vision: Config) -> Vision | None:
    """Return the tower of a wrapper's `vision_config`; None for one whose largest image is not known here."""
    if kind in _QWEN:
        return _qwen(kind, vision)
    if kind == "gemma4":
        return _gemma4(vision)
    if kind not in ("llava", "mistral3", "gemma3", "llama4", "mllama"):
        return None
    hidden, inter, patch = vision.some("hidden_size"), vision.some("intermediate_size"), vision.some("patch_size")
    size = vision.maybe("image_size") or 1540
    side = max(1, size // patch)
    pixtral = kind == "mistral3" or str(vision.value("model_type") or "") == "pixtral"
    if pixtral:
        merge = (whole.maybe("spatial_merge_size") or 2) if kind == "mistral3" else 1
        rows = max(1, side // merge)
        image = (rows * (rows + 1), side * side)
    elif kind == "gemma3":
        image = (whole.maybe("mm_tokens_per_image") or 256, side * side)
    elif kind == "llama4":
        image = (17 * max(1, side * side // 4), 17 * (side * side + 1))
    elif kind == "mllama":
        tiles = vision.some("max_num_tiles")
        image = (tiles * (side * side + 1), tiles * -(-(side * side + 1) // 8) * 8)
    else:
        image = (side * side, side * side + 1)
    return Vision(
        hidden=hidden,
        inter=inter,
        attention=hidden,
        pixels=3 * patch * patch,
        image=image,
        source="vision_config",
        gated=pixtral,
        rotary=pixtral or kind == "llama4",
        kept=5 if kind == "mllama" else 0,
    )


def _qwen(kind: str, vision: Config) -> Vision:
    old = kind.startswith("qwen2")
    hidden = vision.some("embed_dim") if kind == "qwen2_vl" else vision.some("hidden_size")
    inter = int(hidden * vision.number("mlp_ratio")) if kind == "qwen2_vl" else vision.some("intermediate_size")
    deep = 0 if old else len(vision.items("deepstack_visual_indexes") or ())
    return Vision(
        hidden=hidden,
        inter=inter,
        attention=hidden,
        pixels=3 * vision.some("temporal_patch_size") * vision.some("patch_size") ** 2,
        image=(IMAGE_TOKENS, 4 * IMAGE_TOKENS),
        source="vision_config",
        gated=kind == "qwen2_5_vl",
        rotary=True,
        video=(IMAGE_TOKENS, 4 * IMAGE_TOKENS) if old else (VIDEO_TOKENS, 4 * VIDEO_TOKENS),
        video_steps=7 if old else 1,
        video_spread=Fraction(1) if old else Fraction(25, 2),
        outputs=1 + deep,
    )


def _gemma4(vision: Config) -> Vision:
    return Vision(
        hidden=vision.some("hidden_size"),
        inter=vision.some("intermediate_size"),
        attention=vision.some("num_attention_heads") * vision.some("head_dim"),
        pixels=3 * vision.some("patch_size") ** 2,
        image=(280, 2520),
        source="vision_config",
        gated=True,
        rotary=True,
        video=(2496, 20160),
    )
