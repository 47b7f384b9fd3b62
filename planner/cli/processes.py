"""Many plans at once: work on each of them in processes, as many as there are cores; results in the order of the plans.

What a process cannot give (a fault, a mistake of the command line) is done again here, and reported as usual.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from typing import IO, Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
GRACE = 3.0
"""Seconds that processes have to end in with what they have found, where Ctrl-C ends the command."""
Printed = list[tuple[bool, str]]
"""What was printed, in order: whether it went to stderr, and the text."""


def cores() -> int:
    """Return how many processes may work at once: one where a process cannot be copied."""
    if not hasattr(os, "fork") or sys.platform == "darwin":
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def each(work: Callable[[Item], Result], items: Sequence[Item], least: int = 2) -> Iterator[Result]:
    """Yield the result of each item in order; in processes where there are as many items as `least`.

    `work` is a function of a module, and its results can be pickled.
    """
    several = min(cores(), len(items))
    if len(items) < least or several < 2:
        yield from map(work, items)
        return
    import multiprocessing

    pool = multiprocessing.get_context("fork").Pool(several)
    try:
        size = max(1, min(32, len(items) // (4 * several)))
        parts = [items[start : start + size] for start in range(0, len(items), size)]
        waiting = [pool.apply_async(_tried, (work, part)) for part in parts]
        for part, outcome in zip(parts, waiting, strict=True):
            for item, (done, result) in zip(part, outcome.get(), strict=True):
                yield result if done else work(item)
    finally:
        # those that still work have heard Ctrl-C too
        _end(pool)


def _end(pool: Any) -> None:
    ignored = signal.getsignal(signal.SIGINT)
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        pool.terminate()
        pool.join()
    finally:
        signal.signal(signal.SIGINT, ignored)


def _tried(work: Callable[[Item], Result], items: Sequence[Item]) -> list[tuple[bool, Any]]:
    """Return of each item whether it was done, and its result; what is not done is done again elsewhere."""
    out: list[tuple[bool, Any]] = []
    for item in items:
        try:
            out.append((True, work(item)))
        except (Exception, SystemExit, KeyboardInterrupt):
            out.append((False, None))
    return out


class _Stream:
    """Keeps what is printed to a stream, and is otherwise like it."""

    def __init__(self, stream: IO[str], err: bool, printed: Printed) -> None:
        self._stream, self._err, self._printed = stream, err, printed
        self.encoding, self.errors = getattr(stream, "encoding", "utf-8"), getattr(stream, "errors", "strict")

    def isatty(self) -> bool:
        """Return whether it is shown on a terminal in the end."""
        return self._stream.isatty()

    def write(self, text: str) -> int:
        """Keep a text; raise TypeError for what is none."""
        if not isinstance(text, str):
            raise TypeError(f"expected a text, found {type(text).__name__}")
        self._printed.append((self._err, text))
        return len(text)

    def flush(self) -> None:
        """Do nothing: what is kept is shown later."""


def printing(work: Callable[[], Result]) -> tuple[Result, Printed]:
    """Return the result of work, and all that it prints."""
    printed: Printed = []
    out: Any = _Stream(sys.stdout, False, printed)
    err: Any = _Stream(sys.stderr, True, printed)
    with redirect_stdout(out), redirect_stderr(err):
        result = work()
    return result, printed


def shown(printed: Printed) -> None:
    """Print what was printed elsewhere."""
    for err, text in printed:
        stream = sys.stderr if err else sys.stdout
        stream.write(text)
        stream.flush()
