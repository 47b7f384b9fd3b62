"""What FSDP holds beside its shards, place by place of a step: gathered weights, and gradients on their way.

torch 2.13, distributed/fsdp (`_fully_shard/_fsdp_param_group.py`, `_fsdp_collectives.py`, `_runtime_utils.py`),
measured on fake tensors (docs/accuracy.md). Three ways to wrap: FSDP2 with layers and the rest (torchtitan), FSDP2 with
layers, embedding, and norm and head (accelerate 1.15, `fsdp_utils.py`), FSDP1 with layers and the rest.

FSDP2: in forward what was gathered stays until the next unit's is copied out. In backward the next one's is gathered
ahead, and what a layer's gradients were reduced from stays until the layer below has its own. A unit of embedding, last
norm and head stays whole from the first forward to the end of backward: its gradients wait for the embedding's, and are
copied once more to be reduced. Apart, the embedding is given back after its forward, and head and norm after theirs.
FSDP1: the rest stays gathered to the end of backward, two layers at once in backward; gradients of a unit are one flat
tensor beside those it is put together from.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from planner.physics.training.recipe import share

FRAMEWORKS: Final = ("fsdp", "accelerate", "transformers")
"""Those that shard by FSDP."""
START, HEAD, WHOLE, LOSS, LAST, BETWEEN, FIRST, EMBEDDING, REDUCE, STEP = range(10)
"""Where a step is: the first layer is gathered; the head is; forward's end; the loss's backward; the last layer's;
another layer's; the first layer's; the embedding's; the gradients of embedding and head are reduced; the optimizer
runs."""
PLACES = STEP


class Unit(NamedTuple):
    """Bytes of what is gathered and reduced at once: weights in the type they are computed in, their gradients in it,
    in the type they are reduced in, and in their shards' type."""

    gathered: Any
    gradients: Any
    reduced: Any
    kept: Any


class GatheredBytes(NamedTuple):
    """Bytes at each of the places before the optimizer's step: weights gathered, gradients on their way."""

    gathered: tuple[Any, ...]
    reduced: tuple[Any, ...]


def even(gathered: Any) -> GatheredBytes:
    """What is the same from forward to the end of backward."""
    return GatheredBytes((gathered,) * PLACES, (0 * gathered,) * PLACES)


def gathered(layer: Unit, root: Unit, computed: Any, again: Any) -> tuple[Any, ...]:
    """Gathered weights at each place: a layer and the next with `again` (1: `reshard_after_forward=True`), else (0) all
    that are `computed` with, until backward has passed them."""
    start = 2 * root.gathered + layer.gathered
    forward = again * root.gathered + (1 - again) * computed + layer.gathered
    loss = forward - (1 - again) * layer.gathered
    backward = loss + again * layer.gathered
    return start, forward, forward, loss, backward, backward, loss, root.gathered, 0 * start


def gathered_first(layer: Unit, root: Unit, computed: Any, again: Any) -> tuple[Any, ...]:
    """The same of FSDP1."""
    start = root.gathered + layer.gathered + 0 * again
    whole = again * root.gathered + (1 - again) * computed
    backward = whole + again * 2 * layer.gathered
    first = whole + again * layer.gathered
    end = root.gathered + 0 * again
    return start, whole, whole, first, backward, backward, first, end, end


def gathered_apart(layer: Unit, table: Unit, tail: Unit, computed: Any, again: Any) -> tuple[Any, ...]:
    """The same of accelerate's FSDP2, where the embedding is one unit and head and norm another."""
    start = 2 * table.gathered + layer.gathered + 0 * again
    before = (1 - again) * (computed - tail.gathered) + 2 * tail.gathered
    loss = again * tail.gathered + (1 - again) * computed
    backward = again * 2 * layer.gathered + (1 - again) * computed
    first = again * (layer.gathered + table.gathered) + (1 - again) * computed
    none = 0 * start
    return start, before + layer.gathered, before, loss, backward, backward, first, table.gathered + none, none


def reduced(layer: Unit, root: Unit, waits: Any, last: Any, shards: Any, resident: Any) -> tuple[Any, ...]:
    """Gradients on their way at each place. Those that `waits` do so from the loss on; `last` are those of the root's
    last weight, which a variable of the loop over them holds on to; `resident` (0 or 1) says whether the shards' were
    there before."""
    none = 0 * (root.kept + shards)
    kept = share(root.kept, shards)
    # the root's shards, counted with all others, are made only when it is reduced
    copied = root.gradients + root.reduced - kept * (1 - resident)
    after = root.reduced + last + kept * resident + (root.reduced != root.kept) * share(root.reduced, shards)
    closing = copied + (after - copied) * (after > copied)
    backward = waits + layer.reduced + none
    end = layer.reduced + copied - root.reduced
    return none, none, none, none, waits + none, backward, backward, end, closing


def reduced_first(layer: Unit, root: Unit, waits: Any, shards: Any, sharded: Any, late: Any) -> tuple[Any, ...]:
    """The same of FSDP1: the root's flat gradient beside half of what it is put together from, where `sharded`; beside
    all of it where it adds to one that is there (`late`: only the last micro-batch reduces)."""
    none = 0 * (root.kept + shards)
    end = (
        late * share(root.gradients, 2)
        + sharded * (root.gradients + share(root.gradients, 2) + share(root.reduced - root.gradients, 2))
        + none
    )
    backward = waits + layer.reduced + none
    return none, none, none, none, backward, backward, backward, sharded * backward, end


def reduced_apart(layer: Unit, table: Unit, tail: Unit, shards: Any, resident: Any) -> tuple[Any, ...]:
    """The same of accelerate's FSDP2: head and norm are reduced when the last layer runs, the embedding at the end."""
    none = 0 * (table.kept + shards)
    copied = table.gradients + table.reduced - share(table.kept, shards) * (1 - resident)
    last = tail.reduced + (layer.reduced - tail.reduced) * (layer.reduced > tail.reduced) + none
    inner = layer.reduced + none
    return none, none, none, none, last, inner, inner, inner + copied - table.reduced, copied


def added(table: Any, kept: Any, none: Any) -> tuple[Any, ...]:
    """The same beside whole gradients that only the last micro-batch reduces: a reduction frees as much of them as it
    takes but for the shards that it makes, `kept`, and the embedding's newest gradient is added to its own."""
    backward, end = kept + none, table + none
    return none, none, none, none, backward, backward, backward, end, end
