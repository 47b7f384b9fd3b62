"""Rows that an answer can pay: where a fleet's cost comes first, what costs too much is not solved for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from planner.language.problem import Problem
from planner.solve import clock
from planner.solve.columns.rules import penalties
from planner.solve.columns.table import Table
from planner.solve.fleet import cpsat
from planner.solve.fleet.dominance import least_part
from planner.solve.objective import RankColumns
from planner.solve.rent.share_bounds import shares_of, without_wishes

if TYPE_CHECKING:
    from planner.solve.columns.table import Column


FEW = 20_000
"""So many rows are solved for at once."""
MANY = 2_000_000
"""Beyond so many rows of a workload no cheap answer is looked for."""


def affordable(
    problem: Problem,
    tables: Mapping[str, Table],
    fitting: Mapping[str, Column],
    ranks: Mapping[str, RankColumns],
    workers: int,
    incumbent: int | None = None,
) -> Mapping[str, Column]:
    """Return the rows that an answer can pay, where the cost comes first and there are many rows; `incumbent` is
    what some answer costs, in steps.

    An answer is looked for by its cost alone, among the rows that can cost least. Whatever costs more than that beside
    the least that all others must cost is in no better one.
    """
    from planner.solve.fleet.integer_model import build

    goal = next(iter(problem.goals), None)
    if goal is None or (goal.quantity, goal.direction) != ("cost", "minimize"):
        return fitting
    if sum(map(len, fitting.values())) <= FEW:
        return fitting
    shares = shares_of(problem, tables)
    plain = without_wishes(problem, shares)
    least = {
        name: least_part(table, fitting[name], shares.possible[name]) + penalties(table, plain)[fitting[name]]
        for name, table in tables.items()
    }
    if incumbent is not None:
        spare = incumbent - sum(int(low.min()) * tables[name].workload.copies for name, low in least.items())
        return {name: rows[least[name] - least[name].min() <= spare] for name, rows in fitting.items()}
    alone = {name: RankColumns(ranks[name].goals[:1], ()) for name in tables}
    lean, count = replace(problem, goals=problem.goals[:1]), max(1, FEW // 10)
    while count < MANY:
        some = {name: rows[least[name] <= _at(least[name], count)] for name, rows in fitting.items()}
        fleet = build(lean, tables, some, alone)
        solution = cpsat.solve(fleet.model, fleet.cost, seconds=clock.left() / 4, workers=workers)
        if solution is not None:
            spare = solution.value - sum(int(low.min()) * tables[name].workload.copies for name, low in least.items())
            return {name: rows[least[name] - least[name].min() <= spare] for name, rows in fitting.items()}
        count *= 8
    return fitting


def _at(values: Column, count: int) -> int:
    """Return the largest of so many of the least values."""
    import numpy

    return int(numpy.partition(values, min(count, len(values)) - 1)[min(count, len(values)) - 1])
