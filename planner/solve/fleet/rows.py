"""Bounds and rules over several workloads as rows of the integer model."""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from math import floor
from typing import TYPE_CHECKING

from planner.language.expressions.evaluate import evaluate
from planner.language.expressions.linear import Linear, Separable, linear, separable
from planner.language.problem import FleetBound
from planner.language.quantities.outcomes import MONEY
from planner.solve import clock
from planner.solve.candidate import TooWide
from planner.solve.columns.steps import SCALES, UNKNOWN, common
from planner.solve.columns.table import Table
from planner.solve.fleet import cpsat
from planner.solve.fleet.logic import Rows, demand
from planner.solve.fleet.state import Fleet, finder
from planner.solve.rent.share_bounds import is_whole
from planner.solve.rules import measure, speaks_of
from planner.syntax.tree import Expression

if TYPE_CHECKING:
    from planner.solve.columns.table import Column


LARGEST = 2**50
"""The largest weight of a rule's row: sums stay below 2^53."""


def amount_column(bound: FleetBound, table: Table) -> Column:
    """Return what each row takes of a fleet bound's quantity, in steps; nothing of what its workload does not have."""
    import numpy

    if bound.quantity == "gpus":
        return table.gpus
    if bound.quantity == "available":
        axis = table.axes["gpu"]
        mine = numpy.array([name == bound.gpu for name in axis.values], dtype=bool)[axis.index]
        return numpy.where(mine, table.gpus, 0)
    if bound.quantity in table.axes:
        counts = table.axes[bound.quantity]
        return numpy.array([int(str(value)) for value in counts.values] or [0], dtype=numpy.int64)[counts.index]
    if bound.quantity not in table.outcomes:  # the other kind's: a bound is on the sum of the workloads that have it
        return numpy.zeros(table.rows, dtype=numpy.int64)
    column = table.outcome(bound.quantity)
    return numpy.where(column == UNKNOWN, 0, column)


def terms_of(fleet: Fleet, bound: FleetBound) -> dict[int, int]:
    """Return what every choice takes of a fleet bound's quantity, in steps."""
    if bound.quantity == "cost":
        return dict(fleet.money)
    out: dict[int, int] = {}
    for name, rows in fleet.rows.items():
        if bound.quantity in MONEY:
            scale = SCALES[bound.quantity]
            for place, variable in enumerate(fleet.takes[name]):
                have = fleet.value(name, place, bound.quantity)
                out[variable] = int(have * scale) if isinstance(have, Fraction) else 0
            continue
        column = amount_column(bound, fleet.tables[name])
        out |= {v: int(column[row]) for v, row in zip(fleet.takes[name], rows, strict=True)}
    return out


def add_bound(fleet: Fleet, bound: FleetBound) -> None:
    """Add a bound of the fleet block as a row."""
    fleet.model.row(terms_of(fleet, bound), *edges(bound, SCALES.get(bound.quantity, 1)))
    known_only(fleet, bound)


def edges(bound: FleetBound, scale: int) -> tuple[int, int]:
    """Return the least and the most that a bound of the fleet block allows, in steps."""
    edge = bound.value * scale
    match bound.operator:
        case "<=":
            return -cpsat.INFINITY, floor(edge)
        case "<":
            return -cpsat.INFINITY, -floor(-edge) - 1
        case ">=":
            return -floor(-edge), cpsat.INFINITY
        case ">":
            return floor(edge) + 1, cpsat.INFINITY
    return -floor(-edge), floor(edge)


def known_only(fleet: Fleet, bound: FleetBound) -> None:
    """Bar rows whose part of a fleet bound's quantity nobody knows: it cannot be shown that they keep the bound."""
    barred: list[int] = []
    for name, rows in fleet.rows.items():
        table = fleet.tables[name]
        if bound.quantity in table.outcomes:
            own = table.outcome(bound.quantity)
            barred += [v for v, row in zip(fleet.takes[name], rows, strict=True) if own[row] == UNKNOWN]
    if barred:
        fleet.model.row(dict.fromkeys(barred, 1), high=0)


