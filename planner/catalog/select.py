"""Choosing rows by words and by what their fields hold: `gpu=l4`, `memory>=40GiB`, `price<2`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import fields
from fractions import Fraction
from typing import Any

from planner.catalog.dates import first_day
from planner.catalog.records import MARKETS

_TEST = re.compile(r"\s*([a-z_]+)\s*(!=|>=|<=|=|>|<)\s*(.+?)\s*")
_UNITS = {"gib": 2**30, "gb": 10**9, "mib": 2**20, "mb": 10**6, "gb/s": 10**9, "w": 1, "$": 1, "": 1, "/h": 1,
          "k": 10**3, "m": 10**6, "b": 10**9, "t": 10**12}  # fmt: skip
_SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
}


def _amount(name: str, text: str) -> Fraction | None:
    match = re.fullmatch(r"\$?(\d[\d_]*(?:\.\d+)?)\s*([a-z/]*)", text.lower())
    if match is None or match[2] not in _UNITS:
        return None
    scale = 10**6 if name in MARKETS.values() else 1  # offers keep micro-dollars
    return Fraction(match[1].replace("_", "")) * _UNITS[match[2]] * scale


def test(text: str, kind: type) -> Callable[[Any], bool]:
    """Return what a filter asks of a record; raise ValueError where it makes no sense for the kind."""
    match = _TEST.fullmatch(text)
    names = [item.name for item in fields(kind)]
    if match is None:
        raise ValueError(f"invalid filter `{text}`; write FIELD=VALUE, FIELD>=NUMBER or the like")
    name, sign, wanted = match.groups()
    if name not in names:
        raise ValueError(f"unknown field `{name}`; available: {', '.join(names)}")
    day = first_day(wanted) if name == "as_of" else None
    if day is not None:
        return lambda record: (seen := first_day(record.as_of)) is not None and _SIGNS[sign](seen, day)
    amount = _amount(name, wanted)
    if sign not in ("=", "!=") and amount is None:
        raise ValueError(f"`{wanted}` is not a number, and `{sign}` compares numbers")

    def holds(record: Any) -> bool:
        value = getattr(record, name)
        if isinstance(value, int | float | Fraction) and not isinstance(value, bool):
            return amount is not None and _SIGNS[sign](Fraction(value), amount)
        if sign not in ("=", "!="):
            return False
        values = value if isinstance(value, tuple) else (value,)
        same = any(str(item).casefold() == wanted.casefold() for item in values)
        return same == (sign == "=")

    return holds


def choose(records: Iterable[Any], words: Iterable[str], filters: Iterable[str], kind: type) -> list[Any]:
    """Return the records whose id, name or alias has every word and whose fields hold every filter."""
    wanted = [word.casefold() for word in words]
    tests = [test(text, kind) for text in filters]
    out = []
    for record in records:
        names = (record.id, getattr(record, "name", ""), *getattr(record, "aliases", ()))
        text = " ".join(names).casefold()
        if all(word in text for word in wanted) and all(holds(record) for holds in tests):
            out.append(record)
    return out
