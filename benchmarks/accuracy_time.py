"""What the time model says of published speeds."""

from __future__ import annotations


def section() -> list[str]:
    """The part of docs/accuracy.md about time."""
    return []
