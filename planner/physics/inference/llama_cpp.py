"""The compute buffer of llama.cpp: the widest moment of the graph of one physical batch (ggml-alloc reuses the rest).

Its tensors are fp32. Without flash attention the scores of all heads grow with the context; with it the mask does, as
it comes and as the 16-bit copy that the kernel takes (src/llama-graph.cpp, `build_attn_inp_kq_mask` and its cast). The
moments meet the buffers that logs print to the MiB (mem-0152 to mem-0184 and llc-001 to llc-009 of
tests/truth/inference.jsonl; graphs of 2023 were up to 8 % smaller at short contexts).
"""

from __future__ import annotations

from typing import Final, assert_never

from planner.catalog.architecture import Attention, Experts, FeedForward, LatentAttention, NoPart
from planner.catalog.records import Architecture

MICRO_BATCH: Final = 512
"""Tokens of a physical batch (n_ubatch)."""

COPIES: Final = 4
"""Copies of a graph's inputs where several GPUs take the layers in turn (GGML_SCHED_MAX_COPIES)."""


def inner_width(arch: Architecture) -> int:
    """The inner width computed for a token: of the widest dense part, or of all the routed experts."""
    widths = [0]
    for group in arch.groups:
        match group.ffn:
            case FeedForward(inter=inter):
                widths.append(inter)
            case Experts(topk=topk, inter=inter, shared_inter=shared):
                widths.append(topk * inter + shared)
            case NoPart():
                pass
            case _:
                assert_never(group.ffn)
    return max(widths)


def _scores(arch: Architecture, context: int, windows: bool) -> int:
    """Scores that a token has in the layer with the most: of all heads over what the layer's cache holds."""
    sizes = [0]
    for group in arch.groups:
        match group.mixer:
            case Attention(cross=False, heads=heads, window=window):
                sizes.append(heads * (min(context, window + MICRO_BATCH) if windows and window else context))
            case LatentAttention(heads=heads):
                sizes.append(heads * context)
    return max(sizes)


def compute_buffer(
    arch: Architecture, context: int, fused: bool, *, stages: int = 1, outputs: int = MICRO_BATCH, windows: bool = True
) -> tuple[int, int]:
    """(activations, logits), one of them zero: whichever moment is the larger.

    `fused` is flash attention. Several `stages` keep the mask and the residual for each copy of the graph. `outputs`
    is of how many of the batch's tokens the logits are computed.
    """
    hidden, feed = arch.hidden, 2 * inner_width(arch) + 2 * arch.hidden
    if fused:
        forward = max(feed + context // 2, context + context // 2 + 5 * hidden)
    else:
        forward = max(feed + context, _scores(arch, context, windows) + context + 4 * hidden)
    beside = COPIES * hidden if stages > 1 else 0
    forward = MICRO_BATCH * 4 * (forward + beside + ((COPIES - 1) * context if stages > 1 else 0))
    logits = 4 * min(outputs, MICRO_BATCH) * (arch.vocab + hidden)
    logits += MICRO_BATCH * 4 * (beside + (COPIES * context if stages > 1 else 0))
    return (forward, 0) if forward >= logits else (0, logits)
