"""One integer model of any plan: how many workloads take each row, and how many instances each pool rents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from math import floor
from typing import TYPE_CHECKING

from planner.language.evaluate import evaluate
from planner.language.linear import Linear, Separable, conjuncts, linear, separable
from planner.language.problem import FleetBound, Measure, Problem, Value
from planner.solve import clock, cpsat, telling
from planner.solve.alike import alike
from planner.solve.candidate import Outcome, TooWide
from planner.solve.logic import Rows, demand
from planner.solve.ranking import Keys, Worst
from planner.solve.reduce import Takes, one_of_each, uncoupled, undominated, worth_sharing
from planner.solve.renting import MONEY
from planner.solve.rules import measure, reads, speaks_of
from planner.solve.scale import SCALES, UNKNOWN, common, value
from planner.solve.screen import penalties
from planner.solve.settled import coupled
from planner.solve.shares import Shares, is_whole, kept_apart, limits_of, survey, without_wishes
from planner.solve.table import Table
from planner.solve.together import paid
from planner.syntax.tree import Expression

if TYPE_CHECKING:
    from planner.solve.table import Column

Pool = tuple[str, str]
STATES = 100_000
"""The most parts into which rows are split by who shares what."""
LARGEST = 2**50
"""The largest weight of a rule's row: sums stay below 2^53."""


@dataclass(slots=True)
class Fleet:
    """The integer model: for each class of identical workloads how many of them take each row, and instances of pools.

    `rows`, `takes` and `shares` are parallel: a row, the variable that counts who takes it, and the part of its
    instances that they pay: None where nothing depends on it. `pools` are the variables of instances, `sizes` their
    GPUs and price; `cost` the terms of what is minimised as cost, `money` those of what is rented; `penalties` are the
    columns of what a row's own broken preferences cost.
    """

    problem: Problem
    tables: Mapping[str, Table]
    ranks: Mapping[str, Keys]
    members: dict[str, list[str]]
    rows: dict[str, list[int]]
    sharing: Shares
    penalties: dict[str, Column]
    model: cpsat.Model = field(default_factory=cpsat.Model)
    takes: dict[str, list[int]] = field(default_factory=dict)
    shares: dict[str, list[Fraction | None]] = field(default_factory=dict)
    pools: dict[Pool, int] = field(default_factory=dict)
    sizes: dict[Pool, tuple[int, int]] = field(default_factory=dict)
    cost: dict[int, int] = field(default_factory=dict)
    money: dict[int, int] = field(default_factory=dict)
    worst: dict[int, Worst] = field(default_factory=dict)

    def value(self, name: str, place: int, quantity: str) -> Value | Fraction | None:
        """Return what a take has of a quantity; of money what its share comes to."""
        table, row, share = self.tables[name], self.rows[name][place], self.shares[name][place]
        if share is None or share == 1 or quantity not in MONEY:
            return telling.value_of(table, row, quantity)
        return self.outcomes(name, place).get(quantity)

    def outcomes(self, name: str, place: int) -> dict[str, Outcome]:
        """Return what a take pays, and what that follows from."""
        table, row, share = self.tables[name], self.rows[name][place], self.shares[name][place]
        known = ("cost", "total_cost", "cost_per_token", "throughput", "duration")
        found = {item: value(item, int(table.outcome(item)[row])) for item in known if item in table.outcomes}
        return found if share is None else found | paid(found, share)


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

    read = [column for condition in conditions_of(problem) for column in telling.told(condition, table, rows)]
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
    return Takes(amounts, lower, read, money, possible, scarce, limits_of(problem, table, sharing), penalty)


