"""What is needed and not there, what an answer takes for granted, what is too much: planner/wording.py says it."""

from __future__ import annotations

from planner.record import dataclass

HARDWARE = frozenset({"hardware", "hardware_cache", "hardware_computing"})
"""The kinds of needs that other hardware meets."""


@dataclass(frozen=True, slots=True)
class Need:
    """What a rule asks for that is not a figure: its `kind`, a row of the table in planner/wording.py, and what of."""

    kind: str
    of: tuple[object, ...] = ()

    @property
    def of_hardware(self) -> bool:
        """Whether other hardware meets it."""
        return self.kind in HARDWARE


@dataclass(frozen=True, slots=True)
class Note:
    """What a figure of an answer rests on: its `kind`, a row of the table in planner/wording.py, and what of."""

    kind: str
    of: tuple[object, ...] = ()


@dataclass(frozen=True, slots=True)
class Excess:
    """What of a plan is too much to try or to count: its `kind`, a row of the table in planner/wording.py, what of."""

    kind: str
    of: tuple[object, ...] = ()


def need(kind: str, *of: object) -> Need:
    """Return a need."""
    return Need(kind, of)


def note(kind: str, *of: object) -> Note:
    """Return a note."""
    return Note(kind, of)
