"""`planner test`: the test blocks of plans."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import typer

from planner.cli.files import plans
from planner.cli.plan import Shipped, load_plan, report, seconds, shipped_catalog, unreadable
from planner.cli.screen import say, tell
from planner.diagnostics.formats import FORMATS
from planner.plan import is_shared

if TYPE_CHECKING:
    from planner.diagnostics import Diagnostic
    from planner.language.problem import Problem
    from planner.solve.answer import Answer
    from planner.trials.run import Verdict


SHOWN = 5
"""So many names of tests are shown where none matches."""


def test(
    paths: list[str] = typer.Argument(..., metavar="PLAN...", help="Plan files, or folders of them."),
    pick: str = typer.Option("", "-k", metavar="WORDS", help="Only tests whose `plan::name` has these words; `not x`."),
    time_limit: str = typer.Option("2min", help="The longest that all tests of a plan may take."),
    format: str = typer.Option("full", help=", ".join(FORMATS[:-1]) + f" or {FORMATS[-1]}."),
) -> None:
    """Run the tests of plans: solve each with its overrides and without what it drops, and see what it expects."""
    if format not in FORMATS:
        raise typer.BadParameter(f"unknown format `{format}`; choose from {', '.join(FORMATS)}")
    limit, shipped = seconds(time_limit), shipped_catalog()
    verdicts: list[tuple[str, Verdict]] = []
    texts: dict[str, str] = {}
    names: list[str] = []
    worst = 0
    for path in plans(paths):
        results, code = _one(path, pick, limit, shipped, texts, names)
        verdicts += [(path, verdict) for verdict in results]
        worst = max(worst, code)
    _print(verdicts, texts, format)
    failed = sum(not verdict.passed for _, verdict in verdicts)
    passed = len(verdicts) - failed
    if pick and not verdicts and not worst:
        known = "; ".join(names[:SHOWN]) + ("; …" if len(names) > SHOWN else "")
        tell(f"no test matches `{pick}`; " + (f"available: {known}" if names else "the plans have no tests"))
        raise typer.Exit(1)
    tell(f"{failed} failed, {passed} passed" if failed else f"{passed} passed")
    raise typer.Exit(max(worst, int(failed > 0)))


def wanted(name: str, words: str) -> bool:
    """Return whether a test's `plan::name` has every word asked for; a word behind `not` must be missing."""
    banned = False
    for word in words.lower().split():
        if word == "not":
            banned = True
            continue
        if (word in name.lower()) == banned:
            return False
        banned = False
    return True


def _one(
    path: str, words: str, limit: float, shipped: Shipped, texts: dict[str, str], names: list[str]
) -> tuple[list[Verdict], int]:
    """Run the tests of a plan that `words` pick; the names of all of them are added to `names`."""
    from planner.cli.progress import progress
    from planner.solve import solve
    from planner.trials.run import run

    loaded = load_plan(path, shipped=shipped)
    texts |= loaded.texts
    if is_shared(loaded):
        return [], 0
    if loaded.problem is None:
        report(loaded.findings, loaded.texts)
        return [], 2 if unreadable(loaded) else 1

    def answer(problem: Problem) -> Answer:
        return solve(problem, loaded.catalog, 0, max(0.0, end - time.monotonic()))

    names += [f"{path}::{trial.name}" for trial in loaded.problem.trials]
    end = time.monotonic() + limit
    trials = [trial for trial in loaded.problem.trials if wanted(f"{path}::{trial.name}", words)]
    out = []
    with progress() as stage:
        for number, trial in enumerate(trials, 1):
            stage(f"testing {path} ({number} of {len(trials)})")
            out.append(run(trial, answer))
    return out, 0


def _print(verdicts: list[tuple[str, Verdict]], texts: dict[str, str], format: str) -> None:
    if format == "junit":
        from planner.diagnostics.junit import JunitCase, document

        cases = [
            JunitCase(path, verdict.name, tuple(_failure(item) for item in verdict.failures))
            for path, verdict in verdicts
        ]
        say(document("planner test", cases))
        return
    from planner.cli.screen import colourful
    from planner.diagnostics.formats import render

    if format in ("full", "concise"):
        for path, verdict in verdicts:
            tell(f"{'pass' if verdict.passed else 'FAIL'}  {path}::{verdict.name}", err=False)
    failures = [item for _, verdict in verdicts for item in verdict.failures]
    colour = colourful(sys.stdout)
    shown = render(format, failures, texts, colour=colour)
    if shown:
        say(f"\n{shown}" if format == "full" else shown, styled=colour, commands=format == "github")


def _failure(item: Diagnostic) -> tuple[str, str, str]:
    from planner.diagnostics.concise import render

    return item.code, item.message, f"{render((item,))}\n{item.label}"
