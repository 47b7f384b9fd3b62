"""Conditions over several workloads as 0-1 rows: each part has a variable that may be 1 only where the part holds.

Negations are carried down to the comparisons, so a variable needs to imply its part and no more. A count of conditions
over several workloads is a sum of such variables. What this cannot say (a product of two workloads' quantities with
more combinations than can be written out) raises `TooWide`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from itertools import product

from planner.language.expressions.evaluate import evaluate, names, parts
from planner.language.expressions.linear import MIRRORED, Separable, addends, extremes, separable
from planner.language.problem import Measure, Value
from planner.record import dataclass
from planner.solve import clock
from planner.solve.candidate import TooWide
from planner.solve.columns.steps import common
from planner.solve.fleet.cpsat import IntegerModel
from planner.syntax import tree

CASES = 100_000
"""The most combinations of values that a comparison is asked of."""
STEPS = 20_000_000
"""The most parts of an expression that are worked out for them: minutes."""
LARGEST = 2**50
NEGATED = {"<=": ">", "<": ">=", ">=": "<", ">": "<=", "==": "!=", "!=": "=="}
Rows = Mapping[str, list[tuple[int, Callable[[str], Value | None]]]]
"""For each workload the variable of each row, and what the row has of a quantity."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A condition's model and rows, the name to speak of it by, and the variables there are already: of an expression
    that stands in several places (kept with it, since it is known by its identity), and of a row as it is written."""

    model: IntegerModel
    rows: Rows
    name: str
    known: dict[tuple[int, bool], tuple[tree.Expression, int]]
    sums: dict[object, int]


def demand(model: IntegerModel, rows: Rows, name: str, condition: tree.Expression, broken: int | None) -> None:
    """Demand a condition, or let the variable `broken` be 1 where it does not hold."""
    chosen = _implies(_Asked(model, rows, name, {}, {}), condition, True)
    model.row({chosen: 1} if broken is None else {chosen: 1, broken: 1}, low=1)


def _implies(asked: _Asked, node: tree.Expression, positive: bool) -> int:
    """Return a 0-1 variable that is 1 only where a condition is true, or false where not `positive`."""
    clock.look()
    key = id(node), positive
    if key not in asked.known:
        asked.known[key] = node, _implied(asked, node, positive)
    return asked.known[key][1]


def _implied(asked: _Asked, node: tree.Expression, positive: bool) -> int:
    match node:
        case tree.Unary(operator="not"):
            return _implies(asked, node.operand, not positive)
        case tree.Binary(operator="and" | "or") | tree.Call(function="any" | "all"):
            inside = (node.left, node.right) if isinstance(node, tree.Binary) else node.arguments
            together = isinstance(node, tree.Binary) and node.operator == "and"
            together = together or (isinstance(node, tree.Call) and node.function == "all")
            inner = [_implies(asked, part, positive) for part in inside]
            return _joined(asked.model, inner, together is positive)
        case tree.Conditional():
            taken = _implies(asked, node.condition, True)
            missed = _implies(asked, node.condition, False)
            then = _implies(asked, node.then, positive)
            otherwise = _implies(asked, node.otherwise, positive)
            ways = [_joined(asked.model, [taken, then], True), _joined(asked.model, [missed, otherwise], True)]
            return _joined(asked.model, ways, False)
    return _compared(asked, node, positive)


def _joined(model: IntegerModel, inside: list[int], together: bool) -> int:
    result = model.variable(0, 1)
    if together:
        for part in inside:
            model.row({part: 1, result: -1}, low=0)
    else:
        model.row({**dict.fromkeys(inside, 1), result: -1}, low=0)
    return result


def _compared(asked: _Asked, node: tree.Expression, positive: bool) -> int:
    model, rows = asked.model, asked.rows
    owners = sorted({owner for owner, _ in names(node)})
    if not owners:
        measure = evaluate(node, lambda *_: None)
        result = model.variable(0, 1)
        if measure is None or measure.value is not positive:
            model.row({result: 1}, high=0)
        return result
    if len(owners) == 1:
        owner, result = owners[0], model.variable(0, 1)
        fitting = [variable for variable, have in rows[owner] if _is(node, {owner: have}, positive)]
        model.row({**dict.fromkeys(fitting, 1), result: -1}, low=0)
        return result
    apart = extremes(node)
    if apart is not None:
        return _implies(asked, apart, positive)
    if isinstance(node, tree.Binary) and _words(node):
        result = model.variable(0, 1)
        _same(model, rows, node, (node.operator == "==") is positive, result)
        return result
    if isinstance(node, tree.Binary) and node.operator in NEGATED:
        operator = node.operator if positive else NEGATED[node.operator]
        if operator == "!=":
            sides = [tree.Binary(side, node.left, node.right, node.span) for side in ("<", ">")]
            return _joined(model, [_compared(asked, side, True) for side in sides], False)
        if operator in MIRRORED:
            whole = tree.Binary(operator, node.left, node.right, node.span)
            sums, flags = separable(whole), _Flags({}, [])
            if sums is None:
                split = _flagged(asked, whole)
                sums, flags = split if split is not None else (None, flags)
            folded = None if sums is None else _sum(asked, sums, flags)
            if folded is not None:
                return folded
    result = model.variable(0, 1)
    _written_out(asked, node, positive, owners, result)
    return result


def _is(node: tree.Expression, have: Mapping[str, Callable[[str], Value | None]], positive: bool) -> bool:
    def find(owner: str, quantity: str) -> Measure | None:
        value = have[owner](quantity)
        return None if value is None else Measure(value)

    measure = evaluate(node, find)
    return measure is not None and measure.value is positive


def _words(node: tree.Binary) -> bool:
    sides = (node.left, node.right)
    return node.operator in ("==", "!=") and all(isinstance(side, tree.Name) for side in sides)


def _same(model: IntegerModel, rows: Rows, node: tree.Binary, equal: bool, result: int) -> None:
    """Let `result` be 1 only where two workloads have the same value of a quantity each, or only where not."""
    assert isinstance(node.left, tree.Name) and isinstance(node.right, tree.Name)
    sides: list[dict[Value | None, list[int]]] = []
    for side in (node.left, node.right):
        rows_by_value: dict[Value | None, list[int]] = {}
        for variable, have in rows[side.parts[0]]:
            rows_by_value.setdefault(have(side.parts[1]), []).append(variable)
        sides.append(rows_by_value)
    left, right = sides
    for value in {**left, **right}:
        mine, other = dict.fromkeys(left.get(value, ()), 1), dict.fromkeys(right.get(value, ()), 1)
        if value is None:  # what nobody knows is neither equal nor different
            model.row({**mine, **other, result: 2}, high=2)
        elif equal:
            model.row({**mine, **dict.fromkeys(other, -1), result: 1}, high=1)
        else:
            model.row({**mine, **other, result: 1}, high=2)


@dataclass(frozen=True, slots=True)
class _Flags:
    """What variables that say whether conditions hold add to a sum; pairs of which one must be 1 for it to be known."""

    weights: dict[int, Fraction]
    known: list[tuple[int, int]]


def _flagged(asked: _Asked, node: tree.Binary) -> tuple[Separable, _Flags] | None:
    """Return a comparison as a sum over workloads and over conditions that read several, None where it is none.

    Such a condition counts a number where it holds and another where not: `count(a for a in workloads where …)`. It has
    a variable that is 1 only where it holds, and one that is 1 only where it does not; where nobody knows, neither is,
    and the sum is not known either.
    """
    sign = Fraction(-1 if node.operator in (">=", ">") else 1)
    rest: list[tree.Expression] = []
    counted: list[tuple[list[tree.Expression], Fraction]] = []
    constant = Fraction(0)
    for item, factor in [*addends(node.left, sign), *addends(node.right, -sign)]:
        if len({owner for owner, _ in names(item)}) <= 1:
            rest.append(tree.Binary("*", tree.Number(factor, None, str(factor), item.span), item, item.span))
            continue
        case = _cases(item)
        if case is None:
            return None
        conditions, then, otherwise = case
        constant += otherwise * factor
        if then != otherwise:
            counted.append((conditions, (then - otherwise) * factor))
    zero = tree.Number(Fraction(0), None, "0", node.span)
    operator = node.operator.replace(">", "<")
    total = separable(tree.Binary(operator, tree.Call("sum", tuple(rest), node.span), zero, node.span))
    if total is None:
        if any(names(item) for item in rest):
            return None
        measure = evaluate(tree.Call("sum", tuple(rest), node.span), lambda *_: None)
        if measure is None or not isinstance(measure.value, Fraction):
            return None
        total = Separable((), operator, -measure.value)
    flags = _Flags({}, [])
    for conditions, weight in counted:
        true = [_implies(asked, condition, True) for condition in conditions]
        false = [_implies(asked, condition, False) for condition in conditions]
        both = true[0] if len(true) == 1 else _joined(asked.model, true, True)
        neither = false[0] if len(false) == 1 else _joined(asked.model, false, False)
        flags.weights[both] = flags.weights.get(both, Fraction(0)) + weight
        flags.known.append((both, neither))
    return Separable(total.terms, operator, total.constant - constant), flags


def _cases(node: tree.Expression) -> tuple[list[tree.Expression], Fraction, Fraction] | None:
    """Return conditions, the number that stands where all hold, and that where one does not; None for anything else.

    Numbers have no unit: conditions are what is counted.
    """
    if not isinstance(node, tree.Conditional) or not isinstance(node.otherwise, tree.Number) or node.otherwise.unit:
        return None
    if isinstance(node.then, tree.Number) and not node.then.unit:
        return [node.condition], node.then.value, node.otherwise.value
    inner = _cases(node.then)
    if inner is None or inner[2] != node.otherwise.value:
        return None
    return [node.condition, *inner[0]], inner[1], inner[2]


def _sum(asked: _Asked, sums: Separable, flags: _Flags) -> int | None:
    """Return a variable that is 1 only where a sum over workloads keeps its bound, None where numbers are too large."""
    model = asked.model
    weights: dict[int, Fraction] = dict(flags.weights)
    barred: list[int] = []
    span = [sum((min(Fraction(0), weight) for weight in weights.values()), Fraction(0))]
    span.append(sum((max(Fraction(0), weight) for weight in weights.values()), Fraction(0)))
    for owner, term in sums.terms:
        known: list[Fraction] = []
        before = len(barred)
        for variable, have in clock.watched(asked.rows[owner]):
            values = evaluate(term, lambda _, quantity, have=have: _measure(have(quantity)))  # type: ignore[misc]
            if values is None or not isinstance(values.value, Fraction):
                barred.append(variable)
            else:
                weights[variable] = values.value
                known.append(values.value)
        if len(barred) > before:
            known.append(Fraction(0))  # a row that is not known adds nothing where the bound need not be kept
        span = [span[0] + min(known, default=Fraction(0)), span[1] + max(known, default=Fraction(0))]
    scale = common([sums.constant, *weights.values()], LARGEST)
    if scale is None:
        return None
    edge = int(sums.constant * scale) - (sums.operator == "<")
    least, most = (int(end * scale) for end in span)
    terms = {variable: int(weight * scale) for variable, weight in weights.items()}
    if max(map(abs, (edge, least, most, *terms.values()))) > LARGEST:
        return None
    key = sums.operator == "==", edge, tuple(sorted(terms.items())), tuple(barred), tuple(flags.known)
    if key in asked.sums:
        return asked.sums[key]
    result = asked.sums[key] = model.variable(0, 1)
    if most > edge:
        model.row({**terms, result: most - edge}, high=most)
    if sums.operator == "==" and least < edge:
        model.row({**terms, result: least - edge}, low=least)
    for variable in barred:
        model.row({variable: 1, result: 1}, high=1)
    for pair in flags.known:
        model.row({pair[0]: 1, pair[1]: 1, result: -1}, low=0)
    return result


def _measure(value: Value | None) -> Measure | None:
    return None if value is None else Measure(value)


def _written_out(asked: _Asked, node: tree.Expression, positive: bool, owners: list[str], result: int) -> None:
    """Forbid every combination of values for which a comparison is not as it should be where `result` is 1."""
    read = {owner: sorted({quantity for who, quantity in names(node) if who == owner}) for owner in owners}
    cases: list[dict[tuple[Value | None, ...], int]] = []
    combinations = 1
    for owner in owners:
        rows_by_values: dict[tuple[Value | None, ...], list[int]] = {}
        for variable, have in clock.watched(asked.rows[owner]):
            rows_by_values.setdefault(tuple(have(quantity) for quantity in read[owner]), []).append(variable)
        combinations *= max(1, len(rows_by_values))
        if combinations > CASES or combinations * _size(node) > STEPS:
            raise TooWide("combinations", asked.name, CASES)
        cases.append({case: _any_of(asked.model, variables) for case, variables in rows_by_values.items()})
    for combination in clock.watched(product(*cases)):
        values = {
            owner: dict(zip(read[owner], case, strict=True)).get
            for owner, case in zip(owners, combination, strict=True)
        }
        if not _is(node, values, positive):
            terms = {rows_by_values[case]: 1 for case, rows_by_values in zip(combination, cases, strict=True)}
            asked.model.row({**terms, result: 1}, high=len(owners))


def _any_of(model: IntegerModel, variables: list[int]) -> int:
    """Return a variable that is 1 where one of some variables is; of one, itself."""
    if len(variables) == 1:
        return variables[0]
    one = model.variable(0, 1)
    model.row({**dict.fromkeys(variables, 1), one: -1}, high=0)
    return one


def _size(node: tree.Expression) -> int:
    """Return how many parts an expression has."""
    count, pending = 0, [node]
    while pending:
        count += 1
        pending += parts(pending.pop())
    return count
