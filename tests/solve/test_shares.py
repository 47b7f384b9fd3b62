"""A workload's bound on its cost, where workloads share instances, is about its share; every verb holds it so."""

from __future__ import annotations

from pathlib import Path

from command import run

PLAN = """edition 2026
offer rack { gpu = h100_sxm; gpus = 8; price = $20/h }
inference a { model = "Qwen/Qwen2.5-7B"; context = 8Ki tokens; concurrency = 8; gpus = 1; provider = own
              cost <= $11/h }
inference b { model = "Qwen/Qwen2.5-7B"; context = 8Ki tokens; concurrency = 16; gpus = 1; provider = own }
"""


def test_a_share_keeps_a_bound_that_the_whole_would_break(tmp_path: Path) -> None:
    plan = tmp_path / "plan.mem"
    plan.write_text(PLAN + 'test "share" { expect a.cost <= $11/h; expect fleet.cost == $20/h }\n')
    done = run("solve", str(plan))
    assert done.returncode == 0, done.stderr
    assert "a.cost  $10.00/h <= $11.00/h" in done.stdout
    assert "breaks" not in done.stdout
    assert run("check", str(plan)).returncode == 0
    assert run("solve", "--check", str(plan)).returncode == 0
    assert run("test", str(plan)).returncode == 0


def test_a_bound_below_every_share_is_the_conflict(tmp_path: Path) -> None:
    plan = tmp_path / "plan.mem"
    plan.write_text(PLAN.replace("$11/h", "$9/h"))
    done = run("solve", str(plan))
    assert done.returncode == 1
    assert "a.cost" in done.stdout


def test_alone_the_whole_counts(tmp_path: Path) -> None:
    plan = tmp_path / "plan.mem"
    plan.write_text(PLAN[: PLAN.index("inference b")])
    assert run("solve", str(plan)).returncode == 1
