"""How fast configurations of a training run on GPU types, and which numbers of recomputed layers matter to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import ceil, floor
from typing import TYPE_CHECKING

from planner.catalog.records import Gpu
from planner.language.problem import Bound
from planner.language.quantities.outcomes import TRAINED_TIMES
from planner.physics import training_time
from planner.solve import clock
from planner.solve.columns.steps import SCALES, UNKNOWN, steps
from planner.solve.rent.rental import NETWORK, ONE_HOST
from planner.solve.training import recipe_support as training_support
from planner.solve.training import step as training_step
from planner.solve.training.configurations import Configurations
from planner.solve.training.step import Pace
from planner.solve.training.work import work_at
from planner.solve.training.workload import TrainingWorkload

if TYPE_CHECKING:
    from planner.solve.columns.table import Column


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


def layers_again(configurations: Configurations, config: Column, place: Column) -> Column:
    """Return how many layers recompute at a place of each configuration."""
    import numpy

    counts = numpy.zeros(
        (len(configurations.modes), max(len(again) for _, again in configurations.modes)), dtype=numpy.int64
    )
    for row, (_, again) in enumerate(configurations.modes):
        counts[row, : len(again)] = again
    layers: Column = counts[configurations.mode[config], place]
    return layers


def refused_of(run: TrainingWorkload, configurations: Configurations, gpus: Sequence[Gpu]) -> dict[str, Column]:
    """Return, by quantity, the kinds of arithmetic that cannot run on a GPU type because of it, kind × GPU."""
    import numpy

    out: dict[str, Column] = {}
    for row, (method, precision) in enumerate(configurations.kinds):
        for column, gpu in enumerate(gpus):
            refused = training_support.refusal(run, gpu, method, precision)
            if refused is not None:
                where = out.setdefault(refused[0], numpy.zeros((len(configurations.kinds), len(gpus)), dtype=bool))
                where[row, column] = True
    return out


def cards_of(
    run: TrainingWorkload, configurations: Configurations, gpus: Sequence[Gpu], reach: Sequence[tuple[int, int]] = ()
) -> Column:
    """Return what each GPU type can in each kind of arithmetic: the fields of a card, kind × GPU × field; its peak is 0
    where the kind cannot run.

    `reach` are for each of them the GPUs on a host and the bytes/s between hosts; without it all are on one host.
    """
    import numpy

    if reach:
        types = {gpu.id: gpu for gpu in gpus}
        column = {name: place for place, name in enumerate(types)}
        cards = cards_of(run, configurations, list(types.values()))[:, [column[gpu.id] for gpu in gpus]]
        cards[:, :, -2:] = reach
        return cards
    known = {
        precision: [training_support.computes(run, gpu, precision) for gpu in gpus]
        for _, precision in configurations.kinds
    }
    fields = [
        [training_time.card(gpu, peak, ONE_HOST, NETWORK) for gpu, peak in zip(gpus, known[precision], strict=True)]
        for _, precision in configurations.kinds
    ]
    out = numpy.array(fields, dtype=numpy.float64).reshape(
        len(configurations.kinds), len(gpus), len(training_time.GpuSpeeds._fields)
    )
    for where in refused_of(run, configurations, gpus).values():
        out[where, 0] = 0
    return out


def joined(card: Column, per_host: Column, network: Column) -> Column:
    """Return fields of cards, one for each row, with the GPUs on its host and the network between its hosts."""
    import numpy

    out = card.copy()
    out[:, -2:] = numpy.stack((per_host, network), axis=1)
    return out


def pace_of(
    run: TrainingWorkload, configurations: Configurations, card: Column, config: Column, place: Column
) -> Pace | None:
    """Return what the time of rows depends on, None by the rule of thumb; `card` has its fields last."""
    import numpy

    if configurations.works is None or run.model.architecture is None:
        return None
    work = work_at(configurations.works, config)
    part = layers_again(configurations, config, place) / run.model.architecture.layers
    shares = [_repeats(run, mode) for mode, _ in configurations.modes]
    columns = numpy.moveaxis(numpy.array(shares, dtype=numpy.float64)[configurations.mode[config]], -1, 0)
    base, slope, scores, scores_slope = columns
    fields = training_time.GpuSpeeds(*numpy.moveaxis(card, -1, 0))
    return Pace(work, fields, base + slope * part, scores + scores_slope * part)


def _repeats(run: TrainingWorkload, mode: str) -> tuple[float, ...]:
    """Return the shares of forward that run again without any layer, and what all layers add."""
    none, every = training_step.recomputed(run, mode, 0.0), training_step.recomputed(run, mode, 1.0)
    return none[0], every[0] - none[0], none[1], every[1] - none[1]


def sheets(configurations: Configurations, config: Column) -> Iterator[tuple[Column, Column]]:
    """Yield, mode by mode, places in `config` and the bytes of their configurations by numbers of layers."""
    import numpy

    for mode, (_, again) in enumerate(configurations.modes):
        rows = numpy.flatnonzero(configurations.mode[config] == mode)
        if len(rows):
            yield rows, configurations.bytes[configurations.start[config[rows]][:, None] + numpy.arange(len(again))]


def first_that_fits(configurations: Configurations, config: Column, room: Column) -> Column:
    """Return the first place of each configuration at which it has room, the length of its run where none has."""
    import numpy

    out = numpy.zeros(len(config), dtype=numpy.int64)
    for rows, sizes in sheets(configurations, config):
        out[rows] = (numpy.minimum.accumulate(sizes, axis=1) > room[rows, None]).sum(axis=1)
    return out


def lightest_of_all(configurations: Configurations) -> tuple[Column, Column]:
    """Return the fewest bytes of every configuration, and the first place that needs no more."""
    import numpy

    least, place = numpy.zeros_like(configurations.start), numpy.zeros_like(configurations.start)
    for rows, sizes in sheets(configurations, numpy.arange(len(configurations.start))):
        place[rows] = sizes.argmin(axis=1)
        least[rows] = sizes[numpy.arange(len(rows)), place[rows]]
    return least, place


def lightest_up_to(configurations: Configurations, config: Column, high: Column) -> Column:
    """Return the first of the lightest places of configurations up to a place of each."""
    import numpy

    out = numpy.zeros_like(high)
    own, which = numpy.unique(config, return_inverse=True)
    for rows, sizes in sheets(configurations, own):
        row = numpy.full(len(own), -1)
        row[rows] = numpy.arange(len(rows))
        here = numpy.flatnonzero(row[which] >= 0)
        if sizes.shape[1] > 1:
            out[here] = _first_minimum(sizes)[row[which[here]], high[here]]
    return out


def _first_minimum(sizes: Column) -> Column:
    """Return for each place the place of the smallest size up to it, the first of equal ones, in each row."""
    import numpy

    low = numpy.minimum.accumulate(sizes, axis=1)
    new = numpy.concatenate((numpy.ones((len(sizes), 1), dtype=bool), low[:, 1:] < low[:, :-1]), axis=1)
    column: Column = numpy.maximum.accumulate(numpy.where(new, numpy.arange(sizes.shape[1]), 0), axis=1)
    return column


def roomiest(
    run: TrainingWorkload,
    configurations: Configurations,
    card: Column,
    config: Column,
    first: Column,
    costs: Column,
    bounds: Sequence[Bound],
) -> Column:
    """Return the place with the most headroom that the bounds on time leave, from the `first` that fits on; where none
    fits, the lightest. `card` has the fields of each row's card last."""
    import numpy

    last = configurations.length[config] - 1
    fits = first <= last
    timed = [item for item in bounds if item.quantity in TRAINED_TIMES and isinstance(item.value, Fraction)]
    low, high = numpy.minimum(first, last), last.copy()
    if timed and fits.any() and configurations.works is not None:
        if not fits.all():  # what fits nowhere is not slowed down
            some = numpy.flatnonzero(fits)
            most = lightest_up_to(configurations, config, last)
            own = card[some], config[some], first[some], costs[some]
            most[some] = roomiest(run, configurations, *own, bounds)
            return most
        good = low.copy()
        for _ in range(int(configurations.length.max()).bit_length() + 1):
            clock.look()
            middle = (good + high + 1) // 2
            pace = pace_of(run, configurations, card, config, middle)
            assert pace is not None
            kept = in_time(run, pace, costs, timed)
            good = numpy.where(kept, middle, good)
            high = numpy.where(kept, high, numpy.maximum(middle - 1, good))
        high = numpy.where(fits, good, last)
    most = lightest_up_to(configurations, config, high)
    return numpy.where(fits, numpy.maximum(most, low), most)


def in_time(run: TrainingWorkload, pace: Pace, costs: Column, bounds: Sequence[Bound]) -> Column:
    """Return where the bounds on time hold."""
    import numpy

    with numpy.errstate(divide="ignore", invalid="ignore"):
        numbers = training_step.outcome_numbers(run, pace, costs)
    good = numpy.ones(len(costs), dtype=bool)
    for bound in bounds:
        if bound.quantity in numbers:
            good &= keeps(bound, steps(bound.quantity, numbers[bound.quantity]))
    return good


def keeps(bound: Bound, have: Column) -> Column:
    """Return where a bound on time holds for an outcome in steps."""
    assert isinstance(bound.value, Fraction)
    edge = bound.value * SCALES[bound.quantity]
    match bound.operator:
        case "<=":
            good = (have <= floor(edge)) & (have != UNKNOWN)
        case "<":
            good = (have < ceil(edge)) & (have != UNKNOWN)
        case ">=":
            good = have >= ceil(edge)
        case _:
            good = have > floor(edge)
    where: Column = good
    return where
