"""The choices that a plan withholds and that would mend it: each `=` and `in` of a workload, left open in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import combinations

from planner.language.defaults import changed as with_given
from planner.language.problem import Bound, Problem, Value, Workload
from planner.language.schema import BY_KIND, IN_TURN, SUGGESTED
from planner.solve.answer import Conflict
from planner.solve.candidate import Hint, TooWide
from planner.solve.choose.choose import fits
from planner.solve.columns.rules import broken_by
from planner.solve.columns.table import Table
from planner.solve.needs import Need, need
from planner.solve.objective import best_of_some

Outcomes = Callable[[Table, int, str], tuple[Value | None, str | None]]


def withheld(
    problem: Problem, workload: Workload, table_of: Callable[[Problem, Workload], Table]
) -> Iterator[Conflict]:
    """Yield the relations on decisions that each stand in the way alone, with the value that is best without it."""
    for name in IN_TURN:
        offered = workload.domains.get(name)
        if offered is None:
            continue
        value = _without(problem, workload, name, table_of)
        if value is None and name == "gpus" and "nodes" in BY_KIND[workload.kind].keys() - workload.domains.keys():
            wide = replace(workload, domains=_opened(problem, workload, "nodes"))  # more than one host has, if stated
            value = _stated(problem, workload, _in_order(problem, wide, name, table_of), table_of)
        if value is not None:
            yield Conflict(f"{workload.name}.{name}", value, need("offered", *offered))


MOST_STATED = 8
"""So many numbers of GPUs are tried as a plan would state them."""


def _in_order(
    problem: Problem, workload: Workload, name: str, table_of: Callable[[Problem, Workload], Table]
) -> list[Value]:
    """Return what fits of a decision that is left open, the best first; none of it where too much has to be tried."""
    other = replace(workload, domains=_opened(problem, workload, name))
    changed = _with(problem, other)
    try:
        table = table_of(changed, other)
    except TooWide:
        return []
    rows, out = fits(table, broken_by(table, changed)), list[Value]()
    while len(rows) and len(out) < MOST_STATED:
        value = table.choice(best_of_some(rows, table, changed, name))[name]
        out.append(value)
        axis = table.axes[name]
        rows = rows[axis.index[rows] != axis.values.index(value)]
    return out


def _stated(
    problem: Problem, workload: Workload, values: list[Value], table_of: Callable[[Problem, Workload], Table]
) -> Value | None:
    """Return the first number of GPUs that fits where a plan states it: a replica then spans as few hosts as it can."""
    for value in values:
        other = replace(workload, domains={**workload.domains, "gpus": (value,)})
        changed = _with(problem, other)
        try:
            table = table_of(changed, other)
        except TooWide:
            continue
        if len(fits(table, broken_by(table, changed))):
            return value
    return None


def _with(problem: Problem, workload: Workload) -> Problem:
    """Return a problem with one of its workloads changed."""
    workloads = (workload if item.name == workload.name else item for item in problem.workloads)
    return replace(problem, workloads=tuple(workloads))


def unmentioned(problem: Problem, workload: Workload, table_of: Callable[[Problem, Workload], Table]) -> Iterator[Hint]:
    """Yield the defaults that stand in the way alone, with the value to state instead."""
    for name in SUGGESTED:
        if name not in workload.domains and name in BY_KIND[workload.kind] and workload.model.architecture is not None:
            value = _without(problem, workload, name, table_of)
            if value is not None:
                yield Hint(name, "=", value)


def settings(problem: Problem, workload: Workload, table_of: Callable[[Problem, Workload], Table]) -> Iterator[Hint]:
    """Yield the settings of a framework that take less memory, and with which the workload fits."""
    if "sync_each_batch" not in BY_KIND[workload.kind] or workload.given.get("sync_each_batch", False):
        return
    changed = with_given(workload, "sync_each_batch", True)
    whole = _with(problem, changed)
    try:
        table = table_of(whole, changed)
    except TooWide:
        return
    if len(fits(table, broken_by(table, whole))):
        yield Hint("sync_each_batch", "=", True)


def engines(
    problem: Problem, workload: Workload, table_of: Callable[[Problem, Workload], Table]
) -> Iterator[tuple[str, Hint]]:
    """Yield decisions on formats that the workload's engine refuses, with the first engine that takes them and fits.

    Only where the plan states the formats: otherwise the engine's own are tried first anyway.
    """
    engine = str(workload.given.get("engine", ""))
    if "engine" not in BY_KIND[workload.kind] or "engine_version" in workload.said:
        return
    for name in ("weights", "kv_cache"):
        offered = [problem.formats[str(value)] for value in workload.domains.get(name, ())]
        for other in dict.fromkeys(key for row in offered for key in row.engines if key != engine):
            changed = with_given(workload, "engine", other)
            whole = replace(
                problem, workloads=tuple(changed if item.name == workload.name else item for item in problem.workloads)
            )
            try:
                table = table_of(whole, changed)
            except TooWide:
                continue
            if len(fits(table, broken_by(table, whole))):
                yield name, Hint("engine", "=", other)
                break


def another_engine(
    problem: Problem, workload: Workload, table_of: Callable[[Problem, Workload], Table], other_engines: Iterable[str]
) -> Hint | None:
    """Return the first of `other_engines` with which the workload fits; None with a version, which is one engine's."""
    if "engine_version" in workload.said:
        return None
    for other in other_engines:
        changed = with_given(workload, "engine", other)
        whole = _with(problem, changed)
        try:
            table = table_of(whole, changed)
        except TooWide:
            continue
        if other != workload.given["engine"] and len(fits(table, broken_by(table, whole))):
            return Hint("engine", "=", other)
    return None


