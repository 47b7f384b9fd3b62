"""Totals of many training choices at once with numpy: the same sums as `points` and `combine`, over all k of L layers.

What a micro-batch keeps (`gathered`, `live`) and what states hold (`state_columns`) are arrays over what each depends
on; `peaks` meets them row by row. Bytes are counted in thousandths, so that the allocator's reserve, which is stated
in them, is rounded down once, after the largest place is known: rounding down keeps the order. numpy is imported here
only when it is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from planner.catalog.records import Architecture
from planner.physics.training import fsdp
from planner.physics.training.activations import Parts, parts, recomputed, stage, traces
from planner.physics.training.choice import ActivationChoice, StateChoice
from planner.physics.training.families import family
from planner.physics.training.pipeline import Layer, Stage, in_flight, stage_runs
from planner.physics.training.shards import divided
from planner.physics.training.states import UndividedStates

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Integers = NDArray[np.int64]

MILLE: Final = 1000
BEFORE: Final = (fsdp.START, fsdp.HEAD, fsdp.WHOLE, fsdp.LOSS)
AFTER: Final = (fsdp.EMBEDDING, fsdp.REDUCE)
CEILING: Final = 2**44
"""Bytes (17 TB) that no GPU has for a layer: what needs more counts as needing this, so that sums stay below 2^63."""


class Live(NamedTuple):
    """What comes and goes while a step runs, in thousandths with its reserve; rows × numbers of recomputed layers.

    `before` are the largest at each place before any gradient is there, `after` those with all gradients (fsdp.py),
    `running` the largest of all; `layers` are the places on the way: for each number of layers which (fsdp.py), and the
    parameters whose gradients are there.
    """

    before: tuple[Integers, ...]
    after: tuple[Integers, ...]
    running: Integers
    layers: tuple[tuple[Integers, Integers, Integers], ...]


def sized(arch: Architecture, choice: ActivationChoice, sizes: Sequence[int]) -> Parts:
    """The parts of a choice's stages at each of these micro-batches."""
    import numpy as np

    _countable(arch, choice, max(sizes))
    if len(sizes) > 1 and family(arch).plain_attention:
        sizes_parts = [parts(arch, replace(choice, micro_batch=size)) for size in sizes]
        return gathered(
            sizes_parts, 1, np.arange(len(sizes_parts)), np.zeros(len(sizes_parts), dtype=np.int64), [(0, 0)]
        )
    whole: Any = np.array(sizes, dtype=np.int64) if len(sizes) > 1 else sizes[0]
    return parts(arch, replace(choice, micro_batch=whole))


def _countable(arch: Architecture, choice: ActivationChoice, most: int) -> None:
    """Raise OverflowError where what a layer or the head holds of `most` sequences is beyond 2^62 bytes."""
    traced = traces(arch, choice)
    figures = [arch.vocab * choice.sequence * 16, choice.sequence**2 * 4]
    for region in (*traced.groups, traced.head, *((traced.first,) if traced.first else ())):
        figures += [region.kept.each, region.input, *(event.each + event.logits for event in region.events)]
    if max(figures) * most * 2 >= 2**62:
        raise OverflowError("what a layer holds is beyond 2^62 bytes")


