"""Rules as linear inequalities, where they are: what a solver can take as a row."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from planner.language.schema import QUANTITIES
from planner.syntax import tree
from planner.units.canonical import product

Pair = tuple[str, str]
UNITS = {row.name: row.unit for row in QUANTITIES if row.type == "number"}


@dataclass(frozen=True, slots=True)
class Linear:
    """`sum of coefficient × (workload, quantity) operator constant`, all in canonical units; `<=`, `<` or `==`."""

    terms: tuple[tuple[str, str, Fraction], ...]
    operator: str
    constant: Fraction


@dataclass(frozen=True, slots=True)
class _Form:
    terms: dict[Pair, Fraction]
    constant: Fraction
    unit: str | None


def conjuncts(node: tree.Expression) -> tuple[tree.Expression, ...]:
    """Return the conditions that a condition joins by `and` or `all`, from left to right."""
    found: list[tree.Expression] = []
    pending = [node]
    while pending:
        item = pending.pop()
        if isinstance(item, tree.Binary) and item.operator == "and":
            pending += [item.right, item.left]
        elif isinstance(item, tree.Call) and item.function == "all" and not any(map(_conditional, item.arguments)):
            pending += reversed(item.arguments)
        else:
            found.append(item)
    return tuple(found)


def linear(node: tree.Expression) -> Linear | None:
    """Return a lowered comparison as a linear inequality, or None where it is none (words, products, `or`)."""
    if not isinstance(node, tree.Binary) or node.operator not in ("<=", "<", ">=", ">", "=="):
        return None
    left, right = _form(node.left), _form(node.right)
    if left is None or right is None:
        return None
    difference = _add(left, right, Fraction(-1))
    sign = Fraction(-1 if node.operator in (">=", ">") else 1)
    terms = tuple((*pair, factor * sign) for pair, factor in sorted(difference.terms.items()) if factor)
    operator = node.operator.replace(">", "<")
    return Linear(terms, operator, -difference.constant * sign) if terms else None


def _conditional(item: tree.Expression) -> bool:
    return isinstance(item, tree.Call) and item.function == "when"


def _add(left: _Form, right: _Form, times: Fraction = Fraction(1)) -> _Form:  # noqa: B008
    terms = dict(left.terms)
    for pair, factor in right.terms.items():
        terms[pair] = terms.get(pair, Fraction(0)) + factor * times
    return _Form(terms, left.constant + right.constant * times, left.unit or right.unit)


def _form(node: tree.Expression) -> _Form | None:
    match node:
        case tree.Number():
            return _Form({}, node.value, node.unit)
        case tree.Name() if node.parts[1] in UNITS:
            return _Form({(node.parts[0], node.parts[1]): Fraction(1)}, Fraction(0), UNITS[node.parts[1]])
        case tree.Unary(operator="-"):
            inner = _form(node.operand)
            return None if inner is None else _add(_Form({}, Fraction(0), inner.unit), inner, Fraction(-1))
        case tree.Binary(operator="+" | "-"):
            left, right = _form(node.left), _form(node.right)
            if left is None or right is None:
                return None
            return _add(left, right, Fraction(1 if node.operator == "+" else -1))
        case tree.Binary(operator="*" | "/"):
            return _scaled(node)
        case tree.Call(function="sum"):
            return _sum(node)
    return None


def _sum(node: tree.Call) -> _Form | None:
    terms: dict[Pair, Fraction] = {}
    constant, unit = Fraction(0), None
    for item in node.arguments:
        form = None if _conditional(item) else _form(item)
        if form is None:
            return None
        for pair, factor in form.terms.items():
            terms[pair] = terms.get(pair, Fraction(0)) + factor
        constant, unit = constant + form.constant, unit or form.unit
    return _Form(terms, constant, unit)


def _scaled(node: tree.Binary) -> _Form | None:
    left, right = _form(node.left), _form(node.right)
    if left is None or right is None:
        return None
    over = node.operator == "/"
    if right.terms and (over or left.terms):
        return None
    if over and not right.constant:
        return None
    factor, unit = product(left.unit, right.unit, over)
    varying, fixed = (right, left.constant) if right.terms else (left, 1 / right.constant if over else right.constant)
    scale = fixed * factor
    terms = {pair: value * scale for pair, value in varying.terms.items()}
    return _Form(terms, varying.constant * scale, unit)
