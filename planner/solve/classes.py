"""Workloads that differ only by their names: tabulated once, chosen for in one class."""

from __future__ import annotations

from dataclasses import replace

from planner.language.problem import Problem, Workload
from planner.solve.columns.table import Table
from planner.solve.rules import speaks_of


def alike(problem: Problem) -> dict[str, str]:
    """Return for each workload the first that is the same but for its name, itself where a rule tells it apart."""
    conditions = [item.condition for item in problem.rules] + [item.condition for item in problem.preferences]
    spoken = {name for condition in conditions for name in speaks_of(condition)}
    spoken |= {goal.quantity.rpartition(".")[0] for goal in problem.goals}
    first: dict[str, str] = {}
    out: dict[str, str] = {}
    for item in sorted(problem.workloads, key=lambda item: item.name):
        out[item.name] = first.setdefault(_key(item, item.name in spoken), item.name)
    return out


def _key(item: Workload, apart: bool) -> str:
    return repr(
        (
            item.name if apart else "",
            item.kind,
            item.model.id,
            sorted((name, value) for name, value in item.given.items() if name != "copies"),
            sorted((name, sorted(map(str, values))) for name, values in item.domains.items()),
            sorted((bound.quantity, bound.operator, str(bound.value)) for bound in item.bounds),
            sorted(item.per_layer),
        )
    )


def renamed(table: Table, workload: Workload) -> Table:
    """Return a table for another workload of the same class."""
    if table.workload.name == workload.name:
        return table
    broken = {own(rule, table.workload.name, workload.name): where for rule, where in table.broken.items()}
    return replace(table, workload=workload, broken=broken)


def own(rule: str, before: str, after: str) -> str:
    """Return a rule's name with its block's name exchanged."""
    owner, dot, quantity = rule.partition(".")
    return f"{after}{dot}{quantity}" if owner == before and dot else rule
