"""The tools as functions: each returns text for whoever asks, and a document for programs; nothing is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import wraps
from threading import Lock as Mutex
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from planner.api import answers
from planner.api.plans import TEXT, Plan, PlanError, Settings, written
from planner.api.results import Result, Review
from planner.by_name import MistakenWord, composed, counted, sized
from planner.language.compose import PLACE, Words
from planner.plan import Shipped, load_plan, shipped_catalog
from planner.record import dataclass
from planner.syntax.files import STDIN, read

if TYPE_CHECKING:
    from planner.diagnostics import Diagnostic, Span
    from planner.lock.read import Lock

P = ParamSpec("P")
T = TypeVar("T")
SHOWN = 3
"""So many alternatives are named beside where every GPU type and value stands, which says more."""


class RefusedError(ValueError):
    """Why a tool has no answer, with the code of each finding, its place and the way out."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a tool answers: a text to read, and the same as a document."""

    text: str
    document: dict[str, Any]


_turn = Mutex()


def _in_turn(tool: Callable[P, T]) -> Callable[P, T]:
    """Let one call run at a time: what was read and computed is remembered for the next, and a solve has all cores.

    What the library raises of a plan or an argument is raised as RefusedError.
    """

    @wraps(tool)
    def call(*words: P.args, **more: P.kwargs) -> T:
        with _turn:
            try:
                return tool(*words, **more)
            except PlanError as problem:
                raise RefusedError(str(problem)) from None
            except (MistakenWord, ValueError, TypeError) as problem:
                code = f"error[{problem.code}]: " if isinstance(problem, MistakenWord) and problem.code else ""
                option = f"{problem.option}: " if isinstance(problem, MistakenWord) and problem.option else ""
                raise RefusedError(f"{code}{option}{problem}") from None

    return call


_catalogs: list[Shipped] = []


def _shipped() -> Shipped:
    """Return the shipped catalogs, read once."""
    if not _catalogs:
        _catalogs.append(shipped_catalog())
    return _catalogs[0]


def _plan(plan: str, path: str, settings: Settings | None = None) -> tuple[Plan, str]:
    """Return a plan as it was read, and what it is called: a text, or a regular file that ends in .mem."""
    if bool(plan) == bool(path):
        raise RefusedError("give a plan's text as `plan`, or its `path`: one of them")
    text, name = plan, TEXT
    if path:
        if path in STDIN or not path.endswith(".mem"):
            raise RefusedError(f"`{path}` is not a plan's path: it ends in .mem")
        content, problem = read(path)
        if content is None:
            reason = problem.message if problem is not None else "it cannot be read"
            raise RefusedError(f"error[{problem.code if problem is not None else 'E0004'}]: {reason}")
        text, name = content, path
    return load_plan(name, tuple(written(settings or {})), shipped=_shipped(), text=text), name


@_in_turn
def check(plan: str = "", path: str = "", locked: bool = False) -> Reply:
    """Return what is wrong with a plan, and with its lock where it has a path, as `planner check` says it."""
    from planner.diagnostics.json_ import record
    from planner.review import review

    loaded, name = _plan(plan, path)
    texts = dict(loaded.texts)
    reviewed = Review(review(name, loaded, locked if path else None, texts), texts)
    errors = sum(item.is_error for item in reviewed)
    document = {
        "ok": reviewed.ok,
        "errors": errors,
        "warnings": len(reviewed) - errors,
        "findings": [record(item) for item in reviewed],
    }
    return Reply(str(reviewed) or "all good", document)


@_in_turn
def solve(
    plan: str = "", path: str = "", settings: Settings | None = None, top: int = 3, time_limit: str = "30s"
) -> Reply:
    """Return the cheapest answer with its proof, or the rules that conflict, as `planner solve` shows it."""
    from planner.report.json_ import document

    loaded, name = _plan(plan, path, settings)
    result = answers.solve(_named(loaded), top=top, time_limit=time_limit)
    doubts = f"{Review(loaded.findings, loaded.texts)}\n\n" if loaded.findings else ""
    return Reply(doubts + result.render(), document(result.answer, loaded.findings, name))


