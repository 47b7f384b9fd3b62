"""What values of the catalogs' fields must keep: lengths, ranges and patterns, with names."""

from __future__ import annotations

from typing import Annotated

from planner.record import dataclass


@dataclass(frozen=True, slots=True)
class Limit:
    """What a value of a field must keep: a least number or length, a pattern of the whole text, and what it is."""

    least: float | None = None
    pattern: str | None = None
    about: str = ""


Text = Annotated[str, Limit(1)]


Whole = Annotated[int, Limit(0)]


Count = Annotated[int, Limit(1)]


Number = Annotated[float, Limit(0)]


Exact = Annotated[
    str | int | float, Limit(pattern=r"\d+(\.\d+)?(/[1-9]\d*)?", about="a number or a fraction like 33/8")
]


AsOf = Annotated[
    str,
    Limit(
        pattern=r"\d{4}(-\d\d(-\d\d)?|-H[12])?(/\d{4}(-\d\d(-\d\d)?|-H[12])?)*", about="a day, month, half-year or year"
    ),
]


Words = list[Text]
