"""Rules over columns: for each bound and each `require` of one workload, which rows break it."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import ceil, floor
from typing import TYPE_CHECKING

from planner.language.expressions.evaluate import compare, stated
from planner.language.problem import Bound, Problem, Value, Workload
from planner.solve import clock
from planner.solve.columns.steps import SCALES, UNKNOWN, value
from planner.solve.columns.table import Table, cases
from planner.solve.rules import holds, reads, simple, speaks_of
from planner.syntax.tree import Expression

if TYPE_CHECKING:
    from planner.solve.columns.table import Column


def broken_by(table: Table, problem: Problem) -> dict[str, Column]:
    """Return, by rule, where it is broken: physics, bounds, and every `require` about this workload alone."""
    import numpy

    out = dict(table.broken)
    if not table.rows:
        return {}

    def add(rule: str, where: Column) -> None:
        out[rule] = out[rule] | where if rule in out else where

    for bound in table.workload.bounds:
        add(bound.rule, breaks(table, bound.quantity, bound.operator, bound.value, bound.unknown))
    for rule in problem.rules:
        if speaks_of(rule.condition) == {table.workload.name}:
            add(rule.name, ~satisfied(table, rule.condition))
    return {rule: where for rule, where in out.items() if numpy.any(where)}


def penalties(table: Table, problem: Problem) -> Column:
    """Return what the `prefer`s about this workload alone cost each row that breaks them, in micro-dollars per hour."""
    import numpy

    out = numpy.zeros(table.rows, dtype=numpy.int64)
    for wish in problem.preferences:
        if speaks_of(wish.condition) == {table.workload.name}:
            out += numpy.where(satisfied(table, wish.condition), 0, wish.worth)
    return out


def breaks(table: Table, quantity: str, operator: str, limit: Value, unknown: bool = False) -> Column:
    """Return where `quantity operator limit` does not hold; an outcome that nobody knows breaks its bound
    unless that holds for the `unknown` too."""
    import numpy

    axis = table.axis(quantity)
    if axis is not None:
        bad = numpy.array([not compare(operator, item, limit) for item in axis.values], dtype=bool)
        return bad[axis.index]
    if quantity not in table.outcomes:
        given = stated(table.workload, quantity)
        return numpy.full(table.rows, given is None or not compare(operator, given.value, limit))
    have = table.outcome(quantity)
    if not isinstance(limit, Fraction):
        return numpy.ones(table.rows, dtype=bool)
    edge = limit * SCALES[quantity]
    low, high = max(-(2**61), floor(edge)), min(2**61, ceil(edge))
    match operator:
        case "<=":
            good = have <= low
        case ">=":
            good = have >= high
        case "<":
            good = have < high
        case ">":
            good = have > low
        case "!=":
            good = (have != low) | (low != high)
        case _:
            good = (have == low) & (low == high)
    where: Column = ~(good | (have == UNKNOWN)) if unknown else ~good | (have == UNKNOWN)
    return where


def satisfied(table: Table, condition: Expression) -> Column:
    """Return where an expression about this workload holds: a comparison at once, else each distinct case once."""
    import numpy

    bound = simple(condition, table.workload.name)
    if bound is not None:
        return ~breaks(table, bound.quantity, bound.operator, bound.value)
    present = differing(table, condition)
    if not present:
        return numpy.full(table.rows, holds(condition, table.workload, {}, {}))
    first, which = cases(list(present.values()))
    verdicts = [
        _verdict(table, condition, {name: int(column[row]) for name, column in present.items()})
        for row in clock.watched(first.tolist())
    ]
    good: Column = numpy.array(verdicts, dtype=bool)[which]
    return good


def differing(table: Table, node: Expression) -> dict[str, Column]:
    """Return the columns of what an expression reads of a table's workload that rows may differ in, by quantity."""
    out: dict[str, Column] = {}
    for name in sorted(reads(node, table.workload.name)):
        axis = table.axis(name)
        if axis is not None:
            out[name] = axis.index
        elif name in table.outcomes:
            out[name] = table.outcome(name)
    return out


def _verdict(table: Table, condition: Expression, case: Mapping[str, int]) -> bool:
    choice: dict[str, Value] = {}
    outcomes: dict[str, Fraction | None] = {}
    for name, number in case.items():
        axis = table.axis(name)
        if axis is not None:
            choice[name] = axis.values[number]
        else:
            outcomes[name] = value(name, number)
    return holds(condition, table.workload, choice, outcomes)


def bounds_of(workload: Workload, problem: Problem) -> list[Bound]:
    """Return the bounds of a workload, and those `require`s that are one comparison with a constant."""
    out = list(workload.bounds)
    for rule in problem.rules:
        bound = simple(rule.condition, workload.name)
        if bound is not None:
            out.append(bound)
    return out


def fits(table: Table, broken: Mapping[str, Column]) -> Column:
    """Return the rows that break no rule."""
    import numpy

    bad = numpy.zeros(table.rows, dtype=bool)
    for where in broken.values():
        bad |= where
    return numpy.flatnonzero(~bad)


def fault_counts(table: Table, broken: Mapping[str, Column]) -> Column:
    """Return how many rules each row breaks."""
    import numpy

    faults = numpy.zeros(table.rows, dtype=numpy.int64)
    for where in broken.values():
        faults += where
    return faults


def distance_of(table: Table, rule: str, rows: Column) -> Column:
    """Return how far rows are from keeping a rule, in the steps of its quantity; 0 where that has no size."""
    import numpy

    from planner.solve.columns.steps import UNKNOWN

    quantity = rule.rpartition(".")[2]
    bound = next((item for item in table.workload.bounds if item.rule == rule), None)
    if quantity == "memory" and bound is None:
        return -table.outcome("headroom")[rows]
    if bound is None or bound.quantity not in table.outcomes:
        return numpy.zeros(len(rows), dtype=numpy.int64)
    have = table.outcome(bound.quantity)[rows]
    sign = 1 if bound.operator in ("<=", "<") else -1
    return numpy.where(have == UNKNOWN, 2**62, sign * have)


def headroom(total: Column, usable: Column) -> Column:
    """Return (usable - total) / usable in steps, rounded down, exactly: in divisions that stay below 2^63."""
    whole: Column = (usable - total) // usable
    rest: Column = (usable - total) % usable * 10**5
    column: Column = whole * 10**9 + rest // usable * 10**4 + rest % usable * 10**4 // usable
    return column
