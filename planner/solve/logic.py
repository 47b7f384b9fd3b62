"""Conditions over several workloads as 0-1 rows: each part has a variable that may be 1 only where the part holds.

Negations are carried down to the comparisons, so a variable needs to imply its part and no more. What this cannot say
(a product of two workloads' quantities with more combinations than can be written out) raises `TooWide`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from itertools import product
from math import lcm

from planner.language.evaluate import evaluate, names
from planner.language.linear import MIRRORED, Separable, extremes, separable
from planner.language.problem import Measure, Value
from planner.solve import clock
from planner.solve.candidate import TooWide
from planner.solve.cpsat import Model
from planner.syntax import tree

CASES = 100_000
LARGEST = 2**50
NEGATED = {"<=": ">", "<": ">=", ">=": "<", ">": "<=", "==": "!=", "!=": "=="}
Rows = Mapping[str, list[tuple[int, Callable[[str], Value | None]]]]
"""For each workload the variable of each row, and what the row has of a quantity."""


def demand(model: Model, rows: Rows, name: str, condition: tree.Expression, broken: int | None) -> None:
    """Demand a condition, or let the variable `broken` be 1 where it does not hold."""
    chosen = _implies(model, rows, name, condition, True)
    model.row({chosen: 1} if broken is None else {chosen: 1, broken: 1}, low=1)


def _implies(model: Model, rows: Rows, name: str, node: tree.Expression, positive: bool) -> int:
    """Return a 0-1 variable that is 1 only where a condition is true, or false where not `positive`."""
    clock.look()
    match node:
        case tree.Unary(operator="not"):
            return _implies(model, rows, name, node.operand, not positive)
        case tree.Binary(operator="and" | "or") | tree.Call(function="any" | "all"):
            parts = (node.left, node.right) if isinstance(node, tree.Binary) else node.arguments
            together = isinstance(node, tree.Binary) and node.operator == "and"
            together = together or (isinstance(node, tree.Call) and node.function == "all")
            inner = [_implies(model, rows, name, part, positive) for part in parts]
            return _joined(model, inner, together is positive)
        case tree.Conditional():
            taken = _implies(model, rows, name, node.condition, True)
            missed = _implies(model, rows, name, node.condition, False)
            then = _implies(model, rows, name, node.then, positive)
            otherwise = _implies(model, rows, name, node.otherwise, positive)
            ways = [_joined(model, [taken, then], True), _joined(model, [missed, otherwise], True)]
            return _joined(model, ways, False)
    return _compared(model, rows, name, node, positive)


def _joined(model: Model, parts: list[int], together: bool) -> int:
    result = model.variable(0, 1)
    if together:
        for part in parts:
            model.row({part: 1, result: -1}, low=0)
    else:
        model.row({**dict.fromkeys(parts, 1), result: -1}, low=0)
    return result


def _compared(model: Model, rows: Rows, name: str, node: tree.Expression, positive: bool) -> int:
    result = model.variable(0, 1)
    owners = sorted({owner for owner, _ in names(node)})
    if not owners:
        found = evaluate(node, lambda *_: None)
        if found is None or found.value is not positive:
            model.row({result: 1}, high=0)
        return result
    if len(owners) == 1:
        owner = owners[0]
        fitting = [variable for variable, have in rows[owner] if _is(node, {owner: have}, positive)]
        model.row({**dict.fromkeys(fitting, 1), result: -1}, low=0)
        return result
    apart = extremes(node)
    if apart is not None:
        return _implies(model, rows, name, apart, positive)
    if isinstance(node, tree.Binary) and _words(node):
        _same(model, rows, node, (node.operator == "==") is positive, result)
        return result
    if isinstance(node, tree.Binary) and node.operator in NEGATED:
        operator = node.operator if positive else NEGATED[node.operator]
        if operator == "!=":
            sides = [tree.Binary(side, node.left, node.right, node.span) for side in ("<", ">")]
            return _joined(model, [_compared(model, rows, name, side, True) for side in sides], False)
        sums = separable(tree.Binary(operator, node.left, node.right, node.span)) if operator in MIRRORED else None
        if sums is not None and _sum(model, rows, sums, result):
            return result
    _written_out(model, rows, name, node, positive, owners, result)
    return result


def _is(node: tree.Expression, have: Mapping[str, Callable[[str], Value | None]], positive: bool) -> bool:
    def find(owner: str, quantity: str) -> Measure | None:
        value = have[owner](quantity)
        return None if value is None else Measure(value)

    found = evaluate(node, find)
    return found is not None and found.value is positive


def _words(node: tree.Binary) -> bool:
    sides = (node.left, node.right)
    return node.operator in ("==", "!=") and all(isinstance(side, tree.Name) for side in sides)


def _same(model: Model, rows: Rows, node: tree.Binary, equal: bool, result: int) -> None:
    """Let `result` be 1 only where two workloads have the same value of a quantity each, or only where not."""
    assert isinstance(node.left, tree.Name) and isinstance(node.right, tree.Name)
    sides: list[dict[Value | None, list[int]]] = []
    for side in (node.left, node.right):
        found: dict[Value | None, list[int]] = {}
        for variable, have in rows[side.parts[0]]:
            found.setdefault(have(side.parts[1]), []).append(variable)
        sides.append(found)
    left, right = sides
    for value in {**left, **right}:
        mine, other = dict.fromkeys(left.get(value, ()), 1), dict.fromkeys(right.get(value, ()), 1)
        if value is None:  # what nobody knows is neither equal nor different
            model.row({**mine, **other, result: 2}, high=2)
        elif equal:
            model.row({**mine, **dict.fromkeys(other, -1), result: 1}, high=1)
        else:
            model.row({**mine, **other, result: 1}, high=2)


def _sum(model: Model, rows: Rows, sums: Separable, result: int) -> bool:
    """Let `result` be 1 only where a sum over workloads keeps its bound; return False where numbers are too large."""
    weights: dict[int, Fraction] = {}
    barred: list[int] = []
    span = [Fraction(0), Fraction(0)]
    for owner, term in sums.terms:
        known: list[Fraction] = []
        before = len(barred)
        for variable, have in rows[owner]:
            found = evaluate(term, lambda _, quantity, have=have: _measure(have(quantity)))  # type: ignore[misc]
            if found is None or not isinstance(found.value, Fraction):
                barred.append(variable)
            else:
                weights[variable] = found.value
                known.append(found.value)
        if len(barred) > before:
            known.append(Fraction(0))  # a row that is not known adds nothing where the bound need not be kept
        span = [span[0] + min(known, default=Fraction(0)), span[1] + max(known, default=Fraction(0))]
    scale = lcm(sums.constant.denominator, *(weight.denominator for weight in weights.values()))
    edge = int(sums.constant * scale) - (sums.operator == "<")
    least, most = (int(end * scale) for end in span)
    terms = {variable: int(weight * scale) for variable, weight in weights.items()}
    if max(map(abs, (edge, least, most, *terms.values()))) > LARGEST:
        return False
    if most > edge:
        model.row({**terms, result: most - edge}, high=most)
    if sums.operator == "==" and least < edge:
        model.row({**terms, result: least - edge}, low=least)
    for variable in barred:
        model.row({variable: 1, result: 1}, high=1)
    return True


def _measure(value: Value | None) -> Measure | None:
    return None if value is None else Measure(value)


def _written_out(
    model: Model, rows: Rows, name: str, node: tree.Expression, positive: bool, owners: list[str], result: int
) -> None:
    """Forbid every combination of values for which a comparison is not as it should be where `result` is 1."""
    told = {owner: sorted({quantity for who, quantity in names(node) if who == owner}) for owner in owners}
    cases: list[dict[tuple[Value | None, ...], list[int]]] = []
    size = 1
    for owner in owners:
        found: dict[tuple[Value | None, ...], list[int]] = {}
        for variable, have in rows[owner]:
            found.setdefault(tuple(have(quantity) for quantity in told[owner]), []).append(variable)
        cases.append(found)
        size *= max(1, len(found))
    if size > CASES:
        raise TooWide(f"`{name}` relates more than {CASES:_} combinations of values; state it as sums or equalities")
    for combination in product(*cases):
        values = {
            owner: dict(zip(told[owner], case, strict=True)).get
            for owner, case in zip(owners, combination, strict=True)
        }
        if not _is(node, values, positive):
            terms = {v: 1 for case, found in zip(combination, cases, strict=True) for v in found[case]}
            model.row({**terms, result: 1}, high=len(owners))
