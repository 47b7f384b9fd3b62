"""A company's plan is answered whatever the time limit: by its best so far with what none can be below."""

from __future__ import annotations

import runpy
import time
from pathlib import Path

import pytest

from planner.plan import load_plan
from planner.solve.fleet import cpsat, optimize
from planner.solve.pipeline import solve

plan = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks/company.py"))["plan"]


def test_a_greedy_answer_stands_where_the_solver_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load_plan("company.mem", text=plan(30))
    assert loaded.problem is not None
    best = solve(loaded.problem, loaded.catalog, top=0, time_limit=120)
    assert best.outcome == "optimal"
    monkeypatch.setattr(cpsat, "solve", lambda *given, **more: None)
    monkeypatch.setattr(cpsat, "infeasible", lambda *given, **more: None)
    found = solve(loaded.problem, loaded.catalog, top=0, time_limit=120)
    assert found.outcome == "feasible"
    part = found.objective[0]
    right = best.objective[0].value
    assert part.value is not None
    assert part.bound is not None
    assert right is not None
    assert part.bound <= right <= part.value
    assert part.value - part.bound <= part.value / 8, "the gap of a greedy answer"


def test_many_classes_are_solved_as_few_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left out of a large model by its bounds changes no answer, down to the last tie-break."""
    from planner.solve.fleet import goals, lexicographic

    loaded = load_plan("company.mem", text=plan(30, seed=1))
    assert loaded.problem is not None
    for module in (goals, lexicographic):
        monkeypatch.setattr(module, "FEW", 1000)
    monkeypatch.setattr(optimize, "incumbent", lambda *given: None)
    whole = solve(loaded.problem, loaded.catalog, top=0, time_limit=120)
    monkeypatch.undo()
    start = time.process_time()
    less = solve(loaded.problem, loaded.catalog, top=0, time_limit=120)
    assert time.process_time() - start < 20
    assert (less.outcome, less.cost) == (whole.outcome, whole.cost)
    choices = [[(item.chosen.workload, item.chosen.name) for item in answer.workloads] for answer in (less, whole)]
    assert choices[0] == choices[1]
