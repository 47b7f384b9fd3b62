"""A locked choice computed again, without a solver: by today's rows, and by what the lock itself recorded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from math import isfinite
from typing import Any

from planner.catalog.catalog import Catalog
from planner.language.defaults import JUDGED
from planner.language.problem import Problem, Value, Workload
from planner.language.schema import BY_KIND, FROM_OFFER
from planner.lock.figures import FigureDifference, answer_of, differences, with_certificate
from planner.lock.lock import stated
from planner.lock.read import Lock
from planner.lock.rows import PRICES, rebuilt
from planner.solve.candidate import Candidate, ruled_outcomes, times
from planner.solve.columns.steps import SCALES
from planner.solve.defaults import LAYERS, NATIVE, SPARSE, given_of
from planner.solve.rent.sharing import allocate_costs
from planner.solve.rules import broken_rules

FOLLOWED = JUDGED | {NATIVE, LAYERS, SPARSE}
"""What is given that follows from a catalog's row."""


def value(written: Any) -> Value:
    """Return a value of a lock as the language has it."""
    if isinstance(written, int) and not isinstance(written, bool):
        return Fraction(written)
    if isinstance(written, float) and isfinite(written):
        return Fraction(str(written))
    return written if isinstance(written, str | bool) else str(written)


def recompute(problem: Problem, workload: Workload, choice: dict[str, Any], catalog: Catalog) -> Candidate | None:
    """Return the candidate of a choice with what it costs and breaks now, None where it can no longer be had."""
    from planner.solve.judging import Unknown
    from planner.solve.kinds import judge

    try:
        return times(judge(problem, workload, _decided(workload, choice), catalog), workload.copies)
    except (Unknown, KeyError, ValueError, ZeroDivisionError):
        return None


def _decided(workload: Workload, choice: Mapping[str, Any]) -> dict[str, Value]:
    names = BY_KIND[workload.kind]
    return {key: value(written) for key, written in choice.items() if key in names and key not in FROM_OFFER}


def with_recorded_offers(problem: Problem, lock: Lock) -> Problem:
    """Return a problem that also has the offers that a lock recorded and no catalog has any more."""
    more = {}
    for row in lock.workloads.values():
        choice = row["choice"]
        key = str(choice.get("offer"))
        recorded = lock.used.get("offers", {}).get(key)
        if recorded is not None and problem.offers.get(key) is None:
            offer = rebuilt(key, recorded, str(choice.get("provider")), str(choice.get("region")))
            if offer is not None:
                more[key] = offer
    return replace(problem, offers=problem.offers.beside(more)) if more else problem


def contradictions(problem: Problem, lock: Lock) -> Iterator[FigureDifference]:
    """Yield what of a lock does not follow from what else it says, whatever rows and formulas are today.

    Sums of memory, headroom, costs by the recorded price, and the objective. What the plan and the catalogs have to do
    with it (digests, rows) is reported separately.
    """
    rows = {item.name: _recorded(problem, item, lock) for item in problem.workloads}
    if any(row is None for row in rows.values()):
        return
    settled = allocate_costs(problem, {name: row for name, row in rows.items() if row is not None})
    right = with_certificate(stated(answer_of(problem, lock, settled)), lock)
    if lock.format == 1:
        right["proof"] = lock.document.get("proof")  # with how many candidates were looked at
    digits = 9 if lock.format == 1 else 15
    for item in differences({key: says for key, says in lock.document.items() if key not in ELSEWHERE}, right):
        if item.place[-1] not in FROM_OFFER and not _rounded(item.says, item.right, digits):
            yield item


ELSEWHERE = frozenset({"schema", "planner", "plan", "imports", "catalogs", "used"})
"""Parts of a lock that do not follow from its figures."""


def _rounded(says: Any, right: Any, digits: int) -> bool:
    numbers = all(isinstance(item, int | float) and not isinstance(item, bool) for item in (says, right))
    return numbers and abs(says - right) <= 1.5 * 10**-digits


def _recorded(problem: Problem, workload: Workload, lock: Lock) -> Candidate | None:
    """Return a candidate with the figures that a lock recorded; None where they are none.

    What is summed or divided is made anew of what it is made of: the total of its parts, the headroom of the total,
    the cost of the recorded price.
    """
    from planner.solve.judging import headroom

    row = lock.workloads[workload.name]
    choice = {key: value(written) for key, written in row["choice"].items()}
    gpus, offer, parts = choice.get("gpus"), str(choice.get("offer")), row["memory"]["parts"]
    if not isinstance(gpus, Fraction) or not all(type(size) is int for size in parts.values()):
        return None
    total, usable = sum(parts.values()), row["memory"]["usable"]
    cost = _cost(row, lock.used.get("offers", {}).get(offer, {}), str(choice.get("market")))
    outcomes: dict[str, Fraction | None] = {}
    for name, written in row["outcomes"].items():
        figure = value(written)
        outcomes[name] = figure if isinstance(figure, Fraction) else None
    outcomes = ruled_outcomes(outcomes) | {"memory": Fraction(total), "cost": Fraction(cost, SCALES["cost"])}
    if usable > 0:
        outcomes["headroom"] = headroom(total, usable)
    _, penalty = broken_rules(problem, workload, choice, outcomes)
    candidate = Candidate(
        workload=workload.name,
        kind=workload.kind,
        choice=choice,
        gpu=str(choice.get("gpu")),
        gpus=int(gpus),
        offer=offer,
        instances=row["instances"],
        cost=cost,
        penalty=penalty,
        usable=usable,
        total=total,
        parts=parts,
        sizes=parts,
        peak_moment=row["memory"].get("peak_moment"),
        outcomes=outcomes,
        broken=(),
        given=_given(workload, row, lock),
        traffic=workload.traffic,
    )
    return times(candidate, workload.copies)


def _given(workload: Workload, row: Mapping[str, Any], lock: Lock) -> dict[str, Value]:
    """Return what is given, of the settings that a lock recorded: as the plan says it, or as it is recorded where that
    follows from a catalog or belongs to another release. Nothing where the lock's format did not have it.
    """
    recorded = row.get("given")
    if lock.format < 3 or not isinstance(recorded, dict):
        return {}
    said = given_of(workload, {})
    concurrency = value(row["choice"].get("concurrency"))
    if workload.traffic and isinstance(concurrency, Fraction):
        from planner.solve.inference.by_size import given_of_part

        said |= given_of_part(workload, int(concurrency))
    return {
        name: said[name] if name in said and (name not in FOLLOWED or name in workload.said) else value(written)
        for name, written in recorded.items()
    }


def _cost(row: Mapping[str, Any], recorded: Mapping[str, Any], market: str) -> int:
    """Return what the instances of one workload cost by the price that a lock recorded, its own figure without one."""
    price = recorded.get(PRICES.get(market, ""))
    if isinstance(price, bool) or not isinstance(price, int | float) or not isfinite(price):
        own: int = row["cost_micro_usd_per_hour"]
        return own // int(row.get("copies", 1))
    return round(Fraction(str(price)) * 10**6) * int(row["instances"])
