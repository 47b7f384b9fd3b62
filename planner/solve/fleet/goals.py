"""What a plan is solved for, stage by stage: the objective, the tie-breaks, and what makes the choice one.

Each stage is minimised and then held, so that the next one chooses only among answers that are equal so far.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from math import gcd

from planner.language.quantities.outcomes import MONEY
from planner.record import dataclass
from planner.solve import clock, so_far
from planner.solve.candidate import aimed
from planner.solve.columns.steps import SCALES
from planner.solve.fleet import cpsat, duals
from planner.solve.fleet.audit import Contradiction
from planner.solve.fleet.state import Fleet
from planner.solve.objective import HUGE, PACE, RENTED, WorstGoal, column, quantity_of, ties, worst_places

Terms = dict[int, int]
FEW = 24
"""A model of fewer classes is solved as it is."""
LARGE = 3_000
"""Where a model has more variables and no answer is known, any answer is looked for before the best."""
RANK_BITS = 48
"""How many bits of ranks one sum may hold: sums stay below 2^53."""


@dataclass(frozen=True, slots=True)
class Reached:
    """The values of all variables, each goal's value and bound in steps, and whether every stage was proven."""

    variables: tuple[int, ...]
    values: tuple[int, ...]
    bounds: tuple[int, ...]
    proven: bool


class NoAnswer(Exception):
    """No choice keeps every rule (`proven`), or none was found in time."""

    def __init__(self, proven: bool) -> None:
        """Say whether that is proven."""
        super().__init__()
        self.proven = proven


def descend(fleet: Fleet, seconds: Callable[[], float], workers: int = 1, incumbent: int | None = None) -> Reached:
    """Return the one best answer of a model, or the best found where time runs out; raise NoAnswer where there is none.

    The rows that hold each stage stay in the model, and what no answer as good can have is left out of it. `incumbent`
    is what the first goal is in some answer, in steps.
    """
    best: list[cpsat.Solution] = []
    values: list[int] = []
    bounds: list[int] = []
    try:
        proven = all(_descended(fleet, seconds, workers, best, values, bounds, incumbent))
    except clock.OutOfTime:
        if not best:
            raise
        proven = False  # what the stages before have found stands
    assert best
    best_values, worst = best[-1].values, worst_places(fleet.problem)
    last = [
        max(_figure(fleet, name, at, place) for name, at in _taken(fleet, best_values))
        if place in worst
        else sum(weight * best_values[variable] for variable, weight in goal_terms(fleet, place).items())
        for place in range(len(fleet.problem.goals))
    ]
    ends = [*bounds, *[-cpsat.INFINITY] * len(last)][: len(last)]
    for place in range(min(len(bounds), len(last))):
        if place in worst:
            ends[place] = fleet.worst[place].value(ends[place])
    return Reached(best_values, tuple(last), tuple(ends), proven)


