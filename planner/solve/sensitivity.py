"""What would change an answer: one more of what limits the plan, and a lower price of what it does not rent.

Every figure is what solving the changed plan again gives, not an estimate from duals: on small fleets these mislead.
What there is no time to solve again is omitted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction

from planner.catalog.records import MARKETS
from planner.language.problem import Problem
from planner.language.quantities.outcomes import UNITS
from planner.record import dataclass
from planner.solve import clock
from planner.solve.answer import Answer, LimitMargin, Margins, Moved, PriceMargin
from planner.solve.candidate import Candidate
from planner.solve.rent.rental import any_price
from planner.solve.rent.sharing import amount, instances

MORE = {"cost": Fraction(1), "gpus": Fraction(1), "available": Fraction(1), "power": Fraction(1000)}
"""By so much a bound of the fleet block is loosened: a dollar an hour, a GPU, a kilowatt."""
CENT = 10_000
"""Micro-dollars: prices are looked for in whole cents an hour."""
OFFERS = 3
"""So many offers that are not rented are asked for the price at which they would be."""
TRIES = 14
"""So often a plan is solved again for the price of one offer."""
Again = Callable[[Problem], Answer]
"""Solves a plan again, for its answer alone."""


def margins(problem: Problem, answer: Answer, again: Again) -> Margins | None:
    """Return what would change a proven answer; None for any other. What time does not suffice for is left out."""
    if answer.outcome != "optimal" or answer.models:
        return None
    limits, prices, complete = [], [], True
    try:
        for change in _looser(problem, answer):
            clock.look()
            limit = _loosened(answer, change, again(change.problem))
            if limit is None:
                complete = False
            else:
                limits.append(limit)
        for row in _unrented(problem, answer):
            clock.look()
            price = _entry(problem, answer, row, again)
            if price is not None:
                prices.append(price)
    except clock.OutOfTime:
        complete = False
    return Margins(tuple(limits), tuple(prices), complete)


@dataclass(frozen=True, slots=True)
class Looser:
    """A plan with one limit loosened: its name, what it has and takes, and what it then has."""

    problem: Problem
    rule: str
    unit: str | None
    has: Fraction
    takes: Fraction | None
    more: Fraction


def _looser(problem: Problem, answer: Answer) -> Iterator[Looser]:
    chosen = {item.chosen.workload: item.chosen for item in answer.workloads}
    taken = instances(problem, chosen)
    for offer in problem.offers.limited:
        if offer.available is not None and (offer.id in taken or offer.source == "the plan"):
            more = replace(offer, available=offer.available + 1)
            wider = replace(problem, offers=problem.offers.beside({offer.id: more}))
            has, takes = Fraction(offer.available), Fraction(taken.get(offer.id, 0))
            yield Looser(wider, f"{offer.id}.available", "instances", has, takes, has + 1)
    for place, bound in enumerate(problem.fleet):
        more_of = MORE.get(bound.quantity)
        if more_of is None or bound.operator not in ("<=", "<"):
            continue
        wider_bound = replace(bound, value=bound.value + more_of)
        fleet = (*problem.fleet[:place], wider_bound, *problem.fleet[place + 1 :])
        used = amount(bound, chosen)
        unit = UNITS.get(bound.quantity)
        yield Looser(replace(problem, fleet=fleet), bound.rule, unit, bound.value, used, wider_bound.value)


def _loosened(answer: Answer, change: Looser, now: Answer) -> LimitMargin | None:
    """Return what an answer gains from a looser limit; None where that is not proven."""
    if now.outcome != "optimal":
        return None
    gains = tuple(
        (before.quantity, before.value, after.value, before.unit)
        for before, after in zip(answer.objective, now.objective, strict=True)
        if before.value != after.value or before.penalty != after.penalty
    )
    moved = _moved(answer, now) if gains else ()
    return LimitMargin(change.rule, change.unit, change.has, change.takes, change.more, gains, moved)


def _moved(before: Answer, after: Answer) -> tuple[Moved, ...]:
    """Return the workloads that run otherwise in another answer."""
    was = {item.chosen.workload: item.chosen for item in before.workloads}
    now = {item.chosen.workload: item.chosen for item in after.workloads}
    return tuple(
        Moved(name, was[name], now[name])
        for name in was
        if name in now and (was[name].choice, was[name].copies) != (now[name].choice, now[name].copies)
    )


def _unrented(problem: Problem, answer: Answer) -> list[Candidate]:
    """Return candidates that fit on offers that are not rented, the nearest to being cheaper first; one of each GPU."""
    goal = next(iter(problem.goals), None)
    if goal is None or (goal.quantity, goal.direction) not in (("cost", "minimize"), ("fleet.cost", "minimize")):
        return []
    if any(any_price(problem, item) for item in problem.workloads):
        return []  # a lower price may make a plan infeasible
    rented = {item.chosen.offer for item in answer.workloads}
    own = {item.chosen.workload: item.chosen for item in answer.workloads}
    near: dict[str, tuple[float, Candidate]] = {}
    for stand in answer.hardware:
        row = stand.best
        if row is None or stand.status != "fits" or row.offer in rented or not row.cost or stand.workload not in own:
            continue
        more = _more(answer, own[stand.workload], row)
        share = more / row.cost
        if more >= 0 and (row.gpu not in near or share < near[row.gpu][0]):
            near[row.gpu] = share, row
    ranked = sorted(near.values(), key=lambda pair: (pair[0], pair[1].offer))
    return [row for _, row in ranked[:OFFERS]]


def _more(answer: Answer, chosen: Candidate, row: Candidate) -> int:
    """Return by how much a plan costs more with a candidate where one copy of its workload takes it."""
    if row.together is None or answer.cost is None:
        return row.cost - chosen.cost // chosen.copies
    return row.together - answer.cost


def _entry(problem: Problem, answer: Answer, row: Candidate, again: Again) -> PriceMargin | None:
    """Return the highest price in whole cents at which the plan is cheaper with an offer; None where none is found.

    What the best answer costs never falls when a price rises. So it is below today's up to one price and never above.
    """
    offer, market = problem.offers[row.offer], str(row.choice.get("market", "on_demand"))
    price = offer.price_in(market)
    worth = _worth(answer)
    if price is None or worth is None or offer.available == 0:
        return None
    own = next(item.chosen for item in answer.workloads if item.chosen.workload == row.workload)
    guess = price - _more(answer, own, row) // max(1, row.instances)
    tries = 0
    known: dict[int, Answer] = {}

    def cheaper(cents: int) -> bool | None:
        nonlocal tries
        if cents not in known:
            clock.look()
            tries += 1
            changed = replace(offer, **{MARKETS[market]: cents * CENT})  # type: ignore[arg-type]
            known[cents] = again(replace(problem, offers=problem.offers.beside({offer.id: changed})))
        value = _worth(known[cents]) if known[cents].outcome == "optimal" else None
        return None if value is None or tries > TRIES else value < worth

    low, high = -1, -(-price // CENT)  # cheaper at the first, which is no price yet, and not at the second
    place, step = max(0, min(high - 1, guess // CENT)), 1
    while high - low > 1:
        verdict = cheaper(place)
        if verdict is None:
            return None
        if verdict:
            low = place
            place = min(high - 1, low + step)
        else:
            high = place
            place = max(low + 1, high - step)
        step *= 2
        if low >= 0 and step > high - low:
            place = (low + high) // 2
    if low < 0:
        return None
    now = known[low]
    if now.cost is None or offer.id not in {item.chosen.offer for item in now.workloads}:
        return None
    takers = tuple(item.chosen.workload for item in now.workloads if item.chosen.offer == offer.id)
    return PriceMargin(offer.id, row.gpu, market, price, low * CENT, now.cost, takers)


def _worth(answer: Answer) -> Fraction | None:
    """Return what comes first of an answer: its cost with what broken preferences weigh."""
    part = next(iter(answer.objective), None)
    return None if part is None or part.value is None else part.value + part.penalty
