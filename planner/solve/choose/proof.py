"""What proves an answer, as far as it can be counted again without a solver."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from planner.language.problem import Problem
from planner.solve import clock
from planner.solve.answer import Certificate, Filtered
from planner.solve.columns.table import Table
from planner.solve.fleet.audit import Contradiction
from planner.solve.fleet.solution import coupled

if TYPE_CHECKING:
    from planner.solve.columns.table import Column

SECONDS = 20.0
"""So long after its limit a proven answer may be given the bound that its lock states."""


def certificate(
    problem: Problem, tables: Mapping[str, Table], fitting: Mapping[str, Column], broken: Iterable[Filtered], value: int
) -> Certificate:
    """Return what proves a plan's answer, whose first goal has a `value` in steps.

    `fitting` are the rows that fit beside others, and `broken` counts the candidates that break each rule.

    Raise Contradiction where no answer can cost so little.
    """
    candidates = sum(table.candidates for table in tables.values())
    counts: dict[str, int] = {}
    for item in broken:
        kind = item.rule.removeprefix(f"{item.workload}.")
        counts[kind] = counts.get(kind, 0) + item.candidates
    removed = tuple(sorted(counts.items()))
    if not coupled(problem, tables):
        return Certificate("comparison", candidates, removed)
    from planner.solve.fleet.prices import best_prices, priced_rows  # a plan of one workload has no prices

    with clock.extended(SECONDS):
        rows = priced_rows(problem, tables, fitting)
        if rows is None:
            return Certificate("search", candidates, removed)
        prices = best_prices(rows, value)
    bound = rows.whole(prices)
    if bound is not None and bound > value:
        raise Contradiction(f"an answer costs {value} where none can cost less than {bound}")
    method = "prices" if bound == value else "search"
    return Certificate(method, candidates, removed, bound, tuple(sorted(rows.named(prices).items())))
