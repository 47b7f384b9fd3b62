"""Why nothing fits one workload: a minimal set of rules that no candidate keeps together, and the way out of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from planner.catalog.catalog import Catalog
from planner.language.problem import Problem, Workload
from planner.solve.answer import Conflict, Filtered
from planner.solve.candidate import Broken, Candidate
from planner.solve.classes import representatives
from planner.solve.columns.rules import distance_of
from planner.solve.columns.table import Table, cases
from planner.solve.kinds import judge_row, nothing_splits
from planner.solve.needs import Need, need

if TYPE_CHECKING:
    from planner.solve.columns.table import Column


def patterns(table: Table, broken: Mapping[str, Column]) -> tuple[list[str], Column, Column]:
    """Return the rules, the distinct sets of them that rows break (one row of booleans each), and each row's set."""
    import numpy

    rules = sorted(broken)
    matrix = numpy.stack([broken[rule] for rule in rules], axis=1) if rules else numpy.zeros((table.rows, 0), bool)
    if not rules:
        return rules, matrix[:1], numpy.zeros(table.rows, dtype=numpy.int64)
    first, which = cases([broken[rule] for rule in rules])
    return rules, matrix[first], which


def minimal(rules: list[str], sets: Column, stated: frozenset[str] = frozenset()) -> list[str]:
    """Return a minimal set of rules that no row keeps together: a rule stays only if it cannot be spared.

    What a plan states is spared last, because it can be changed.
    """
    kept = list(rules)
    for rule in sorted(rules, key=lambda rule: (rule in stated, rule)):
        columns = [rules.index(other) for other in kept if other != rule]
        if sets[:, columns].any(axis=1).all():
            kept.remove(rule)
    return kept


def together_with(problem: Problem, names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return of some workloads the first of each class, with those that are identical to it but for their names."""
    twins, out = representatives(problem), dict[str, list[str]]()
    for name in names:
        out.setdefault(twins[name], []).append(name)
    return {others[0]: tuple(others[1:]) for others in out.values()}


def conflict_of(problem: Problem, table: Table, broken: Mapping[str, Column], catalog: Catalog) -> list[Conflict]:
    """Return the minimal conflict of a workload with no fitting row, each rule with its smallest relaxation.

    A relaxation is taken from rows that break this rule alone, so that making it is enough. Where no row breaks it
    alone, nothing is proposed for it; what hardware demands still says what it needs.
    """
    import numpy

    workload = table.workload
    if not table.rows:
        return [_nowhere(problem, workload, catalog)]
    rules, sets, which = patterns(table, broken)
    out = []
    stated = frozenset({bound.rule for bound in workload.bounds} | {rule.name for rule in problem.rules})
    for rule in minimal(rules, sets, stated):
        index = rules.index(rule)
        fewest = sets[sets[:, index]].sum(axis=1).min()
        fitting = numpy.flatnonzero(sets[:, index] & (sets.sum(axis=1) == fewest))
        rows = numpy.flatnonzero(numpy.isin(which, fitting))
        nearest = _nearest(problem, table, rule, rows, catalog)
        fault = next((item for item in nearest.broken if item.rule == rule), Broken(rule, None, None))
        if isinstance(fault.needs, Need) and rule not in stated:  # a demand on hardware or engine, nothing to be chosen
            lacks = need("unmet", fault.needs, str(fault.has))
            out.append(Conflict(rule, None, lacks, None, fault.hints if fewest == 1 else ()))
        elif fewest == 1:
            out.append(Conflict(rule, fault.needs, fault.has, fault.unit, fault.hints))
        else:
            physical = rule not in stated
            out.append(Conflict(rule, fault.needs if physical else None, fault.has, fault.unit))
    return out


def _nowhere(problem: Problem, workload: Workload, catalog: Catalog) -> Conflict:
    """Return why a workload has no candidate at all: no split of its GPUs, or nothing that rents them."""
    quantity, reason = nothing_splits(problem, workload, catalog)
    return Conflict(f"{workload.name}.{quantity}", None, reason)


def _nearest(problem: Problem, table: Table, rule: str, rows: Column, catalog: Catalog) -> Candidate:
    """Return the row that is nearest to keeping a rule, the cheapest of those."""
    import numpy

    distance = distance_of(table, rule, rows)
    order = numpy.lexsort((table.costs[rows], distance))
    first = rows[order]
    same = first[(distance[order] == distance[order[0]]) & (table.costs[first] == table.costs[first[0]])]
    chosen = table.first(same)
    return judge_row(problem, table, chosen, catalog)


def filtered(table: Table, broken: Mapping[str, Column]) -> list[Filtered]:
    """Return how many candidates on each GPU type break each rule."""
    import numpy

    axis = table.axes["gpu"]
    out = []
    for rule in sorted(broken if table.filtered is None else table.filtered):
        if table.filtered is None:
            weights = None if table.weights is None else table.weights[broken[rule]]
            counts = numpy.bincount(axis.index[broken[rule]], weights, minlength=len(axis.values))
        else:
            counts = table.filtered[rule]
        out += [
            Filtered(table.workload.name, str(gpu), rule, int(number))
            for gpu, number in zip(axis.values, counts.tolist(), strict=True)
            if number
        ]
    return out
