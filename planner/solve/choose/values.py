"""Where each value of a decision stands beside the choice: weights, KV cache and checkpointing, as hardware does.

A value stands for all candidates that have it, on whatever hardware, or on one GPU type. Where a table does not keep
every candidate (a training with much left open), each value has a table of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from planner.catalog.catalog import Catalog
from planner.language.problem import Problem, Value, Workload
from planner.language.schema import BY_KIND
from planner.solve import clock
from planner.solve.answer import Answer, ByValue
from planner.solve.choose.hardware import Looked, arounds, best_of, looked_at, nearest_of
from planner.solve.columns.table import Table
from planner.solve.kinds import table_of

if TYPE_CHECKING:
    from planner.solve.columns.table import Column

DECISIONS = {kind: tuple(name for name, row in rows.items() if row.by_value) for kind, rows in BY_KIND.items()}
"""The decisions that are looked at value by value, by kind of workload."""
MIXED = "*"
"""What stands in the name of formats by layer, which are not looked at one by one."""


def by_value(
    problem: Problem, answer: Answer, tables: Mapping[str, Table], catalog: Catalog, gpu: str = ""
) -> tuple[ByValue, ...]:
    """Return where each value stands of the decisions that a workload leaves open; on one GPU type where it is named.

    Other workloads stay as they were chosen; without an answer each workload is looked at by itself.
    """
    known = {item.name: item for item in problem.workloads}
    out: list[ByValue] = []
    for around in arounds(problem, answer, tables, catalog):
        name, table = around.name, tables[around.name]
        wanted = {quantity: _values(known[name], table, quantity) for quantity in DECISIONS[known[name].kind]}
        wanted = {quantity: values for quantity, values in wanted.items() if len(values) > 1}
        looked = looked_at(around.context(problem, table, catalog)) if wanted and table.thorough else None
        for quantity, value in ((quantity, value) for quantity, values in wanted.items() for value in values):
            clock.look()
            mine = [row for row in around.chosen if row.choice.get(quantity) == value and gpu in ("", row.gpu)]
            if mine:
                out.append(ByValue(name, quantity, value, "chosen", mine[0]))
                continue
            seen = looked or looked_at(
                around.context(problem, _narrow(problem, known[name], quantity, value, catalog), catalog)
            )
            out.append(_one(seen, quantity, value, gpu))
    return tuple(out)


def _narrow(problem: Problem, workload: Workload, quantity: str, value: Value, catalog: Catalog) -> Table:
    """Return the table of a workload that is offered one value of a decision: what fits, or what is nearest to it."""
    narrow = replace(workload, domains={**workload.domains, quantity: (value,)})
    blocks = tuple(narrow if item.name == workload.name else item for item in problem.workloads)
    return table_of(replace(problem, workloads=blocks), narrow, catalog, rows="telling")


def _values(workload: Workload, table: Table, quantity: str) -> tuple[Value, ...]:
    """Return the values of a decision that the plan offers, or leaves open, in its order.

    A format that it does not mention is not open: what else the table has of it is what hardware without bf16 takes.
    """
    values = workload.domains.get(quantity)
    if values is None and BY_KIND[workload.kind][quantity].type == "format":
        return ()
    if values is None and not table.thorough:
        values = tuple(BY_KIND[workload.kind][quantity].words)
    if values is None:
        values = table.axes[quantity].values if quantity in table.axes else ()
    return tuple(value for value in dict.fromkeys(values) if not (isinstance(value, str) and MIXED in value))


def _one(looked: Looked, quantity: str, value: Value, gpu: str) -> ByValue:
    """Return where a value stands: its best candidate, or the one that is nearest to keeping every rule."""
    import numpy

    table = looked.context.table
    own = numpy.ones(table.rows, dtype=bool)
    for name, wanted in ((quantity, value), ("gpu", gpu)):
        if wanted != "" and table.rows:
            own &= _has(table, name, wanted)
    _, candidate = best_of(looked.context, looked.fitting[own[looked.fitting]])
    if candidate is not None:
        return ByValue(table.workload.name, quantity, value, "fits", candidate)
    mine = numpy.flatnonzero(own)
    if not len(mine):
        return ByValue(table.workload.name, quantity, value, "no_candidate", None)
    return ByValue(table.workload.name, quantity, value, *nearest_of(looked, mine))


def _has(table: Table, quantity: str, value: Value) -> Column:
    """Return which rows have a value of a decision."""
    import numpy

    axis = table.axes[quantity]
    places = [place for place, item in enumerate(axis.values) if item == value]
    column: Column = numpy.isin(axis.index, places)
    return column


def on_gpu(problem: Problem, gpu: str) -> Problem:
    """Return a problem whose workloads are offered one GPU type, whatever the plan offers them."""
    blocks = tuple(replace(item, domains={**item.domains, "gpu": (gpu,)}) for item in problem.workloads)
    return replace(problem, workloads=blocks)


def offers(workload: Workload, gpu: str) -> bool:
    """Return whether a plan offers a workload a GPU type."""
    wanted = workload.domains.get("gpu")
    return wanted is None or gpu in wanted
