"""Owned GPUs cost their electricity, where the plan states what a kilowatt-hour costs."""

from __future__ import annotations

from pathlib import Path

from planner.cli.plan import load_plan


def test_board_power_joins_the_price(tmp_path: Path) -> None:
    plan = tmp_path / "plan.mem"
    plan.write_text(
        "offer ours { gpu = h100_sxm; gpus = 8; price = $1/h; electricity = $0.20/kWh }\n"
        'inference w { model = "meta-llama/Llama-3.1-8B"; context = 8192; concurrency = 8; offer = ours }\n'
    )
    problem = load_plan(str(plan)).problem
    assert problem is not None
    offer = next(item for item in problem.offers if item.id == "ours")
    watts = problem.gpus["h100_sxm"].power_w * 8
    assert offer.price == 1_000_000 + watts * 200
