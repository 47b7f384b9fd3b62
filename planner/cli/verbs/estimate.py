"""`planner estimate`: the memory of a model, of a plan with nothing left open, or of a count by the rule of thumb."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from planner.by_name import counted
from planner.cli import screen
from planner.cli.model import composed, is_model, load_composed, sized
from planner.cli.plan import exists, load_plan, report, seconds, unanswered, unreadable
from planner.cli.progress import progress
from planner.cli.screen import say, tell
from planner.language.compose import Words
from planner.language.copies import block_of

if TYPE_CHECKING:
    from planner.language.problem import Problem
    from planner.plan import Loaded
    from planner.solve.answer import Answer


def estimate(
    what: str = typer.Argument(
        ...,
        metavar="MODEL|PLAN|COUNT",
        help="A model's id, config.json, folder or checkpoint; a plan; a count like 13B.",
    ),
    gpu: str | None = typer.Option(
        None, help="The GPU, or its memory (96GiB), of a model: without it, the cards that hold the model."
    ),
    gpus: str | None = typer.Option(None, help="How many GPUs, of a model."),
    context: str | None = typer.Option(None, help="Tokens of prompt and output together, of a model: 8Ki unless said."),
    concurrency: str | None = typer.Option(None, help="Sequences held at once, of a model: 1 unless said."),
    weights: str | None = typer.Option(None, help="The weights' format, of a model or a count."),
    kv_cache: str | None = typer.Option(None, "--kv-cache", help="The KV cache's format, of a model."),
    engine: str | None = typer.Option(None, help="The serving engine, of a model: vllm unless said."),
    approximate: bool = typer.Option(False, "--approximate", help="Accept a model's file not described exactly."),
    training: bool = typer.Option(False, "--training", help="Train it, with a count."),
    optimizer: str | None = typer.Option(None, help="The optimizer, with a count and --training: adamw unless said."),
    time_limit: str = typer.Option("30s", help="The longest that it may take."),
    format: str = typer.Option(
        "table", help="table, json, markdown, html or csv.", autocompletion=screen.complete_format
    ),
) -> None:
    """Say how much memory a model or a plan needs, also where it does not fit (then exit 1)."""
    from planner.api import parameters

    screen.known_format(format)
    limit = seconds(time_limit)
    params = None if exists(what) else parameters(counted(what) or what)
    of_model = {"gpu": gpu, "gpus": gpus, "context": context, "concurrency": concurrency, "kv-cache": kv_cache,
                "engine": engine, "approximate": approximate or None}  # fmt: skip
    of_count = {"training": training or None, "optimizer": optimizer}
    if params is not None:
        if optimizer is not None and not training:
            tell("warning: `--optimizer` says nothing of inference; add `--training`")
        _idle(of_model, f"is for a model; {what} is a count of parameters")
        _thumb(params, weights or "bf16", training, optimizer or "adamw", format)
        return
    if is_model(what):
        _idle(of_count, f"is for a count of parameters; `{what}` is a model")
        words = Words(
            model=what,
            context=context,
            concurrency=concurrency,
            gpu=gpu,
            gpus=gpus,
            weights=weights,
            kv_cache=kv_cache,
            engine=engine,
            approximate=approximate,
        )
        _model(words, limit, format)
        return
    _idle({**of_model, "weights": weights}, f"is for a model or a count of parameters; `{what}` is a plan")
    _idle(of_count, f"is for a count of parameters; `{what}` is a plan and says its own")
    loaded = load_plan(what)
    report(loaded.findings, loaded.texts)
    if loaded.problem is None:
        raise typer.Exit(2 if unreadable(loaded) else 1)
    _fixed(loaded, what, limit, format)


def _idle(options: Mapping[str, object], why: str) -> None:
    """Say which options say nothing of what is estimated."""
    for name in (name for name, said in options.items() if said is not None):
        tell(f"warning: `--{name}` {why}")


def _fixed(loaded: Loaded, what: str, limit: float, format: str) -> None:
    """Print the memory of a plan with nothing left open."""
    from planner.language.offered import offered_in
    from planner.solve import estimate as answer_of
    from planner.solve.candidate import TooWide
    from planner.solve.rent import owned
    from planner.wording import excess_text

    assert loaded.problem is not None
    open_ = [f"{name}.model" for name in offered_in(loaded.problem)]
    open_ += [f"{item.name}.traffic" for item in loaded.problem.workloads if item.traffic]
    open_ += [
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
            missing = _missing(loaded.problem, answer)
            if missing:
                wanted = owned.hardware(loaded.problem, missing)
                problem = owned.with_own(loaded.problem, wanted)
                again = answer_of(problem, loaded.catalog, limit)
                if not _missing(problem, again):
                    loaded, answer, missing = replace(loaded, problem=problem), again, []
                    tell(
                        "warning: no offer of the catalogs rents this; the figures are for hardware of your own at $0/h"
                    )
                    tell("to plan with it, declare an offer with its price:")
                    say(owned.pasted(wanted), err=True)
    except TooWide as reason:
        tell(f"error[E0703]: too much to count: {excess_text(reason.excess)}")
        raise typer.Exit(2) from None
    if code := unanswered(answer):
        raise typer.Exit(code)
    assert loaded.problem is not None
    if missing:
        from planner.report.nothing_fits import nowhere

        report(nowhere(loaded.problem, missing, loaded.catalog), loaded.texts)
        raise typer.Exit(1)
    screen.show(format, answer, loaded.problem, loaded.findings, what)
    if any(item.chosen.broken for item in answer.workloads):
        raise typer.Exit(1)


def _missing(problem: Problem, answer: Answer) -> list[str]:
    """Return the workloads that no offer rents hardware for."""
    answered = {block_of(item.chosen.workload) for item in answer.workloads}
    return sorted({block_of(item.name) for item in problem.workloads} - answered)


def _model(words: Words, limit: float, format: str) -> None:
    """Print the memory of a model on a GPU, or without one the cards that hold it."""
    if words.gpu is not None:
        words, card = sized(words)
        loaded = load_composed(
            composed(replace(words, gpus=words.gpus or "1"), name="estimate", objective=False, more=card)
        )
        report(loaded.findings, loaded.texts)
        _fixed(loaded, words.model, limit, format)
        return
    from planner.report.cards import holding, render
    from planner.solve import solve as answer_of

    loaded = load_composed(composed(words, name="estimate", objective=False))
    assert loaded.problem is not None
    report(loaded.findings, loaded.texts)
    with progress() as stage:
        stage("trying every card")
        answer = answer_of(loaded.problem, loaded.catalog, top=0, time_limit=limit, hardware=True)
    if code := unanswered(answer):
        raise typer.Exit(code)
    held = holding(answer, loaded.problem, loaded.catalog, words)
    if held is None:
        tell(f"error[E0503]: no offer of the catalogs rents what `{words.model}` asks for")
        raise typer.Exit(1)
    columns, colour = screen.width(sys.stdout), screen.colourful(sys.stdout)
    say(render(format, held, width=columns, colour=colour), styled=colour)
    if not held.cards:
        raise typer.Exit(1)


def _thumb(params: int, weights: str, training: bool, optimizer: str, format: str) -> None:
    from planner.catalog.load import load
    from planner.language.schema import BY_KIND
    from planner.physics import rule_of_thumb
    from planner.report.thumb import Thumb, render

    row = load()[0].find_format(weights)
    if row is None or isinstance(row, tuple):
        tell(f"error[E0301]: unknown format `{weights}`; `planner catalog list formats` has them")
        raise typer.Exit(2)
    optimizers = BY_KIND["training"]["optimizer"].words
    if optimizer not in optimizers:
        tell(f"error[E0301]: unknown optimizer `{optimizer}`; available: {', '.join(optimizers)}")
        raise typer.Exit(2)
    size = row.bits / 8
    parts = rule_of_thumb.training(params, size, optimizer) if training else rule_of_thumb.inference(params, size)
    kind = "training" if training else "inference"
    thumb = Thumb(params, row.id, row.bits, kind, optimizer if training else None, parts)
    columns, colour = screen.width(sys.stdout), screen.colourful(sys.stdout)
    say(render(format, thumb, width=columns, colour=colour), styled=colour)