def amount_column(bound: FleetBound, table: Table) -> Column:
    """Return what each row takes of a fleet bound's quantity, in steps; nothing of what its workload does not have."""
    import numpy

    if bound.quantity == "gpus":
        return table.gpus
    if bound.quantity == "available":
        axis = table.axes["gpu"]
        mine = numpy.array([name == bound.gpu for name in axis.values], dtype=bool)[axis.index]
        return numpy.where(mine, table.gpus, 0)
    if bound.quantity in table.axes:
        counts = table.axes[bound.quantity]
        return numpy.array([int(str(value)) for value in counts.values] or [0], dtype=numpy.int64)[counts.index]
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
    """Return the integer model of a plan, leaving out the rules named in `without`.

    `first` puts a column before the objective of a workload; `bounded` is what will be asked to be less, so that no row
    that has less of it is lost to dominance.
    """
    members: dict[str, list[str]] = {}
    for name, twin in alike(problem).items():
        members.setdefault(twin, []).append(name)
    sharing = survey(problem, tables)
    own = {name: penalties(tables[name], without_wishes(problem, sharing)) for name in members}
    rows = _reduced(problem, tables, fitting, ranks, members, sharing, own, first, bounded)
    fleet = Fleet(problem, tables, ranks, members, rows, sharing, own)
    model = fleet.model
    for name, group in members.items():
        fleet.takes[name] = [model.variable(0, len(group)) for _ in rows[name]]
        fleet.shares[name] = [None] * len(rows[name])
        model.row(dict.fromkeys(fleet.takes[name], 1), len(group), len(group))
    _rent(fleet, without)
    from planner.solve.share_rows import add_caps, split

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
            _bound(fleet, bound)
    for rule, condition in broad_rules(problem):
        if rule not in without:
            for place, item in enumerate(conjuncts(condition)):
                _rule(fleet, f"{rule}.{place}", item)
    for wish in problem.preferences:
        if len(speaks_of(wish.condition)) != 1 or wish in sharing.wishes:
            broken = model.variable(0, 1)
            fleet.cost[broken] = wish.worth
            _forbid(fleet, wish.name, wish.condition, broken)
    return fleet


def _reduced(
    problem: Problem,
    tables: Mapping[str, Table],
    fitting: Mapping[str, Column],
    ranks: Mapping[str, Keys],
    members: Mapping[str, list[str]],
    sharing: Shares,
    penalty: Mapping[str, Column],
    first: Mapping[str, Column] | None,
    bounded: Mapping[str, Column] | None,
) -> dict[str, list[int]]:
    """Return the rows that an optimum can need, by class (see planner.solve.reduce for why no other can)."""
    goal = next(iter(problem.goals), None)
    cheapest = goal is not None and goal.quantity in ("cost", "fleet.cost") and goal.direction == "minimize"
    cheapest = cheapest and not first and bounded is None and not wants_money_spent(problem) and not sharing.read
    sums = not any(keys.worst for keys in ranks.values())  # what is the worst of all couples them
    if sums and not coupled(problem, tables) and first is None and bounded is None:
        return {name: uncoupled(tables[name], fitting[name], ranks[name]).tolist() for name in members}
    takes, rows = {}, {}
    for name in members:
        clock.look()
        ahead = (first or {}).get(name)
        own = ranks[name] if ahead is None else ranks[name].led_by(ahead)
        takes[name] = takes_of(problem, tables[name], fitting[name], sharing, penalty[name], cheapest)
        if bounded is not None:
            takes[name].amounts["bounded"], takes[name].lower["bounded"] = bounded[name], False  # type: ignore[index]
        rows[name] = one_of_each(tables[name], fitting[name], own, takes[name])
    if cheapest:
        rows = worth_sharing(tables, rows, takes, {name: len(group) for name, group in members.items()})
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


def terms_of(fleet: Fleet, bound: FleetBound) -> dict[int, int]:
    """Return what every choice takes of a fleet bound's quantity, in steps."""
    if bound.quantity == "cost":
        return dict(fleet.money)
    out: dict[int, int] = {}
    for name, rows in fleet.rows.items():
        if bound.quantity in MONEY:
            scale = SCALES[bound.quantity]
            for place, variable in enumerate(fleet.takes[name]):
                have = fleet.value(name, place, bound.quantity)
                out[variable] = int(have * scale) if isinstance(have, Fraction) else 0
            continue
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
    if is_whole(condition, fleet.tables):
        raise TooWide(f"`{name.rpartition('.')[0]}` cannot be counted exactly; state rounder numbers")
    parts = separable(condition)
    if parts is None or not _separable_row(fleet, parts):
        _forbid(fleet, name, condition, None)


