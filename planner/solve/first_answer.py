"""An answer before the best one: looked for where the tables of all workloads will not be made in time."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from planner.catalog.catalog import Catalog
from planner.language.problem import Problem
from planner.record import dataclass
from planner.solve import clock, progress
from planner.solve.answer import Answer
from planner.solve.columns.table import Table

RESERVE = 0.2
"""The part of the time, of at most MOST_RESERVED seconds, that is kept for an answer of few candidates."""
MOST_RESERVED = 3.0
LATEST = 0.3
"""Seconds after the limit in which tables that are made may still be asked for what their workloads pay at least."""
SOON, EACH = 1.0, 0.03
"""Seconds in which no table may be made yet, and that a table may take: where all may take longer than there is time,
the first thing is an answer of few candidates."""
EARLY, LATE = 0.15, 0.7
"""Parts of the time: after the first, tables that will not be made by the second wait for a first answer."""


@dataclass(frozen=True, slots=True)
class FirstAnswer:
    """The making of tables, which began at `since` and has a `budget` of seconds: `tables` that are made and `floors`
    of what their workloads pay, by the first of each class; what is found `ahead`, None where nothing was."""

    problem: Problem
    catalog: Catalog
    workers: int
    time_limit: float
    report: Callable[[str], None]
    since: float
    budget: float
    tables: dict[str, Table]
    floors: dict[str, int | None]
    ahead: list[Answer | None]

    @classmethod
    def looking(
        cls, problem: Problem, catalog: Catalog, workers: int, time_limit: float, report: Callable[[str], None]
    ) -> FirstAnswer:
        """Return it at its beginning, with the seconds that are left."""
        return cls(problem, catalog, workers, time_limit, report, time.monotonic(), clock.left(), {}, {}, [])

    def table_made(self, name: str, table: Table, total: int) -> None:
        """Take a table of so many; where the rest would take too long, look for an answer first."""
        self.tables[name] = table
        gone = time.monotonic() - self.since
        if any(self.ahead):
            self._bound(name)
        elif not self.ahead and gone > EARLY * self.budget and gone * total > LATE * self.budget * len(self.tables):
            self.hurry()

    def hurry(self) -> bool:
        """Look for an answer of few candidates, and return whether there is one."""
        if not any(self.ahead):
            from planner.solve.few_candidates import from_few_candidates  # most plans are enumerated in time

            self.report("looking for a first answer")
            self.ahead[:] = [
                from_few_candidates(self.problem, self.tables, self.catalog, self.workers, self.time_limit)
            ]
            with suppress(clock.OutOfTime):
                for name in self.tables if any(self.ahead) else ():
                    self._bound(name)
            cost = self.ahead[0].cost if self.ahead[0] is not None else None
            self.report(f"enumerating candidates{progress.in_words(cost, None, money=True)}")
        return any(self.ahead)

    def _bound(self, name: str) -> None:
        from planner.solve.few_candidates import least_of

        clock.look()
        self.floors[name] = least_of(self.problem, self.tables[name])

    def answer(self) -> Answer | None:
        """Return the answer that was found ahead, with what none costs less than as far as that is known."""
        (first,) = self.ahead or [None]
        if first is None:
            return None
        from planner.solve.few_candidates import bounded

        return bounded(self.problem, first, self.floors)
