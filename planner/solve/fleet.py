"""Workloads that share a budget, GPUs, instances or a rule: one integer model, solved goal by goal, with its proof."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial
from math import floor, lcm
from typing import TYPE_CHECKING

from planner.catalog.catalog import Catalog
from planner.language.evaluate import evaluate
from planner.language.linear import Linear, Separable, conjuncts, linear, separable
from planner.language.problem import FleetBound, Measure, Problem
from planner.solve import clock, cpsat, shares, telling
from planner.solve.alike import alike
from planner.solve.candidate import Candidate, Conflict
from planner.solve.judge import judge_row
from planner.solve.logic import Rows, demand
from planner.solve.ranking import Keys, Worst, together
from planner.solve.reduce import Shared, reduced
from planner.solve.rules import measure, speaks_of
from planner.solve.scale import SCALES, UNKNOWN
from planner.solve.settled import Settled
from planner.solve.table import Table
from planner.solve.together import settle_costs
from planner.syntax.tree import Expression

if TYPE_CHECKING:
    from planner.solve.table import Column


@dataclass(slots=True)
class Fleet:
    """The integer model: for each class of alike workloads how many of them take each row, and instances of pools."""

    problem: Problem
    tables: Mapping[str, Table]
    ranks: Mapping[str, Keys]
    members: dict[str, list[str]]
    rows: dict[str, list[int]]
    model: cpsat.Model = field(default_factory=cpsat.Model)
    takes: dict[str, list[int]] = field(default_factory=dict)
    pools: dict[tuple[str, str], int] = field(default_factory=dict)
    cost: dict[int, int] = field(default_factory=dict)
    worst: dict[int, Worst] = field(default_factory=dict)


def broad_rules(problem: Problem) -> list[tuple[str, Expression]]:
    """Return the `require`s over several workloads, by name."""
    return [(rule.name, rule.condition) for rule in problem.rules if len(speaks_of(rule.condition)) != 1]


def conditions_of(problem: Problem) -> list[Expression]:
    """Return the rules and preferences over several workloads, those that are joined one by one."""
    rules = [item for _, condition in broad_rules(problem) for item in conjuncts(condition)]
    return rules + [wish.condition for wish in problem.preferences if len(speaks_of(wish.condition)) != 1]


_SIDES = {False: ("<=", "<", "="), True: (">=", ">", "=")}
"""The operators of a fleet bound that limit from above, and from below."""


def shared_of(problem: Problem, table: Table, rows: Column, cheapest: bool) -> Shared:
    """Return what rows of a table take of what is shared; their cost too where the cheapest does not come first."""
    told = [column for condition in conditions_of(problem) for column in telling.told(condition, table, rows)]
    bounds = [bound for bound in problem.fleet if bound.quantity != "cost"]
    # two bounds may have one rule; what equals a number is bounded from both sides
    sides = [(bound, side) for bound in bounds for side in (False, True) if bound.operator in _SIDES[side]]
    amounts = {f"{bound.rule} {side}": amount_column(bound, table) for bound, side in sides}
    lower = {f"{bound.rule} {side}": side for bound, side in sides}
    if not cheapest:
        amounts["cost"], lower["cost"] = table.costs, False
    limited = {offer.id for offer in problem.offers.limited}
    pools = frozenset(index for index, pool in enumerate(table.pools) if pool[0] in limited)
    return Shared(amounts, lower, told, pools)


def amount_column(bound: FleetBound, table: Table) -> Column:
    """Return what each row takes of a fleet bound's quantity, in steps."""
    import numpy

    if bound.quantity == "gpus":
        return table.gpus
    if bound.quantity == "available":
        axis = table.axes["gpu"]
        mine = numpy.array([name == bound.gpu for name in axis.values], dtype=bool)[axis.index]
        return numpy.where(mine, table.gpus, 0)
    if bound.quantity in table.axes:
        counts = table.axes[bound.quantity]
        return numpy.array([int(str(value)) for value in counts.values], dtype=numpy.int64)[counts.index]
    if bound.quantity not in table.outcomes:  # the other kind's: a bound is on the sum of the workloads that have it
        return numpy.zeros(table.rows, dtype=numpy.int64)
    found = table.outcome(bound.quantity)
    return numpy.where(found == UNKNOWN, 0, found)


