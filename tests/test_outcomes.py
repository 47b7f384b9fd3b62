"""What is known of outcomes stands in their rows: answers have no other outcomes, and no table of their own."""

from __future__ import annotations

import pytest

import planner
from planner.language.quantities.outcomes import GOALS, MORE_IS_BETTER, OUTCOMES, TIMED
from planner.language.schema import BY_KIND, QUANTITIES
from planner.report.json_ import KEYS
from planner.solve.candidate import EXPECTED


def test_rows_are_told_apart() -> None:
    names = [row.name for row in OUTCOMES]
    assert len(set(names)) == len(names) and set(names) == {row.name for row in QUANTITIES if row.role == "outcome"}
    assert len(set(KEYS.values())) == len(KEYS)
    for row in OUTCOMES:
        assert row.steps >= 1 and set(row.kinds) <= set(BY_KIND)
        assert not row.share or row.unit is None
        assert not row.key[1] or row.unit is not None


@pytest.mark.parametrize(("plan", "kind"), [("chat", "inference"), ("finetune", "training")])
def test_an_answer_has_the_outcomes_of_its_kind(plan: str, kind: str) -> None:
    (item,) = planner.solve(planner.load(f"examples/{plan}.mem")).answer.workloads
    rows = {row.name for row in OUTCOMES if kind in row.kinds}
    expected = {f"{name}{EXPECTED}" for name in rows & (TIMED | {"kv_tokens", "max_concurrency", "max_context"})}
    assert set(item.chosen.outcomes) <= rows | expected


@pytest.mark.parametrize("goal", [name for name in GOALS if name in BY_KIND["inference"]])
def test_an_objective_goes_in_the_direction_of_its_row(goal: str) -> None:
    """What an objective against the row's direction finds is no better by it."""
    plan = """edition 2026
inference chat { model = "meta-llama/Llama-3.1-8B"; context = 4Ki tokens; concurrency = 4; output = 100
  gpu in {l4, h100_sxm}; gpus in {1, 2}; weights in {bf16, fp8} }
%s chat.%s
"""
    words = ("maximize", "minimize") if goal in MORE_IS_BETTER else ("minimize", "maximize")
    if goal == "cost" or goal.startswith("cost_per"):
        plan = plan.replace("chat.%s", "%s")
    best, worst = (planner.solve(planner.load("plan.mem", text=plan % (word, goal))) for word in words)
    name = f"{goal}{EXPECTED}" if goal in TIMED else goal
    values = [float(item["chat"].chosen.outcomes.get(name) or item["chat"].chosen.gpus) for item in (best, worst)]
    assert values[0] >= values[1] if goal in MORE_IS_BETTER else values[0] <= values[1]
