"""Mixers and feed-forward parts of what configs say, and layers as a run-length list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from planner.catalog.architecture import Attention, Experts, LayerFeedForward, Layers, Mixer, NoPart
from planner.catalog.huggingface.config import Config

One = tuple[Mixer, LayerFeedForward, int, int]
"""A layer: its mixer, its feed-forward part, how many norms of the hidden width, and parameters of other kinds."""

NOTHING = NoPart()
ATTENTION = ("full_attention", "sliding_attention")


def gqa(heads: int, kv_heads: int, head_dim: int, **more: Any) -> Attention:
    """Return a head-wise attention; what is said as None, False or 0 it does not have."""
    return Attention(heads, kv_heads, head_dim, **{name: value for name, value in more.items() if value})


def moe(experts: int, topk: int, inter: int, **more: Any) -> Experts:
    """Return a mixture of experts, gated unless it is said not to be; None, False or 0 is what it does not have."""
    return Experts(experts, topk, inter, **{name: value for name, value in more.items() if value or name == "gated"})


def run_length(layers: Iterable[One]) -> tuple[Layers, ...]:
    """Return identical layers counted together, in the order in which each kind first appears."""
    counts = Counter(layers)  # keeps the order in which it met them
    return tuple(Layers(count, *layer) for layer, count in counts.items())


def kv_heads(config: Config, heads: int) -> int:
    """Return the KV heads, which default to the heads and must divide them."""
    kv_count = config.maybe("num_key_value_heads")
    if kv_count is None:
        return heads
    if kv_count < 1 or heads % kv_count:
        raise config.refuse("num_key_value_heads", f"is {kv_count}, which does not divide the {heads} heads")
    return kv_count


def head_dim(config: Config, heads: int, hidden: int) -> int:
    """Return the head size, which defaults to hidden / heads."""
    dim = config.maybe("head_dim")
    if dim is not None and dim:
        return dim
    return config.divided("num_attention_heads", hidden, heads)


def every(count: int, layer_types: list[str] | None, pattern: int | None) -> list[bool]:
    """Return which layers see a window only: as listed, else all but each `pattern`-th (none without one)."""
    if layer_types is not None:
        return [kind != "full_attention" for kind in layer_types]
    return [bool(pattern) and bool((index + 1) % pattern) for index in range(count)] if pattern else [False] * count


def window_of(config: Config) -> int | None:
    """Return the sliding window, None where there is none."""
    window = config.maybe("sliding_window")
    return window or None
