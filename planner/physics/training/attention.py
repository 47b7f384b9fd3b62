"""Attention kernels: which one PyTorch takes, and what each keeps for backward.

The choice is PyTorch's (aten/src/ATen/native/transformers/cuda/sdp_utils.cpp, 2.13): flash, then memory-efficient,
which takes no grouped heads, then the math kernel, which keeps the scores. Hugging Face transformers 5.23 repeats keys
and values to all heads where a mask stands or the head sizes differ (integrations/sdpa_attention.py).
"""

from __future__ import annotations

from typing import NamedTuple

from planner.physics.training.operations import add, cast, copy, dropout, unary
from planner.physics.training.tape import Tape, Tensor


class Heads(NamedTuple):
    """`heads` query heads on `kv_heads` of keys (`size` wide) and values (`value_size` wide)."""

    heads: int
    kv_heads: int
    size: int
    value_size: int


def kernel(shape: Heads, item: int, masked: bool, grouped: bool = True) -> str:
    """The kernel `scaled_dot_product_attention` takes on CUDA: flash, efficient or math.

    `grouped` says whether grouped heads are handed to the kernel as they are.
    """
    alike = shape.heads == shape.kv_heads
    same = shape.size == shape.value_size
    if item == 2 and not masked and same and shape.size <= 256 and shape.size % 8 == 0 and (alike or grouped):
        return "flash"
    multiple = 8 if item == 2 else 4
    if alike and shape.size % multiple == 0 and shape.value_size % multiple == 0:
        return "efficient"
    return "math"


def _fused(t: Tape, q: Tensor, k: Tensor, v: Tensor, shape: Heads, mask: int) -> Tensor:
    """Flash and memory-efficient attention: inputs, output and the logarithm of the sum of each row."""
    y = t.tensor(shape.heads * shape.value_size, q.item, q.grad or k.grad or v.grad)
    rows = t.tensor(shape.heads, 4, False)
    saved = [q.storage, k.storage, v.storage, y.storage, rows.storage]
    if mask:
        saved.append(t.tensor(mask, q.item, False).storage)
    t.record((y,), ((q, True), (k, True), (v, True)), tuple(dict.fromkeys(saved)))
    return y


def _product(t: Tape, x: Tensor, y: Tensor, width: int, item: int) -> Tensor:
    """`torch.matmul` of two tensors with gradients: keeps both."""
    z = t.tensor(width, item, x.grad or y.grad)
    saved = ((y.storage,) if x.grad else ()) + ((x.storage,) if y.grad else ())
    t.record((z,), ((x, True), (y, True)), saved)
    return z


def _eager(
    t: Tape, q: Tensor, k: Tensor, v: Tensor, shape: Heads, softcap: bool, drop: bool, plain: bool, keep_type: bool
) -> Tensor:
    """`eager_attention_forward` of transformers: scores, softmax in fp32, a copy in the values' type.

    `keep_type`: the softmax stays in the scores' type.
    """
    wide = shape.heads * t.tokens
    if t.autocast:
        q, k, v = cast(t, q, 2), cast(t, k, 2), cast(t, v, 2)
    scores = _product(t, q, k, wide, q.item)
    if not plain:
        scores = unary(t, scores)
    if softcap:
        scores = unary(t, unary(t, unary(t, scores), keep="output"))
    mask = t.tensor(0, scores.item, False)
    scores = add(t, scores, mask)
    if keep_type and not t.autocast:
        weights = unary(t, scores, keep="output")
    else:
        weights = cast(t, unary(t, cast(t, scores, 4), keep="output"), q.item)
    weights = dropout(t, weights, drop)
    return _product(t, weights, v, shape.heads * shape.value_size, q.item)


def _math(t: Tape, q: Tensor, k: Tensor, v: Tensor, shape: Heads, spread: bool) -> Tensor:
    """`_scaled_dot_product_attention_math`: in fp32, queries and keys scaled each, scores kept; autocast's products are
    in 16 bits. `spread`: keys and values are copied to all heads."""
    item = q.item
    wide = shape.heads * t.tokens
    q, k, v = cast(t, q, 4), cast(t, k, 4), cast(t, v, 4)
    query = shape.heads * shape.size
    q, k = unary(t, q), unary(t, k)
    inner = 2 if t.autocast else 4
    q, k, v = cast(t, q, inner), cast(t, k, inner), cast(t, v, inner)
    if k.width < query and spread:
        k = copy(t, k, query)
        v = copy(t, v, shape.heads * shape.value_size)
    scores = add(t, _product(t, q, k, wide, inner), t.tensor(0, inner, False))
    weights = unary(t, scores, keep="output")
    return cast(t, _product(t, weights, v, shape.heads * shape.value_size, inner), item)


def attend(
    t: Tape,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    shape: Heads,
    *,
    how: str,
    window: int | None = None,
    softcap: bool = False,
    drop: bool = False,
    plain: bool = False,
    keep_type: bool = False,
    joined: bool = False,
    single: bool = False,
    recompute: bool = False,
) -> tuple[Tensor, str]:
    """Attention as `how` says (flash, sdpa or eager): its output and the kernel that ran.

    `plain` hands grouped heads to the kernel without a word (falcon); `joined` queries come from a `cat`, in an order
    of heads that flash's output takes over, so that it is copied; `single` is a micro-batch of one sequence, whose keys
    are spread over the heads without a copy; `recompute` makes what lies between the inputs and the output again.
    """
    start, storage = len(t.nodes), len(t.sizes)
    y, chosen = _attend(t, q, k, v, shape, how, window, softcap, drop, plain, keep_type, joined, single)
    if recompute:
        t.recompute(start, storage, y)
    if chosen in ("flash", "efficient"):
        t.outputs.append(("attention", y.width * y.item * t.tokens + 4 * shape.heads * t.tokens))
    else:
        t.outputs.append(("scores", (y.width + shape.heads * t.tokens) * y.item * t.tokens))
    return y, chosen


def _attend(
    t: Tape,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    shape: Heads,
    how: str,
    window: int | None,
    softcap: bool,
    drop: bool,
    plain: bool,
    keep_type: bool,
    joined: bool,
    single: bool,
) -> tuple[Tensor, str]:
    masked = bool(window) and t.tokens >= int(window or 0) and how != "flash"
    width = shape.heads * shape.size
    if how == "eager":
        if (k.width < width and not plain) or (k.width < width and not single):
            k, v = copy(t, k, width), copy(t, v, shape.heads * shape.value_size)
        return _eager(t, q, k, v, shape, softcap, drop, plain, plain or keep_type), "eager"
    if t.autocast:
        q, k, v = cast(t, q, 2), cast(t, k, 2), cast(t, v, 2)
    if how == "flash":
        return _fused(t, q, k, v, shape, 0), "flash"
    grouped = not masked and shape.size == shape.value_size and shape.size <= 256 and not plain
    if shape.kv_heads < shape.heads and not grouped and not plain:
        k, v = copy(t, k, width), copy(t, v, shape.heads * shape.value_size)
        shape = shape._replace(kv_heads=shape.heads)
    chosen = kernel(shape, q.item, masked, grouped)
    if chosen == "math":
        y = _math(t, q, k, v, shape, not single or not plain)
        return (copy(t, y) if plain else y), chosen
    y = _fused(t, q, k, v, shape, t.tokens if masked else 0)
    return (copy(t, y) if joined and chosen == "flash" else y), chosen