def add_rule(fleet: Fleet, name: str, condition: Expression) -> None:
    """Add a `require` over several workloads, in the simplest of the forms that say it exactly."""
    clock.look()
    form = linear(condition)
    if form is not None and _linear_row(fleet, form):
        return
    if is_whole(condition, fleet.tables):
        raise TooWide("uncountable", name.rpartition(".")[0])
    parts = separable(condition)
    if parts is None or not _separable_row(fleet, parts):
        forbid(fleet, name, condition, None)


def _linear_row(fleet: Fleet, rule: Linear) -> bool:
    """Add a linear rule as a row; return False where a quantity of it is not a known number of every row."""
    names = set(fleet.tables)
    costs = {owner: factor for owner, quantity, factor in rule.terms if quantity == "cost"}
    whole = len(set(costs.values())) == 1 and set(costs) == names
    weights: dict[int, Fraction] = {}
    barred: set[int] = set()
    if whole:
        factor = next(iter(costs.values()))
        weights = {v: Fraction(w, SCALES["cost"]) * factor for v, w in fleet.money.items()}
    constant = rule.constant
    representative = {member: first for first, group in fleet.members.items() for member in group}
    for owner, quantity, factor in rule.terms:
        if quantity == "cost" and whole:
            continue
        if representative.get(owner) != owner or fleet.many[owner] > 1:
            return False
        table = fleet.tables[owner]
        if table.axis(quantity) is None and quantity not in table.outcomes:
            given = measure(quantity, table.workload, {}, {})
            if given is None or not isinstance(given.value, Fraction):
                return False
            constant -= factor * given.value
            continue
        for place, variable in enumerate(clock.watched(fleet.takes[owner], 1000)):
            have = fleet.value(owner, place, quantity)
            if isinstance(have, Fraction):
                weights[variable] = weights.get(variable, Fraction(0)) + factor * have
            elif have is None:
                barred.add(variable)  # what nobody knows keeps no bound
            else:
                return False
    scale = common([constant, *weights.values()], LARGEST)
    if scale is None:
        return False
    terms = {variable: int(weight * scale) for variable, weight in weights.items()}
    if any(abs(weight) > LARGEST for weight in terms.values()):
        return False
    edge = int(constant * scale)
    fleet.model.row(terms, edge if rule.operator == "==" else -cpsat.INFINITY, edge - (rule.operator == "<"))
    if barred:
        fleet.model.row(dict.fromkeys(barred, 1), high=0)
    return True


def _separable_row(fleet: Fleet, rule: Separable) -> bool:
    """Add a sum of one term a workload as a row; return False where a term is not known of each row alone."""
    weights: dict[int, Fraction] = {}
    barred: list[int] = []
    for owner, term in rule.terms:
        if owner not in fleet.members or fleet.many[owner] > 1:
            return False
        for place, variable in enumerate(clock.watched(fleet.takes[owner])):
            value = evaluate(term, finder(fleet, owner, place))
            if value is None or not isinstance(value.value, Fraction):
                barred.append(variable)
            else:
                weights[variable] = value.value
    scale = common([rule.constant, *weights.values()], LARGEST)
    if scale is None:
        return False
    terms = {variable: int(weight * scale) for variable, weight in weights.items()}
    if any(abs(weight) > LARGEST for weight in terms.values()):
        return False
    edge = int(rule.constant * scale)
    fleet.model.row(terms, edge if rule.operator == "==" else -cpsat.INFINITY, edge - (rule.operator == "<"))
    if barred:
        fleet.model.row(dict.fromkeys(barred, 1), high=0)
    return True


def forbid(fleet: Fleet, condition_name: str, condition: Expression, broken: int | None) -> None:
    """Demand a condition, or let `broken` pay for it."""
    rows: Rows = {
        owner: [(variable, partial(fleet.value, owner, place)) for place, variable in enumerate(fleet.takes[owner])]
        for owner in speaks_of(condition)
    }
    demand(fleet.model, rows, condition_name, condition, broken)
