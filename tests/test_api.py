"""Library use: examples run by doctest, typed results, what a notebook shows, and no command line behind it."""

from __future__ import annotations

import doctest
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import planner
import planner.api
from planner.report.phrases import told

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


SMALL = """\
edition 2026
inference chat { model = "Qwen/Qwen2.5-0.5B"; context = 1024; concurrency = 1; gpu = l4; gpus = 1 }
"""
HUGE = """\
edition 2026
training tune { model = "Qwen/Qwen2.5-0.5B"; sequence = 134217728; gpu = l4; gpus = 1; global_batch = 4096
  micro_batch = 4096 }
"""


def refused(call: Callable[[planner.Plan], object], text: str) -> tuple[str, str]:
    """Return the code and message of what is raised instead of an empty answer; it has a place."""
    with pytest.raises(planner.PlanError) as caught:
        call(planner.load("small.mem", text=text))
    (finding,) = caught.value.findings
    assert finding.span is not None and finding.span.path == "small.mem"
    assert "small.mem:2:" in str(caught.value)
    return finding.code, finding.message


def test_memory_needs_no_offer() -> None:
    """Of every GPU of the catalog, rented or not; `solve` names an offer of hardware that nobody rents."""
    rented = {item.gpu for item in planner.load("a.mem", text=SMALL).problem.offers.listings}  # type: ignore[union-attr]
    catalog = planner.load("a.mem", text=SMALL).catalog
    unrented = [name for name in catalog.gpus if name not in rented and catalog.gpus[name].vendor in ("nvidia", "amd")]
    assert {"h20", "mi210"} <= set(unrented)
    for gpu in (*unrented, "l4"):
        text = SMALL.replace("gpu = l4", f"gpu = {gpu}")
        assert planner.estimate(planner.load("a.mem", text=text))["chat"].chosen.total > 2**30, gpu
    found = planner.solve(planner.load("a.mem", text=SMALL.replace("gpu = l4", "gpu = h20"))).answer.conflict
    assert any("offer own_h20 { gpu = h20; gpus = 1; price = $0/h }" in str(told(item.has)) for item in found)


def test_an_empty_answer_is_raised() -> None:
    late = refused(lambda plan: planner.solve(plan, time_limit=1e-9), SMALL)
    assert late == ("E0702", "nothing was found within 1e-09 s")
    assert refused(planner.solve, HUGE)[0] == "E0703"
    assert refused(planner.estimate, HUGE)[0] == "E0703"
    unsold = SMALL.replace("gpus = 1", "gpus = 3000")
    assert refused(planner.estimate, unsold) == ("E0503", "no offer has what chat asks for")
    assert planner.solve(planner.load("small.mem", text=unsold)).outcome == "infeasible"


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
