"""Progress on stderr, for work that takes longer than a second."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from planner.diagnostics.shown import shown

PATIENCE = 1.0
"""Seconds before anything is shown."""
QUIET: list[bool] = []
"""Not empty in a process that works beside others: what they do is shown by the one that started them."""
EVERY = 5.0
"""Seconds between two lines where stderr is not a terminal."""
Report = Callable[..., None]
"""`report(stage, done=None, total=None)`: the stage under way, and how much of it is done."""


@contextmanager
def progress() -> Iterator[Report]:
    """Give a function that work calls with its stage and counts; a spinner on a terminal, lines elsewhere."""
    watch = _Watch()
    if QUIET:
        yield watch.report
        return
    watch.start()
    try:
        yield watch.report
    finally:
        watch.stop()


class _Watch:
    """Shows the latest stage from a thread of its own, so that a long stage need not call."""

    def __init__(self) -> None:
        self._stage = ""
        self._since = time.monotonic()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._done.set()
        self._thread.join()

    def report(self, stage: str, done: int | None = None, total: int | None = None) -> None:
        counts = "" if done is None else f" {done:_}" if total is None else f" {done:_} of {total:_}"
        self._stage = shown(stage) + counts

    def _text(self) -> str:
        return f"{self._stage or 'working'} ({time.monotonic() - self._since:.0f} s)"

    def _run(self) -> None:
        if self._done.wait(PATIENCE):
            return
        from planner.cli.screen import colourful

        if colourful(sys.stderr):
            self._spin()
            return
        while True:
            print(f"planner: {self._text()}", file=sys.stderr, flush=True)
            if self._done.wait(EVERY):
                return

    def _spin(self) -> None:
        from rich.console import Console
        from rich.text import Text

        def text() -> Any:
            return Text(self._text(), "dim")

        with Console(stderr=True).status(text()) as status:
            while not self._done.wait(0.2):
                status.update(text())
