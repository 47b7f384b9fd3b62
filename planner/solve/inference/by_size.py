"""A configuration that serves requests of several sizes: what it is for each of them, and for all it serves at once.

Every request size is judged as if all of a replica's places held it. Their mix is then no worse: a step reads the cache
of all sequences and its time is a maximum of sums over them, so that it is at most the mean of the steps that sizes
alone would have; the busy time of a replica is at most the sum of what each size alone would need of it. A first token
waits behind prompts no longer than the longest that the configuration serves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from math import ceil, floor, log, sqrt

from planner.catalog.catalog import Catalog
from planner.language.copies import block_of
from planner.language.problem import SLICES, Bound, Bucket, Problem, Value, Workload
from planner.physics import serving_time
from planner.record import dataclass
from planner.solve.candidate import EXPECTED, Broken, Candidate, Outcome
from planner.solve.columns.steps import SCALES
from planner.solve.inference.judge import judge_service
from planner.solve.inference.speed import LATE
from planner.solve.inference.workload import service
from planner.solve.judging import Unknown, count
from planner.solve.needs import need
from planner.solve.parallelism import Fault
from planner.solve.rules import broken_bounds
from planner.solve.stated import one_of

WHOLE = 10**9
"""Parts of a replica's time in which loads are counted, each rounded up."""
FIRST = ("ttft", "ttft_p95")
"""The outcomes of first tokens, which wait for a place."""
TOGETHER = frozenset((*FIRST, "load", "cost"))
"""The outcomes that follow from all that a configuration serves, or from the whole mix."""
APART = ("tpot_p95", "cost_per_input_token", "cost_per_output_token")
"""The outcomes that are not known of a mix of sizes."""
ENDS = ("", EXPECTED)
LADDER = (8, 16, 32, 64, 128, 256)
"""How many sequences a replica may run at once where the plan does not say."""


@dataclass(frozen=True, slots=True)
class SizeTimes:
    """What of a request size at one end of its times decides the first tokens of all that share a replica with it: its
    seconds to the first token and their 95th percentile, per output token, and of a whole request."""

    ttft: Fraction
    ttft_p95: Fraction
    tpot: Fraction
    served: Fraction


def at_size(workload: Workload, bucket: Bucket, concurrency: int, replicas: int = 1) -> Workload:
    """Return a service as it is for one request size, on replicas that run so many sequences at once."""
    given: dict[str, Value] = {
        **workload.given,
        "context": Fraction(bucket.context),
        "prompt": Fraction(bucket.prompt),
        "output": Fraction(bucket.output),
        "concurrency": Fraction(concurrency),
    }
    given.setdefault("max_sequences", Fraction(concurrency))
    domains = {"pipeline_parallel": (Fraction(1),), **workload.domains, "replicas": (Fraction(replicas),)}
    bounds = tuple(bound for bound in workload.bounds if bound.quantity not in TOGETHER)
    return replace(workload, given=given, domains=domains, bounds=bounds, traffic=())


def ladder(workload: Workload) -> tuple[int, ...]:
    """Return how many sequences at once are tried on each replica."""
    said = workload.given.get("concurrency")
    if isinstance(said, Fraction):
        return (int(said),)
    most = workload.given.get("max_sequences")
    return tuple(count for count in LADDER if not isinstance(most, Fraction) or count <= most) or (LADDER[0],)


def offered_as(workload: Workload, choice: Mapping[str, Value]) -> Workload:
    """Return a part of a mix as a service of its largest requests, with the replicas of a choice: what the search
    leaves to a configuration."""
    largest = max(workload.traffic, key=lambda item: (item.context, item.prompt))
    return at_size(workload, largest, count(choice, "concurrency"), count(choice, "replicas"))


def not_tried(workload: Workload, choice: Mapping[str, Value]) -> Iterator[Fault]:
    """Yield a fault where a choice runs another number of sequences at once than is tried."""
    value = choice.get("concurrency")
    if not isinstance(value, Fraction) or value.denominator != 1:
        yield Fault("concurrency", need("whole_number"), value if isinstance(value, Fraction) else str(value))
    else:
        yield from one_of("concurrency", int(value), ladder(workload))


