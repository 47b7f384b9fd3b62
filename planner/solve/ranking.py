"""The order of candidates: the objective as written, then fewer GPUs, higher quality, more headroom, alphabetical."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from planner.language.problem import Goal, Problem
from planner.record import dataclass
from planner.solve.candidate import Candidate
from planner.solve.scale import SCALES, UNKNOWN
from planner.solve.screen import penalties
from planner.solve.table import Table

if TYPE_CHECKING:
    from planner.solve.table import Column

HUGE = 2**52
"""What an unknown outcome adds to a goal: more than any known one, and small enough for sums below 2^53."""
TIES = (Goal("gpus", "minimize", None), Goal("quality", "maximize", None), Goal("headroom", "maximize", None))

UNITS = {
    "cost": "USD/h",
    "memory": "bytes",
    "tpot": "s",
    "ttft": "s",
    "step_time": "s",
    "duration": "s",
    "total_cost": "USD",
    "throughput": "tok/s",
    "power": "W",
    "kv_tokens": "tokens",
    "max_context": "tokens",
    "cost_per_token": "USD/tok",
}


def scale_of(goal: Goal) -> int:
    """Return in how many steps a unit of a goal is counted."""
    return SCALES.get(quantity_of(goal), 1)


def quantity_of(goal: Goal) -> str:
    """Return the quantity of a goal, without the workload it may name."""
    return goal.quantity.rpartition(".")[2]


def counts_for(goal: Goal, workload: str) -> bool:
    """Return whether a workload adds to a goal: every one, unless the goal names another."""
    owner = goal.quantity.rpartition(".")[0]
    return owner in ("", "fleet", workload)


@dataclass(frozen=True, slots=True)
class Keys:
    """The columns of a table that decide between rows, most important first, all to be minimised."""

    goals: tuple[Column, ...]
    ties: tuple[Column, ...]

    @property
    def all(self) -> tuple[Column, ...]:
        """All columns in order."""
        return (*self.goals, *self.ties)


def keys(table: Table, problem: Problem) -> Keys:
    """Return the ranking columns of a table; a `prefer` that is broken adds its worth to the cost."""
    return Keys(
        tuple(column(table, goal, problem) for goal in problem.goals),
        tuple(column(table, goal, problem) for goal in TIES),
    )


def column(table: Table, goal: Goal, problem: Problem) -> Column:
    """Return what each row adds to a goal, in steps, to be minimised."""
    import numpy

    name = quantity_of(goal)
    if not counts_for(goal, table.workload.name):
        return numpy.zeros(table.rows, dtype=numpy.int64)
    sign = 1 if goal.direction == "minimize" else -1
    if name == "cost":
        found = table.costs
    elif name in table.outcomes:
        found = table.outcome(name)
    elif name in table.axes:
        axis = table.axes[name]
        numbers = [int(value) if isinstance(value, Fraction) else index for index, value in enumerate(axis.values)]
        found = numpy.array(numbers, dtype=numpy.int64)[axis.index]
    else:
        return numpy.full(table.rows, HUGE, dtype=numpy.int64)
    ranked = numpy.where(found == UNKNOWN, HUGE, numpy.clip(sign * found, -HUGE, HUGE))
    return ranked + penalties(table, problem) if name == "cost" and sign == 1 else ranked


def best(rows: Column, columns: Sequence[Column], table: Table) -> int:
    """Return the row that comes first: smallest in each column in turn, then in alphabetical order."""
    for values in columns:
        here = values[rows]
        rows = rows[here == here.min()]
        if len(rows) == 1:
            return int(rows[0])
    return int(min(rows.tolist(), key=table.name))


def goal_value(candidate: Candidate, goal: Goal) -> int:
    """Return what a candidate adds to a goal, in steps, to be minimised (as `column` does for rows)."""
    name = quantity_of(goal)
    if not counts_for(goal, candidate.workload):
        return 0
    sign = 1 if goal.direction == "minimize" else -1
    if name == "cost":
        return sign * candidate.cost + (candidate.penalty if sign == 1 else 0)
    if name == "gpus":
        return sign * candidate.gpus
    found = candidate.outcome(name)
    if not isinstance(found, Fraction):
        return HUGE
    return max(-HUGE, min(HUGE, sign * int(found * SCALES.get(name, 1))))
