"""Mixers and feed-forward parts as the catalog writes them, and layers as a run-length list."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from planner.catalog.huggingface.config import Config
from planner.catalog.records import Layers

Part = dict[str, Any]
One = tuple[Part, Part, int, int]
"""A layer: its mixer, its feed-forward part, how many norms of the hidden width, and parameters of other kinds."""

NOTHING: Part = {"kind": "none"}
ATTENTION = ("full_attention", "sliding_attention")


def told(**fields: Any) -> Part:
    """Return a part without the fields that say nothing (false, null, zero)."""
    return {name: value for name, value in fields.items() if name == "gated" or (value is not None and value)}


def gqa(heads: int, kv_heads: int, head_dim: int, **more: Any) -> Part:
    """Return a head-wise attention."""
    return {"kind": "gqa", "heads": heads, "kv_heads": kv_heads, "head_dim": head_dim, **told(**more)}


def mlp(inter: int, gated: bool = True, bias: bool = False) -> Part:
    """Return a dense feed-forward part."""
    return {"kind": "mlp", "inter": inter, "gated": gated, "bias": bias}


def moe(experts: int, topk: int, inter: int, **more: Any) -> Part:
    """Return a mixture of experts."""
    return {"kind": "moe", "experts": experts, "topk": topk, "inter": inter, **told(**more)}


def run_length(layers: Iterable[One]) -> tuple[Layers, ...]:
    """Return alike layers counted together, in the order in which each kind first appears."""
    found: dict[str, tuple[One, int]] = {}
    for layer in layers:
        key = json.dumps(layer, sort_keys=True)
        _, count = found.get(key, (layer, 0))
        found[key] = (layer, count + 1)
    return tuple(Layers(count, mixer, ffn, norms, extra) for (mixer, ffn, norms, extra), count in found.values())


def kv_heads(config: Config, heads: int) -> int:
    """Return the KV heads, which default to the heads and must divide them."""
    found = config.maybe("num_key_value_heads")
    if found is None:
        return heads
    if found < 1 or heads % found:
        raise config.refuse("num_key_value_heads", f"is {found}, which does not divide the {heads} heads")
    return found


def head_dim(config: Config, heads: int, hidden: int) -> int:
    """Return the head size, which defaults to hidden / heads."""
    found = config.maybe("head_dim")
    if found is not None and found:
        return found
    return config.divided("num_attention_heads", hidden, heads)


def every(count: int, layer_types: list[str] | None, pattern: int | None) -> list[bool]:
    """Return which layers see a window only: as listed, else all but each `pattern`-th (none without one)."""
    if layer_types is not None:
        return [kind != "full_attention" for kind in layer_types]
    return [bool(pattern) and bool((index + 1) % pattern) for index in range(count)] if pattern else [False] * count


def window_of(config: Config) -> int | None:
    """Return the sliding window, None where there is none."""
    found = config.maybe("sliding_window")
    return found or None
