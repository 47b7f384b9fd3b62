"""Sets of values that a plan describes: ranges with a step, and what of a catalog meets a condition."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

from planner.catalog.records import Format, Gpu, Offer
from planner.language.declared.fields import FIELDS_BY_KIND, ask, members
from planner.language.expressions.evaluate import evaluate, names
from planner.language.expressions.types import Env, Type, formats_for, type_of
from planner.language.problem import Measure
from planner.language.quantities.quantity import Quantity
from planner.language.schema import FROM_OFFER
from planner.language.scope import Scope, whole
from planner.syntax import tree
from planner.units.canonical import named, together

LONGEST = 10_000
"""The most values that a range or a set may have."""
Constant = Callable[[tree.Expression, Env, Type | None], Measure | None]
Truth = Callable[[tree.Expression, Env], tree.Expression | None]
"""Expressions as they are lowered (planner.language.expressions.lower, which asks for sets inside conditions)."""


def steps(node: tree.Range, env: Env, wanted: Type, constant: Constant) -> list[Fraction] | None:
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


def filtered(type_: Type, node: tree.Filter, env: Env, truth: Truth) -> list[str] | None:
    """Return the ids of the GPUs, offers or formats for which a filter's condition holds, or None after a finding."""
    scope = env.scope
    if type_.words not in ("gpu", "offer", "format"):
        what = type_.quantity.name if type_.quantity else str(type_)
        scope.error("E0405", f"`{what}` has no fields to filter by", node.span, help="name the values, or a range")
        return None
    quantity = type_.quantity
    if isinstance(node.source, tree.AnyOf):
        ids = formats_for(scope, quantity.name) if type_.words == "format" and quantity else scope.every(type_.words)
        if type_.words == "offer":
            firm, recent = not _asks(node.condition, "marketplace"), not _asks(node.condition, "as_of")
            listed = scope.listings
            ids = [
                item.id for item in listed if not (item.replaced or (firm and item.doubtful) or (recent and item.old))
            ]
    else:
        wanted = quantity or Quantity(type_.words, (), "decision", type_.words, "")
        assert env.members is not None
        values = env.members(wanted, node.source, env)
        if values is None:
            return None
        ids = [str(item) for item in values]
    rows = [_look(type_.words, scope)(key) for key in ids]
    condition = truth(node.condition, asking(type_.words, env))
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
    from planner.language.expressions.evaluate import parts

    return (isinstance(node, tree.Name) and node.text == field) or any(_asks(item, field) for item in parts(node))


def asking(kind: str, env: Env) -> Env:
    """Return what names mean in a filter: the fields of a kind of row, and the words these fields hold."""
    fields: dict[str, Type] = {}
    words: dict[str, frozenset[str]] = {}
    for name, row in FIELDS_BY_KIND[kind].items():
        type_ = type_of(row)
        if type_.kind in ("word", "words") and type_.words in ("text", *FROM_OFFER, name):
            type_ = replace(type_, words=name)
            words[name] = _words(kind, name, type_.kind == "words", env.scope)
        fields[name] = type_
    return Env(env.scope, fields=fields, words=words, facts=env.facts, fleet=False, members=env.members)


def _words(kind: str, name: str, several: bool, scope: Scope) -> frozenset[str]:
    key = f"{kind}.{name}"
    if key not in scope.words:
        rows = [_look(kind, scope)(item) for item in scope.every(kind)]
        if several:
            words = {word for row in rows if not isinstance(row, Offer) for word in members(row, name)}
        else:
            answers = (ask(row, name) for row in rows)
            words = {str(item.value) for item in answers if item is not None}
        scope.words[key] = frozenset(words)
    return scope.words[key]


def _look(kind: str, scope: Scope) -> Callable[[str], Gpu | Offer | Format]:
    if kind == "gpu":
        return scope.gpu
    return scope.offer if kind == "offer" else scope.format
