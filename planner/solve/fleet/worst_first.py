"""An objective that begins with the worst of all workloads: the least limit that a fleet can keep, found by halving.

Below the limit every row is as good, so that what follows in the objective is solved for over fewer rows, and dominance
can count on the cost where that is next.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from planner.language.problem import Goal, Problem
from planner.language.quantities.outcomes import MONEY
from planner.record import dataclass
from planner.solve import clock
from planner.solve.columns.table import Table
from planner.solve.fleet import cpsat
from planner.solve.objective import RankColumns, quantity_of
from planner.solve.rent.share_bounds import shares_of

if TYPE_CHECKING:
    from planner.solve.columns.table import Column


COST = (Goal("cost", "minimize", None),)


@dataclass(frozen=True, slots=True)
class WorstLimited:
    """The rest of a problem behind the limits, with the rows that keep them; each limit and its bound in steps."""

    problem: Problem
    fitting: Mapping[str, Column]
    ranks: Mapping[str, RankColumns]
    values: tuple[int, ...] = ()
    bounds: tuple[int, ...] = ()
    proven: bool = True


def limit_worst(
    problem: Problem,
    tables: Mapping[str, Table],
    fitting: Mapping[str, Column],
    ranks: Mapping[str, RankColumns],
    deadline: float,
) -> WorstLimited:
    """Return the limits of the leading goals that are the worst of all workloads.

    Where no row in all the world keeps the rules, nothing is limited.
    """
    import numpy

    ahead = WorstLimited(problem, fitting, ranks)
    shared = shares_of(problem, tables).split
    while ahead.problem.goals and all(0 in keys.worst for keys in ahead.ranks.values()):
        if ahead.problem.goals[0].quantity.rpartition(".")[0] not in ("", "fleet"):
            break  # the copies of one block: only they are limited, and are no longer alike with others
        if shared and quantity_of(ahead.problem.goals[0]) in MONEY:
            break  # what a row has of it depends on the others
        figures = {name: ahead.ranks[name].goals[0][rows] for name, rows in ahead.fitting.items()}
        low = max(int(values.min()) for values in figures.values())
        distinct = numpy.unique(numpy.concatenate(list(figures.values())))
        levels = [low, *distinct[distinct > low].tolist()]
        within = _within(ahead, figures)

        def kept(level: int, within: Callable[[int], Mapping[str, Column]] = within) -> bool | None:
            return _kept(problem, tables, within(level), deadline)

        place, bound = least_level(levels, kept)
        if place is None:
            return ahead
        limit = levels[place]
        rest = replace(ahead.problem, goals=ahead.problem.goals[1:])
        later = {
            name: RankColumns(keys.goals[1:], keys.ties, frozenset(at - 1 for at in keys.worst if at))
            for name, keys in ahead.ranks.items()
        }
        values, bounds = (*ahead.values, limit), (*ahead.bounds, levels[bound])
        ahead = WorstLimited(rest, within(limit), later, values, bounds, ahead.proven and place == bound)
    return ahead


def least_level(levels: Sequence[int], kept: Callable[[int], bool | None]) -> tuple[int | None, int]:
    """Return the place of the least level that is kept, and the first that is not known to be too low.

    The place is None where the last level is not kept either. What cannot be decided in time counts as not kept.
    """
    refuted = -1

    def holds(place: int) -> bool:
        nonlocal refuted
        kept_rows = kept(levels[place])
        if kept_rows is False:
            refuted = max(refuted, place)
        return kept_rows is True

    if holds(0):
        return 0, 0
    below, above = 0, len(levels) - 1
    if above == 0 or not holds(above):
        return None, 0
    while above - below > 1:
        middle = (below + above) // 2
        if holds(middle):
            above = middle
        else:
            below = middle
    return above, refuted + 1


def _within(ahead: WorstLimited, figures: Mapping[str, Column]) -> Callable[[int], Mapping[str, Column]]:
    return lambda level: {name: rows[figures[name] <= level] for name, rows in ahead.fitting.items()}


def _kept(problem: Problem, tables: Mapping[str, Table], rows: Mapping[str, Column], deadline: float) -> bool | None:
    """Return whether some choice of rows keeps every rule; None where that is not decided in time."""
    from planner.solve.fleet.integer_model import build

    cheapest = {name: RankColumns((table.costs,), ()) for name, table in tables.items()}
    try:
        fleet = build(replace(problem, goals=COST), tables, rows, cheapest)
        broken = cpsat.infeasible(fleet.model, seconds=max(0.05, deadline - time.monotonic()))
    except clock.OutOfTime:
        return None
    return None if broken is None else not broken
