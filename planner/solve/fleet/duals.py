"""What no answer can be below, proven in whole numbers: prices on what workloads share, and what they leave undecided.

Give each row of the model that joins classes a price y, and add y × (what an answer takes of the row beyond its limit)
to what is minimised: of any answer that keeps the row that is no more than before. Without these rows each class is a
choice of its own, so the least of the sum is the sum of the least of each class: a bound, for any prices. An answer
that takes a row r of the model pays at least the bound and what r has above the least of its class. Where that is more
than an answer that is known, r is in no better one and in none that is as good.

Good prices are the duals of the linear relaxation (OR-Tools' GLOP, in floating point). They are rounded to whole parts
of a step; whatever they are, the bound is counted in integers, so that nothing rests on them but how near it comes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from planner.record import dataclass
from planner.solve import clock
from planner.solve.fleet.cpsat import INFINITY, IntegerModel

PARTS = 1 << 10
"""Prices are counted in such parts of a step."""
MOST = 2**60
"""No weight that a price is put on is larger."""
NONE: Mapping[int, int] = {}
"""No price on anything."""


@dataclass(frozen=True, slots=True)
class PriceBound:
    """What a sum cannot be below, in parts of a step, and by how much a variable's weight is above the least of its
    class, or above nothing where it is of no class."""

    least: int
    above: Sequence[int]

    def whole(self, step: int) -> int:
        """Return the bound as a sum of multiples of a step."""
        return -(-self.least // (PARTS * step)) * step


def bound(
    model: IntegerModel, classes: int, objective: Mapping[int, int], prices: Mapping[int, int] = NONE
) -> PriceBound | None:
    """Return the bound by prices in parts of a step, by row; the first rows of a model are its `classes`.

    None where a variable without an end makes it boundless.
    """
    above = [0] * len(model.ranges)
    for variable, weight in objective.items():
        above[variable] = weight * PARTS
    least = 0
    for place, price in prices.items():
        terms, low, high = model.rows[place]
        edge = high if price > 0 else low
        if price == 0 or abs(edge) >= INFINITY:
            continue
        least -= price * edge
        for variable, weight in terms.items():
            above[variable] += price * weight
    joined = [False] * len(above)
    for terms, count, _ in model.rows[:classes]:
        live = [variable for variable in terms if model.ranges[variable][1] > 0]
        lowest = min((above[variable] for variable in live), default=0)
        least += lowest * count
        for variable in terms:
            joined[variable] = True
            above[variable] -= lowest
    for variable, (low, high) in enumerate(model.ranges):
        weight = above[variable]
        if not joined[variable] and weight and (low or high):
            end = low if weight > 0 else high
            if abs(end) >= INFINITY:
                return None
            least += weight * end
    return PriceBound(least, above)


def narrow(model: IntegerModel, classes: int, price_bound: PriceBound, most: int) -> bool:
    """Leave out of a model what no answer of at most so much can have, and return whether all that is left of every
    class weighs the same and nothing else adds anything."""
    spare = most * PARTS - price_bound.least
    joined: set[int] = set()
    level = True
    for terms, _, _ in model.rows[:classes]:
        for variable in terms:
            joined.add(variable)
            low, high = model.ranges[variable]
            over = price_bound.above[variable]
            if high > low and over > 0:
                model.ranges[variable] = low, min(high, low + spare // over)
                level = level and model.ranges[variable][1] <= 0
    for variable, (low, high) in enumerate(model.ranges):
        over = price_bound.above[variable]
        if variable in joined or not over or high <= low:
            continue
        if over > 0:
            model.ranges[variable] = low, min(high, low + spare // over)
        else:
            model.ranges[variable] = max(low, high - spare // -over), high
        level = level and model.ranges[variable][0] == model.ranges[variable][1]
    return level


def relaxed(model: IntegerModel, classes: int, objective: Mapping[int, int], seconds: float) -> dict[int, int] | None:
    """Return the duals of the linear relaxation as prices of rows that join classes; None where there are none."""
    from ortools.linear_solver import pywraplp

    solver: Any = pywraplp.Solver.CreateSolver("GLOP")
    if solver is None:
        return None
    largest = max((abs(weight) for weight in objective.values()), default=1) or 1
    infinite = solver.infinity()
    live = {
        variable: solver.NumVar(low, high if high < INFINITY else infinite, "")
        for variable, (low, high) in enumerate(model.ranges)
        if low or high
    }
    rows: list[Any] = []
    for number, (terms, low, high) in enumerate(model.rows):
        if number % 200 == 0:
            clock.look()
        row = solver.Constraint(low if low > -INFINITY else -infinite, high if high < INFINITY else infinite)
        for variable, weight in terms.items():
            if variable in live:
                row.SetCoefficient(live[variable], weight)
        rows.append(row)
    goal = solver.Objective()
    goal.SetMinimization()
    for variable, weight in objective.items():
        if variable in live:
            goal.SetCoefficient(live[variable], weight / largest)
    solver.SetTimeLimit(max(50, int(1000 * min(seconds, clock.left()))))
    if solver.Solve() != pywraplp.Solver.OPTIMAL:
        return None
    out = {}
    for place in range(classes, len(rows)):
        price = -round(rows[place].dual_value() * largest * PARTS)
        _, low, high = model.rows[place]
        if price and abs(price) < MOST and abs(high if price > 0 else low) < INFINITY:
            out[place] = price
    return out
