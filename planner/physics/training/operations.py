"""What each operation keeps for backward: PyTorch's own operators and the small modules models build from them.

Sources: torch/csrc/autograd derivatives.yaml and aten/native (2.13) for what an operator saves and makes; Hugging Face
transformers 5.23 modelling code for how models compose them; torch/amp's lists for what autocast casts.
"""

from __future__ import annotations

from planner.physics.training.tape import Tape, Tensor, Weight


def cast(t: Tape, x: Tensor, item: int) -> Tensor:
    """`x.to(dtype)`: nothing is kept; a tensor that has the type already is itself."""
    if x.item == item:
        return x
    y = t.tensor(x.width, item, x.grad, x.vocab, x.fixed)
    t.record((y,), ((x, True),))
    return y


def unary(t: Tape, x: Tensor, *, keep: str = "", scratch: int = 0) -> Tensor:
    """An elementwise operation that keeps its `input`, its `output` or nothing."""
    y = t.tensor(x.width, x.item, x.grad, x.vocab, x.fixed)
    saved = {"input": (x.storage,), "output": (y.storage,)}.get(keep, ())
    t.record((y,), ((x, True),), saved, scratch * x.width * x.item)
    return y


def add(t: Tape, x: Tensor, y: Tensor) -> Tensor:
    """`x + y`: nothing is kept, both get the gradient as it is, or a copy in their own type."""
    wide = x if x.item >= y.item else y
    z = t.tensor(wide.width, wide.item, x.grad or y.grad, x.vocab)
    t.record((z,), ((x, x.item != z.item), (y, y.item != z.item)))
    return z


def multiply(t: Tape, x: Tensor, y: Tensor) -> Tensor:
    """`x * y` of one shape, or with a narrower factor that is spread: each keeps the other."""
    wide = max(x.width, y.width)
    z = t.tensor(wide, max(x.item, y.item), x.grad or y.grad, x.vocab)
    saved = ((y.storage,) if x.grad else ()) + ((x.storage,) if y.grad else ())
    spread = sum(wide * z.item for part in (x, y) if part.grad and part.width < wide)
    t.record((z,), ((x, True), (y, True)), saved, spread)
    return z


def scale_by_weight(t: Tape, x: Tensor, weight: Weight) -> Tensor:
    """`weight * x` with a vector: keeps x for the weight's gradient, which is a whole product before it is summed."""
    item = max(x.item, weight.item)
    y = t.tensor(x.width, item, x.grad or weight.trained)
    weights = ((weight.size * weight.item, 0),) if weight.trained else ()
    saved = (x.storage,) if weight.trained else ()
    t.trained += weight.trained
    t.record((y,), ((x, True),), saved, x.width * item if weight.trained else 0, weights)
    return y


def linear(t: Tape, x: Tensor, out: int, weight: Weight, *, bias: bool = False, vocab: bool = False) -> Tensor:
    """A matrix product: keeps its input where the weight is trained, and autocast's copies of both.

    Autocast copies an fp32 weight that is trained once a step (its cache); the gradient then comes in 16 bits first.
    A frozen one it copies again each time (aten/src/ATen/autocast_mode.cpp, `cached_cast`: `requires_grad`).
    """
    narrow = t.autocast and weight.item == 4
    item = 2 if t.autocast else weight.item
    x = cast(t, x, item)
    y = t.tensor(out, item, x.grad or weight.trained, vocab)
    count = weight.size + (out if bias else 0)
    saved: tuple[int, ...] = (x.storage,) if weight.trained else ()
    if narrow and x.grad:
        saved += (t.cast_weight(count, 2),)
        t.cached += 2 * count * weight.trained
    weights = ((count * weight.item, 2 * count if narrow else 0),) if weight.trained else ()
    t.trained += (1 + bias) * weight.trained
    t.record((y,), ((x, True),), saved, 0, weights)
    t.outputs.append(("biased" if bias else "product", out * item * t.tokens))
    return y


def split(t: Tape, x: Tensor, *widths: int) -> tuple[Tensor, ...]:
    """Views of one tensor; backward joins their gradients in a new one."""
    parts = tuple(t.alias(x, width) for width in widths)
    t.record(parts, ((x, True),))
    return parts


def piece(t: Tape, x: Tensor, width: int) -> Tensor:
    """A slice: its gradient is a whole tensor of zeros with the piece in it."""
    part = t.alias(x, width)
    t.record((part,), ((x, True),))
    return part


