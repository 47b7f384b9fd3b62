"""Totals of many training choices at once with numpy: the same sums as `points` and `combine`, over all k of L layers.

`columns(arch, choice)` has every number of checkpointed layers in its rows and the places of the peak in its columns;
`totals(states, columns)` puts many states beside it. numpy is imported here only when it is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from planner.catalog.records import Architecture
from planner.physics.training.activations import (
    ALL,
    END,
    FORWARD,
    LAST,
    LOSS,
    OPTIMIZER,
    ActivationChoice,
    Stage,
    recomputed,
    stages,
)
from planner.physics.training.states import States

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Integers = NDArray[np.int64]


class Columns(NamedTuple):
    """For each k (rows) and place (columns): its moment, parameters with gradients, gradients in the making, and
    bytes of activations and logits."""

    moment: Integers
    graded: Integers
    gradients: Integers
    live: Integers


def columns(arch: Architecture, choice: ActivationChoice) -> Columns:
    """The places of the peak for 0 to all layers checkpointed (only the first row where checkpointing is none)."""
    import numpy as np

    rows = arch.layers + 1 if choice.checkpointing != "none" else 1
    parts = []
    for stage in stages(arch, choice):
        last = recomputed(arch, choice, stage.depth, arch.layers)
        wanted = np.arange(rows, dtype=np.int64) * stage.depth // max(1, arch.layers)
        parts.append(_stage(stage, np.minimum(last, wanted)))
    return Columns(
        np.concatenate([part.moment for part in parts]),
        np.concatenate([part.graded for part in parts], axis=1),
        np.concatenate([part.gradients for part in parts], axis=1),
        np.concatenate([part.live for part in parts], axis=1),
    )


def _stage(stage: Stage, again: Integers) -> Columns:
    import numpy as np

    own = [stage.layers[index] for index, count in stage.runs for _ in range(count)]
    depth = len(own)
    each = np.array(own, dtype=np.int64)
    sums = np.concatenate((np.zeros((1, each.shape[1]), dtype=np.int64), np.cumsum(each, axis=0)))
    kept, thin, casts, trained = sums[:, 0], sums[:, 1], sums[:, 2], sums[:, 6]
    heads = each.copy()
    if stage.first is not None:
        heads[0] = stage.first
    zero = np.zeros_like(again)
    shorter = np.where(again == 0, stage.first_difference, 0)
    mask = np.where(again > 0, stage.mask, 0)

    def below(place: Integers) -> Integers:
        light = np.minimum(place, again)
        return thin[light] + kept[place] - kept[light] + np.where(place > 0, shorter, 0)

    whole = below(zero + depth)
    held = -(-whole * stage.in_flight[0] // stage.in_flight[1]) - whole
    start = held + whole + mask
    rows = [(FORWARD, zero, zero, start + casts[np.minimum(depth, again)] + stage.forward + stage.forward_logits)]
    if stage.has_head:
        rows.append((LOSS, zero, zero + stage.loss_gradients, start + stage.loss_activations + stage.loss_logits))
    places = [zero + place for place in sorted(stage.edges())]
    places += [np.maximum(0, again - 1), np.minimum(again, depth - 1)]
    for place in places:
        peak = np.where(place < again, heads[place, 5] + mask, heads[place, 4])
        graded = np.maximum(0, stage.closing + trained[depth] - trained[place] - heads[place, 6])
        rows.append((LAST, graded, heads[place, 3], held + below(place) + peak))
    rows += [(END, zero + ALL, zero, held + spare) for spare in stage.ends]
    rows.append((OPTIMIZER, zero + ALL, zero, zero))
    return Columns(
        np.array([row[0] for row in rows], dtype=np.int64),
        np.stack([row[1] for row in rows], axis=1),
        np.stack([row[2] for row in rows], axis=1),
        np.stack([row[3] for row in rows], axis=1),
    )


def totals(states: Sequence[States], found: Columns, spare: int = 0) -> Integers:
    """Bytes at the peak, with `spare` thousandths of what comes and goes, without overhead: one row for each of
    `states`, one column for each k.

    Most states differ only in what lives all the time; the peak is looked for once for each kind that differs in how
    its gradients grow.
    """
    return totals_of(held(states), found, spare)


class Held(NamedTuple):
    """What states hold, ready to meet columns: always, in the optimizer's step, and by kind of growing gradients."""

    base: Integers
    step: Integers
    kinds: Integers
    which: Integers


def held(states: Sequence[States]) -> Held:
    """Return what states hold, as arrays."""
    import numpy as np

    table = np.array([_row(each) for each in states], dtype=np.int64)
    kinds, which = np.unique(table[:, 2:], axis=0, return_inverse=True)
    return Held(table[:, 0], table[:, 1], kinds, which.ravel())


def totals_of(states: Held, found: Columns, spare: int = 0) -> Integers:
    """`totals` of states that are held ready."""
    import numpy as np

    base, step, kinds, which = states
    whole, item, shards, resident, making, gathered, buckets = (kinds[:, index, None, None] for index in range(7))
    running = found.moment != OPTIMIZER
    graded, gradients = found.graded[None, :, running], found.gradients[None, :, running]
    there = np.minimum(whole, -(-graded * item // shards))
    there = np.where((resident > 0) | (graded < 0), whole, there)
    live = gathered + found.live[None, :, running]
    peak = (there + making * gradients + live + (live + buckets) * spare // 1000).max(axis=2)
    closing = kinds[:, 0][which] + step + kinds[:, 6][which] * spare // 1000
    found_totals: Integers = np.maximum(peak[which], closing[:, None]) + base[:, None]
    return found_totals


def _row(states: States) -> tuple[int, ...]:
    return (
        states.weights + states.master + states.optimizer + states.buckets,
        states.step,
        states.gradients,
        states.gradient_item,
        states.gradient_shards,
        int(states.resident),
        int(states.making),
        states.gathered,
        states.buckets,
    )
