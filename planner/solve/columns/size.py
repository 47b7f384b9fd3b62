"""How many rows a table may have: memory is bounded by refusing what is too wide before it is made."""

from __future__ import annotations

from planner.solve.candidate import TooWide

MOST = 1_000_000
"""The most rows of a workload at any step of making them; a row takes up to 1,200 bytes while it is made."""


def bounded(rows: int, what: str, most: int = MOST) -> None:
    """Raise TooWide where `what`, one of ROWS of planner/wording.py, makes too many rows; ask before they are made."""
    if rows > most:
        raise TooWide("rows", what, most)