def build(
    problem: Problem,
    tables: Mapping[str, Table],
    fitting: Mapping[str, Column],
    ranks: Mapping[str, Keys],
    without: frozenset[str] = frozenset(),
    first: Mapping[str, Column] | None = None,
    bounded: Mapping[str, Column] | None = None,
) -> Fleet:
    """Return the integer model of a fleet, leaving out the rules named in `without`.

    `first` puts a column before the objective of a workload; `bounded` is what will be asked to be less, so that no row
    that has less of it is lost to dominance.
    """
    members: dict[str, list[str]] = {}
    for name, alias in alike(problem).items():
        members.setdefault(alias, []).append(name)
    goal = next(iter(problem.goals), None)
    apart = shares.told(problem, tables, fitting)
    rows = {}
    for name in members:
        ahead = (first or {}).get(name)
        cheapest = ahead is None and goal is not None and goal.quantity == "cost" and goal.direction == "minimize"
        own = ranks[name] if ahead is None else ranks[name].led_by(ahead)
        clock.look()
        shared = shared_of(problem, tables[name], fitting[name], cheapest)
        if name in apart:
            shared = replace(shared, told=(*shared.told, apart[name]))
        if bounded is not None:
            amounts, lower = {**shared.amounts, "bounded": bounded[name]}, {**shared.lower, "bounded": False}
            shared = replace(shared, amounts=amounts, lower=lower)
        rows[name] = reduced(tables[name], fitting[name], own, shared, cheapest)
    fleet = Fleet(problem, tables, ranks, members, rows)
    model = fleet.model
    for name, group in members.items():
        fleet.takes[name] = [model.variable(0, len(group)) for _ in rows[name]]
        model.row(dict.fromkeys(fleet.takes[name], 1), len(group), len(group))
    _rent(fleet, without)
    shares.add_rows(fleet, without)
    for bound in problem.fleet:
        if bound.rule not in without:
            _bound(fleet, bound)
    for rule, condition in broad_rules(problem):
        if rule not in without:
            for place, item in enumerate(conjuncts(condition)):
                _rule(fleet, f"{rule}.{place}", item)
    for wish in problem.preferences:
        if len(speaks_of(wish.condition)) != 1:
            broken = model.variable(0, 1)
            fleet.cost[broken] = wish.worth
            _forbid(fleet, wish.name, wish.condition, broken)
    return fleet


