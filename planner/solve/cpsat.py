"""OR-Tools behind one adapter: choose one candidate a workload under shared limits, exactly, in integers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ortools.sat.python import cp_model


@dataclass(frozen=True, slots=True)
class Limit:
    """`sum of amount[w][c] over the chosen candidates <= most`; amounts by workload and candidate."""

    rule: str
    amounts: tuple[tuple[int, ...], ...]
    most: int


@dataclass(frozen=True, slots=True)
class Choice:
    """The candidate chosen for each workload, each goal's value and bound, and whether all are proven."""

    indices: tuple[int, ...]
    values: tuple[int, ...]
    bounds: tuple[int, ...]
    proven: bool


def choose(
    goals: Sequence[Sequence[Sequence[int]]], limits: Sequence[Limit], time_limit: float, workers: int
) -> Choice | None:
    """Minimise the goals one after the other; return None when the limits cannot all be kept.

    `goals[g][w][c]` is what candidate c of workload w adds to goal g. After each goal its sum is bounded by the
    optimum found, so that the last stage's answer is one answer for any number of workers.
    """
    model = cp_model.CpModel()
    sizes = [len(row) for row in goals[0]]
    chosen = [[model.new_bool_var(f"x{w}_{c}") for c in range(size)] for w, size in enumerate(sizes)]
    for row in chosen:
        model.add_exactly_one(row)
    for limit in limits:
        model.add(_sum(chosen, limit.amounts) <= limit.most)
    values: list[int] = []
    bounds: list[int] = []
    proven = True
    best: tuple[int, ...] | None = None
    for goal in goals:
        model.minimize(_sum(chosen, goal))
        solver = cp_model.CpSolver()
        solver.parameters.num_workers = workers
        solver.parameters.linearization_level = 2
        solver.parameters.random_seed = 0
        solver.parameters.max_time_in_seconds = time_limit
        status = solver.solve(model)
        if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            return None if best is None else Choice(best, tuple(values), tuple(bounds), False)
        best = tuple(next(c for c, x in enumerate(row) if solver.value(x)) for row in chosen)
        value = sum(goal[w][c] for w, c in enumerate(best))
        values.append(value)
        bounds.append(value if status == cp_model.OPTIMAL else int(solver.best_objective_bound))
        proven = proven and status == cp_model.OPTIMAL
        model.add(_sum(chosen, goal) <= value)
    assert best is not None
    return Choice(best, tuple(values), tuple(bounds), proven)


def _sum(chosen: Sequence[Sequence[cp_model.IntVar]], amounts: Sequence[Sequence[int]]) -> cp_model.LinearExprT:
    variables = [x for row in chosen for x in row]
    return cp_model.LinearExpr.weighted_sum(variables, [amount for row in amounts for amount in row])
