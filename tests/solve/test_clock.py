"""The time limit: whenever it passes, there is a clean outcome."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from planner.cli.main import command_line
from planner.cli.plan import load_plan
from planner.solve import clock, solve
from planner.solve.answer import Answer
from planner.solve.choose import remedies
from planner.solve.fleet import cpsat
from planner.trials.run import run

SERVICE = 'inference a { model = "Qwen/Qwen2.5-0.5B"; context = 1024; concurrency = 4; gpus in 1..2 }\n'
TRAINING = 'training t { model = "Qwen/Qwen2.5-0.5B"; sequence = 1024; gpus in 1..2; headroom >= 10%; %s }\n'
PLANS = {
    "service": SERVICE + "minimize cost\n",
    "fleet": SERVICE
    + SERVICE.replace("inference a", "inference b")
    + "fleet { gpus <= 3 }\nrequire min(a.headroom, b.headroom) >= 20%\nminimize cost\n",
    "training": TRAINING.replace("%s", "precision in any") + "minimize cost\n",
    "misfit": TRAINING.replace("%s", "gpu = t4; memory <= 1 MiB") + "minimize cost\n",
    "poor fleet": SERVICE
    + SERVICE.replace("inference a", "inference b")
    + "fleet { cost <= $0.01/h }\nminimize cost\n",
}


def answer(text: str, folder: Path) -> Answer:
    plan = folder / "plan.mem"
    plan.write_text("edition 2026\n" + text)
    loaded = load_plan(str(plan))
    assert loaded.problem is not None, loaded.findings
    return solve(loaded.problem, loaded.catalog, pareto=("cost", "headroom"))


@pytest.mark.parametrize("name", PLANS)
def test_time_that_is_out_at_any_moment_leaves_a_clean_outcome(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = answer(PLANS[name], tmp_path)
    seen = set()
    for moment in (0, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89):
        looks = 0

        def look(moment: int = moment) -> None:
            nonlocal looks
            looks += 1
            if looks > moment:
                raise clock.OutOfTime

        monkeypatch.setattr(clock, "look", look)
        found = answer(PLANS[name], tmp_path)
        seen.add(found.outcome)
        assert found.outcome in ("unknown", "feasible", whole.outcome)
        if found.outcome == "unknown":
            assert not found.reproducible and not found.refusal
    assert "unknown" in seen


def test_a_limit_inside_another_does_not_outlast_it() -> None:
    with clock.limited(1000):
        with clock.limited(2000):
            assert clock.left() <= 1000
        with clock.limited(0), pytest.raises(clock.OutOfTime):
            while True:
                clock.look()
        clock.look()


def test_a_limit_that_passed_is_told_without_a_traceback(tmp_path: Path) -> None:
    plan = tmp_path / "plan.mem"
    plan.write_text("edition 2026\n" + PLANS["training"])
    loaded = load_plan(str(plan))
    assert loaded.problem is not None
    assert solve(loaded.problem, loaded.catalog, time_limit=1e-9).outcome == "unknown"


def test_a_test_block_says_that_the_rules_were_not_found_in_time(tmp_path: Path) -> None:
    plan = tmp_path / "plan.mem"
    plan.write_text("edition 2026\n" + PLANS["service"] + 'test "x" { a.gpus = 1; expect infeasible by a.gpus }\n')
    loaded = load_plan(str(plan))
    assert loaded.problem is not None, loaded.findings
    (trial,) = loaded.problem.trials
    verdict = run(trial, lambda _: Answer("infeasible", (), (), (), None, 1, reproducible=False))
    assert [item.code for item in verdict.failures] == ["E0702"]


@pytest.mark.parametrize("name", ("fleet", "service"))
@pytest.mark.parametrize("late", (False, True))
def test_where_the_solver_has_nothing_in_time_each_workload_apart_stands(
    name: str, late: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = answer(PLANS[name], tmp_path)

    def nothing(*words: object, **named: object) -> None:
        if late:
            raise clock.OutOfTime

    monkeypatch.setattr(cpsat, "solve", nothing)
    monkeypatch.setattr(cpsat, "infeasible", nothing)
    found = answer(PLANS[name], tmp_path)
    assert found.outcome == "feasible" and not found.reproducible
    (mine,), (right,) = found.objective, whole.objective
    assert mine.bound is not None and mine.value is not None and right.value is not None
    assert mine.bound <= right.value <= mine.value
    done = CliRunner().invoke(command_line(["solve"]), ["solve", "--no-lock", str(tmp_path / "plan.mem")])
    told = "the objective is proven, but not which" if mine.bound == mine.value else "no proof within"
    assert done.exit_code == 1 and "feasible" in done.output and told in done.output, done.output


def test_a_choice_apart_that_breaks_a_rule_together_is_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cpsat, "solve", lambda *words, **named: None)
    monkeypatch.setattr(cpsat, "infeasible", lambda *words, **named: None)
    assert answer(PLANS["poor fleet"], tmp_path).outcome == "unknown"


def test_stages_that_time_runs_out_on_leave_what_was_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second goal is the worst of all workloads, which is not even stated when the first has taken all the time."""
    text = PLANS["fleet"] + "then minimize tpot\n"
    kept = cpsat.solve
    for stages in (1, 2):
        seen = 0

        def some(*words: Any, stages: int = stages, **named: Any) -> cpsat.Solution | None:
            nonlocal seen
            seen += 1
            found = kept(*words, **named)
            return replace(found, proven=False) if found is not None and seen == stages else found

        monkeypatch.setattr(cpsat, "solve", some)
        found = answer(text.replace("\nthen", " then"), tmp_path)
        assert found.outcome == "feasible"
        assert all(part.value is not None for part in found.objective)


@pytest.mark.parametrize("name", ("misfit", "poor fleet"))
def test_what_there_is_no_time_to_try_is_not_proposed(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = PLANS[name] if name == "misfit" else PLANS[name].replace("gpus in 1..2", "gpus in 1..2; tpot <= 1 us", 1)
    whole = answer(text, tmp_path)
    assert whole.outcome == "infeasible" and whole.conflict and whole.reproducible
    with monkeypatch.context() as patch:
        patch.setattr(remedies, "_without", lambda *words: late())
        found = answer(text, tmp_path)
    assert found.outcome == "infeasible" and not found.reproducible
    assert {item.rule for item in found.conflict} <= {item.rule for item in whole.conflict}
    assert found.conflict


def late() -> bool:
    raise clock.OutOfTime
