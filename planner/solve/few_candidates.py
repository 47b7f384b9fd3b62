"""An answer of few candidates, for a plan whose candidates cannot all be enumerated in time.

Workloads whose table is made keep it; of the others only a few GPU types are tried. What comes of it keeps every rule
of the plan and is judged as any answer is. No answer costs less than what every workload pays at least: of a whole
table its cheapest candidate that keeps its own rules, of any other the cheapest GPU that it may rent.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction

from planner.catalog.catalog import Catalog
from planner.catalog.records import MARKETS
from planner.language.defaults import STATED
from planner.language.problem import Problem, Value, Workload
from planner.language.quantities.outcomes import MONEY
from planner.language.schema import BY_KIND
from planner.solve import clock
from planner.solve.answer import Answer
from planner.solve.candidate import TooWide
from planner.solve.choose.choose import choose
from planner.solve.columns.rules import broken_by, fits
from planner.solve.columns.table import Table
from planner.solve.fleet.dominance import least_part
from planner.solve.kinds import first_of, tables_of
from planner.solve.parallelism import SPLIT
from planner.solve.rent.rental import PLACES, offers_listed
from planner.solve.rules import reads, speaks_of

GPU_TYPES = 6
"""So many GPU types are tried of a workload whose table is not made."""
ENOUGH = 40 * 2**30
"""Bytes of a GPU that holds most models of a company with a cache."""

MOST = 0.5
"""A GPU of at least such a part of the largest one's memory is a large one."""
GRACE = 0.8
"""Seconds after a limit, no more than the limit itself, in which such an answer may still be looked for."""


def from_few_candidates(
    problem: Problem, tables: Mapping[str, Table], catalog: Catalog, workers: int, budget: float
) -> Answer | None:
    """Return an answer that keeps every rule, from whole `tables` and few candidates of the other workloads; None where
    none is there in the time that is left. `tables` are by the first workload of each class, `budget` is the limit of
    the whole solve in seconds."""
    grace = min(GRACE, budget)
    asked: dict[str, dict[str, Price]] = {}
    own = {item.name: item for item in problem.workloads}
    with suppress(clock.OutOfTime, TooWide), clock.extended(grace):
        narrow = tuple(_narrowed(problem, item, _prices(problem, item, asked)) for item in problem.workloads)
        with clock.limited(clock.left() - grace / 2):
            some = tables_of(replace(problem, workloads=narrow, others=()), catalog, made=tables)
        partly = {
            name: replace(table, workload=own[name], thorough=False, made_by=None) for name, table in some.items()
        }
        with clock.limited(clock.left() / 2):
            answer_ahead = choose(problem, partly, catalog, 0, clock.left(), workers, brief=True)
        if answer_ahead.outcome in ("optimal", "feasible"):
            parts = tuple(replace(part, bound=None) for part in answer_ahead.objective)
            return replace(
                answer_ahead,
                outcome="feasible",
                objective=parts,
                reproducible=False,
                refusal=None,
                brief=True,
                certificate=None,
            )
    return None


Price = tuple[int | None, int | None]
"""What a GPU costs an hour at least, in micro-dollars, rounded down: where only some are available, and where as many
as are asked for; None where there is no such offer."""


