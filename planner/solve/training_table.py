"""The table of a training workload: states × activations by moment as arrays, and the numbers of layers that matter.

Recomputing one more layer never takes less time and, up to the last, never more memory. So of all numbers of layers
only two can be the best of a row: the fewest that fit, and those with the most headroom that the bounds on time leave.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from math import ceil, floor
from typing import TYPE_CHECKING, Any

from planner.catalog.catalog import Catalog
from planner.catalog.records import Gpu
from planner.language.problem import Bound, Problem, Workload
from planner.physics import training, training_time
from planner.physics.training import table as table_of
from planner.solve import tuning
from planner.solve.inference_table import headroom
from planner.solve.placing import Placed, place
from planner.solve.renting import market_of, offers_for
from planner.solve.scale import SCALES, UNKNOWN, steps
from planner.solve.screen import bounds_of
from planner.solve.table import Axis, Table, unknown
from planner.solve.tuning import Layout, Pace, Recipe, Run

if TYPE_CHECKING:
    from planner.solve.table import Column

TIMES = ("step_time", "throughput", "mfu", "duration", "total_cost")


@dataclass(frozen=True, slots=True)
class Config:
    """Everything of a candidate but its GPU type, its offer and how many layers recompute."""

    recipe: Recipe
    layout: Layout
    micro_batch: int
    mode: str


@dataclass(frozen=True, slots=True)
class Space:
    """The configurations, and for each the layers that may recompute and the bytes at the peak for each, margin
    included."""

    configs: list[Config]
    again: list[Column]
    bytes: list[Column]


def configurations(this: Run, fixed: bool) -> list[tuple[Config, list[int]]]:
    """Return every configuration with the numbers of layers that it may recompute."""
    modes = list(tuning.modes(this, fixed))
    out = []
    for layout in tuning.layouts(this, fixed):
        for size in tuning.micro_batches(this, layout, fixed):
            for mode, again in modes:
                for recipe in tuning.recipes(this):
                    out.append((Config(recipe, layout, size, mode), again))
    return out


def space(this: Run, fixed: bool) -> Space:
    """Return all configurations with their allocated bytes: states and activations meet in arrays."""
    import numpy

    listed = configurations(this, fixed)
    if this.model.architecture is None:
        thumbs = []
        for config, _ in listed:
            found = tuning.memory(this, _NO_GPU, config.recipe, config.layout, config.micro_batch, config.mode, 0)
            thumbs.append(numpy.array([found.total]))
        return Space([c for c, _ in listed], [numpy.array([0])] * len(listed), thumbs)
    groups: dict[training.ActivationChoice, list[int]] = {}
    for index, (config, _) in enumerate(listed):
        choice = tuning.choice_of(this, config.recipe, config.layout, config.micro_batch, config.mode)
        groups.setdefault(choice, []).append(index)
    found_bytes: list[Column] = [numpy.array([])] * len(listed)
    spare = training.spare(this.framework, this.confidence)
    for choice, members in groups.items():
        again = listed[members[0]][1]
        own = [
            tuning.states(
                this,
                listed[index][0].recipe,
                listed[index][0].layout,
                tuning.accumulation(this, listed[index][0].layout, listed[index][0].micro_batch) > 1,
            )
            for index in members
        ]
        totals = table_of.totals(own, table_of.columns(this.model.architecture, choice), spare)[:, again]
        for place_, index in enumerate(members):
            found_bytes[index] = totals[place_]
    return Space([c for c, _ in listed], [numpy.array(again) for _, again in listed], found_bytes)


_NO_GPU: Any = None


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


def table(problem: Problem, workload: Workload, catalog: Catalog, fixed: bool = False) -> Table:
    """Return every candidate of a training workload that can be the best of its kind, as columns."""
    import numpy

    this = tuning.run_of(problem, workload)
    offers = offers_for(problem, workload)
    wanted = workload.domains.get("gpu")
    gpus = [problem.gpus[name] for name in sorted(offers) if name in problem.gpus and (not wanted or name in wanted)]
    found = space(this, fixed)
    configs = found.configs
    bounds = bounds_of(workload, problem)

    def array(values: Sequence[Any]) -> Column:
        return numpy.array(values, dtype=numpy.int64)

    config = numpy.repeat(numpy.arange(len(configs)), len(gpus))
    gpu = numpy.tile(numpy.arange(len(gpus)), len(configs))
    total_gpus = array([item.layout.gpus for item in configs])[config] if configs else array([])
    above = _overheads(this, gpus, total_gpus, gpu)
    tensor = array([item.layout.tensor for item in configs])[config] if configs else array([])
    placed = place(gpus, offers, market_of(problem, workload), gpu, total_gpus, tensor)

    limits = array([limit_of(item.memory, bounds) for item in gpus])
    fewest = _fewest(found, config, limits[gpu] - above if len(gpu) else gpu)
    rows, place_of = _layers_that_matter(this, found, config, gpu, gpus, placed, fewest, bounds)

    base = placed.row[rows]
    config, gpu, above, total_gpus = config[base], gpu[base], above[base], total_gpus[base]
    again = _gather(found.again, config, place_of)
    total = _gather(found.bytes, config, place_of) + above
    usable = array([item.memory for item in gpus])[gpu] if len(gpu) else gpu
    costs = placed.costs[rows]
    pace = _pace(this, configs, gpus, config, gpu, again)
    outcomes = _outcomes(this, configs, gpus, config, gpu, total, usable, costs, total_gpus, pace)
    broken = {f"{workload.name}.memory": total > usable}
    if pace is not None:
        broken[f"{workload.name}.precision"] = pace.card.peak == 0
    axes = _axes(this, configs, config, again, total_gpus, gpus, gpu)
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
    )


def _overheads(this: Run, gpus: Sequence[Gpu], total: Column, gpu: Column) -> Column:
    """Return the overhead of each row, computed once for each GPU type and count."""
    import numpy

    if this.model.architecture is None:
        return numpy.zeros(len(gpu), dtype=numpy.int64)
    counts, which = numpy.unique(total, return_inverse=True)
    known = [[tuning.overhead(this, item, int(count)) for count in counts] for item in gpus]
    found: Column = numpy.array(known, dtype=numpy.int64).reshape(len(gpus), len(counts))[gpu, which.reshape(-1)]
    return found


def _fewest(found: Space, config: Column, room: Column) -> Column:
    """Return for each row the first place among its numbers of layers that fits, their count where none does."""
    import numpy

    out = numpy.zeros(len(config), dtype=numpy.int64)
    if not len(config):
        return out
    per = len(config) // len(found.configs)
    for index, sizes in enumerate(found.bytes):
        mine = slice(index * per, (index + 1) * per)
        falling = -numpy.minimum.accumulate(sizes)
        out[mine] = numpy.searchsorted(falling, -room[mine], side="left")
    return out


def _gather(columns: Sequence[Column], config: Column, place_of: Column) -> Column:
    """Return `columns[config][place]` of each row."""
    import numpy

    lengths = numpy.array([len(item) for item in columns] or [0], dtype=numpy.int64)
    starts = numpy.cumsum(lengths) - lengths
    flat = numpy.concatenate(columns) if columns else numpy.array([], dtype=numpy.int64)
    out: Column = flat[starts[config] + place_of]
    return out


def _layers_that_matter(
    this: Run,
    found: Space,
    config: Column,
    gpu: Column,
    gpus: Sequence[Gpu],
    placed: Placed,
    fewest: Column,
    bounds: Sequence[Bound],
) -> tuple[Column, Column]:
    """Return rows of the placements and the place of their number of layers: the fewest, and the roomiest in time."""
    import numpy

    base = placed.row
    own, card, first = config[base], gpu[base], fewest[base]
    lengths = numpy.array([len(item) for item in found.again] or [1], dtype=numpy.int64)[own]
    last = lengths - 1
    fits = first <= last
    timed = [item for item in bounds if item.quantity in TIMES and isinstance(item.value, Fraction)]
    low, high = numpy.minimum(first, last), last.copy()
    if timed and len(base) and this.model.architecture is not None:
        good = low.copy()
        for _ in range(int(lengths.max()).bit_length() + 1):
            middle = (good + high + 1) // 2
            again = _gather(found.again, own, middle)
            pace = _pace(this, found.configs, gpus, own, card, again)
            assert pace is not None
            kept = _in_time(this, pace, placed.costs, timed)
            good = numpy.where(kept, middle, good)
            high = numpy.where(kept, high, numpy.maximum(middle - 1, good))
        high = numpy.where(fits, good, last)
    roomiest = [_first_minimum(item) for item in found.bytes]
    most = _gather(roomiest, own, high)
    most = numpy.where(fits, numpy.maximum(most, low), most)
    everything = numpy.arange(len(base))
    two = fits & (first != most)
    rows = numpy.concatenate([everything, everything[two]])
    places = numpy.concatenate([most, first[two]])
    order = numpy.lexsort((places, rows))
    return rows[order], places[order]


def _first_minimum(sizes: Column) -> Column:
    """Return for each place the place of the smallest size up to it, the first of equal ones."""
    import numpy

    low = numpy.minimum.accumulate(sizes)
    new = numpy.concatenate(([True], low[1:] < low[:-1]))
    return numpy.maximum.accumulate(numpy.where(new, numpy.arange(len(sizes)), 0))


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


def _pace(
    this: Run, configs: Sequence[Config], gpus: Sequence[Gpu], config: Column, gpu: Column, again: Column
) -> Pace | None:
    """Return what the time of each row depends on; None by the rule of thumb."""
    import numpy

    if this.model.architecture is None:
        return None

    def per(values: list[Any], at: Column) -> Column:
        return numpy.array(values or [1])[at] if len(at) else numpy.array([], dtype=numpy.float64)

    precisions = sorted({item.recipe.precision for item in configs})
    kind = per([precisions.index(item.recipe.precision) for item in configs], config)
    jobs = [tuning.work(this, item.recipe, item.layout, item.micro_batch, item.mode) for item in configs]
    work = training_time.Work(*(per([float(value) for value in column], config) for column in zip(*jobs, strict=True)))
    cards = [[training_time.card(card, tuning.computes(card, name)) for name in precisions] for card in gpus]
    fields = numpy.array(cards, dtype=numpy.float64)[gpu, kind] if len(gpu) else numpy.zeros((0, 6))
    none = [tuning.recomputed(this, item.mode, 0.0) for item in configs]
    every = [tuning.recomputed(this, item.mode, 1.0) for item in configs]
    part = again / tuning._layers(this)
    first = [(a[0], b[0] - a[0]) for a, b in zip(none, every, strict=True)]
    second = [(a[1], b[1] - a[1]) for a, b in zip(none, every, strict=True)]
    products, scores = (
        per([base for base, _ in pairs], config) + per([slope for _, slope in pairs], config) * part
        for pairs in (first, second)
    )
    return Pace(work, training_time.Card(*fields.T), products, scores)


def _outcomes(
    this: Run,
    configs: Sequence[Config],
    gpus: Sequence[Gpu],
    config: Column,
    gpu: Column,
    total: Column,
    usable: Column,
    costs: Column,
    total_gpus: Column,
    pace: Pace | None,
) -> dict[str, Callable[[], Column]]:
    import numpy

    qualities = [tuning.quality(item.recipe) for item in configs]
    quality = numpy.array([UNKNOWN if q is None else int(q * SCALES["quality"]) for q in qualities] or [0])
    power = numpy.array([item.power_w for item in gpus] or [0], dtype=numpy.int64)
    out: dict[str, Callable[[], Column]] = {
        "memory": lambda: total,
        "headroom": lambda: headroom(total, usable),
        "cost": lambda: costs,
        "quality": lambda: quality[config],
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
    this: Run,
    configs: Sequence[Config],
    config: Column,
    again: Column,
    total_gpus: Column,
    gpus: Sequence[Gpu],
    gpu: Column,
) -> dict[str, Axis]:
    import numpy

    def numbers(values: Column) -> Axis:
        distinct = numpy.unique(values)
        return Axis(tuple(Fraction(n) for n in distinct.tolist()), numpy.searchsorted(distinct, values))

    def of(make: Callable[[Config], Any]) -> Axis:
        return Axis(tuple(make(item) for item in configs), config)

    return {
        "gpu": Axis(tuple(item.id for item in gpus), gpu),
        "gpus": numbers(total_gpus),
        "checkpointed_layers": numbers(again),
        "method": of(lambda item: item.recipe.method),
        "precision": of(lambda item: item.recipe.precision),
        "optimizer": of(lambda item: item.recipe.optimizer),
        "checkpointing": of(lambda item: item.mode),
        "micro_batch": of(lambda item: Fraction(item.micro_batch)),
        "data_parallel": of(lambda item: Fraction(item.layout.data)),
        "tensor_parallel": of(lambda item: Fraction(item.layout.tensor)),
        "pipeline_parallel": of(lambda item: Fraction(item.layout.pipeline)),
        "context_parallel": of(lambda item: Fraction(item.layout.context)),
        "expert_parallel": of(lambda item: Fraction(item.layout.expert)),
        "zero": of(lambda item: Fraction(item.layout.zero)),
        "offload": of(lambda item: item.layout.offload),
    }
