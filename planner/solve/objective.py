"""An objective's value for chosen candidates: for whoever has an answer and wants its figures, without a table."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from planner.language.problem import Problem
from planner.solve.candidate import Candidate, Part
from planner.solve.ranking import HUGE, UNITS, goal_value, is_worst, quantity_of, scale_of, together
from planner.solve.rules import holds_together


def penalty_of(problem: Problem, chosen: Mapping[str, Candidate]) -> int:
    """Return what the preferences that an answer does not keep add to its cost, in micro-dollars per hour."""
    return sum(wish.worth for wish in problem.preferences if not holds_together(wish.condition, problem, chosen))


def objective_of(problem: Problem, chosen: Mapping[str, Candidate]) -> tuple[Part, ...]:
    """Return the parts of the objective with their values, each its own bound; None where nobody knows a figure.

    What preferences add to a cost that is minimized is told apart from it.
    """
    penalty = penalty_of(problem, chosen)
    own = sum(row.penalty for row in chosen.values())
    out = []
    for goal in problem.goals:
        worst = is_worst(goal, len(chosen))
        steps = together((goal_value(row, goal, worst) for row in chosen.values()), worst)
        if goal.quantity in ("cost", "fleet.cost") and goal.direction == "minimize":
            steps += penalty - own  # of preferences over several workloads; each one's own are in its figures
        unit, over = UNITS.get(quantity_of(goal), "1"), "worst" if worst else "sum"
        if steps >= HUGE:
            out.append(Part(goal.quantity, goal.direction, None, None, unit, over))
            continue
        paid = 0
        if goal.quantity == "cost" and goal.direction == "minimize":
            steps, paid = steps - penalty, penalty
        scale = scale_of(goal) * (1 if goal.direction == "minimize" else -1)
        value = Fraction(steps, scale)
        out.append(Part(goal.quantity, goal.direction, value, value, unit, over, Fraction(paid, scale)))
    return tuple(out)