def _descended(
    fleet: Fleet,
    seconds: Callable[[], float],
    workers: int,
    best: list[cpsat.Solution],
    values: list[int],
    bounds: list[int],
    incumbent: int | None,
) -> Iterator[bool]:
    """Yield of each stage whether its value is proven, adding what it finds to the lists; end after one that is not."""
    left_of_one, least = _takes_of_one(fleet), -cpsat.INFINITY
    if incumbent is None and len(fleet.model.ranges) > LARGE:
        some = cpsat.solve(fleet.model, {}, seconds=seconds() / 3, workers=workers)
        if some is not None:
            best.append(some)  # stands where time runs out before the first goal has one of its own
    for terms in _stages(fleet, lambda: best[-1].values if best else ()):
        if best and (seconds() <= 0 or not clock.left()):
            yield False
            return
        base = _constant(fleet, terms, left_of_one)
        if base is not None and best:  # nothing is left to choose here
            values.append(base)
            bounds.append(base)
            continue
        left = max(0.05, seconds())
        above, base = _above_least(fleet, terms)
        hint = best[-1].values if best else None
        most = incumbent - base if incumbent is not None and not values else None
        fleet.least = -cpsat.INFINITY
        reached = _narrowed(fleet, above, hint, most, left)
        if not values:
            least = fleet.least = fleet.least + base
            if len(fleet.many) >= FEW:
                so_far.tell(fleet.problem.goals[0], incumbent if hint is None else _total(above, hint) + base, least)
        if reached is not None:
            level, value = reached
            values.append(value + base)
            bounds.append(value + base)
            if not level:
                fleet.model.row(above, high=value)
            yield True
            continue
        solution = cpsat.solve(fleet.model, above, seconds=left, workers=workers, hint=hint)
        if solution is None:
            if not best:
                raise NoAnswer(bool(cpsat.infeasible(fleet.model, seconds=left)))
            if cpsat.infeasible(fleet.model, seconds=max(0.05, seconds())):
                raise Contradiction("the solver finds no answer where it has found one before")
            yield False
            return
        best.append(solution)
        values.append(solution.value + base)
        bounds.append(max(solution.bound + base, least) if not bounds else solution.bound + base)
        if len(values) == 1 and len(fleet.many) >= FEW:
            so_far.tell(fleet.problem.goals[0], values[0], bounds[0])
        if not solution.proven:
            yield False
            return
        held = _narrowed(fleet, above, solution.values, None, max(0.05, seconds()))
        if held is None or not held[0]:
            fleet.model.row(above, high=solution.value)
        if left_of_one is not None and terms.keys() <= set(fleet.takes[next(iter(fleet.takes))]):
            left_of_one = [take for take in left_of_one if terms.get(take, 0) <= values[-1]]
        yield True


def _total(terms: Terms, values: Sequence[int]) -> int:
    return sum(weight * values[variable] for variable, weight in terms.items() if variable < len(values))


def _narrowed(
    fleet: Fleet, above: Terms, hint: Sequence[int] | None, most: int | None, seconds: float
) -> tuple[bool, int] | None:
    """Leave out of a model what is in no answer that is as good as one that is known; where none can be better, return
    its value, and whether all that are left have it.

    `hint` are the variables of that answer; `most` is its value where only that is known. What none can be below is
    proven in whole numbers (planner.solve.fleet.duals).
    """
    if hint is not None and max(above, default=0) < len(hint):
        most = _total(above, hint)
    else:
        hint = None
    classes, step = len(fleet.many), gcd(*above.values()) or 1
    if most is None or classes < FEW:
        return None
    price_bound = duals.bound(fleet.model, classes, above)
    if price_bound is None:
        return None
    level = duals.narrow(fleet.model, classes, price_bound, most)
    if price_bound.whole(step) < most:
        dual = duals.relaxed(fleet.model, classes, above, seconds / 4)
        price_bound = None if not dual else duals.bound(fleet.model, classes, above, dual)
        if price_bound is None:
            return None
        duals.narrow(fleet.model, classes, price_bound, most)
        level = False
    fleet.least = price_bound.whole(step)
    return (level, most) if hint is not None and price_bound.whole(step) >= most else None


def _live(fleet: Fleet, variable: int) -> bool:
    """Return whether a variable can be anything but 0."""
    return fleet.model.ranges[variable][1] > 0


def _taken(fleet: Fleet, values: Sequence[int]) -> Iterator[tuple[str, int]]:
    for name, takes in fleet.takes.items():
        for place, variable in enumerate(takes):
            if values[variable]:
                yield name, place


def _above_least(fleet: Fleet, terms: Terms) -> tuple[Terms, int]:
    """Return terms without what every row of a class weighs at least, and what that comes to: smaller numbers."""
    out, base = {variable: weight for variable, weight in terms.items() if fleet.model.ranges[variable] != (0, 0)}, 0
    for name, every in fleet.takes.items():
        takes = [take for take in every if _live(fleet, take)]
        least = min((terms.get(take, 0) for take in takes), default=0)
        base += least * fleet.many[name]
        out |= {take: terms.get(take, 0) - least for take in takes}
    return out, base


