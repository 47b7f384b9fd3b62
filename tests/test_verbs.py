"""What `check`, `fmt` and `fix` print in every form, byte for byte, with their exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import run
from golden import compare as golden

from planner.diagnostics.formats import FORMATS

GOOD = """\
edition 2026

inference chat {
  model       = "meta-llama/Llama-3.1-8B-Instruct"
  context     = 8Ki tokens
  concurrency = 4
}
"""
PLANS = {
    "broken.mem": GOOD.replace("= 8Ki tokens", "= 80 GiB").replace("concurrency", "concurency") + "let = 3\n",
    "good.mem": f"# planner: allow W0801\n\n{GOOD}",
    "lint.mem": GOOD.replace("8Ki", "8k").removeprefix("edition 2026\n\n") + "let   budget=$4/h # for later\n",
    "shared/models.mem": "model small { parameters = 1B }\n",
    "stale.mem": GOOD,
    "stale.mem.lock": "<<<<<<< ours\nschema: planner.lock/1\n",
    "gone.mem.lock": "schema: planner.lock/1\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in PLANS.items():
        path = tmp_path / "plans" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def said(folder: Path, *words: str, stdin: str | None = None) -> str:
    done = run(*words, cwd=folder, stdin=stdin)
    return f"$ planner {' '.join(words)}\n{done.stdout}--- stderr\n{done.stderr}--- exit code {done.returncode}\n"


@pytest.mark.parametrize("form", FORMATS)
def test_check(form: str, folder: Path) -> None:
    golden(f"verbs/check.{form}", said(folder, "check", "plans", "--format", form))


def test_check_locked(folder: Path) -> None:
    golden("verbs/check.locked", said(folder, "check", "--locked", "plans", "--format", "concise"))


def test_check_of_what_is_not_there(folder: Path) -> None:
    golden("verbs/check.missing", said(folder, "check", "plans/nosuch.mem", "plans/good.mem"))


@pytest.mark.parametrize("option", ["--check", "--diff"])
def test_fmt(option: str, folder: Path) -> None:
    golden(f"verbs/fmt{option}", said(folder, "fmt", option, "plans"))
    assert (folder / "plans/lint.mem").read_text() == PLANS["lint.mem"]


def test_fmt_writes(folder: Path) -> None:
    golden("verbs/fmt", said(folder, "fmt", "plans"))
    assert run("fmt", "--check", "plans/lint.mem", "plans/good.mem", cwd=folder).returncode == 0


def test_fmt_of_stdin(folder: Path) -> None:
    golden("verbs/fmt-", said(folder, "fmt", "-", stdin=PLANS["lint.mem"]))


@pytest.mark.parametrize("words", [("--diff",), ("--diff", "--unsafe")], ids="".join)
def test_fix(words: tuple[str, ...], folder: Path) -> None:
    golden(f"verbs/fix{''.join(words)}", said(folder, "fix", *words, "plans/lint.mem", "plans/good.mem"))


@pytest.mark.parametrize("verb", ["check", "fmt", "fix", "test", "diff", "solve"])
def test_usage_is_exit_2(verb: str, folder: Path) -> None:
    assert run(verb, cwd=folder).returncode == 2
    assert run(verb, "plans/good.mem", "--nosuch", cwd=folder).returncode == 2
    assert run(verb, "plans/nosuch.mem", cwd=folder).returncode == 2
