"""Library use: examples run by doctest, typed results, what a notebook shows, and no command line behind it."""

from __future__ import annotations

import ast
import doctest
import importlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from command import run

import planner
import planner.api
from planner.report.phrases import in_words

ROOT = Path(__file__).parents[1]
CHAT = ROOT / "examples/chat.mem"


def test_the_examples_of_the_docstrings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    modules = [importlib.import_module(f"planner.api.{name}") for name in ("plans", "answers", "against", "results")]
    found = [doctest.testmod(module) for module in (planner.api, *modules)]
    assert sum(item.attempted for item in found) > 20
    assert sum(item.failed for item in found) == 0


def test_names() -> None:
    assert set(planner.__all__) <= set(dir(planner))
    for name in planner.__all__:
        assert getattr(planner, name) is not None
    with pytest.raises(AttributeError):
        planner.nothing  # noqa: B018


@pytest.mark.parametrize(
    "first",
    ["pass", "import planner.solve", "import planner.solve.answer", "from planner.solve.pipeline import solve",
     "import planner.solve.inference.judge as judge", "from planner import solve", "import planner.api",
     "planner.solve(CHAT, top=0)", "import planner.cli.main"],
)  # fmt: skip
def test_names_stay_functions_whatever_is_imported_before_and_after(first: str) -> None:
    """A package under the name of a function is both, from its first import on."""
    code = (
        f"import inspect, planner\nCHAT = {str(CHAT)!r}\n{first}\n"
        "one = planner.solve(CHAT, top=0)\n"
        "import planner.solve.choose.values\nimport planner.lock.verify, planner.lock.compare\n"
        "two = planner.solve(CHAT, top=0)\n"
        "assert repr(one.answer) == repr(two.answer)\n"
        "for name in planner.__all__:\n"
        "    if name[0].islower():\n"
        "        verb = getattr(planner, name)\n"
        "        assert callable(verb), name\n"
        "        assert inspect.signature(verb) == inspect.signature(getattr(planner.api, name)), name\n"
        "        assert verb.__doc__ == getattr(planner.api, name).__doc__, name\n"
        "assert inspect.unwrap(planner.solve) is planner.api.solve\n"
        "import planner.solve as package\nfrom planner.solve.pipeline import solve\n"
        "assert package.solve is solve and package.choose.values.by_value and inspect.ismodule(package)\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, cwd=ROOT)


def test_plans_are_texts_and_settings_are_mappings() -> None:
    text = CHAT.read_text()
    result = planner.solve(text=text, set={"chat.gpu": ["l4", "a40"], "chat.concurrency": 4})
    assert result["chat"].chosen.gpu in ("l4", "a40")
    assert result["chat"].chosen.given["concurrency"] == 4
    same = planner.load(CHAT, settings=["chat.gpu in {l4, a40}", "chat.concurrency = 4"])
    assert planner.solve(same).cost_usd_per_hour == result.cost_usd_per_hour
    assert not CHAT.with_name("plan.mem.lock").exists()


@pytest.mark.parametrize(
    "settings, written",
    [
        ({"a.gpus": 2}, "a.gpus = 2"),
        ({"a.gpus": range(1, 3)}, "a.gpus in {1, 2}"),
        ({"a.gpus": {4, 2}}, "a.gpus in {2, 4}"),
        ({"a.gpu": "l4"}, "a.gpu = l4"),
        ({"a.model": "Qwen/Qwen3-8B"}, 'a.model = "Qwen/Qwen3-8B"'),
        ({"a.model": 'config("x.json")'}, 'a.model = config("x.json")'),
        ({"a.model": "house"}, "a.model = house"),
        ({"a.engine_version": "0.33"}, 'a.engine_version = "0.33"'),
        ({"a.quality": 0.97}, "a.quality = 0.97"),
        ({"a.quality": 1e-7}, "a.quality = 0.0000001"),
        ({"a.images": False}, "a.images = false"),
        ({"a.context": "8Ki tokens"}, "a.context = 8Ki tokens"),
    ],
)
def test_settings_are_written_as_a_plan_does(settings: dict[str, object], written: str) -> None:
    from planner.api.plans import written as texts

    assert list(texts(settings)) == [written]


@pytest.mark.parametrize(
    "call, kind",
    [
        (lambda: planner.solve(), TypeError),
        (lambda: planner.solve(planner.load(CHAT), set={"chat.gpus": 2}), TypeError),
        (lambda: planner.solve(CHAT, set={"chat.gpus": object()}), TypeError),
        (lambda: planner.solve(CHAT, set={"chat.gpuz": 2}), planner.PlanError),
        (lambda: planner.why(CHAT, gpu="nothing"), ValueError),
        (lambda: planner.compare(CHAT), ValueError),
        (lambda: planner.solve(CHAT, time_limit="10 parsecs"), ValueError),
        (lambda: planner.why(CHAT, time_limit="0s"), ValueError),
        (lambda: planner.solve(CHAT, time_limit=None), ValueError),  # type: ignore[arg-type]
        (lambda: planner.diff(CHAT).render("csv"), ValueError),
        (lambda: planner.compare(CHAT, CHAT).render("html"), ValueError),
        (lambda: planner.estimate("13B").render("csv"), ValueError),
        (lambda: planner.diff(CHAT, against="no-such-revision"), ValueError),
        (lambda: planner.verify(CHAT, "no\nlog"), ValueError),
        (lambda: planner.verify(CHAT, "nosuch.log"), FileNotFoundError),
        (lambda: planner.verify(ROOT / "examples/impossible.mem", "no\nlog"), planner.PlanError),
        (lambda: planner.test(text="edition 2026\nlet a = 1 +"), planner.PlanError),
    ],
)
def test_what_cannot_be_done_is_raised(call: Callable[[], object], kind: type[Exception]) -> None:
    with pytest.raises(kind):
        call()


def test_each_verb_says_what_the_command_line_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT / "examples")
    said = {
        "why": (planner.why("chat.mem"), run("why", "chat.mem", "--json", cwd=ROOT / "examples").stdout),
        "compare": (
            planner.compare("chat.mem", "long_context.mem"),
            run("compare", "chat.mem", "long_context.mem", "--json", cwd=ROOT / "examples").stdout,
        ),
        "verify": (
            planner.verify("started.mem", "started.log"),
            run("verify", "started.mem", "started.log", "--json", cwd=ROOT / "examples").stdout,
        ),
        "diff": (planner.diff("chat.mem"), run("diff", "chat.mem", "--json", cwd=ROOT / "examples").stdout),
    }
    for verb, (found, text) in said.items():
        assert json.loads(found.render("json")) == json.loads(text), verb  # type: ignore[attr-defined]
        assert str(found) == found.render("table")  # type: ignore[attr-defined]
        assert "<" in found._repr_html_()  # type: ignore[attr-defined]
    tests = planner.test("measured.mem")
    assert tests.ok and [item.name for item in tests] == ["on the formulas alone it is four"]
    assert str(tests) == "pass  measured.mem::on the formulas alone it is four"
    assert not planner.test("measured.mem", pick="nothing so called").verdicts
    wrong = planner.test(text=CHAT.read_text() + 'test "one" { expect chat.gpus == 7 }')
    assert not wrong and "E0901" in str(wrong) and "1 failed" in repr(wrong)


