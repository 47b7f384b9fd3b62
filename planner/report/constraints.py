"""The constraints that hold, with what is left of each: of one workload, and of all together."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from planner.language.copies import block_of
from planner.language.problem import Problem, Workload
from planner.record import dataclass
from planner.report import figures, phrases
from planner.solve.answer import Answer
from planner.solve.candidate import Broken, Candidate
from planner.solve.rent.sharing import amount, instances


@dataclass(frozen=True, slots=True)
class Slack:
    """A rule that holds: `26.26 of 39.69 GiB`, what is left, and the share left of what can be used up."""

    rule: str
    text: str
    left: str
    share: float | None


@dataclass(frozen=True, slots=True)
class SharedLimit:
    """A limit that all workloads share."""

    rule: str
    used: str
    most: str
    share: float | None


def constraints(
    row: Candidate, workload: Workload | None, slack: Sequence[Broken], operators: dict[str, str]
) -> list[Slack]:
    """Return the constraints of a choice that hold: its memory, and what the answer says of rules, else its bounds."""
    entries = {entry.rule: entry for entry in (*_memory_bound(row), *(slack or _stated_bounds(row, workload)))}
    return [_slack(entry, operators) for entry in entries.values()]


def _memory_bound(row: Candidate) -> tuple[Broken, ...]:
    """Return what memory leaves, where it fits: every answer has this bound."""
    if row.broken or not row.usable:
        return ()
    return (Broken(f"{block_of(row.workload)}.memory", Fraction(row.total), Fraction(row.usable), "bytes"),)


def _stated_bounds(row: Candidate, workload: Workload | None) -> tuple[Broken, ...]:
    """Return each bound that holds, with what the choice takes of it."""
    if row.broken:
        return ()
    return tuple(
        Broken(bound.rule, row.outcome(bound.quantity), bound.value)
        for bound in (workload.bounds if workload else ())
        if isinstance(bound.value, Fraction) and bound.operator in ("<=", ">=", "<", ">")
    )


def _slack(item: Broken, operators: dict[str, str]) -> Slack:
    """Return a rule that holds, with what is left of it; `operators` are those of the plan's bounds, by rule."""
    takes, has = figures.pair(item.rule, phrases.in_words(item.needs), item.has, item.unit)
    operator = operators.get(item.rule)
    text = f"{takes} {operator} {has}" if operator else f"{phrases.without_unit(takes, has)} of {has}"
    if not isinstance(item.needs, Fraction) or not isinstance(item.has, Fraction):
        return Slack(item.rule, text, "", None)
    left = abs(item.has - item.needs)
    shown = figures.show(item.rule, left, item.unit)
    if item.rule.rsplit(".", 1)[-1] in figures.SHARES:
        return Slack(item.rule, text, f"{shown.removesuffix(' %')} points", None)
    part = float(left / item.has) if item.has and operator in (None, "<=", "<") else None
    return Slack(item.rule, text, shown, part)


def shared_limits(answer: Answer, problem: Problem | None) -> tuple[SharedLimit, ...]:
    """Return each limit that the workloads share, with what they take of it together."""
    if problem is None or not answer.workloads:
        return ()
    rows = [item.chosen for item in answer.workloads]
    out: list[SharedLimit] = []
    for bound in problem.fleet:
        used = amount(bound, {row.workload: row for row in rows})
        if used is None:
            continue
        quantity = "gpus" if bound.gpu else bound.quantity
        left, right = figures.pair(quantity, used, bound.value)
        part = float(used / bound.value) if bound.value and bound.operator in ("<=", "<", "=") else None
        out.append(SharedLimit(bound.rule, left, f"{bound.operator} {right}", part))
    rented = instances(problem, {row.workload: row for row in rows})
    for offer in problem.offers.limited:
        if offer.available is not None:
            taken = rented.get(offer.id, 0)
            part = taken / offer.available if offer.available else None
            out.append(SharedLimit(f"{offer.id}.available", str(taken), f"<= {offer.available}", part))
    return tuple(out)