def given_of_part(workload: Workload, concurrency: int) -> dict[str, Value]:
    """Return what a part of a mix is given that its block does not say: the longest of what it serves, and how many
    sequences its engine runs at once."""
    traffic = workload.traffic
    longest = {
        "context": Fraction(max(item.context for item in traffic)),
        "prompt": Fraction(max(item.prompt for item in traffic)),
        "output": Fraction(max(item.output for item in traffic)),
        "concurrency": Fraction(concurrency),
    }
    return {"max_sequences": workload.given.get("max_sequences", Fraction(concurrency)), **longest}


def weight(bucket: Bucket, throughput: Fraction) -> int:
    """Return what a slice of a request size takes of a replica that generates so many tokens a second of it alone, in
    parts of WHOLE, rounded up."""
    return ceil(bucket.rate * bucket.output * WHOLE / (SLICES * throughput))


def most_load(workload: Workload) -> int:
    """Return how busy each replica may be, in parts of WHOLE."""
    most = WHOLE
    for bound in workload.bounds:
        if bound.quantity == "load" and isinstance(bound.value, Fraction):
            least = ceil(bound.value * WHOLE) - 1 if bound.operator == "<" else floor(bound.value * WHOLE)
            most = min(most, least)
    return max(0, most)


def first_tokens(
    sizes: Sequence[SizeTimes], places: int, load: Fraction, burstiness: Fraction, steps: float, late: float
) -> tuple[Fraction | None, Fraction | None]:
    """Return the mean seconds to the first token of any of some sizes on one replica, and their 95th percentile; None
    where a replica is so busy that requests wait without end.

    `late` is what times of first tokens at this end are of the expected ones, `steps` how many of the others' tokens a
    first one waits for. The wait for one of the `places` is that of Sakasegawa's queue (planner.solve.inference.speed)
    whose service times are all those of the slowest size, which is no shorter.
    """
    if load >= 1 or not sizes:
        return None, None
    apart = float(max(item.tpot for item in sizes) - min(item.tpot for item in sizes)) * steps * late
    busy, slowest = float(load), float(max(item.served for item in sizes))
    some = busy ** (sqrt(2 * (places + 1)) - 1)
    each = slowest / places * (1 + max(1.0, float(burstiness))) / 2 / (1 - busy)
    mean = float(max(item.ttft for item in sizes)) + apart + some * each
    p95 = float(max(item.ttft_p95 for item in sizes)) + apart * log(1 / LATE) + each * log(max(1.0, some / LATE))
    return _up("ttft", mean), _up("ttft_p95", p95)


def _up(quantity: str, seconds: float) -> Fraction:
    return Fraction(ceil(seconds * SCALES[quantity]), SCALES[quantity])


def steps_of(problem: Problem, workload: Workload, catalog: Catalog) -> float:
    """Return how many of the others' tokens a first token waits for, as the engine has it."""
    engine = str(workload.given["engine"])
    between = serving_time.between(problem.engines.get(engine) or catalog.engines[engine])
    return float(between.steps)


def times_of(row: Candidate, bucket: Bucket, ending: str) -> SizeTimes | None:
    """Return the times of a size on one replica at one end; None where they are not known."""
    values = [row.outcomes.get(f"{name}{ending}") for name in ("ttft", "ttft_p95", "tpot", "throughput")]
    concurrency = count(row.choice, "concurrency")
    if any(value is None or value <= 0 for value in values):
        return None
    ttft, ttft_p95, tpot, throughput = (value for value in values if value is not None)
    return SizeTimes(ttft, ttft_p95, tpot, concurrency * bucket.output / throughput)


