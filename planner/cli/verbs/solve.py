"""`planner solve`: the cheapest answer, its proof, and the lock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import typer

from planner.cli import interrupts, options, processes, screen
from planner.cli.plan import Loaded, answered_by, load_plan, report, seconds, unanswered, unreadable
from planner.cli.progress import QUIET, progress
from planner.cli.screen import tell
from planner.language.compose import Words, option
from planner.record import dataclass

if TYPE_CHECKING:
    from planner.diagnostics import Diagnostic
    from planner.solve.answer import Answer


def solve(
    plans: list[str] = typer.Argument(None, metavar="PLAN...", help="The plan files, or - for standard input."),
    model: str | None = typer.Option(
        None, help="Instead of a plan: a model's id, config.json, folder or checkpoint; nothing is written."
    ),
    context: options.Context = None,
    concurrency: options.Concurrency = None,
    gpu: options.Gpu = None,
    gpus: options.Gpus = None,
    weights: options.Weights = None,
    kv_cache: options.KvCache = None,
    engine: options.Engine = None,
    approximate: options.Approximate = False,
    check: bool = typer.Option(False, "--check", help="Only compare the answer with the lock."),
    no_lock: bool = typer.Option(False, "--no-lock", help="Write no lock."),
    accept_feasible: bool = typer.Option(False, "--accept-feasible", help="Lock an answer without a full proof."),
    top: int = typer.Option(3, min=0, help="How many alternatives to show."),
    settings: list[str] = typer.Option([], "--set", metavar="WORKLOAD.QUANTITY=VALUE", help="Override the plan."),
    pareto: str = typer.Option("", metavar="A,B", help="Also the front of best answers in these: cost,quality."),
    time_limit: str = typer.Option("30s", help="The longest that solving a plan may take."),
    workers: int = typer.Option(1, min=1, help="Threads of the solver; the answer is the same for any number."),
    format: str = typer.Option(
        "table", help="table, json, markdown, html or csv.", autocompletion=screen.complete_format
    ),
) -> None:
    """Choose the cheapest hardware that provably fits and write PLAN.lock."""
    screen.known_format(format)
    if "" in settings:
        raise typer.BadParameter("nothing is set; write chat.gpus=2", param_hint="--set")
    wanted = SolveOptions(
        check=check,
        no_lock=no_lock,
        accept=accept_feasible,
        top=top,
        settings=tuple(settings),
        front=_quantities(pareto),
        limit=seconds(time_limit),
        workers=workers,
        format=format,
    )
    plans = plans or []
    said = {"context": context, "concurrency": concurrency, "gpu": gpu, "gpus": gpus, "weights": weights,
            "kv_cache": kv_cache, "engine": engine}  # fmt: skip
    if model is not None:
        if plans or check:
            raise typer.BadParameter("it stands instead of a plan and its lock", param_hint="--model")
        raise typer.Exit(_of_model(Words(model, **said, approximate=approximate), wanted))
    stray = next(iter(option(name) for name, value in said.items() if value is not None), None)
    if stray is None and approximate:
        raise typer.BadParameter(
            'it goes with --model; a plan says config("…", approximate)', param_hint="--approximate"
        )
    if stray is not None:
        raise typer.BadParameter("it goes with --model; a plan says its own, and --set changes it", param_hint=stray)
    if not plans:
        raise typer.BadParameter("name a plan, or a model: --model ORG/MODEL", param_hint="PLAN...")
    held: list[str] | None = [] if len(plans) > 1 else None
    worst = 0
    for code in _several(plans, wanted, held) if held is not None else [_one(plans[0], wanted, None)]:
        worst = max(worst, code)
    if held is not None:
        screen.show_held(format, held)
    raise typer.Exit(worst)


def _several(plans: Sequence[str], wanted: SolveOptions, held: list[str]) -> Iterator[int]:
    """Solve several plans, as many at once as there are cores, and yield the exit code of each in their order."""
    from planner.syntax.files import STDIN

    if processes.cores() < 2 or any(plan in STDIN for plan in plans) or len(set(plans)) < len(plans):
        yield from (_one(plan, wanted, held) for plan in plans)
        return
    for tried in _watched(processes.each(partial(_tried, wanted), plans), len(plans)):
        if isinstance(tried, str):
            yield _one(tried, wanted, held)
            continue
        code, printed, shown = tried
        if shown and not held:  # the first answer has no empty line before it
            at = next((place for place, (err, text) in enumerate(printed) if not err and text.startswith("\n")), None)
            if at is not None:
                printed[at] = False, printed[at][1][1:]
        processes.shown(printed)
        held += shown
        yield code


def _watched(results: Iterator[Tried], count: int) -> Iterator[Tried]:
    """Yield results, saying while each is awaited how many have come."""
    for done in range(count):
        with progress() as stage:
            stage("solving plans", done, count)
            tried = next(results)
        yield tried


Tried = tuple[int, processes.Printed, list[str]] | str


def _tried(wanted: SolveOptions, plan: str) -> Tried:
    """Return the exit code of a plan, what is printed and the answer that is held; in a process of its own. The plan
    where it is to be solved again, for a fault or a mistake of the command line to be told."""
    held = [""]
    QUIET.append(True)
    try:
        code, printed = processes.printing(lambda: _one(plan, wanted, held))
    except (Exception, SystemExit):
        return plan
    return code, printed, held[1:]


@dataclass(frozen=True, slots=True)
class SolveOptions:
    """The options of the verb; `front` are the quantities of `--pareto`, `limit` is in seconds."""

    check: bool
    no_lock: bool
    accept: bool
    top: int
    settings: tuple[str, ...]
    front: tuple[str, ...]
    limit: float
    workers: int
    format: str


def _quantities(text: str) -> tuple[str, ...]:
    """Return the quantities of `--pareto`; raise typer.BadParameter for an unknown outcome."""
    from planner.language.schema import QUANTITIES

    known = sorted({row.name for row in QUANTITIES if row.role == "outcome"} | {"gpus"})
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    for name in names:
        if name.rpartition(".")[2] not in known:
            raise typer.BadParameter(f"unknown outcome `{name}`; available: {', '.join(known)}", param_hint="--pareto")
    if len(names) == 1:
        raise typer.BadParameter("a front needs two quantities: cost,quality", param_hint="--pareto")
    return names


def _doubts(answer: Answer, loaded: Loaded) -> tuple[Diagnostic, ...]:
    """Return what speaks against the rows an answer rests on, without what the plan allows.

    A price is old here where it is older than the catalog; `check` looks at today's date.
    """
    from planner.catalog.freshness import aged, findings
    from planner.language.copies import block_of
    from planner.lint.allow import allowed

    problem = loaded.problem
    if problem is None or not answer.workloads:
        return ()
    named = dict.fromkeys(item.chosen.offer for item in answer.workloads)
    offers = [offer for name in named if (offer := problem.offers.get(name)) and offer.source != "the plan"]
    gpus = [problem.gpus[item.chosen.gpu] for item in answer.workloads]
    places = {block_of(item.name): item.spans.get("offer", item.span) for item in problem.workloads}
    rented = [item.chosen for item in answer.workloads]
    old = (
        aged(row.offer, row.price_as_of, problem.offers.day, row.workload, places[block_of(row.workload)])
        for row in rented
    )
    peers = [each for card in dict.fromkeys(offer.gpu for offer in offers) for each in problem.offers.of(card)]
    shipped = [offer for offer in peers if offer.source != "the plan"]
    doubts = (*findings(offers, peers=shipped, gpus=gpus), *(item for item in old if item))
    return allowed(doubts, loaded.texts)[0]


def _of_model(words: Words, wanted: SolveOptions) -> int:
    """Solve the plan that the words of the command line mean, and show both; nothing is written."""
    from planner.cli.model import composed
    from planner.language.compose import PLACE

    text = composed(words, name="chat")
    if wanted.format == "table":
        screen.say(text)
    return _one(PLACE, wanted, None, text)


def _one(plan: str, wanted: SolveOptions, held: list[str] | None, text: str | None = None) -> int:
    from planner.language.copies import block_of
    from planner.lock import lock
    from planner.solve import solve as answer_of
    from planner.syntax.files import STDIN

    if plan in STDIN and wanted.check:
        raise typer.BadParameter("a plan on standard input has no lock to compare with; name a file")
    loaded = load_plan(plan, wanted.settings, text=text)
    report(loaded.findings, loaded.texts)
    if loaded.problem is None:
        return 2 if unreadable(loaded) or text is not None else 1
    workloads = list(dict.fromkeys(block_of(item.name) for item in loaded.problem.workloads))
    for name in wanted.front:
        if "." in name and name.rpartition(".")[0] not in workloads:
            message = f"unknown workload `{name}`; available: {', '.join(workloads)}"
            raise typer.BadParameter(message, param_hint="--pareto")
    mixed = next((item.name for item in loaded.problem.workloads if item.traffic), None)
    if wanted.front and mixed is not None:
        raise typer.BadParameter(f"`{mixed}` has traffic: its cost is minimized alone", param_hint="--pareto")
    with interrupts.softly(), progress() as stage:
        answer = answer_of(
            loaded.problem,
            loaded.catalog,
            wanted.top,
            wanted.limit,
            wanted.workers,
            wanted.front,
            stage,
            hardware=wanted.format != "table",
        )
    loaded = answered_by(answer, loaded)
    assert loaded.problem is not None
    if interrupts.came and answer.outcome == "unknown":
        tell("interrupted: no answer was found yet")
        raise typer.Exit(interrupts.INTERRUPTED)
    doubts = _doubts(answer, loaded)
    if answer.outcome == "infeasible":
        from planner.report.nothing_fits import infeasible

        doubts = (*doubts, *infeasible(answer, loaded.problem))
    report(doubts, loaded.texts)
    screen.show(wanted.format, answer, loaded.problem, (*loaded.findings, *doubts), plan, wanted.front, held)
    if wanted.format == "table":
        screen.show_values(answer, loaded.problem)
    if interrupts.came:
        best = "the best answer found so far" if answer.outcome == "feasible" else f"the answer, {answer.outcome}"
        tell(f"interrupted: this is {best}; no lock is written")
        raise typer.Exit(interrupts.INTERRUPTED)
    if answer.outcome == "infeasible":
        return 1
    if code := unanswered(answer):
        return code
    path = lock.path_for(plan)
    if plan in STDIN or text is not None:
        return 0 if answer.outcome == "optimal" or wanted.accept else _unproven(answer, "it is the best found")
    if wanted.check:
        return _compare(plan, answer, loaded)
    if answer.outcome != "optimal" and not wanted.accept:
        return _unproven(answer, "the lock stays as it is")
    if wanted.no_lock or wanted.settings:
        return 0
    try:
        lock.write(path, lock.render(answer, loaded.problem, loaded.catalog, loaded.texts))
    except OSError as reason:
        tell(f"error[E0005]: {path} cannot be written: {reason.strerror}; it stays as it is")
        return 2
    return 0


def _unproven(answer: Answer, rest: str) -> int:
    """Say what of an answer is not proven, and return the exit code."""
    if answer.refusal:
        from planner.wording import excess_text

        tell(f"error[E0703]: no proof, too much to try: {excess_text(answer.refusal)}; {rest}")
    elif all(part.value is not None and part.value == part.bound for part in answer.objective):
        ties = "the objective is proven, but not which of the answers that are as good comes first"
        tell(f"error[E0702]: {ties}: time ran out; {rest}")
    else:
        tell(f"error[E0702]: no proof within the time limit; {rest}")
    return 1


def _compare(plan: str, answer: Answer, loaded: Loaded) -> int:
    """Return 0 where the lock has this answer; say what is another where it has not."""
    from planner.lock import lock
    from planner.lock.compare import other_parts
    from planner.lock.read import read

    assert loaded.problem is not None
    path = lock.path_for(plan)
    written, broken = read(path, plan)
    if broken is not None:
        report((broken,), {})
        return 1
    if written is None:
        tell(f"error[E0801]: {path} is missing; run `planner solve {plan}`")
        return 1
    other = other_parts(written, lock.document(answer, loaded.problem, loaded.catalog, loaded.texts))
    if other:
        message = f"{path} is not the answer to this plan ({', '.join(other)}); run `planner solve {plan}`"
        tell(f"error[E0802]: {message}")
    return 1 if other else 0
