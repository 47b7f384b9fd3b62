"""Fleets that share a limit: dominance in each workload, then CP-SAT, or the limits that conflict."""

from __future__ import annotations

from dataclasses import dataclass

from planner.language.problem import Goal, Problem
from planner.solve.candidate import Candidate, Conflict
from planner.solve.choose import goal_value
from planner.solve.cpsat import Choice, Limit
from planner.solve.cpsat import choose as cpsat
from planner.solve.limits import Amount, amounts


@dataclass(frozen=True, slots=True)
class Settled:
    """The fleet's choice, the bound of each goal, and whether the proof is complete."""

    picked: dict[str, Candidate]
    bounds: list[int]
    proven: bool


Limits = list[tuple[str, Amount, int]]


def settle(
    problem: Problem,
    ranked: dict[str, list[Candidate]],
    goals: tuple[Goal, ...],
    time_limit: float,
    workers: int,
) -> Settled | tuple[Conflict, ...]:
    """Return the proven choice under all shared limits, or a minimal set of limits that cannot be kept."""
    shared = amounts(problem)
    names = sorted(ranked)
    kept = {name: undominated(ranked[name], goals, shared) for name in names}
    rows = [kept[name] for name in names]
    order = [[[rank for rank, _ in enumerate(group)] for group in rows]]
    table = [[[goal_value(row, goal) for row in group] for group in rows] for goal in goals] + order

    def run(some: Limits, stages: int) -> Choice | None:
        bounds = [
            Limit(rule, tuple(tuple(take(row) for row in group) for group in rows), most) for rule, take, most in some
        ]
        return cpsat(table[:stages], bounds, time_limit, workers)

    choice = run(shared, len(table))
    if choice is None:
        return _conflict(shared, run)
    picked = {name: rows[index][choice.indices[index]] for index, name in enumerate(names)}
    return Settled(picked, list(choice.bounds[: len(problem.goals)]), choice.proven)


def undominated(rows: list[Candidate], goals: tuple[Goal, ...], shared: Limits) -> list[Candidate]:
    """Return the candidates, in rank order, that no earlier one matches with no more of any shared limit."""
    kept: list[tuple[tuple[int, ...], Candidate]] = []
    for row in rows:
        use = (*(goal_value(row, goal) for goal in goals), *(take(row) for _, take, _ in shared))
        if not any(all(a <= b for a, b in zip(other, use, strict=True)) for other, _ in kept):
            kept.append((use, row))
    return [row for _, row in kept]


def _conflict(shared: Limits, run: object) -> tuple[Conflict, ...]:
    assert callable(run)
    kept = list(shared)
    for limit in list(kept):
        without = [item for item in kept if item is not limit]
        if run(without, 1) is None:
            kept = without
    out = []
    for limit in kept:
        from fractions import Fraction

        scale = 1_000_000 if limit[0] == "fleet.cost" else 1
        out.append(Conflict(limit[0], None, Fraction(limit[2], scale)))
    return tuple(out)