def _linear_row(fleet: Fleet, rule: Linear) -> bool:
    """Add a linear rule as a row; return False where a quantity of it is no known number of every row."""
    names = set(fleet.tables)
    costs = {owner: factor for owner, quantity, factor in rule.terms if quantity == "cost"}
    whole = len(set(costs.values())) == 1 and set(costs) == names
    weights: dict[int, Fraction] = {}
    barred: set[int] = set()
    if whole:
        factor = next(iter(costs.values()))
        weights = {v: Fraction(w, SCALES["cost"]) * factor for v, w in fleet.money.items()}
    constant = rule.constant
    representative = {member: first for first, group in fleet.members.items() for member in group}
    for owner, quantity, factor in rule.terms:
        if quantity == "cost" and whole:
            continue
        if representative.get(owner) != owner or len(fleet.members[owner]) > 1:
            return False
        table = fleet.tables[owner]
        if table.axis(quantity) is None and quantity not in table.outcomes:
            given = measure(quantity, table.workload, {}, {})
            if given is None or not isinstance(given.value, Fraction):
                return False
            constant -= factor * given.value
            continue
        for place, variable in enumerate(clock.watched(fleet.takes[owner], 1000)):
            have = fleet.value(owner, place, quantity)
            if isinstance(have, Fraction):
                weights[variable] = weights.get(variable, Fraction(0)) + factor * have
            elif have is None:
                barred.add(variable)  # what nobody knows keeps no bound
            else:
                return False
    scale = common([constant, *weights.values()], LARGEST)
    if scale is None:
        return False
    terms = {variable: int(weight * scale) for variable, weight in weights.items()}
    if any(abs(weight) > LARGEST for weight in terms.values()):
        return False
    edge = int(constant * scale)
    fleet.model.row(terms, edge if rule.operator == "==" else -cpsat.INFINITY, edge - (rule.operator == "<"))
    if barred:
        fleet.model.row(dict.fromkeys(barred, 1), high=0)
    return True


def _separable_row(fleet: Fleet, rule: Separable) -> bool:
    """Add a sum of one term a workload as a row; return False where a term is not known of each row alone."""
    weights: dict[int, Fraction] = {}
    barred: list[int] = []
    for owner, term in rule.terms:
        if owner not in fleet.members or len(fleet.members[owner]) > 1:
            return False
        for place, variable in enumerate(clock.watched(fleet.takes[owner])):
            found = evaluate(term, finder(fleet, owner, place))
            if found is None or not isinstance(found.value, Fraction):
                barred.append(variable)
            else:
                weights[variable] = found.value
    scale = common([rule.constant, *weights.values()], LARGEST)
    if scale is None:
        return False
    terms = {variable: int(weight * scale) for variable, weight in weights.items()}
    if any(abs(weight) > LARGEST for weight in terms.values()):
        return False
    edge = int(rule.constant * scale)
    fleet.model.row(terms, edge if rule.operator == "==" else -cpsat.INFINITY, edge - (rule.operator == "<"))
    if barred:
        fleet.model.row(dict.fromkeys(barred, 1), high=0)
    return True


def _forbid(fleet: Fleet, condition_name: str, condition: Expression, broken: int | None) -> None:
    """Demand a condition, or let `broken` pay for it."""
    rows: Rows = {
        owner: [(variable, partial(fleet.value, owner, place)) for place, variable in enumerate(fleet.takes[owner])]
        for owner in speaks_of(condition)
    }
    demand(fleet.model, rows, condition_name, condition, broken)


def finder(fleet: Fleet, owner: str, place: int) -> Callable[[str, str], Measure | None]:
    """Return a lookup of what a take has."""

    def find(_: str, quantity: str) -> Measure | None:
        have = fleet.value(owner, place, quantity)
        return None if have is None else Measure(have)

    return find
