"""The one table of kinds and quantities: what a plan may say, who sets it, and what it means."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from planner.language.quantities.decisions import DECISIONS
from planner.language.quantities.inference import SERVED
from planner.language.quantities.outcomes import OUTCOMES
from planner.language.quantities.quantity import BOTH, Group, Quantity
from planner.language.quantities.training import TRAINED

QUANTITIES: tuple[Quantity, ...] = (
    Quantity("model", BOTH, "given", "model", "The model: an id in quotes, or a declared one; `in` offers several."),
    *SERVED,
    *TRAINED,
    Quantity(
        "confidence",
        BOTH,
        "given",
        "number",
        "How sure the memory figure must be: the part `margin` grows with it.",
        low=Fraction(1, 2),
        high=Fraction(9999, 10000),
        default=Fraction(19, 20),
        share=True,
    ),
    Quantity(
        "time_confidence",
        BOTH,
        "given",
        "number",
        "How sure the safe end of a time must be, which bounds are held against.",
        low=Fraction(1, 2),
        high=Fraction(99, 100),
        default=Fraction(4, 5),
    ),
    *DECISIONS,
    *OUTCOMES,
)

BY_KIND: dict[str, dict[str, Quantity]] = {
    kind: {row.name: row for row in QUANTITIES if kind in row.kinds} for kind in BOTH
}
"""The quantities of each workload kind by name."""

WORKLOADS = frozenset(BOTH)
DECLARATIONS = frozenset({*BOTH, "model", "gpu", "offer", "format", "measurement", "fleet"})


def named(of: Iterable[Quantity]) -> tuple[str, ...]:
    """Return the names of rows, in the order of the table."""
    return tuple(row.name for row in of)


def grouped(group: Group) -> tuple[str, ...]:
    """Return the names of the quantities of a group, in the order of the table."""
    return named(row for row in QUANTITIES if row.group == group)


COMPUTED = {word: form for row in DECISIONS if row.computes for word, form in zip(row.words, row.computes, strict=True)}
"""The number format that a precision computes in."""
PER_LAYER = frozenset(named(row for row in DECISIONS if row.per_layer))
"""The decisions that `per layer` can make for each layer."""
WHERE = grouped("where")
"""The decisions that say where a workload runs."""
HOW = named(row for row in DECISIONS if row.group in ("arithmetic", "split"))
"""The decisions that say how it runs, in the order in which an answer says them."""
FROM_OFFER = named(row for row in DECISIONS if "offer" in row.follows)
"""The decisions that follow from the offer and are not told from it."""
COUNTED = {row.name: row.low for row in DECISIONS if row.whole and row.low is not None}
"""The decisions that are whole numbers, and the least that each can be."""
IN_TURN = named(sorted(DECISIONS, key=lambda row: row.turn))
"""The decisions in the order in which each is left open to see whether that mends a plan."""
SUGGESTED = named(row for row in sorted(DECISIONS, key=lambda row: row.turn) if row.suggested)
"""The decisions whose stated default is named where another value alone mends a plan."""
MODELS = named(row for row in QUANTITIES if row.type == "model")
"""The quantities of a workload that are models."""
POWERS = frozenset(named(row for row in QUANTITIES if row.powers))
"""Quantities that models and engines count in powers of two."""