def _without(
    problem: Problem, workload: Workload, name: str, table_of: Callable[[Problem, Workload], Table]
) -> Value | None:
    """Return what is chosen for a decision that is left open, None where nothing fits even so."""
    other = replace(workload, domains=_opened(problem, workload, name))
    changed = replace(
        problem, workloads=tuple(other if item.name == workload.name else item for item in problem.workloads)
    )
    try:
        table = table_of(changed, other)
    except TooWide:
        return None
    rows = fits(table, broken_by(table, changed))
    if len(rows) and name in table.axes:
        return table.choice(best_of_some(rows, table, changed, name))[name]
    return None


def paired(
    problem: Problem, workload: Workload, table_of: Callable[[Problem, Workload], Table], outcome: Outcomes
) -> Hint | None:
    """Return the first two relations of a workload that together would mend it, with what they would have to say.

    They are its decisions and the bounds in its block; `outcome` gives what a row of a table has of a quantity.
    """
    decisions = [name for name in IN_TURN if name in workload.domains]
    bounds = [bound for bound in workload.bounds if bound.rule == f"{workload.name}.{bound.quantity}"]
    relations: list[str | Bound] = [*decisions, *bounds]
    for one, other in combinations(relations, 2):
        changed = workload
        for item in (one, other):
            if isinstance(item, Bound):
                changed = replace(changed, bounds=tuple(bound for bound in changed.bounds if bound is not item))
            else:
                changed = replace(changed, domains=_opened(problem, changed, item))
        whole = replace(problem, workloads=(changed,))
        try:
            table = table_of(whole, changed)
        except TooWide:
            continue
        rows = fits(table, broken_by(table, whole))
        if not len(rows):
            continue
        row = best_of_some(rows, table, whole)
        hints = [_says(item, table, row, outcome) for item in (one, other)]
        if hints[0] is not None and hints[1] is not None:
            return replace(hints[0], also=hints[1])
    return None


def _says(item: str | Bound, table: Table, row: int, outcome: Outcomes) -> Hint | None:
    if isinstance(item, str):
        value = table.choice(row).get(item)
        return None if value is None else Hint(item, "=", value)
    reading, unit = outcome(table, row, item.quantity)
    operator = {"<": "<=", ">": ">="}.get(item.operator, item.operator)
    return None if reading is None else Hint(item.quantity, operator, reading, unit)


def _opened(problem: Problem, workload: Workload, name: str) -> dict[str, tuple[Value, ...]]:
    """Return a workload's domains with one decision left open: free, or every format or word it can be."""
    row = BY_KIND[workload.kind][name]
    domains = {key: values for key, values in workload.domains.items() if key != name}
    if row.type == "format":
        domains[name] = tuple(item.id for item in problem.formats.values() if name in item.roles)
    elif row.type == "word" and not row.free:
        domains[name] = tuple(row.words)
    elif name == "nodes":
        domains[name] = tuple(Fraction(count) for count in BY_KIND[workload.kind][name].everything)
    elif name == "replicas":
        domains[name] = tuple(Fraction(count) for count in range(1, 65))
    return domains


def verified(problem: Problem, item: Conflict, fits: Callable[[Problem], bool]) -> Conflict | None:
    """Return a rule of a conflict with only those changes to it after which the whole plan fits.

    A choice that is withheld and does not mend the plan is not part of the conflict.
    """
    owner, _, quantity = item.rule.partition(".")
    hints = tuple(
        hint
        for hint in item.hints
        if (changed := _changed(problem, owner, hint.quantity, hint.value)) is not None and fits(changed)
    )
    relaxed = None if isinstance(item.relax_to, Need) else item.relax_to
    stated = any(bound.rule == item.rule for workload in problem.workloads for bound in workload.bounds)
    choice = not stated and any(
        workload.name == owner and quantity in workload.domains for workload in problem.workloads
    )
    if relaxed is not None and (stated or choice):
        changed = _changed(problem, owner, quantity, relaxed)
        if changed is None or not fits(changed):
            if choice:
                return None
            relaxed = None
    return replace(item, relax_to=relaxed, hints=hints)


def _changed(problem: Problem, owner: str, quantity: str, value: Value) -> Problem | None:
    """Return a problem with one quantity of a workload changed: a bound, a choice or what is given."""
    workload = next((item for item in problem.workloads if item.name == owner), None)
    if workload is None:
        return None
    if any(bound.quantity == quantity for bound in workload.bounds):
        bounds = tuple(
            replace(bound, value=value) if bound.quantity == quantity else bound for bound in workload.bounds
        )
        other = replace(workload, bounds=bounds)
    elif quantity in workload.given or BY_KIND[workload.kind][quantity].role == "given":
        other = with_given(workload, quantity, value)
    elif BY_KIND[workload.kind][quantity].role == "decision":
        other = replace(workload, domains={**workload.domains, quantity: (value,)})
    else:
        return None
    return replace(problem, workloads=tuple(other if item.name == owner else item for item in problem.workloads))
