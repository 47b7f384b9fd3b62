"""Every plan is decided here: one integer model, solved goal by goal, and its answer checked in exact integers."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from planner.catalog.catalog import Catalog
from planner.language.copies import numbered, regrouped
from planner.language.problem import Problem
from planner.language.quantities.outcomes import MONEY
from planner.solve import clock
from planner.solve.answer import Conflict
from planner.solve.candidate import Candidate, TooWide, times
from planner.solve.classes import renamed
from planner.solve.columns.rules import penalties
from planner.solve.columns.table import Table
from planner.solve.fleet import cpsat
from planner.solve.fleet.audit import Contradiction, audit, goal_values
from planner.solve.fleet.dominance import least_part
from planner.solve.fleet.greedy import Incumbent, incumbent
from planner.solve.fleet.integer_model import build
from planner.solve.fleet.lexicographic import NoAnswer, descend
from planner.solve.fleet.solution import FleetSolution, coupled
from planner.solve.fleet.state import Fleet
from planner.solve.kinds import judge_row
from planner.solve.objective import RankColumns, best, is_worst, quantity_of, together
from planner.solve.rent.share_bounds import shares_of, without_wishes
from planner.solve.rent.sharing import allocate_costs, broken_together

if TYPE_CHECKING:
    from planner.solve.columns.table import Column


KEPT = 0.1
"""The part of the time that is kept for what an answer says beside the choice itself."""


def optimize(
    problem: Problem,
    tables: Mapping[str, Table],
    broken: Mapping[str, Mapping[str, Column]],
    fitting: Mapping[str, Column],
    ranks: Mapping[str, RankColumns],
    catalog: Catalog,
    seconds: float,
    workers: int,
) -> FleetSolution | tuple[Conflict, ...] | None:
    """Return the proven choice, the conflict that leaves none, or None where time ran out before any.

    Where it runs out before the solver has any, a choice for each workload apart stands, if it keeps every rule.
    """
    from planner.solve.fleet.cost_cutoff import affordable
    from planner.solve.fleet.worst_first import limit_worst

    deadline = time.monotonic() + (1 - KEPT) * min(seconds, clock.left())
    joint = coupled(problem, tables)
    ahead = incumbent(problem, tables, fitting) if joint else None
    known = None if ahead is None else ahead.value
    fleet: Fleet | None = None
    try:
        some = affordable(problem, tables, fitting, ranks, workers, known) if joint else fitting
        first = limit_worst(problem, tables, some, ranks, deadline)
        fleet = build(first.problem, tables, first.fitting, first.ranks)
        reached = descend(fleet, lambda: deadline - time.monotonic(), workers, known)
    except clock.OutOfTime:
        if clock.stopped():
            raise
        return fallback(problem, tables, fitting, ranks, catalog, ahead, fleet)
    except TooWide as reason:  # what is best apart may still keep every rule together
        best_apart = fallback(problem, tables, fitting, ranks, catalog, ahead, fleet)
        if best_apart is None:
            raise
        return replace(best_apart, refusal=reason.excess)
    except NoAnswer as nothing:
        if not nothing.proven:
            return fallback(problem, tables, fitting, ranks, catalog, ahead, fleet)
        if ahead is not None:
            raise Contradiction("the solver finds no answer where there is one") from nothing
        if not all(table.thorough for table in tables.values()):
            return ()  # what is not all there does not tell which rules conflict
        from planner.solve.fleet.conflict import conflict_of

        return conflict_of(problem, tables, broken, ranks, catalog, seconds)
    whole, rows, chosen = candidates(problem, tables, rows_of(fleet, reached.variables), catalog)
    values, bounds = (*first.values, *reached.values), (*first.bounds, *reached.bounds)
    audit(whole, chosen, values)
    return FleetSolution(whole, rows, chosen, values, bounds, first.proven and reached.proven)


def fallback(
    problem: Problem,
    tables: Mapping[str, Table],
    fitting: Mapping[str, Column],
    ranks: Mapping[str, RankColumns],
    catalog: Catalog,
    ahead: Incumbent | None = None,
    fleet: Fleet | None = None,
) -> FleetSolution | None:
    """Return the best choice of those for each workload apart that keeps every rule together, None where none does:
    the best by the objective, the cheapest, and the one with the fewest GPUs; or the one that was known `ahead`.

    `fleet` is the model, as far as it was solved: what its first goal cannot be below may be known."""
    settled: list[FleetSolution] = []
    if ahead is not None:
        whole, rows, chosen = candidates(problem, tables, ahead.taken, catalog)
        values = goal_values(whole, chosen)
        proven = -cpsat.INFINITY if fleet is None else fleet.least
        least = max(proven, _least(problem, tables, fitting, ranks))
        bounds = [least, *[-cpsat.INFINITY] * len(values)][: len(values)]
        if any(row.broken for row in chosen.values()) or broken_together(whole, chosen) or values[0] != ahead.value:
            raise Contradiction("an answer that was known is none")
        return FleetSolution(whole, rows, chosen, values, bounds, False)
    for order in (lambda name: (), lambda name: (tables[name].costs,), lambda name: (tables[name].gpus,)):
        rows = {name: best(fitting[name], (*order(name), *ranks[name].all), tables[name]) for name in tables}
        if any(rows == item.rows for item in settled):
            continue
        apart = {name: [(row, tables[name].workload.copies)] for name, row in rows.items()}
        _, _, chosen = candidates(problem, tables, apart, catalog)
        if not any(row.broken for row in chosen.values()) and not broken_together(problem, chosen):
            values = goal_values(problem, chosen)
            bounds = [_least(problem, tables, fitting, ranks), *[-cpsat.INFINITY] * len(values)][: len(values)]
            settled.append(FleetSolution(problem, rows, chosen, values, bounds, False))
    return min(settled, key=lambda item: list(item.values), default=None)


def _least(
    problem: Problem, tables: Mapping[str, Table], fitting: Mapping[str, Column], ranks: Mapping[str, RankColumns]
) -> int:
    """Return what the first goal cannot be less than, in steps: what each workload has at least, whatever is shared."""
    if not problem.goals:
        return -cpsat.INFINITY
    goal = problem.goals[0]
    if quantity_of(goal) in MONEY and quantity_of(goal) != "cost" and goal.direction == "minimize":
        import numpy

        # n instances of K that m workloads would rent alone are at least K - m + 1, and K at least m: a share is no
        # less than one of m
        possible, least, count = shares_of(problem, tables).possible, list[int](), problem.count
        for name in tables:
            rows = fitting[name]
            whole = ranks[name].goals[0][rows]
            part = int(numpy.where(possible[name][rows], numpy.maximum(whole // count - 1, 0), whole).min())
            least.append(part * tables[name].workload.copies)
        return together(least, is_worst(goal, problem))
    if quantity_of(goal) in MONEY:
        if (quantity_of(goal), goal.direction) != ("cost", "minimize"):
            return -cpsat.INFINITY
        sharing = shares_of(problem, tables)
        plain = without_wishes(problem, sharing)
        return sum(
            table.workload.copies
            * int(
                (
                    least_part(table, fitting[name], sharing.possible[name]) + penalties(table, plain)[fitting[name]]
                ).min()
            )
            for name, table in tables.items()
        )
    worst = is_worst(goal, problem)
    least = [
        int(ranks[name].goals[0][fitting[name]].min()) * (1 if worst else tables[name].workload.copies)
        for name in tables
    ]
    return together(least, worst)


Taken = dict[str, list[tuple[int, int]]]
"""By workload the rows that its copies take, each with how many."""


def rows_of(fleet: Fleet, values: Sequence[int]) -> Taken:
    """Return each workload's rows; identical workloads take theirs in the order of their names, the fastest first."""
    from planner.solve.fleet.goals import in_order

    out: Taken = {}
    for name, group in fleet.members.items():
        places = in_order(fleet, name)
        counts: dict[tuple[int, int], int] = {}
        for row, variable, rank in zip(fleet.rows[name], fleet.takes[name], places, strict=True):
            if values[variable]:
                counts[rank, row] = counts.get((rank, row), 0) + values[variable]
        left = [[row, count] for (_, row), count in sorted(counts.items())]
        for owner in sorted(group):
            wanted, own = fleet.tables[owner].workload.copies, out.setdefault(owner, [])
            while wanted:
                row, count = left[0]
                taken = min(wanted, count)
                own.append((row, taken))
                wanted, left[0][1] = wanted - taken, count - taken
                if not left[0][1]:
                    left.pop(0)
    return out


def candidates(
    problem: Problem, tables: Mapping[str, Table], taken: Mapping[str, Sequence[tuple[int, int]]], catalog: Catalog
) -> tuple[Problem, dict[str, int], dict[str, Candidate]]:
    """Return the candidates of chosen rows with their shares of what they rent together, and their rows: by the
    workloads of the problem that is returned first, where copies of a block that take other rows are apart."""
    whole = regrouped(problem, {name: [count for _, count in pairs] for name, pairs in taken.items() if len(pairs) > 1})
    known = {item.name: item for item in whole.workloads}
    rows, chosen = {}, {}
    for name, pairs in taken.items():
        for place, (row, count) in enumerate(pairs, 1):
            own = name if len(pairs) == 1 else numbered(name, place)
            rows[own] = row
            chosen[own] = times(judge_row(whole, renamed(tables[name], known[own]), row, catalog), count)
    return whole, rows, allocate_costs(whole, chosen)
