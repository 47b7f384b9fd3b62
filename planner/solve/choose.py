"""The optimum over all candidates, with its proof, the next best, and what cheaper hardware breaks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

from planner.catalog.catalog import Catalog
from planner.language.problem import Goal, Problem
from planner.solve.alike import alike, own
from planner.solve.candidate import Answer, Candidate, Conflict, Filtered, Part, Solved
from planner.solve.conflict import conflict_of, filtered
from planner.solve.judge import judge_row
from planner.solve.ranking import UNITS, Keys, best, keys, quantity_of, scale_of
from planner.solve.rules import holds_together, slack
from planner.solve.screen import broken_by
from planner.solve.settled import Settled, coupled
from planner.solve.table import Table

if TYPE_CHECKING:
    from planner.solve.table import Column

MOST_REJECTED = 20


def choose(
    problem: Problem, tables: Mapping[str, Table], catalog: Catalog, top: int, seconds: float, workers: int
) -> Answer:
    """Return the proven answer, or the conflict that leaves none."""
    considered = sum(table.candidates for table in tables.values())
    broken = {name: broken_by(table, problem) for name, table in tables.items()}
    fitting = {name: fits(table, broken[name]) for name, table in tables.items()}
    removed = tuple(item for name in tables for item in filtered(tables[name], broken[name]))
    empty = [name for name in sorted(tables) if not len(fitting[name])]
    if empty:
        conflict = tuple(item for name in empty for item in conflict_of(problem, tables[name], broken[name], catalog))
        return Answer("infeasible", (), (), conflict, None, considered, removed)
    ranks = {name: keys(table, problem) for name, table in tables.items()}

    settled: Settled | tuple[Conflict, ...] | None
    if coupled(problem, tables):
        from planner.solve.fleet import settle

        settled = settle(problem, tables, broken, fitting, ranks, catalog, seconds, workers)
        if settled is None:
            return Answer("unknown", (), (), (), None, considered, removed, (), False)
        if isinstance(settled, tuple):
            return Answer("infeasible", (), (), settled, None, considered, removed)
    else:
        rows = {name: best(fitting[name], ranks[name].all, table) for name, table in tables.items()}
        settled = alone(problem, tables, rows, ranks, catalog)
    first, beside = alike(problem), dict[tuple[str, int], tuple[tuple[Candidate, ...], tuple[Candidate, ...]]]()
    solved = []
    for name in sorted(tables):
        table, row, chosen = tables[name], settled.rows[name], settled.chosen[name]
        key = (first[name], row)
        if key not in beside:
            beside[key] = (
                alternatives(problem, table, fitting[name], ranks[name], row, catalog, top),
                rejected(problem, table, broken[name], row, catalog),
            )
        next_best, cheaper = (tuple(as_of(item, name) for item in items) for items in beside[key])
        solved.append(Solved(chosen, next_best, cheaper, slack(table.workload, chosen.choice, chosen.outcomes)))
    objective = tuple(
        part(goal, value, bound)
        for goal, value, bound in zip(problem.goals, settled.values, settled.bounds, strict=True)
    )
    cost = sum(row.cost for row in settled.chosen.values())
    outcome = "optimal" if settled.proven else "feasible"
    wishes = wishes_kept(problem, settled.chosen)
    return Answer(outcome, objective, tuple(solved), (), cost, considered, removed, wishes, settled.proven)


def as_of(row: Candidate, workload: str) -> Candidate:
    """Return a candidate as one of another workload of its class."""
    if row.workload == workload:
        return row
    broken = tuple(replace(item, rule=own(item.rule, row.workload, workload)) for item in row.broken)
    return replace(row, workload=workload, broken=broken)


def fits(table: Table, broken: Mapping[str, Column]) -> Column:
    """Return the rows that break no rule."""
    import numpy

    bad = numpy.zeros(table.rows, dtype=bool)
    for where in broken.values():
        bad |= where
    return numpy.flatnonzero(~bad)


def fault_counts(table: Table, broken: Mapping[str, Column]) -> Column:
    """Return how many rules each row breaks."""
    import numpy

    faults = numpy.zeros(table.rows, dtype=numpy.int64)
    for where in broken.values():
        faults += where
    return faults


def alone(
    problem: Problem,
    tables: Mapping[str, Table],
    rows: Mapping[str, int],
    ranks: Mapping[str, Keys],
    catalog: Catalog,
) -> Settled:
    """Return each workload's best row as the answer: where nothing is shared, the sum of optima is the optimum."""
    chosen = {name: judge_row(problem, table, rows[name], catalog) for name, table in tables.items()}
    values = [sum(int(ranks[name].goals[place][rows[name]]) for name in tables) for place in range(len(problem.goals))]
    return Settled(dict(rows), chosen, values, values, True)


def part(goal: Goal, value: int, bound: int) -> Part:
    """Return a goal's value and bound in canonical units."""
    scale = scale_of(goal) * (1 if goal.direction == "minimize" else -1)
    unit = UNITS.get(quantity_of(goal), "1")
    return Part(goal.quantity, goal.direction, Fraction(value, scale), Fraction(bound, scale), unit)


def hardware(table: Table) -> Column:
    """Return for each row a number for its GPU type and count."""
    import numpy

    gpu: Column = table.axes["gpu"].index.astype(numpy.int64)
    return gpu << 32 | table.gpus.astype(numpy.int64)


def alternatives(
    problem: Problem, table: Table, fitting: Column, ranks: Keys, row: int, catalog: Catalog, top: int
) -> tuple[Candidate, ...]:
    """Return the next best answers on other hardware, one for each kind and number of GPUs."""
    group = hardware(table)
    left = fitting[group[fitting] != group[row]]
    out: list[Candidate] = []
    while len(left) and len(out) < top:
        found = best(left, ranks.all, table)
        out.append(judge_row(problem, table, found, catalog))
        left = left[group[left] != group[found]]
    return tuple(out)


def rejected(
    problem: Problem, table: Table, broken: Mapping[str, Column], row: int, catalog: Catalog
) -> tuple[Candidate, ...]:
    """Return cheaper hardware with the rules it breaks: of each the choice that breaks fewest, nearest to fitting."""
    import numpy

    faults = fault_counts(table, broken)
    fit = numpy.unique(hardware(table)[faults == 0])  # what fits in another way is no hardware that breaks a rule
    cheaper = numpy.flatnonzero((table.costs < table.costs[row]) & ~numpy.isin(hardware(table), fit))
    if not len(cheaper):
        return ()
    group = hardware(table)[cheaper]
    tight = -table.outcome("headroom")[cheaper]
    order = numpy.lexsort((cheaper, table.costs[cheaper], tight, faults[cheaper], group))
    first = order[numpy.concatenate(([True], group[order][1:] != group[order][:-1]))]
    shown = cheaper[first]
    shown = shown[numpy.lexsort((shown, table.costs[shown]))][-MOST_REJECTED:]
    found = [judge_row(problem, table, item, catalog) for item in shown.tolist()]
    return tuple(sorted(found, key=lambda item: (item.cost, item.name)))


def wishes_kept(problem: Problem, chosen: Mapping[str, Candidate]) -> tuple[tuple[str, bool], ...]:
    """Return each `prefer` with whether the answer keeps it."""
    return tuple((wish.name, holds_together(wish.condition, problem, chosen)) for wish in problem.preferences)


__all__ = ["Filtered", "choose", "fits"]