def _rent(fleet: Fleet, without: frozenset[str]) -> None:
    """Add instances of what is shared, their prices, and what is available of each offer."""
    model = fleet.model
    used: dict[tuple[str, str], dict[int, int]] = {}
    alone: dict[str, dict[int, int]] = {}
    sizes: dict[tuple[str, str], tuple[int, int]] = {}
    for name, rows in fleet.rows.items():
        table = fleet.tables[name]
        for variable, row in zip(fleet.takes[name], rows, strict=True):
            pool = table.pools[int(table.pool[row])]
            penalty = _penalty(fleet, name, row)
            if table.slots[row]:
                used.setdefault(pool, {})[variable] = int(table.gpus[row])
                sizes[pool] = (table.sizes[int(table.pool[row])], table.prices[int(table.pool[row])])
                fleet.cost[variable] = penalty
            else:
                fleet.cost[variable] = int(table.costs[row]) + penalty
                alone.setdefault(pool[0], {})[variable] = int(table.instances[row])
    for pool, terms in used.items():
        size, price = sizes[pool]
        highest = {v: model.ranges[v][1] for v in terms}
        instances = model.variable(0, -(-sum(weight * highest[v] for v, weight in terms.items()) // size))
        fleet.pools[pool] = instances
        fleet.cost[instances] = price
        model.row({**terms, instances: -size}, high=0)
        alone.setdefault(pool[0], {})[instances] = 1
    for offer in fleet.problem.offers.limited:
        rule = f"{offer.id}.available"
        if offer.available is not None and offer.id in alone and rule not in without:
            model.row(alone[offer.id], high=offer.available)


def _penalty(fleet: Fleet, name: str, row: int) -> int:
    for goal, values in zip(fleet.problem.goals, fleet.ranks[name].goals, strict=True):
        if goal.quantity in ("cost", "fleet.cost") and goal.direction == "minimize":
            return int(values[row]) - int(fleet.tables[name].costs[row])
    return 0


def _money(fleet: Fleet) -> dict[int, int]:
    """Return the terms of what is rented, without the penalties of broken preferences."""
    out: dict[int, int] = {}
    for name, rows in fleet.rows.items():
        table = fleet.tables[name]
        for variable, row in zip(fleet.takes[name], rows, strict=True):
            if not table.slots[row]:
                out[variable] = int(table.costs[row])
    return out | {index: fleet.cost[index] for index in fleet.pools.values()}


def terms_of(fleet: Fleet, bound: FleetBound) -> dict[int, int]:
    """Return what every choice takes of a fleet bound's quantity, in steps."""
    if bound.quantity == "cost":
        return _money(fleet)
    out: dict[int, int] = {}
    for name, rows in fleet.rows.items():
        column = amount_column(bound, fleet.tables[name])
        out |= {v: int(column[row]) for v, row in zip(fleet.takes[name], rows, strict=True)}
    return out


def _bound(fleet: Fleet, bound: FleetBound) -> None:
    scale = SCALES.get(bound.quantity, 1)
    edge = bound.value * scale
    low, high = -cpsat.INFINITY, cpsat.INFINITY
    match bound.operator:
        case "<=":
            high = floor(edge)
        case "<":
            high = -floor(-edge) - 1
        case ">=":
            low = -floor(-edge)
        case ">":
            low = floor(edge) + 1
        case _:
            low, high = -floor(-edge), floor(edge)
    fleet.model.row(terms_of(fleet, bound), low, high)
    known_only(fleet, bound)


def known_only(fleet: Fleet, bound: FleetBound) -> None:
    """Bar rows whose part of a fleet bound's quantity nobody knows: it cannot be shown that they keep the bound."""
    barred: list[int] = []
    for name, rows in fleet.rows.items():
        table = fleet.tables[name]
        if bound.quantity in table.outcomes:
            own = table.outcome(bound.quantity)
            barred += [v for v, row in zip(fleet.takes[name], rows, strict=True) if own[row] == UNKNOWN]
    if barred:
        fleet.model.row(dict.fromkeys(barred, 1), high=0)


def _rule(fleet: Fleet, name: str, condition: Expression) -> None:
    clock.look()
    found = linear(condition)
    if found is not None and _linear_row(fleet, found):
        return
    parts = separable(condition)
    if parts is None or not _separable_row(fleet, parts):
        _forbid(fleet, name, condition, None)


def _linear_row(fleet: Fleet, rule: Linear) -> bool:
    """Add a linear rule as a row; return False where a quantity of it is no known number of every row."""
    names = set(fleet.tables)
    costs = {owner: factor for owner, quantity, factor in rule.terms if quantity == "cost"}
    whole = len(set(costs.values())) == 1 and set(costs) == names
    weights: dict[int, Fraction] = {}
    if whole:
        factor = next(iter(costs.values()))
        weights = {v: Fraction(w, SCALES["cost"]) * factor for v, w in _money(fleet).items()}
    constant = rule.constant
    representative = {member: first for first, group in fleet.members.items() for member in group}
    for owner, quantity, factor in rule.terms:
        if quantity == "cost" and whole:
            continue
        if representative.get(owner) != owner or len(fleet.members[owner]) > 1:
            return False
        table = fleet.tables[owner]
        if quantity not in table.axes and quantity not in table.outcomes:
            given = measure(quantity, table.workload, {}, {})
            if given is None or not isinstance(given.value, Fraction):
                return False
            constant -= factor * given.value
            continue
        for variable, row in zip(fleet.takes[owner], fleet.rows[owner], strict=True):
            have = telling.value_of(table, row, quantity)
            if not isinstance(have, Fraction):
                return False
            weights[variable] = weights.get(variable, Fraction(0)) + factor * have
    scale = lcm(constant.denominator, *(weight.denominator for weight in weights.values()))
    terms = {variable: int(weight * scale) for variable, weight in weights.items()}
    if any(abs(weight) > 2**50 for weight in terms.values()):
        return False
    edge = int(constant * scale)
    fleet.model.row(terms, edge if rule.operator == "==" else -cpsat.INFINITY, edge - (rule.operator == "<"))
    return True


def _separable_row(fleet: Fleet, rule: Separable) -> bool:
    """Add a sum of one term a workload as a row; return False where a term is not known of each row alone."""
    weights: dict[int, Fraction] = {}
    barred: list[int] = []
    for owner, term in rule.terms:
        if owner not in fleet.members or len(fleet.members[owner]) > 1:
            return False
        table = fleet.tables[owner]
        clock.look()
        for variable, row in zip(fleet.takes[owner], fleet.rows[owner], strict=True):

            def find(_: str, quantity: str, table: Table = table, row: int = row) -> Measure | None:
                have = telling.value_of(table, row, quantity)
                return None if have is None else Measure(have)

            found = evaluate(term, find)
            if found is None or not isinstance(found.value, Fraction):
                barred.append(variable)
            else:
                weights[variable] = found.value
    scale = lcm(rule.constant.denominator, *(weight.denominator for weight in weights.values()))
    terms = {variable: int(weight * scale) for variable, weight in weights.items()}
    if any(abs(weight) > 2**50 for weight in terms.values()):
        return False
    edge = int(rule.constant * scale)
    fleet.model.row(terms, edge if rule.operator == "==" else -cpsat.INFINITY, edge - (rule.operator == "<"))
    if barred:
        fleet.model.row(dict.fromkeys(barred, 1), high=0)
    return True


def _forbid(fleet: Fleet, condition_name: str, condition: Expression, broken: int | None) -> None:
    """Demand a condition, or let `broken` pay for it."""
    rows: Rows = {
        owner: [
            (variable, partial(telling.value_of, fleet.tables[owner], row))
            for variable, row in zip(fleet.takes[owner], fleet.rows[owner], strict=True)
        ]
        for owner in speaks_of(condition)
    }
    demand(fleet.model, rows, condition_name, condition, broken)


def settle(
    problem: Problem,
    tables: Mapping[str, Table],
    broken: Mapping[str, Mapping[str, Column]],
    fitting: Mapping[str, Column],
    ranks: Mapping[str, Keys],
    catalog: Catalog,
    seconds: float,
    workers: int,
) -> Settled | tuple[Conflict, ...] | None:
    """Return the proven choice, the conflict that leaves none, or None where time ran out before any."""
    from planner.solve.affordable import affordable
    from planner.solve.stages import stages
    from planner.solve.threshold import lead

    deadline = time.monotonic() + seconds
    fitting = affordable(problem, tables, fitting, ranks, workers)
    first = lead(problem, tables, fitting, ranks, deadline)
    fleet = build(first.problem, tables, first.fitting, first.ranks)
    count = len(first.problem.goals)
    terms_by_stage = stages(fleet)
    values: list[int] = []
    bounds: list[int] = []
    proven = first.proven
    hint: tuple[int, ...] | None = None
    for terms in terms_by_stage:
        if hint is not None and (time.monotonic() > deadline or not clock.left()):
            proven = False
            break
        left = max(0.05, deadline - time.monotonic())
        found = cpsat.solve(fleet.model, terms, seconds=left, workers=workers, hint=hint)
        if found is None:
            if hint is not None:
                proven = False
                break
            if cpsat.infeasible(fleet.model, seconds=left):
                if not all(table.thorough for table in tables.values()):
                    return ()  # what is not all there does not tell which rules conflict
                from planner.solve.fleet_conflict import conflict_of

                return conflict_of(problem, tables, broken, ranks, catalog, seconds)
            return None
        hint = found.values
        values.append(found.value)
        bounds.append(found.bound)
        proven = proven and found.proven
        fleet.model.row(terms, high=found.value)
    assert hint is not None
    rows = rows_of(fleet, hint)
    values = [sum(w * hint[v] for v, w in terms_by_stage[place].items()) for place in range(count)]
    bounds = [*bounds, *[-cpsat.INFINITY] * count][:count]
    for place, worst in fleet.worst.items():
        values[place] = together((int(first.ranks[name].goals[place][row]) for name, row in rows.items()), True)
        bounds[place] = worst.value(bounds[place])
    chosen = candidates(problem, tables, rows, catalog)
    return Settled(rows, chosen, [*first.values, *values], [*first.bounds, *bounds], proven)


def rows_of(fleet: Fleet, values: Sequence[int]) -> dict[str, int]:
    """Return each workload's row; members of a class take its rows in alphabetical order."""
    out: dict[str, int] = {}
    for name, group in fleet.members.items():
        table = fleet.tables[name]
        taken = [
            row
            for row, variable in zip(fleet.rows[name], fleet.takes[name], strict=True)
            for _ in range(values[variable])
        ]
        out |= dict(zip(sorted(group), sorted(taken, key=table.name), strict=True))
    return out


def candidates(
    problem: Problem, tables: Mapping[str, Table], rows: Mapping[str, int], catalog: Catalog
) -> dict[str, Candidate]:
    """Return the candidates of chosen rows with their shares of what they rent together."""
    chosen = {name: judge_row(problem, tables[name], row, catalog) for name, row in rows.items()}
    return settle_costs(problem, chosen)
