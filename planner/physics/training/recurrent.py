"""State-space and linear mixers, and short convolutions: what they keep for backward.

Lightning attention and short convolutions as transformers 5.23 writes them (models/minimax, models/lfm2), which has no
kernel of its own for them. Mamba, Mamba-2 and gated delta nets as the autograd functions of the kernels it asks for
keep and make again: state-spaces/mamba at e9594ce (ops/selective_scan_interface.py `MambaInnerFn`,
ops/triton/ssd_combined.py `MambaSplitConv1dScanCombinedFn`), causal-conv1d, and flash-linear-attention at bc3b101
(ops/gated_delta_rule/chunk.py). Without these packages PyTorch's own path keeps many times as much. No step with these
kernels was measured.
"""

from __future__ import annotations

from typing import Final, assert_never

from planner.catalog.architecture import GatedDeltaNet, LightningAttention, Mamba1, Mamba2, Recurrent, ShortConvolution
from planner.catalog.records import Architecture
from planner.physics.training import operations as op
from planner.physics.training.families import Family
from planner.physics.training.recipe import Recipe, norm, project, share
from planner.physics.training.tape import Tape, Tensor

MEASURED: Final = ("gqa", "mla", "cross", "none", "lightning", "shortconv")
"""Mixers whose operations PyTorch runs one by one, held against measured steps."""
BLOCK: Final = 256
"""Tokens of a block of lightning attention (MiniMax's configuration, `block_size`)."""
CHUNK: Final = 64
"""Tokens of a chunk of the gated delta rule (flash-linear-attention, `chunk_size`)."""
SSD_CHUNK: Final = 128
"""Tokens of a chunk of Mamba-2's scan: the fewer, the more states there are; models have 128 or 256."""


def recurrent(t: Tape, arch: Architecture, part: Recurrent, traits: Family, r: Recipe, x: Tensor) -> Tensor:
    """The mixer's output before it is projected back to the residual stream."""
    match part:
        case LightningAttention():
            return _lightning(t, arch, part, traits, r, x)
        case ShortConvolution():
            return _short_convolution(t, arch, part, r, x)
        case GatedDeltaNet():
            return _delta_net(t, arch, part, traits, r, x)
        case Mamba1():
            return _mamba(t, arch, part, r, x)
        case Mamba2():
            return _mamba2(t, arch, part, r, x)
        case _:
            assert_never(part)


