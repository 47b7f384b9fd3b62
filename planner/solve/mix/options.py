"""The configurations of a mix, from the tables of each request size: what each may serve, and what it takes of it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from planner.catalog.catalog import Catalog
from planner.catalog.records import Offer
from planner.language.problem import SLICES, Bound, Bucket, Problem, Value, Workload
from planner.record import dataclass
from planner.solve import clock
from planner.solve.candidate import EXPECTED
from planner.solve.columns.rules import broken_by, fits
from planner.solve.columns.steps import SCALES
from planner.solve.columns.table import Table
from planner.solve.fleet.audit import Contradiction
from planner.solve.inference.by_size import (
    FIRST,
    WHOLE,
    SizeTimes,
    at_size,
    first_tokens,
    ladder,
    most_load,
    steps_of,
    weight,
)
from planner.solve.inference.table import table
from planner.solve.mix.model import MixOption, MixTask
from planner.solve.rent.rental import MOST_SOLD_SINGLY
from planner.solve.rules import satisfied

if TYPE_CHECKING:
    from planner.solve.columns.table import Column


@dataclass(frozen=True, slots=True)
class Enumerated:
    """The task of a mix, the choice of each of its options, and how many candidates were looked at. `nearest` are the
    fewest seconds in which any configuration that takes prompts up to a length begins to answer them, with the wait,
    where one outcome is bounded so. It is not `complete` where half of the time did not suffice for every
    number of sequences at once."""

    task: MixTask
    choices: tuple[Mapping[str, Value], ...]
    considered: int
    nearest: Mapping[int, Fraction]
    complete: bool = True


USUAL = 40
"""What is tried first where time may not suffice for all: numbers of sequences at once that are near to this."""


def enumerated(problem: Problem, workload: Workload, catalog: Catalog) -> Enumerated:
    """Return all configurations that can serve some of a service's traffic."""
    options: list[MixOption] = []
    choices: list[Mapping[str, Value]] = []
    considered = 0
    nearest: dict[int, Fraction] = {}
    burstiness = workload.given["burstiness"]
    assert isinstance(burstiness, Fraction)
    start, complete = clock.left(), True
    for concurrency in sorted(ladder(workload), key=lambda count: abs(count - USUAL)):
        if options and clock.left() < start / 2:
            complete = False
            break
        waiting = _Waiting(
            tuple(bound for bound in workload.bounds if bound.quantity in FIRST),
            concurrency,
            Fraction(most_load(workload), WHOLE),
            burstiness,
            steps_of(problem, workload, catalog),
            nearest,
        )
        sizes = [_sized(problem, workload, bucket, concurrency, catalog) for bucket in workload.traffic]
        considered += sum(size.table.rows for size in sizes)
        if any(not _alike(sizes[0].table, size.table) for size in sizes):
            raise Contradiction("the configurations of a service differ between its request sizes")
        for row in clock.watched(range(sizes[0].table.rows), 20):
            served = _served(workload, sizes, row, waiting)
            if all(one is None for one in served):
                continue
            choice = {**sizes[0].table.choice(row), "concurrency": Fraction(concurrency)}
            option = _option(problem, sizes[0].table, row, concurrency, served)
            if option is not None:
                options.append(option)
                choices.append(choice)
    stocks = sorted({str(option.stock) for option in options})
    limits = {offer: problem.offers[offer].available for offer in stocks}
    available: dict[Hashable, int] = {offer: limit for offer, limit in limits.items() if limit is not None}
    task = MixTask(tuple(options), len(workload.traffic), SLICES, most_load(workload), available)
    return Enumerated(task, tuple(choices), considered, nearest, complete)


@dataclass(frozen=True, slots=True)
class _Size:
    """The table of a request size, which of its rows may serve it, and what their times are."""

    bucket: Bucket
    table: Table
    fits: Column
    columns: Mapping[str, Column]


TIMES = ("ttft", "ttft_p95", "tpot", "throughput")


def _alike(first: Table, other: Table) -> bool:
    """Return whether two tables have the same configurations in the same order."""
    import numpy

    return (
        first.rows == other.rows
        and first.axes.keys() == other.axes.keys()
        and all(
            first.axes[name].values == other.axes[name].values
            and numpy.array_equal(first.axes[name].index, other.axes[name].index)
            for name in first.axes
        )
    )


def _sized(problem: Problem, workload: Workload, bucket: Bucket, concurrency: int, catalog: Catalog) -> _Size:
    import numpy

    clock.look()
    alone = at_size(workload, bucket, concurrency)
    rows = table(problem, alone, catalog)
    fitting = numpy.zeros(rows.rows, dtype=bool)
    columns: dict[str, Column] = {}
    if rows.rows:
        fitting[fits(rows, broken_by(rows, problem))] = True
        columns = {f"{name}{end}": rows.outcome(f"{name}{end}") for name in TIMES for end in ("", EXPECTED)}
        fitting &= (columns["throughput"] > 0) & (columns["tpot"] > 0) & (columns["ttft"] > 0)
    return _Size(bucket, rows, fitting, columns)