def _prices(problem: Problem, workload: Workload, known: dict[str, dict[str, Price]]) -> dict[str, Price]:
    """Return the prices of GPU types that a workload may rent; `known` are those of workloads that ask for the same."""
    key = repr([workload.domains.get(name) for name in ("gpu", "market", *PLACES)])
    if key not in known:
        clock.look()
        wanted = workload.domains.get("gpu")
        markets = workload.domains.get("market", (STATED[workload.kind]["market"],))
        places = [place for place, way in enumerate(MARKETS) if way in markets]
        prices: dict[str, Price] = {}
        for item in offers_listed(problem, workload):
            sold = [round(usd * 10**6) // max(1, item.gpus) for at in places if (usd := item.usd[at]) is not None]
            if sold and (not wanted or item.gpu in wanted) and item.gpu in problem.gpus:
                both = list(prices.get(item.gpu, (None, None)))
                place = 0 if item.limited else 1
                both[place] = min(sold) if both[place] is None else min(both[place] or 0, *sold)
                prices[item.gpu] = both[0], both[1]
        known[key] = prices
    return known[key]


def _narrowed(problem: Problem, workload: Workload, prices: Mapping[str, Price]) -> Workload:
    """Return a workload that is offered few GPU types: a part of what the plan offers it."""
    gpus = sorted(prices)
    one_stage = _one_stage(workload)
    if len(gpus) <= GPU_TYPES:
        return replace(workload, domains={**workload.domains, **one_stage})
    owned = {name: price for name, (price, _) in prices.items() if price is not None}
    open_ = {name: price for name, (_, price) in prices.items() if price is not None}
    size = {name: problem.gpus[name].memory for name in gpus}
    orders = (
        sorted(owned, key=lambda name: (owned[name], name)),
        sorted(open_, key=lambda name: (open_[name], name)),
        sorted(open_, key=lambda name: (open_[name] / size[name], name)),
        sorted(open_, key=lambda name: (size[name] < ENOUGH, open_[name], name)),
        sorted(owned, key=lambda name: (-size[name], owned[name], name)),
        sorted(open_, key=lambda name: (size[name] < MOST * max(size.values()), open_[name], name)),
    )
    kept = dict.fromkeys(order[0] for order in orders if order)
    for order in orders:
        kept |= dict.fromkeys(order[: max(0, GPU_TYPES - len(kept))])
    return replace(workload, domains={**workload.domains, **one_stage, "gpu": tuple(sorted(kept))})


def _one_stage(workload: Workload) -> dict[str, tuple[Value, ...]]:
    """Return pipelines of one stage alone for a service that leaves its splits open, and of which one GPU may be a
    replica: then nothing else that is chosen follows from how many stages there may be."""
    said = workload.domains.keys() & set(SPLIT)
    alone = Fraction(1) in workload.domains.get("gpus", (Fraction(1),))
    return {"pipeline_parallel": (Fraction(1),)} if "replicas" in BY_KIND[workload.kind] and alone and not said else {}


def least_of(problem: Problem, table: Table) -> int | None:
    """Return the least that a candidate of a table adds to what is paid, in micro-dollars per hour; None where a rule
    reads what its workload pays, of which others may pay a part, or where nothing fits."""
    workload = table.workload
    conditions = [item.condition for item in problem.rules] + [item.condition for item in problem.preferences]
    if any(bound.quantity in MONEY for bound in workload.bounds) or any(
        reads(condition, workload.name) & MONEY for condition in conditions if workload.name in speaks_of(condition)
    ):
        return None
    rows = fits(table, broken_by(table, problem))
    return int(least_part(table, rows, table.slots > 0).min()) if len(rows) else None


def bounded(problem: Problem, answer: Answer, floors: Mapping[str, int | None]) -> Answer:
    """Return an answer with what no other costs less than, where the lowest cost comes first.

    `floors` are what is paid for at least, by the first workload of each class; of others it is the cheapest GPU.
    """
    goal = next(iter(problem.goals), None)
    if goal is None or (goal.quantity, goal.direction) not in (("cost", "minimize"), ("fleet.cost", "minimize")):
        return answer
    first_in, asked = first_of(problem), dict[str, dict[str, Price]]()
    own = {item.name: item for item in problem.workloads}
    least: dict[str, int] = {}
    with suppress(clock.OutOfTime), clock.extended(GRACE / 2):
        for name in set(first_in.values()):
            known = floors.get(name)
            prices = _prices(problem, own[name], asked).values() if known is None else ()
            sold = [price for both in prices for price in both if price is not None]
            least[name] = min(sold, default=0) if known is None else known
    total = sum(least.get(first_in[item.name], 0) * item.copies for item in problem.workloads)
    first, *others = answer.objective
    bound = Fraction(total, 10**6) - first.penalty
    if first.value is not None:
        bound = min(bound, first.value)
    return replace(answer, objective=(replace(first, bound=bound), *others))
