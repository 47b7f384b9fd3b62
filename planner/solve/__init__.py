"""Candidates, the optimum with its proof, and why everything else is not it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from planner.catalog.catalog import Catalog
    from planner.language.problem import Problem, Value, Workload
    from planner.solve.answer import Answer, Conflict
    from planner.solve.columns.table import Table


def table_of(problem: Problem, workload: Workload, catalog: Catalog, fixed: bool = False, rows: str = "all") -> Table:
    """Return all candidates of a workload; with `fixed`, what is left free takes `estimate`'s values.

    Where `rows` are "fitting", a table may leave out most of what does not fit; where they are "best", also what cannot
    be the best of its hardware; where they are "telling", all that says no more of which rules are broken. Raise
    TooWide where a figure is too large to be counted.
    """
    from planner.solve import clock
    from planner.solve.candidate import TooWide

    clock.look()
    try:
        if workload.kind == "training":
            from planner.solve.training import table as training_table

            return training_table.table(problem, workload, catalog, fixed, rows)
        from planner.solve.inference import table as inference_table

        return inference_table.table(problem, workload, catalog, fixed)
    except OverflowError as reason:
        raise TooWide(f"a figure of `{workload.name}` is beyond 2^63; state smaller numbers") from reason


def solve(
    problem: Problem,
    catalog: Catalog,
    top: int = 3,
    time_limit: float = 30.0,
    workers: int = 1,
    pareto: tuple[str, ...] = (),
    report: Callable[[str], None] = lambda stage: None,
    hardware: bool = False,
) -> Answer:
    """Return the cheapest answer with its proof, or the rules that conflict.

    `pareto` names quantities whose front of best answers is wanted beside it; `report` is told each stage of the work.
    With `hardware` the answer also says where every GPU type stands.
    `time_limit` is in seconds for all of it: what is found by then is answered, which may be nothing.
    """
    from planner.solve import clock
    from planner.solve.answer import Answer
    from planner.solve.candidate import TooWide

    try:
        with clock.limited(time_limit):
            answer, tables = _solve(problem, catalog, top, time_limit, workers, pareto, report)
            return _with_hardware(problem, catalog, answer, tables) if hardware else answer
    except clock.OutOfTime:
        return Answer("unknown", (), (), (), None, 0, reproducible=False)
    except TooWide as reason:
        return Answer("unknown", (), (), (), None, 0, reproducible=False, refusal=str(reason))


def _solve(
    problem: Problem,
    catalog: Catalog,
    top: int,
    time_limit: float,
    workers: int,
    pareto: tuple[str, ...],
    report: Callable[[str], None],
) -> tuple[Answer, dict[str, Table]]:
    from contextlib import suppress
    from dataclasses import replace

    from planner.solve import clock
    from planner.solve.candidate import TooWide
    from planner.solve.choose.choose import choose
    from planner.solve.choose.search_limits import searched

    report("enumerating candidates")
    tables = tables_of(problem, catalog, rows="fitting" if pareto else "best")
    report(f"choosing among {sum(table.candidates for table in tables.values()):_} candidates")
    answer = choose(problem, tables, catalog, top, time_limit, workers)
    if answer.outcome == "infeasible":
        try:
            if not all(table.thorough for table in tables.values()):
                report("trying what does not fit too")
                alone = _alone(problem, catalog)
                if alone:
                    answer = replace(answer, conflict=alone)
                else:
                    answer = choose(problem, tables_of(problem, catalog), catalog, top, time_limit, workers)
            report("looking for ways out")
            found, complete = _ways_out(problem, catalog, answer.conflict)
            answer = replace(answer, conflict=found, reproducible=answer.reproducible and complete)
        except (clock.OutOfTime, TooWide):  # that nothing fits is proven all the same
            answer = replace(answer, reproducible=False)
    if pareto and answer.workloads:
        from planner.solve.choose.front import front

        report(f"trading {' against '.join(pareto)}")
        with suppress(clock.OutOfTime, TooWide):
            answer = replace(answer, pareto=front(problem, tables, catalog, pareto, time_limit))
    return replace(answer, searched=searched(problem)), tables


def with_hardware(problem: Problem, catalog: Catalog, answer: Answer, time_limit: float = 30.0) -> Answer:
    """Return an answer of `solve` that also says where every GPU type stands; as it is where time does not suffice."""
    from planner.solve import clock

    with clock.limited(time_limit):
        return _with_hardware(problem, catalog, answer, {})


def _with_hardware(problem: Problem, catalog: Catalog, answer: Answer, tables: Mapping[str, Table]) -> Answer:
    """Return an answer with where every GPU type stands, from tables where they have every candidate."""
    from dataclasses import replace

    from planner.solve import clock
    from planner.solve.candidate import TooWide
    from planner.solve.choose.hardware import standings

    if answer.outcome not in ("optimal", "feasible", "infeasible"):
        return answer
    try:
        if not tables or not all(table.thorough for table in tables.values()):
            try:
                tables = tables_of(problem, catalog)
            except TooWide:  # what stands for all has what fits, and what each GPU type breaks
                tables = tables_of(problem, catalog, rows="telling")
        return replace(answer, hardware=standings(problem, answer, tables, catalog))
    except (clock.OutOfTime, TooWide):
        return answer


def _alone(problem: Problem, catalog: Catalog) -> tuple[Conflict, ...]:
    """Return the conflict of the workloads that nothing fits whatever the others rent; none where there is none.

    What sharing an instance could mend is left to the whole fleet, where workloads share anything.
    """
    from dataclasses import replace

    from planner.solve.choose.conflict import conflict_of
    from planner.solve.columns.rules import broken_by, fits
    from planner.solve.rent.rental import MONEY

    found = {}
    for name, table in tables_of(problem, catalog, rows="telling").items():
        broken = broken_by(table, problem)
        bounds = {item.rule for item in table.workload.bounds if item.quantity in MONEY}
        mended = bounds | {rule.name for rule in problem.rules} if len(problem.workloads) > 1 else set()
        rules = broken.keys() - mended
        if not len(fits(table, {rule: broken[rule] for rule in rules})):
            found[name] = conflict_of(problem, table, broken, catalog)
    return tuple(replace(item, of=name if len(found) > 1 else "") for name, items in found.items() for item in items)


def _ways_out(problem: Problem, catalog: Catalog, conflict: tuple[Conflict, ...]) -> tuple[tuple[Conflict, ...], bool]:
    """Return a conflict with the choices that workloads withhold, where these do not fit even alone; and whether there
    was time to try them all.

    Where workloads share anything, what is proposed for one of them is kept only if the whole plan then fits: what
    there was no time to try is not proposed.
    """
    from dataclasses import replace

    from planner.solve import clock
    from planner.solve.candidate import TooWide
    from planner.solve.choose.remedies import paired, unmentioned, verified, withheld
    from planner.solve.kinds import judge_row
    from planner.solve.objective import UNITS

    def made(changed: Problem, other: Workload) -> Table:
        return table_of(changed, other, catalog, rows="best")

    def outcome(table: Table, row: int, quantity: str) -> tuple[Value | None, str | None]:
        return judge_row(problem, table, row, catalog).outcome(quantity), UNITS.get(quantity)

    alone = {item.rule.partition(".")[0] for item in conflict}
    out, complete = list(conflict), True
    try:
        for workload in () if any(item.rule.startswith("fleet.") for item in conflict) else problem.workloads:
            if workload.name in alone:
                for hint in unmentioned(problem, workload, made):
                    rule = f"{workload.name}.memory"
                    out = [replace(item, hints=(*item.hints, hint)) if item.rule == rule else item for item in out]
                for item in withheld(problem, workload, made):
                    out.append(item)
        if len(problem.workloads) == 1 and not problem.fleet:
            remedied = any(
                item.hints or (item.relax_to is not None and not item.rule.endswith(".memory")) for item in out
            )
            both = None if remedied or not out else paired(problem, problem.workloads[0], made, outcome)
            if both is not None:
                out[0] = replace(out[0], hints=(both,))
            return _joined(out), True
    except clock.OutOfTime:
        complete = False
        if len(problem.workloads) == 1 and not problem.fleet:
            return _joined(out), False

    def fits(changed: Problem) -> bool:
        from planner.solve.choose.choose import choose

        nonlocal complete
        try:
            found = choose(changed, tables_of(changed, catalog, rows="best"), catalog, 0, min(10.0, clock.left()), 1)
        except clock.OutOfTime:
            complete = False
            return False
        except TooWide:
            return False
        return found.outcome in ("optimal", "feasible")

    kept = [item for item in (verified(problem, each, fits) for each in out) if item is not None]
    return _joined(kept), complete


def _joined(conflict: Iterable[Conflict]) -> tuple[Conflict, ...]:
    """Return a conflict with what hardware or an engine lacks and the choice that would mend it told as one rule."""
    from dataclasses import replace

    out: dict[str | int, Conflict] = {}
    for item in conflict:
        before = out.get(item.rule)
        if before is None:
            out[item.rule] = item
        elif before.relax_to is None and isinstance(before.has, str):
            out[item.rule] = replace(before, relax_to=item.relax_to)
        else:
            out[len(out)] = item
    return tuple(out.values())


def tables_of(problem: Problem, catalog: Catalog, fixed: bool = False, rows: str = "all") -> dict[str, Table]:
    """Return the table of every workload; workloads that are alike but for their names share one."""
    from planner.solve.classes import alike, renamed

    first = alike(problem)
    known = {item.name: item for item in problem.workloads}
    tables = {name: table_of(problem, known[name], catalog, fixed, rows) for name in sorted(set(first.values()))}
    return {name: renamed(tables[first[name]], known[name]) for name in sorted(known)}


def estimate(problem: Problem, catalog: Catalog, time_limit: float = 30.0) -> Answer:
    """Return the answer of a plan with nothing left open, whether it fits or not; its cheapest offer.

    `time_limit` is in seconds: what takes longer is "unknown". Raise TooWide where a figure is too large to be counted.
    """
    from planner.solve import clock
    from planner.solve.answer import Answer

    try:
        with clock.limited(time_limit):
            return _estimate(problem, catalog)
    except clock.OutOfTime:
        return Answer("unknown", (), (), (), None, 0, reproducible=False)


def _estimate(problem: Problem, catalog: Catalog) -> Answer:
    import numpy

    from planner.solve.answer import Answer, Solved
    from planner.solve.kinds import judge_row
    from planner.solve.rent.sharing import settle_costs
    from planner.solve.rules import slack

    chosen = {}
    for name, table in tables_of(problem, catalog, fixed=True).items():
        if not table.rows:
            continue
        cheapest = numpy.flatnonzero(table.costs == table.costs.min())
        row = table.first(cheapest)
        chosen[name] = judge_row(problem, table, row, catalog)
    chosen = settle_costs(problem, chosen)
    solved = tuple(
        Solved(chosen[item.name], (), (), slack(item, chosen[item.name].choice, chosen[item.name].outcomes))
        for item in problem.workloads
        if item.name in chosen
    )
    return Answer("fixed", (), solved, (), sum(row.cost for row in chosen.values()), len(chosen))
