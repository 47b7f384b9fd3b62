"""What rules say of candidates: bounds, and each `require` and `prefer`, as lowered expressions (planner.language)."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from planner.language.expressions.evaluate import compare, evaluate, names, stated
from planner.language.expressions.evaluate import holds as true
from planner.language.problem import Bound, Measure, Problem, Value, Workload
from planner.language.schema import BY_KIND
from planner.solve.candidate import Broken, Candidate, Outcome
from planner.syntax import tree

_MIRRORED = {"<=": ">=", ">=": "<=", "<": ">", ">": "<", "==": "==", "!=": "!="}


def reads(node: tree.Expression, workload: str) -> set[str]:
    """Return the quantities of a workload that an expression reads."""
    return {quantity for owner, quantity in names(node) if owner == workload}


def speaks_of(node: tree.Expression) -> set[str]:
    """Return the workloads an expression reads."""
    return {owner for owner, _ in names(node)}


def simple(node: tree.Expression, workload: str) -> Bound | None:
    """Return an expression as a bound where it is one comparison of a quantity with a constant, else None."""
    if not isinstance(node, tree.Binary) or node.operator not in _MIRRORED:
        return None
    for left, right, operator in (
        (node.left, node.right, node.operator),
        (node.right, node.left, _MIRRORED[node.operator]),
    ):
        if isinstance(left, tree.Name) and left.parts[0] == workload and not names(right):
            limit = evaluate(right, lambda *_: None)
            if limit is not None:
                return Bound("", left.parts[1], "=" if operator == "==" else operator, limit.value, node.span)
    return None


def unit_of(workload: Workload, name: str) -> str | None:
    """Return the canonical unit of a quantity, None for a plain number or a word."""
    row = BY_KIND[workload.kind].get(name)
    return row.unit if row else None


def quantity(
    name: str, workload: Workload, choice: Mapping[str, Value], outcomes: Mapping[str, Outcome]
) -> Value | None:
    """Return an outcome, a decision or what is given; None where nobody knows it.

    `choice` has the decisions, and what follows from them where the plan does not mention it (planner.solve.defaults).
    """
    if name in outcomes:
        return outcomes[name]
    if name in choice:
        return choice[name]
    value = stated(workload, name)
    return None if value is None else value.value


def measure(
    name: str, workload: Workload, choice: Mapping[str, Value], outcomes: Mapping[str, Outcome]
) -> Measure | None:
    """Return a quantity with its unit; None where nobody knows it."""
    have = quantity(name, workload, choice, outcomes)
    if have is None:
        return None
    return Measure(have, unit_of(workload, name) if isinstance(have, Fraction) else None)


def holds(
    node: tree.Expression, workload: Workload, choice: Mapping[str, Value], outcomes: Mapping[str, Outcome]
) -> bool:
    """Return whether an expression over one workload holds for a candidate; an unknown outcome makes it false."""
    return true(node, lambda _, name: measure(name, workload, choice, outcomes))


def holds_together(node: tree.Expression, problem: Problem, chosen: Mapping[str, Candidate]) -> bool:
    """Return whether an expression over several workloads holds for an answer."""
    known = {item.name: item for item in problem.workloads}

    def find(owner: str, name: str) -> Measure | None:
        row = chosen.get(owner)
        return None if row is None else measure(name, known[owner], row.known, row.outcomes)

    return true(node, find)


def broken_bounds(workload: Workload, choice: Mapping[str, Value], outcomes: Mapping[str, Outcome]) -> list[Broken]:
    """Return the bounds of the block that do not hold; an outcome that is unmeasured breaks its bound, unless that
    says `or unknown`."""
    out: list[Broken] = []
    for bound in workload.bounds:
        have = quantity(bound.quantity, workload, choice, outcomes)
        if not satisfied(bound, have):
            out.append(Broken(bound.rule, have, bound.value, unit_of(workload, bound.quantity)))
    return out


def satisfied(bound: Bound, have: Value | None) -> bool:
    """Return whether a bound holds for an outcome, None where that is unknown."""
    return bound.unknown if have is None else compare(bound.operator, have, bound.value)


def let_through(workload: Workload, outcomes: Mapping[str, Outcome]) -> tuple[str, ...]:
    """Return the rules that hold because what they bound is unknown, in their order."""
    unknown = (bound for bound in workload.bounds if bound.unknown and outcomes.get(bound.quantity) is None)
    return tuple(dict.fromkeys(bound.rule for bound in unknown))


def slack(workload: Workload, choice: Mapping[str, Value], outcomes: Mapping[str, Outcome]) -> tuple[Broken, ...]:
    """Return for each bound on a number what the choice takes of it and what the bound has."""
    out = []
    for bound in workload.bounds:
        have = quantity(bound.quantity, workload, choice, outcomes)
        if isinstance(have, Fraction) and isinstance(bound.value, Fraction):
            out.append(Broken(bound.rule, have, bound.value, unit_of(workload, bound.quantity)))
    return tuple(out)


def broken_rules(
    problem: Problem, workload: Workload, choice: Mapping[str, Value], outcomes: Mapping[str, Outcome]
) -> tuple[list[Broken], int]:
    """Return the `require`s a candidate breaks, and the penalty of the `prefer`s it breaks, in micro-dollars/h."""
    out: list[Broken] = []
    for rule in problem.rules:
        if speaks_of(rule.condition) != {workload.name}:
            continue
        bound = simple(rule.condition, workload.name)
        if bound is not None:
            have = quantity(bound.quantity, workload, choice, outcomes)
            if have is None or not compare(bound.operator, have, bound.value):
                out.append(Broken(rule.name, have, bound.value, unit_of(workload, bound.quantity)))
        elif not holds(rule.condition, workload, choice, outcomes):
            out.append(Broken(rule.name, None, None))
    penalty = 0
    for wish in problem.preferences:
        if speaks_of(wish.condition) == {workload.name} and not holds(wish.condition, workload, choice, outcomes):
            penalty += wish.worth
    return out, penalty
