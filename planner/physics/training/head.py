"""Final norm, head and loss as operations on a tape: standard, fused, chunked, on split logits and on preferences."""

from __future__ import annotations

from typing import Final

from planner.catalog.records import Architecture
from planner.physics.training import operations as op
from planner.physics.training.families import family
from planner.physics.training.layers import Region
from planner.physics.training.recipe import Recipe, norm, opened, product, share
from planner.physics.training.tape import Tape, Tensor, Weight, dominant

CHUNKS: Final = 8
"""Pieces of the logits that a chunked loss works on: torchtune's default (modules/loss, `num_output_chunks`)."""


def head(
    arch: Architecture, recipe: Recipe, tokens: int, loss: str = "standard", loss_precision: str = "fp32"
) -> Region:
    """Final norm, head and loss on the last layer's output. `loss` is standard, fused, chunked, parallel or
    preference."""
    traits = family(arch)
    t = Tape(tokens, recipe.autocast)
    x = t.given(recipe.outer(arch.hidden), recipe.hidden, True)
    y = norm(t, recipe, x, arch.norm, traits.norm) if arch.final_norm else x
    y = opened(t, recipe, y, arch.hidden)
    vocab = share(arch.vocab, recipe.tp)
    weight = recipe.weight(arch.hidden * vocab, "head")
    if loss == "fused":
        out = _fused_loss(t, recipe, y, vocab, weight)
    else:
        logits = product(t, recipe, y, vocab, "head", weight, bias=arch.head_bias, vocab=True)
        product_at = len(t.nodes) - 1
        if traits.logit_cap:
            logits = op.unary(t, op.unary(t, op.unary(t, logits), keep="output"))
        item = 4 if loss_precision == "fp32" or t.autocast else logits.item
        if loss == "chunked":
            out = _chunked_loss(t, logits, item)
            size = (2 if t.autocast else weight.item) * weight.size
            if weight.trained:
                # the weight's gradients of two pieces and their sum, when two pieces' logits have theirs behind them
                inside = ((3 * size, (2 * arch.hidden - 2 * vocab) * logits.item * tokens // CHUNKS),)
                t.nodes[product_at].inside += inside
        elif loss == "preference":
            out = _preference_loss(t, logits, 4 if t.autocast else logits.item)
        elif loss == "parallel":
            out = _parallel_loss(t, op.cast(t, logits, item))
        else:
            out = _cross_entropy(t, op.cast(t, logits, item))
    events, gradients, forward = t.backward(out), t.gradients(), dominant(t.forward)
    size = x.width * x.item * tokens
    return Region(t.activations_kept(), size, x.storage in t.saved, events, gradients, t.trained, forward=forward)


def _cross_entropy(t: Tape, logits: Tensor) -> Tensor:
    """log_softmax keeps its output; nll_loss makes a gradient of its size, log_softmax another (ForCausalLMLoss)."""
    log = op.unary(t, logits, keep="output")
    loss = t.tensor(0, 4, True)
    t.record((loss,), ((log, True),), (log.storage,))
    return loss


def _preference_loss(t: Tape, logits: Tensor, item: int) -> Tensor:
    """Log-probabilities of pairs, sequence by sequence (trl, trainer/utils.py `selective_log_softmax`): each keeps its
    log_softmax; the logits' gradients are stacked, and padded by the token that predicts nothing."""
    rows = op.unary(t, op.unary(t, logits))
    log = op.unary(t, op.cast(t, rows, item), keep="output")
    loss = t.tensor(0, 4, True)
    t.record((loss,), ((log, False),), (log.storage,))
    return loss


def _parallel_loss(t: Tape, logits: Tensor) -> Tensor:
    """PyTorch's loss on logits that tensor parallelism splits (torch/distributed/tensor/parallel/loss.py): backward has
    the gradient, an exponential and their sum beside the kept log_softmax."""
    log = op.unary(t, logits, keep="output")
    loss = t.tensor(0, 4, True)
    t.record((loss,), ((log, True),), (log.storage,), 2 * log.width * log.item)
    t.nodes[-1].scratch_vocab = True
    return loss


def _chunked_loss(t: Tape, logits: Tensor, item: int) -> Tensor:
    """The loss piece by piece: only one piece is widened, and only one has gradients, at a time
    (torchtune, modules/loss/cross_entropy_loss.py)."""
    pieces = op.split(t, logits, *[share(logits.width, CHUNKS)] * CHUNKS)
    losses = [_cross_entropy(t, op.cast(t, piece, item)) for piece in pieces]
    total = t.tensor(0, 4, True)
    t.record((total,), tuple((each, False) for each in losses))
    return total


def _fused_loss(t: Tape, r: Recipe, x: Tensor, vocab: int, weight: Weight) -> Tensor:
    """Liger's fused linear cross-entropy: forward makes the gradients of its input and of the head already, from
    chunks of logits that are gone when backward begins (linkedin/Liger-Kernel, ops/fused_linear_cross_entropy.py)."""
    output = t.tensor(x.width, x.item, False)
    loss = t.tensor(0, 4, True)
    saved: tuple[int, ...] = (output.storage,)
    if weight.trained:
        saved += (t.cast_weight(weight.size, weight.item),)
    weights = ((weight.size * weight.item, 0),) if weight.trained else ()
    t.record((loss,), ((x, False),), saved, 0, weights)
    return loss
