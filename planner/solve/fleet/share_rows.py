"""Shares of what workloads rent together as rows of the model: caps on them, and rows split by what a pool rents."""

from __future__ import annotations

from fractions import Fraction
from math import lcm

from planner.language.expressions.evaluate import compare
from planner.language.expressions.evaluate import holds as true
from planner.solve import clock
from planner.solve.candidate import TooWide
from planner.solve.fleet.state import Fleet, finder
from planner.solve.rent.share_bounds import Cap
from planner.solve.rent.sharing import Pool

STATES = 100_000
"""The most parts into which rows are split by who shares what."""
State = tuple[int, int]
"""Instances that a pool rents, and instances that its workloads would rent alone."""


def add_caps(fleet: Fleet, without: frozenset[str]) -> None:
    """Demand that who takes a row above its cap pays no more than that of the pool's price.

    The share of a row of k instances is n x price x k / K, where the pool rents n and its workloads would rent K alone.
    """
    alone: dict[Pool, int] = {}
    for name, rows in fleet.rows.items():
        table, twins = fleet.tables[name], fleet.many[name]
        caps = [cap for cap in fleet.sharing.caps[name] if cap.rule not in without]
        if not caps:
            continue
        for take, row in zip(fleet.takes[name], rows, strict=True):
            broken = [cap for cap in caps if not _below(Fraction(int(table.costs[row])), cap)]
            if not broken:
                continue
            pool = table.pools[int(table.pool[row])]
            rented = fleet.pools.get(pool)
            if not fleet.sharing.possible[name][row] or rented is None:
                fleet.model.row({take: 1}, high=0)
                continue
            taken = take
            if twins > 1:
                taken = fleet.model.variable(0, 1)
                fleet.model.row({take: 1, taken: -twins}, high=0)
            alone = alone or _rented_alone(fleet)
            price = fleet.sizes[pool][1] * int(table.instances[row])
            for cap in broken:
                times = lcm(cap.edge.denominator)
                weight, slack = price * times, price * times * fleet.model.ranges[rented][1] + 1
                edge = int(cap.edge * times)
                high = slack - 1 if cap.strict else slack
                fleet.model.row({rented: weight, alone[pool]: -edge, taken: slack}, high=high)


def _below(amount: Fraction, cap: Cap) -> bool:
    return amount < cap.edge if cap.strict else amount <= cap.edge


def _rented_alone(fleet: Fleet) -> dict[Pool, int]:
    """Return, by pool that workloads may share, a variable for the instances that they would rent each alone."""
    out = {}
    for pool, takers in _takers(fleet).items():
        terms = {take: count for take, count, _ in takers}
        out[pool] = fleet.model.variable(0, sum(count * fleet.model.ranges[take][1] for take, count in terms.items()))
        fleet.model.row({**terms, out[pool]: -1}, 0, 0)
    return out


def _takers(fleet: Fleet) -> dict[Pool, list[tuple[int, int, str]]]:
    """Return the variables that take of each pool, with the instances each would rent alone and its class."""
    out: dict[Pool, list[tuple[int, int, str]]] = {pool: [] for pool in fleet.pools}
    for name, rows in fleet.rows.items():
        clock.look()
        table, possible = fleet.tables[name], fleet.sharing.possible[name]
        for take, row in zip(fleet.takes[name], rows, strict=True):
            if possible[row]:
                out[table.pools[int(table.pool[row])]].append((take, int(table.instances[row]), name))
    return out


def split(fleet: Fleet, without: frozenset[str]) -> None:
    """Split the shareable rows of workloads whose share something reads: a part for each state of their pool, of which
    the rules of the workload about its money leave those that keep them.

    One state of a pool holds, which its rented instances and those that its workloads would rent alone name.
    """
    sharing, model = fleet.sharing, fleet.model
    names = [name for name in fleet.rows if name in sharing.split]
    if not names:
        return
    takers = _takers(fleet)
    states: dict[Pool, dict[State, int]] = {}
    count = 0
    for pool, taker_rows in takers.items():
        mine = sum(1 for _, _, name in taker_rows if name in sharing.split)
        if not mine:
            continue
        users, most = _users(fleet, taker_rows)
        few = min(users, most)
        count += mine * (few * (few + 1) // 2 + (most - few) * users)
        if count > STATES and not sharing.needed:
            return  # a tie-break then counts what each would pay alone
        if count > STATES:
            raise TooWide("shares", *names)
        states[pool] = dict.fromkeys(_states(users, most), 0)
    for pool, known in states.items():
        clock.look()
        for state in known:
            known[state] = model.variable(0, 1)
        model.row(dict.fromkeys(known.values(), 1), high=1)
        rented = {variable: state[0] for state, variable in known.items()}
        model.row({**rented, fleet.pools[pool]: -1}, 0, 0)
        alone = {variable: state[1] for state, variable in known.items()}
        model.row({**{take: -instances for take, instances, _ in takers[pool]}, **alone}, 0, 0)
    for name in names:
        _split_rows(fleet, name, states, without)


def _users(fleet: Fleet, takers: list[tuple[int, int, str]]) -> tuple[int, int]:
    """Return how many workloads may take of a pool, and the most instances that they would rent alone."""
    most: dict[str, int] = {}
    for _, instances, name in takers:
        most[name] = max(most.get(name, 0), instances)
    users = sum(fleet.many[name] for name in most)
    return users, sum(instances * fleet.many[name] for name, instances in most.items())


def _states(users: int, high: int) -> list[State]:
    """Return the states of a pool: m workloads that would rent K instances alone rent more than K - m together, since
    each fills all of its instances but a part of one."""
    return [(n, k) for k in range(1, high + 1) for n in range(max(1, k - users + 1), k + 1)]


def _split_rows(fleet: Fleet, name: str, states: dict[Pool, dict[State, int]], without: frozenset[str]) -> None:
    table, possible, twins = fleet.tables[name], fleet.sharing.possible[name], fleet.many[name]
    rows, takes = fleet.rows[name], fleet.takes[name]
    fleet.rows[name], fleet.takes[name], fleet.shares[name] = [], [], []
    for row, take in zip(rows, takes, strict=True):
        pool = table.pools[int(table.pool[row])]
        if not possible[row]:
            fleet.rows[name].append(row)
            fleet.takes[name].append(take)
            fleet.shares[name].append(None)
            continue
        clock.look()
        parts = {take: -1}
        for (rented, alone), holding in states[pool].items():
            if alone < int(table.instances[row]):
                continue
            fleet.rows[name].append(row)
            fleet.shares[name].append(Fraction(rented, alone))
            part = fleet.model.variable(0, twins)
            fleet.takes[name].append(part)
            fleet.model.row({part: 1, holding: -twins}, high=0)
            if not _keeps(fleet, name, len(fleet.rows[name]) - 1, without):
                fleet.model.row({part: 1}, high=0)
            parts[part] = 1
        fleet.model.row(parts, 0, 0)


def _keeps(fleet: Fleet, name: str, place: int, without: frozenset[str]) -> bool:
    """Return whether a part keeps the workload's own bounds and rules about its money."""
    bounds = [bound for bound in fleet.sharing.bounds[name] if bound.rule not in without]
    rules = [rule for rule in fleet.sharing.rules[name] if rule.name not in without]
    if not bounds and not rules:
        return True
    outcomes = fleet.outcomes(name, place)
    for bound in bounds:
        have = outcomes.get(bound.quantity)
        if have is None or not compare(bound.operator, have, bound.value):
            return False
    return all(true(rule.condition, finder(fleet, name, place)) for rule in rules)