def _lightning(t: Tape, arch: Architecture, part: LightningAttention, traits: Family, r: Recipe, x: Tensor) -> Tensor:
    """`MiniMaxLightningAttention`: block by block, decayed scores within and decayed queries and keys between."""
    heads = share(part.heads, r.tp)
    inner, block = heads * part.head_dim, min(BLOCK, t.tokens)
    joined = op.unary(t, project(t, r, x, 3 * inner, "qkv", inside=arch.hidden), keep="input")
    q, k, v = op.split(t, joined, inner, inner, inner)
    if t.autocast:
        q, k, v = op.cast(t, q, 2), op.cast(t, k, 2), op.cast(t, v, 2)
    blocks = -(-t.tokens // block)
    # queries of all blocks but the first, keys of all but the last; a state of each head a block
    between = 2 * inner * (blocks - 1) // blocks
    state = inner * part.head_dim // block
    kept = [t.tensor(width, q.item, False).storage for width in (heads * block, between, state)]
    y = t.tensor(inner, q.item, q.grad)
    saved = tuple(dict.fromkeys((q.storage, k.storage, v.storage, *kept)))
    t.record((y,), ((q, True), (k, True), (v, True)), saved, 2 * heads * block)
    gate = op.unary(t, project(t, r, x, inner, "output_gate", inside=arch.hidden), keep="output")
    return op.multiply(t, gate, norm(t, r, y, "rms", traits.norm, width=inner))


def _short_convolution(t: Tape, arch: Architecture, part: ShortConvolution, r: Recipe, x: Tensor) -> Tensor:
    """`Lfm2ShortConv`: a product before the convolution over few tokens, and one behind."""
    width = share(arch.hidden, r.tp)
    before, behind, value = op.split(t, project(t, r, x, 3 * width, "in_proj", inside=arch.hidden), width, width, width)
    return op.multiply(t, behind, _convolution(t, op.multiply(t, before, value), r, part.d_conv))


def _convolution(t: Tape, x: Tensor, r: Recipe, size: int) -> Tensor:
    """A convolution over the last `size` tokens of each channel: keeps its input (PyTorch's and causal-conv1d's)."""
    x = op.cast(t, x, 2) if t.autocast else x
    weight = r.weight(x.width * size, "attention")
    y = t.tensor(x.width, x.item, x.grad or weight.trained)
    t.trained += weight.trained
    t.record((y,), ((x, True),), (x.storage,), 0, ((weight.size * weight.item, 0),) if weight.trained else ())
    return y


def _delta_net(t: Tape, arch: Architecture, part: GatedDeltaNet, traits: Family, r: Recipe, x: Tensor) -> Tensor:
    """A gated delta net: queries, keys and values through one convolution, the chunked delta rule, a gated norm.

    The rule keeps queries and keys of all value heads with their norms, values, the sum of its decay, its step and the
    inverse of each chunk; the norm its input and its gate. Backward makes keys, values and the states of all chunks
    again, beside the gradients of each.
    """
    heads, key_heads = share(part.v_heads, r.tp), share(part.k_heads, r.tp)
    key, value = key_heads * part.k_dim, heads * part.v_dim
    both = project(t, r, x, 2 * key + 2 * value, "in_proj_qkvz", inside=arch.hidden)
    steps = project(t, r, x, 2 * heads, "in_proj_ba", inside=arch.hidden)
    mixed, z = op.split(t, both, 2 * key + value, value)
    mixed, z = op.copy(t, mixed), op.copy(t, z)
    q, k, v = op.split(t, _convolution(t, mixed, r, part.d_conv), key, key, value)
    if heads > key_heads:
        wide = heads * part.k_dim
        q, k = op.copy(t, q, wide), op.copy(t, k, wide)
    small = [t.tensor(width, 4, False).storage for width in (4 * heads,)]
    inverse = t.tensor(heads * CHUNK, v.item, False).storage
    y = t.tensor(value, v.item, v.grad)
    saved = tuple(dict.fromkeys((q.storage, k.storage, v.storage, inverse, *small)))
    state = heads * part.k_dim * part.v_dim // CHUNK
    again = v.item * (2 * state + 2 * q.width + 3 * value)
    t.record((y,), ((q, True), (k, True), (v, True), (steps, True)), saved, again)
    gated = t.tensor(value, y.item, y.grad)
    t.record((gated,), ((y, True), (z, True)), (y.storage, z.storage, t.tensor(heads, 4, False).storage))
    return gated


def _mamba(t: Tape, arch: Architecture, part: Mamba1, r: Recipe, x: Tensor) -> Tensor:
    """Mamba in one function behind its first product: keeps both halves of that, the steps and states' inputs twice,
    and the scan's output; convolution, steps and the gated output are recomputed in backward."""
    inner, state, rank = share(part.d_inner, r.tp), part.d_state, part.dt_rank
    xz = project(t, r, x, 2 * inner, "in_proj", inside=arch.hidden)
    low, states, scanned = (t.tensor(width, xz.item, False) for width in (rank + 2 * state, 2 * state, inner))
    weight = r.weight(inner * (part.d_conv + rank + 2 * state + rank), "attention")
    y = t.tensor(inner, xz.item, xz.grad or weight.trained)
    gradients = ((weight.size * weight.item, 0),) if weight.trained else ()
    t.trained += 3 * weight.trained
    # convolved input, steps and their gradients, and the output anew: five of the inner width
    t.record((y,), ((xz, True),), (xz.storage, low.storage, states.storage, scanned.storage), 5 * inner, gradients)
    return _made_again(t, y)


def _mamba2(t: Tape, arch: Architecture, part: Mamba2, r: Recipe, x: Tensor) -> Tensor:
    """Mamba-2 in one function behind its first product: keeps that and the scan's output, with its gated norm.

    Backward makes the convolved input and the states of all chunks again: states and their gradients in fp32 and then
    in 16 bit, and two products of each chunk in fp32.
    """
    inner, heads = share(part.d_inner, r.tp), share(part.heads, r.tp)
    wide = 2 * part.groups * part.d_state
    joined = project(t, r, x, 2 * inner + wide + heads, "in_proj", inside=arch.hidden)
    scanned, root = t.tensor(inner, joined.item, False), t.tensor(part.groups, 4, False)
    weight = r.weight((inner + wide) * part.d_conv + inner, "attention")
    y = t.tensor(inner, joined.item, joined.grad or weight.trained)
    gradients = ((weight.size * weight.item, 0),) if weight.trained else ()
    t.trained += 2 * weight.trained
    scratch = 4 * inner + 2 * wide + 12 * inner * part.d_state // SSD_CHUNK + 8 * part.groups * SSD_CHUNK
    t.record((y,), ((joined, True),), (joined.storage, scanned.storage, root.storage), scratch, gradients)
    return _made_again(t, y)


def _made_again(t: Tape, x: Tensor) -> Tensor:
    """A tensor that the product behind it does not keep, because backward makes it again."""
    t.outside.add(x.storage)
    return x
