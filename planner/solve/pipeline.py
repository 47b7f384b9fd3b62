"""A solve, stage by stage: tables of candidates, the choice with its proof; where there is none, why and what to do.

Each stage is a function of what the stages before it found (`Solving`) and returns it with more; `STAGES` is the list.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from math import inf
from typing import Final

from planner.catalog.catalog import Catalog
from planner.language.problem import Problem
from planner.record import dataclass
from planner.solve import clock, progress
from planner.solve.answer import Answer, Certificate, Solved
from planner.solve.candidate import Candidate, TooWide, times
from planner.solve.choose.choose import apart, choose, ranked, sort_out
from planner.solve.choose.proof import certificate
from planner.solve.columns.table import Table
from planner.solve.copies import answered
from planner.solve.first_answer import EACH, LATEST, MOST_RESERVED, RESERVE, SOON, FirstAnswer
from planner.solve.fleet.audit import goal_values
from planner.solve.kinds import first_of, judge_row, search_limits, tables_of
from planner.solve.rent.rental import left_out
from planner.solve.rent.sharing import allocate_costs
from planner.solve.rules import slack

TOP = 3
"""How many alternatives are named unless a number is said."""


@dataclass(frozen=True, slots=True)
class Solving:
    """A plan on its way to an answer.

    Attributes:
        problem: What the plan asks.
        catalog: What it may choose from.
        top: How many alternatives the answer names.
        time_limit: Seconds for all stages together.
        workers: Threads of the solver.
        pareto: Quantities whose front of best answers is wanted; none for no front.
        report: Called with what is being done.
        tables: The candidates of each workload, by name; empty before the first stage.
        answer: What is known of the answer so far.
        ahead: An answer that stands where no better one is found in time.

    """

    problem: Problem
    catalog: Catalog
    top: int
    time_limit: float
    workers: int
    pareto: tuple[str, ...]
    report: Callable[[str], None]
    tables: Mapping[str, Table]
    answer: Answer
    ahead: Answer | None = None


def tabulate(solving: Solving) -> Solving:
    """Make the tables of candidates; without a front, only of what can be best.

    Where time does not suffice for all, an answer of few candidates is all there is, and no table.
    """
    solving.report("enumerating candidates")
    rows = "fitting" if solving.pareto else "best"
    less = None
    if not solving.pareto and _is_brief(solving.problem, solving.top):
        from planner.solve.fleet.prune import may_prune, pruned

        less = partial(pruned, solving.problem) if may_prune(solving.problem) else None
    watch = FirstAnswer.looking(solving.problem, solving.catalog, solving.workers, solving.time_limit, solving.report)
    make = partial(
        tables_of, solving.problem, solving.catalog, rows=rows, less=less, made=watch.tables, each=watch.table_made
    )
    classes = len(set(first_of(solving.problem).values()))
    try:
        if classes > 1 and watch.budget < SOON + classes * EACH:
            watch.hurry()
        try:
            with clock.limited(watch.budget - min(RESERVE * watch.budget, MOST_RESERVED)):
                tables = make()
        except clock.OutOfTime:
            if not watch.hurry():
                raise
            tables = make()
    except clock.OutOfTime:
        ahead = watch.answer()
        if ahead is None:
            raise
        return replace(solving, answer=ahead)
    return replace(solving, tables=tables, ahead=watch.answer())


def _is_brief(problem: Problem, top: int) -> bool:
    """Return whether a plan has so many workloads that no alternatives are looked for unless more are asked for."""
    if len(problem.workloads) <= TOP or top > TOP:
        return False
    from planner.solve.fleet.prune import is_many

    return is_many(problem)


def decide(solving: Solving) -> Solving:
    """Choose the optimum with its proof."""
    if not solving.tables:
        return solving
    solving.report(f"choosing among {sum(table.candidates for table in solving.tables.values()):_} candidates")
    brief = _is_brief(solving.problem, solving.top)
    several = solving.ahead is None and len(solving.tables) > 1
    kept = min(RESERVE * clock.left(), MOST_RESERVED) if several and clock.left() < inf else 0.0
    solved: Answer | None = None
    try:
        with clock.limited(clock.left() - kept), progress.watched(solving.report):
            solved = choose(
                solving.problem,
                solving.tables,
                solving.catalog,
                solving.top,
                solving.time_limit,
                solving.workers,
                brief,
            )
        if solved.outcome != "unknown":
            return replace(solving, answer=solved)
    except clock.OutOfTime:
        if solving.ahead is None and not several:
            raise
    ahead = solving.ahead
    if ahead is None and several and not clock.stopped():
        from planner.solve.few_candidates import bounded, from_few_candidates, least_of

        ahead = from_few_candidates(solving.problem, {}, solving.catalog, solving.workers, solving.time_limit)
        if ahead is not None:
            least: dict[str, int | None] = {}
            with suppress(clock.OutOfTime), clock.extended(LATEST):
                for name in set(first_of(solving.problem).values()):
                    least[name] = least_of(solving.problem, solving.tables[name])
            ahead = bounded(solving.problem, ahead, least)
    if ahead is None and solved is None:
        raise clock.OutOfTime
    return replace(solving, answer=ahead or solved or solving.answer)


def explain_infeasible(solving: Solving) -> Solving:
    """Where nothing fits, name a minimal set of rules that conflict and what would resolve each."""
    if solving.answer.outcome != "infeasible":
        return solving
    from planner.solve.choose.ways_out import alone, ways_out  # most plans have an answer

    problem, catalog, answer = solving.problem, solving.catalog, solving.answer
    try:
        if not all(table.thorough for table in solving.tables.values()):
            solving.report("trying what does not fit too")
            conflict = alone(problem, tables_of(problem, catalog, rows="telling"), catalog)
            if conflict:
                answer = replace(answer, conflict=conflict)
            else:
                every = tables_of(problem, catalog)
                answer = choose(problem, every, catalog, solving.top, solving.time_limit, solving.workers)
        solving.report("looking for ways out")
        ways, complete = ways_out(problem, catalog, answer.conflict)
        answer = replace(answer, conflict=ways, reproducible=answer.reproducible and complete)
    except (clock.OutOfTime, TooWide):  # that nothing fits is proven all the same
        answer = replace(answer, reproducible=False)
    return replace(solving, answer=answer)


def trade(solving: Solving) -> Solving:
    """Add the Pareto front of the quantities asked for."""
    if not solving.pareto or not solving.answer.workloads or not solving.tables:
        return solving
    from planner.solve.choose.front import front

    solving.report(f"trading {' against '.join(solving.pareto)}")
    with suppress(clock.OutOfTime, TooWide):
        fronts = front(solving.problem, solving.tables, solving.catalog, solving.pareto, solving.time_limit)
        return replace(solving, answer=replace(solving.answer, pareto=fronts))
    return solving


def limit(solving: Solving) -> Solving:
    """Say how far the search went where the plan did not, and which offers it left out: a proof speaks of no more."""
    return replace(solving, answer=_with_limits(solving.problem, solving.answer))


def _with_limits(problem: Problem, answer: Answer) -> Answer:
    counts = {item.name: left_out(problem, item) for item in problem.workloads}
    dropped = {name: count for name, count in counts.items() if count}
    return replace(answer, searched=search_limits(problem), left_out=dropped, replaced=problem.offers.replaced)


STAGES: Final = (tabulate, decide, explain_infeasible, trade, limit)
"""A solve."""


def solve(
    problem: Problem,
    catalog: Catalog,
    top: int = TOP,
    time_limit: float = 30.0,
    workers: int = 1,
    pareto: tuple[str, ...] = (),
    report: Callable[[str], None] = lambda stage: None,
    hardware: bool = False,
    values: bool = False,
    gpu: str = "",
    reasons: bool = True,
    margins: bool = False,
) -> Answer:
    """Return the cheapest answer with its proof, or the rules that conflict.

    `pareto` names quantities whose front of best answers is wanted beside it; `report` is called with each stage.
    With `hardware` the answer also says where every GPU type stands, with `values` where each value of some decisions
    does; of a `gpu` that is named only where that stands, whether or not the plan offers it.
    With `margins` it says what one more of each limit and what lower prices would change. Without `reasons` it does not
    say which rules conflict where nothing fits.
    `time_limit` is in seconds for all of it: what is found by then is answered, which may be nothing.
    """
    if problem.others:
        from planner.solve.offered import best_of

        def one(alone: Problem, seconds: float, whole: bool, near: bool) -> Answer:
            if whole:
                return solve(alone, catalog, top, seconds, workers, pareto, report, hardware, values, gpu)
            return solve(alone, catalog, 0, seconds, workers, report=report, hardware=near, reasons=False)

        return best_of(problem, time_limit, one, values)
    if any(item.traffic for item in problem.workloads):
        from planner.solve.mix.answer import answer_in_time

        found = _with_limits(problem, answer_in_time(problem, catalog, time_limit, workers, solve, report, reasons))
        return with_hardware(problem, catalog, found, time_limit, gpu) if hardware else found
    nothing = Answer("unknown", (), (), (), None, 0, reproducible=False)
    solving = Solving(
        problem=problem,
        catalog=catalog,
        top=top,
        time_limit=time_limit,
        workers=workers,
        pareto=pareto,
        report=report,
        tables={},
        answer=nothing,
    )
    try:
        with clock.limited(time_limit):
            for stage in STAGES:
                solving = stage(solving) if reasons or stage is not explain_infeasible else solving
            solved = solving.answer
            if gpu:
                solved = _on_gpu(problem, catalog, solved, gpu)
            elif hardware and (values or not solved.brief):
                solved = _with_hardware(problem, catalog, solved, solving.tables, values)
            return _with_margins(problem, catalog, answered(solved), workers) if margins else answered(solved)
    except clock.OutOfTime:
        return answered(solving.answer if solving.answer.workloads else solving.ahead or nothing)
    except TooWide as reason:
        return replace(nothing, refusal=reason.excess)


@dataclass(frozen=True, slots=True)
class Recounted:
    """What can be said of a given answer without a solver: its certificate, the best candidate of each workload where
    nothing couples them, and what an answer costs, in micro-dollars, that is known to be cheaper."""

    certificate: Certificate
    best: Mapping[str, Candidate]
    cheaper: int | None


def recounted(problem: Problem, placed: Problem, catalog: Catalog, chosen: Mapping[str, Candidate]) -> Recounted:
    """Return what all candidates of a plan say of an answer; `chosen` are the candidates of the workloads of `placed`,
    where the copies of a block that run otherwise are apart. Raise Contradiction where none can cost so little."""
    nothing = Answer("unknown", (), (), (), None, 0, reproducible=False)
    tables = tabulate(
        Solving(
            problem=problem,
            catalog=catalog,
            top=TOP,
            time_limit=inf,
            workers=1,
            pareto=(),
            report=lambda stage: None,
            tables={},
            answer=nothing,
        )
    ).tables
    rows = sort_out(problem, tables)
    value = goal_values(placed, chosen)[0]
    proof = certificate(problem, tables, rows.beside_others, rows.removed, value)
    if proof.method == "comparison":
        best = apart(tables, rows.fitting, ranked(problem, tables, rows.sharing))
        judged = {name: judge_row(problem, tables[name], row, catalog) for name, row in best.items()}
        return Recounted(proof, judged, None)
    from planner.solve.fleet.greedy import incumbent

    ahead = incumbent(problem, tables, rows.beside_others)
    return Recounted(proof, {}, ahead.value if ahead is not None and ahead.value < value else None)


def with_hardware(
    problem: Problem, catalog: Catalog, answer: Answer, time_limit: float = 30.0, gpu: str = ""
) -> Answer:
    """Return an answer of `solve` that also says where every GPU type stands; as it is where time does not suffice. Of
    a service with traffic, with a `gpu` where that alone stands."""
    with clock.limited(time_limit):
        if any(item.traffic for item in problem.workloads):
            from planner.solve.mix.answer import standings

            return replace(answer, hardware=standings(problem, answer, catalog, gpu))
        return answered(_with_hardware(problem, catalog, answer, {}))


def _on_gpu(problem: Problem, catalog: Catalog, answer: Answer, gpu: str) -> Answer:
    """Return an answer with where one GPU type stands, and each value of some decisions on it."""
    from planner.solve.choose.values import on_gpu

    hypothetical = _with_hardware(on_gpu(problem, gpu), catalog, answer, {}, True, gpu)
    return replace(hypothetical, hardware=tuple(item for item in hypothetical.hardware if item.gpu == gpu))


def _with_hardware(
    problem: Problem,
    catalog: Catalog,
    answer: Answer,
    tables: Mapping[str, Table],
    values: bool = False,
    gpu: str = "",
) -> Answer:
    """Return an answer with where every GPU type stands, from tables where they have every candidate."""
    if answer.outcome not in ("optimal", "feasible", "infeasible"):
        return answer
    from planner.solve.choose.hardware import standings

    try:
        if not tables or not all(table.thorough for table in tables.values()):
            try:
                tables = tables_of(problem, catalog)
            except TooWide:  # what stands for all has what fits, and what each GPU type breaks
                tables = tables_of(problem, catalog, rows="telling")
        answer = replace(answer, hardware=standings(problem, answer, tables, catalog))
        if not values:
            return answer
        from planner.solve.choose.values import by_value

        return replace(answer, by_value=by_value(problem, answer, tables, catalog, gpu))
    except (clock.OutOfTime, TooWide):
        return answer


def _with_margins(problem: Problem, catalog: Catalog, answer: Answer, workers: int) -> Answer:
    """Return an answer with what would change it, each change solved again."""
    from planner.solve.sensitivity import margins

    def again(changed: Problem) -> Answer:
        return solve(changed, catalog, 0, clock.left(), workers, reasons=False)

    return replace(answer, margins=margins(problem, answer, again))


def estimate(problem: Problem, catalog: Catalog, time_limit: float = 30.0) -> Answer:
    """Return the answer of a plan with nothing left open, whether it fits or not; its cheapest offer.

    `time_limit` is in seconds: what takes longer is "unknown". Raise TooWide where a figure is too large to be counted.
    """
    try:
        with clock.limited(time_limit):
            return _estimate(problem, catalog)
    except clock.OutOfTime:
        return Answer("unknown", (), (), (), None, 0, reproducible=False)


def _estimate(problem: Problem, catalog: Catalog) -> Answer:
    import numpy

    chosen = {}
    for name, table in tables_of(problem, catalog, fixed=True).items():
        if not table.rows:
            continue
        cheapest = numpy.flatnonzero(table.costs == table.costs.min())
        row = table.first(cheapest)
        chosen[name] = judge_row(problem, table, row, catalog)
    chosen = allocate_costs(
        problem, {item.name: times(chosen[item.name], item.copies) for item in problem.workloads if item.name in chosen}
    )
    solved = tuple(
        Solved(chosen[item.name], (), (), slack(item, chosen[item.name].choice, chosen[item.name].outcomes))
        for item in problem.workloads
        if item.name in chosen
    )
    cost = sum(row.cost for row in chosen.values())
    return answered(Answer("fixed", (), solved, (), cost, len(chosen)))
