"""Library use: examples run by doctest, typed results, what a notebook shows, and no command line behind it."""

from __future__ import annotations

import doctest
import json
import subprocess
import sys
from pathlib import Path

import pytest

import planner
import planner.api

ROOT = Path(__file__).parents[1]
CHAT = ROOT / "examples/chat.mem"


def test_the_examples_of_the_docstrings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    done = doctest.testmod(planner.api)
    assert done.attempted > 10
    assert done.failed == 0


def test_names() -> None:
    assert set(planner.__all__) <= set(dir(planner))
    for name in planner.__all__:
        assert getattr(planner, name) is not None
    with pytest.raises(AttributeError):
        planner.nothing  # noqa: B018


def test_solve_is_a_function_before_and_after_its_package_is_imported() -> None:
    code = (
        "import planner\n"
        f"one = planner.solve({str(CHAT)!r}, top=0)\n"
        "import planner.solve\n"
        f"two = planner.solve({str(CHAT)!r}, top=0)\n"
        "assert one.answer == two.answer\n"
        "assert planner.solve.solve is not planner.api.solve\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_the_library_needs_no_command_line() -> None:
    code = (
        "import sys, planner\n"
        f"print(planner.check({str(CHAT)!r}, locked=True).ok)\n"
        "print([m for m in ('typer', 'rich', 'ortools', 'numpy', 'pandas', 'pydantic') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.split("\n")[:2] == ["True", "[]"]


def test_an_answer_is_what_the_command_line_prints() -> None:
    result = planner.solve(CHAT)
    assert result.lock() == CHAT.with_name("chat.mem.lock").read_text()
    assert json.loads(result.render("json")) == json.loads(json.dumps(result.document()))
    assert result.cost_usd_per_hour == result.document()["cost_usd_per_hour"]
    assert str(result) == result.render("table")
    assert result._repr_html_().startswith("<!doctype html")
    assert result._repr_markdown_().startswith("## ")
    assert "chat.mem, optimal, $" in repr(result)
    with pytest.raises(KeyError):
        result["nothing"]


def test_a_plan_with_errors() -> None:
    plan = planner.load("x.mem", text="edition 2026\ninference a { gpuz = 1 }\n")
    assert plan.problem is None
    with pytest.raises(planner.PlanError, match="gpuz") as caught:
        planner.solve(plan)
    assert {item.code for item in caught.value.findings} >= {"E0303"}
    review = planner.check(plan)
    assert not review and len(review) == len(list(review)) > 0
    assert "E0303" in str(review) and "<pre>" in review._repr_html_()


def test_nothing_fits() -> None:
    result = planner.solve(ROOT / "examples/impossible.mem")
    assert (result.outcome, result.fits, result.cost_usd_per_hour) == ("infeasible", False, None)
    assert [item.rule for item in result.answer.conflict] == ["big.memory", "big.gpus", "big.gpu"]
    with pytest.raises(ValueError, match="no answer"):
        result.lock()


def test_estimates() -> None:
    thumb = planner.estimate("13B")
    assert isinstance(thumb, planner.Estimate)
    assert (thumb.total, repr(thumb)) == (31_200_000_000, "<Estimate: 13B inference, 31.2 GB>")
    for wrong in ({"weights": "bf15"}, {"optimizer": "magic"}):
        with pytest.raises(ValueError, match="is called"):
            planner.estimate("13B", **wrong)  # type: ignore[arg-type]
    with pytest.raises(planner.PlanError, match="left open"):
        planner.estimate(CHAT)
    fixed = planner.estimate(ROOT / "examples/rule_of_thumb.mem")
    assert isinstance(fixed, planner.Result) and fixed.outcome == "fixed"