def judge_part(problem: Problem, workload: Workload, choice: Mapping[str, Value], catalog: Catalog) -> Candidate:
    """Return a part of a mix as a candidate: a configuration, its replicas, and the traffic that it serves of each
    size."""
    concurrency, replicas = count(choice, "concurrency"), count(choice, "replicas")
    if concurrency not in ladder(workload) or not workload.traffic:
        raise Unknown("no such configuration is tried")
    rows: list[Candidate] = []
    one = {**choice, "replicas": Fraction(1)}
    for bucket in workload.traffic:
        alone = at_size(workload, bucket, concurrency)
        rows.append(judge_service(problem, service(problem, alone, catalog), one))
    fullest = max(range(len(rows)), key=lambda place: rows[place].total)
    largest = at_size(workload, workload.traffic[fullest], concurrency, replicas)
    whole = judge_service(problem, service(problem, largest, catalog), choice)
    outcomes: dict[str, Outcome] = dict(whole.outcomes)
    outcomes |= {f"{name}{ending}": None for name in APART for ending in ENDS}
    steps = steps_of(problem, workload, catalog)
    burstiness = workload.given["burstiness"]
    assert isinstance(burstiness, Fraction)
    for ending in ENDS:
        outcomes |= {
            f"{name}{ending}": value
            for name, value in _of_all(rows, workload.traffic, replicas, concurrency, burstiness, steps, ending).items()
        }
    tokens = outcomes.get("throughput"), outcomes.get(f"throughput{EXPECTED}")
    for ending, rate in zip(ENDS, tokens, strict=True):
        scale = SCALES["cost_per_token"]
        cost = Fraction(whole.cost, 3_600_000_000)
        outcomes[f"cost_per_token{ending}"] = Fraction(round(cost / rate * scale), scale) if rate else None
    broken = {item.rule: item for row in (whole, *rows) for item in row.broken}
    limits = replace(workload, bounds=tuple(_of_a_part(workload.bounds)))
    broken |= {item.rule: item for item in broken_bounds(limits, whole.choice, outcomes)}
    load = outcomes["load"]
    if load is None or load > Fraction(most_load(workload), WHOLE):
        rule = f"{block_of(workload.name)}.load"
        broken.setdefault(rule, Broken(rule, load, Fraction(most_load(workload), WHOLE)))
    return replace(
        whole,
        outcomes=outcomes,
        broken=tuple(broken.values()),
        given=whole.given | given_of_part(workload, concurrency),
        traffic=workload.traffic,
    )


def _of_a_part(bounds: Iterable[Bound]) -> Iterable[Bound]:
    """Yield the bounds that are held against what a part serves altogether; the load has an end of its own."""
    return (bound for bound in bounds if bound.quantity in FIRST)


def _of_all(
    rows: Sequence[Candidate],
    traffic: Sequence[Bucket],
    replicas: int,
    concurrency: int,
    burstiness: Fraction,
    steps: float,
    ending: str,
) -> dict[str, Outcome]:
    """Return what follows from all sizes that a part serves, at one end of their times: `rows` are those of one replica
    with each of them alone."""
    names = ("tpot", "ttft", "ttft_p95", "load", "throughput")
    sizes = [times_of(row, bucket, ending) for row, bucket in zip(rows, traffic, strict=True)]
    known = [item for item in sizes if item is not None]
    if len(known) < len(sizes):
        return dict.fromkeys(names)
    taken = sum(
        item.slices * weight(item, Fraction(row.outcomes[f"throughput{ending}"] or 0))
        for row, item in zip(rows, traffic, strict=True)
    )
    load = Fraction(-(-taken // replicas), WHOLE)
    tokens = sum((item.rate * item.slices / SLICES * item.output for item in traffic), Fraction(0))
    ttft, ttft_p95 = first_tokens(known, concurrency, load, burstiness, steps, late_of(rows) if not ending else 1.0)
    scale = SCALES["throughput"]
    return {
        "tpot": max(item.tpot for item in known),
        "ttft": ttft,
        "ttft_p95": ttft_p95,
        "load": load,
        "throughput": Fraction(floor(tokens / load * scale), scale) if load else None,
    }


def late_of(rows: Iterable[Candidate]) -> float:
    """Return the most that the safe end of a first token's time is of the expected one."""
    pairs = ((row.outcomes.get("ttft"), row.outcomes.get(f"ttft{EXPECTED}")) for row in rows)
    return max((float(safe / expected) for safe, expected in pairs if safe and expected), default=1.0)
