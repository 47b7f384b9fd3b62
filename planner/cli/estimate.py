"""`planner estimate`: the memory of a plan with nothing left open, or of a parameter count by the rule of thumb."""

from __future__ import annotations

import re
import sys

import typer

from planner.cli import screen
from planner.cli.plan import exists, load_plan, report, seconds, unanswered, unreadable
from planner.cli.progress import progress
from planner.cli.screen import say, tell


def estimate(
    what: str = typer.Argument(..., metavar="PLAN|COUNT", help="A plan file, or a parameter count like 13B."),
    weights: str | None = typer.Option(None, help="The weights' format, with a count: bf16 unless said."),
    training: bool = typer.Option(False, "--training", help="Train it, with a count."),
    optimizer: str | None = typer.Option(None, help="The optimizer, with a count and --training: adamw unless said."),
    time_limit: str = typer.Option("30s", help="The longest that it may take."),
    format: str = typer.Option("table", help="table, json, markdown or html.", autocompletion=screen.complete_format),
) -> None:
    """Say how much memory a plan needs, also where it does not fit (then exit 1)."""
    from planner.api import parameters

    screen.known_format(format)
    limit = seconds(time_limit)
    params = None if exists(what) else parameters(what)
    if params is not None:
        if optimizer is not None and not training:
            tell("warning: `--optimizer` says nothing of inference; add `--training`")
        _thumb(params, weights or "bf16", training, optimizer or "adamw", format)
        return
    if not exists(what) and (count := meant(what)):
        tell(f"error[E0001]: there is no file `{what}`; a count of parameters is written {count}")
        raise typer.Exit(2)
    idle = {"--weights": weights, "--training": training or None, "--optimizer": optimizer}
    for name in (name for name, said in idle.items() if said is not None):
        tell(f"warning: `{name}` is for a count of parameters; `{what}` is a plan and says its own")
    from planner.solve import estimate as answer_of
    from planner.solve.candidate import TooWide

    loaded = load_plan(what)
    report(loaded.findings, loaded.texts)
    if loaded.problem is None:
        raise typer.Exit(2 if unreadable(loaded) else 1)
    open_ = [
        f"{item.name}.{name}"
        for item in loaded.problem.workloads
        for name, values in item.domains.items()
        if len(values) > 1
    ] + [f"{item.name}.gpu" for item in loaded.problem.workloads if "gpu" not in item.domains]
    if open_:
        tell(f"error[E0404]: left open: {', '.join(open_)}; fix them or run `planner solve {what}`")
        raise typer.Exit(1)
    try:
        with progress() as stage:
            stage("reckoning memory")
            answer = answer_of(loaded.problem, loaded.catalog, limit)
    except TooWide as reason:
        tell(f"error[E0703]: too much to count: {reason}")
        raise typer.Exit(2) from None
    if code := unanswered(answer):
        raise typer.Exit(code)
    missing = {item.name for item in loaded.problem.workloads} - {item.chosen.workload for item in answer.workloads}
    if missing:
        tell(f"error[E0503]: no offer has what {', '.join(sorted(missing))} asks for")
        raise typer.Exit(1)
    screen.show(format, answer, loaded.problem, loaded.findings, what)
    if any(item.chosen.broken for item in answer.workloads):
        raise typer.Exit(1)


def meant(text: str) -> str | None:
    """Return a count of parameters as it is written where a text looks like one: 70B for 70b, 13B for 13GB."""
    found = re.fullmatch(r"(\d[\d_]*(?:\.\d+)?)\s*([kmbtg])(?:b|illion|n)?(?:\s*(?:params?|parameters))?", text.lower())
    if found is None:
        return None
    scale = {"g": "B"}.get(found[2], found[2] if found[2] == "k" else found[2].upper())
    return f"{found[1]}{scale}"


def _thumb(params: int, weights: str, training: bool, optimizer: str, format: str) -> None:
    from planner.catalog.load import load
    from planner.language.schema import BY_KIND
    from planner.physics import rule_of_thumb
    from planner.report.thumb import Thumb, render

    row = load()[0].find_format(weights)
    if row is None or isinstance(row, tuple):
        tell(f"error[E0301]: no format is called `{weights}`; `planner catalog list formats` has them")
        raise typer.Exit(2)
    optimizers = BY_KIND["training"]["optimizer"].words
    if optimizer not in optimizers:
        tell(f"error[E0301]: no optimizer is called `{optimizer}`; there are {', '.join(optimizers)}")
        raise typer.Exit(2)
    size = row.bits / 8
    parts = rule_of_thumb.training(params, size, optimizer) if training else rule_of_thumb.inference(params, size)
    kind = "training" if training else "inference"
    thumb = Thumb(params, row.id, row.bits, kind, optimizer if training else None, parts)
    columns, colour = screen.width(sys.stdout), screen.colourful(sys.stdout)
    say(render(format, thumb, width=columns, colour=colour), styled=colour)
