"""Plans of very many workloads: of each table only the rows that an answer can need are kept before the next is made.

What is left out is in no answer whatever the others do: it breaks a rule of its own, or another row of its group stands
for it (`one_of_each` in planner.solve.fleet.dominance, with every row that could be shared taken as shared, so that
groups are no coarser than in the whole plan). Memory follows these rows and not all candidates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from planner.language.problem import Problem
from planner.language.quantities.outcomes import MONEY
from planner.solve import clock
from planner.solve.candidate import aimed
from planner.solve.classes import representatives
from planner.solve.columns.rules import broken_by, fits, penalties
from planner.solve.columns.table import Axis, Table
from planner.solve.copies import PACES
from planner.solve.fleet.dominance import one_of_each
from planner.solve.fleet.integer_model import takes_of, wants_money_spent
from planner.solve.objective import quantity_of, rank_columns
from planner.solve.rent.share_bounds import Shares
from planner.solve.rules import reads, speaks_of

if TYPE_CHECKING:
    from planner.solve.columns.table import Column

MANY = 100
"""A plan of more classes of workloads is answered without alternatives, from the rows that it can need."""


def is_many(problem: Problem) -> bool:
    """Return whether a plan has so many classes of workloads that each is looked at for the answer alone."""
    return len(problem.workloads) > MANY and len(set(representatives(problem).values())) > MANY


def may_prune(problem: Problem) -> bool:
    """Return whether nothing in a plan but its limits couples workloads, and its cost comes first."""
    goal = next(iter(problem.goals), None)
    if goal is None or (goal.quantity, goal.direction) != ("cost", "minimize") or wants_money_spent(problem):
        return False
    conditions = [item.condition for item in problem.rules] + [item.condition for item in problem.preferences]
    if any(len(speaks_of(condition)) != 1 for condition in conditions):
        return False
    spoken = any(reads(condition, owner) & MONEY for condition in conditions for owner in speaks_of(condition))
    money = {quantity_of(item) for item in problem.goals} | {bound.quantity for bound in problem.fleet}
    bounded = any(bound.quantity in MONEY for item in problem.workloads for bound in item.bounds)
    return not spoken and not bounded and not (money & MONEY) - {"cost"}


def pruned(problem: Problem, table: Table, again: Callable[[], Table]) -> Table:
    """Return a table of the rows that an answer can need, itself where none fits; `again` makes the whole of it anew,
    for what is read of a row later."""
    import numpy

    clock.look()
    name = table.workload.name
    broken = broken_by(table, problem)
    fitting = fits(table, broken)
    if not len(fitting) or not table.thorough or table.weights is not None:
        return table
    shares = Shares(
        pools=frozenset(),
        possible={name: table.slots > 0},
        caps={name: ()},
        bounds={name: ()},
        rules={name: ()},
        wishes=(),
        split=frozenset(),
        needed=False,
    )
    takes = takes_of(problem, table, fitting, shares, penalties(table, problem), cheapest=True)
    rows = one_of_each(table, fitting, rank_columns(table, problem), takes)
    gpus = len(table.axes["gpu"].values)
    counts = {
        rule: numpy.bincount(table.axes["gpu"].index[where], minlength=gpus) for rule, where in sorted(broken.items())
    }
    kept = {quantity: table.outcome(quantity)[rows] for quantity in _read(problem, table)}
    outcomes: dict[str, Callable[[], Column]] = {
        quantity: partial(_kept, kept[quantity]) if quantity in kept else partial(_anew, again, quantity, rows)
        for quantity in table.outcomes
    }
    return replace(
        table,
        rows=len(rows),
        axes={quantity: Axis(axis.values, axis.index[rows]) for quantity, axis in table.axes.items()},
        outcomes=outcomes,
        broken={},
        costs=table.costs[rows],
        gpus=table.gpus[rows],
        pool=table.pool[rows],
        instances=table.instances[rows],
        slots=table.slots[rows],
        considered=table.candidates,
        thorough=False,
        filtered=counts,
        ready={},
        followed={},
        of_rows={},
    )


def _kept(values: Column) -> Column:
    return values


def _anew(again: Callable[[], Table], quantity: str, rows: Column) -> Column:
    column: Column = again().outcome(quantity)[rows]
    return column


def _read(problem: Problem, table: Table) -> list[str]:
    """Return the outcomes that rules, goals and tie-breaks read of a workload."""
    workload = table.workload
    names = {"cost", "headroom", "quality", "memory", PACES[workload.kind]}
    names |= {quantity_of(goal) for goal in problem.goals} | {bound.quantity for bound in problem.fleet}
    names |= {bound.quantity for bound in workload.bounds}
    for condition in [rule.condition for rule in problem.rules] + [wish.condition for wish in problem.preferences]:
        names |= reads(condition, workload.name)
    every = {form for name in names for form in (name, aimed(name))}
    return sorted(every & table.outcomes.keys())