def _takes_of_one(fleet: Fleet) -> list[int] | None:
    """Return the takes of the only workload, None where there are more."""
    (name, count), *others = fleet.many.items()
    return None if others or count > 1 else fleet.takes[name]


def _constant(fleet: Fleet, terms: Terms, left: Sequence[int] | None) -> int | None:
    """Return the value of terms that no choice changes: all takes of a class weigh the same, and nothing else does.

    `left` are the takes of an only workload that the stages before have left.
    """
    rest, total = dict(terms), 0
    for name, takes in fleet.takes.items():
        weights = {weight for variable in takes for weight in (rest.pop(variable, 0),) if _live(fleet, variable)}
        if left is not None:
            weights = {terms.get(variable, 0) for variable in left}
        if len(weights) != 1:
            return None
        total += weights.pop() * fleet.many[name]
    return None if any(rest.values()) else total


def _stages(fleet: Fleet, values: Callable[[], Sequence[int]]) -> Iterator[Terms]:
    """Yield the terms of every stage in turn; a tie-break that is a goal already is none.

    `values` are those of the variables after the stages before.
    """
    goals = fleet.problem.goals
    worst = worst_places(fleet.problem)
    counted = {(goal.quantity, goal.direction) for place, goal in enumerate(goals) if place not in worst}
    pace = len(goals) + [goal.quantity for goal in ties(fleet.problem)].index(PACE)
    for place in range(len(goals)):
        clock.look()
        yield goal_terms(fleet, place)
    for place, goal in enumerate(ties(fleet.problem), len(goals)):
        if (goal.quantity, goal.direction) in counted:
            continue
        if goal.quantity == PACE:
            yield from _in_turn(fleet, lambda name: _paces(fleet, name, pace), values)
        else:
            yield goal_terms(fleet, place)
    yield from _in_turn(fleet, lambda name: _places(fleet, name, pace), values)


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
            out |= {variable: _figure(fleet, name, at, place) for at, variable in enumerate(fleet.takes[name])}
    if goal.quantity == RENTED:
        out |= {instances: fleet.sizes[pool][0] for pool, instances in fleet.pools.items()}
    return out


def _figure(fleet: Fleet, name: str, at: int, place: int) -> int:
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


def _paces(fleet: Fleet, name: str, place: int) -> list[int]:
    """Return the time of each take's step, as its place among the times of its class."""
    figures = [int(fleet.ranks[name].all[place][row]) for row in fleet.rows[name]]
    order = {value: rank for rank, value in enumerate(sorted(set(figures)))}
    return [order[value] for value in figures]


def _places(fleet: Fleet, name: str, pace: int) -> list[int]:
    """Return the place of each take's row in the alphabet; of several identical workloads the fastest comes first."""
    import numpy

    rows, paces = fleet.rows[name], _paces(fleet, name, pace)
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
    return _places(fleet, name, pace)


def _in_turn(fleet: Fleet, ranks: Callable[[str], list[int]], values: Callable[[], Sequence[int]]) -> Iterator[Terms]:
    """Yield what makes the ranks of workloads least, one after the other in the order of their names.

    Single workloads are put together into one sum, as many as its bits hold. Identical ones stand together at the place
    of the first: the least rank that one can have, as many of it as can be, and so on.
    """
    packed: list[tuple[list[int], list[int]]] = []
    bits = 0
    for name in sorted(fleet.rows):
        clock.look()
        both = [pair for pair in zip(fleet.takes[name], ranks(name), strict=True) if _live(fleet, pair[0])]
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
            mine = [take for take, own in rest.items() if own == rank and _live(fleet, take)]
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
    figures = {name: [_figure(fleet, name, at, place) for at in range(len(rows))] for name, rows in fleet.rows.items()}
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
