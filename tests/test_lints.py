"""Lints by files: `W0606-….mem` has that warning, `good-….mem` has none; what they say is stored beside."""

from __future__ import annotations

import re
import shutil
from fractions import Fraction
from pathlib import Path

import pytest
from command import run
from golden import compare as golden

from planner.cli.plan import load_plan
from planner.diagnostics import concise, full
from planner.diagnostics.codes import CODES
from planner.diagnostics.diagnostic import Diagnostic, Fix, Span, warning
from planner.language.problem import Problem
from planner.lint.allow import allowances, allowed
from planner.lint.answer import headroom
from planner.lint.fix import apply, means_the_same
from planner.lint.source import Source
from planner.review import review

ROOT = Path(__file__).parents[1]
CORPUS = ROOT / "tests/corpus/lints"
PLANS = sorted(CORPUS.glob("*.mem"))


def found(path: Path) -> tuple[Diagnostic, ...]:
    return review(str(path), load_plan(str(path)))


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_corpus(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CORPUS)
    loaded = load_plan(path.name)
    findings = review(path.name, loaded)
    assert not any(item.is_error for item in findings), full.render(findings, loaded.texts)
    if path.name.startswith("good"):
        assert findings == ()
        return
    code = path.name[:5]
    assert {item.code for item in findings} == {code}
    assert code in CODES
    golden(f"lints/{path.stem}.txt", full.render(findings, loaded.texts) + "\n")


def test_a_library_is_no_plan() -> None:
    assert found(CORPUS / "shared/models.mem") == ()
    assert run("check", "tests/corpus/lints/shared", "--locked").returncode == 0


def test_every_lint_has_a_file() -> None:
    have = {path.name[:5] for path in PLANS}
    elsewhere = {"W0601", "W0602", "W0603", "W0605", "W0611"}  # of resolving, of catalogs, of locks
    assert {code for code in CODES if code.startswith("W06")} - elsewhere <= have


def test_headroom() -> None:
    loaded = load_plan(str(CORPUS / "W0612-spot-only.mem"))
    assert loaded.file is not None
    source = Source("x", loaded.file, loaded.texts, loaded.problem, loaded.catalog)
    assert [item.code for item in headroom(source, {"chat": Fraction(29, 1000)})] == ["W0611"]
    assert not list(headroom(source, {"chat": Fraction(3, 100)}))
    assert not list(headroom(source, {"chat": Fraction(-1, 100)}))  # that is no little headroom but none


def test_what_an_allowance_covers() -> None:
    text = """\
# planner: allow W0001

# planner: allow W0002
# and why
inference a {
  gpus = 1  # planner: allow W0003 W0004
}
"""
    by_code = {item.code: item.lines for item in allowances(text, "a.mem")}
    assert by_code == {"W0001": None, "W0002": (5, 7), "W0003": (6, 6), "W0004": (6, 6)}


def test_errors_are_never_allowed() -> None:
    text = "x  # planner: allow E0301\n"
    item = Diagnostic("E0301", "error", "m", Span("a.mem", 0, 1, 1, 1))
    kept, unused = allowed((item,), {"a.mem": text})
    assert kept == (item,)
    assert [one.code for one in unused] == ["W0613"]


def test_a_lock_is_allowed_by_the_whole_plan_only() -> None:
    item = warning("W0801", "m", Span("a.mem.lock", 0, 0, 1, 1))
    assert allowed((item,), {"a.mem": "# planner: allow W0801\n\nlet a = 1\n"}) == ((), ())
    assert allowed((item,), {"a.mem": "let a = 1  # planner: allow W0801\n"})[0] == (item,)


def test_overlapping_fixes_wait() -> None:
    def one(start: int, end: int, words: str) -> Diagnostic:
        span = Span("a", start, end, 1, 1)
        return warning("W0606", "m", span, fix=Fix("t", ((span, words),), safe=True))

    text, done = apply("abcdef", "a", [one(0, 3, "X"), one(2, 4, "Y"), one(4, 5, ""), one(4, 5, "")])
    assert text == "Xdf"
    assert len(done) == 2


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
@pytest.mark.parametrize("unsafe", [False, True])
def test_fixing(path: Path, unsafe: bool, tmp_path: Path) -> None:
    shutil.copytree(CORPUS, tmp_path / "plans")
    plan = tmp_path / "plans" / path.name
    before = load_plan(str(plan)).problem
    words = ["fix", str(plan), *(["--unsafe"] if unsafe else [])]
    done = run(*words)
    assert done.returncode == 0, done.stderr
    left = [item for item in found(plan) if item.fix is not None and (item.fix.safe or unsafe)]
    assert left == []
    text = plan.read_text()
    after = load_plan(str(plan)).problem
    assert isinstance(before, Problem) and isinstance(after, Problem)
    assert unsafe or means_the_same(before, after)
    run(*words)
    assert plan.read_text() == text  # nothing is left for a second run
    assert bool(re.search("[1-9]", done.stderr.split("fixed")[0])) == (text != path.read_text())


def test_a_plan_with_errors_is_left(tmp_path: Path) -> None:
    plan = tmp_path / "a.mem"
    plan.write_text("let a = 1\ninference x { gpuz = 1 }\n")
    done = run("fix", str(plan))
    assert done.returncode == 1
    assert plan.read_text() == "let a = 1\ninference x { gpuz = 1 }\n"


def test_what_could_not_be_read_may_use_a_name_and_say_the_edition(tmp_path: Path) -> None:
    plan = tmp_path / "broken.mem"
    plan.write_text(
        "edition = 2026\nlet budget = $4/h\n"
        'inference chat { model = "openai-community/gpt2"; context = 1Ki tokens; concurrency = 4; cost <= = budget }\n'
    )
    assert {item.code for item in found(plan)} == {"E0102"}


def test_diff_writes_nothing(tmp_path: Path) -> None:
    plan = tmp_path / "a.mem"
    shutil.copy(CORPUS / "W0614-no-edition.mem", plan)
    done = run("fix", "--diff", str(plan))
    assert done.returncode == 1
    assert "+edition 2026" in done.stdout
    assert plan.read_bytes() == (CORPUS / "W0614-no-edition.mem").read_bytes()


def test_concise_names_the_line() -> None:
    (item,) = found(CORPUS / "W0606-k-for-ki.mem")
    assert concise.render((item,)).endswith("W0606-k-for-ki.mem:5:17: warning[W0606] `8k` is 8_000, `8Ki` is 8_192")
