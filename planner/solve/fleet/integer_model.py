"""One integer model of any plan: how many workloads take each row, and how many instances each pool rents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from planner.language.expressions.linear import conjuncts
from planner.language.problem import Problem
from planner.language.quantities.outcomes import MONEY
from planner.solve import clock
from planner.solve.classes import representatives
from planner.solve.columns import distinct
from planner.solve.columns.rules import penalties
from planner.solve.columns.table import Table
from planner.solve.fleet.dominance import Takes, one_of_each, uncoupled, undominated, worth_sharing
from planner.solve.fleet.rows import add_bound, add_rule, amount_column, forbid
from planner.solve.fleet.share_rows import add_caps, split
from planner.solve.fleet.solution import coupled
from planner.solve.fleet.state import Fleet
from planner.solve.objective import RankColumns
from planner.solve.rent.share_bounds import Shares, kept_apart, limits_of, shares_of, without_wishes
from planner.solve.rent.sharing import Pool
from planner.solve.rules import reads, speaks_of
from planner.syntax.tree import Expression

if TYPE_CHECKING:
    from planner.solve.columns.table import Column


def broad_rules(problem: Problem) -> list[tuple[str, Expression]]:
    """Return the `require`s over several workloads, by name."""
    return [(rule.name, rule.condition) for rule in problem.rules if len(speaks_of(rule.condition)) != 1]


def conditions_of(problem: Problem) -> list[Expression]:
    """Return the rules and preferences over several workloads, those that are joined one by one."""
    rules = [item for _, condition in broad_rules(problem) for item in conjuncts(condition)]
    return rules + [wish.condition for wish in problem.preferences if len(speaks_of(wish.condition)) != 1]


def wants_money_spent(problem: Problem) -> bool:
    """Return whether a rule over all workloads may ask for more to be spent, so that cheaper is not always better."""
    if any(bound.quantity in MONEY and bound.operator not in ("<=", "<") for bound in problem.fleet):
        return True
    return any(
        quantity in MONEY
        for condition in conditions_of(problem)
        for owner in speaks_of(condition)
        for quantity in reads(condition, owner)
    )


def takes_of(problem: Problem, table: Table, rows: Column, sharing: Shares, penalty: Column, cheapest: bool) -> Takes:
    """Return what rows of a table take of what is shared; `cheapest` is whether the lowest cost comes first."""
    import numpy

    read = [column for condition in conditions_of(problem) for column in distinct.by_condition(condition, table, rows)]
    read += kept_apart(problem, table, sharing, rows)
    amounts, lower = {}, {}
    for bound in problem.fleet:
        if bound.quantity in MONEY:
            continue
        if bound.operator in ("<=", "<", ">=", ">"):
            side = f"{bound.rule} {bound.operator}"  # two bounds may have one rule
            amounts[side], lower[side] = amount_column(bound, table), bound.operator in (">=", ">")
        else:
            read.append(amount_column(bound, table))
    money = any(bound.quantity == "cost" for bound in problem.fleet) and not (cheapest and not penalty.any())
    if wants_money_spent(problem):
        read.append(table.costs)
    limited = {offer.id for offer in problem.offers.limited}
    scarce = numpy.array([pool[0] in limited for pool in table.pools] or [False], dtype=bool)
    scarce = scarce[table.pool] if table.rows else numpy.zeros(0, dtype=bool)
    possible = sharing.possible[table.workload.name]
    return Takes(
        amounts=amounts,
        lower=lower,
        read=read,
        money=money,
        possible=possible,
        limited=scarce,
        limits=limits_of(problem, table, sharing),
        penalty=penalty,
    )


def build(
    problem: Problem,
    tables: Mapping[str, Table],
    fitting: Mapping[str, Column],
    ranks: Mapping[str, RankColumns],
    without: frozenset[str] = frozenset(),
    first: Mapping[str, Column] | None = None,
    bounded: Mapping[str, Column] | None = None,
) -> Fleet:
    """Return the integer model of a plan, leaving out the rules named in `without`.

    `first` puts a column before the objective of a workload; `bounded` is what will be asked to be less, so that no row
    that has less of it is lost to dominance.
    """
    members: dict[str, list[str]] = {}
    for name, twin in representatives(problem).items():
        members.setdefault(twin, []).append(name)
    sharing = shares_of(problem, tables)
    own = {name: penalties(tables[name], without_wishes(problem, sharing)) for name in members}
    many = {name: sum(tables[item].workload.copies for item in group) for name, group in members.items()}
    rows = _reduced(problem, tables, fitting, ranks, many, sharing, own, first, bounded)
    fleet = Fleet(
        problem=problem,
        tables=tables,
        ranks=ranks,
        members=members,
        many=many,
        rows=rows,
        sharing=sharing,
        penalties=own,
    )
    model = fleet.model
    for name, count in many.items():
        fleet.takes[name] = [model.variable(0, count) for _ in rows[name]]
        fleet.shares[name] = [None] * len(rows[name])
        model.row(dict.fromkeys(fleet.takes[name], 1), count, count)
    _rent(fleet, without)
    add_caps(fleet, without)
    split(fleet, without)
    for name, taken in fleet.takes.items():
        clock.look()
        for variable, row in zip(taken, fleet.rows[name], strict=True):
            fleet.cost[variable] = fleet.cost.get(variable, 0) + int(own[name][row])
    for index, price in fleet.money.items():
        fleet.cost[index] = fleet.cost.get(index, 0) + price
    for bound in problem.fleet:
        if bound.rule not in without:
            add_bound(fleet, bound)
    for rule, condition in broad_rules(problem):
        if rule not in without:
            for place, item in enumerate(conjuncts(condition)):
                add_rule(fleet, f"{rule}.{place}", item)
    for wish in problem.preferences:
        if len(speaks_of(wish.condition)) != 1 or wish in sharing.wishes:
            broken = model.variable(0, 1)
            fleet.cost[broken] = wish.worth
            forbid(fleet, wish.name, wish.condition, broken)
    return fleet


def _reduced(
    problem: Problem,
    tables: Mapping[str, Table],
    fitting: Mapping[str, Column],
    ranks: Mapping[str, RankColumns],
    many: Mapping[str, int],
    sharing: Shares,
    penalty: Mapping[str, Column],
    first: Mapping[str, Column] | None,
    bounded: Mapping[str, Column] | None,
) -> dict[str, list[int]]:
    """Return the rows that an optimum can need, by class (see planner.solve.fleet.dominance for why no other can)."""
    goal = next(iter(problem.goals), None)
    cheapest = goal is not None and goal.quantity in ("cost", "fleet.cost") and goal.direction == "minimize"
    cheapest = cheapest and not first and bounded is None and not wants_money_spent(problem) and not sharing.read
    sums = not any(keys.worst for keys in ranks.values())  # what is the worst of all couples them
    if sums and not coupled(problem, tables) and first is None and bounded is None:
        return {name: uncoupled(tables[name], fitting[name], ranks[name]).tolist() for name in many}
    takes, rows = {}, {}
    for name in many:
        clock.look()
        ahead = (first or {}).get(name)
        own = ranks[name] if ahead is None else ranks[name].led_by(ahead)
        takes[name] = takes_of(problem, tables[name], fitting[name], sharing, penalty[name], cheapest)
        if bounded is not None:
            takes[name].amounts["bounded"], takes[name].lower["bounded"] = bounded[name], False  # type: ignore[index]
        rows[name] = one_of_each(tables[name], fitting[name], own, takes[name])
    if cheapest:
        rows = worth_sharing(tables, rows, takes, many)
        rows = {name: undominated(tables[name], mine, takes[name]) for name, mine in rows.items()}
    return {name: mine.tolist() for name, mine in rows.items()}


def _rent(fleet: Fleet, without: frozenset[str]) -> None:
    """Add what is rented: instances of pools, exactly as many as what is taken of them fills; their prices; and what is
    available of each offer."""
    model = fleet.model
    used: dict[Pool, dict[int, int]] = {}
    rented: dict[str, dict[int, int]] = {}
    for name, rows in fleet.rows.items():
        clock.look()
        table, possible = fleet.tables[name], fleet.sharing.possible[name]
        for variable, row in zip(fleet.takes[name], rows, strict=True):
            pool = table.pools[int(table.pool[row])]
            if possible[row]:
                used.setdefault(pool, {})[variable] = int(table.gpus[row])
                fleet.sizes[pool] = table.sizes[int(table.pool[row])], table.prices[int(table.pool[row])]
            else:
                fleet.money[variable] = int(table.costs[row])
                rented.setdefault(pool[0], {})[variable] = int(table.instances[row])
    for pool, terms in used.items():
        size, price = fleet.sizes[pool]
        most = sum(weight * model.ranges[v][1] for v, weight in terms.items())
        instances = model.variable(0, -(-most // size))
        fleet.pools[pool] = instances
        fleet.money[instances] = price
        model.row({**terms, instances: -size}, low=1 - size, high=0)  # an instance that nobody uses is not rented
        rented.setdefault(pool[0], {})[instances] = 1
    for offer in fleet.problem.offers.limited:
        rule = f"{offer.id}.available"
        if offer.available is not None and offer.id in rented and rule not in without:
            model.row(rented[offer.id], high=offer.available)
