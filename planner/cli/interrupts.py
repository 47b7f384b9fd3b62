"""Ctrl-C: what it ends, and what may first be brought to an end."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED = 130
"""The exit code of a command that Ctrl-C ends, as shells have it."""

came: list[int] = []
"""The signals that came: an exit that one raises inside an import can come out of it as another error."""

_softly: list[bool] = []


def interrupted(number: int, frame: FrameType | None) -> None:
    """End the command; inside `softly`, the first signal only lets the time of the solve be out."""
    came.append(number)
    if _softly and len(came) == 1:
        from planner.solve import clock

        clock.stop()
        return
    sys.exit(INTERRUPTED)


@contextmanager
def softly() -> Iterator[None]:
    """Let an interrupt end a solve as its time limit does, with the best answer found; a second ends the command."""
    from planner.solve import clock

    _softly.append(True)
    try:
        yield
    finally:
        _softly.pop()
        clock.resume()
