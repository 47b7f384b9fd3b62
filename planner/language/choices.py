"""The values a quantity is fixed to or offered: one value, sets, ranges, `any`, and filters over rows."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from planner.language.expressions.lower import constant, truth
from planner.language.expressions.types import Env, Type, type_of, vocabulary
from planner.language.names import describe, sample
from planner.language.problem import Value
from planner.language.quantities.quantity import Quantity
from planner.language.scope import Scope, whole
from planner.language.sets import LONGEST, filtered, steps
from planner.syntax import tree
from planner.units.canonical import dimension_of, named, together
from planner.units.quantity import DATE, show
from planner.units.quantity import Amount as Amount


def spoken(value: Fraction, unit: str | None) -> str:
    """Return a number as messages show it: `8192 tokens`, `$40/h`, `44.4 GiB`."""
    if unit is None:
        return whole(value)
    factor, dimension = dimension_of(unit)
    return show(Amount(value * factor, dimension))


def one(quantity: Quantity, node: tree.Expression, env: Env, bounded: bool = True) -> Value | None:
    """Return the one value an expression fixes a quantity to, or None after a finding."""
    wanted = type_of(quantity)
    if isinstance(node, tree.SetOf | tree.Range | tree.AnyOf | tree.Filter):
        help = f"`{quantity.name} in …` offers several" if quantity.role == "decision" else None
        env.scope.error("E0402", f"`{quantity.name}` takes one value after `=`", node.span, help=help)
        return None
    if wanted.kind == "word" and not isinstance(node, tree.Name | tree.String | tree.Conditional):
        env.scope.error(
            "E0402", f"`{quantity.name}` takes {wanted}, not {describe(node, env)}", node.span, help=sample(wanted, env)
        )
        return None
    measure = constant(node, env, wanted)
    if measure is None:
        return None
    value = measure.value
    if wanted.kind == "word":
        return _worded(quantity, wanted, value, node, env)
    if wanted.kind == "boolean":
        if isinstance(value, bool):
            return value
        env.scope.error("E0402", f"`{quantity.name}` is true or false", node.span, help="write true or false")
        return None
    if not isinstance(value, Fraction):
        env.scope.error("E0402", f"`{quantity.name}` takes a number", node.span, help=_example(quantity) or "a number")
        return None
    counted = quantity.unit is None and measure.unit is not None  # tokens are no number of GPUs
    if counted or not together(quantity.unit, measure.unit):
        dated = quantity.unit == DATE
        what = "a plain number" if quantity.unit is None else f"{'' if dated else 'in '}{named(quantity.unit)}"
        env.scope.error(
            "E0401",
            f"`{quantity.name}` is {what}, this is in {named(measure.unit)}",
            node.span,
            help=_example(quantity) or "a plain number",
            label=f"this is {spoken(value, measure.unit)}",
        )
        return None
    return within(quantity, value, node, env.scope, bounded)


def _worded(quantity: Quantity, wanted: Type, value: Value, node: tree.Expression, env: Env) -> Value | None:
    if not isinstance(value, str):
        env.scope.error("E0402", f"`{quantity.name}` takes {wanted}", node.span, help=sample(wanted, env))
        return None
    if isinstance(node, tree.Name) and node.text in env.scope.let_nodes:
        from planner.language.names import word

        typed = word(node, env, wanted)  # a `let` holds a text: what it means is known only here
        return typed.node.text if typed and isinstance(typed.node, tree.String) else None
    return value


AMOUNTS = {
    "bytes": "40 GiB",
    "s": "50 ms",
    "USD/h": "$40/h",
    "tokens": "8Ki tokens",
    "req/s": "20 req/s",
    "USD": "$200",
    "tok/s": "500 tok/s",
    "W": "700 W",
    "GB/s": "900 GB/s",
    "USD/tok": "$0.40/Mtok",
    DATE: "2026-06-01",
}
"""An amount in each canonical unit, as a plan writes it."""


def _example(quantity: Quantity) -> str | None:
    sample = AMOUNTS.get(quantity.unit or "")
    return f"write it like {sample}" if sample else None


def within(quantity: Quantity, value: Fraction, node: tree.Expression, scope: Scope, bounded: bool) -> Fraction | None:
    """Return a number if the quantity can be it, else None after a finding."""
    if quantity.whole and bounded and value.denominator != 1:
        scope.error(
            "E0403",
            f"`{quantity.name}` is a whole number",
            node.span,
            label=f"this is {whole(value)}",
            help=f"{value.numerator // value.denominator} or {value.numerator // value.denominator + 1}",
        )
        return None
    low, high = (quantity.low, quantity.high) if bounded else (None, None)
    if low is not None and value < low:
        scope.error(
            "E0403", f"`{quantity.name}` is at least {spoken(low, quantity.unit)}", node.span, _span_of(quantity)
        )
        return None
    if high is not None and value > high:
        scope.error(
            "E0403", f"`{quantity.name}` is at most {spoken(high, quantity.unit)}", node.span, _span_of(quantity)
        )
        return None
    return value


def _span_of(quantity: Quantity) -> str:
    low = "" if quantity.low is None else f"from {spoken(quantity.low, quantity.unit)}"
    high = "" if quantity.high is None else f"to {spoken(quantity.high, quantity.unit)}"
    return f"it goes {low} {high}".rstrip().replace("  ", " ")


def many(quantity: Quantity, node: tree.Expression, env: Env) -> tuple[Value, ...] | None:
    """Return the values an expression offers, each once; None after a finding, or where `any` leaves a number free."""
    match node:
        case tree.SetOf():
            if not node.items:
                env.scope.error(
                    "E0501", f"`{quantity.name}` is offered nothing", node.span, help="name at least one value"
                )
                return None
            values: dict[Value, None] = {}
            good = True
            for item in node.items:
                offered = many(quantity, item, env)
                good = good and offered is not None
                values |= dict.fromkeys(offered or ())
                if len(values) > LONGEST:
                    message = f"this set has more than {LONGEST:_} values"
                    env.scope.error("E0403", message, node.span, help="offer fewer, or a range with a `step`")
                    return None
            return tuple(values) if good else None
        case tree.Range():
            wanted = type_of(quantity)
            if wanted.kind != "number":
                env.scope.error(
                    "E0402", f"`{quantity.name}` takes {wanted}, not a range", node.span, help=sample(wanted, env)
                )
                return None
            for end in (node.low, node.high):
                if one(quantity, end, env) is None:
                    return None
            numbers = steps(node, env, wanted, constant)
            return None if numbers is None else tuple(numbers)
        case tree.AnyOf():
            return everything(quantity, node, env)
        case tree.Filter():
            kept = filtered(type_of(quantity), node, env, truth)
            return None if kept is None else tuple(kept)
    value = one(quantity, node, env)
    return None if value is None else (value,)


def everything(quantity: Quantity, node: tree.Expression, env: Env) -> tuple[Value, ...] | None:
    """Return all that a quantity can be; None for a number that is free where nothing is said of it."""
    wanted = type_of(quantity)
    if wanted.kind == "word":
        if quantity.type == "offer":
            return tuple(item.id for item in env.scope.listings if item.usual)
        known = vocabulary(wanted, env)
        return None if known is None else tuple(known)
    if wanted.kind == "boolean":
        return (False, True)
    if quantity.name == "zero":
        return tuple(Fraction(stage) for stage in range(4))
    if quantity.name == "checkpointed_layers" and "layers" in env.facts:
        layers = env.facts["layers"].node
        last = int(layers.value) if isinstance(layers, tree.Number) else 0
        return tuple(Fraction(count) for count in range(last + 1))
    if quantity.free:
        return None
    if not quantity.everything:
        env.scope.error("E0405", f"`{quantity.name}` has no list of all it can be", node.span, help="write a range")
        return None
    return tuple(Fraction(count) for count in quantity.everything)


def environment(
    scope: Scope,
    workloads: Mapping[str, str] | None = None,
    fleet: bool = True,
    copies: Mapping[str, int] | None = None,
) -> Env:
    """Return what names mean at the top of a plan, where sets inside conditions are read as those of decisions are."""
    return Env(scope, workloads=workloads or {}, fleet=fleet, copies=copies or {}, members=many)
