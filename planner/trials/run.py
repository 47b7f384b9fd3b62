"""Running a plan's tests: each is a problem of its own, solved, and held against what it expects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction

from planner.diagnostics.diagnostic import Diagnostic, Span, error
from planner.language.copies import block_of, each
from planner.language.declared.fields import FIELDS_BY_KIND
from planner.language.expressions.evaluate import evaluate, holds, stated
from planner.language.offered import of_models
from planner.language.problem import Expectation, Measure, Problem, Trial
from planner.language.schema import BY_KIND
from planner.record import dataclass
from planner.solve.answer import Answer
from planner.solve.candidate import Candidate
from planner.solve.copies import place_of
from planner.syntax import tree
from planner.units.quantity import quantity, show
from planner.wording import excess_text

SUMMED = frozenset(FIELDS_BY_KIND["fleet"]) - {"available"}
"""What the parts of a mix have together; everything else an expectation holds against each of them."""
Solve = Callable[[Problem], Answer]
ResultLookup = Callable[[str, str], Measure | None]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A test that was run: what it was answered, and a finding for each expectation that does not hold."""

    name: str
    span: Span
    outcome: str
    failures: tuple[Diagnostic, ...]

    @property
    def passed(self) -> bool:
        """Whether everything held."""
        return not self.failures


def run(trial: Trial, solve: Solve) -> Verdict:
    """Return the verdict on a test; `solve` answers its problem."""
    answer = solve(trial.problem)
    trial = replace(trial, problem=of_models(trial.problem, answer.models))
    failures = tuple(item for expect in trial.expects for item in _failures(expect, trial, answer))
    if answer.outcome == "infeasible" and not any(expect.infeasible for expect in trial.expects):
        message = f'"{trial.name}" expects an answer, and nothing fits'
        failures = (error("E0902", message, trial.span, label=_conflict(answer)),)
    if answer.outcome == "unknown":
        why = excess_text(answer.refusal) if answer.refusal else "nothing was found within the time limit"
        message = f'"{trial.name}" has no answer: {why}'
        failures = (error("E0703" if answer.refusal else "E0702", message, trial.span),)
    return Verdict(trial.name, trial.span, answer.outcome, failures)


def _failures(expect: Expectation, trial: Trial, answer: Answer) -> list[Diagnostic]:
    if expect.infeasible:
        return _infeasible(expect, answer)
    if answer.outcome == "infeasible" or expect.condition is None:
        return []  # the test as a whole fails
    look = lookup(trial.problem, answer)
    for condition in each(expect.condition, _first_copies(trial.problem, answer)):
        if not holds(condition, look):
            return [error("E0901", "this expectation does not hold", expect.span, label=_said(condition, look))]
    return []


def _first_copies(problem: Problem, answer: Answer) -> dict[str, list[str]]:
    """Return for each block with copies the first copy of each of its choices: what a condition on the block reads."""
    out: dict[str, list[str]] = {}
    counts: dict[str, int] = {}
    copied = {
        block_of(item.name)
        for item in problem.workloads
        if item.copies > 1 or block_of(item.name) != item.name or item.traffic
    }
    for item in answer.workloads:
        block = block_of(item.chosen.workload)
        if block in copied:
            out.setdefault(block, []).append(f"{block}#{counts.get(block, 0) + 1}")
            counts[block] = counts.get(block, 0) + item.chosen.copies
    return out


def _infeasible(expect: Expectation, answer: Answer) -> list[Diagnostic]:
    if answer.outcome != "infeasible":
        cost = _shown(Measure(Fraction(answer.cost, 1_000_000), "USD/h")) if answer.cost is not None else "an answer"
        return [error("E0903", "this expects that nothing fits, and something does", expect.span, label=f"for {cost}")]
    rules = [item.rule for item in answer.conflict]
    if expect.blamed is None or expect.blamed in rules:
        return []
    if not rules:
        message = "nothing fits; which rules conflict was not found within the time limit"
        return [error("E0702", message, expect.span)]
    message = f"nothing fits, but not by {expect.blamed}"
    return [error("E0903", message, expect.span, label=_conflict(answer))]


def _conflict(answer: Answer) -> str:
    rules = [item.rule for item in answer.conflict]
    if not rules:
        return "which rules conflict was not found within the time limit"
    return f"{', '.join(rules)} cannot be kept" + (" together" if len(rules) > 1 else "")


def lookup(problem: Problem, answer: Answer) -> ResultLookup:
    """Return what an answer says of (workload, quantity); what the plan itself states stands beside it.

    `chat#3` is the third copy of `chat`, in the order of the answer's choices for them.
    """
    chosen: dict[str, list[Candidate]] = {}
    for item in answer.workloads:
        chosen.setdefault(block_of(item.chosen.workload), []).append(item.chosen)
    workloads = {block_of(item.name): item for item in problem.workloads}

    def find(name: str, what: str) -> Measure | None:
        block, number = place_of(name)
        workload = workloads.get(block)
        if workload is None:
            return None
        if workload.traffic and what in SUMMED:
            return _summed(chosen.get(block, ()), what, BY_KIND[workload.kind][what].unit)
        row: Candidate | None = None
        for one in chosen.get(block, ()):
            row, number = one, number - one.copies
            if number <= 0:
                break
        value = row.outcome(what) if row is not None else None
        if value is None:
            return stated(workload, what)
        row_of = BY_KIND[workload.kind].get(what)
        unit = row_of.unit if row_of is not None and isinstance(value, Fraction) else None
        return Measure(value, unit)

    return find


def _summed(rows: Sequence[Candidate], what: str, unit: str | None) -> Measure | None:
    """Return what the parts of a mix have together; None where nobody knows it of one."""
    values = [row.outcome(what) for row in rows]
    numbers = [value for value in values if isinstance(value, Fraction)]
    return Measure(sum(numbers, Fraction(0)), unit) if numbers and len(numbers) == len(values) else None


def _said(node: tree.Expression, look: ResultLookup) -> str:
    """Return what stands on both sides of a comparison, the first part of an `and` that does not hold."""
    if isinstance(node, tree.Binary) and node.operator == "and":
        return _said(node.right if holds(node.left, look) else node.left, look)
    if isinstance(node, tree.Binary) and node.operator in ("==", "!=", "<=", ">=", "<", ">"):
        return f"{_shown(evaluate(node.left, look))} {node.operator} {_shown(evaluate(node.right, look))}"
    return "it is false" if evaluate(node, look) is not None else "it depends on what is not known"


def _shown(measure: Measure | None) -> str:
    if measure is None:
        return "unknown"
    if isinstance(measure.value, bool):
        return str(measure.value).lower()
    if not isinstance(measure.value, Fraction):
        return str(measure.value)
    amount = quantity(measure.value, measure.unit)
    return show(amount) if amount is not None else str(measure.value)
