"""The memory of all candidates of an inference workload as columns; each part is computed once for each case."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.physics import inference
from planner.physics.inference import Profile
from planner.record import dataclass
from planner.solve import clock
from planner.solve.inference import anchors
from planner.solve.inference import capacity as inference_capacity
from planner.solve.inference import memory as inference_memory
from planner.solve.inference import workload as inference_workload
from planner.solve.inference.frame import Frame
from planner.solve.inference.workload import InferenceWorkload
from planner.solve.parallelism import Split

if TYPE_CHECKING:
    from planner.solve.columns.table import Column


@dataclass(frozen=True, slots=True)
class MemoryColumns:
    """Bytes of each formats × split × GPU type, GPU types running fastest; `budget` is what its cache has at least.

    `outside` and `crowded` say where what lies beside the budget has no room, and states more sequences than pages.
    """

    weights: Column
    kv_cache: Column
    total: Column
    budget: Column
    outside: Column
    crowded: Column


@dataclass(frozen=True, slots=True)
class HeldColumns:
    """Of the GPU types of one profile what no load changes: `weights` and `peaks` (activations and logits) of each
    formats × split, and on each type what is `above` them and the share of it that is `fixed`."""

    weights: Column
    peaks: Column
    above: Column
    fixed: Column


def columns(service: InferenceWorkload, shared: Frame, seen: anchors.Columns | None) -> MemoryColumns:
    """Return the memory of every row; each part is computed once for each case it depends on. `seen` is what the plan's
    measurements say of it."""
    import numpy

    pairs, gpus = shared.pairs, shared.gpus
    shape = (len(pairs), len(gpus))
    outside, crowded = numpy.zeros(shape, dtype=bool), numpy.zeros(shape, dtype=bool)
    weights, kv_cache, total, budget = (numpy.zeros(shape, dtype=numpy.int64) for _ in range(4))
    known = service.model.architecture is not None
    kinds: dict[Profile, list[int]] = {}
    for place_, gpu in enumerate(gpus):
        kinds.setdefault(inference_workload.profile_of(service, gpu), []).append(place_)
    split_of = shared.split[:: len(gpus)]
    for profile, cards in kinds.items():
        clock.look()
        held = _held(service, shared, profile, cards)
        own, above, (activations, logits) = held.weights[:, None], held.above, held.peaks
        kept = _cached(service, shared, profile)[:, None]
        weights[:, cards], kv_cache[:, cards] = own, kept
        spare = inference_memory.margin_bytes(service, profile, own, kept, activations, logits, above, held.fixed)
        total[:, cards] = own + kept + activations + logits + above + spare
        if seen is not None:
            total[:, cards] += seen.taken[:, cards]
        if not known:
            continue
        outside[:, cards] = _outside(service, shared, profile, cards)[split_of]
        usable = numpy.array([inference_memory.usable_bytes(service, gpus[card]) for card in cards])
        most = usable - own - activations - logits - above
        budget[:, cards] = inference_capacity.safe_budget(service, profile, most, own, held.peaks, above, held.fixed)
        if seen is not None:
            budget[:, cards] = numpy.maximum(0, budget[:, cards] - seen.taken[:, cards])
            most = (most * seen.cache[:, cards]).astype(numpy.int64)
        if inference_capacity.counts_pages(service, profile):
            for row, (form, split) in enumerate(clock.watched(pairs)):
                for column, card in enumerate(cards):
                    both = int(most[row, column]), int(budget[row, card])
                    pages = inference_capacity.state_pages(service, form, split, gpus[card], both)
                    crowded[row, card] = pages is not None and profile.max_sequences > pages
    return MemoryColumns(*(item.reshape(-1) for item in (weights, kv_cache, total, budget, outside, crowded)))


def _held(service: InferenceWorkload, shared: Frame, profile: Profile, cards: list[int]) -> HeldColumns:
    """The memory of all candidates of an inference workload as columns; each part is computed once for each case."""
    key = "held", profile, tuple(cards)
    if key not in shared.kept or inference.follows_load(profile):
        shared.kept[key] = _held_anew(service, shared, profile, cards)
    cached: HeldColumns = shared.kept[key]
    return cached


def _held_anew(service: InferenceWorkload, shared: Frame, profile: Profile, cards: list[int]) -> HeldColumns:
    import numpy

    pairs, gpus = shared.pairs, shared.gpus
    weights = numpy.array([inference_memory.weights_bytes(service, *pair, profile) for pair in clock.watched(pairs)])
    above, fixed = (numpy.zeros((len(pairs), len(cards)), dtype=numpy.int64) for _ in range(2))
    peaks = numpy.zeros((2, len(pairs), 1), dtype=numpy.int64)
    members: dict[Split, list[int]] = {}
    for index, (_, split) in enumerate(pairs):
        members.setdefault(split, []).append(index)
    for split, rows in members.items():
        clock.look()
        peak = inference_memory.peak_bytes(service, split, profile)
        peaks[:, rows, 0] = numpy.array(peak)[:, None]
        for column, card in enumerate(cards):
            gpu = gpus[card]
            fixed[rows, column] = inference_memory.fixed_bytes(service, split, gpu, profile)
            if service.model.architecture is not None:
                above[rows, column] = inference_memory.overhead_bytes(
                    service, pairs[rows[0]][0], split, gpu, weights[rows], peak
                )
            else:
                above[rows, column] = [
                    inference_memory.overhead_bytes(service, pairs[row][0], split, gpu, 0, peak)
                    for row in clock.watched(rows)
                ]
    return HeldColumns(weights, peaks, above, fixed)


def _cached(service: InferenceWorkload, shared: Frame, profile: Profile) -> Column:
    """The memory of all candidates of an inference workload as columns; each part is computed once for each case."""
    import numpy

    states = profile.max_sequences if profile.keeps.pools.state_batches else 0
    key = (
        "kv_cache",
        profile.keeps,
        profile.max_batched_tokens,
        profile.in_flight,
        profile.block,
        states,
        profile.engine,
    )
    if key not in service.known:
        sizes = [inference_memory.kv_bytes(service, *pair, profile) for pair in clock.watched(shared.pairs)]
        service.known[key] = numpy.array(sizes)
    cached: Column = service.known[key]
    return cached


def _outside(service: InferenceWorkload, shared: Frame, profile: Profile, cards: list[int]) -> Column:
    """Return where what lies beside the engine's budget has no room, by split and GPU type of a profile.

    It depends on the load through the sequences that are served, and in SGLang through their context.
    """
    import numpy

    if profile.budget not in ("utilization", "static"):
        return numpy.zeros((len(shared.splits), len(cards)), dtype=bool)
    context = service.context if profile.budget == "static" else 0
    key = "outside", profile, tuple(cards), context, inference_memory.served_bytes(service, profile)
    if key not in shared.kept:
        outside = numpy.zeros((len(shared.splits), len(cards)), dtype=bool)
        for row, split in enumerate(clock.watched(shared.splits)):
            for column, card in enumerate(cards):
                needs, left = inference_memory.outside(service, split, shared.gpus[card])
                outside[row, column] = needs > left
        shared.kept[key] = outside
    where: Column = shared.kept[key]
    return where