def join(t: Tape, *parts: Tensor) -> Tensor:
    """`torch.cat`: a new tensor; backward hands out views of one gradient."""
    width = sum(part.width for part in parts)
    y = t.tensor(width, parts[0].item, any(part.grad for part in parts))
    t.record((y,), tuple((part, False) for part in parts))
    return y


def copy(t: Tape, x: Tensor, width: int | None = None) -> Tensor:
    """A contiguous copy, or with `width` one that repeats heads; backward makes the input's gradient anew."""
    y = t.tensor(x.width if width is None else width, x.item, x.grad)
    t.record((y,), ((x, width is not None),))
    return y


def dropout(t: Tape, x: Tensor, active: bool) -> Tensor:
    """`native_dropout`: keeps a mask of one byte an element; nothing happens at probability 0."""
    if not active:
        return x
    y = t.tensor(x.width, x.item, x.grad)
    mask = t.tensor(x.width, 1, False)
    t.record((y,), ((x, True),), (mask.storage,))
    return y


def rms_norm(t: Tape, x: Tensor, weight: Weight, *, style: str = "llama", groups: int = 1) -> Tensor:
    """RMSNorm as transformers writes it: an fp32 copy, its square's mean, the normalised copy and the product.

    `gemma` and `olmo2` multiply in fp32 and cast last; `cohere` subtracts the mean first, for the variance and again
    for the product; `groups` is the number of heads normalised apart.
    """
    item = x.item
    y = cast(t, x, 4)
    square = unary(t, unary(t, y) if style == "cohere" else y, keep="input", scratch=2)
    if style == "cohere":
        y = unary(t, y)
    mean = t.tensor(groups, 4, square.grad)
    t.record((mean,), ((square, True),))
    root = unary(t, mean, keep="output")
    y = multiply(t, y, root)
    if style in ("gemma", "olmo2", "cohere"):
        return cast(t, scale_by_weight(t, y, weight._replace(item=4)), item)
    return scale_by_weight(t, cast(t, y, item), weight)


def layer_norm(t: Tape, x: Tensor, weight: Weight, *, narrow: bool = False) -> Tensor:
    """`native_layer_norm`: keeps its input, the mean and the deviation; in fp32 under autocast, or in 16 bits where the
    model casts by itself (`narrow`)."""
    x = cast(t, x, 2 if narrow else 4) if t.autocast else x
    y = t.tensor(x.width, x.item, x.grad or weight.trained)
    statistics = t.tensor(2, 4, False)
    t.trained += 2 * weight.trained
    weights = ((weight.size * weight.item, 0),) if weight.trained else ()
    t.record((y,), ((x, True),), (x.storage, statistics.storage), 0, weights)
    return y


def activation(t: Tape, x: Tensor, name: str) -> Tensor:
    """The elementwise function of a feed-forward part, by the name of transformers' ACT2FN."""
    match name:
        case "relu":
            return unary(t, x, keep="output")
        case "relu2":
            y = unary(t, x, keep="output")
            return unary(t, cast(t, y, 4) if t.autocast else y, keep="input", scratch=1)
        case "gelu_new" | "gelu_fast":
            # 0.5 * x * (1 + tanh(c * (x + 0.044715 * x**3))), operation by operation
            # (autocast computes powers in fp32, and what follows stays there)
            cube = unary(t, unary(t, cast(t, x, 4) if t.autocast else x, keep="input", scratch=2))
            inner = unary(t, unary(t, add(t, x, cube)), keep="output")
            half = unary(t, x)
            one = t.tensor(x.width, inner.item, x.grad)
            t.record((one,), ((inner, False),))
            return multiply(t, half, one)
        case "quick_gelu":
            return multiply(t, x, unary(t, unary(t, x), keep="output"))
    return unary(t, x, keep="input")


def rotate(t: Tape, x: Tensor, part: int | None = None) -> Tensor:
    """Rotary positions on all of a head or its first `part` elements: x * cos + rotate_half(x) * sin."""
    if part is not None and part < x.width:
        turned = rotate(t, piece(t, x, part))
        return join(t, turned, piece(t, x, x.width - part))
    plain = unary(t, x)
    half = x.width // 2
    first, second = piece(t, x, half), piece(t, x, x.width - half)
    turned = unary(t, join(t, unary(t, second), first))
    return add(t, plain, turned)
