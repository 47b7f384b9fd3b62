"""`planner check`: everything short of solving; no solver is imported."""

from __future__ import annotations

import sys
from functools import partial

import typer

from planner.cli.files import orphans, plans
from planner.cli.plan import Shipped, load_plan, shipped_catalog
from planner.cli.processes import each
from planner.cli.screen import colourful, say, tell
from planner.diagnostics import Diagnostic, Span
from planner.diagnostics.diagnostic import warning
from planner.diagnostics.formats import FORMATS, render
from planner.review import review


def check(
    paths: list[str] = typer.Argument(..., metavar="PATH...", help="Plan files, or folders of them."),
    locked: bool = typer.Option(False, "--locked", help="A missing lock is an error."),
    exports: list[str] = typer.Option([], "--exports", metavar="DIR", help="Exports in a folder must follow too."),
    proof: bool = typer.Option(
        False, "--proof", help="Also enumerate all candidates and count what proves each lock; no solver is started."
    ),
    format: str = typer.Option("full", help=", ".join(FORMATS[:-1]) + f" or {FORMATS[-1]}."),
) -> None:
    """Check plans and their locks: syntax, names, units, and that the lock answers the plan and fits."""
    if format not in FORMATS:
        raise typer.BadParameter(f"unknown format `{format}`; choose from {', '.join(FORMATS)}")
    findings: dict[Diagnostic, None] = {}  # what two plans import is reported once
    texts: dict[str, str] = {}
    files = plans(paths)
    worst = 0
    shipped = shipped_catalog()
    for reviewed, read in each(partial(_reviewed, shipped, locked, proof), files, MANY):
        findings |= dict.fromkeys(reviewed)
        texts |= read
        if any(item.is_error and item.code.startswith("E00") for item in reviewed):
            worst = 2
        elif any(item.is_error for item in reviewed):
            worst = max(worst, 1)
    for lock in orphans(paths):
        findings[
            warning("W0803", f"{lock} has no plan", Span(lock, 0, 0, 1, 1), help="remove it, or rename it too")
        ] = None
    for folder in exports:
        outdated = _outdated(folder, files)
        findings |= dict.fromkeys(outdated)
        worst = max(worst, 1 if outdated else 0)
    colour = colourful(sys.stdout)
    shown = render(format, tuple(findings), texts, files, colour)
    if shown:
        say(shown, styled=colour, commands=format == "github")
    tell(_summary(len(files), tuple(findings)))
    raise typer.Exit(worst)


def _outdated(folder: str, files: list[str]) -> list[Diagnostic]:
    """Return the exports of a folder that no longer follow from the locks of these plans."""
    from planner.export.checked_in import stale

    try:
        return [*stale(folder, files)]
    except OSError as reason:
        tell(f"error[E0004]: {reason.filename or folder} cannot be read: {reason.strerror}")
        raise typer.Exit(2) from None


MANY = 40
"""From so many plans on they are checked in several processes: two of these start in the time of ten plans."""


def _reviewed(shipped: Shipped, locked: bool, proof: bool, path: str) -> tuple[tuple[Diagnostic, ...], dict[str, str]]:
    """Return what is wrong with a plan, and the texts that this is shown in."""
    texts: dict[str, str] = {}
    loaded = load_plan(path, shipped=shipped)
    findings = review(path, loaded, locked, texts, proof)
    return findings, texts | loaded.texts if findings else {}


def _summary(plans: int, findings: tuple[Diagnostic, ...]) -> str:
    errors = sum(item.is_error for item in findings)
    counts = ((errors, "error"), (len(findings) - errors, "warning"))
    said = " and ".join(f"{count} {word}{'s' * (count != 1)}" for count, word in counts if count)
    return f"{plans} plan{'s' * (plans != 1)} checked: {said or 'all good'}"
