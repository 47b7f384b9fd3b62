"""The answer of a plan that offers several models: each choice of them solved, and the best by the objective."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

from planner.language.copies import block_of
from planner.language.offered import models_of, offered_in
from planner.language.problem import Problem
from planner.solve.answer import Answer, ByValue
from planner.solve.candidate import Candidate

Solve = Callable[[Problem, float, bool, bool], Answer]
"""Solves one problem in so many seconds; whole, with all that was asked for; or with where hardware stands."""
FOUND = ("optimal", "feasible")


def best_of(problem: Problem, time_limit: float, solve: Solve, nearest: bool) -> Answer:
    """Return the best answer over all choices of models; `models` says which, `by_value` where each other stands.

    Of two that are as good the one that the plan names first is taken. With `nearest` a model that fits nowhere is
    shown by the candidate that is nearest to fitting.
    """
    end = time.monotonic() + time_limit
    every = [replace(one, others=()) for one in (problem, *problem.others)]
    answers = [solve(one, max(0.0, end - time.monotonic()), False, False) for one in every]
    ranked = [place for place, answer in enumerate(answers) if answer.outcome in FOUND]
    open_ = [answer for answer in answers if answer.outcome == "unknown"]
    if not ranked and open_:
        return open_[0]
    first = min(ranked, key=lambda place: _rank(answers[place])) if ranked else 0
    whole = solve(every[first], max(0.0, end - time.monotonic()), True, False)
    if whole.outcome == "unknown":
        whole = replace(answers[first], reproducible=False)
    if ranked and any(answer.outcome not in ("optimal", "infeasible") for answer in answers):
        parts = tuple(replace(part, bound=None) for part in whole.objective)
        refusal = next((answer.refusal for answer in answers if answer.refusal), None)
        proven = whole.reproducible and all(answer.reproducible or answer.refusal for answer in answers)
        whole = replace(whole, outcome="feasible", objective=parts, refusal=refusal, reproducible=proven)
    if nearest:
        answers = [
            solve(one, max(0.0, end - time.monotonic()), False, True) if answer.outcome == "infeasible" else answer
            for one, answer in zip(every, answers, strict=True)
        ]
    answers[first] = whole if ranked else answers[first]
    rows = [row for block in offered_in(problem) for row in _standings(block, every, answers, first)]
    considered = sum(answer.considered for answer in answers)
    models, values = models_of(every[first]), (*rows, *whole.by_value)
    return replace(whole, models=models, by_value=values, considered=considered, certificate=None)


def _rank(answer: Answer) -> tuple[Fraction, ...]:
    return tuple((part.value or Fraction(0)) * (1 if part.direction == "minimize" else -1) for part in answer.objective)


def _standings(block: str, every: list[Problem], answers: list[Answer], first: int) -> list[ByValue]:
    """Return where each model of a block stands: by the best answer that has it, whatever the other blocks run."""
    models = [models_of(one)[block] for one in every]
    out = []
    for model in dict.fromkeys(models):
        mine = [answer for answer, name in zip(answers, models, strict=True) if name == model]
        good = [answer for answer in mine if answer.outcome in FOUND]
        if model == models[first] and answers[first].outcome in FOUND:
            out.append(ByValue(block, "model", model, "chosen", _candidate(answers[first], block)))
        elif good:
            out.append(ByValue(block, "model", model, "fits", _candidate(min(good, key=_rank), block)))
        elif any(answer.outcome == "unknown" for answer in mine):
            out.append(ByValue(block, "model", model, "unknown", None))
        else:
            out.append(ByValue(block, "model", model, "breaks", _nearest(mine, block)))
    return out


def _candidate(answer: Answer, block: str) -> Candidate | None:
    return next((item.chosen for item in answer.workloads if block_of(item.chosen.workload) == block), None)


def _nearest(answers: list[Answer], block: str) -> Candidate | None:
    """Return the candidate that breaks the fewest rules, of those that stand for GPU types; the cheapest of them."""
    rows = [
        item.best
        for answer in answers
        for item in answer.hardware
        if item.best is not None and item.best.broken and block_of(item.workload) == block
    ]
    return min(rows, key=lambda row: (len(row.broken), row.cost), default=None)
