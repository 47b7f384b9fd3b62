"""The dates of catalog rows: a day, a month, a half-year or a year, or several of them."""

from __future__ import annotations

import re
from datetime import date


def first_day(as_of: str) -> date | None:
    """Return the first day that a date may mean: of `2026-07-20`, `2026-07`, `2026-H1`, or several with a slash.

    So a vague date never makes a price look newer than it is. None where it is not a date.
    """
    days = []
    for text in as_of.split("/"):
        match = re.fullmatch(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?|-H([12]))?", text.strip())
        if match is None:
            return None
        year, month, day, half = match.groups()
        number = int(month) if month else 6 * int(half) - 5 if half else 1
        try:
            days.append(date(int(year), number, int(day or 1)))
        except ValueError:
            return None
    return min(days)


def year_before(day: date) -> date:
    """Return the same day of the year before; of a 29 February the 28th."""
    try:
        return day.replace(year=day.year - 1)
    except ValueError:
        return day.replace(year=day.year - 1, day=28)
