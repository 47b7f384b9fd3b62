"""A workload's candidates with the other workloads as they were chosen: what the plan's objective then is, and breaks.

Workloads meet in what they share: instances that are paid together, offers of which only some are available, limits
and rules over all of them. The plan's own arithmetic says what one row changes of that (planner.solve.rent.sharing),
once for all rows that take the same of the same instances.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from math import ceil, floor
from typing import TYPE_CHECKING

from planner.catalog.catalog import Catalog
from planner.language.problem import FleetBound, Problem, Value
from planner.language.quantities.outcomes import MONEY, PER_TOKEN
from planner.record import dataclass
from planner.solve import clock
from planner.solve.candidate import Candidate, Outcome, aimed
from planner.solve.columns.distinct import by_condition
from planner.solve.columns.rules import broken_by, differing
from planner.solve.columns.steps import SCALES, UNKNOWN, value
from planner.solve.columns.table import Table, cases
from planner.solve.kinds import judge_row
from planner.solve.objective import RankColumns, column, goal_value, rank_columns, worst_places
from planner.solve.rent.sharing import allocate_costs, amount, broken_together, instances
from planner.solve.rules import holds_together, reads, speaks_of
from planner.syntax.tree import Expression

if TYPE_CHECKING:
    from planner.solve.columns.table import Column


MOST_CASES = 2000
FOLLOWS = tuple(form for name in ("total_cost", *PER_TOKEN) for form in (name, aimed(name)))
"""Outcomes in proportion to the cost."""


@dataclass(frozen=True, slots=True)
class OthersFixed:
    """A table with what each row breaks and how it ranks; `others` are the plan's other workloads as they are chosen,
    before what they share is paid together. Alone, the costs of the table are whole instances, else a share."""

    problem: Problem
    table: Table
    broken: Mapping[str, Column]
    ranks: RankColumns
    others: Mapping[str, Candidate]
    catalog: Catalog


@dataclass(frozen=True, slots=True)
class Case:
    """Rows that take the same of the same instances, and what the whole plan then is: this workload by one of them."""

    rows: Column
    whole: Mapping[str, Candidate]


def with_others_fixed(
    problem: Problem,
    table: Table,
    broken: Mapping[str, Column],
    others: Mapping[str, Candidate],
    catalog: Catalog,
    ranks: RankColumns | None = None,
    most: int = MOST_CASES,
    rest: Sequence[int | None] = (),
) -> OthersFixed:
    """Return a workload's table beside `others`, where `broken` is what each row breaks of its own rules.

    `ranks` are the keys of the table by itself, where they are known. A condition over several workloads is asked of
    the first `most` distinct cases, the cheapest; what is not asked counts as breaking it. `rest` is what the others
    add to each goal, None where that depends on what is shared; none where that is to be asked of each of them.
    """
    if not table.rows or not (others or problem.fleet):
        ranks = ranks or (rank_columns(table, problem) if table.rows else RankColumns((), ()))
        return OthersFixed(problem, table, broken, ranks, {}, catalog)
    import numpy

    name = table.workload.name
    shared = list(_shared(problem, table, others, catalog))
    paid = table
    if shared:
        costs = table.costs.copy()
        for case in shared:
            costs[case.rows] = case.whole[name].cost
        paid = _paying(table, costs)
    unshared = numpy.ones(table.rows, dtype=bool)
    for case in shared:
        unshared[case.rows] = False
    before = Case(numpy.flatnonzero(unshared), allocate_costs(problem, others))
    all_cases = [before, *shared]
    faults = dict(broken) if paid is table else dict(broken_by(paid, problem))
    for rule, where in _broken_beside(problem, paid, before, shared, others, most):
        if where.any():
            faults[rule] = faults[rule] | where if rule in faults else where
    return OthersFixed(problem, paid, faults, _ranks(problem, paid, all_cases, others, most, rest), others, catalog)


def judged(context: OthersFixed, row: int) -> Candidate:
    """Return a row as a candidate, with its share of what is paid and what the whole plan then costs and breaks."""
    clock.look()
    candidate = judge_row(context.problem, context.table, row, context.catalog)
    if not context.others and not context.problem.fleet:
        return candidate
    name = context.table.workload.name
    whole = allocate_costs(context.problem, {**context.others, name: candidate})
    more = [item for owner, other in whole.items() if owner != name for item in other.broken]
    more += broken_together(context.problem, whole)
    cost = sum(other.cost for other in whole.values()) if context.others else None
    return replace(whole[name], broken=(*whole[name].broken, *more), together=cost)


def _shared(problem: Problem, table: Table, others: Mapping[str, Candidate], catalog: Catalog) -> Iterator[Case]:
    """Yield the cases of rows that can share instances with another workload."""
    import numpy

    taken = {(row.offer, str(row.choice.get("market", "on_demand"))) for row in others.values()}
    pools = [index for index, pool in enumerate(table.pools) if pool in taken]
    rows = numpy.flatnonzero(numpy.isin(table.pool, pools) & (table.slots > 0))
    if not len(rows):
        return
    first, which = cases([table.pool[rows], table.gpus[rows], table.instances[rows]])
    for place, at in enumerate(first.tolist()):
        clock.look()
        mine = _renting(problem, table, int(rows[at]), catalog)
        yield Case(rows[which == place], allocate_costs(problem, {**others, table.workload.name: mine}))


def _renting(problem: Problem, table: Table, row: int, catalog: Catalog) -> Candidate:
    """Return a row as a candidate, as far as what it rents and pays needs one: whole where its own rules read that."""
    name = table.workload.name
    conditions = [item.condition for item in problem.rules] + [item.condition for item in problem.preferences]
    if any(item.quantity in MONEY for item in table.workload.bounds) or any(
        reads(condition, name) & MONEY for condition in conditions
    ):
        return judge_row(problem, table, row, catalog)
    pool, cost = int(table.pool[row]), int(table.costs[row])
    offer, market = table.pools[pool]
    gpus, instances = int(table.gpus[row]), int(table.instances[row])
    choice: dict[str, Value] = {"offer": offer, "market": market, "gpus": Fraction(gpus)}
    gpu = problem.offers[offer].gpu
    sizes: dict[str, int] = {}
    outcomes: dict[str, Outcome] = {"cost": Fraction(cost, SCALES["cost"])}
    own = (name, table.workload.kind, choice, gpu, gpus, offer, instances, cost, 0, 0, 0, sizes, sizes, None, outcomes)
    return Candidate(*own, (), shareable=bool(table.slots[row] > 0))


def _paying(table: Table, costs: Column) -> Table:
    """Return a table that costs something else, with what follows from its cost in proportion."""
    import numpy

    whole = numpy.maximum(table.costs, 1)

    def follows(quantity: str) -> Column:
        values = table.outcome(quantity)
        known = numpy.where(values == UNKNOWN, 0, values)
        share = known // whole * costs + numpy.rint(known % whole * (costs / whole)).astype(numpy.int64)
        return numpy.where((values == UNKNOWN) | (costs == table.costs), values, share)

    followers = {name: (lambda name=name: follows(name)) for name in FOLLOWS if name in table.outcomes}
    kept_columns = {name: values for name, values in table.ready.items() if name != "cost" and name not in FOLLOWS}
    return replace(
        table, costs=costs, outcomes={**table.outcomes, "cost": lambda: costs, **followers}, ready=kept_columns
    )


def _ranks(
    problem: Problem,
    paid: Table,
    all_cases: list[Case],
    others: Mapping[str, Candidate],
    most: int,
    values_known: Sequence[int | None],
) -> RankColumns:
    """Return the keys whose goals are those of the whole plan."""
    import numpy

    name, worst = paid.workload.name, worst_places(problem)
    goals = []
    for place, goal in enumerate(problem.goals):
        values = column(paid, goal, problem, place in worst).copy()
        fixed = values_known[place] if values_known else None
        if fixed is not None:
            values = numpy.maximum(values, fixed) if place in worst else values + fixed
        for case in clock.watched(all_cases if fixed is None else (), 10):
            rest = [goal_value(row, goal, place in worst) for owner, row in case.whole.items() if owner != name]
            if rest and place in worst:
                values[case.rows] = numpy.maximum(values[case.rows], max(rest))
            elif rest:
                values[case.rows] += sum(rest)
        if goal.quantity in ("cost", "fleet.cost") and goal.direction == "minimize":
            for wish in problem.preferences:
                if len(speaks_of(wish.condition)) != 1 and name in speaks_of(wish.condition):
                    values += numpy.where(_kept(problem, paid, wish.condition, others, most), 0, wish.worth)
        goals.append(values)
    costs = paid.costs.copy()
    base = sum(row.cost for row in all_cases[0].whole.values())
    for case in all_cases[1:]:
        costs[case.rows] = sum(row.cost for row in case.whole.values()) - base
    more = paid if (costs == paid.costs).all() else _paying(paid, costs)
    return RankColumns(tuple(goals), rank_columns(more, problem).ties, worst)


def _kept(problem: Problem, table: Table, condition: Expression, others: Mapping[str, Candidate], most: int) -> Column:
    """Return where a condition over several workloads holds with the others as they are; each case is asked once."""
    import numpy

    name = table.workload.name
    if not others:
        return numpy.ones(table.rows, dtype=bool)
    apart = list(by_condition(condition, table, numpy.arange(table.rows)))
    first, which = cases(apart or [numpy.zeros(table.rows, dtype=numpy.int64)])
    read = differing(table, condition)
    any_other = next(iter(others.values()))
    verdicts = numpy.zeros(len(first), dtype=bool)
    for place, case in enumerate(numpy.argsort(table.costs[first], kind="stable")[:most].tolist()):
        if place % 500 == 0:
            clock.look()
        own: dict[str, Value] = {}
        known: dict[str, Outcome] = {}
        for item, values in read.items():
            axis, number = table.axis(item), int(values[first[case]])
            if axis is not None:
                own[item] = axis.values[number]
            else:
                known[item] = value(item, number)
        mine = replace(
            any_other, workload=name, kind=table.workload.kind, choice=own, outcomes=known, defaults={}, broken=()
        )
        verdicts[case] = holds_together(condition, problem, {**others, name: mine})
    kept_rows: Column = verdicts[which]
    return kept_rows


def _broken_beside(
    problem: Problem, table: Table, before: Case, shared: list[Case], others: Mapping[str, Candidate], most: int
) -> Iterator[tuple[str, Column]]:
    """Yield the rules that a row breaks beside the others: limits of the plan, and rules of the others."""
    import numpy

    name = table.workload.name
    for bound in problem.fleet:
        where = numpy.zeros(table.rows, dtype=bool)
        for case in clock.watched((before, *shared), 10):
            rest = {owner: row for owner, row in case.whole.items() if owner != name}
            where[case.rows] = _over(problem, bound, table, rest)[case.rows]
        yield bound.rule, where
    taken = instances(problem, before.whole)
    for offer in problem.offers.limited:
        if offer.available is not None:
            pools = [index for index, pool in enumerate(table.pools) if pool[0] == offer.id]
            where = numpy.isin(table.pool, pools) & (table.instances + taken.get(offer.id, 0) > offer.available)
            for case in clock.watched(shared, 10):
                where[case.rows] = instances(problem, case.whole).get(offer.id, 0) > offer.available
            yield f"{offer.id}.available", where
    for rule in problem.rules:
        if len(speaks_of(rule.condition)) != 1 and name in speaks_of(rule.condition):
            yield rule.name, ~_kept(problem, table, rule.condition, others, most)
    for case in clock.watched(
        (before, *shared), 10
    ):  # whom nobody shares with any more pays more, and may break a rule of its own
        for lost in {item.rule for owner, row in case.whole.items() if owner != name for item in row.broken}:
            where = numpy.zeros(table.rows, dtype=bool)
            where[case.rows] = True
            yield lost, where


def _over(problem: Problem, bound: FleetBound, table: Table, rest: Mapping[str, Candidate]) -> Column:
    """Return where a bound of the plan does not hold; what nobody knows does not hold."""
    import numpy

    from planner.solve.fleet.rows import amount_column

    scale = SCALES.get(bound.quantity, 1)
    own = table.costs if bound.quantity == "cost" else amount_column(bound, table)
    taken = amount(bound, rest)
    if taken is None:
        return numpy.ones(table.rows, dtype=bool)
    have = own + int(taken * scale)
    edge = bound.value * scale
    low, high = max(-(2**61), floor(edge)), min(2**61, ceil(edge))
    good = {
        "<=": have <= low,
        "<": have < high,
        ">=": have >= high,
        ">": have > low,
        "!=": (have != low) | (low != high),
    }.get(bound.operator, (have == low) & (low == high))
    if bound.quantity in table.outcomes and bound.quantity != "cost":
        good = good & (table.outcome(bound.quantity) != UNKNOWN)
    where: Column = ~numpy.asarray(good)
    return where
