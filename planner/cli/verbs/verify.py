"""`planner verify`: what an engine reports on the machine, against the lock, part by part."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from planner.cli.plan import load_plan, locked, report, unreadable
from planner.cli.screen import say, tell
from planner.language.copies import block_of

if TYPE_CHECKING:
    from planner.lock.read import Lock
    from planner.startup.reported import Reported

LOGS = 16
"""So many logs and tables are read at most."""


def verify(
    plan: str = typer.Argument(..., help="The plan file; its lock lies beside it."),
    logs: list[str] = typer.Argument(
        ..., metavar="LOG...", help="A start-up log, nvidia-smi's CSV, or both; - for standard input."
    ),
    workload: str | None = typer.Option(None, "--workload", "-w", help="The workload that the log is of."),
    format: str = typer.Option("table", help="table, json or markdown.", autocompletion=lambda: list(_formats())),
) -> None:
    """Compare an engine's start-up log (vLLM, SGLang, llama.cpp) or nvidia-smi's CSV with the locked answer."""
    from planner.diagnostics.diagnostic import error
    from planner.report.verified import reasons, render
    from planner.startup.block import measurement
    from planner.startup.compare import compare
    from planner.startup.predicted import predicted
    from planner.syntax.files import STDIN

    if format not in _formats():
        raise typer.BadParameter(f"unknown format `{format}`; choose from {', '.join(_formats())}")
    if plan in STDIN:
        raise typer.BadParameter("a plan on standard input has no lock; name a file")
    if len(logs) > LOGS:
        raise typer.BadParameter(f"at most {LOGS} files are read", param_hint="LOG...")
    loaded = load_plan(plan)
    if loaded.problem is None:
        report(loaded.findings, loaded.texts)
        raise typer.Exit(2 if unreadable(loaded) else 1)
    names = [item.name for item in loaded.problem.workloads]
    if workload is not None and block_of(workload) not in names:
        tell(f"error[E0301]: unknown workload `{workload}`; available: {', '.join(names)}")
        raise typer.Exit(2)
    log, cards = _read(logs)
    lock, loaded = locked(plan, loaded)
    assert loaded.problem is not None
    name = workload or _meant(lock, log)
    if name not in lock.workloads:
        tell(f"error[E0301]: the lock has no workload `{name}`; available: {', '.join(lock.workloads)}")
        raise typer.Exit(2)
    said = predicted(loaded.problem, loaded.catalog, lock, name)
    verified = compare(loaded.problem, loaded.catalog, said, log, cards)
    block = "" if verified.apart or verified.changed else measurement(said, log, cards)
    say(render(format, verified, lock.path, block))
    if not verified.holds:
        place = lock.span("workloads", name)
        code = "E0807" if verified.apart else "E0808"
        faults = tuple(error(code, f"{name}: {reason}", place) for reason in reasons(verified))
        report(faults, {**loaded.texts, lock.path: lock.text}, "concise")
        raise typer.Exit(1)


def _formats() -> tuple[str, ...]:
    from planner.report.verified import FORMATS

    return FORMATS


def _read(paths: list[str]) -> tuple[Reported | None, Reported | None]:
    """Return the log and the table of GPUs among some files; exit where one is neither, or two are of one kind."""
    from planner.startup.read import MOST, Unread, decoded, read
    from planner.syntax.files import STDIN

    log = cards = None
    for path in paths:
        try:
            if path in STDIN:
                data = sys.stdin.buffer.read(MOST)
            else:
                with Path(path).open("rb") as file:
                    data = file.read(MOST)
        except (OSError, ValueError) as reason:
            missing = isinstance(reason, FileNotFoundError)
            why = getattr(reason, "strerror", None) or str(reason)
            tell(f"error[{'E0001' if missing else 'E0004'}]: {path} cannot be read: {why}")
            raise typer.Exit(2) from None
        try:
            reported = read(decoded(data))
        except Unread as reason:
            tell(f"error[E0809]: {path}: {reason}")
            raise typer.Exit(2) from None
        if (log if reported.engine else cards) is not None:
            tell(f"error[E0809]: {path} is a second {'log' if reported.engine else 'table of GPUs'}; name one of each")
            raise typer.Exit(2)
        log, cards = (reported, cards) if reported.engine else (log, reported)
    return log, cards


def _meant(lock: Lock, log: Reported | None) -> str:
    """Return the workload of a lock that a log is of; exit where several may be."""
    from planner.startup.read import meant

    names = meant({name: row.get("given", {}) for name, row in lock.workloads.items()}, log)
    if len(names) == 1:
        return names[0]
    tell(f"error[E0301]: several workloads may be meant: {', '.join(names)}; name one with --workload")
    raise typer.Exit(2)
