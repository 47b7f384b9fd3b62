"""What a fleet is solved for, stage by stage: the objective, the tie-breaks, and ranks that make the choice one."""

from __future__ import annotations

from planner.solve.fleet import Fleet
from planner.solve.ranking import TIES, Worst, worst_places

RANK_BITS = 48
"""How many bits of alphabetical ranks one goal may hold: sums stay below 2^53."""


def goal_terms(fleet: Fleet, place: int) -> dict[int, int]:
    """Return a goal's terms: the cost of the fleet's instances, the worst of all workloads, or their sum."""
    goals = (*fleet.problem.goals, *TIES)
    if place in worst_places(fleet.problem):
        return {_worst(fleet, place).variable: 1}
    if goals[place].quantity in ("cost", "fleet.cost"):
        sign = 1 if goals[place].direction == "minimize" else -1
        return {index: sign * weight for index, weight in fleet.cost.items()}
    out: dict[int, int] = {}
    for name, rows in fleet.rows.items():
        column = fleet.ranks[name].all[place]
        out |= {v: int(column[row]) for v, row in zip(fleet.takes[name], rows, strict=True)}
    return out


def stages(fleet: Fleet) -> list[dict[int, int]]:
    """Return the terms of every stage; a tie-break that is a goal already is none."""
    goals = fleet.problem.goals
    counted = {(goal.quantity, goal.direction) for goal in goals} - {
        (goals[place].quantity, goals[place].direction) for place in worst_places(fleet.problem)
    }
    ties = [place for place, goal in enumerate(TIES, len(goals)) if (goal.quantity, goal.direction) not in counted]
    return [goal_terms(fleet, place) for place in (*range(len(goals)), *ties)] + rank_terms(fleet)


def rank_terms(fleet: Fleet) -> list[dict[int, int]]:
    """Return goals that make the choice one: alphabetical ranks, workload by workload, packed into few sums."""
    import numpy

    out: list[dict[int, int]] = []
    terms: dict[int, int] = {}
    bits = 0
    for name in sorted(fleet.rows, reverse=True):
        table, rows = fleet.tables[name], fleet.rows[name]
        named = table.alphabetical(numpy.array(rows, dtype=numpy.int64))
        order = {row: rank for rank, row in enumerate(named.tolist())}
        need = (max(1, len(rows) * len(fleet.members[name]))).bit_length() + 1
        if bits + need > RANK_BITS and terms:
            out.append(terms)
            terms, bits = {}, 0
        terms |= {v: order[row] << bits for v, row in zip(fleet.takes[name], rows, strict=True)}
        bits += need
    return [*reversed([*out, terms])]


def _worst(fleet: Fleet, place: int) -> Worst:
    """Return the variable that is no less than the level of any row taken, adding it where it is not there yet.

    Levels are the distinct figures of all rows from the least that the worst workload can have: whatever is lower
    decides nothing.
    """
    if place in fleet.worst:
        return fleet.worst[place]
    model = fleet.model
    figures = {name: [int(fleet.ranks[name].goals[place][row]) for row in rows] for name, rows in fleet.rows.items()}
    low = max(min(found) for found in figures.values())
    levels = tuple(sorted({low, *(value for found in figures.values() for value in found if value > low)}))
    level_of = {value: level for level, value in enumerate(levels)}
    variable = model.variable(0, len(levels) - 1)
    for name, found in figures.items():
        by_level: dict[int, list[int]] = {}
        for take, value in zip(fleet.takes[name], found, strict=True):
            if value > low:
                by_level.setdefault(level_of[value], []).append(take)
        most = len(fleet.members[name])
        if most == 1:
            model.row({**{take: level for level, takes in by_level.items() for take in takes}, variable: -1}, high=0)
            continue
        for level, takes in by_level.items():
            taken = model.variable(0, 1)
            model.row({**dict.fromkeys(takes, 1), taken: -most}, high=0)
            model.row({taken: level, variable: -1}, high=0)
    fleet.worst[place] = Worst(variable, levels)
    return fleet.worst[place]
