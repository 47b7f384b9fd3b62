"""A fault of the program itself: one line with what to report, exit code 2, and an answer that stays readable."""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from planner import __version__
from planner.cli import fault
from planner.cli.interrupts import INTERRUPTED
from planner.cli.main import VERBS, main
from planner.diagnostics.formats import FORMATS

ROOT = Path(__file__).parents[1]
CHAT = "examples/chat.mem"
FAULTS = [
    KeyError("inter"), AssertionError(), IndexError("list index out of range"), ValueError("a\nb\x1b[31m\u202e"),
    MemoryError(), RecursionError("maximum recursion depth exceeded"), EOFError("cut short"), ZeroDivisionError(),
    FileNotFoundError(2, "No such file or directory", "gone"), OSError(12, "Cannot allocate memory"),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a command sets for its process is set back."""
    before, threshold = signal.getsignal(signal.SIGINT), gc.get_threshold()
    monkeypatch.delenv(fault.DEBUG, raising=False)
    monkeypatch.chdir(ROOT)
    yield
    os.environ.pop(fault.DEBUG, None)
    signal.signal(signal.SIGINT, before)
    gc.set_threshold(*threshold)


def raising(problem: BaseException) -> object:
    def verb() -> None:
        raise problem

    return verb


def run(words: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["planner", *words])
    with pytest.raises(SystemExit) as left:
        main()
    return int(left.value.code or 0)


@pytest.mark.parametrize("problem", FAULTS, ids=lambda problem: type(problem).__name__)
def test_a_fault_is_one_line_with_what_to_report(
    problem: BaseException, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.import_module("planner.cli.verbs.check"), "check", raising(problem))
    assert run(["check"], monkeypatch) == 2
    said = capsys.readouterr()
    assert said.out == ""
    *before, line = said.err.splitlines()
    assert before == (["", "Aborted!"] if isinstance(problem, EOFError) else [])  # typer's own word at an end of input
    assert line.startswith("error[E9901]: internal error: ") and line.isprintable()
    assert type(problem).__name__ in line and __version__ in line and "`planner check`" in line
    assert "please report" in line and "--debug" in line


def test_a_fault_has_its_place_in_the_program() -> None:
    try:
        fault.line(None, 1)  # type: ignore[arg-type]
    except TypeError as problem:
        assert " at planner/cli/fault.py:" in fault.line(problem, ())


@pytest.mark.parametrize("how", ["option", "variable", "off"])
def test_the_traceback_is_shown_where_it_is_asked_for(
    how: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.import_module("planner.cli.verbs.check"), "check", raising(KeyError("inter")))
    if how != "option":
        monkeypatch.setenv(fault.DEBUG, "1" if how == "variable" else "0")
    assert run((["--debug"] if how == "option" else []) + ["check"], monkeypatch) == 2
    err = capsys.readouterr().err
    assert ("Traceback" in err) is (how != "off")
    assert err.splitlines()[-1].startswith("error[E9901]")


FORMS = [("check", form) for form in FORMATS] + [
    (verb, form) for verb in ("solve", "why", "diff", "estimate") for form in ("table", "json", "markdown", "html")
]


@pytest.mark.parametrize(("verb", "form"), FORMS)
def test_what_is_printed_stays_empty_or_readable(
    verb: str, form: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A fault while a plan is read, after another was answered."""
    import planner.plan as plan

    calls: list[str] = []
    whole = plan.load_plan

    def second_fails(path: str, *rest: object, **more: object) -> object:
        calls.append(path)
        if len(calls) > (verb != "why" and verb != "estimate"):
            raise KeyError("inter")
        return whole(path, *rest, **more)  # type: ignore[arg-type]

    for module in ("planner.plan", "planner.cli.plan", f"planner.cli.verbs.{verb}"):
        monkeypatch.setattr(importlib.import_module(module), "load_plan", second_fails)
    words = [verb, "--format", form, CHAT] + ([CHAT] if verb not in ("why", "estimate") else [])
    words += ["--no-lock"] if verb == "solve" else []
    if verb in ("check", "diff"):
        words[-1] = "examples/fleet.mem"
    assert run(words, monkeypatch) == 2
    said = capsys.readouterr()
    assert said.err.splitlines()[-1].startswith("error[E9901]")
    if said.out and form in ("json", "gitlab", "sarif"):
        json.loads(said.out)
    if verb != "solve" or form == "json":
        assert said.out == ""


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_guarded(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the verb's own file does not load."""

    def broken(name: str, *rest: object) -> object:
        raise ImportError(f"no {name}")

    monkeypatch.setattr("planner.cli.main.import_module", broken)
    assert run([verb], monkeypatch) == 2


def test_what_is_interrupted_is_no_fault(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(importlib.import_module("planner.cli.verbs.check"), "check", raising(KeyboardInterrupt()))
    assert run(["check"], monkeypatch) == INTERRUPTED
    assert "E9901" not in capsys.readouterr().err


@pytest.mark.parametrize("where", ["while printing", "at the end"])
def test_a_pipe_that_nobody_reads_is_no_fault(where: str) -> None:
    before = "import sys; sys.stdout.reconfigure(write_through=True)\n" if where == "while printing" else ""
    code = f"{before}from planner.cli.main import main\nmain()"
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-c", code, "catalog", "list", "offers"],
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")