def _served(workload: Workload, sizes: Sequence[_Size], row: int, waiting: _Waiting) -> tuple[int | None, ...]:
    """Return what a slice of each size takes of a replica of a configuration, None where it does not serve it.

    With a bound on first tokens a configuration takes prompts up to a length, the longest with which the bound holds
    for all that it may take.
    """
    able = [place for place, size in enumerate(sizes) if size.fits[row]]
    if waiting.bounds:
        able = waiting.in_time(sizes, row, able)
    out: list[int | None] = [None] * len(sizes)
    for place in able:
        tokens = Fraction(int(sizes[place].columns["throughput"][row]), SCALES["throughput"])
        taken = weight(sizes[place].bucket, tokens)
        if taken <= most_load(workload) * MOST_REPLICAS:
            out[place] = taken
    return tuple(out)


MOST_REPLICAS = 10**6
"""So many replicas for a slice of one size are more than are built."""
SPARE = Fraction(1, 10**6)
"""By so many seconds a bound on first tokens is kept, so that no rounding breaks it."""


@dataclass(slots=True)
class _Waiting:
    """What first tokens wait for on a replica with so many `places`, as busy as the plan lets it be: `steps` of the
    others' tokens. `nearest` keeps the fewest seconds of any configuration by the longest prompt that it takes."""

    bounds: tuple[Bound, ...]
    places: int
    load: Fraction
    burstiness: Fraction
    steps: float
    nearest: dict[int, Fraction]

    def in_time(self, sizes: Sequence[_Size], row: int, able: Sequence[int]) -> list[int]:
        """Return the sizes that a configuration takes of those it is able to serve."""
        for longest in sorted({sizes[place].bucket.prompt for place in able}, reverse=True):
            kept = [place for place in able if sizes[place].bucket.prompt <= longest]
            times = [_times(sizes[place], row, self.places) for place in kept]
            late = max(
                float(sizes[place].columns["ttft"][row]) / float(sizes[place].columns[f"ttft{EXPECTED}"][row])
                for place in kept
            )
            mean, p95 = first_tokens(times, self.places, self.load, self.burstiness, self.steps, late)
            if mean is None or p95 is None:
                return []
            have = {"ttft": mean + SPARE, "ttft_p95": p95 + SPARE}
            if len(self.bounds) == 1:
                own = have[self.bounds[0].quantity]
                self.nearest[longest] = min(own, self.nearest.get(longest, own))
            if all(satisfied(bound, have[bound.quantity]) for bound in self.bounds):
                return kept
        return []


def _times(size: _Size, row: int, concurrency: int) -> SizeTimes:
    ttft, ttft_p95, tpot, throughput = (Fraction(int(size.columns[name][row]), SCALES[name]) for name in TIMES)
    return SizeTimes(ttft, ttft_p95, tpot, concurrency * size.bucket.output / throughput)


def _option(
    problem: Problem, rows: Table, row: int, concurrency: int, served: tuple[int | None, ...]
) -> MixOption | None:
    """Return a configuration as the model has it; None where its offer has not one instance for it."""
    offer_id, market = rows.pools[int(rows.pool[row])]
    offer = problem.offers[offer_id]
    price = offer.price_in(market)
    if price is None:
        return None
    gpus = int(rows.gpus[row])
    held, units = _instance(offer, gpus)
    if not held or (offer.available is not None and units > offer.available):
        return None
    name = f"{rows.name(row)};concurrency={concurrency:08d}"
    share = gpus if units == 1 < held and gpus & (gpus - 1) == 0 and offer.gpus % gpus == 0 else 0
    pool = offer_id, market
    return MixOption(
        name=name,
        pool=pool,
        stock=offer_id,
        price=price * units,
        replicas=held,
        gpus=units * max(1, offer.gpus),
        units=units,
        share=share,
        each=gpus,
        weights=served,
    )


def _instance(offer: Offer, gpus: int) -> tuple[int, int]:
    """Return how many replicas of so many GPUs one rented unit holds, and of how many instances it is: GPUs that are
    sold one by one are rented for each replica."""
    if offer.sold_by == "gpu":
        each = max(1, offer.gpus)
        most = max(MOST_SOLD_SINGLY, each)
        return (1, gpus // each) if gpus <= most and gpus % each == 0 else (0, 0)
    return offer.gpus // gpus, 1
