"""`planner why`: why this answer, and what every other option breaks."""

from __future__ import annotations

import typer

from planner.cli.plan import load_plan, report, unreadable


def why(
    plan: str = typer.Argument(..., help="The plan file."),
    workload: str | None = typer.Argument(None, help="One workload of it."),
) -> None:
    """Say why the answer is what it is: for each GPU, the nearest choice and the rules it breaks or what it costs."""
    from planner.report.table import explain, render
    from planner.solve import enumerate_candidates
    from planner.solve import solve as answer_of

    loaded = load_plan(plan)
    report(loaded.findings, loaded.texts)
    if loaded.problem is None:
        raise typer.Exit(2 if unreadable(loaded) else 1)
    names = [item.name for item in loaded.problem.workloads]
    if workload is not None and workload not in names:
        typer.echo(f"error[E0301]: no workload is called `{workload}`; there are {', '.join(names)}", err=True)
        raise typer.Exit(2)
    answer = answer_of(loaded.problem, loaded.catalog, top=0)
    typer.echo(render(answer))
    candidates = enumerate_candidates(loaded.problem, loaded.catalog)
    for name in names if workload is None else [workload]:
        typer.echo(f"\n{name}, the nearest choice of every GPU:\n{explain(candidates[name])}")
    raise typer.Exit(1 if answer.outcome == "infeasible" else 0)
