"""Sequences of all replicas together (`total_concurrency`): each number of replicas holds its part of them.

What a replica holds decides its memory and its times, so each part has a table of its own, and the tables are one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

from planner.catalog.catalog import Catalog
from planner.language.problem import Problem, Value, Workload
from planner.solve import clock
from planner.solve.columns.table import Axis, Table
from planner.solve.defaults import Default
from planner.solve.inference.space import GPUS_UNSAID
from planner.solve.inference.table import table as table_at
from planner.solve.stated import counts, number

if TYPE_CHECKING:
    from planner.solve.columns.table import Column


def sequences_each(workload: Workload, replicas: int) -> int:
    """Return the sequences that each of so many replicas holds at most."""
    return -(-number(workload, "total_concurrency", 1) // replicas)


def with_replicas(workload: Workload, replicas: tuple[int, ...]) -> Workload:
    """Return a workload with numbers of replicas that hold equally many sequences each, stated for each of them."""
    given = {**workload.given, "concurrency": Fraction(sequences_each(workload, replicas[0]))}
    domains = {**workload.domains, "replicas": tuple(map(Fraction, replicas))}
    return replace(workload, given=given, domains=domains)


def groups_of_replicas(workload: Workload, fixed: bool) -> list[tuple[int, ...]]:
    """Return the numbers of replicas that are tried, together where they hold equally many sequences.

    More of them for equally many never cost less: without stated `replicas` or `gpus` only the fewest are.
    """
    stated = counts(workload, "replicas")
    total = number(workload, "total_concurrency", 1)
    tried = stated or ([1] if fixed else list(range(1, min(total, GPUS_UNSAID) + 1)))
    rows_by_size: dict[int, list[int]] = {}
    for copies in tried:
        rows_by_size.setdefault(sequences_each(workload, copies), []).append(copies)
    every = stated is not None or "gpus" in workload.domains
    return [tuple(some if every else some[:1]) for some in rows_by_size.values()]


def table(problem: Problem, workload: Workload, catalog: Catalog, fixed: bool) -> Table:
    """Return every candidate of an inference workload that states the sequences of all replicas together."""
    tables = [
        table_at(problem, with_replicas(workload, some), catalog, fixed)
        for some in clock.watched(groups_of_replicas(workload, fixed))
    ]
    return _joined(workload, [item for item in tables if item.rows] or tables[:1])


def _joined(workload: Workload, tables: list[Table]) -> Table:
    """Return the rows of tables one after the other."""
    import numpy

    first = tables[0]

    def column(of: Callable[[Table], Column]) -> Column:
        return numpy.concatenate([of(item) for item in tables])

    pools = list(dict.fromkeys(pool for item in tables for pool in item.pools))
    place = {pool: at for at, pool in enumerate(pools)}
    known = {
        pool: (size, price)
        for item in tables
        for pool, size, price in zip(item.pools, item.sizes, item.prices, strict=True)
    }
    moved = [numpy.array([place[pool] for pool in item.pools] or [0], dtype=numpy.int64) for item in tables]
    rules = dict.fromkeys(rule for item in tables for rule in item.broken)

    def broken(rule: str) -> Column:
        return column(lambda item: item.broken.get(rule, numpy.zeros(item.rows, dtype=bool)))

    def outcome(name: str) -> Callable[[], Column]:
        return lambda: column(lambda item: item.outcome(name))

    return Table(
        workload=workload,
        rows=sum(item.rows for item in tables),
        axes={name: _axis([item.axes[name] for item in tables]) for name in first.axes},
        outcomes={name: outcome(name) for name in first.outcomes},
        broken={rule: broken(rule) for rule in rules},
        costs=column(lambda item: item.costs),
        gpus=column(lambda item: item.gpus),
        pool=numpy.concatenate([own[item.pool] for own, item in zip(moved, tables, strict=True)]),
        pools=tuple(pools),
        sizes=tuple(known[pool][0] for pool in pools),
        prices=tuple(known[pool][1] for pool in pools),
        instances=column(lambda item: item.instances),
        slots=column(lambda item: item.slots),
        defaults={**first.defaults, "concurrency": concurrency(workload)},
    )


def concurrency(workload: Workload) -> Default:
    """Return what each replica holds, as it follows from how many there are."""

    def value(choice: Mapping[str, Value]) -> Value:
        copies = choice["replicas"]
        assert isinstance(copies, Fraction)
        return Fraction(sequences_each(workload, int(copies)))

    return Default(("replicas",), value)


def _axis(axes: list[Axis]) -> Axis:
    """Return a decision's axis over the rows of several tables."""
    import numpy

    values = list(dict.fromkeys(value for axis in axes for value in axis.values))
    place = {value: at for at, value in enumerate(values)}
    moved = [numpy.array([place[value] for value in axis.values] or [0], dtype=numpy.int64) for axis in axes]
    return Axis(tuple(values), numpy.concatenate([own[axis.index] for own, axis in zip(moved, axes, strict=True)]))
