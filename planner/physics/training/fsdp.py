"""What FSDP2 holds beside its shards, place by place of a step: gathered weights, and gradients on their way.

torch 2.13, distributed/fsdp/_fully_shard (`_fsdp_param_group.py`, `_fsdp_collectives.py`), with every layer and the
rest of the model wrapped; measured on fake tensors (docs/accuracy.md). In forward what was gathered stays until the
next layer's is copied out. In backward the next layer's is gathered ahead, and what a layer's gradients were reduced
from stays until the layer below has its own. Embedding, head and the last norm are one unit, which stays whole from the
first forward to the end of backward: its gradients wait for the embedding's, and are copied once more to be reduced.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from planner.physics.training.recipe import share

FRAMEWORKS: Final = ("fsdp", "transformers")
"""Those that shard by FSDP."""
START, WHOLE, LOSS, LAST, BETWEEN, FIRST, EMBEDDING, REDUCE, STEP = range(9)
"""Where a step is: the first layer is gathered; forward's end; the loss's backward; the last layer's; another layer's;
the first layer's; the embedding's; the gradients of embedding and head are reduced; the optimizer runs."""
PLACES = STEP


class Unit(NamedTuple):
    """Bytes of what is gathered and reduced at once: weights in the type they are computed in, their gradients in it,
    in the type they are reduced in, and in their shards' type."""

    gathered: Any
    gradients: Any
    reduced: Any
    kept: Any


class Beside(NamedTuple):
    """Bytes at each of the places before the optimizer's step: weights gathered, gradients on their way."""

    gathered: tuple[Any, ...]
    reduced: tuple[Any, ...]


def even(gathered: Any) -> Beside:
    """What is the same from forward to the end of backward."""
    return Beside((gathered,) * PLACES, (0 * gathered,) * PLACES)


def gathered(layer: Unit, root: Unit, computed: Any, again: Any) -> tuple[Any, ...]:
    """Gathered weights at each place: a layer and the next with `again` (1: `reshard_after_forward=True`), else (0) all
    that are `computed` with, until backward has passed them."""
    start = 2 * root.gathered + layer.gathered
    forward = again * root.gathered + (1 - again) * computed + layer.gathered
    loss = forward - (1 - again) * layer.gathered
    backward = loss + again * layer.gathered
    return start, forward, loss, backward, backward, loss, root.gathered, 0 * start


def reduced(layer: Unit, root: Unit, waits: Any, last: Any, shards: Any, resident: Any) -> tuple[Any, ...]:
    """Gradients on their way at each place. Those that `waits` do so from the loss on; `last` are those of the root's
    last weight, which a variable of the loop over them holds on to; `resident` (0 or 1) says whether the shards' were
    there before."""
    none = 0 * (root.kept + shards)
    kept = share(root.kept, shards)
    # the root's shards, counted with all others, are made only when it is reduced
    copied = root.gradients + root.reduced - kept * (1 - resident)
    made = root.reduced + last + kept * resident + (root.reduced != root.kept) * share(root.reduced, shards)
    closing = copied + (made - copied) * (made > copied)
    backward = waits + layer.reduced + none
    return none, none, none, waits + none, backward, backward, layer.reduced + copied - root.reduced, closing
