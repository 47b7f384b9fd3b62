"""An objective's value for chosen candidates: for who has an answer and wants its figures, without a table."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from planner.language.problem import Goal, Problem
from planner.language.quantities.outcomes import UNITS
from planner.solve.answer import ObjectivePart
from planner.solve.candidate import Candidate
from planner.solve.fleet.audit import goal_values
from planner.solve.objective import HUGE, is_worst, quantity_of, scale_of
from planner.solve.rules import holds_together, speaks_of


def penalty_of(problem: Problem, chosen: Mapping[str, Candidate]) -> int:
    """Return what the preferences that an answer does not satisfy add to its cost, in micro-dollars per hour."""
    out = 0
    for wish in problem.preferences:
        if not holds_together(wish.condition, problem, chosen):
            owners = speaks_of(wish.condition)
            out += wish.worth * (chosen[next(iter(owners))].copies if len(owners) == 1 else 1)
    return out


def part(goal: Goal, value: int, bound: int, problem: Problem, penalty: int) -> ObjectivePart:
    """Return a goal's value and bound in canonical units; of the cost, what broken preferences add stands apart.

    What nobody knows of a workload has no value.
    """
    scale = scale_of(goal) * (1 if goal.direction == "minimize" else -1)
    unit = UNITS.get(quantity_of(goal), "1")
    over = "worst" if is_worst(goal, problem) else "sum"
    if value >= HUGE:
        return ObjectivePart(goal.quantity, goal.direction, None, None, unit, over)
    paid = penalty if goal.quantity == "cost" and goal.direction == "minimize" else 0
    share = Fraction(value - paid, scale)
    proven = None if bound <= -(2**61) else Fraction(bound - paid, scale)  # time ran out before any was
    return ObjectivePart(goal.quantity, goal.direction, share, proven, unit, over, Fraction(paid, scale))


def objective_of(problem: Problem, chosen: Mapping[str, Candidate]) -> tuple[ObjectivePart, ...]:
    """Return the parts of the objective with their values, each its own bound; None where nobody knows a figure."""
    penalty = penalty_of(problem, chosen)
    values = goal_values(problem, chosen)
    return tuple(part(goal, value, value, problem, penalty) for goal, value in zip(problem.goals, values, strict=True))
