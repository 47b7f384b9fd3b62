"""Candidates, the optimum with its proof, and why everything else is not it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from planner.catalog.catalog import Catalog
    from planner.language.problem import Problem
    from planner.solve.candidate import Answer, Candidate


def enumerate_candidates(problem: Problem, catalog: Catalog, fixed: bool = False) -> dict[str, list[Candidate]]:
    """Return all candidates of every workload, by its name."""
    from planner.solve import inference, training

    kinds = {"inference": inference.candidates, "training": training.candidates}
    return {item.name: kinds[item.kind](problem, item, catalog, fixed) for item in problem.workloads}


def solve(problem: Problem, catalog: Catalog, top: int = 3, time_limit: float = 30.0, workers: int = 1) -> Answer:
    """Return the cheapest answer with its proof, or the rules that conflict."""
    from planner.solve.choose import choose

    return choose(problem, enumerate_candidates(problem, catalog), top, time_limit, workers)


def estimate(problem: Problem, catalog: Catalog) -> Answer:
    """Return the answer of a plan with nothing left open, whether it fits or not; its cheapest offer."""
    from planner.solve.candidate import Answer, Solved

    rows = enumerate_candidates(problem, catalog, fixed=True)
    chosen = {name: min(group, key=lambda row: (row.cost, row.name)) for name, group in rows.items() if group}
    solved = tuple(Solved(chosen[name], (), ()) for name in sorted(chosen))
    return Answer("fixed", (), solved, (), sum(row.cost for row in chosen.values()), len(chosen))
