"""Why no fleet fits: a minimal set of rules, those of single workloads included, each with its smallest relaxation."""

from __future__ import annotations

import time
from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING

from planner.catalog.catalog import Catalog
from planner.language.problem import Bound, Problem
from planner.language.quantities.outcomes import UNITS
from planner.solve import clock
from planner.solve.answer import Conflict
from planner.solve.columns.steps import SCALES, UNKNOWN
from planner.solve.columns.table import Table
from planner.solve.fleet import cpsat
from planner.solve.fleet.integer_model import build
from planner.solve.fleet.rows import known_only, terms_of
from planner.solve.fleet.state import Fleet
from planner.solve.objective import HUGE, RankColumns
from planner.solve.rules import speaks_of, unit_of

if TYPE_CHECKING:
    from planner.solve.columns.table import Column


Broken = Mapping[str, Mapping[str, "Column"]]


def conflict_of(
    problem: Problem,
    tables: Mapping[str, Table],
    broken: Broken,
    ranks: Mapping[str, RankColumns],
    catalog: Catalog,
    seconds: float,
) -> tuple[Conflict, ...]:
    """Return a minimal conflict by deletion: a rule is left out as long as the rest cannot be kept without it.

    Whatever is decided too late to be proven in time stays in, so that the set is a conflict in any case.
    """
    deadline = time.monotonic() + min(max(seconds, 5.0), clock.left() / 2)  # the rest is for ways out
    kept = shared_rules(problem) + sorted({rule for faults in broken.values() for rule in faults})
    for rule in sorted(kept, key=_order):
        if time.monotonic() > deadline:
            break
        rest = [other for other in kept if other != rule]
        try:
            fleet = _without(problem, tables, broken, ranks, _everything(problem, broken) - set(rest))
        except clock.OutOfTime:
            break
        if fleet is None or cpsat.infeasible(fleet.model, seconds=max(0.5, deadline - time.monotonic())):
            kept = rest
    spare = _everything(problem, broken) - set(kept)
    out = []
    for rule in kept:
        try:
            out.append(_relaxed(problem, tables, broken, ranks, rule, spare, deadline))
        except clock.OutOfTime:
            out.append(Conflict(rule, None, None))
    return tuple(out)


def _order(rule: str) -> tuple[bool, str]:
    """Return the order in which rules are tried: what one workload demands first, a budget last."""
    return rule.startswith("fleet."), rule


def shared_rules(problem: Problem) -> list[str]:
    """Return the names of the rules over several workloads."""
    out = [bound.rule for bound in problem.fleet]
    out += [f"{offer.id}.available" for offer in problem.offers.limited]
    out += [rule.name for rule in problem.rules if len(speaks_of(rule.condition)) != 1]
    return list(dict.fromkeys(out))


def _everything(problem: Problem, broken: Broken) -> set[str]:
    return {*shared_rules(problem), *(rule for faults in broken.values() for rule in faults)}


def _without(
    problem: Problem,
    tables: Mapping[str, Table],
    broken: Broken,
    ranks: Mapping[str, RankColumns],
    spare: set[str],
    first: Mapping[str, Column] | None = None,
) -> Fleet | None:
    """Return the model without some rules, None where a workload has no row even so."""
    import numpy

    fitting = {}
    for name, table in tables.items():
        bad = numpy.zeros(table.rows, dtype=bool)
        for rule, where in broken[name].items():
            if rule not in spare:
                bad |= where
        fitting[name] = numpy.flatnonzero(~bad)
        if not len(fitting[name]):
            return None
    return build(problem, tables, fitting, ranks, frozenset(spare), first)


def _relaxed(
    problem: Problem,
    tables: Mapping[str, Table],
    broken: Broken,
    ranks: Mapping[str, RankColumns],
    rule: str,
    spare: set[str],
    deadline: float,
) -> Conflict:
    """Return a rule of the conflict with the least that it must be relaxed to, when every other rule is kept."""
    left = max(0.5, deadline - time.monotonic())
    bound = next((item for item in problem.fleet if item.rule == rule), None)
    fleet = _without(problem, tables, broken, ranks, {rule})
    if bound is not None:
        unit = UNITS.get(bound.quantity)
        scale = SCALES.get(bound.quantity, 1)
        if fleet is None:
            return Conflict(rule, None, bound.value, unit)
        sign = 1 if bound.operator in ("<=", "<") else -1
        terms = {index: sign * weight for index, weight in terms_of(fleet, bound).items()}
        known_only(fleet, bound)
        solution = cpsat.solve(fleet.model, terms, seconds=left)
        return Conflict(rule, None if solution is None else Fraction(sign * solution.value, scale), bound.value, unit)
    offer = next((item for item in problem.offers.limited if f"{item.id}.available" == rule), None)
    if offer is not None:
        return Conflict(rule, None, Fraction(offer.available or 0), "instances")
    owner = rule.partition(".")[0]
    found_bound = (
        next((item for item in tables[owner].workload.bounds if item.rule == rule), None) if (owner in tables) else None
    )
    if found_bound is None or not isinstance(found_bound.value, Fraction):
        return Conflict(rule, None, None if found_bound is None else found_bound.value)
    table = tables[owner]
    if found_bound.quantity not in table.outcomes:
        return Conflict(rule, None, found_bound.value)
    distance, edge, sign = _distance(table, found_bound)
    fleet = _without(problem, tables, broken, ranks, {rule}, {owner: distance})
    unit = unit_of(table.workload, found_bound.quantity)
    if fleet is None or owner not in fleet.rows:
        return Conflict(rule, None, found_bound.value, unit)
    terms = {v: int(distance[row]) for v, row in zip(fleet.takes[owner], fleet.rows[owner], strict=True)}
    solution = cpsat.solve(fleet.model, terms, seconds=left)
    if solution is None or solution.value >= HUGE:
        return Conflict(rule, None, found_bound.value, unit)
    needs = Fraction(edge + sign * solution.value, SCALES[found_bound.quantity])
    return Conflict(rule, needs, found_bound.value, unit)


def _distance(table: Table, bound: Bound) -> tuple[Column, int, int]:
    """Return how far each row is beyond a bound, in steps; the bound in steps; and 1 for an upper one, else -1."""
    import numpy

    assert isinstance(bound.value, Fraction)
    column = table.outcome(bound.quantity)
    sign = 1 if bound.operator in ("<=", "<") else -1
    edge = int(bound.value * SCALES[bound.quantity])
    return numpy.where(column == UNKNOWN, HUGE, numpy.maximum(0, sign * (column - edge))), edge, sign
