"""The values a quantity is fixed to or offered: one value, sets, ranges, `any`, and filters over rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

from planner.catalog.records import Format, Gpu, Offer
from planner.language.evaluate import evaluate, names
from planner.language.fields import FIELDS_BY_KIND, ask, members
from planner.language.lower import constant, truth
from planner.language.names import describe, sample
from planner.language.problem import Measure, Value
from planner.language.schema import Quantity
from planner.language.scope import Scope, whole
from planner.language.types import Env, Type, formats_for, type_of, vocabulary
from planner.syntax import tree
from planner.units.canonical import dimension_of, named, together
from planner.units.quantity import Quantity as Amount
from planner.units.quantity import show

LONGEST = 10_000
"""The most values that a range or a set may have."""


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
        what = "a plain number" if quantity.unit is None else f"in {named(quantity.unit)}"
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

        found = word(node, env, wanted)  # a `let` holds a text: what it means is known only here
        return found.node.text if found and isinstance(found.node, tree.String) else None
    return value


def _example(quantity: Quantity) -> str | None:
    samples = {"bytes": "40 GiB", "s": "50 ms", "USD/h": "$40/h", "tokens": "8Ki tokens", "req/s": "20 req/s"}
    samples |= {"USD": "$200", "tok/s": "500 tok/s", "W": "700 W", "GB/s": "900 GB/s", "USD/tok": "$0.40/Mtok"}
    sample = samples.get(quantity.unit or "")
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
            numbers = steps(node, env, wanted)
            return None if numbers is None else tuple(numbers)
        case tree.AnyOf():
            return everything(quantity, node, env)
        case tree.Filter():
            kept = filtered(type_of(quantity), node, env)
            return None if kept is None else tuple(kept)
    value = one(quantity, node, env)
    return None if value is None else (value,)


def steps(node: tree.Range, env: Env, wanted: Type) -> list[Fraction] | None:
    """Return the numbers of a range, both ends included, or None after a finding."""
    ends = [constant(item, env, wanted) for item in (node.low, node.high)]
    step = Measure(Fraction(1), wanted.unit) if node.step is None else constant(node.step, env, wanted)
    if ends[0] is None or ends[1] is None or step is None:
        return None
    low, high, by = ends[0].value, ends[1].value, step.value
    if not (isinstance(low, Fraction) and isinstance(high, Fraction) and isinstance(by, Fraction)):
        env.scope.error("E0402", "a range goes from number to number", node.span, help="1..8")
        return None
    for item in (ends[0], ends[1], step):
        if not together(item.unit, wanted.unit):
            env.scope.error(
                "E0401",
                f"units differ: {named(wanted.unit)} and {named(item.unit)}",
                node.span,
                help="both ends and the step are in one unit",
            )
            return None
    if by <= 0:
        where = node.step.span if node.step else node.span
        env.scope.error("E0502", "a range's step is above zero", where, help="leave it out to step by one")
        return None
    if high < low:
        env.scope.error(
            "E0502", "the range is empty: its low end is above its high end", node.span, help=_turned(node, low, high)
        )
        return None
    if (high - low) / by > LONGEST:
        env.scope.error("E0403", f"the range has more than {LONGEST:_} values", node.span, help="give it a `step`")
        return None
    return [low + by * index for index in range(int((high - low) // by) + 1)]


def _turned(node: tree.Range, low: Fraction, high: Fraction) -> str | None:
    if isinstance(node.low, tree.Number) and isinstance(node.high, tree.Number):
        return f"{node.high.text}..{node.low.text}"
    return f"from {whole(high)} to {whole(low)}"


def everything(quantity: Quantity, node: tree.Expression, env: Env) -> tuple[Value, ...] | None:
    """Return all that a quantity can be; None for a number that is free where nothing is said of it."""
    wanted = type_of(quantity)
    if wanted.kind == "word":
        if quantity.type == "offer":
            offers = [env.scope.offer(key) for key in env.scope.every("offer")]
            return tuple(offer.id for offer in offers if not offer.marketplace and not offer.flags)
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


def filtered(type_: Type, node: tree.Filter, env: Env) -> list[str] | None:
    """Return the ids of the GPUs, offers or formats for which a filter's condition holds, or None after a finding."""
    scope = env.scope
    if type_.words not in ("gpu", "offer", "format"):
        what = type_.quantity.name if type_.quantity else str(type_)
        scope.error("E0405", f"`{what}` has no fields to filter by", node.span, help="name the values, or a range")
        return None
    quantity = type_.quantity
    if isinstance(node.source, tree.AnyOf):
        ids = formats_for(scope, quantity.name) if type_.words == "format" and quantity else scope.every(type_.words)
        if type_.words == "offer" and not _asks(node.condition, "marketplace"):
            ids = [key for key in ids if not scope.offer(key).marketplace and not scope.offer(key).flags]
    else:
        wanted = quantity or Quantity(type_.words, (), "decision", type_.words, "")
        found = many(wanted, node.source, env)
        if found is None:
            return None
        ids = [str(item) for item in found]
    rows = [_look(type_.words, scope)(key) for key in ids]
    condition = truth(node.condition, _asking(type_.words, env))
    if condition is None:
        return None
    if not names(condition):
        scope.error("E0405", "this filter asks nothing of a row", node.condition.span, help=_fields_help(type_.words))
        return None
    kept = []
    for row in rows:
        answer = evaluate(condition, lambda field, part, row=row: ask(row, field, part))  # type: ignore[misc]
        if answer is not None and answer.value is True:
            kept.append(row.id)
    if not kept:
        scope.error("E0503", "the filter leaves nothing", node.span, help="no row meets it: ask for less")
        return None
    return kept


def _fields_help(kind: str) -> str:
    return f"a {kind} has {', '.join(sorted(FIELDS_BY_KIND[kind]))}"


def _asks(node: tree.Expression, field: str) -> bool:
    from planner.language.evaluate import parts

    return (isinstance(node, tree.Name) and node.text == field) or any(_asks(item, field) for item in parts(node))


def _asking(kind: str, env: Env) -> Env:
    """Return what names mean in a filter: the fields of a kind of row, and the words these fields hold."""
    fields: dict[str, Type] = {}
    words: dict[str, frozenset[str]] = {}
    for name, row in FIELDS_BY_KIND[kind].items():
        type_ = type_of(row)
        if type_.kind in ("word", "words") and type_.words in ("text", "provider", "region", name):
            type_ = replace(type_, words=name)
            words[name] = _words(kind, name, type_.kind == "words", env.scope)
        fields[name] = type_
    return Env(env.scope, fields=fields, words=words, facts=env.facts, fleet=False)


def _words(kind: str, name: str, several: bool, scope: Scope) -> frozenset[str]:
    key = f"{kind}.{name}"
    if key not in scope.words:
        rows = [_look(kind, scope)(item) for item in scope.every(kind)]
        if several:
            found = {word for row in rows if not isinstance(row, Offer) for word in members(row, name)}
        else:
            answers = (ask(row, name) for row in rows)
            found = {str(item.value) for item in answers if item is not None}
        scope.words[key] = frozenset(found)
    return scope.words[key]


def _look(kind: str, scope: Scope) -> Callable[[str], Gpu | Offer | Format]:
    if kind == "gpu":
        return scope.gpu
    return scope.offer if kind == "offer" else scope.format