def gathered(
    by_size: Sequence[Parts], sizes: int, which: Integers, size: Integers, runs: Sequence[tuple[int, int]]
) -> Parts:
    """The parts of rows: those of `found[which]` at the place `size` of its `sizes` micro-batches.

    `runs` are the stage's: a layer like the others stands for the first where its input needs a gradient like any
    other's.
    """
    import numpy as np

    lead = runs[0][0]

    def take(values: Sequence[Any]) -> Any:
        whole = np.empty((len(by_size), sizes), dtype=np.int64)
        for place, value in enumerate(values):
            whole[place] = np.minimum(value, CEILING)
        return whole[which, size]

    def layer(values: Sequence[Layer]) -> Layer:
        return Layer(*(take(each) for each in zip(*values, strict=True)))

    groups, most = range(len(by_size[0].layers)), max(len(each.ends) for each in by_size)
    first = [each.first or each.layers[lead] for each in by_size]
    sizes_of = {name: take([getattr(each, name) for each in by_size]) for name in Parts._fields[2:-2]}
    return Parts(
        tuple(layer([each.layers[group] for each in by_size]) for group in groups),
        layer(first) if any(each.first for each in by_size) else None,
        ends=tuple(take([each.ends[place % len(each.ends)] for each in by_size]) for place in range(most)),
        mask=take([each.mask for each in by_size]),
        **sizes_of,
    )


def live(
    arch: Architecture,
    by_micro_batch: Parts,
    choice: ActivationChoice,
    flights: Integers,
    making: Integers,
    again: Sequence[int],
    spare: int,
) -> Live:
    """What lives of each row of `by_micro_batch` (see `gathered`) with each number `again` of layers recomputed.

    The rows share the choice's pipeline and checkpointing; `flights` are their micro-batches in flight, and `making`
    the most bytes of a layer's gradients in the making that stand beside the others.
    """
    import numpy as np

    runs = tuple(stage_runs(arch, choice.pp))
    known, places = np.unique(flights, return_inverse=True)
    largest: dict[int, Integers] = {}
    layers: list[tuple[Integers, Integers, Integers]] = []
    for number in (0,) if choice.pp <= 1 else (0, 1):
        flight = [in_flight(replace(choice, micro_batches=each), number) for each in known.tolist()]
        tops = np.minimum([top for top, _ in flight], 2**16)
        own = stage(by_micro_batch, runs, number, choice.pp, (tops[places], flight[0][1]))
        wanted = np.array([recomputed(arch, choice, own.depth, number) for number in again], dtype=np.int64)
        single, between = _stage(own, wanted, making, spare, choice.framework in fsdp.FRAMEWORKS)
        for place, weight in single:
            largest[place] = np.maximum(largest[place], weight) if place in largest else weight
        layers += between
    shape = np.broadcast_shapes(*(weight.shape for weight in largest.values()))
    weights = {place: np.broadcast_to(weight, shape).T for place, weight in largest.items()}
    running = np.maximum.reduce([*weights.values(), *(weight.T for _, _, weight in layers)])
    return Live(
        tuple(weights[place] for place in BEFORE),
        tuple(weights[place] for place in AFTER),
        np.ascontiguousarray(running),
        tuple((holds, graded.T, weight.T) for holds, graded, weight in layers),
    )


