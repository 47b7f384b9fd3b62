"""What solving came to as a finding: nothing fits, by these lines of the plan."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from planner.diagnostics import Diagnostic, Span
from planner.diagnostics.diagnostic import error
from planner.language.copies import block_of
from planner.language.offered import models_of, offered_in
from planner.language.problem import Problem
from planner.report import phrases
from planner.solve.answer import Answer
from planner.wording import need_text

if TYPE_CHECKING:
    from planner.catalog.catalog import Catalog


def infeasible(answer: Answer, problem: Problem) -> tuple[Diagnostic, ...]:
    """Return an E0701 where nothing fits: its places are the rules of the conflict, its help a change that mends it."""
    if answer.outcome != "infeasible":
        return ()
    rules = [item.rule for item in answer.conflict]
    message = "nothing fits: " + "; ".join(
        _kept([item.rule for item in part]) for part in phrases.sets(answer.conflict)
    )
    if not rules:
        message = "nothing fits; which rules conflict was not found within the time limit"
    if problem.others:
        models = dict.fromkeys(models_of(problem)[name] for name in offered_in(problem))
        message += f" by {' and '.join(models)}, nor by any other model that is offered"
    places = spans(problem)
    known = phrases.operators(problem)
    marked = [(places[rule], rule) for rule in rules if rule in places]
    if not marked:
        heads = {item.name: item.span for item in problem.workloads}
        marked = [(heads[owner], rule) for rule in rules if (owner := rule.partition(".")[0]) in heads][:1]
    span, label = marked[0] if marked else (Span(problem.path, 0, 0, 1, 1), "")
    every = (
        f"{item.rule.rpartition('.')[0] or item.rule}.{remedy}"
        for item in answer.conflict
        for remedy in phrases.conflict(item, known).remedies
    )
    remedies = list(dict.fromkeys(every))  # rules of one workload may be met by one change
    either = "either " if len(remedies) > 1 else ""
    help = f"{either}{' or '.join(remedies[:2])} makes the plan feasible" if remedies else None
    return (error("E0701", message, span, label=label, secondary=tuple(marked[1:]), help=help),)


def nowhere(problem: Problem, names: Iterable[str], catalog: Catalog) -> tuple[Diagnostic, ...]:
    """Return an E0503 for each workload that cannot be run at all as a plan fixes it: the quantity, and why."""
    from planner.solve.kinds import nothing_splits  # an estimate alone asks for it

    out = []
    blocks = {block_of(item.name): item for item in reversed(problem.workloads)}
    for name in names:
        item = blocks[name]
        quantity, why = nothing_splits(problem, item, catalog)
        message, help = f"`{name}` cannot run as stated: {quantity}: {need_text(why)}", ""
        if quantity == "offer":
            message = f"no offer has what {name} asks for"
            help = "name another GPU or number of GPUs, or declare an offer of it"
        out.append(error("E0503", message, item.spans.get(quantity, item.span), help=help or None))
    return tuple(out)


def _kept(rules: list[str]) -> str:
    """Return that some rules cannot be satisfied, together where they are several."""
    named = [f"`{rule}`" for rule in rules]
    joined = named[0] if len(named) == 1 else f"{', '.join(named[:-1])} and {named[-1]}"
    return phrases.unsatisfied(joined, len(named))


def spans(problem: Problem) -> dict[str, Span]:
    """Return where each rule stands by its name; what a block demands of memory and hardware stands at its head."""
    out: dict[str, Span] = {}
    for item in problem.workloads:
        out |= {f"{item.name}.{name}": span for name, span in item.spans.items()}
        out |= {bound.rule: bound.span for bound in item.bounds}
        out.setdefault(f"{item.name}.memory", item.span)
    out |= {bound.rule: bound.span for bound in problem.fleet}
    return out | {rule.name: rule.span for rule in problem.rules}
