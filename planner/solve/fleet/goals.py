"""The objective and the tie-breaks as terms of a model: what is rented, the worst of all workloads, sums and ranks.

planner.solve.fleet.lexicographic minimizes them one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction

from planner.language.quantities.outcomes import MONEY
from planner.solve import clock
from planner.solve.candidate import aimed
from planner.solve.columns.steps import SCALES
from planner.solve.fleet.state import Fleet
from planner.solve.objective import HUGE, PACE, RENTED, WorstGoal, column, quantity_of, ties, worst_places

Terms = dict[int, int]
FEW = 24
"""A model of fewer classes is solved as it is."""
RANK_BITS = 48
"""How many bits of ranks one sum may hold: sums stay below 2^53."""


def live(fleet: Fleet, variable: int) -> bool:
    """Return whether a variable can be anything but 0."""
    return fleet.model.ranges[variable][1] > 0


def goal_terms(fleet: Fleet, place: int) -> Terms:
    """Return the terms of a goal or tie-break: what is rented, the worst of all workloads, or their sum."""
    goals = (*fleet.problem.goals, *ties(fleet.problem))
    goal = goals[place]
    sign = 1 if goal.direction == "minimize" else -1
    if place in worst_places(fleet.problem):
        return {_worst(fleet, place).variable: 1}
    if goal.quantity in ("cost", "fleet.cost"):
        return dict(fleet.cost) if sign == 1 else {index: -weight for index, weight in fleet.money.items()}
    out: Terms = {}
    for name, rows in fleet.rows.items():
        if goal.quantity == RENTED:
            table, possible = fleet.tables[name], fleet.sharing.possible[name]
            own = column(table, goal, fleet.problem)
            out |= {v: 0 if possible[row] else int(own[row]) for v, row in zip(fleet.takes[name], rows, strict=True)}
        else:
            out |= {variable: figure(fleet, name, at, place) for at, variable in enumerate(fleet.takes[name])}
    if goal.quantity == RENTED:
        out |= {instances: fleet.sizes[pool][0] for pool, instances in fleet.pools.items()}
    return out


def figure(fleet: Fleet, name: str, at: int, place: int) -> int:
    """Return what a take adds to a goal, in steps; of money what its share comes to."""
    goals = (*fleet.problem.goals, *ties(fleet.problem))
    share = fleet.shares[name][at]
    own = int(fleet.ranks[name].all[place][fleet.rows[name][at]])
    quantity = quantity_of(goals[place])
    if share is None or share == 1 or quantity not in MONEY or own in (0, HUGE, -HUGE):
        return own
    have = fleet.value(name, at, aimed(quantity) if aimed(quantity) in fleet.tables[name].outcomes else quantity)
    if not isinstance(have, Fraction):
        return HUGE
    penalty = int(fleet.penalties[name][fleet.rows[name][at]]) if quantity == "cost" else 0
    value = round(have * SCALES[quantity])
    return value + penalty if goals[place].direction == "minimize" else -value


def pace_ranks(fleet: Fleet, name: str, place: int) -> list[int]:
    """Return the time of each take's step, as its place among the times of its class."""
    figures = [int(fleet.ranks[name].all[place][row]) for row in fleet.rows[name]]
    order = {value: rank for rank, value in enumerate(sorted(set(figures)))}
    return [order[value] for value in figures]


def alphabetical_ranks(fleet: Fleet, name: str, pace: int) -> list[int]:
    """Return the place of each take's row in the alphabet; of several identical workloads the fastest comes first."""
    import numpy

    rows, paces = fleet.rows[name], pace_ranks(fleet, name, pace)
    named = fleet.tables[name].alphabetical(numpy.array(sorted(set(rows)), dtype=numpy.int64))
    order = {row: rank for rank, row in enumerate(named.tolist())}
    if fleet.many[name] == 1:
        return [order[row] for row in rows]
    both = sorted({(own, order[row]) for own, row in zip(paces, rows, strict=True)})
    rank = {pair: at for at, pair in enumerate(both)}
    return [rank[own, order[row]] for own, row in zip(paces, rows, strict=True)]


def in_order(fleet: Fleet, name: str) -> list[int]:
    """Return the rank of each take of a class: identical workloads take theirs in this order."""
    pace = len(fleet.problem.goals) + [goal.quantity for goal in ties(fleet.problem)].index(PACE)
    return alphabetical_ranks(fleet, name, pace)


