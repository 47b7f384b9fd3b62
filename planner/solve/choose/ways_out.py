"""Why a plan has no answer: the workloads that nothing fits even alone, and changes after which the plan has one.

What is said of it stands in `report/nothing_fits.py` and `report/phrases.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from planner.catalog.catalog import Catalog
from planner.language.problem import Problem, Value, Workload
from planner.language.quantities.outcomes import MONEY, UNITS
from planner.solve import clock
from planner.solve.answer import Conflict
from planner.solve.candidate import TooWide
from planner.solve.choose.choose import choose
from planner.solve.choose.conflict import conflict_of
from planner.solve.choose.remedies import another_engine, engines, paired, settings, unmentioned, verified, withheld
from planner.solve.classes import representatives
from planner.solve.columns.rules import broken_by, fits
from planner.solve.columns.table import Table
from planner.solve.kinds import judge_row, table_of, tables_of
from planner.solve.needs import Need


def alone(problem: Problem, tables: Mapping[str, Table], catalog: Catalog) -> tuple[Conflict, ...]:
    """Return the conflict of the workloads that nothing fits whatever the others rent; none where there is none.

    `tables` have rows that tell which rules are broken. What sharing an instance could mend is left to the
    whole fleet, where workloads share anything.
    """
    conflicts: dict[str, list[Conflict]] = {}
    twins, also = representatives(problem), dict[str, list[str]]()
    for name, table in tables.items():
        if twins[name] in also:
            also[twins[name]].append(name)
            continue
        broken = broken_by(table, problem)
        bounds = {item.rule for item in table.workload.bounds if item.quantity in MONEY}
        mended = bounds | {rule.name for rule in problem.rules} if problem.count > 1 else set()
        rules = broken.keys() - mended
        if not len(fits(table, {rule: broken[rule] for rule in rules})):
            conflicts[name] = conflict_of(problem, table, broken, catalog)
            also[twins[name]] = []
    return tuple(
        replace(item, of=name if len(conflicts) > 1 else "", also=tuple(also[twins[name]]))
        for name, items in conflicts.items()
        for item in items
    )


def ways_out(problem: Problem, catalog: Catalog, conflict: tuple[Conflict, ...]) -> tuple[tuple[Conflict, ...], bool]:
    """Return a conflict with the choices that workloads withhold, where these do not fit even alone; and whether there
    was time to try them all.

    Where workloads share anything, what is proposed for one of them is kept only if the whole plan then fits: what
    there was no time to try is not proposed.
    """

    def made(changed: Problem, other: Workload) -> Table:
        return table_of(changed, other, catalog, rows="best")

    def outcome(table: Table, row: int, quantity: str) -> tuple[Value | None, str | None]:
        return judge_row(problem, table, row, catalog).outcome(quantity), UNITS.get(quantity)

    alone = {item.rule.partition(".")[0] for item in conflict}
    out, complete = list(conflict), True
    try:
        for workload in () if any(item.rule.startswith("fleet.") for item in conflict) else problem.workloads:
            if workload.name in alone:
                for hint in (*settings(problem, workload, made), *unmentioned(problem, workload, made)):
                    rule = f"{workload.name}.memory"
                    out = [replace(item, hints=(*item.hints, hint)) if item.rule == rule else item for item in out]
                for name, hint in engines(problem, workload, made):
                    rule = f"{workload.name}.{name}"
                    out = [replace(item, hints=(hint, *item.hints)) if item.rule == rule else item for item in out]
                rule = f"{workload.name}.engine"
                if any(item.rule == rule for item in out):
                    other = another_engine(problem, workload, made, catalog.engines)
                    out = [replace(item, hints=(other,)) if other and item.rule == rule else item for item in out]
                for item in withheld(problem, workload, made):
                    out.append(item)
        if problem.count == 1 and not problem.fleet:
            remedied = any(
                item.hints or (item.relax_to is not None and not item.rule.endswith(".memory")) for item in out
            )
            both = None if remedied or not out else paired(problem, problem.workloads[0], made, outcome)
            if both is not None:
                out[0] = replace(out[0], hints=(both,))
            return _joined(out), True
    except clock.OutOfTime:
        complete = False
        if problem.count == 1 and not problem.fleet:
            return _joined(out), False

    def feasible(changed: Problem) -> bool:
        nonlocal complete
        try:
            answer = choose(changed, tables_of(changed, catalog, rows="best"), catalog, 0, min(10.0, clock.left()), 1)
        except clock.OutOfTime:
            complete = False
            return False
        except TooWide:
            return False
        return answer.outcome in ("optimal", "feasible")

    kept = [item for item in (verified(problem, each, feasible) for each in out) if item is not None]
    return _joined(kept), complete


def _joined(conflict: Iterable[Conflict]) -> tuple[Conflict, ...]:
    """Return a conflict with what hardware or an engine lacks and the choice that would mend it told as one rule."""
    out: dict[str | int, Conflict] = {}
    for item in conflict:
        before = out.get(item.rule)
        if before is None:
            out[item.rule] = item
        elif before.relax_to is None and isinstance(before.has, Need):
            out[item.rule] = replace(before, relax_to=item.relax_to)
        else:
            out[len(out)] = item
    return tuple(out.values())
