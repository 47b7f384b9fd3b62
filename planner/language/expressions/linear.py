"""Rules as rows of a solver: conditions that hold one by one, linear inequalities, sums over workloads."""

from __future__ import annotations

from fractions import Fraction

from planner.language.expressions.evaluate import UNITS, evaluate, names
from planner.record import dataclass
from planner.syntax import tree
from planner.units.canonical import product

Pair = tuple[str, str]


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


@dataclass(frozen=True, slots=True)
class Separable:
    """`sum of terms operator constant`, where each term reads one workload alone; `<=`, `<` or `==`.

    `terms` has a workload once. A term's value is in the canonical unit that the constant is in.
    """

    terms: tuple[tuple[str, tree.Expression], ...]
    operator: str
    constant: Fraction


MIRRORED = {"<=": ">=", "<": ">", ">=": "<=", ">": "<", "==": "=="}


def conjuncts(node: tree.Expression) -> tuple[tree.Expression, ...]:
    """Return the conditions that a condition joins, from left to right.

    They are joined by `and` or `all`; `max(…) <= x` and `min(…) >= x` join a comparison for each of their items, and
    `if` joins what holds where its condition does with what holds where it does not.
    """
    parts: list[tree.Expression] = []
    pending = [node]
    while pending:
        item = pending.pop()
        joined = _joined(item)
        if joined is None:
            parts.append(item)
        else:
            pending += reversed(joined)
    return tuple(parts)


def _joined(node: tree.Expression) -> list[tree.Expression] | None:
    """Return the parts of a condition that must all hold, None where it has none."""
    match node:
        case tree.Binary(operator="and"):
            return [node.left, node.right]
        case tree.Call(function="all"):
            return list(node.arguments)
        case tree.Conditional():
            unless = tree.Unary("not", node.condition, node.condition.span)
            return [
                tree.Binary("or", unless, node.then, node.span),
                tree.Binary("or", node.condition, node.otherwise, node.span),
            ]
        case tree.Binary(operator="<=" | "<" | ">=" | ">"):
            for side, other, operator in (
                (node.left, node.right, node.operator),
                (node.right, node.left, MIRRORED[node.operator]),
            ):
                least = "max" if operator in ("<=", "<") else "min"
                if (
                    isinstance(side, tree.Call)
                    and side.function == least
                    and not any(map(_conditional, side.arguments))
                ):
                    return [tree.Binary(operator, item, other, node.span) for item in side.arguments]
    return None


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


def extremes(node: tree.Expression) -> tree.Expression | None:
    """Return a comparison of a `min` or `max` as comparisons of their items, None where it is none.

    `max(a, b) >= x` holds where one of them does and the other is known: what nobody knows has no largest.
    """
    if not isinstance(node, tree.Binary) or node.operator not in MIRRORED:
        return None
    for side, other, operator in (
        (node.left, node.right, node.operator),
        (node.right, node.left, MIRRORED[node.operator]),
    ):
        if not isinstance(side, tree.Call) or side.function not in ("min", "max") or not side.arguments:
            continue
        if any(map(_conditional, side.arguments)):
            continue
        outer = ("<=", "<") if side.function == "max" else (">=", ">")

        def each(sign: str, side: tree.Call = side, other: tree.Expression = other) -> tuple[tree.Expression, ...]:
            return tuple(tree.Binary(sign, item, other, node.span) for item in side.arguments)

        if operator in outer:
            return tree.Call("all", each(operator), node.span)
        if operator == "==":
            return tree.Call("all", (*each(outer[0]), tree.Call("any", each("=="), node.span)), node.span)
        some = tree.Call("any", each(operator), node.span)
        opposite = {"<=": ">", "<": ">=", ">=": "<", ">": "<="}[operator]
        known = [
            tree.Binary("or", one, two, node.span) for one, two in zip(each(operator), each(opposite), strict=True)
        ]
        return tree.Call("all", (some, *known), node.span)
    return None


def _conditional(item: tree.Expression) -> bool:
    return isinstance(item, tree.Call) and item.function == "when"


def _add(left: _Form, right: _Form, times: Fraction = Fraction(1)) -> _Form:
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


def separable(node: tree.Expression) -> Separable | None:
    """Return a lowered comparison as a sum over workloads, or None where a part of it reads several at once.

    Every linear rule is one; so is `sum(w.cost for w in workloads where w.gpus > 1) <= $9/h`, or a count.
    """
    if not isinstance(node, tree.Binary) or node.operator not in MIRRORED:
        return None
    sign = Fraction(-1 if node.operator in (">=", ">") else 1)
    terms: dict[str, list[tree.Expression]] = {}
    constant = Fraction(0)
    for item, factor in [*addends(node.left, sign), *addends(node.right, -sign)]:
        owners = {owner for owner, _ in names(item)}
        if len(owners) > 1 or not _is_number(item):
            return None
        if owners:
            terms.setdefault(owners.pop(), []).append(_times(item, factor))
            continue
        value = evaluate(item, lambda *_: None)
        if value is None or not isinstance(value.value, Fraction):
            return None
        constant -= value.value * factor
    if not terms:
        return None
    sums = tuple((owner, tree.Call("sum", tuple(items), node.span)) for owner, items in sorted(terms.items()))
    return Separable(sums, node.operator.replace(">", "<"), constant)


def _times(item: tree.Expression, factor: Fraction) -> tree.Expression:
    return item if factor == 1 else tree.Binary("*", tree.Number(factor, None, str(factor), item.span), item, item.span)


def addends(node: tree.Expression, factor: Fraction) -> list[tuple[tree.Expression, Fraction]]:
    """Return what an expression adds up, each with its factor; an item with a condition is 0 where that is false."""
    match node:
        case tree.Binary(operator="+" | "-"):
            return [*addends(node.left, factor), *addends(node.right, factor if node.operator == "+" else -factor)]
        case tree.Unary(operator="-"):
            return addends(node.operand, -factor)
        case tree.Call(function="sum"):
            terms = []
            for item in node.arguments:
                if _conditional(item):
                    terms.append((_otherwise_zero(item, item.arguments[1]), factor))  # type: ignore[union-attr]
                else:
                    terms += addends(item, factor)
            return terms
        case tree.Call(function="count"):
            return [(_counted(item), factor) for item in node.arguments]
    return [(node, factor)]


def _otherwise_zero(item: tree.Expression, body: tree.Expression) -> tree.Expression:
    assert isinstance(item, tree.Call)
    return tree.Conditional(item.arguments[0], body, tree.Number(Fraction(0), None, "0", item.span), item.span)


def _counted(item: tree.Expression) -> tree.Expression:
    one = tree.Number(Fraction(1), None, "1", item.span)
    body = item.arguments[1] if isinstance(item, tree.Call) and _conditional(item) else item
    truth = _is_truth(body)
    counted = tree.Conditional(body, one, tree.Number(Fraction(0), None, "0", item.span), item.span) if truth else one
    return _otherwise_zero(item, counted) if _conditional(item) else counted


def _is_number(node: tree.Expression) -> bool:
    match node:
        case tree.Name():
            return node.parts[1] in UNITS
        case tree.String():
            return False
        case tree.Conditional():
            return _is_number(node.then)
    return not _is_truth(node)


def _is_truth(node: tree.Expression) -> bool:
    match node:
        case tree.Boolean():
            return True
        case tree.Unary():
            return node.operator == "not"
        case tree.Binary():
            return node.operator not in ("+", "-", "*", "/")
        case tree.Call():
            return node.function in ("any", "all")
        case tree.Conditional():
            return _is_truth(node.then)
    return False