def test_reprs_are_short() -> None:
    plan = planner.load(CHAT)
    result = planner.solve(plan)
    chat = result["chat"]
    things = (plan, result, result.answer, chat, chat.chosen, planner.why(plan), planner.check(plan),
              planner.estimate("13B"), planner.compare(CHAT, CHAT), planner.diff(CHAT))  # fmt: skip
    for thing in things:
        assert repr(thing).startswith("<") and len(repr(thing)) < 250 and "\n" not in repr(thing), repr(thing)


def test_the_notebook_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Its cells one after the other, each last expression shown as a notebook shows it; no outputs are stored."""
    monkeypatch.chdir(ROOT / "examples")
    notebook = json.loads((ROOT / "examples/library.ipynb").read_text())
    assert (notebook["nbformat"], len({cell["id"] for cell in notebook["cells"]})) == (4, len(notebook["cells"]))
    names: dict[str, object] = {}
    for cell in (cell for cell in notebook["cells"] if cell["cell_type"] == "code"):
        assert (cell["outputs"], cell["execution_count"]) == ([], None)
        tree = ast.parse("".join(cell["source"]))
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, "cell", "exec"), names)
        if isinstance(last, ast.Expr):
            shown = eval(compile(ast.Expression(last.value), "cell", "eval"), names)
            assert shown is None or getattr(shown, "_repr_html_", shown.__repr__)()
    assert "holds: 8 figures compared" in capsys.readouterr().out


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


def test_an_answer_goes_over_the_names_of_its_workloads() -> None:
    result = planner.solve(ROOT / "examples/fleet.mem", top=0, time_limit="30s")
    assert list(result) == [item.chosen.workload for item in result.answer.workloads]
    assert all(name in result and result[name].chosen.workload == name for name in result)
    assert "nobody" not in result
    assert 0 not in result


def test_a_form_that_is_none_is_refused_by_the_names_of_all() -> None:
    with pytest.raises(ValueError, match="unknown form `pdf`; there are table, json, markdown, html, csv"):
        planner.solve(CHAT).render("pdf")


def test_a_plan_that_was_read_is_held_against_its_lock() -> None:
    assert not planner.diff(planner.load(CHAT)).changed
    assert planner.diff(planner.load(CHAT, set={"chat.concurrency": 4}), time_limit="20s").changed


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
        found = planner.estimate(planner.load("a.mem", text=text))
        assert isinstance(found, planner.Result) and found["chat"].chosen.total > 2**30, gpu
    conflict = planner.solve(planner.load("a.mem", text=SMALL.replace("gpu = l4", "gpu = h20"))).answer.conflict
    assert any("offer own_h20 { gpu = h20; gpus = 1; price = $0/h }" in str(in_words(item.has)) for item in conflict)


def test_an_empty_answer_is_raised() -> None:
    late = refused(lambda plan: planner.solve(plan, time_limit=1e-9), SMALL)
    assert late == ("E0702", "nothing was found within 1e-09 s")
    assert refused(planner.solve, HUGE)[0] == "E0703"
    assert refused(planner.estimate, HUGE)[0] == "E0703"
    unsold = SMALL.replace("gpus = 1", "gpus = 3000")
    assert refused(planner.estimate, unsold) == ("E0503", "no offer has what chat asks for")
    code, why = refused(planner.estimate, SMALL.replace("gpus = 1", "gpus = 48; pipeline_parallel = 48"))
    assert code == "E0503"
    assert why.startswith("`chat` cannot run as stated: pipeline_parallel: expected at most")
    assert planner.solve(planner.load("small.mem", text=unsold)).outcome == "infeasible"


def test_estimates() -> None:
    thumb = planner.estimate("13B")
    assert isinstance(thumb, planner.Estimate)
    assert (thumb.total, repr(thumb)) == (31_200_000_000, "<Estimate: 13B inference, 31.2 GB>")
    for wrong in ({"weights": "bf15"}, {"optimizer": "magic"}):
        with pytest.raises(ValueError, match="unknown"):
            planner.estimate("13B", **wrong)  # type: ignore[arg-type]
    with pytest.raises(planner.PlanError, match="left open"):
        planner.estimate(CHAT)
    fixed = planner.estimate(ROOT / "examples/rule_of_thumb.mem")
    assert isinstance(fixed, planner.Result) and fixed.outcome == "fixed"
