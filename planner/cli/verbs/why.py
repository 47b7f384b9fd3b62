"""`planner why`: why this answer, and what every other option breaks."""

from __future__ import annotations

import sys
from dataclasses import replace

import typer

from planner.cli import screen
from planner.cli.plan import Loaded, answered_by, load_plan, report, seconds, unanswered, unreadable
from planner.cli.progress import progress
from planner.cli.screen import say, tell

EVERY = 1000
"""So many alternatives are asked for: one for each kind and number of GPUs."""


def why(
    plan: str = typer.Argument(..., help="The plan file."),
    workload: str | None = typer.Argument(None, help="One workload of it."),
    gpu: str | None = typer.Option(None, help="One GPU type, whether or not the plan offers it."),
    time_limit: str = typer.Option("30s", help="The longest that all of it may take."),
    format: str = typer.Option(
        "table", help="table, json, markdown, html or csv.", autocompletion=screen.complete_format
    ),
) -> None:
    """Say why the answer is what it is: of each GPU type and format the nearest choice, what it costs and breaks."""
    from planner.language.copies import block_of
    from planner.report.nothing_fits import infeasible
    from planner.solve import solve as answer_of

    screen.known_format(format)
    limit = seconds(time_limit)
    loaded = load_plan(plan)
    report(loaded.findings, loaded.texts)
    if loaded.problem is None:
        raise typer.Exit(2 if unreadable(loaded) else 1)
    names = list(dict.fromkeys(block_of(item.name) for item in loaded.problem.workloads))
    if workload is not None and workload not in names:
        tell(f"error[E0301]: unknown workload `{workload}`; available: {', '.join(names)}")
        raise typer.Exit(2)
    card = _card(gpu, loaded) if gpu is not None else ""
    with progress() as stage:
        stage("trying every option")
        answer = answer_of(
            loaded.problem,
            loaded.catalog,
            top=EVERY,
            time_limit=limit,
            hardware=True,
            values=True,
            gpu=card,
            margins=not card,
        )
    if code := unanswered(answer):
        raise typer.Exit(code)
    loaded = answered_by(answer, loaded)
    assert loaded.problem is not None
    if workload is not None:
        answer = replace(
            answer,
            workloads=tuple(item for item in answer.workloads if block_of(item.chosen.workload) == workload),
            filtered=tuple(item for item in answer.filtered if item.workload == workload),
            hardware=tuple(item for item in answer.hardware if item.workload == workload),
            by_value=tuple(item for item in answer.by_value if item.workload == workload),
        )
    outcome = infeasible(answer, loaded.problem)
    report(outcome, loaded.texts)
    screen.show(format, answer, loaded.problem, (*loaded.findings, *outcome), plan)
    if format == "table":
        from planner.report import phrases
        from planner.report import why as reasons

        known = phrases.operators(loaded.problem)
        groups = reasons.reasons(answer, known)
        columns, colour = screen.width(sys.stdout), screen.colourful(sys.stdout)
        if not answer.hardware:
            tell("warning: time is out before every GPU type was tried; raise --time-limit")
        say("\n" + reasons.render(groups, width=columns, colour=colour), styled=colour)
        screen.show_values(answer, loaded.problem)
        if answer.margins is not None:
            from planner.report import sensitivity

            changes = sensitivity.render(answer.margins, width=columns, colour=colour)
            if changes:
                say("\n" + changes, styled=colour)
    if card:
        _unoffered(card, loaded, workload)
    raise typer.Exit(1 if answer.outcome == "infeasible" else 0)


def _card(text: str, loaded: Loaded) -> str:
    """Return the id of a GPU type; exit where nothing is called so, or several are."""
    assert loaded.problem is not None
    if text in loaded.problem.gpus:
        return text
    gpu = loaded.catalog.find_gpu(text)
    if gpu is None or isinstance(gpu, tuple):
        from planner.language.scope import nearest

        if gpu:
            tell(f"error[E0301]: `{text}` is ambiguous; choose from {', '.join(row.id for row in gpu)}")
            raise typer.Exit(2)
        near = nearest(text, loaded.problem.gpus)
        tell(f"error[E0301]: unknown GPU `{text}`" + (f"; did you mean `{near}`?" if near else ""))
        raise typer.Exit(2)
    return gpu.id


def _unoffered(card: str, loaded: Loaded, name: str | None) -> None:
    """Say which workloads the plan does not offer this GPU type."""
    from planner.solve.choose.values import offers

    assert loaded.problem is not None
    for item in loaded.problem.workloads:
        if name in (None, item.name) and not offers(item, card):
            tell(f"note: {card} is not among the GPUs of `{item.name}`; shown as if it were")
