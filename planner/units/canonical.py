"""One unit for each dimension: what a value is kept in once it is read, and what products of units are."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

from planner.units.quantity import BASES, DATE, NUMBER, UNITS, Dimension

CANONICAL = (
    "bytes",
    "s",
    "USD",
    "USD/h",
    "tokens",
    "tok/s",
    "req",
    "req/s",
    "W",
    "params",
    "GB/s",
    "FLOPS",
    "USD/tok",
    "USD/kWh",
)
"""The unit values of a dimension are kept in; a dimension that is not here is written in base units."""

COUNTS = frozenset({"tokens", "params"})
"""Units of things that are counted: a plain number may stand for them."""

_BY_DIMENSION = {UNITS[unit][1]: unit for unit in CANONICAL}


@lru_cache(maxsize=512)
def dimension_of(unit: str | None) -> tuple[Fraction, Dimension]:
    """Return the factor to base units and the dimension of a unit, also of one that `unit_of` composed."""
    if unit is None:
        return Fraction(1), NUMBER
    if unit in UNITS:
        return UNITS[unit]
    above, *below = unit.split("/")
    exponents = [0] * len(BASES)
    for sign, part in [(1, above), *((-1, part) for part in below)]:
        for factor in part.split("*"):
            base, _, power = factor.partition("^")
            if base != "1":
                exponents[BASES.index(base)] += sign * int(power or 1)
    return Fraction(1), Dimension(tuple(exponents))


@lru_cache(maxsize=512)
def unit_of(dimension: Dimension) -> str | None:
    """Return the canonical unit of a dimension, None for plain numbers; `byte*second` where it has no name."""
    if dimension == NUMBER:
        return None
    if dimension in _BY_DIMENSION:
        return _BY_DIMENSION[dimension]
    pairs = [(base, power) for base, power in zip(BASES, dimension.exponents, strict=True) if power]
    above = [base if power == 1 else f"{base}^{power}" for base, power in pairs if power > 0]
    below = [base if power == -1 else f"{base}^{-power}" for base, power in pairs if power < 0]
    return "/".join(["*".join(above) or "1", *below])


def canonical(value: Fraction, unit: str | None) -> tuple[Fraction, str | None]:
    """Return a value in the canonical unit of its dimension; raise KeyError or ValueError for an unknown unit."""
    factor, dimension = dimension_of(unit)
    wanted = unit_of(dimension)
    return value * factor / dimension_of(wanted)[0], wanted


@lru_cache(maxsize=512)
def product(left: str | None, right: str | None, over: bool = False) -> tuple[Fraction, str | None]:
    """Return the factor and the unit of `left * right`, or of `left / right`: $/h times s is 1/3600 of $."""
    a, b = dimension_of(left), dimension_of(right)
    dimension = a[1] / b[1] if over else a[1] * b[1]
    unit = unit_of(dimension)
    factor = a[0] / b[0] if over else a[0] * b[0]
    return factor / dimension_of(unit)[0], unit


def together(left: str | None, right: str | None) -> bool:
    """Return whether values in two units may be added or compared."""
    return left == right or (left is None and right in COUNTS) or (right is None and left in COUNTS)


def named(unit: str | None) -> str:
    """Return a unit as messages speak of it: `bytes`, `$/h`, `a plain number`."""
    if unit == DATE:
        return "a date"
    return "a plain number" if unit is None else unit.replace("USD", "$")
