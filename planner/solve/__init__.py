"""Candidates, the optimum with its proof, and why everything else is not it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from planner.catalog.catalog import Catalog
    from planner.language.problem import Problem, Workload
    from planner.solve.candidate import Answer, Candidate
    from planner.solve.table import Table


def table_of(problem: Problem, workload: Workload, catalog: Catalog, fixed: bool = False) -> Table:
    """Return all candidates of a workload; with `fixed`, what is left free takes `estimate`'s values."""
    from planner.solve import inference_table, training_table

    kinds = {"inference": inference_table.table, "training": training_table.table}
    return kinds[workload.kind](problem, workload, catalog, fixed)


def solve(problem: Problem, catalog: Catalog, top: int = 3, time_limit: float = 30.0, workers: int = 1) -> Answer:
    """Return the cheapest answer with its proof, or the rules that conflict."""
    from planner.solve.choose import choose

    return choose(problem, tables_of(problem, catalog), catalog, top, time_limit, workers)


def tables_of(problem: Problem, catalog: Catalog, fixed: bool = False) -> dict[str, Table]:
    """Return the table of every workload; workloads that are alike but for their names share one."""
    from planner.solve.alike import alike, renamed

    first = alike(problem)
    known = {item.name: item for item in problem.workloads}
    tables = {name: table_of(problem, known[name], catalog, fixed) for name in sorted(set(first.values()))}
    return {name: renamed(tables[first[name]], known[name]) for name in sorted(known)}


def estimate(problem: Problem, catalog: Catalog) -> Answer:
    """Return the answer of a plan with nothing left open, whether it fits or not; its cheapest offer."""
    import numpy

    from planner.solve.candidate import Answer, Solved
    from planner.solve.judge import judge
    from planner.solve.rules import slack
    from planner.solve.together import settle_costs

    chosen = {}
    for name, table in tables_of(problem, catalog, fixed=True).items():
        if not table.rows:
            continue
        cheapest = numpy.flatnonzero(table.costs == table.costs.min())
        row = min(cheapest.tolist(), key=table.name)
        chosen[name] = judge(problem, table.workload, table.choice(row), catalog)
    chosen = settle_costs(problem, chosen)
    solved = tuple(
        Solved(chosen[item.name], (), (), slack(item, chosen[item.name].choice, chosen[item.name].outcomes))
        for item in problem.workloads
        if item.name in chosen
    )
    return Answer("fixed", (), solved, (), sum(row.cost for row in chosen.values()), len(chosen))


def nearest(problem: Problem, catalog: Catalog) -> dict[str, dict[str, Candidate]]:
    """Return of each workload and GPU type its best candidate, or the one that breaks the fewest rules by least."""
    import numpy

    from planner.solve.choose import fault_counts
    from planner.solve.judge import judge
    from planner.solve.screen import broken_by

    out: dict[str, dict[str, Candidate]] = {}
    for name, table in tables_of(problem, catalog).items():
        own = out.setdefault(name, {})
        if not table.rows:
            continue
        faults = fault_counts(table, broken_by(table, problem))
        tight = numpy.where(faults > 0, -table.outcome("headroom"), 0)
        gpu = table.axes["gpu"].index
        order = numpy.lexsort((table.costs, tight, faults, gpu))
        first = order[numpy.concatenate(([True], gpu[order][1:] != gpu[order][:-1]))]
        for row in first.tolist():
            found = judge(problem, table.workload, table.choice(row), catalog)
            own[found.gpu] = found
    return out