def in_turn(fleet: Fleet, ranks: Callable[[str], list[int]], values: Callable[[], Sequence[int]]) -> Iterator[Terms]:
    """Yield what makes the ranks of workloads least, one after the other in the order of their names.

    Single workloads are put together into one sum, as many as its bits hold. Identical ones stand together at the place
    of the first: the least rank that one can have, as many of it as can be, and so on.
    """
    packed: list[tuple[list[int], list[int]]] = []
    bits = 0
    for name in sorted(fleet.rows):
        clock.look()
        both = [pair for pair in zip(fleet.takes[name], ranks(name), strict=True) if live(fleet, pair[0])]
        order = {rank: place for place, rank in enumerate(sorted({rank for _, rank in both}))}
        takes, own = [take for take, _ in both], [order[rank] for _, rank in both]
        if len(order) == 1:
            continue
        need = max(own).bit_length()
        single = fleet.many[name] == 1
        if packed and (not single or bits + need > RANK_BITS):
            yield _sum_of(packed)
            packed, bits = [], 0
        if single:
            packed.append((takes, own))
            bits += need
        else:
            yield from _one_by_one(fleet, name, takes, own, values)
    if packed:
        yield _sum_of(packed)


def _sum_of(packed: Sequence[tuple[list[int], list[int]]]) -> Terms:
    """Return ranks of single workloads as one sum, the first of them in its highest bits."""
    out: Terms = {}
    shift = 0
    for takes, ranks in reversed(packed):
        out |= {take: rank << shift for take, rank in zip(takes, ranks, strict=True)}
        shift += max(ranks).bit_length()
    return out


def _one_by_one(
    fleet: Fleet, name: str, takes: Sequence[int], ranks: Sequence[int], values: Callable[[], Sequence[int]]
) -> Iterator[Terms]:
    model, left = fleet.model, fleet.many[name]
    rest = dict(zip(takes, ranks, strict=True))
    if len(fleet.many) >= FEW:  # as many as can be of each rank in turn: no variables more, and mostly known already
        for rank in range(max(ranks)):
            mine = [take for take, own in rest.items() if own == rank and live(fleet, take)]
            if left and mine:
                yield dict.fromkeys(mine, -1)
                left -= sum(values()[take] for take in mine)
        return
    while left and len(set(rest.values())) > 1:
        one = {take: model.variable(0, 1) for take in rest}
        for take, chosen in one.items():
            model.row({chosen: 1, take: -1}, high=0)
        model.one_of(one.values())
        yield {chosen: rest[take] for take, chosen in one.items()}
        amounts = values()
        least = min(rank for take, rank in rest.items() if amounts[one[take]])
        mine = [take for take, rank in rest.items() if rank == least]
        yield dict.fromkeys(mine, -1)
        amounts = values()
        left -= sum(amounts[take] for take in mine)
        rest = {take: rank for take, rank in rest.items() if rank != least}


def _worst(fleet: Fleet, place: int) -> WorstGoal:
    """Return the variable that is no less than the level of any row taken, adding it where it is not there yet.

    Levels are the distinct figures of all rows from the least that the worst workload can have: whatever is lower
    decides nothing.
    """
    if place in fleet.worst:
        return fleet.worst[place]
    model = fleet.model
    figures = {name: [figure(fleet, name, at, place) for at in range(len(rows))] for name, rows in fleet.rows.items()}
    low = max(min(figures_of) for figures_of in figures.values())
    levels = tuple(sorted({low, *(value for figures_of in figures.values() for value in figures_of if value > low)}))
    level_of = {value: level for level, value in enumerate(levels)}
    variable = model.variable(0, len(levels) - 1)
    for name, figures_of in figures.items():
        by_level: dict[int, list[int]] = {}
        for take, value in zip(fleet.takes[name], figures_of, strict=True):
            if value > low:
                by_level.setdefault(level_of[value], []).append(take)
        most = fleet.many[name]
        if most == 1:
            model.row({**{take: level for level, takes in by_level.items() for take in takes}, variable: -1}, high=0)
            continue
        for level, takes in by_level.items():
            taken = model.variable(0, 1)
            model.row({**dict.fromkeys(takes, 1), taken: -most}, high=0)
            model.row({taken: level, variable: -1}, high=0)
    fleet.worst[place] = WorstGoal(variable, levels)
    return fleet.worst[place]
