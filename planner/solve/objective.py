"""The order of candidates: the objective as written, then the tie-breaks, then the alphabet.

Tie-breaks are, in this order: lower cost (where all workloads are trainings that say `tokens`: lower total cost, then
shorter duration), fewer rented GPUs, higher quality, faster, fewer used GPUs, more headroom. Over several workloads
they are sums; the time of each workload counts by itself, in the order of their names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from planner.language.copies import block_of
from planner.language.declared.fields import FIELDS_BY_KIND
from planner.language.problem import Goal, Problem, by_run
from planner.language.quantities.outcomes import RENT
from planner.language.schema import BY_KIND
from planner.record import dataclass
from planner.solve.candidate import Candidate, aimed
from planner.solve.columns.rules import penalties
from planner.solve.columns.steps import SCALES, UNKNOWN
from planner.solve.columns.table import Table
from planner.solve.copies import PACES

if TYPE_CHECKING:
    from planner.solve.columns.table import Column


HUGE = 2**52
"""What an unknown outcome adds to a goal: more than any known one, and small enough for sums below 2^53."""
SUMMED = frozenset(FIELDS_BY_KIND["fleet"]) - {"available"}
"""What the workloads of a plan have together; of everything else an objective is as good as the worst of them."""
RENTED = "rented"
"""GPUs of the instances that are rented, idle ones too."""
PACE = "pace"
"""The time of a workload's step: `tpot` of an inference, `step_time` of a training."""
AFTER_MONEY = (
    Goal(RENTED, "minimize", None),
    Goal("quality", "maximize", None),
    Goal(PACE, "minimize", None),
    Goal("gpus", "minimize", None),
    Goal("headroom", "maximize", None),
)


def ties(problem: Problem) -> tuple[Goal, ...]:
    """Return what decides between answers that are equal in the objective, before the alphabet."""
    # of equal runs the one that breaks fewer preferences
    money = ("total_cost", "duration", "cost") if by_run(problem.workloads) else ("cost",)
    return (*(Goal(name, "minimize", None) for name in money), *AFTER_MONEY)


def scale_of(goal: Goal) -> int:
    """Return in how many steps a unit of a goal is counted."""
    return SCALES.get(quantity_of(goal), 1)


def quantity_of(goal: Goal) -> str:
    """Return the quantity of a goal, without the workload it may name."""
    return goal.quantity.rpartition(".")[2]


def counts_for(goal: Goal, workload: str) -> bool:
    """Return whether a workload adds to a goal: every one, unless the goal names another."""
    owner = goal.quantity.rpartition(".")[0]
    return owner in ("", "fleet") or owner == block_of(workload)


def is_worst(goal: Goal, problem: Problem) -> bool:
    """Return whether a goal is the worst of several workloads' figures rather than their sum."""
    if quantity_of(goal) in SUMMED:
        return False
    return sum(item.copies for item in problem.workloads if counts_for(goal, item.name)) > 1


def worst_places(problem: Problem) -> frozenset[int]:
    """Return which parts of the objective are as good as their worst workload; tie-breaks are sums."""
    return frozenset(place for place, goal in enumerate(problem.goals) if is_worst(goal, problem))


def together(values: Iterable[int], worst: bool) -> int:
    """Return what several workloads' parts of a goal come to, in steps to be minimised."""
    return max(values) if worst else sum(values)


@dataclass(frozen=True, slots=True)
class RankColumns:
    """The columns of a table that decide between rows, most important first, all to be minimised.

    `worst` are the places among `all` whose goal is the worst of the workloads' figures; the others are sums.
    """

    goals: tuple[Column, ...]
    ties: tuple[Column, ...]
    worst: frozenset[int] = frozenset()

    @property
    def all(self) -> tuple[Column, ...]:
        """All columns in order."""
        return (*self.goals, *self.ties)

    def led_by(self, first: Column) -> RankColumns:
        """Return the keys behind another column."""
        return RankColumns((first, *self.goals), self.ties, frozenset(place + 1 for place in self.worst))

    def no_better_than(self, others: Sequence[int | None]) -> RankColumns:
        """Return the keys where the other workloads stay: no better than the worst of theirs in each goal."""
        import numpy

        goals = tuple(
            values if most is None else numpy.maximum(values, most)
            for values, most in zip(self.goals, others, strict=True)
        )
        return RankColumns(goals, self.ties)


@dataclass(frozen=True, slots=True)
class WorstGoal:
    """A goal that is the worst of all workloads: its variable counts the `levels` it is above the first, in steps."""

    variable: int
    levels: tuple[int, ...]

    def value(self, level: int) -> int:
        """Return a level in steps; one that a bound names lies within the levels."""
        return self.levels[max(0, min(level, len(self.levels) - 1))]


