"""The verbs that show answers: estimate, why, init, the terminal, progress and the shell's completion."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import threading
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from planner.cli import progress
from planner.cli.main import app

ROOT = Path(__file__).parents[1]
MAIN = "from planner.__main__ import main; main()"


def run(*words: str) -> Any:
    return CliRunner().invoke(app, words, prog_name="planner", env={"COLUMNS": "100"})


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("13B",), {"weights": 26_000_000_000, "activations": 5_200_000_000}),
        (
            ("13B", "--training", "--optimizer", "adam"),
            {
                "weights": 26_000_000_000,
                "activations": 5_200_000_000,
                "gradients": 26_000_000_000,
                "optimizer": 52_000_000_000,
            },
        ),
        (("10B", "--weights", "fp32"), {"weights": 40_000_000_000, "activations": 8_000_000_000}),
        (("10B", "--weights", "fp16"), {"weights": 20_000_000_000, "activations": 4_000_000_000}),
    ],
)
def test_rule_of_thumb(words: tuple[str, ...], parts: dict[str, int]) -> None:
    """31.2 GB and 109.2 GB for 13B; the activations are a fifth of the weights; what needs a GPU is null."""
    found = json.loads(run("estimate", *words, "--format", "json").stdout)
    (item,) = found["workloads"]
    assert (found["outcome"], item["name"]) == ("fixed", "estimate")
    assert item["memory"]["parts"] == parts
    assert item["memory"]["total"] == sum(parts.values())
    assert item["memory"]["usable"] is None and found["cost_usd_per_hour"] is None
    assert item["choice"]["gpu"] is None and item["choice"]["gpus"] is None
    assert set(item["outcomes"].values()) == {None}


@pytest.mark.parametrize("form", ["table", "markdown", "html"])
def test_rule_of_thumb_is_shown(form: str) -> None:
    assert "109.2 GB" in run("estimate", "13B", "--training", "--format", form).stdout


@pytest.mark.parametrize(
    "words",
    [
        ("13B", "--weights", "fp17"),
        ("13B", "--training", "--optimizer", "magic"),
        ("-1B",),
        ("0",),
        ("1e400",),
        ("13B", "--format", "pdf"),
    ],
)
def test_estimate_refuses_what_it_does_not_know(words: tuple[str, ...]) -> None:
    done = run("estimate", *words)
    assert done.exit_code in (1, 2)
    assert done.exception is None or isinstance(done.exception, SystemExit)
    assert done.stderr


def test_a_file_of_that_name_wins_over_the_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("13B").write_text("edition 2026\n", encoding="utf-8")
    assert "rule of thumb" not in run("estimate", "13B").stdout


PLAN = """edition 2026
inference a {
  model = "meta-llama/Llama-3.1-8B"
  context = 8Ki tokens
  concurrency = %d
  gpu = l4
  gpus = 1
}
"""


@pytest.mark.parametrize(("concurrency", "code"), [(1, 0), (64, 1)])
def test_estimate_prints_also_what_does_not_fit(concurrency: int, code: int, tmp_path: Path) -> None:
    plan = tmp_path / "a.mem"
    plan.write_text(PLAN % concurrency, encoding="utf-8")
    done = run("estimate", str(plan))
    assert done.exit_code == code
    assert "W weights" in done.stdout
    assert ("breaks" in done.stdout) == bool(code)
    assert not plan.with_name("a.mem.lock").exists()


def test_why_names_every_gpu_and_its_rule() -> None:
    done = run("why", "examples/impossible.mem", "big")
    assert done.exit_code == 1
    for gpu in ("l4", "a10g"):
        assert f"1 x {gpu}" in done.stdout
    assert "big.memory: needs" in done.stdout


@pytest.mark.usefixtures("without_margins")
@pytest.mark.parametrize("form", ["table", "json", "markdown", "html"])
def test_why_speaks_of_one_workload(form: str) -> None:
    done = run("why", "examples/fleet.mem", "search", "--format", form)
    assert done.exit_code == 0
    assert "search" in done.stdout
    assert "nightly.memory" not in done.stdout


def test_why_knows_its_workloads() -> None:
    done = run("why", "examples/fleet.mem", "nosuch")
    assert done.exit_code == 2
    assert "chat, code" in done.stderr


@pytest.mark.parametrize("words", [(), ("--training",)])
def test_the_first_plan_solves(words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = run("init", *words)
    assert made.exit_code == 0
    assert "planner solve plan.mem" in made.stderr
    assert run("fmt", "--check", "plan.mem").exit_code == 0
    solved = run("solve", "plan.mem")
    assert solved.exit_code == 0, solved.stderr
    assert Path("plan.mem.lock").exists()
    assert run("check", "--locked", "plan.mem").exit_code == 0
    again = run("init", *words)
    assert (again.exit_code, "already there" in again.stderr) == (2, True)


def on_a_terminal(*words: str, **environment: str) -> str:
    """Return what a command writes on a terminal of its own."""
    leader, follower = pty.openpty()
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "FORCE_COLOR")}
    env = {**kept, "TERM": "xterm-256color", "PYTHONUTF8": "1", **environment}
    child = subprocess.Popen(
        [sys.executable, "-c", MAIN, *words], stdout=follower, stderr=subprocess.DEVNULL, cwd=ROOT, env=env
    )
    os.close(follower)
    out = b""
    while True:
        try:
            piece = os.read(leader, 65536)
        except OSError:  # Linux says EIO when the other end is closed
            break
        if not piece:
            break
        out += piece
    child.wait()
    os.close(leader)
    return out.decode("utf-8")


def test_colour_only_where_it_is_wanted() -> None:
    """A terminal gets colour; NO_COLOR (no-color.org), a dumb terminal and a pipe do not."""
    words = ("estimate", "13B")
    assert "\x1b[" in on_a_terminal(*words)
    assert "\x1b[" not in on_a_terminal(*words, NO_COLOR="1")
    assert "\x1b[" not in on_a_terminal(*words, TERM="dumb")
    piped = subprocess.run([sys.executable, "-c", MAIN, *words], capture_output=True, text=True, cwd=ROOT)
    assert "\x1b[" not in piped.stdout


def test_plain_output_imports_no_rich() -> None:
    code = (
        "import sys; from planner.cli.main import app\n"
        "try: app(['solve', '--no-lock', 'examples/chat.mem'])\n"
        "except SystemExit: pass\n"
        "print([m for m in ('rich', 'pydantic', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip().endswith("[]"), done.stdout


class Screen(StringIO):
    """A stderr that says when something was written."""

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self.terminal, self.written = terminal, threading.Event()

    def isatty(self) -> bool:
        return self.terminal

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"

    def write(self, text: str) -> int:
        count = super().write(text)
        if "3 of 10" in self.getvalue():
            self.written.set()
        return count


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_shows_the_stage_and_its_counts(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen(terminal)
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    monkeypatch.setattr(progress, "EVERY", 0.01)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    with progress.progress() as stage:
        stage("solving", 3, 10)
        assert screen.written.wait(30), screen.getvalue()
    assert ("\x1b[" in screen.getvalue()) == terminal


def test_quick_work_shows_no_progress(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.progress() as stage:
        stage("solving")
    assert capsys.readouterr().err == ""


def test_an_interrupted_command_ends_with_130(tmp_path: Path) -> None:
    """The plan is typed in and more than a pipe holds, so the command is surely still reading it."""
    words = [sys.executable, "-c", MAIN, "solve", "/dev/stdin"]
    child = subprocess.Popen(words, stdin=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path)
    assert child.stdin is not None
    child.stdin.write(b"# not the end\n" * 100_000)
    child.send_signal(signal.SIGINT)
    _, said = child.communicate(timeout=60)
    assert child.returncode == 130
    assert b"Traceback" not in said


@pytest.mark.parametrize("module", ["typer", "lark", "planner.language.scope"])
def test_an_interrupt_while_the_command_starts_ends_it_quietly(module: str, tmp_path: Path) -> None:
    """A finder raises the signal in the middle of an import, where an exit can come out as another error."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, signal, sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, path, target=None):\n"
        f"        if name == {module!r}:\n"
        "            class Noted:\n"
        "                def __set_name__(self, owner, name):\n"
        "                    os.kill(os.getpid(), signal.SIGINT)\n"
        "                    sum(range(1000))\n"
        "            type('Owner', (), {'noted': Noted()})\n"
        "sys.meta_path.insert(0, Finder())\n"
    )
    env = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    words = [sys.executable, "-m", "planner", "solve", "--no-lock", "examples/chat.mem"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, env=env, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_the_shell_completes_verbs_and_formats() -> None:
    def complete(words: str, position: int) -> list[str]:
        env = {**os.environ, "_PLANNER_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(position)}
        code = "from planner.cli.main import app; app(prog_name='planner')"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env=env)
        return done.stdout.split()

    assert complete("planner so", 1) == ["solve"]
    assert complete("planner solve --format ma", 3) == ["markdown"]