def _stage(
    at_stage: Stage, again: Integers, making: Integers, spare: int, sharded: bool
) -> tuple[list[tuple[int, Integers]], list[tuple[Integers, Integers, Integers]]]:
    """The places of a stage before any gradient is there and after all are, and those between with how many
    parameters'."""
    import numpy as np

    kinds = [at_stage.layers[index] for index, _ in at_stage.runs]
    kinds.append(at_stage.first or kinds[0])
    fields = {name: np.stack([getattr(layer, name) + 0 * making for layer in kinds]) for name in Layer._fields}
    run = np.repeat(np.arange(len(at_stage.runs)), [count for _, count in at_stage.runs])
    depth = len(run)
    # how many layers of each run stand before a place
    passed = np.zeros((depth + 1, len(kinds)), dtype=np.int64)
    passed[np.arange(1, depth + 1), run] = 1
    passed = np.cumsum(passed, axis=0)
    head = np.concatenate(([len(at_stage.runs)], run[1:]))
    shorter = np.where(again[:, None] == 0, at_stage.first_difference, 0)
    mask = np.where(again[:, None] > 0, at_stage.mask, 0)

    def sums(name: str, place: Integers) -> Any:
        return passed[place] @ fields[name]

    def below(place: Integers) -> Any:
        light = np.minimum(place, again)
        kept = (passed[place] - passed[light]) @ fields["kept"]
        return sums("thin", light) + kept + np.where(place[:, None] > 0, shorter, 0)

    def weight(size: Any, gradients: Any = 0) -> Any:
        return np.minimum(size, 2**52) * (MILLE + spare) + gradients * MILLE

    none = np.zeros_like(again)
    whole = np.minimum(below(none + depth), CEILING)
    held = -(-whole * at_stage.in_flight[0] // at_stage.in_flight[1]) - whole
    start = held + whole + mask
    casts = sums("casts", np.minimum(depth, again))
    single = [
        (fsdp.START, weight(held + at_stage.ends[0])),
        (fsdp.HEAD, weight(start + casts + at_stage.ends[0])),
        (fsdp.WHOLE, weight(start + casts + at_stage.forward + at_stage.forward_logits)),
        (fsdp.WHOLE, weight(start + casts + at_stage.passing)),
    ]
    if at_stage.has_head:
        loss = weight(start + at_stage.loss_activations + at_stage.loss_logits, (making > 0) * at_stage.loss_gradients)
        single.append((fsdp.LOSS, loss))
    between = []
    places = [none + place for place in sorted(at_stage.edges(sharded))]
    places += [np.maximum(0, again - 1), np.minimum(again, depth - 1)]
    for place in places:
        light = fields["peak_checkpointed"][head[place]] + mask
        peak = np.where((place < again)[:, None], light, fields["peak"][head[place]])
        graded = sums("trained", none + depth) - sums("trained", place) - fields["trained"][head[place]]
        gradients = np.minimum(making, fields["gradients"][head[place]])
        columns = np.maximum(0, at_stage.closing + graded), weight(held + below(place) + peak, gradients)
        holds = np.where(place == depth - 1, fsdp.LAST, np.where(place == 0, fsdp.FIRST, fsdp.BETWEEN))
        between.append((holds, *columns))
    single += [(fsdp.EMBEDDING, weight(held + size)) for size in at_stage.ends]
    single.append((fsdp.REDUCE, weight(held)))
    return single, between


class StateColumns(NamedTuple):
    """What states hold, optimizers × rows: always, and in the optimizer's step; then, a row, what their gradients grow
    by, how many parameters' wait, and in thousandths with its reserve what is gathered and buffered at each place of a
    step, and what of that is freed with each gradient."""

    base: Integers
    closing: Integers
    gradients: Integers
    item: Integers
    shards: Integers
    resident: Integers
    waits: Integers
    freed: Integers
    beside: Integers


def state_columns(
    wholes: Sequence[Sequence[UndividedStates]], which: Sequence[int], choice: StateChoice, spare: int
) -> StateColumns:
    """What states hold: `wholes` are those of each optimizer and part; a row is a part, `which` says, and a place in
    the arrays of `choice`: its dp, zero, pp, offload and accumulation.
    """
    import numpy as np

    rows = np.array(which, dtype=np.int64)
    columns: dict[str, Any] = {
        name: np.array([[each[place] for each in own] for own in wholes])[:, rows]
        for place, name in enumerate(UndividedStates._fields)
    }
    divided_states: Any = divided(UndividedStates(**columns), choice)
    reserve = divided_states.buckets * spare
    none = np.zeros_like(divided_states.gradients)
    return StateColumns(
        base=divided_states.standing + divided_states.buckets,
        closing=divided_states.closing + divided_states.step + reserve // MILLE,
        gradients=divided_states.gradients[0],
        item=divided_states.gradient_item[0],
        shards=(divided_states.gradient_shards + none)[0],
        resident=(divided_states.resident | (none > 0))[0],
        waits=(divided_states.waits + none)[0],
        freed=(divided_states.freed + none)[0] * (MILLE + spare),
        beside=np.stack(
            [
                ((size + sent + none) * (MILLE + spare) + reserve)[0]
                for size, sent in zip(divided_states.beside.gathered, divided_states.beside.reduced, strict=True)
            ]
        ),
    )


def peaks(states: StateColumns, lives: Live, place: Integers, row: Integers) -> Integers:
    """Bytes at the peak of what comes and goes, with the reserve and all gradients, for pairs of a place in `states`
    and a row of `lives`; numbers of recomputed layers beside each other."""
    import numpy as np

    even = states.resident & (states.freed == 0) & (states.beside == states.beside[0]).all(axis=0)
    grown = np.where(states.resident, states.gradients * MILLE, 0) + states.beside[0]
    column: Integers = lives.running[row] + grown[place][:, None]
    growing = np.flatnonzero(~even[place])
    if len(growing):
        column[growing] = _growing(states, lives, place[growing], row[growing])
    column //= MILLE
    return column


def _growing(states: StateColumns, lives: Live, place: Integers, row: Integers) -> Integers:
    """The same in thousandths where what is held changes while a step runs."""
    import numpy as np

    whole, item, shards, resident, waits, freed = (
        values[place][:, None]
        for values in (states.gradients, states.item, states.shards, states.resident, states.waits, states.freed)
    )
    beside = states.beside[:, place, None]
    standing = np.where(resident, whole, 0) * MILLE
    places = [(each, beside[at] + standing) for each, at in zip(lives.before, BEFORE, strict=True)]
    places += [(each, beside[at] + whole * MILLE) for each, at in zip(lives.after, AFTER, strict=True)]
    most: Integers | None = None
    for each, more in places:  # in place: these are the largest arrays of a solve
        here = each[row]
        here += more
        most = here if most is None else np.maximum(most, here, out=most)
    assert most is not None
    for at, graded, weight in lives.layers:
        passed = np.maximum(0, graded[row] - waits)
        there = np.where(resident, whole, np.minimum(whole, -(-passed * item // shards))) * MILLE
        there += beside[at, :, 0].T - freed * passed
        there += weight[row]
        np.maximum(most, there, out=most)
    return most


def totals(states: StateColumns, optimizer: int, peak: Integers, place: Integers) -> Integers:
    """Bytes at the peak of a step with an optimizer, with the reserve, without overhead and margin."""
    import numpy as np

    column: Integers = np.maximum(peak, states.closing[optimizer][place][:, None])
    column += states.base[optimizer][place][:, None]
    return column


def passed_over(states: StateColumns) -> NDArray[np.bool_]:
    """Where an optimizer is nowhere lighter than an earlier one, or everywhere heavier than a later one.

    A total is base + max(peak, closing), so that it is no lighter at any peak where base and base + closing are not.
    """
    import numpy as np

    low, high = states.base, states.base + states.closing
    skipped = np.zeros(low.shape, dtype=bool)
    for own in range(len(low)):
        before, after = slice(0, own), slice(own + 1, None)
        skipped[own] = ((low[before] <= low[own]) & (high[before] <= high[own])).any(axis=0)
        skipped[own] |= ((low[after] < low[own]) & (high[after] < high[own])).any(axis=0)
    return skipped


def lightest(
    states: StateColumns, over: NDArray[np.bool_], peak: Integers, place: Integers
) -> tuple[Integers, NDArray[np.int8]]:
    """The totals of the lightest optimizer but those passed `over`, and which it is: the first of those alike."""
    import numpy as np

    first, *others = np.flatnonzero(~over.all(axis=1)).tolist()
    column, which = totals(states, first, peak, place), np.full(peak.shape, first, dtype=np.int8)
    for own in others:
        rows = np.flatnonzero(~over[own][place])
        if len(rows):
            mine = totals(states, own, peak[rows], place[rows])
            less = mine < column[rows]
            column[rows] = np.where(less, mine, column[rows])
            which[rows] = np.where(less, own, which[rows])
    return column, which
