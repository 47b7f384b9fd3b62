"""Values of expressions: exact arithmetic over literals, `let` names and what the caller knows of names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction

from planner.diagnostics import Span
from planner.language.problem import Measure
from planner.syntax import tree
from planner.units.quantity import UNITS

Scalar = Fraction | str | bool


class Mistake(ValueError):
    """An expression that has no value: a code, a reason and a place."""

    def __init__(self, code: str, message: str, span: Span, help: str | None = None):
        super().__init__(message)
        self.code, self.message, self.span, self.help = code, message, span, help


CANONICAL = (
    "bytes",
    "s",
    "USD",
    "USD/h",
    "tokens",
    "tok/s",
    "req/s",
    "W",
    "params",
    "GB/s",
    "FLOPS",
    "USD/tok",
)
"""One unit a dimension; values are kept in it."""

Lookup = Callable[[tree.Name], Measure | None]


def literal(number: tree.Number) -> Measure:
    """Return a literal's exact value in the canonical unit of its dimension; raise Mistake for unknown units."""
    if number.unit is None:
        return Measure(number.value)
    entry = UNITS.get(number.unit)
    if entry is None:
        raise Mistake("E0105", f"`{number.unit}` is no unit", number.span)
    factor, dimension = entry
    if number.unit == "%":
        return Measure(number.value * factor)
    for unit in CANONICAL:
        base, same = UNITS[unit]
        if same == dimension:
            return Measure(number.value * factor / base, unit)
    return Measure(number.value * factor, number.unit)


_TIMES = {
    ("USD/h", "s"): ("USD", Fraction(1, 3600)),
    ("s", "USD/h"): ("USD", Fraction(1, 3600)),
    ("tok/s", "s"): ("tokens", Fraction(1)),
    ("s", "tok/s"): ("tokens", Fraction(1)),
}
_OVER = {
    ("USD", "s"): ("USD/h", Fraction(3600)),
    ("tokens", "s"): ("tok/s", Fraction(1)),
    ("tokens", "tok/s"): ("s", Fraction(1)),
    ("USD", "tokens"): ("USD/tok", Fraction(1)),
    ("USD", "USD/h"): ("s", Fraction(3600)),
}


def _arithmetic(node: tree.Binary, left: Measure, right: Measure) -> Measure:
    a, b = left.value, right.value
    if not isinstance(a, Fraction) or not isinstance(b, Fraction):
        raise Mistake("E0402", f"`{node.operator}` takes numbers", node.span)
    if node.operator in "+-":
        if left.unit != right.unit:
            sides = f"{left.unit or 'a plain number'} {node.operator} {right.unit or 'a plain number'}"
            raise Mistake("E0401", f"units differ: {sides}", node.span)
        return Measure(a + b if node.operator == "+" else a - b, left.unit)
    if node.operator == "*":
        if left.unit is None or right.unit is None:
            return Measure(a * b, left.unit or right.unit)
        found = _TIMES.get((left.unit, right.unit))
    else:
        if b == 0:
            raise Mistake("E0403", "division by zero", node.span)
        if right.unit is None or left.unit == right.unit:
            return Measure(a / b, left.unit if right.unit is None else None)
        found = _OVER.get((left.unit, right.unit)) if left.unit else None
        b = 1 / b
    if found is None:
        raise Mistake("E0401", f"{left.unit} {node.operator} {right.unit} has no unit here", node.span)
    return Measure(a * b * found[1], found[0])


def compare(operator: str, a: Scalar, b: Scalar) -> bool:
    """Return whether `a operator b` holds; words compare only for equality."""
    if operator in ("=", "=="):
        return a == b
    if operator == "!=":
        return a != b
    if not isinstance(a, Fraction) or not isinstance(b, Fraction):
        return False
    return {"<=": a <= b, ">=": a >= b, "<": a < b, ">": a > b}[operator]


def evaluate(node: tree.Expression, lookup: Lookup) -> Measure:
    """Return the value of an expression; `lookup` gives the values of names. Raises Mistake."""
    match node:
        case tree.Number():
            return literal(node)
        case tree.String():
            return Measure(node.text)
        case tree.Boolean():
            return Measure(node.value)
        case tree.Name():
            found = lookup(node)
            if found is None:
                raise Mistake("E0301", f"`{node.text}` is not known here", node.span)
            return found
        case tree.Unary():
            inner = evaluate(node.operand, lookup)
            if node.operator == "not":
                return Measure(not inner.value)
            if not isinstance(inner.value, Fraction):
                raise Mistake("E0402", "`-` takes a number", node.span)
            return Measure(-inner.value, inner.unit)
        case tree.Conditional():
            chosen = node.then if evaluate(node.condition, lookup).value else node.otherwise
            return evaluate(chosen, lookup)
        case tree.Binary():
            return _binary(node, lookup)
        case tree.Call() if node.function in ("min", "max"):
            values = [evaluate(argument, lookup) for argument in node.arguments]
            if not values or any(not isinstance(item.value, Fraction) for item in values):
                raise Mistake("E0402", f"`{node.function}` takes numbers", node.span)
            return (min if node.function == "min" else max)(values, key=lambda item: item.value)
    raise Mistake("E0405", "this expression has no single value here", node.span)


def _binary(node: tree.Binary, lookup: Lookup) -> Measure:
    if node.operator == "and":
        both = bool(evaluate(node.left, lookup).value) and bool(evaluate(node.right, lookup).value)
        return Measure(both)
    if node.operator == "or":
        either = bool(evaluate(node.left, lookup).value) or bool(evaluate(node.right, lookup).value)
        return Measure(either)
    left = evaluate(node.left, lookup)
    if node.operator == "in" and isinstance(node.right, tree.SetOf):
        return Measure(any(left.value == evaluate(item, lookup).value for item in node.right.items))
    right = evaluate(node.right, lookup)
    if node.operator in ("+", "-", "*", "/"):
        return _arithmetic(node, left, right)
    if left.unit != right.unit and isinstance(left.value, Fraction) and isinstance(right.value, Fraction):
        sides = f"{left.unit or 'a plain number'} {node.operator} {right.unit or 'a plain number'}"
        raise Mistake("E0401", f"units differ: {sides}", node.span)
    return Measure(compare(node.operator, left.value, right.value))


def names(node: tree.Expression) -> list[tree.Name]:
    """Return every name in an expression, in order."""
    found: list[tree.Name] = []
    pending: list[tree.Expression] = [node]
    while pending:
        item = pending.pop()
        match item:
            case tree.Name():
                found.append(item)
            case tree.Binary():
                pending += [item.right, item.left]
            case tree.Unary():
                pending.append(item.operand)
            case tree.Conditional():
                pending += [item.otherwise, item.then, item.condition]
            case tree.Call():
                pending += list(item.arguments)
            case tree.SetOf():
                pending += list(item.items)
            case _:
                pass
    return found


def from_mapping(values: Mapping[str, Measure], words: frozenset[str]) -> Lookup:
    """Return a lookup in a mapping; an unbound bare name that is in `words` stands for itself."""

    def find(name: tree.Name) -> Measure | None:
        if name.text in values:
            return values[name.text]
        return Measure(name.text) if name.text in words else None

    return find
