"""`planner compare`: the answers of several plans side by side."""

from __future__ import annotations

import typer

from planner.cli.plan import load_plan, report, seconds, shipped_catalog, unreadable
from planner.cli.progress import progress
from planner.cli.screen import say, tell

MOST = 8
"""So many plans stand beside each other at most."""


def compare(
    plans: list[str] = typer.Argument(..., metavar="PLAN PLAN...", help="Two plan files, or more."),
    fresh: bool = typer.Option(False, "--fresh", help="Solve each plan, whatever its lock says."),
    time_limit: str = typer.Option("30s", help="The longest that solving a plan may take."),
    format: str = typer.Option("table", help="table, json, markdown or csv."),
) -> None:
    """Show the answers of plans side by side: each plan's lock where it is up to date, else what solving it gives."""
    from planner.current_answer import current_answer
    from planner.report.compared import FORMATS, Column, render
    from planner.syntax.files import STDIN

    if format not in FORMATS:
        raise typer.BadParameter(f"unknown format `{format}`; choose from {', '.join(FORMATS)}")
    if not 2 <= len(plans) <= MOST:
        raise typer.BadParameter(f"name two plans, or up to {MOST}", param_hint="PLAN PLAN...")
    if len([plan for plan in plans if plan in STDIN]) > 1:
        raise typer.BadParameter("standard input can be one plan", param_hint="PLAN PLAN...")
    limit, shipped, columns, worst = seconds(time_limit), shipped_catalog(), [], 0
    for plan in plans:
        loaded = load_plan(plan, shipped=shipped)
        report(tuple(item for item in loaded.findings if item.is_error), loaded.texts)
        if loaded.problem is None:
            raise typer.Exit(2 if unreadable(loaded) else 1)
        with progress() as stage:
            stage(f"solving {plan}")
            result = current_answer(loaded, plan, limit, fresh or plan in STDIN)
        if result.faults:
            tell(f"note: ignoring the lock of {plan}: {result.faults[0].message}")
        columns.append(Column(plan, result.source, result.side, result.refusal))
        worst = max(worst, int(result.side is None or result.side.outcome == "infeasible"))
    say(render(format, columns))
    raise typer.Exit(worst)
