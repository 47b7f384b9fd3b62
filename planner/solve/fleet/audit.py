"""The answer checked again, apart from the model: every rule and goal from the judged candidates, in exact integers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from planner.language.problem import Problem
from planner.solve.candidate import Candidate
from planner.solve.objective import goal_value, is_worst, together
from planner.solve.rent.sharing import broken_together
from planner.solve.rules import holds_together, speaks_of


class Contradiction(RuntimeError):
    """Two ways to the same answer differ: a fault of the program, so that nothing is called proven."""


def audit(problem: Problem, chosen: Mapping[str, Candidate], values: Sequence[int]) -> None:
    """Raise Contradiction where an answer breaks a rule, or a goal is not what the model made of it (in steps)."""
    for name, row in chosen.items():
        if row.broken:
            raise Contradiction(f"the choice for `{name}` breaks {_named(item.rule for item in row.broken)}")
    broken = broken_together(problem, chosen)
    if broken:
        raise Contradiction(f"the choices together break {_named(item.rule for item in broken)}")
    for goal, value, recomputed in zip(problem.goals, values, goal_values(problem, chosen), strict=True):
        if recomputed != value:
            raise Contradiction(f"{goal.quantity} is {value} in the model and {recomputed} in the answer")


def goal_values(problem: Problem, chosen: Mapping[str, Candidate]) -> list[int]:
    """Return the value of each goal of an answer, in steps; broken preferences count where the cost is minimised."""
    out = []
    for goal in problem.goals:
        worst = is_worst(goal, problem)
        value = together((goal_value(row, goal, worst) for row in chosen.values()), worst)
        if goal.quantity in ("cost", "fleet.cost") and goal.direction == "minimize":
            value += sum(
                wish.worth
                for wish in problem.preferences
                if len(speaks_of(wish.condition)) != 1 and not holds_together(wish.condition, problem, chosen)
            )
        out.append(value)
    return out


def witness(row_of: Mapping[str, int], plain: Mapping[str, int]) -> None:
    """Raise Contradiction where the model's rows are not those that a plain minimum over each table finds."""
    for name in row_of:
        if row_of[name] != plain[name]:
            raise Contradiction(f"the model and the minimum over all candidates choose differently for `{name}`")


def _named(rules: Iterable[str]) -> str:
    return ", ".join(f"`{rule}`" for rule in rules)
