"""The best answer of a model, goal by goal: each is minimized and then held, so that the next one chooses only among
answers that are equal so far."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import gcd

from planner.record import dataclass
from planner.solve import clock, progress
from planner.solve.fleet import cpsat
from planner.solve.fleet.audit import Contradiction
from planner.solve.fleet.goals import FEW, Terms, alphabetical_ranks, figure, goal_terms, in_turn, live, pace_ranks
from planner.solve.fleet.state import Fleet
from planner.solve.objective import PACE, ties, worst_places

LARGE = 3_000
"""Where a model has more variables and no answer is known, any answer is looked for before the best."""


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
        max(figure(fleet, name, at, place) for name, at in _taken(fleet, best_values))
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
                progress.report(
                    fleet.problem.goals[0], incumbent if hint is None else _total(above, hint) + base, least
                )
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
            progress.report(fleet.problem.goals[0], values[0], bounds[0])
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
    from planner.solve.fleet import duals

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


def _taken(fleet: Fleet, values: Sequence[int]) -> Iterator[tuple[str, int]]:
    for name, takes in fleet.takes.items():
        for place, variable in enumerate(takes):
            if values[variable]:
                yield name, place


def _above_least(fleet: Fleet, terms: Terms) -> tuple[Terms, int]:
    """Return terms without what every row of a class weighs at least, and what that comes to: smaller numbers."""
    out, base = {variable: weight for variable, weight in terms.items() if fleet.model.ranges[variable] != (0, 0)}, 0
    for name, every in fleet.takes.items():
        takes = [take for take in every if live(fleet, take)]
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
        weights = {weight for variable in takes for weight in (rest.pop(variable, 0),) if live(fleet, variable)}
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
            yield from in_turn(fleet, lambda name: pace_ranks(fleet, name, pace), values)
        else:
            yield goal_terms(fleet, place)
    yield from in_turn(fleet, lambda name: alphabetical_ranks(fleet, name, pace), values)
