"""What rules over several workloads tell apart of a workload's rows: no more than the truth of their parts.

A rule that reads `w.headroom >= 30%` of a workload knows two kinds of its rows, not one for each headroom; of a sum
over workloads it is the workload's term that counts. Rows that a rule does not tell apart are alike to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

from planner.language.expressions.evaluate import evaluate
from planner.language.expressions.linear import MIRRORED, extremes, separable
from planner.language.problem import Measure, Value
from planner.solve import clock
from planner.solve.columns.rules import breaks, differing
from planner.solve.columns.steps import value
from planner.solve.columns.table import Table, cases
from planner.solve.rules import measure, simple, speaks_of
from planner.syntax import tree

if TYPE_CHECKING:
    from planner.solve.columns.table import Column


NEGATED = {"<=": ">", "<": ">=", ">=": "<", ">": "<=", "==": "!=", "!=": "=="}


def by_condition(node: tree.Expression, table: Table, rows: Column) -> Iterator[Column]:
    """Yield columns that are equal for rows which a condition over several workloads cannot tell apart.

    Only `rows` are looked at; every other row is 0 in each column.
    """
    name = table.workload.name
    if name not in speaks_of(node):
        return
    clock.look()
    match node:
        case tree.Unary(operator="not"):
            yield from by_condition(node.operand, table, rows)
            return
        case tree.Binary(operator="and" | "or"):
            yield from by_condition(node.left, table, rows)
            yield from by_condition(node.right, table, rows)
            return
        case tree.Call(function="any" | "all") if not any(map(_when, node.arguments)):
            for item in node.arguments:
                yield from by_condition(item, table, rows)
            return
        case tree.Conditional():
            for item in (node.condition, node.then, node.otherwise):
                yield from by_condition(item, table, rows)
            return
    if speaks_of(node) == {name}:
        yield _truth(node, table, rows)
        return
    apart = extremes(node)
    if apart is not None:
        yield from by_condition(apart, table, rows)
        return
    sums = separable(node) if isinstance(node, tree.Binary) and node.operator in MIRRORED else None
    if sums is not None:
        yield _coded(dict(sums.terms)[name], table, rows)
        return
    yield from differing(table, node).values()


def _when(item: tree.Expression) -> bool:
    return isinstance(item, tree.Call) and item.function == "when"


def _truth(node: tree.Expression, table: Table, rows: Column) -> Column:
    """Return 2 where a condition about one workload is true, 1 where it is false, 0 where nobody knows."""
    import numpy

    bound = simple(node, table.workload.name)
    operator = "==" if bound is not None and bound.operator == "=" else bound.operator if bound is not None else ""
    if bound is not None and operator in NEGATED:
        true = ~breaks(table, bound.quantity, bound.operator, bound.value)
        negated = NEGATED[operator]
        false = ~breaks(table, bound.quantity, "=" if negated == "==" else negated, bound.value)
        column: Column = numpy.where(true, 2, numpy.where(false, 1, 0))
        return column
    return _coded(node, table, rows)


def _coded(node: tree.Expression, table: Table, rows: Column) -> Column:
    """Return a number for each value that an expression about one workload has on rows."""
    import numpy

    present = differing(table, node)
    out = numpy.zeros(table.rows, dtype=numpy.int64)
    if not present or not len(rows):
        return out
    place, which = cases([column[rows] for column in present.values()])
    first = rows[place]
    known: dict[object, int] = {}
    codes = numpy.zeros(len(first), dtype=numpy.int64)
    for case, row in enumerate(first.tolist()):
        if case % 1000 == 0:
            clock.look()
        value_codes = evaluate(node, _finder(table, row))
        codes[case] = known.setdefault(None if value_codes is None else value_codes.value, len(known))
    out[rows] = codes[which]
    return out


def _finder(table: Table, row: int) -> Callable[[str, str], Measure | None]:
    def find(_: str, quantity: str) -> Measure | None:
        have = value_of(table, row, quantity)
        return None if have is None else Measure(have)

    return find


def value_of(table: Table, row: int, quantity: str) -> Value | Fraction | None:
    """Return what a row has of a quantity: a decision, an outcome or what is given; None where nobody knows it."""
    axis = table.axis(quantity)
    if axis is not None:
        return axis.values[int(axis.index[row])]
    if quantity in table.outcomes:
        return value(quantity, int(table.outcome(quantity)[row]))
    outcome_measure = measure(quantity, table.workload, {}, {})
    return None if outcome_measure is None else outcome_measure.value
