"""DoRA's adapter of a linear layer, operation by operation (peft 0.21, tuners/lora/dora.py, variants.py).

Each forward pass makes the adapter's product as a matrix (of an identity, so that FSDP sees a forward), widens the
frozen weight beside it, and takes the norm of their sum: an identity of the input's width and up to four matrices of
the weight's size stand for a moment, in the type of the input, which is the adapters'. None of it is in the graph. With
dropout the frozen product runs once more on what is left of the input, and keeps its copy of the weight for backward.
"""

from __future__ import annotations

from typing import NamedTuple

from planner.physics.training import operations as op
from planner.physics.training.tape import Tape, Tensor, Weight


class Adapter(NamedTuple):
    """An adapter's rank, the bytes of its weights and of one of the frozen base, and whether dropout is on."""

    rank: int
    adapter_item: int
    item: int
    dropout: bool


def adapted(t: Tape, r: Adapter, x: Tensor, base: Tensor, out: int) -> Tensor:
    """`base + (m / n - 1) base + (m / n) B(A(x)) s`, where m is trained and n the norm."""
    item, inside = r.adapter_item, x.width
    count = inside * out
    wide = op.cast(t, x, item)
    _note_norm(t, r, x, base, inside, out)
    fed = op.dropout(t, wide, r.dropout)
    frozen = _again(t, r, fed, out, count) if r.dropout else base
    low = op.linear(t, fed, r.rank, Weight(inside * r.rank, item, True))
    high = op.linear(t, low, out, Weight(out * r.rank, item, True))
    first = _scaled(t, frozen, out, item, ((out * item, 0),))
    second = op.unary(t, _scaled(t, high, out, item, ()))
    t.trained += 1
    return op.cast(t, op.add(t, base, op.add(t, first, second)), base.item)


def _note_norm(t: Tape, r: Adapter, x: Tensor, base: Tensor, inside: int, out: int) -> None:
    """The moments of forward in which the norm is made: its matrices, the product and the input beside them."""
    item = r.adapter_item
    count, made = inside * out, 2 if t.autocast else item
    graph = made * (inside * inside + inside * r.rank)
    widened = item != r.item
    # the product, the input with its wide copy and what dropout left of it; the residual and the norm's output
    each = out * base.item + inside * (x.item + item * (item != x.item) + (item + 1) * r.dropout)
    each += 2 * min(inside, out) * x.item
    t.passing(item * inside * inside * t.autocast + graph + made * count, each)
    t.passing(graph + (3 + widened) * item * count, each)
    t.moved += (8 * item + r.item) * count + 2 * item * inside * inside


def _again(t: Tape, r: Adapter, x: Tensor, out: int, count: int) -> Tensor:
    """The product with the frozen weight, which was widened to the input's type, and is narrowed under autocast."""
    y = t.tensor(out, 2 if t.autocast else x.item, x.grad)
    copied = t.autocast or x.item != r.item
    saved = (t.cast_weight(count, y.item),) if copied and x.grad else ()
    t.record((y,), ((x, True),), saved)
    return y


def _scaled(t: Tape, x: Tensor, out: int, item: int, weights: tuple[tuple[int, int], ...]) -> Tensor:
    """A product with the trained magnitudes over the norm: keeps `x`, whose gradient is narrowed to its type, for that
    of the magnitudes, which is a whole product before it is summed."""
    y = t.tensor(out, item, True)
    t.record((y,), ((x, True),), (x.storage,), out * item * (2 if x.item != item else 1), weights)
    return y
