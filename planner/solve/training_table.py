"""The table of a training workload: states × activations by moment as arrays, and the numbers of layers that matter.

Recomputing one more layer never takes less time and, up to the last, never more memory. So of all numbers of layers
only two can be the best of a row: the fewest that fit, and those with the most headroom that the bounds on time leave.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial
from math import ceil, floor
from typing import TYPE_CHECKING

from planner.catalog.catalog import Catalog
from planner.catalog.records import Gpu
from planner.language.problem import Bound, Problem, Workload
from planner.physics import training_time
from planner.record import dataclass
from planner.solve import tuning
from planner.solve.inference_table import headroom
from planner.solve.placing import Placed, place
from planner.solve.ranking import quantity_of
from planner.solve.renting import market_of, offers_for
from planner.solve.rules import reads
from planner.solve.scale import SCALES, UNKNOWN, steps
from planner.solve.screen import bounds_of
from planner.solve.table import Axis, Table, empty, unknown
from planner.solve.training_space import Space, first_minimum, space
from planner.solve.tuning import Pace, Run

if TYPE_CHECKING:
    from planner.solve.table import Column

TIMES = ("step_time", "throughput", "mfu", "duration", "total_cost")


def limit_of(usable: int, bounds: Sequence[Bound]) -> int:
    """Return the memory that the bounds on memory and headroom leave of a GPU."""
    out = usable
    for bound in bounds:
        if not isinstance(bound.value, Fraction):
            continue
        if bound.quantity == "memory" and bound.operator in ("<=", "<"):
            out = min(out, floor(bound.value) if bound.operator == "<=" else ceil(bound.value) - 1)
        elif bound.quantity == "headroom" and bound.operator in (">=", ">"):
            out = min(out, floor(usable * (1 - bound.value)))
    return out


def table(problem: Problem, workload: Workload, catalog: Catalog, fixed: bool = False, thorough: bool = True) -> Table:
    """Return every candidate of a training workload that can be the best of its kind, as columns.

    Without `thorough`, what does not fit stands for itself only once for each GPU type, number of GPUs and group that
    stays together: by the lightest.
    """
    import numpy

    this = tuning.run_of(problem, workload)
    offers = offers_for(problem, workload)
    wanted = workload.domains.get("gpu")
    gpus = [problem.gpus[name] for name in sorted(offers) if name in problem.gpus and (not wanted or name in wanted)]
    bounds = bounds_of(workload, problem)
    found = space(this, fixed, told_apart(problem, workload, "optimizer"))
    if not len(found.kind) or not gpus:
        return empty(workload)
    placing = _fitting(this, found, gpus, bounds, thorough)
    config, gpu, above = placing.config, placing.gpu, placing.above
    layouts = numpy.array([(item.gpus, item.tensor) for item in found.layouts], dtype=numpy.int64).reshape(-1, 2)
    total_gpus, tensor = layouts[found.layout[config], 0], layouts[found.layout[config], 1]
    placed = place(gpus, offers, market_of(problem, workload), gpu, total_gpus, tensor)
    rows, at = _layers_that_matter(this, found, placing, gpus, placed, bounds)

    base = placed.row[rows]
    config, gpu, above, total_gpus = config[base], gpu[base], above[base], total_gpus[base]
    flat = found.start[config] + at
    total = found.bytes[flat] + above
    usable = numpy.array([item.memory for item in gpus], dtype=numpy.int64)[gpu]
    costs = placed.costs[rows]
    pace = _pace(this, found, gpus, config, gpu, _again(found, config, at))
    outcomes = _outcomes(this, found, gpus, flat, gpu, total, usable, costs, total_gpus, pace)
    broken = {f"{workload.name}.memory": total > usable}
    if pace is not None:
        broken[f"{workload.name}.precision"] = pace.card.peak == 0
    axes = _axes(found, config, at, total_gpus, gpus, gpu)
    axes |= {name: Axis(axis.values, axis.index[rows]) for name, axis in placed.axes.items()}
    return Table(
        workload,
        len(rows),
        axes,
        outcomes,
        broken,
        costs,
        total_gpus,
        placed.pool[rows],
        placed.pools,
        placed.sizes,
        placed.prices,
        placed.instances[rows],
        placed.slots[rows],
        weights=placing.stands_for[base],
        considered=placing.considered,
        thorough=thorough,
        context=this,
    )


def told_apart(problem: Problem, workload: Workload, quantity: str) -> bool:
    """Return whether a bound, rule or goal reads a decision of a workload."""
    conditions = [item.condition for item in problem.rules] + [item.condition for item in problem.preferences]
    return (
        any(quantity in reads(condition, workload.name) for condition in conditions)
        or any(bound.quantity == quantity for bound in workload.bounds)
        or any(quantity_of(goal) == quantity for goal in problem.goals)
    )


@dataclass(frozen=True, slots=True)
class Placing:
    """Configurations on GPU types, before offers: overhead, the first place among the layers that fits (the length of
    the run where none does), and how many candidates a row stands for."""

    config: Column
    gpu: Column
    above: Column
    fewest: Column
    stands_for: Column
    considered: int


def _fitting(this: Run, found: Space, gpus: Sequence[Gpu], bounds: Sequence[Bound], thorough: bool) -> Placing:
    """Return the configurations on each GPU type."""
    import numpy

    count, cards = len(found.kind), len(gpus)
    totals = numpy.array([item.gpus for item in found.layouts], dtype=numpy.int64)[found.layout]
    above = _overheads(this, gpus, totals)
    room = numpy.array([limit_of(item.memory, bounds) for item in gpus], dtype=numpy.int64)[None, :] - above
    fewest = numpy.zeros((count, cards), dtype=numpy.int64)
    order = numpy.argsort(found.length, kind="stable")
    edges = numpy.flatnonzero(numpy.diff(found.length[order])) + 1
    for members in numpy.split(order, edges):
        if not len(members):
            continue
        length = int(found.length[members[0]])
        sizes = found.bytes[found.start[members][:, None] + numpy.arange(length)]
        falling = numpy.minimum.accumulate(sizes, axis=1)
        mine = numpy.zeros((len(members), cards), dtype=numpy.int64)
        for step in range(length):
            mine += falling[:, step, None] > room[members]
        fewest[members] = mine
    fits = fewest < found.length[:, None]
    considered = int(found.length.sum()) * found.stands_for * cards
    keep = fits
    weights = numpy.where(fits, found.stands_for, 0)
    if thorough:
        keep = numpy.ones_like(fits)
        weights = numpy.full(fits.shape, found.stands_for)
    elif not fits.all():
        keep, weights = _lightest(found, totals, fits, weights)
    config, gpu = numpy.nonzero(keep)
    return Placing(config, gpu, above[keep], fewest[keep], weights[keep], considered)


def _lightest(found: Space, totals: Column, fits: Column, weights: Column) -> tuple[Column, Column]:
    """Return what fits, and of the rest the lightest of each number of GPUs and tensor group on each GPU type."""
    import numpy

    tensor = numpy.array([item.tensor for item in found.layouts], dtype=numpy.int64)[found.layout]
    least = numpy.array(
        [
            found.bytes[start : start + count].min()
            for start, count in zip(found.start.tolist(), found.length.tolist(), strict=True)
        ]
    )
    keep, weights = fits.copy(), weights.copy()
    for group in numpy.unique(totals << 16 | tensor).tolist():
        members = numpy.flatnonzero(totals << 16 | tensor == group)
        outside = ~fits[members]
        sizes = numpy.where(outside, least[members][:, None], numpy.iinfo(numpy.int64).max)
        chosen = members[sizes.argmin(axis=0)]
        some = numpy.flatnonzero(outside.any(axis=0))
        keep[chosen[some], some] = True
        weights[chosen[some], some] = outside.sum(axis=0)[some] * found.stands_for
    return keep, weights


def _overheads(this: Run, gpus: Sequence[Gpu], totals: Column) -> Column:
    """Return the overhead of each configuration on each GPU type, computed once for each number of GPUs."""
    import numpy

    if this.model.architecture is None:
        return numpy.zeros((len(totals), len(gpus)), dtype=numpy.int64)
    counts, which = numpy.unique(totals, return_inverse=True)
    known = [[tuning.overhead(this, item, int(count)) for item in gpus] for count in counts]
    found: Column = numpy.array(known, dtype=numpy.int64).reshape(len(counts), len(gpus))[which.reshape(-1)]
    return found


def _layers_that_matter(
    this: Run,
    found: Space,
    placing: Placing,
    gpus: Sequence[Gpu],
    placed: Placed,
    bounds: Sequence[Bound],
) -> tuple[Column, Column]:
    """Return rows of the placements and the place of their number of layers: the fewest, and the roomiest in time."""
    import numpy

    base = placed.row
    own, card, first = placing.config[base], placing.gpu[base], placing.fewest[base]
    last = found.length[own] - 1
    fits = first <= last
    timed = [item for item in bounds if item.quantity in TIMES and isinstance(item.value, Fraction)]
    low, high = numpy.minimum(first, last), last.copy()
    if timed and len(base) and found.work is not None:
        good = low.copy()
        for _ in range(int(found.length.max()).bit_length() + 1):
            middle = (good + high + 1) // 2
            pace = _pace(this, found, gpus, own, card, _again(found, own, middle))
            assert pace is not None
            kept = _in_time(this, pace, placed.costs, timed)
            good = numpy.where(kept, middle, good)
            high = numpy.where(kept, high, numpy.maximum(middle - 1, good))
        high = numpy.where(fits, good, last)
    most = _lightest_up_to(found, own, high)
    most = numpy.where(fits, numpy.maximum(most, low), most)
    everything = numpy.arange(len(base))
    two = fits & (first != most)
    rows = numpy.concatenate([everything, everything[two]])
    places = numpy.concatenate([most, first[two]])
    order = numpy.lexsort((places, rows))
    return rows[order], places[order]


def _again(found: Space, config: Column, place: Column) -> Column:
    """Return how many layers recompute at a place of a configuration."""
    import numpy

    counts = numpy.zeros((len(found.modes), max(len(again) for _, again in found.modes)), dtype=numpy.int64)
    for row, (_, again) in enumerate(found.modes):
        counts[row, : len(again)] = again
    layers: Column = counts[found.mode[config], place]
    return layers


def _lightest_up_to(found: Space, config: Column, high: Column) -> Column:
    """Return the first of the lightest places of configurations up to a place of each."""
    import numpy

    out = numpy.zeros_like(high)
    for mode, (_, again) in enumerate(found.modes):
        rows = numpy.flatnonzero(found.mode[config] == mode)
        if len(again) > 1 and len(rows):
            own, which = numpy.unique(config[rows], return_inverse=True)
            sizes = found.bytes[found.start[own][:, None] + numpy.arange(len(again))]
            out[rows] = first_minimum(sizes)[which.reshape(-1), high[rows]]
    return out


def _in_time(this: Run, pace: Pace, costs: Column, bounds: Sequence[Bound]) -> Column:
    """Return where the bounds on time hold."""
    import numpy

    with numpy.errstate(divide="ignore", invalid="ignore"):
        numbers = tuning.outcome_numbers(this, pace, costs)
    good = numpy.ones(len(costs), dtype=bool)
    for bound in bounds:
        if bound.quantity not in numbers or not isinstance(bound.value, Fraction):
            continue
        have, edge = steps(bound.quantity, numbers[bound.quantity]), bound.value * SCALES[bound.quantity]
        if bound.operator in ("<=", "<"):
            good &= (have <= floor(edge)) & (have != UNKNOWN)
        elif bound.operator in (">=", ">"):
            good &= have >= ceil(edge)
    return good


def _pace(this: Run, found: Space, gpus: Sequence[Gpu], config: Column, gpu: Column, again: Column) -> Pace | None:
    """Return what the time of each row depends on; None by the rule of thumb."""
    import numpy

    if found.work is None or this.model.architecture is None:
        return None
    work = training_time.Work(*(column[config] for column in found.work))
    precisions = sorted({precision for _, precision in found.kinds})
    kinds = numpy.array([precisions.index(precision) for _, precision in found.kinds], dtype=numpy.int64)
    cards = [[training_time.card(card, tuning.computes(card, name)) for name in precisions] for card in gpus]
    fields = numpy.array(cards, dtype=numpy.float64).reshape(len(gpus), -1, 6)[gpu, kinds[found.kind[config]]]
    part = again / this.model.architecture.layers
    shares = [_repeats(this, mode) for mode, _ in found.modes]
    base, slope, scores, scores_slope = numpy.array(shares, dtype=numpy.float64).T[:, found.mode[config]]
    return Pace(work, training_time.Card(*fields.T), base + slope * part, scores + scores_slope * part)


def _repeats(this: Run, mode: str) -> tuple[float, ...]:
    """Return the shares of forward that run again without any layer, and what all layers add."""
    none, every = tuning.recomputed(this, mode, 0.0), tuning.recomputed(this, mode, 1.0)
    return none[0], every[0] - none[0], none[1], every[1] - none[1]


def _outcomes(
    this: Run,
    found: Space,
    gpus: Sequence[Gpu],
    flat: Column,
    gpu: Column,
    total: Column,
    usable: Column,
    costs: Column,
    total_gpus: Column,
    pace: Pace | None,
) -> dict[str, Callable[[], Column]]:
    import numpy

    qualities = [tuning.quality(item) for item in found.recipes]
    quality = numpy.array([UNKNOWN if q is None else int(q * SCALES["quality"]) for q in qualities] or [0])
    power = numpy.array([item.power_w for item in gpus] or [0], dtype=numpy.int64)
    out: dict[str, Callable[[], Column]] = {
        "memory": lambda: total,
        "headroom": lambda: headroom(total, usable),
        "cost": lambda: costs,
        "quality": lambda: quality[found.recipe[flat]],
        "power": lambda: power[gpu] * total_gpus,
    }
    made: dict[str, Column] = {}

    def timed(name: str) -> Column:
        if pace is None:
            return unknown(len(total))
        if not made:
            with numpy.errstate(divide="ignore", invalid="ignore"):
                made.update(tuning.outcome_numbers(this, pace, costs))
        if name not in made:
            return unknown(len(total))
        found: Column = steps(name, numpy.where(pace.card.peak == 0, numpy.nan, made[name]))
        return found

    return out | {name: partial(timed, name) for name in TIMES}


def _axes(
    found: Space, config: Column, place: Column, total_gpus: Column, gpus: Sequence[Gpu], gpu: Column
) -> dict[str, Axis]:
    import numpy

    def numbers(values: Column) -> Axis:
        distinct = numpy.unique(values)
        return Axis(tuple(Fraction(n) for n in distinct.tolist()), numpy.searchsorted(distinct, values))

    def words(values: list[str], index: Column) -> Axis:
        distinct = {word: place_ for place_, word in enumerate(sorted(set(values)))}
        return Axis(tuple(distinct), numpy.array([distinct[word] for word in values] or [0], dtype=numpy.int64)[index])

    def counts(values: list[int], index: Column) -> Axis:
        return numbers(numpy.array(values or [0], dtype=numpy.int64)[index])

    layout, recipe = found.layout[config], found.recipe[found.start[config] + place]
    return {
        "gpu": Axis(tuple(item.id for item in gpus), gpu),
        "gpus": numbers(total_gpus),
        "checkpointed_layers": numbers(_again(found, config, place)),
        "method": words([item.method for item in found.recipes], recipe),
        "precision": words([item.precision for item in found.recipes], recipe),
        "optimizer": words([item.optimizer for item in found.recipes], recipe),
        "checkpointing": words([mode for mode, _ in found.modes], found.mode[config]),
        "micro_batch": numbers(found.micro_batch[config]),
        "data_parallel": counts([item.data for item in found.layouts], layout),
        "tensor_parallel": counts([item.tensor for item in found.layouts], layout),
        "pipeline_parallel": counts([item.pipeline for item in found.layouts], layout),
        "context_parallel": counts([item.context for item in found.layouts], layout),
        "expert_parallel": counts([item.expert for item in found.layouts], layout),
        "zero": counts([item.zero for item in found.layouts], layout),
        "offload": words([item.offload for item in found.layouts], layout),
    }
