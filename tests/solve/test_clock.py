"""The time limit: whenever it passes, there is a clean outcome."""

from __future__ import annotations

from pathlib import Path

import pytest

from planner.cli.plan import load_plan
from planner.solve import clock, solve
from planner.solve.candidate import Answer
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
