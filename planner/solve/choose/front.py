"""The front of answers of which none is better in every quantity asked for: `--pareto cost,quality`."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from planner.catalog.catalog import Catalog
from planner.language.problem import Goal, Problem
from planner.language.quantities.outcomes import MORE_IS_BETTER
from planner.solve import clock
from planner.solve.candidate import Candidate
from planner.solve.choose.choose import fits
from planner.solve.columns.rules import broken_by
from planner.solve.columns.table import Table
from planner.solve.fleet.solution import coupled
from planner.solve.kinds import judge_row
from planner.solve.objective import HUGE, best, rank_columns

if TYPE_CHECKING:
    from planner.solve.columns.table import Column


MOST = 50
"""The most points of a front."""
Point = tuple[Candidate, ...]


def goals_of(quantities: Sequence[str]) -> tuple[Goal, ...]:
    """Return the quantities as goals, each in the direction that is better."""
    return tuple(
        Goal(name, "maximize" if name.rpartition(".")[2] in MORE_IS_BETTER else "minimize", None) for name in quantities
    )


def front(
    problem: Problem, tables: Mapping[str, Table], catalog: Catalog, quantities: Sequence[str], seconds: float
) -> tuple[Point, ...]:
    """Return the front from the best in the first quantity on; a point is a candidate of each workload.

    Of a single workload it is read off its candidates. Of a fleet it is found by solving for the first quantity, and
    again with the second held below its last value.
    """
    asked = replace(problem, goals=goals_of(quantities))
    broken = {name: broken_by(table, problem) for name, table in tables.items()}
    fitting = {name: fits(table, broken[name]) for name, table in tables.items()}
    if any(not len(rows) for rows in fitting.values()):
        return ()
    if problem.count == 1 and not coupled(asked, tables):
        name, table = next(iter(tables.items()))
        front_rows = _undominated(asked, table, fitting[name])
        return tuple((judge_row(problem, table, row, catalog),) for row in front_rows)
    return _fleet_front(asked, tables, fitting, catalog, seconds)


def _undominated(problem: Problem, table: Table, rows: Column) -> list[int]:
    import numpy

    ranks = rank_columns(table, problem)
    values = numpy.stack([column[rows] for column in ranks.goals], axis=1)
    known = (values < HUGE).all(axis=1)
    rows, values = rows[known], values[known]
    points, which = numpy.unique(values, axis=0, return_inverse=True)
    out: list[int] = []
    kept: list[Column] = []
    for index, point in enumerate(points):
        if any((other <= point).all() for other in kept):
            continue
        kept.append(point)
        out.append(best(rows[which.reshape(-1) == index], ranks.ties, table))
        if len(out) == MOST:
            break
    return out


def _fleet_front(
    problem: Problem,
    tables: Mapping[str, Table],
    fitting: Mapping[str, Column],
    catalog: Catalog,
    seconds: float,
) -> tuple[Point, ...]:
    from planner.solve.fleet.goals import goal_terms
    from planner.solve.fleet.integer_model import build
    from planner.solve.fleet.lexicographic import NoAnswer, descend
    from planner.solve.fleet.optimize import candidates, rows_of

    ranks = {name: rank_columns(table, problem) for name, table in tables.items()}
    bounded = {name: ranks[name].goals[-1] for name in tables}
    fleet = build(problem, tables, fitting, ranks, bounded=bounded)
    for place in range(len(problem.goals)):
        goal_terms(fleet, place)  # the rows of what is the worst of all workloads stay
    deadline = time.monotonic() + seconds
    fixed = len(fleet.model.rows)
    out: list[Point] = []
    while len(out) < MOST and time.monotonic() < deadline and clock.left():
        ranges = list(fleet.model.ranges)
        try:
            descent = descend(fleet, lambda: min(deadline - time.monotonic(), clock.left()))
        except (NoAnswer, clock.OutOfTime):
            break
        if not descent.proven:
            break  # a point that is not proven is none
        _, _, chosen = candidates(problem, tables, rows_of(fleet, descent.variables), catalog)
        out.append(tuple(chosen[name] for name in sorted(chosen)))
        last = goal_terms(fleet, len(problem.goals) - 1)
        reached = sum(weight * descent.variables[index] for index, weight in last.items())
        del fleet.model.rows[fixed:]
        fleet.model.ranges[: len(ranges)] = ranges  # what is in no answer as good as this may be in the next
        fleet.model.row(last, high=reached - 1)
        fixed = len(fleet.model.rows)
    return tuple(out)
