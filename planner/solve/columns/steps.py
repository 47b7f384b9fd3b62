"""Outcomes as whole numbers: one fixed scale a quantity, so that columns and single candidates round alike."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from math import lcm
from typing import Any, Final

from planner.language.quantities.outcomes import STEPS

SCALES: Final[dict[str, int]] = STEPS | {f"{name}_expected": scale for name, scale in STEPS.items()}
"""Steps of one canonical unit (bytes, USD/h, s, tok/s, USD, USD/tok) in which each outcome is counted."""

UNKNOWN: Final = -(2**62)
"""Stands for an outcome that nobody knows, in columns of whole numbers."""

Ints = Any
"""A whole number, or a column of whole numbers: one code for a candidate and for a table."""
Floats = Any
"""A float, or a column of floats, likewise."""

_LARGEST: Final = 4e18


def steps(quantity: str, value: Floats) -> Ints:
    """Return a float, or an array of them, in whole steps of the quantity's scale; infinite and NaN are UNKNOWN."""
    scaled = value * SCALES[quantity]
    if isinstance(scaled, float | int):
        return round(scaled) if -_LARGEST < scaled < _LARGEST else UNKNOWN
    import numpy

    known = numpy.isfinite(scaled) & (numpy.abs(scaled) < _LARGEST)
    return numpy.where(known, numpy.rint(numpy.where(known, scaled, 0.0)), UNKNOWN).astype(numpy.int64)


def value(quantity: str, count: int) -> Fraction | None:
    """Return steps in canonical units; None for UNKNOWN."""
    return None if count == UNKNOWN else Fraction(int(count), SCALES[quantity])


def common(values: Iterable[Fraction], most: int) -> int | None:
    """Return the least number that makes all values whole when they are multiplied by it, None where it is beyond
    `most`; it never gets much longer than that on the way."""
    scale = 1
    for item in values:
        scale = lcm(scale, item.denominator)
        if scale > most:
            return None
    return scale
