"""Fields of a row as records have them: texts, whole numbers, fractions, and what each must be."""

from __future__ import annotations

from fractions import Fraction
from math import isfinite
from typing import Any

Row = dict[str, Any]
"""A row as the file has it."""
MOST, MOST_WHOLE = 10**12, 10**15
"""No price or rate, and no number of bytes or parameters, in a catalog is larger, in the units of the files."""


def text_of(row: Row, key: str) -> str:
    """Return a text that is not empty. Raise ValueError for anything else."""
    value = row[key]
    if not isinstance(value, str) or not value:
        raise ValueError(f"`{key}` must be a text")
    return value


def texts_of(row: Row, key: str) -> tuple[str, ...]:
    """Return a list of texts, empty where the row has none. Raise ValueError for anything else."""
    value = row.get(key) or []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"`{key}` must be a list of texts")
    return tuple(value)


def whole_of(row: Row, key: str) -> int:
    """Return a whole number, 0 or more. Raise ValueError for anything else."""
    value = row[key]
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_WHOLE:
        raise ValueError(f"`{key}` must be a whole number up to {MOST_WHOLE:.0e}")
    return value


def scaled_of(row: Row, key: str, unit: int) -> int:
    """Return a number, 0 or more, in a smaller unit: `unit` of it make one of the file's. Raise ValueError else."""
    value = row[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < MOST:
        raise ValueError(f"`{key}` must be a number below {MOST:.0e}")
    return round(value * unit)


def number_of(row: Row, key: str) -> Any:
    """Return a number, None where the row has none. Raise ValueError for anything else."""
    value = row.get(key)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value)):
        raise ValueError(f"`{key}` must be a number")
    return value


def fraction_of(row: Row, key: str, default: str | None = None) -> Fraction:
    """Return an exact number; `default` stands for one that the row does not have."""
    return Fraction(str(row[key] if default is None else row.get(key, default)))


def integers_of(row: Row, key: str) -> dict[str, int]:
    """Return whole numbers by name, none where the row has none."""
    return {name: whole_of(row[key], name) for name in row.get(key) or {}}
