"""Which rules a candidate breaks: its bounds, memory, and every `require` that speaks of its workload alone."""

from __future__ import annotations

from fractions import Fraction

from planner.language.evaluate import compare, names, stated
from planner.language.evaluate import holds as true
from planner.language.problem import Measure, Problem, Value, Workload
from planner.language.schema import BY_KIND
from planner.solve.candidate import Broken, Outcome
from planner.syntax import tree


def broken_bounds(workload: Workload, choice: dict[str, Value], outcomes: dict[str, Outcome]) -> list[Broken]:
    """Return the bounds of the block that do not hold; an outcome that nobody measured breaks its bound."""
    out: list[Broken] = []
    for bound in workload.bounds:
        have: Value | None
        have = outcomes[bound.quantity] if bound.quantity in outcomes else choice.get(bound.quantity)
        if have is None or not compare(bound.operator, have, bound.value):
            out.append(Broken(bound.rule, have, bound.value))
    return out


def speaks_of(node: tree.Expression, workloads: set[str]) -> set[str]:
    """Return the workloads an expression names."""
    return {owner for owner, _ in names(node)} & workloads


def holds(
    node: tree.Expression,
    workload: Workload,
    choice: dict[str, Value],
    outcomes: dict[str, Outcome],
) -> bool:
    """Return whether an expression over one workload holds for a candidate; an unknown outcome makes it false."""
    table = BY_KIND[workload.kind]

    def find(_: str, quantity: str) -> Measure | None:
        have: Value | None = outcomes[quantity] if quantity in outcomes else choice.get(quantity)
        if have is None:
            return stated(workload, quantity)
        return Measure(have, table[quantity].unit if isinstance(have, Fraction) else None)

    return true(node, find)


def broken_rules(
    problem: Problem,
    workload: Workload,
    choice: dict[str, Value],
    outcomes: dict[str, Outcome],
    lets: dict[str, Measure],
) -> tuple[list[Broken], int]:
    """Return the `require`s a candidate breaks, and the penalty of the `prefer`s it breaks, in micro-dollars/h."""
    known = {item.name for item in problem.workloads}
    out: list[Broken] = []
    for rule in problem.rules:
        if speaks_of(rule.condition, known) == {workload.name} and not holds(
            rule.condition, workload, choice, outcomes
        ):
            out.append(Broken(rule.name, None, None))
    penalty = 0
    for wish in problem.preferences:
        if speaks_of(wish.condition, known) == {workload.name} and not holds(
            wish.condition, workload, choice, outcomes
        ):
            penalty += wish.worth
    return out, penalty
