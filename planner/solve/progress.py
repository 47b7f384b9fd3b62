"""What a solve has so far, for those who watch it: the best answer, what none can be below, and the gap between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from planner.language.problem import Goal

Report = Callable[[str], None]

_watcher: ContextVar[Report | None] = ContextVar("watcher", default=None)


@contextmanager
def watched(report: Report) -> Iterator[None]:
    """Let what runs inside say how far it is."""
    token = _watcher.set(report)
    try:
        yield
    finally:
        _watcher.reset(token)


def report(goal: Goal, best: int | None, bound: int | None) -> None:
    """Say the value of the best answer and the bound of a goal that is minimised, in steps; None for what is not known
    yet. A bound below 0 says nothing."""
    watcher = _watcher.get()
    if watcher is not None and goal.direction == "minimize":
        watcher(f"proving {goal.quantity}{in_words(best, bound, goal.quantity in ('cost', 'fleet.cost'))}")


def in_words(best: int | None, bound: int | None, money: bool) -> str:
    """Return the best value, its bound and the gap in words; values only of money, which is in micro-dollars."""
    out = []
    known = bound if bound is not None and bound >= 0 else None
    if money and best is not None:
        out.append(f"best ${best / 1e6:,.2f}/h")
    if money and known is not None:
        out.append(f"bound ${known / 1e6:,.2f}/h")
    if best is not None and known is not None and best > 0:
        out.append(f"gap {100 * max(0, best - known) / best:.2g} %")
    return f": {', '.join(out)}" if out else ""
