"""The command line, run in this process: what it prints, and its exit code."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner

from planner.cli.main import app

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


def run(*words: str, cwd: Path = ROOT, stdin: str | bytes | None = None) -> Done:
    """Run a verb in a folder; what it raises but exits is raised."""
    with contextlib.chdir(cwd):
        result = CliRunner().invoke(app, list(words), input=stdin, prog_name="planner")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Done(result.exit_code, result.stdout, result.stderr)
