"""Workloads that differ only by their names: tabulated once, chosen for in one class."""

from __future__ import annotations

from dataclasses import replace

from planner.language.problem import Problem, Workload
from planner.solve.columns.table import Table
from planner.solve.rules import speaks_of


def class_key(problem: Problem, workload: Workload, unread: frozenset[str]) -> str:
    """Return what a workload has in common with others that differ only in what is given of some quantities."""
    return _key(workload, workload.name in _spoken(problem), unread)


def _spoken(problem: Problem) -> set[str]:
    """Return the workloads that a rule, a preference or an objective names."""
    if not _SPOKEN or _SPOKEN[0][0] is not problem:
        conditions = [item.condition for item in problem.rules] + [item.condition for item in problem.preferences]
        spoken = {name for condition in conditions for name in speaks_of(condition)}
        _SPOKEN[:] = [(problem, spoken | {goal.quantity.rpartition(".")[0] for goal in problem.goals})]
    return _SPOKEN[0][1]


_SPOKEN: list[tuple[Problem, set[str]]] = []
"""The plan that was asked about last, with its answer."""


def representatives(problem: Problem) -> dict[str, str]:
    """Return for each workload the first that is the same but for its name, itself where a rule tells it apart."""
    spoken = _spoken(problem)
    first: dict[str, str] = {}
    out: dict[str, str] = {}
    for item in sorted(problem.workloads, key=lambda item: item.name):
        out[item.name] = first.setdefault(_key(item, item.name in spoken), item.name)
    return out


def _key(item: Workload, apart: bool, unread: frozenset[str] = frozenset({"copies"})) -> str:
    return repr(
        (
            item.name if apart else "",
            item.kind,
            item.model.id,
            sorted((name, value) for name, value in item.given.items() if name not in unread),
            sorted((name, sorted(map(str, values))) for name, values in item.domains.items()),
            sorted((bound.quantity, bound.operator, str(bound.value)) for bound in item.bounds),
            sorted(item.per_layer),
        )
    )


def renamed(table: Table, workload: Workload) -> Table:
    """Return a table for another workload of the same class."""
    if table.workload.name == workload.name:
        return table
    before = table.workload.name
    broken = {renamed_rule(rule, before, workload.name): where for rule, where in table.broken.items()}
    counted = table.filtered
    if counted is not None:
        counted = {renamed_rule(rule, before, workload.name): counts for rule, counts in counted.items()}
    return replace(table, workload=workload, broken=broken, filtered=counted)


def renamed_rule(rule: str, before: str, after: str) -> str:
    """Return a rule's name with its block's name exchanged."""
    owner, dot, quantity = rule.partition(".")
    return f"{after}{dot}{quantity}" if owner == before and dot else rule
