"""Matrix products in 8 bits and fake-quantised ones: what they keep for backward, and what their backward needs.

float8 and int8 are torchao's (0.18: float8/float8_linear.py, prototype/quantized_training/int8_mixed_precision.py) as
PyTorch runs them operation by operation: what is kept stays in high precision, only the products are in 8 bits, and
each cast passes through fp32. Transformer Engine's (2.16, pytorch/module/linear.py) keeps its input in 8 bits. Fake
quantisation is torchao's (quantization/qat, quant_primitives.py `_do_fake_quantize_affine`): 8-bit activations by
token, 4-bit weights by groups of 32.
"""

from __future__ import annotations

from typing import Final

from planner.physics.training.operations import cast, unary
from planner.physics.training.tape import Tape, Tensor, Weight

CAST: Final = 9
"""Bytes an element while torchao casts to 8 bits: the scaled value in fp32, its clamped copy, and the result."""
GROUP: Final = 32
"""Weights that share a scale in fake quantisation (torchao's `Int8DynamicActivationIntxWeightConfig`)."""


def _gradient(weight: Weight, bias: int, narrow: int) -> tuple[tuple[int, int], ...]:
    count = weight.size + bias
    return ((count * weight.item, narrow * count),) if weight.trained else ()


def float8_linear(t: Tape, x: Tensor, out: int, weight: Weight, *, bias: bool = False) -> Tensor:
    """torchao's `Float8Linear`: keeps input and weight as they are; no copy enters autocast's cache.

    Its backward casts the output's gradient and the weight, multiplies, casts the gradient once more and the input,
    and multiplies; it makes the weight's gradient also where nobody wants it.
    """
    x = cast(t, x, 2) if t.autocast else x
    y = t.tensor(out, x.item, x.grad or weight.trained)
    given, size, item = x.width, weight.size, x.item
    inside = (
        (CAST * size, out),
        (size, out + item * given + CAST * out),
        (size, 2 * out + item * given + CAST * given),
        (size + item * size, 3 * out + item * given + 2 * given),
    )
    narrow = item if weight.item > item else 0
    t.trained += (1 + bias) * weight.trained
    t.record((y,), ((x, True),), (x.storage,), 0, _gradient(weight, out if bias else 0, narrow), inside)
    t.outputs.append(("product", out * item * t.tokens))
    return y


def int8_linear(t: Tape, x: Tensor, out: int, weight: Weight, *, bias: bool = False) -> Tensor:
    """torchao's int8 mixed-precision product: keeps input and weight as they are, under autocast 16-bit copies, of
    which the weight's stands until the step's forward pass has ended."""
    x = cast(t, x, 2) if t.autocast else x
    y = t.tensor(out, x.item, x.grad or weight.trained)
    given, size, item = x.width, weight.size, x.item
    narrow = item if weight.item > item else 0
    saved = (x.storage, t.cast_weight(size, item)) if narrow else (x.storage,)
    t.cached += narrow * size * weight.trained
    inside = (
        (CAST * size, out),
        (0, CAST * out),
        (0, item * given + CAST * given),
        (item * size, item * given + 2 * given + 2 * out),
        (0, item * given + given + CAST * out),
    )
    t.trained += (1 + bias) * weight.trained
    t.record((y,), ((x, True),), saved, 0, _gradient(weight, out if bias else 0, narrow), inside)
    t.outputs.append(("product", out * item * t.tokens))
    return y


def te_linear(
    t: Tape, x: Tensor, out: int, weight: Weight, *, bias: bool = False, cached: bool, kept: bool = False
) -> Tensor:
    """Transformer Engine's `Linear` under fp8: keeps its input in 8 bits for the weight's gradient, and the weight's
    two 8-bit copies (by rows and by columns), unless they are `cached` over micro-batches: then they stand for good.

    `kept`: the input is attention's output, which attention keeps by itself; it is quantised again in backward.
    """
    x = cast(t, x, 2) if t.autocast else x
    y = t.tensor(out, x.item, x.grad or weight.trained)
    saved: tuple[int, ...] = ()
    if weight.trained:
        saved = (x.storage,) if kept else (t.tensor(x.width, 1, False).storage,)
    if not cached:
        saved += (t.tensor(weight.size, 2, False, fixed=True).storage,)
    narrow = x.item if weight.item > x.item else 0
    t.trained += (1 + bias) * weight.trained
    gradient = _gradient(weight, out if bias else 0, narrow)
    t.record((y,), ((x, True),), saved, 0, gradient, ((0, x.item * x.width + 2 * out),))
    t.outputs.append(("product", out * x.item * t.tokens))
    return y


def fake_quantised_linear(
    t: Tape, x: Tensor, out: int, weight: Weight, *, bias: bool = False, vocab: bool = False
) -> Tensor:
    """A product of a fake-quantised input and a fake-quantised weight: each keeps what it clamps and its result.

    Scales make it fp32 under autocast, which takes their reciprocals in fp32.
    """
    wide = 4 if t.autocast else x.item
    rounded = cast(t, _fake(t, _scaled(t, x, wide)), x.item)
    item = 4 if t.autocast else weight.item
    scaled = t.tensor(weight.size, item, weight.trained, fixed=True)
    reciprocals = t.tensor(weight.size // GROUP, item, False, fixed=True).storage
    gradient = ((weight.size * weight.item, 0),) if weight.trained else ()
    t.record((scaled,), (), (reciprocals,), 0, gradient)
    narrowed = _fake(t, scaled)
    # the weight clamped, copied and shifted back; the caller's input and its result
    t.passing(3 * item * weight.size, x.width * (x.item + rounded.item))
    if t.autocast:
        rounded, narrowed = cast(t, rounded, 2), cast(t, narrowed, 2)
    y = t.tensor(out, rounded.item, x.grad or weight.trained, vocab)
    saved = ((rounded.storage,) if weight.trained else ()) + ((narrowed.storage,) if x.grad else ())
    biases = ((out * weight.item, 0),) if bias and weight.trained else ()
    t.trained += (1 + bias) * weight.trained
    t.record((y,), ((rounded, True), (narrowed, True)), saved, 0, biases)
    t.outputs.append(("product", out * y.item * t.tokens))
    return y


def _scaled(t: Tape, x: Tensor, item: int) -> Tensor:
    """`x * (1 / scale)`: a new tensor, and a new gradient."""
    y = t.tensor(x.width, item, x.grad)
    t.record((y,), ((x, True),))
    return y


def _fake(t: Tape, scaled: Tensor) -> Tensor:
    """Rounded, shifted, clamped, shifted back and scaled: clamp keeps its input; shifts pass gradients on."""
    shifted = t.tensor(scaled.width, scaled.item, scaled.grad, fixed=scaled.fixed)
    t.record((shifted,), ((scaled, False),))
    return unary(t, unary(t, shifted, keep="input"))
