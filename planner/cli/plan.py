"""What every verb does first: read a plan, print what is wrong with it, read the words of its options."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from planner.cli.screen import say, tell
from planner.diagnostics import Diagnostic
from planner.plan import Loaded, Shipped, load_plan, shipped_catalog

if TYPE_CHECKING:
    from planner.lock.read import Lock
    from planner.solve.answer import Answer

__all__ = ["Loaded", "Shipped", "exists", "load_plan", "locked", "report", "seconds", "shipped_catalog", "unreadable"]


def report(findings: tuple[Diagnostic, ...], texts: dict[str, str], format: str = "full") -> None:
    """Print findings on stderr."""
    if not findings:
        return
    if format == "concise":
        from planner.diagnostics.concise import render as concise

        say(concise(findings), err=True)
    else:
        from planner.cli.screen import colourful
        from planner.diagnostics.full import render

        colour = colourful(sys.stderr)
        say(render(findings, texts, colour), err=True, styled=colour)


def unreadable(loaded: Loaded) -> bool:
    """Return whether a file could not be read at all, or the command line is at fault (exit code 2)."""
    return any(
        item.is_error and (item.code.startswith("E00") or (item.span is not None and item.span.path.startswith("--")))
        for item in loaded.findings
    )


def unanswered(answer: Answer) -> int:
    """Say why solving came to nothing, and return the exit code; 0 where there is an answer or a conflict."""
    if answer.refusal and answer.outcome == "unknown":
        from planner.wording import excess_text

        tell(f"error[E0703]: too much to try: {excess_text(answer.refusal)}")
        return 2
    if answer.outcome == "unknown":
        tell("error[E0702]: nothing was found within the time limit; raise --time-limit")
        return 1
    return 0


def locked(plan: str, loaded: Loaded) -> tuple[Lock, Loaded]:
    """Return the plan's lock, and the plan with the models that it says.

    Exit where it is missing, broken, out of date, or does not fit.
    """
    from planner.diagnostics.diagnostic import error
    from planner.lock.lock import path_for
    from planner.lock.read import read
    from planner.lock.verify import as_locked, verify

    assert loaded.problem is not None
    where = path_for(plan)
    lock, broken = read(where, plan)
    if lock is None:
        again = f"run `planner solve {plan}`, and review what it writes"
        missing = error("E0801", f"{where} is missing", help=again)
        report((broken or missing,), loaded.texts)
        raise typer.Exit(1)
    findings, _ = verify(loaded.problem, loaded.catalog, loaded.texts, lock)
    faults = tuple(item for item in findings if item.is_error)
    report(faults, {**loaded.texts, str(where): lock.text})
    if faults:
        raise typer.Exit(1)
    return lock, replace(loaded, problem=as_locked(loaded.problem, lock))


def answered_by(answer: Answer, loaded: Loaded) -> Loaded:
    """Return a plan with the models of its answer, where it offers several."""
    from planner.language.offered import of_models

    assert loaded.problem is not None
    return replace(loaded, problem=of_models(loaded.problem, answer.models)) if answer.models else loaded


def seconds(text: str) -> float:
    """Return a time limit like `30s`, `500ms` or `2min` in seconds; raise typer.BadParameter."""
    from planner.units.quantity import duration

    try:
        return duration(text)
    except ValueError as reason:
        raise typer.BadParameter(str(reason)) from None


def exists(name: str) -> bool:
    """Return whether a name is a file or folder."""
    return Path(name).exists()
