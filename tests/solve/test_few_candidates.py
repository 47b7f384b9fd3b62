"""A plan whose candidates cannot all be enumerated in time is answered by fewer of them, with a bound."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from planner.catalog.load import load
from planner.language.problem import Problem
from planner.lock import lock
from planner.lock.verify import verify
from planner.plan import load_plan
from planner.solve import clock, kinds, progress
from planner.solve.answer import Answer
from planner.solve.fleet import cpsat, lexicographic
from planner.solve.pipeline import solve

company = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks/company.py"))["plan"]
RULES = {
    "limits": "",
    "pairs": "require same: w00000.gpu == w00001.gpu\nrequire apart: w00002.gpu != w00003.gpu\n",
    "counts": "require few: count(w for w in workloads where w.gpu == l40s) <= 2\n",
    "wish": "prefer one: all(w.kv_cache == fp8 for w in workloads) worth $5/h\n",
    "power": "minimize power\n",
}


def loaded(text: str) -> Problem:
    """Return the problem of a plan."""
    problem = load_plan("company.mem", text=text).problem
    assert problem is not None
    return problem


def late(monkeypatch: pytest.MonkeyPatch, problem: Problem, tables: int) -> None:
    """Let the time be out after so many tables of the plan itself."""
    made = []
    table_of = kinds.table_of

    def one(plan: Problem, *words: object) -> object:
        if plan is problem:
            made.append(plan)
            if len(made) > tables:
                raise clock.OutOfTime
        return table_of(plan, *words)  # type: ignore[arg-type]

    monkeypatch.setattr(kinds, "table_of", one)


@pytest.mark.parametrize(("rules", "tables"), [(rules, 3 * (place % 2)) for place, rules in enumerate(RULES)])
def test_few_candidates_give_an_answer_with_a_bound(rules: str, tables: int, monkeypatch: pytest.MonkeyPatch) -> None:
    text = company(8) + RULES[rules]
    best = solve(loaded(text), load()[0], top=0, time_limit=60)
    assert best.outcome == "optimal"
    problem = loaded(text)
    late(monkeypatch, problem, tables)
    found = solve(problem, load()[0], top=0, time_limit=60)
    assert found.outcome == "feasible"
    assert not found.reproducible
    mine, right = found.objective[0], best.objective[0]
    assert mine.value is not None
    assert right.value is not None
    assert right.value <= mine.value
    assert (mine.bound is None) == (rules == "power")
    if mine.bound is not None:
        assert 0 < mine.bound + mine.penalty <= right.value + right.penalty
    assert not any(item.chosen.broken for item in found.workloads)
    assert _kept(found, text)


def _kept(found: Answer, text: str) -> bool:
    """Return whether a lock of an answer passes what `planner check` asks of it."""
    from planner.lock.read import parse

    plan = load_plan("company.mem", text=text)
    assert plan.problem is not None
    written, broken = parse(lock.render(found, plan.problem, plan.catalog, plan.texts), "company.mem.lock", "again")
    assert written is not None, broken
    wrong, rows = verify(plan.problem, plan.catalog, plan.texts, written)
    return not wrong and len(rows) == len(found.workloads)


def test_an_open_training_is_answered_by_few_gpu_types(monkeypatch: pytest.MonkeyPatch) -> None:
    text = 'edition 2026\ntraining a { model = "Qwen/Qwen2.5-0.5B"; sequence = 1Ki tokens; global_batch = 8 }\n'
    problem = loaded(text)
    late(monkeypatch, problem, 0)
    found = solve(problem, load()[0], top=0, time_limit=60)
    assert found.outcome == "feasible"
    assert _kept(found, text)


def test_an_infeasible_plan_stays_without_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = loaded(company(4).replace("cost <= $160/h", "cost <= $0.01/h"))
    late(monkeypatch, problem, 2)
    assert solve(problem, load()[0], top=0, time_limit=60).outcome == "unknown"


@pytest.mark.parametrize("rules", ("pairs", "counts", "power"))
def test_any_answer_stands_where_the_best_is_not_found(rules: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The solver finds an answer, but none for any goal: it is reported."""
    whole = cpsat.solve

    def no_goal(model: cpsat.IntegerModel, objective: dict[int, int], **more: object) -> cpsat.Solution | None:
        return None if objective else whole(model, objective, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(cpsat, "solve", no_goal)
    monkeypatch.setattr(cpsat, "infeasible", lambda *words, **named: None)
    monkeypatch.setattr(lexicographic, "LARGE", 0)
    text = company(8) + RULES[rules]
    found = solve(loaded(text), load()[0], top=0, time_limit=60)
    assert found.outcome == "feasible"
    assert _kept(found, text)


def test_whoever_watches_is_told_the_best_the_bound_and_the_gap() -> None:
    told: list[str] = []
    found = solve(loaded(company(30)), load()[0], top=0, time_limit=120, report=told.append)
    lines = [line for line in told if line.startswith("proving cost: best $")]
    assert found.outcome == "optimal"
    assert found.cost is not None
    assert lines
    assert f"best ${found.cost / 1e6:,.2f}/h" in lines[-1]
    assert all("bound $" in line and "gap " in line for line in lines)


def test_the_gap_in_words() -> None:
    assert progress.in_words(2_000_000, 1_500_000, money=True) == ": best $2.00/h, bound $1.50/h, gap 25 %"
    assert progress.in_words(40, 30, money=False) == ": gap 25 %"
    assert progress.in_words(None, None, money=True) == ""