def _named(loaded: Plan) -> Plan:
    """Return a plan; raise PlanError where it has errors."""
    if loaded.problem is None:
        raise PlanError(loaded.findings, loaded.texts)
    return loaded


@_in_turn
def why(plan: str = "", path: str = "", gpu: str = "", time_limit: str = "30s") -> Reply:
    """Return why an answer is what it is: where every GPU type, format and way of checkpointing stands."""
    loaded, _ = _plan(plan, path)
    row = _named(loaded).catalog.find_gpu(gpu) if gpu else None
    if isinstance(row, tuple):
        raise RefusedError(f"error[E0301]: `{gpu}` is ambiguous; choose from {', '.join(one.id for one in row)}")
    reasons = answers.why(loaded, gpu=gpu if row is None else row.id, time_limit=time_limit)
    whole = reasons.document()
    few = [{**item, "alternatives": item["alternatives"][:SHOWN]} for item in whole["workloads"]]
    return Reply(reasons.render(), {**whole, "workloads": few})


@_in_turn
def explain(name: str) -> Reply:
    """Return what a name is: a code, quantity, value, unit, format, GPU, engine, model, offer or provider."""
    from planner.report.explain import lines_for, near

    catalog = _shipped()[0]
    lines = lines_for(name, catalog)
    if not lines:
        close = near(name, catalog)
        raise RefusedError(f"nothing is called `{name}`" + (f"; did you mean `{close}`?" if close else ""))
    return Reply("\n".join(lines), {"name": name, "lines": lines})


@_in_turn
def estimate(what: str = "", plan: str = "", path: str = "", said: Mapping[str, str] | None = None) -> Reply:
    """Return the memory of a model, a count of parameters, or a plan with nothing left open.

    `what` is a model's id, its file or folder, or a count like `13B`; `said` are the options
    of `planner estimate`.
    """
    if not what:
        loaded, _ = _plan(plan, path)
        return _of_plan(loaded)
    if plan or path:
        raise RefusedError("give `what`, or a plan: one of them")
    options = {name: value for name, value in (said or {}).items() if value}
    count = answers.parameters(counted(what) or what)
    if count is not None:
        return _of_count(what, options)
    return _of_model(
        Words(
            model=what,
            context=options.get("context"),
            concurrency=options.get("concurrency"),
            gpu=options.get("gpu"),
            gpus=options.get("gpus"),
            weights=options.get("weights"),
            kv_cache=options.get("kv_cache"),
            engine=options.get("engine"),
        )
    )


def _of_count(what: str, options: Mapping[str, str]) -> Reply:
    stray = next((name for name in options if name != "weights"), None)
    if stray is not None:
        raise RefusedError(f"`{stray}` is for a model; `{what}` is a count of parameters")
    estimate = answers.estimate(counted(what) or what, weights=options.get("weights", "bf16"))
    assert not isinstance(estimate, Result)
    thumb = estimate.thumb
    document = {
        "params": thumb.params,
        "format": thumb.format,
        "kind": thumb.kind,
        "parts": thumb.parts,
        "total": thumb.total,
    }
    return Reply(estimate.render(), _estimated(None, rule_of_thumb=document))


def _of_plan(loaded: Plan) -> Reply:
    from planner.report.json_ import document

    result = answers.estimate(_named(loaded))
    assert isinstance(result, Result)
    return Reply(result.render(), _estimated(result.fits, answer=document(result.answer, loaded.findings, result.path)))


