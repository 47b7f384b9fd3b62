"""Values of lowered expressions (see planner.language.expressions.lower), in three-valued logic: None is "not known".

A lowered expression has literals in canonical units, texts, `Name((workload, quantity))`, arithmetic, comparison,
logic, `if`, and calls of sum, all, any, min, max and count over items, each of which may be `when(condition, item)`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction

from planner.language.problem import Measure, Value, Workload
from planner.language.schema import BY_KIND, QUANTITIES
from planner.syntax import tree
from planner.units.canonical import product

UNITS = {row.name: row.unit for row in QUANTITIES if row.type == "number"}
"""The canonical unit of each quantity that is a number."""
Lookup = Callable[[str, str], Measure | None]
"""From a workload and a quantity to its value; None where nobody knows it."""


def compare(operator: str, a: Value, b: Value) -> bool:
    """Return whether `a operator b` holds; words compare only for equality."""
    if operator in ("=", "=="):
        return a == b
    if operator == "!=":
        return a != b
    if not isinstance(a, Fraction) or not isinstance(b, Fraction):
        return False
    return {"<=": a <= b, ">=": a >= b, "<": a < b, ">": a > b}[operator]


def holds(node: tree.Expression, lookup: Lookup) -> bool:
    """Return whether a condition is true; what depends on an unknown outcome is not."""
    measure = evaluate(node, lookup)
    return measure is not None and measure.value is True


def evaluate(node: tree.Expression, lookup: Lookup) -> Measure | None:
    """Return the value of a lowered expression in canonical units, None where it is not known; never raises."""
    match node:
        case tree.Number():
            return Measure(node.value, node.unit)
        case tree.Name():
            measure = lookup(node.parts[0], node.parts[1])
            if measure is not None and measure.unit is None and isinstance(measure.value, Fraction):
                unit = UNITS.get(node.parts[1])  # a lookup may leave the unit to the table
                return measure if unit is None else Measure(measure.value, unit)
            return measure
        case tree.String():
            return Measure(node.text)
        case tree.Boolean():
            return Measure(node.value)
        case tree.Binary():
            return _binary(node, lookup)
        case tree.Unary():
            inner = evaluate(node.operand, lookup)
            if inner is None:
                return None
            if node.operator == "not":
                return Measure(not inner.value)
            return Measure(-inner.value, inner.unit) if isinstance(inner.value, Fraction) else None
        case tree.Conditional():
            condition = evaluate(node.condition, lookup)
            if condition is None:
                return _either(node, lookup)
            return evaluate(node.then if condition.value else node.otherwise, lookup)
        case tree.Call():
            return _call(node, lookup)
    return None


def _either(node: tree.Conditional, lookup: Lookup) -> Measure | None:
    """Return what both branches agree on, where nobody knows which is taken."""
    then, otherwise = evaluate(node.then, lookup), evaluate(node.otherwise, lookup)
    return then if then is not None and otherwise is not None and then.value == otherwise.value else None


def _binary(node: tree.Binary, lookup: Lookup) -> Measure | None:
    left = evaluate(node.left, lookup)
    operator = node.operator
    if operator in ("and", "or"):
        decisive = operator == "or"
        if left is not None and left.value is decisive:
            return left
        right = evaluate(node.right, lookup)
        if right is None or right.value is decisive:
            return right
        return left
    if left is None:
        return None
    if operator == "in":
        assert isinstance(node.right, tree.SetOf)
        items = [evaluate(item, lookup) for item in node.right.items]
        if any(item is not None and item.value == left.value for item in items):
            return Measure(True)
        return None if None in items else Measure(False)
    right = evaluate(node.right, lookup)
    if right is None:
        return None
    a, b = left.value, right.value
    if operator in ("+", "-", "*", "/"):
        if not isinstance(a, Fraction) or not isinstance(b, Fraction):
            return None
        if operator in "+-":
            return Measure(a + b if operator == "+" else a - b, left.unit or right.unit)
        if operator == "/" and not b:
            return None
        factor, unit = product(left.unit, right.unit, operator == "/")
        return Measure((a / b if operator == "/" else a * b) * factor, unit)
    return Measure(compare(operator, a, b))


def _call(node: tree.Call, lookup: Lookup) -> Measure | None:
    measures: list[Measure] = []
    unknown = False
    for item in node.arguments:
        if isinstance(item, tree.Call) and item.function == "when":
            taken = evaluate(item.arguments[0], lookup)
            if taken is not None and not taken.value:
                continue
            value = None if taken is None else evaluate(item.arguments[1], lookup)
        else:
            value = evaluate(item, lookup)
        if value is None:
            unknown = True
        else:
            measures.append(value)
    if node.function in ("any", "all"):
        decisive = node.function == "any"
        if any(item.value is decisive for item in measures):
            return Measure(decisive)
        return None if unknown else Measure(not decisive)
    if unknown:
        return None
    if node.function == "count":
        return Measure(Fraction(sum(item.value is not False for item in measures)))
    numbers = [item.value for item in measures if isinstance(item.value, Fraction)]
    if node.function == "sum":
        unit = next((item.unit for item in measures if item.unit), None)
        return Measure(sum(numbers, Fraction(0)), unit)
    if not numbers:
        return None
    least = node.function == "min"
    return min(measures, key=lambda item: item.value) if least else max(measures, key=lambda item: item.value)


_KEPT = 10_000
"""So many expressions have what they read kept: rules are asked for it again and again."""
_read: dict[int, tuple[tree.Expression, tuple[tuple[str, str], ...]]] = {}
"""By the identity of an expression, which is kept with it so that no other can have it."""


def names(node: tree.Expression) -> tuple[tuple[str, str], ...]:
    """Return the (workload, quantity) pairs a lowered expression reads, each once, in order."""
    kept = _read.get(id(node))
    if kept is not None:
        return kept[1]
    if len(_read) >= _KEPT:
        _read.clear()
    pairs = _names(node)
    _read[id(node)] = node, pairs
    return pairs


def _names(node: tree.Expression) -> tuple[tuple[str, str], ...]:
    pairs: set[tuple[str, str]] = set()
    pending: list[tree.Expression] = [node]
    while pending:
        item = pending.pop()
        if isinstance(item, tree.Name):
            pairs.add((item.parts[0], item.parts[1]))
        else:
            pending += parts(item)
    return tuple(sorted(pairs))


def parts(node: tree.Expression) -> tuple[tree.Expression, ...]:
    """Return the expressions directly inside one."""
    match node:
        case tree.Binary():
            return node.left, node.right
        case tree.Unary():
            return (node.operand,)
        case tree.Conditional():
            return node.condition, node.then, node.otherwise
        case tree.Call():
            return node.arguments
        case tree.SetOf():
            return node.items
        case tree.Filter():
            return node.source, node.condition
        case tree.Range():
            return (node.low, node.high) if node.step is None else (node.low, node.high, node.step)
        case tree.Comprehension():
            return (node.body, node.source) if node.condition is None else (node.body, node.source, node.condition)
    return ()


def stated(workload: Workload, quantity: str) -> Measure | None:
    """Return what a plan says of a given quantity, or its default; None for what is chosen, or follows from that."""
    row = {"model": workload.model, "draft_model": workload.draft}.get(quantity)
    value = workload.given.get(quantity) if row is None else row.id
    if value is None:
        return None
    return Measure(value, BY_KIND[workload.kind][quantity].unit if isinstance(value, Fraction) else None)


def lookup_in(values: Mapping[tuple[str, str], Measure | None]) -> Lookup:
    """Return a lookup in a mapping from (workload, quantity)."""
    return lambda workload, quantity: values.get((workload, quantity))
