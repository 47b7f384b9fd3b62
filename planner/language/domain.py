"""Domains held against the bounds beside them, so that what no value can keep is found before solving."""

from __future__ import annotations

from fractions import Fraction

from planner.diagnostics import Span
from planner.language.expressions.evaluate import compare
from planner.language.problem import Bound, Value
from planner.language.scope import Scope

LOWER = (">=", ">")
UPPER = ("<=", "<")


def check_domains(
    domains: dict[str, tuple[Value, ...]], bounds: list[Bound], settings: dict[str, tuple[str, Span]], scope: Scope
) -> None:
    """Report bounds that leave nothing of what is offered, or that exclude each other.

    Domains stay as they are: a bound names the rule that a rejected choice breaks.
    """
    for bound in bounds:
        values = domains.get(bound.quantity)
        if values is None:
            continue
        kept = tuple(value for value in values if compare(bound.operator, value, bound.value))
        if not kept:
            scope.error(
                "E0503",
                f"`{bound.quantity}` has nothing left: this bound excludes every value offered",
                bound.span,
                secondary=((settings[bound.quantity][1], "offered here"),),
                help="widen one of them",
            )
            return
    _contradictions(bounds, scope)


def _contradictions(bounds: list[Bound], scope: Scope) -> None:
    by_quantity: dict[str, list[Bound]] = {}
    for bound in bounds:
        by_quantity.setdefault(bound.quantity, []).append(bound)
    for name, rows in by_quantity.items():
        lows = [row for row in rows if row.operator in (*LOWER, "=") and isinstance(row.value, Fraction)]
        highs = [row for row in rows if row.operator in (*UPPER, "=") and isinstance(row.value, Fraction)]
        for low in lows:
            clash = next((high for high in highs if high is not low and _apart(low, high)), None)
            if clash is not None:
                first, second = sorted((low, clash), key=lambda row: row.span)
                scope.error(
                    "E0503",
                    f"two bounds on `{name}` exclude each other",
                    second.span,
                    secondary=((first.span, "the other bound"),),
                    help="no value keeps both",
                )
                return


def _apart(low: Bound, high: Bound) -> bool:
    a, b = low.value, high.value
    assert isinstance(a, Fraction) and isinstance(b, Fraction)
    return a > b or (a == b and (low.operator == ">" or high.operator == "<"))
