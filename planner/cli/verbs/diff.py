"""`planner diff`: the answer now against the lock, or against a revision of git."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import typer

from planner.cli import screen
from planner.cli.files import plans
from planner.cli.plan import Shipped, load_plan, report, seconds, shipped_catalog, unanswered, unreadable
from planner.cli.screen import say, tell
from planner.plan import is_shared

if TYPE_CHECKING:
    from planner.lock.compare import Difference, Side


def diff(
    paths: list[str] = typer.Argument(..., metavar="PLAN...", help="Plan files, or folders of them."),
    against: str | None = typer.Option(
        None, "--against", metavar="REV", help="Compare with the plan at this revision."
    ),
    exit_code: bool = typer.Option(False, "--exit-code", help="Exit 1 where anything changed."),
    time_limit: str = typer.Option("30s", help="The longest that solving a plan may take."),
    format: str = typer.Option("table", help="table, json, markdown or html.", autocompletion=screen.complete_format),
) -> None:
    """Say what a plan's answer changes: before, after and dollars per month, workload by workload."""
    from planner.report.difference import render
    from planner.syntax.files import STDIN

    screen.known_format(format, "csv")
    limit, shipped = seconds(time_limit), shipped_catalog()
    differences, worst = [], 0
    for path in plans(paths):
        if path in STDIN:
            raise typer.BadParameter("a plan on standard input has neither a lock nor a revision; name a file")
        item, code = _one(path, against, limit, shipped)
        differences += [item] if item is not None else []
        worst = max(worst, code)
    if differences:
        say(render(format, differences))
    if not worst and exit_code and any(item.changed for item in differences):
        worst = 1
    raise typer.Exit(worst)


def _one(path: str, against: str | None, limit: float, shipped: Shipped) -> tuple[Difference | None, int]:
    end = time.monotonic() + limit  # of both answers together
    after, code = _answer(path, limit, shipped)
    if after is None:
        return None, code
    from planner.lock.compare import compare

    before, code, name = (
        _revision(path, against, max(0.0, end - time.monotonic()), shipped) if against else _locked(path)
    )
    if code:
        return None, code
    item = compare(path, name, before, after)
    return item, 1 if after.outcome == "infeasible" else 0


def _answer(path: str, limit: float, shipped: Shipped) -> tuple[Side | None, int]:
    from planner.cli.progress import progress
    from planner.lock.compare import of_answer
    from planner.solve import solve

    loaded = load_plan(path, shipped=shipped)
    if is_shared(loaded):
        return None, 0
    report(loaded.findings, loaded.texts)
    if loaded.problem is None:
        return None, 2 if unreadable(loaded) else 1
    with progress() as stage:
        stage(f"solving {path}")
        answer = solve(loaded.problem, loaded.catalog, 0, limit)
    if code := unanswered(answer):
        return None, code
    return of_answer(answer), 0


def _locked(path: str) -> tuple[Side | None, int, str]:
    from planner.lock.compare import of_lock
    from planner.lock.lock import path_for
    from planner.lock.read import read

    where = path_for(path)
    lock, broken = read(where, path)
    if broken is not None:
        report((broken,), {})
        return None, 1, ""
    return (of_lock(lock) if lock is not None else None), 0, str(where)


def _revision(path: str, revision: str, limit: float, shipped: Shipped) -> tuple[Side | None, int, str]:
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from planner.lock.revision import NoRevision, extract

    with TemporaryDirectory(prefix="planner-") as folder:
        try:
            old = extract(path, revision, Path(folder))
        except NoRevision as reason:
            tell(f"error[E0006]: {reason}")
            return None, 2, ""
        if old is None:
            return None, 0, revision
        side, _code = _answer(str(old), limit, shipped)
        if side is None:
            tell(f"the plan at {revision} has errors; it is compared as a plan with no answer")
        return side, 0, revision
