"""The optimum over candidates: alone where no shared limit binds, by CP-SAT where one does, with its proof."""

from __future__ import annotations

from fractions import Fraction

from planner.language.problem import Goal, Problem, Value
from planner.solve.candidate import Answer, Candidate, Conflict, Part, Solved

UNITS = {
    "cost": "USD/h",
    "memory": "bytes",
    "tpot": "s",
    "ttft": "s",
    "step_time": "s",
    "duration": "s",
    "total_cost": "USD",
    "throughput": "tok/s",
    "power": "W",
}
HUGE = 10**12
TOP = 5


def goal_value(candidate: Candidate, goal: Goal) -> int:
    """Return what a candidate adds to a goal, as an integer to be minimised (1e-6 of the quantity's unit)."""
    if goal.quantity == "cost":
        value = Fraction(candidate.cost + candidate.penalty)
    elif goal.quantity == "gpus":
        value = Fraction(candidate.gpus * 1_000_000)
    else:
        found = candidate.outcomes.get(goal.quantity)
        if found is None:
            return HUGE
        value = found * 1_000_000
    return round(value if goal.direction == "minimize" else -value)


def ties(goals: tuple[Goal, ...]) -> tuple[Goal, ...]:
    """Return the objective with the tie-break behind it: fewer GPUs, higher quality, more headroom."""
    more = (("gpus", "minimize"), ("quality", "maximize"), ("headroom", "maximize"))
    return (*goals, *(Goal(quantity, direction, None) for quantity, direction in more))


def choose(
    problem: Problem, candidates: dict[str, list[Candidate]], top: int, time_limit: float, workers: int
) -> Answer:
    """Return the proven answer, or the conflict that leaves none."""
    considered = sum(len(rows) for rows in candidates.values())
    fitting = {name: [row for row in rows if not row.broken] for name, rows in candidates.items()}
    empty = [name for name, rows in fitting.items() if not rows]
    if empty:
        conflict = tuple(
            item
            for name in empty
            for item in (minimal_conflict(candidates[name]) or [Conflict(f"{name}.offer", None, "no offer has it")])
        )
        return Answer("infeasible", (), (), conflict, None, considered)
    goals = ties(problem.goals)

    def key(row: Candidate) -> tuple[object, ...]:
        return (*(goal_value(row, goal) for goal in goals), row.name)

    ranked = {name: sorted(rows, key=key) for name, rows in fitting.items()}
    picked = {name: rows[0] for name, rows in ranked.items()}
    bounds: list[int] | None = None
    proven = True
    if not _within(problem, list(picked.values())):
        from planner.solve.fleet import settle

        settled = settle(problem, ranked, goals, time_limit, workers)
        if isinstance(settled, tuple):
            return Answer("infeasible", (), (), settled, None, considered)
        picked, bounds, proven = settled.picked, settled.bounds, settled.proven
    values = [sum(goal_value(row, goal) for row in picked.values()) for goal in problem.goals]
    objective = tuple(
        _part(goal, value, (bounds or values)[index])
        for index, (goal, value) in enumerate(zip(problem.goals, values, strict=True))
    )
    solved = tuple(
        Solved(
            picked[name],
            _alternatives(picked[name], ranked[name], top),
            _rejected(picked[name], candidates[name]),
        )
        for name in sorted(picked)
    )
    cost = sum(row.cost for row in picked.values())
    return Answer("optimal" if proven else "feasible", objective, solved, (), cost, considered)


def _part(goal: Goal, value: int, bound: int) -> Part:
    sign = 1 if goal.direction == "minimize" else -1
    scale = 1_000_000 * sign
    unit = UNITS.get(goal.quantity, "1")
    return Part(goal.quantity, goal.direction, Fraction(value, scale), Fraction(bound, scale), unit)


def _within(problem: Problem, rows: list[Candidate]) -> bool:
    from planner.solve.limits import limits

    return all(total(rows) <= most for _, total, most in limits(problem))


def _hardware(row: Candidate) -> tuple[str, int]:
    return row.gpu, row.gpus


def _alternatives(best: Candidate, ranked: list[Candidate], top: int) -> tuple[Candidate, ...]:
    """Return the next best answers on other hardware, one for each kind and number of GPUs."""
    seen = {_hardware(best)}
    out: list[Candidate] = []
    for row in ranked:
        if _hardware(row) not in seen and len(out) < top:
            seen.add(_hardware(row))
            out.append(row)
    return tuple(out)


def _rejected(best: Candidate, rows: list[Candidate]) -> tuple[Candidate, ...]:
    """Return cheaper hardware with the rules it breaks: of each, the choice that breaks the fewest by the least."""
    cheaper = [row for row in rows if row.broken and row.cost < best.cost]
    nearest: dict[tuple[str, int], Candidate] = {}
    for row in sorted(cheaper, key=lambda row: (len(row.broken), row.total - row.usable, row.cost, row.name)):
        nearest.setdefault(_hardware(row), row)
    return tuple(sorted(nearest.values(), key=lambda row: (row.cost, row.name)))[-TOP * 4 :]


def minimal_conflict(rows: list[Candidate]) -> list[Conflict]:
    """Return a minimal set of rules that no candidate keeps together, each with its smallest relaxation.

    Found by deletion: a rule stays only if the others can be kept together without it.
    """
    kept = sorted({item.rule for row in rows for item in row.broken})
    masks = {frozenset(item.rule for item in row.broken) for row in rows}
    for rule in list(kept):
        without = set(kept) - {rule}
        if not any(mask.isdisjoint(without) for mask in masks):
            kept.remove(rule)
    out: list[Conflict] = []
    for rule in kept:
        needs: list[Value] = []
        has: Value | None = None
        for row in rows:
            if {item.rule for item in row.broken} == {rule}:
                for item in row.broken:
                    has = item.has
                    if item.needs is not None:
                        needs.append(item.needs)
        numbers = [need for need in needs if isinstance(need, Fraction)]
        relax: Value | None = needs[0] if needs else None
        if numbers and isinstance(has, Fraction):
            limit = has
            relax = min(numbers, key=lambda need: abs(need - limit))
        out.append(Conflict(rule, relax, has))
    return out
