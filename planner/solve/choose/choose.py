"""The optimum over all candidates, with its proof, the next best, and what cheaper hardware breaks."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from planner.catalog.catalog import Catalog
from planner.language.copies import block_of
from planner.language.problem import Problem
from planner.record import dataclass
from planner.solve import clock
from planner.solve.answer import Answer, Filtered, Solved
from planner.solve.candidate import Candidate
from planner.solve.choose.conflict import conflict_of, filtered, together_with
from planner.solve.choose.goal_values import part, penalty_of
from planner.solve.choose.hardware import alternatives, rejected
from planner.solve.choose.other_workloads import other_workloads
from planner.solve.choose.others_fixed import with_others_fixed
from planner.solve.choose.proof import certificate
from planner.solve.classes import renamed, renamed_rule, representatives
from planner.solve.columns.rules import broken_by, fits
from planner.solve.columns.table import Table
from planner.solve.copies import ordered
from planner.solve.fleet.audit import witness
from planner.solve.fleet.optimize import optimize
from planner.solve.fleet.solution import coupled
from planner.solve.kinds import judge_row
from planner.solve.objective import RankColumns, best, rank_columns
from planner.solve.rent.share_bounds import Shares, alone_or_shared, shares_of, without_wishes
from planner.solve.rules import holds_together, slack

if TYPE_CHECKING:
    from planner.solve.columns.table import Column


def choose(
    problem: Problem,
    tables: Mapping[str, Table],
    catalog: Catalog,
    top: int,
    seconds: float,
    workers: int,
    brief: bool = False,
) -> Answer:
    """Return the proven answer, or the conflict that leaves none: none is named where tables lack what does not fit.

    A `brief` answer is without alternatives and what is cheaper.
    """
    thorough = all(table.thorough for table in tables.values())
    sorted_ = sort_out(problem, tables)
    broken, fitting, shared, beside_others = sorted_.broken, sorted_.fitting, sorted_.shared, sorted_.beside_others
    considered, removed, sharing = sorted_.considered, sorted_.removed, sorted_.sharing
    empty = together_with(problem, [name for name in sorted(tables) if not len(beside_others[name])])
    if empty:
        conflict = tuple(
            replace(item, of=name if len(empty) > 1 else "", also=others)
            for name, others in empty.items()
            if thorough
            for item in conflict_of(problem, tables[name], broken[name], catalog)
        )
        return Answer("infeasible", (), (), conflict, None, considered, removed)
    clock.look()
    ranks = ranked(problem, tables, sharing)
    settled = optimize(problem, tables, shared, beside_others, ranks, catalog, seconds, workers)
    if settled is None:
        return Answer(
            outcome="unknown",
            objective=(),
            workloads=(),
            conflict=(),
            cost=None,
            considered=considered,
            filtered=removed,
            wishes=(),
            reproducible=False,
        )
    if isinstance(settled, tuple):
        return Answer("infeasible", (), (), settled, None, considered, removed)
    if settled.proven and not coupled(problem, tables):
        witness(settled.rows, apart(tables, fitting, ranks))
    whole = settled.problem
    first, judged = representatives(whole), dict[tuple[str, int], tuple[tuple[Candidate, ...], tuple[Candidate, ...]]]()
    of = {name: name if name in tables else block_of(name) for name in settled.rows}
    every = {item.name: renamed(tables[of[item.name]], item) for item in whole.workloads}
    plain = {name: judge_row(whole, every[name], row, catalog) for name, row in settled.rows.items()}
    around = other_workloads(whole, plain, {item.name: item.copies for item in whole.workloads})
    solved, late = [], False
    for name in ordered(every):
        table, row, chosen = every[name], settled.rows[name], settled.chosen[name]
        key = (first[name], row)
        if brief:
            judged[key] = (), ()
        elif key not in judged:
            others, rest = around.others(name), around.goal_parts(name)
            try:
                context = with_others_fixed(whole, table, broken[of[name]], others, catalog, ranks[of[name]], rest=rest)
                judged[key] = alternatives(context, row, top), rejected(context, row)
            except clock.OutOfTime:
                judged[key], late = ((), ()), True
        next_best, cheaper = (tuple(as_of(item, name) for item in items) for items in judged[key])
        solved.append(Solved(chosen, next_best, cheaper, slack(table.workload, chosen.choice, chosen.outcomes)))
    cost = sum(row.cost for row in settled.chosen.values())
    outcome = "optimal" if settled.proven else "feasible"
    wishes = wishes_kept(whole, settled.chosen)
    penalty = penalty_of(whole, settled.chosen)
    objective = tuple(
        part(goal, value, bound, problem, penalty)
        for goal, value, bound in zip(problem.goals, settled.values, settled.bounds, strict=True)
    )
    same_again = (settled.proven or bool(settled.refusal)) and not late
    proof = None
    if settled.proven:
        with suppress(clock.OutOfTime):  # whoever interrupts it writes no lock
            proof = certificate(problem, tables, beside_others, removed, settled.values[0])
    found_all = Answer(
        outcome=outcome,
        objective=objective,
        workloads=tuple(solved),
        conflict=(),
        cost=cost,
        considered=considered,
        filtered=removed,
        wishes=wishes,
        reproducible=same_again,
    )
    return replace(found_all, refusal=settled.refusal, brief=brief, certificate=proof)


@dataclass(frozen=True, slots=True)
class SortedOut:
    """What the rows of each workload break: `broken` by rule, of what they pay alone, and the rows that are `fitting`;
    the same beside others, who may pay a part (`shared`, `beside_others`). `removed` counts candidates by rule, of the
    `considered`.
    """

    broken: Mapping[str, Mapping[str, Column]]
    fitting: Mapping[str, Column]
    sharing: Shares
    shared: Mapping[str, Mapping[str, Column]]
    beside_others: Mapping[str, Column]
    removed: tuple[Filtered, ...]
    considered: int


def sort_out(problem: Problem, tables: Mapping[str, Table]) -> SortedOut:
    """Return which rows of each workload break what."""
    twins = representatives(problem)
    broken: dict[str, Mapping[str, Column]] = {}
    fitting: dict[str, Column] = {}
    for name in sorted(tables):  # what identical workloads have in common is there once
        twin = twins[name]
        if twin == name or twin not in broken:
            broken[name] = broken_by(tables[name], problem)
            fitting[name] = fits(tables[name], broken[name])
        else:
            broken[name] = {renamed_rule(rule, twin, name): where for rule, where in broken[twin].items()}
            fitting[name] = fitting[twin]
    removed = tuple(item for name in tables for item in filtered(tables[name], broken[name]))
    sharing = shares_of(problem, tables)
    shared = alone_or_shared(tables, broken, sharing)
    beside_others = {name: fits(table, shared[name]) for name, table in tables.items()}
    considered = sum(table.candidates for table in tables.values())
    return SortedOut(broken, fitting, sharing, shared, beside_others, removed, considered)


def ranked(problem: Problem, tables: Mapping[str, Table], sharing: Shares) -> dict[str, RankColumns]:
    """Return what ranks the rows of each workload."""
    twins, wished = representatives(problem), without_wishes(problem, sharing)
    ranks = {name: rank_columns(tables[name], wished) for name in sorted(set(twins.values()))}
    return ranks | {name: ranks[twin] for name, twin in twins.items()}


def as_of(row: Candidate, workload: str) -> Candidate:
    """Return a candidate as one of another workload of its class."""
    if row.workload == workload:
        return row
    broken = tuple(replace(item, rule=renamed_rule(item.rule, row.workload, workload)) for item in row.broken)
    return replace(row, workload=workload, broken=broken)


def apart(
    tables: Mapping[str, Table], fitting: Mapping[str, Column], ranks: Mapping[str, RankColumns]
) -> dict[str, int]:
    """Return the best row of each workload where nothing is shared.

    What is a sum is least where each part is. What is the worst of all workloads limits each of them to what the worst
    must have, and leaves the others free below it.
    """
    left = dict(fitting)
    known = {name: ranks[name].all for name in tables}
    worst = next(iter(ranks.values())).worst
    for place in range(len(next(iter(known.values())))):
        low = {name: int(known[name][place][rows].min()) for name, rows in left.items()}
        for name, rows in left.items():
            most = max(low.values()) if place in worst else low[name]
            left[name] = rows[known[name][place][rows] <= most]
    return {name: best(left[name], (), table) for name, table in tables.items()}


def wishes_kept(problem: Problem, chosen: Mapping[str, Candidate]) -> tuple[tuple[str, bool], ...]:
    """Return each `prefer` with whether the answer keeps it."""
    return tuple((wish.name, holds_together(wish.condition, problem, chosen)) for wish in problem.preferences)


__all__ = ["Filtered", "choose", "fits"]
