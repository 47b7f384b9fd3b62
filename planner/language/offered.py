"""Several models of one workload: `model in {"a", "b"}` is the plan once for each of them, and the best is its answer.

A model is a fact that other lines of a block read (`layers`, `max_context`), so each choice of models is a problem of
its own: the first that a plan names, with the `others` beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import product
from math import prod

from planner.diagnostics.diagnostic import Diagnostic, Span, error
from planner.language.copies import block_of
from planner.language.expressions.evaluate import names
from planner.language.problem import Preference, Problem, Rule
from planner.language.schema import WORKLOADS
from planner.syntax import tree

MOST = 16
"""The most choices of models that a plan may offer."""


def written_apart(file: tree.File) -> tuple[tuple[tree.File, ...], tuple[Diagnostic, ...]]:
    """Return a plan once for each choice of models that it offers, in its order; itself where it offers none."""
    offered = {
        place: (relation, relation.value.items)
        for place, item in enumerate(file.items)
        if isinstance(item, tree.Declaration) and item.kind in WORKLOADS
        for relation in _models(item, file)
        if isinstance(relation.value, tree.SetOf) and relation.value.items
    }
    if not offered:
        return (file,), ()
    findings: tuple[Diagnostic, ...] = ()
    count = prod(len(models) for _, models in offered.values())
    if count > MOST:
        span = next(iter(offered.values()))[0].span
        message = f"the plan offers {count} choices of models: each is solved by itself"
        findings = (error("E0406", message, span, help=f"offer {MOST} or fewer, or solve the workloads apart"),)
    every = product(*(models for _, models in offered.values()))
    choices = [next(every)] if findings else list(every)
    return tuple(_with(file, offered, choice) for choice in choices), findings


def _models(item: tree.Declaration, file: tree.File) -> Iterator[tree.Relation]:
    """Yield what a block says of its model where it offers several: itself, or by its `like` base."""
    own = [line for line in item.body if line.target.text == "model"]
    if not own and isinstance(item.base, tree.Name | tree.String):
        bases = [other for other in file.items if isinstance(other, tree.Declaration) and other.name == item.base.text]
        own = [line for base in bases[:1] for line in base.body if line.target.text == "model"]
    if len(own) == 1 and own[0].operator == "in":
        yield own[0]


def _with(
    file: tree.File,
    offered: Mapping[int, tuple[tree.Relation, tuple[tree.Expression, ...]]],
    choice: Iterable[tree.Expression],
) -> tree.File:
    items = list(file.items)
    for (place, (relation, _)), model in zip(offered.items(), choice, strict=True):
        item = items[place]
        assert isinstance(item, tree.Declaration)
        one = replace(relation, operator="=", value=model)
        body = [one if line is relation else line for line in item.body]
        items[place] = replace(item, body=tuple(body if relation in item.body else (one, *body)))
    return replace(file, items=tuple(items))


def models_of(problem: Problem) -> dict[str, str]:
    """Return the model of each block, as the plan names it."""
    return {block_of(item.name): item.written or item.model.id for item in problem.workloads}


def offered_in(problem: Problem) -> tuple[str, ...]:
    """Return the blocks that a plan offers several models."""
    every = [models_of(one) for one in (problem, *problem.others)]
    return tuple(name for name in every[0] if len({models.get(name) for models in every}) > 1)


def together(problems: Iterable[Problem]) -> Problem:
    """Return the first of a plan's problems with the others beside it, each choice of models once; its tests alike."""
    apart: dict[tuple[str, ...], Problem] = {}
    for problem in problems:
        apart.setdefault(tuple(models_of(problem).values()), problem)
    first, *rest = apart.values()
    trials = tuple(
        replace(trial, problem=together((trial.problem, *(other.trials[place].problem for other in rest))))
        for place, trial in enumerate(first.trials)
    )
    return replace(first, trials=trials, others=tuple(replace(item, trials=()) for item in rest))


def of_models(problem: Problem, models: Mapping[str, object]) -> Problem:
    """Return the problem of a plan in which blocks have these models, the others beside it; itself where none has."""
    if not problem.others:
        return problem
    every = (problem, *problem.others)
    chosen = next((one for one in every if all(models.get(key) == name for key, name in models_of(one).items())), None)
    if chosen is None or chosen is problem:
        return problem
    rest = tuple(replace(one, others=(), trials=()) for one in every if one is not chosen)
    return replace(chosen, others=rest, trials=problem.trials)


def between_models(problem: Problem) -> tuple[Diagnostic, ...]:
    """Return what a plan with several models cannot ask: quality, which compares a model's formats with that model, and
    an objective that follows from the model."""
    blocks = offered_in(problem)
    if not blocks:
        return ()
    out = [_quality(*item) for item in _asked_of_quality(problem, blocks)]
    for item in problem.workloads:
        if item.traffic:
            message = "`traffic` cannot be combined with several models"
            out.append(error("E0405", message, item.spans["traffic"], help="name one model: model = …"))
    if any(
        [goal.quantity for goal in one.goals] != [goal.quantity for goal in problem.goals] for one in problem.others
    ):
        span = _span(problem, blocks[0])
        message = "the default objective differs between the models that the plan offers"
        out.append(error("E0405", message, span, help="state it: `minimize cost`"))
    return tuple(out)


def _asked_of_quality(problem: Problem, blocks: tuple[str, ...]) -> Iterator[tuple[str, Span | None, str]]:
    """Yield what asks for quality of a block with several models: how it is called, where it stands, and the block."""
    for item in problem.workloads:
        if (block := block_of(item.name)) in blocks:
            yield from ((f"`{own.rule}`", own.span, block) for own in item.bounds if own.quantity == "quality")
    stated: tuple[Rule | Preference, ...] = (*problem.rules, *problem.preferences)
    for rule in stated:
        owners = (block_of(owner) for owner, what in names(rule.condition) if what == "quality")
        asked = next((block for block in owners if block in blocks), None)
        if asked is not None:
            yield f"`{rule.name}`", rule.span, asked
    for goal in problem.goals:
        owner, _, what = goal.quantity.rpartition(".")
        if what == "quality" and (not owner or owner in blocks):
            yield "the objective", goal.span, owner or blocks[0]


def _quality(said: str, span: Span | None, block: str) -> Diagnostic:
    message = f"{said} asks for quality of `{block}`, which offers several models"
    help = "quality is what a format keeps of its own model and says nothing between models: leave it out, or offer one"
    return error("E0405", message, span, help=help)


def _span(problem: Problem, block: str) -> Span:
    item = next(item for item in problem.workloads if block_of(item.name) == block)
    return item.spans.get("model", item.span)
