"""What depends on how workloads share instances: a workload's cost, and what follows from it.

Alone, a workload pays its instances; in a pool that several share, what they rent together is paid in proportion to
that (`sharing.py`): n instances of which K would be rented alone cost a row of k instances n × price × k / K.
An upper bound on such a cost is one row of the model. Whatever else reads such a share (another bound, a preference, a
goal) is known once n and K are: rows are split by the state (n, K) of their pool, and each part has one value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

from planner.language.expressions.linear import conjuncts, linear
from planner.language.problem import Bound, Goal, Preference, Problem, Rule
from planner.language.quantities.outcomes import APART, MONEY
from planner.record import dataclass
from planner.solve.candidate import aimed
from planner.solve.columns.steps import SCALES
from planner.solve.columns.table import Table
from planner.solve.objective import quantity_of, ties
from planner.solve.rent.sharing import Pool
from planner.solve.rules import reads, simple, speaks_of
from planner.syntax.tree import Expression

if TYPE_CHECKING:
    from planner.solve.columns.table import Column


BEHIND = {"total_cost": "duration", "cost_per_token": "throughput", **{name: name for name in APART}}
"""What of a row decides, with its share, an outcome that follows from the cost."""


@dataclass(frozen=True, slots=True)
class Cap:
    """An upper bound on the share of a workload: at most `edge` micro-dollars per hour, less where `strict`."""

    rule: str
    edge: Fraction
    strict: bool


@dataclass(frozen=True, slots=True)
class Shares:
    """What reads shares in a plan.

    `pools` are those that several workloads may use. By workload, `possible` says which rows may be shared, `caps` are
    upper bounds on cost, `bounds` and `rules` what else its own relations ask of money. `wishes` are the preferences
    about one workload's money. `split` are the workloads of which something other than a cap reads the share;
    unless that is `needed`, it is no more than a tie-break.
    """

    pools: frozenset[Pool]
    possible: Mapping[str, Column]
    caps: Mapping[str, tuple[Cap, ...]]
    bounds: Mapping[str, tuple[Bound, ...]]
    rules: Mapping[str, tuple[Rule, ...]]
    wishes: tuple[Preference, ...]
    split: frozenset[str]
    needed: bool

    @property
    def read(self) -> bool:
        """Whether anything but the cost of all workloads together depends on who shares what."""
        return bool(self.split) or any(self.caps.values())

    def apart(self, name: str) -> frozenset[str]:
        """The rules of a workload that its share decides."""
        names = {cap.rule for cap in self.caps[name]} | {bound.rule for bound in self.bounds[name]}
        return frozenset(names | {rule.name for rule in self.rules[name]})


def shares_of(problem: Problem, tables: Mapping[str, Table]) -> Shares:
    """Return which rows may be shared, and what reads their shares."""
    import numpy

    users: dict[Pool, int] = {}
    for table in tables.values():
        for index in numpy.flatnonzero(numpy.bincount(table.pool[table.slots > 0])).tolist():
            users[table.pools[index]] = users.get(table.pools[index], 0) + table.workload.copies
    pools = frozenset(pool for pool, count in users.items() if count > 1)
    possible = {}
    for name, table in tables.items():
        shared = numpy.array([pool in pools for pool in table.pools] or [False], dtype=bool)
        possible[name] = (table.slots > 0) & shared[table.pool] if table.rows else table.slots > 0
    some = frozenset(name for name, where in possible.items() if where.any())
    caps: dict[str, tuple[Cap, ...]] = {}
    bounds: dict[str, tuple[Bound, ...]] = {}
    rules: dict[str, tuple[Rule, ...]] = {}
    for name, table in tables.items():
        mine = name in some
        money = [bound for bound in table.workload.bounds if mine and bound.quantity in MONEY]
        capped = {bound.rule: cap for bound in money if (cap := _cap(bound.rule, bound)) is not None}
        own = [
            rule for rule in problem.rules if mine and speaks_of(rule.condition) == {name} and _money(rule.condition)
        ]
        for rule in own:
            bound = simple(rule.condition, name)
            cap = None if bound is None else _cap(rule.name, bound)
            if cap is not None:
                capped[rule.name] = cap
        bounds[name] = tuple(bound for bound in money if _cap(bound.rule, bound) is None)
        rules[name] = tuple(rule for rule in own if rule.name not in capped)
        named = {item.rule for item in bounds[name]} | {rule.name for rule in rules[name]}
        # a cap under a name that another kind of relation bears too is read with it
        bounds[name] += tuple(bound for bound in money if bound.rule in named and bound not in bounds[name])
        caps[name] = tuple(cap for rule, cap in sorted(capped.items()) if rule not in named)
    wishes = tuple(
        wish
        for wish in problem.preferences
        if len(speaks_of(wish.condition)) == 1 and speaks_of(wish.condition) <= some and _money(wish.condition)
    )
    split = {name for name in tables if bounds[name] or rules[name]}
    for wish in wishes:
        split |= speaks_of(wish.condition)
    split |= set(_read_together(problem, tables))
    needed = bool(split & some)
    split |= set(_read_by(ties(problem), tables))
    return Shares(
        pools=pools,
        possible=possible,
        caps=caps,
        bounds=bounds,
        rules=rules,
        wishes=wishes,
        split=frozenset(split) & some,
        needed=needed,
    )


def _cap(rule: str, bound: Bound) -> Cap | None:
    if bound.quantity != "cost" or bound.operator not in ("<=", "<") or not isinstance(bound.value, Fraction):
        return None
    return Cap(rule, bound.value * SCALES["cost"], bound.operator == "<")


def _money(condition: Expression) -> bool:
    return any(reads(condition, owner) & MONEY for owner in speaks_of(condition))


def _read_together(problem: Problem, tables: Mapping[str, Table]) -> Iterator[str]:
    """Yield the workloads whose money goals, bounds of the fleet and conditions over several workloads read."""
    yield from _read_by(problem.goals, tables)
    if any(bound.quantity in MONEY and bound.quantity != "cost" for bound in problem.fleet):
        yield from tables
    broad = [rule.condition for rule in problem.rules if len(speaks_of(rule.condition)) != 1]
    conditions = [item for condition in broad for item in conjuncts(condition) if not is_whole(item, tables)]
    conditions += [wish.condition for wish in problem.preferences if len(speaks_of(wish.condition)) != 1]
    for condition in conditions:
        yield from (owner for owner in speaks_of(condition) if reads(condition, owner) & MONEY)


def _read_by(goals: Iterable[Goal], tables: Mapping[str, Table]) -> Iterator[str]:
    """Yield the workloads whose money goals read, other than what all pay together."""
    for goal in goals:
        owner, name = goal.quantity.rpartition(".")[0], quantity_of(goal)
        if name in MONEY and (name != "cost" or owner not in ("", "fleet")):
            yield from tables if owner in ("", "fleet") else (owner,)


def is_whole(condition: Expression, tables: Mapping[str, Table]) -> bool:
    """Return whether a rule reads of money only the cost of all workloads together, with one factor."""
    form = linear(condition)
    if form is None:
        return False
    factors = {owner: factor for owner, quantity, factor in form.terms if quantity == "cost"}
    others = any(quantity in MONEY and quantity != "cost" for _, quantity, _ in form.terms)
    return not others and len(set(factors.values())) == 1 and set(factors) == set(tables)


def without_wishes(problem: Problem, shares: Shares) -> Problem:
    """Return a problem without the preferences that a share decides: no row alone says what they cost."""
    return replace(problem, preferences=tuple(wish for wish in problem.preferences if wish not in shares.wishes))


def alone_or_shared(
    tables: Mapping[str, Table], broken: Mapping[str, Mapping[str, Column]], shares: Shares
) -> dict[str, dict[str, Column]]:
    """Return where rules are broken however instances are shared: a cap only where no share keeps it, other rules about
    money only where nothing can be shared.

    A bound that some row breaks alone stays among the rules, for a conflict to name it.
    """
    import numpy

    out = {name: dict(faults) for name, faults in broken.items()}
    for name, table in tables.items():
        for cap in shares.caps[name]:
            if cap.rule in out[name] and table.rows:
                sizes = numpy.array(table.sizes, dtype=numpy.int64)[table.pool]
                least = table.costs // numpy.maximum(sizes, 1)  # the share of GPUs where all others are filled too
                out[name][cap.rule] = out[name][cap.rule] & ~(shares.possible[name] & (least <= cap.edge))
        for rule in shares.apart(name) - {cap.rule for cap in shares.caps[name]}:
            if rule in out[name]:
                out[name][rule] = out[name][rule] & ~shares.possible[name]
    return out


def kept_apart(problem: Problem, table: Table, shares: Shares, rows: Column) -> list[Column]:
    """Return columns of what shares are made of, which rows that stand for each other have in common: what they take of
    a pool, and what rules about their money read beside it."""
    import numpy

    if not shares.read:
        return []
    name = table.workload.name
    possible = shares.possible[name]
    out = [
        numpy.where(possible, table.pool.astype(numpy.int64) << 24 | table.gpus, -1),
        numpy.where(possible, table.instances, 0),
    ]
    if name not in shares.split:
        return out
    conditions = [rule.condition for rule in shares.rules[name]] + [wish.condition for wish in shares.wishes]
    conditions += [rule.condition for rule in problem.rules if _money(rule.condition)]
    conditions += [wish.condition for wish in problem.preferences if _money(wish.condition)]
    read = {quantity for condition in conditions for quantity in reads(condition, name)}
    read |= {bound.quantity for bound in shares.bounds[name]} | {bound.quantity for bound in problem.fleet}
    for quantity in sorted(read):
        if quantity in MONEY:
            behind = BEHIND.get(quantity, "")
            out += [table.outcome(behind)] if behind in table.outcomes else []
        elif (axis := table.axis(quantity)) is not None:
            out.append(axis.index)
        elif quantity in table.outcomes:
            out.append(table.outcome(quantity))
    return out


def limits_of(problem: Problem, table: Table, shares: Shares) -> list[Column]:
    """Return columns, less being better, that rows which stand for others must not have more of: with them a share of a
    total cost or of a cost per token is no larger."""
    if table.workload.name not in shares.split:
        return []
    goals = {quantity_of(goal) for goal in (*problem.goals, *ties(problem))}
    out = [table.outcome(aimed("duration"))] if "total_cost" in goals and "duration" in table.outcomes else []
    if "cost_per_token" in goals and "throughput" in table.outcomes:
        out.append(-table.outcome(aimed("throughput")))
    out += [table.outcome(aimed(name)) for name in APART if name in goals and name in table.outcomes]
    return out
