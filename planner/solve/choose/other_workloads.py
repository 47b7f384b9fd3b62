"""The other workloads of an answer as one of them sees them: what they rent, added up by where it is rented.

Where a workload is looked at with all others as they are, only those must be distinguished whose own money something
reads, or that a rule relates to others. Of the rest the sums decide: GPUs and instances of each pool, what they cost,
and what they take of the limits of the plan. So a plan of a thousand workloads is looked at as one of ten.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from planner.language.copies import MARK
from planner.language.problem import Problem
from planner.language.quantities.outcomes import MONEY
from planner.record import dataclass
from planner.solve.candidate import Candidate, times
from planner.solve.objective import goal_value, quantity_of, ties, worst_places
from planner.solve.rent.sharing import pool_of
from planner.solve.rules import reads, speaks_of

OTHERS = f"{MARK}others"
"""Stands behind the name of a workload for its other copies, and before that of a pool for those who rent there."""
RentedAt = tuple[str, str, bool]
"""An offer, the market it is rented on, and whether its instances are shared."""


FEW = 12
"""So many workloads are each distinguished anyway."""


@dataclass(frozen=True, slots=True)
class OtherWorkloads:
    """The workloads of an answer before what they share is paid together, each of so many `copies`.

    `apart` are those that are distinguished; `places` sums of the others, by place and summand; `goals` what each
    of them adds to each goal that is not the cost, and `best` of each goal that is the worst of all the two worst
    of them.
    """

    problem: Problem
    plain: Mapping[str, Candidate]
    copies: Mapping[str, int]
    apart: frozenset[str]
    places: Mapping[RentedAt, Mapping[str, Fraction]]
    goals: Mapping[int, Mapping[str, int]]
    sums: Mapping[int, int]
    worst: Mapping[int, tuple[tuple[int, str], ...]]

    def others(self, name: str) -> dict[str, Candidate]:
        """Return the other workloads, one copy of this one being looked at."""
        out = {owner: times(self.plain[owner], self.copies[owner]) for owner in self.apart if owner != name}
        if self.copies[name] > 1 and name in self.apart:
            out[f"{name}{OTHERS}"] = times(self.plain[name], self.copies[name] - 1)
        mine = self.plain[name]
        own = {} if name in self.apart else _summands(self.problem, mine, 1)
        for place, sums in self.places.items():
            left = sums
            if own and place == _place(mine):
                left = {key: value - own[key] for key, value in sums.items()}
            if left["workloads"]:
                out[f"{OTHERS}{place}"] = _together(self.problem, place, left)
        return out

    def goal_parts(self, name: str) -> list[int | None]:
        """Return what the other workloads add to each goal, None where a share decides it or there are none."""
        out: list[int | None] = []
        for place in range(len(self.problem.goals)):
            if place not in self.goals:
                out.append(None)
            elif place in self.worst:
                shared = self.copies[name] > 1
                left = [value for value, owner in self.worst[place] if owner != name or shared]
                out.append(max(left, default=None))
            else:
                own = self.goals[place][name]
                out.append(self.sums[place] - own)
        return out


def other_workloads(problem: Problem, plain: Mapping[str, Candidate], copies: Mapping[str, int]) -> OtherWorkloads:
    """Return the workloads of an answer, added up where nothing tells them apart."""
    apart = distinguished(problem, plain)
    places: dict[RentedAt, dict[str, Fraction]] = {}
    for name, row in plain.items():
        if name not in apart:
            sums = places.setdefault(_place(row), {})
            for key, value in _summands(problem, row, copies[name]).items():
                sums[key] = sums.get(key, Fraction(0)) + value
    worst = worst_places(problem)
    goals: dict[int, dict[str, int]] = {}
    total: dict[int, int] = {}
    highest: dict[int, tuple[tuple[int, str], ...]] = {}
    for place, goal in enumerate(problem.goals):
        if quantity_of(goal) in MONEY or len(apart) == len(plain):
            continue
        goals[place] = {name: goal_value(row, goal, place in worst) for name, row in plain.items()}
        if place in worst:
            highest[place] = tuple(sorted(((value, name) for name, value in goals[place].items()), reverse=True)[:2])
        else:
            total[place] = sum(value * copies[name] for name, value in goals[place].items())
    return OtherWorkloads(
        problem=problem, plain=plain, copies=copies, apart=apart, places=places, goals=goals, sums=total, worst=highest
    )


def distinguished(problem: Problem, plain: Mapping[str, Candidate]) -> frozenset[str]:
    """Return the workloads of which something reads more than sums: their own money, or a rule over several; all of a
    few."""
    if len(plain) <= FEW:
        return frozenset(plain)
    money = {quantity_of(goal) for goal in (*problem.goals, *ties(problem))} & MONEY
    money |= {bound.quantity for bound in problem.fleet} & MONEY
    if money - {"cost"}:
        return frozenset(plain)
    out = {item.name for item in problem.workloads if any(bound.quantity in MONEY for bound in item.bounds)}
    for condition in [rule.condition for rule in problem.rules] + [wish.condition for wish in problem.preferences]:
        owners = speaks_of(condition)
        out |= {owner for owner in owners if len(owners) > 1 or reads(condition, owner) & MONEY}
    return frozenset(out & plain.keys())


def _place(row: Candidate) -> RentedAt:
    return (*pool_of(row), row.shareable)


def _summands(problem: Problem, row: Candidate, copies: int) -> dict[str, Fraction]:
    """Return what so many copies of a workload add to sums."""
    out = {"workloads": 1, "gpus": row.gpus, "instances": row.instances, "cost": row.cost, "penalty": row.penalty}
    sums = {key: Fraction(value * copies) for key, value in out.items()}
    for bound in problem.fleet:
        if bound.quantity not in out and bound.gpu is None:
            value = row.choice.get(bound.quantity, row.outcomes.get(bound.quantity))
            sums[bound.quantity] = value * copies if isinstance(value, Fraction) else Fraction(0)
    return sums


def _together(problem: Problem, place: RentedAt, sums: Mapping[str, Fraction]) -> Candidate:
    """Return those who rent at a place as one workload: it takes what they take."""
    offer, market, shareable = place
    outcomes: dict[str, Fraction | None] = {key: value for key, value in sums.items() if key not in COUNTED}
    gpu = problem.offers[offer].gpu
    name = f"{OTHERS}{place}"
    numbers = {key: int(sums[key]) for key in COUNTED}
    return Candidate(
        workload=name,
        kind="inference",
        choice={"market": market, "offer": offer},
        gpu=gpu,
        gpus=numbers["gpus"],
        offer=offer,
        instances=numbers["instances"],
        cost=numbers["cost"],
        penalty=numbers["penalty"],
        usable=0,
        total=0,
        parts={},
        sizes={},
        peak_moment=None,
        outcomes=outcomes | {"cost": Fraction(numbers["cost"], 10**6)},
        broken=(),
        shareable=shareable,
    )


COUNTED = ("workloads", "gpus", "instances", "cost", "penalty")