def rank_columns(table: Table, problem: Problem) -> RankColumns:
    """Return the ranking columns of a table; a `prefer` that is broken adds its worth to the cost."""
    worst = worst_places(problem)
    return RankColumns(
        tuple(column(table, goal, problem, place in worst) for place, goal in enumerate(problem.goals)),
        tuple(column(table, goal, problem) for goal in ties(problem)),
        worst,
    )


def column(table: Table, goal: Goal, problem: Problem, worst: bool = False, rows: Column | None = None) -> Column:
    """Return what each row adds to a goal, or some `rows`, in steps, to be minimised; of the `worst`, what it has of
    it."""
    import numpy

    name, at = quantity_of(goal), slice(None) if rows is None else rows
    count = table.rows if rows is None else len(rows)
    if name == RENTED:
        return (table.instances * numpy.array(table.sizes or [0], dtype=numpy.int64)[table.pool])[at]
    if name == PACE:
        name = PACES[table.workload.kind]
    if not counts_for(goal, table.workload.name) or name not in BY_KIND[table.workload.kind]:
        return numpy.full(count, -HUGE if worst else 0, dtype=numpy.int64)
    sign = 1 if goal.direction == "minimize" else -1
    if name == "cost":
        values = table.costs[at]
    elif name in table.outcomes:
        quantity = aimed(name) if aimed(name) in table.outcomes else name
        values = table.outcome(quantity) if rows is None else table.outcome_at(quantity, rows)
    elif name in table.axes:
        axis = table.axes[name]
        numbers = [int(value) if isinstance(value, Fraction) else index for index, value in enumerate(axis.values)]
        values = numpy.array(numbers, dtype=numpy.int64)[axis.index[at]]
    else:
        return numpy.full(count, HUGE, dtype=numpy.int64)
    ranked = numpy.where(values == UNKNOWN, HUGE, numpy.clip(sign * values, -HUGE, HUGE))
    return ranked + penalties(table, problem)[at] if name == "cost" and sign == 1 else ranked


def best(rows: Column, columns: Sequence[Column], table: Table) -> int:
    """Return the row that comes first: smallest in each column in turn, then in alphabetical order."""
    for values in columns:
        here = values[rows]
        rows = rows[here == here.min()]
        if len(rows) == 1:
            return int(rows[0])
    return table.first(rows)


def best_of_some(rows: Column, table: Table, problem: Problem, decision: str = "") -> int:
    """Return which of some rows comes first by a plan's goals, or one with the same value of a `decision`.

    The same as `best` with `keys`, but that what costs much is computed of the rows that are still level alone.
    """
    worst = worst_places(problem)
    goals = [(goal, place in worst) for place, goal in enumerate(problem.goals)]
    goals += [(goal, False) for goal in ties(problem)]
    for goal, at_worst in goals:
        level = table.axes[decision].index[rows] if decision else rows
        if (level == level[0]).all():
            return int(rows[0])
        values = column(table, goal, problem, at_worst, rows)
        rows = rows[values == values.min()]
    return table.first(rows)


def goal_value(candidate: Candidate, goal: Goal, worst: bool = False) -> int:
    """Return what a candidate's copies add to a goal, in steps, to be minimised (as `column` does for one row)."""
    if quantity_of(goal) == "cost" and counts_for(goal, candidate.workload):
        return candidate.cost + candidate.penalty if goal.direction == "minimize" else -candidate.cost
    return _figure(candidate, goal, worst) * (1 if worst else candidate.copies)


def _figure(candidate: Candidate, goal: Goal, worst: bool) -> int:
    """Return what one copy adds to a goal that is not the cost."""
    name = quantity_of(goal)
    if name == RENTED:
        return candidate.rented
    if name == PACE:
        name = PACES[candidate.kind]
    if not counts_for(goal, candidate.workload) or name not in BY_KIND[candidate.kind]:
        return -HUGE if worst else 0
    sign = 1 if goal.direction == "minimize" else -1
    if name == "gpus":
        return sign * candidate.gpus
    value = candidate.outcome(aimed(name) if aimed(name) in candidate.outcomes else name)
    if not isinstance(value, Fraction):
        return HUGE
    return max(-HUGE, min(HUGE, sign * int(value * SCALES.get(name, 1))))


def decisive(problem: Problem) -> int:
    """Return how many parts of the objective say what would be better: those down to the first that is money."""
    money = next((place for place, goal in enumerate(problem.goals) if quantity_of(goal) in RENT), None)
    return len(problem.goals) if money is None else money + 1


def is_money(goal: Goal) -> bool:
    """Return whether a goal is to pay less."""
    return quantity_of(goal) in RENT and goal.direction == "minimize"
