"""What images add to an engine's peak: the encoder at work, and its outputs kept while the language model runs.

vLLM profiles before it sizes its cache (gpu_model_runner.py `profile_run`, encoder_cache_manager.py): the largest item
a request may hold, as many of them as max(max_batched_tokens, its tokens) has room for, through the encoder; their
outputs lie in the encoder cache during the language model's pass. Before 0.8 as many sequences of one item each as
max_batched_tokens holds. Releases up to 0.16 pad every output to the whole budget.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil, isqrt
from typing import Final

from planner.catalog.architecture import Attention
from planner.catalog.records import Architecture, Vision
from planner.physics.inference.profile import Profile

STREAM: Final = 3
"""Hidden widths of a patch that live through a layer: the residual, its norm, and the position embedding."""

TURNED: Final = {"batch": 9, "one": 9, "tenth": 9}
"""Widths of attention with rotary positions: q, k and v, the copies of q and k before and after turning, the output
twice (vllm/model_executor/models/qwen2_5_vl.py, 0.29)."""
TURNED_ONCE: Final = 13
"""The same before: q and k are joined, turned in fp32 and split (0.11)."""
PLAIN: Final = 5
"""Widths of attention without rotary positions: q, k and v, and the output twice."""

CROSS: Final = 8
"""Bytes of the dense mask of cross attention, its copies and padding, for each token and image token: 7.4 in the one
log there is (vllm-project/vllm#12126)."""

SEQUENCES_TOKENS: Final = 5120
"""The least tokens of a pass of a multimodal model before 0.8 (vllm/config.py); it prefills prompts whole."""

UNKNOWN_LAYERS: Final = 27
UNKNOWN_TOKENS: Final = 16384


def encoder_of(arch: Architecture) -> Vision | None:
    """The image encoder of a model; for one that only counts its parameters a tower of that size, on the safe side.

    27 layers of 12 h² parameters, the largest image of the Qwen family (16384 tokens of four patches).
    """
    if arch.vision or not arch.opaque_params:
        return arch.vision
    hidden = isqrt(arch.opaque_params // (12 * UNKNOWN_LAYERS)) + 1
    return Vision(
        hidden, 4 * hidden, hidden, 1536, (UNKNOWN_TOKENS, 4 * UNKNOWN_TOKENS), "parameters alone", rotary=True
    )


def largest(vision: Vision, context: int, spread: bool = False) -> tuple[int, int, int]:
    """(positions reserved, tokens, patches) of the largest item a request of `context` tokens may hold.

    A video has as many steps as fit. With `spread` its positions count the text between its frames too.
    """
    image = (vision.image[0], *vision.image)
    if not vision.video[0]:
        return image
    steps = min(vision.video_steps, max(1, context // vision.video[0])) if context else vision.video_steps
    tokens, patches = steps * vision.video[0], steps * vision.video[1]
    return max(image, (ceil(tokens * (vision.video_spread if spread else Fraction(1))), tokens, patches))


def pass_tokens(profile: Profile) -> int:
    """Tokens of one pass of a multimodal model."""
    whole = max(profile.whole_prompt, SEQUENCES_TOKENS) if profile.encoder == "sequences" else 0
    return max(profile.max_batched_tokens, whole)


def _patch_bytes(vision: Vision, how: str, tp: int) -> int:
    """Bytes of one patch while a layer works on it in 16 bit: in attention or in its feed-forward part.

    `tp` splits the feed-forward part; attention gathers all heads before 0.17, and after it is split too.
    """
    turned = TURNED.get(how, TURNED_ONCE) if vision.rotary else PLAIN
    heads = -(-vision.attention // tp) if how in TURNED else vision.attention
    attention = STREAM * vision.hidden + turned * heads
    feed_forward = STREAM * vision.hidden + (3 if vision.gated else 2) * -(-vision.inter // tp)
    return 2 * (max(attention, feed_forward) + vision.pixels + vision.kept * vision.hidden)


def images(arch: Architecture, profile: Profile, tp: int = 1) -> tuple[int, int]:
    """(bytes at the encoder's peak, bytes of what stays while the language model runs); zeros without images."""
    vision = encoder_of(arch)
    how = profile.encoder
    if vision is None or not how:
        return 0, 0
    crossing = any(isinstance(group.mixer, Attention) and group.mixer.cross for group in arch.groups)
    reserved, tokens, patches = largest(vision, profile.max_context, how == "expanded")
    passing = pass_tokens(profile)
    budget = max(passing, reserved)
    if how in ("one", "tenth"):
        count = 1
    elif how == "sequences" or crossing:
        count = max(1, min(profile.max_sequences, passing // tokens))
    else:
        a_prompt = max(1, profile.max_context // reserved)
        count = max(1, min(budget // reserved, profile.max_sequences * a_prompt))
    width = 2 * arch.hidden * vision.outputs
    working = count * (patches * _patch_bytes(vision, how, tp) + tokens * width)
    kept = count * (budget if how == "expanded" and not crossing else tokens) * width
    if crossing:
        working += count * 2 * patches * patches
        kept += CROSS * passing * count * tokens
    return working, kept + 2 * arch.hidden * passing


def towers(arch: Architecture, profile: Profile) -> Fraction:
    """What SGLang multiplies its static share by for an encoder: 0.95, and a tenth less for each ViT-L more of it.

    adjust_mem_fraction_for_vlm (python/sglang/srt/server_args.py, 0.4.10 to 0.5.23), of a share that it takes by
    itself; the encoder's layers are counted from its parameters. 0.91 for Kimi-K2.5 in a log. Before 0.4.10 it is 0.9
    (`tenth`), of one that is set too (model_executor/model_runner.py, 0.4.6 and 0.4.8).
    """
    vision = encoder_of(arch)
    if vision is None or not profile.encoder or profile.budget != "static":
        return Fraction(1)
    if profile.encoder == "tenth":
        return Fraction(9, 10)
    if profile.share_set:
        return Fraction(1)
    layer = 4 * vision.hidden * vision.attention + (3 if vision.gated else 2) * vision.hidden * vision.inter
    complexity = Fraction(arch.opaque_params // layer * vision.hidden**2, 24 * 1024**2)
    return Fraction(95, 100) * max(Fraction(4, 5), min(Fraction(21, 20), 1 - (complexity - 1) / 10))
