"""`planner test`: each block is a problem of its own; what does not hold is said with both its sides."""

from __future__ import annotations

from pathlib import Path

import command
import pytest
import xmlschema
from command import Done
from golden import compare as golden

from planner.cli.verbs.test import wanted

ROOT = Path(__file__).parents[1]
PLAN = """\
edition 2026

inference chat {
  model       = "meta-llama/Llama-3.1-8B-Instruct"
  context     = 1Ki tokens
  concurrency = 1
  offer       in {small, large}
  replicas    in 1..4
}

offer small { gpu = l4; gpus = 1; price = $0.50/h; available = 4 }
offer large { gpu = l40s; gpus = 1; price = $1.50/h; available = 4 }

fleet { cost <= $9/h }
require two: chat.gpus >= 2

test "as it is"    { expect chat.gpus == 2; expect chat.gpu == l4 and fleet.cost <= $9/h }
test "one is enough" { drop two; expect chat.gpus == 1 }
test "dearer"      { chat.gpu = l40s; expect fleet.cost > $1/h }
test "too large"   { chat.concurrency = 4000; chat.gpus = 2; expect infeasible by chat.memory }
test "no money"    { fleet.cost <= $0.01/h; expect infeasible by fleet.cost }
"""
FAILING = """\
test "two"         { expect chat.gpus == 1 and chat.gpu == l4 }
test "the other"   { expect chat.gpu == l4 and chat.gpu == l40s }
test "fits"        { chat.gpu = l4; expect infeasible }
test "by what"     { chat.concurrency = 4000; chat.gpus = 2; expect infeasible by fleet.cost }
test "nothing"     { chat.concurrency = 4000; chat.gpus = 2; expect chat.gpus == 2 }
"""


def run(folder: Path, *words: str) -> Done:
    return command.run("test", *words, cwd=folder)


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "chat.mem"
    path.write_text(PLAN)
    return path


def test_all_hold(plan: Path) -> None:
    done = run(plan.parent, "chat.mem")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("pass  chat.mem::") == 5
    assert done.stderr.endswith("5 passed\n")
    assert not (plan.parent / "chat.mem.lock").exists()


@pytest.mark.parametrize("form", ["full", "concise", "junit", "json"])
def test_what_fails_is_said(plan: Path, form: str) -> None:
    plan.write_text(PLAN + FAILING)
    done = run(plan.parent, "chat.mem", "--format", form)
    assert done.returncode == 1
    assert "5 failed, 5 passed" in done.stderr
    golden(f"test/failing.{form}", done.stdout)
    if form == "junit":
        xmlschema.XMLSchema(ROOT / "tests/schemas/junit.xsd").validate(done.stdout)


@pytest.mark.parametrize(
    ("words", "yes"),
    [("", True), ("friday", True), ("FRI chat", True), ("not friday", False), ("chat not monday", True), ("x", False)],
)
def test_picking(words: str, yes: bool) -> None:
    assert wanted("plans/chat.mem::black Friday", words) == yes


def test_only_what_is_picked_runs(plan: Path) -> None:
    done = run(plan.parent, ".", "-k", "dearer")
    assert done.stdout == "pass  chat.mem::dearer\n"


def test_a_plan_with_errors(plan: Path) -> None:
    plan.write_text(PLAN.replace("context ", "contextt "))
    done = run(plan.parent, "chat.mem")
    assert done.returncode == 1
    assert "E0303" in done.stderr
    assert run(plan.parent, "gone.mem").returncode == 2
