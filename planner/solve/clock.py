"""The clock of a solve: how long it may still take. Whatever works long looks at it now and then."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from math import inf
from threading import Event
from typing import TypeVar

T = TypeVar("T")

_end: ContextVar[float] = ContextVar("end", default=inf)
_stopped = Event()


class OutOfTime(Exception):
    """The time limit of the solve has passed."""


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Let what runs inside take so many seconds, and no more than is left outside."""
    token = _end.set(min(_end.get(), time.monotonic() + seconds))
    try:
        yield
    finally:
        _end.reset(token)


@contextmanager
def extended(seconds: float) -> Iterator[None]:
    """Let what runs inside end so many seconds after the limit: a few, to say what was found."""
    token = _end.set(max(_end.get(), time.monotonic()) + seconds)
    try:
        yield
    finally:
        _end.reset(token)


def left() -> float:
    """Return the seconds that are left, none where the limit has passed."""
    return 0.0 if _stopped.is_set() else max(0.0, _end.get() - time.monotonic())


def look() -> None:
    """Raise OutOfTime where no time is left."""
    if _stopped.is_set() or time.monotonic() > _end.get():
        raise OutOfTime


def watched(items: Iterable[T], every: int = 100) -> Iterator[T]:
    """Yield items and look at the clock before the first and after every so many."""
    for place, item in enumerate(items):
        if place % every == 0:
            look()
        yield item


def stop() -> None:
    """Let the time be out now, whatever the limit; may be called from a signal handler or another thread."""
    _stopped.set()


def stopped() -> bool:
    """Return whether `stop` was called."""
    return _stopped.is_set()


def resume() -> None:
    """Let limits count again."""
    _stopped.clear()
