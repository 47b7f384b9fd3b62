"""What a workload has of the quantities that its plan does not mention: one answer everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

from planner.language.problem import Value, Workload
from planner.language.schema import BY_KIND, QUANTITIES

DEFAULTS: dict[str, dict[str, Value]] = {
    kind: {
        name: row.default
        for name, row in rows.items()
        if row.role == "given" and isinstance(row.default, str | bool | Fraction)
    }
    for kind, rows in BY_KIND.items()
}
"""What each kind of workload has of given quantities that are not mentioned."""

STATED: dict[str, dict[str, str]] = {
    kind: {name: row.default for name, row in rows.items() if row.role == "decision" and isinstance(row.default, str)}
    for kind, rows in BY_KIND.items()
}
"""The word that each kind of workload has of decisions that are not mentioned, where one is stated."""

JUDGED = frozenset(row.name for row in QUANTITIES if row.judged)
"""Given quantities whose default follows from a catalog's row or from what is chosen (planner/solve/defaults.py)."""

FOLLOWS = {row.name: row.unsaid for row in QUANTITIES if row.unsaid}
"""From what the default of a quantity follows that has no one default, in words."""


def filled(kind: str, said: Mapping[str, Value], sets: Mapping[str, Value] | None = None) -> dict[str, Value]:
    """Return what a plan says of given quantities, with the default of each that it does not mention: what
    its framework `sets`, else the table's.

    A prompt is what the output leaves of the context: all of it where no output is mentioned, and at least one token.
    """
    out = {**DEFAULTS[kind], **(sets or {}), **said}
    context, output = out.get("context"), out.get("output", Fraction(0))
    if "prompt" not in out and isinstance(context, Fraction) and isinstance(output, Fraction):
        out["prompt"] = max(Fraction(1), context - output)
    return out


def changed(workload: Workload, quantity: str, value: Value) -> Workload:
    """Return a workload whose plan says another value of a given quantity; what follows from it follows, but what
    another engine or framework sets, which is not known here: then the table's defaults hold."""
    said = {name: known for name, known in workload.given.items() if name in workload.said}
    sets = {} if quantity in ("engine", "framework") else workload.sets
    return replace(workload, given=filled(workload.kind, {**said, quantity: value}, sets), sets=sets)


def valueless(workload: Workload, quantity: str) -> bool:
    """Return whether a given quantity has no value: it is not mentioned, and has no default."""
    if quantity == "concurrency" and "total_concurrency" in workload.given:
        return False  # it follows from how many replicas there are
    row = BY_KIND[workload.kind].get(quantity)
    given = row is not None and row.role == "given" and quantity != "model"
    return given and quantity not in workload.given and quantity not in JUDGED
