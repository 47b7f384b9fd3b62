"""Of a training that nothing fits, the rows that say why: made block by block, so that memory does not grow with all.

A block of configurations becomes a table, and of it are kept, of every set of rules that a row breaks, the nearest to
keeping each of them and, of each GPU type, the roomiest and cheapest. Whatever is asked of which sets of rules there
are, and of the nearest of each, has the answer that all rows would give.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from planner.language.problem import Problem
from planner.solve import clock
from planner.solve.columns.rules import broken_by, distance_of
from planner.solve.columns.table import Table, cases

if TYPE_CHECKING:
    from planner.solve.columns.table import Column


BLOCK = 20_000
"""Configurations on GPU types of a block: with offers and numbers of layers some ten times as many rows."""


def blocks(count: int, wide: int) -> Iterator[Column]:
    """Yield the places of configurations in blocks, where each is a row on so many GPU types."""
    import numpy

    size = max(1, BLOCK // max(1, wide))
    for first in range(0, count, size):
        clock.look()
        yield numpy.arange(first, min(first + size, count))


def telling(
    problem: Problem, count: int, gpus: int, table_of: Callable[[Column], tuple[Table, Column]]
) -> tuple[Column, Column, dict[str, Column]]:
    """Return the configurations and GPU types whose rows are kept, and by rule how many of each GPU type break it.

    `table_of` gives the table of a block of configurations, and the configuration of each of its rows.
    """
    import numpy

    kept: set[tuple[int, int]] = set()
    counts: dict[str, Column] = {}
    best: dict[tuple[frozenset[str], str], tuple[int, int, int, int]] = {}
    first: dict[tuple[frozenset[str], int], tuple[int, int, int]] = {}
    for block in blocks(count, gpus):
        table, config = table_of(block)
        if not table.rows:
            continue
        gpu = table.axes["gpu"].index
        broken = broken_by(table, problem)
        for rule, where in broken.items():
            weights = None if table.weights is None else table.weights[where]
            more = numpy.bincount(gpu[where], weights, minlength=gpus).astype(numpy.int64)
            counts[rule] = counts[rule] + more if rule in counts else more
        for rules, rows in _sets(table, broken):
            for rule in sorted(rules):
                distance = distance_of(table, rule, rows)
                near = rows[distance == distance.min()]
                row = int(near[table.costs[near].argmin()])
                keys = (int(distance.min()), int(table.costs[row]), int(config[row]), int(gpu[row]))
                best[rules, rule] = min(best.get((rules, rule), keys), keys)
            tight = -table.outcome("headroom")[rows] if rules else numpy.zeros(len(rows), dtype=numpy.int64)
            order = rows[numpy.lexsort((table.costs[rows], tight, gpu[rows]))]
            starts = numpy.concatenate(([True], gpu[order][1:] != gpu[order][:-1]))
            for row in order[starts].tolist():
                room = -int(table.outcome("headroom")[row]) if rules else 0
                least = (room, int(table.costs[row]), int(config[row]))
                place = rules, int(gpu[row])
                first[place] = min(first.get(place, least), least)
    kept |= {(item[2], item[3]) for item in best.values()}
    kept |= {(least[2], card) for (_, card), least in first.items()}
    pairs = numpy.array(sorted(kept), dtype=numpy.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1], counts


def _sets(table: Table, broken: Mapping[str, Column]) -> Iterator[tuple[frozenset[str], Column]]:
    """Yield the sets of rules that rows break, each with its rows."""
    import numpy

    rules = sorted(broken)
    if not rules:
        yield frozenset(), numpy.arange(table.rows)
        return
    firsts, which = cases([broken[rule] for rule in rules])
    for place, row in enumerate(firsts.tolist()):
        yield frozenset(rule for rule in rules if broken[rule][row]), numpy.flatnonzero(which == place)