def _of_model(words: Words) -> Reply:
    """Return the memory of a model on a GPU, or without one the cards that hold it."""
    from planner.report import cards
    from planner.solve import solve as answer_of

    if words.gpu is not None:
        words, card, note = sized(words)
        text = composed(replace(words, gpus=words.gpus or "1"), name="estimate", objective=False, more=card)
        said = _of_plan(load_plan(PLACE, shipped=_shipped(), text=text))
        return Reply(f"{note}\n{said.text}", said.document) if note else said
    loaded = _named(load_plan(PLACE, shipped=_shipped(), text=composed(words, name="estimate", objective=False)))
    assert loaded.problem is not None
    answer = answer_of(loaded.problem, loaded.catalog, top=0, hardware=True)
    holding = cards.holding(answer, loaded.problem, loaded.catalog, words)
    if holding is None:
        raise RefusedError(f"error[E0503]: no offer of the catalogs rents what `{words.model}` asks for")
    text = cards.render("table", holding)
    return Reply(text, _estimated(bool(holding.cards), cards=cards.document(holding)))


def _estimated(fits: bool | None, **one: Any) -> dict[str, Any]:
    return {"fits": fits, "cards": None, "answer": None, "rule_of_thumb": None, **one}


@_in_turn
def export(form: str, plan: str = "", path: str = "", workload: str = "", time_limit: str = "30s") -> Reply:
    """Return what runs an answer, a text for each workload: from the plan's lock, else from an answer proven now."""
    from planner.export.export import export as files_of
    from planner.export.forms import BY_NAME, FORMS
    from planner.language.copies import block_of
    from planner.report.nothing_fits import spans
    from planner.solve.copies import ordered

    target = BY_NAME.get(form)
    if target is None:
        raise RefusedError(f"error[E0301]: unknown form `{form}`; available: {', '.join(one.name for one in FORMS)}")
    loaded, name = _plan(plan, path)
    problem = _named(loaded).problem
    assert problem is not None
    blocks = {block_of(item.name): item.kind for item in problem.workloads}
    if workload and workload not in blocks:
        raise RefusedError(f"error[E0301]: no workload is called `{workload}`; available: {', '.join(blocks)}")
    lock = _lock(loaded, name) if path else None
    used = lock or _solved(loaded, name, time_limit)
    asked = [workload] if workload else [block for block in blocks if target.of(blocks[block])]
    names = [one for block in asked or blocks for one in ordered(used.workloads) if block_of(one) == block]
    places: dict[str, Span] = {item.name: item.span for item in problem.workloads} | spans(problem)
    files, faults = files_of(used, name, names, target, places)
    if faults:
        raise PlanError(faults, loaded.texts)
    text = "\n".join(f"## {title}\n{content}" for title, content in files.items())
    return Reply(text, {"form": form, "locked": lock is not None, "files": files})


def _lock(loaded: Plan, path: str) -> Lock | None:
    """Return the lock beside a plan, None where there is none; raise PlanError where it does not answer the plan."""
    from planner.lock.lock import path_for
    from planner.lock.read import read as read_lock
    from planner.lock.verify import verify

    assert loaded.problem is not None
    where = path_for(path)
    lock, broken = read_lock(where, path)
    if lock is None:
        if broken is not None:
            raise PlanError((broken,), loaded.texts)
        return None
    findings, _ = verify(loaded.problem, loaded.catalog, loaded.texts, lock)
    _no_errors(findings, {**loaded.texts, str(where): lock.text})
    return lock


def _solved(loaded: Plan, name: str, time_limit: str) -> Lock:
    """Return the lock that a proven answer would have; raise where nothing fits or nothing is proven."""
    from planner.lock.read import parse
    from planner.lock.verify import verify
    from planner.report.nothing_fits import infeasible

    assert loaded.problem is not None
    result = answers.solve(loaded, time_limit=time_limit)
    if result.outcome == "infeasible":
        raise PlanError(infeasible(result.answer, loaded.problem), loaded.texts)
    if result.outcome != "optimal":
        raise RefusedError("error[E0702]: no proof within the time limit; raise `time_limit`")
    lock, broken = parse(result.lock(), f"{name}.lock", "solve the plan again")
    if lock is None:
        raise PlanError((broken,) if broken is not None else (), loaded.texts)
    verify(loaded.problem, loaded.catalog, loaded.texts, lock)
    return lock


def _no_errors(findings: list[Diagnostic], texts: dict[str, str]) -> None:
    errors = tuple(item for item in findings if item.is_error)
    if errors:
        raise PlanError(errors, texts)
