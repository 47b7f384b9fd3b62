"""Where other hardware stands beside the choice: what fits and is not the best, what breaks a rule, and by how much.

A workload of several is looked at with the others as they were chosen: a row counts by what the objective of the whole
plan would then be, and what the whole plan would break is a rule that the row breaks. So nothing that fits is better
than the choice, which is the best of the plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

from planner.catalog.catalog import Catalog
from planner.language.copies import block_of
from planner.language.problem import Bound, Problem, Workload
from planner.language.schema import BY_KIND
from planner.record import dataclass
from planner.solve import clock
from planner.solve.answer import Answer, Standing
from planner.solve.candidate import Candidate
from planner.solve.choose.other_workloads import other_workloads
from planner.solve.choose.others_fixed import OthersFixed, judged, with_others_fixed
from planner.solve.columns.rules import broken_by, fault_counts, fits
from planner.solve.columns.steps import SCALES, UNKNOWN
from planner.solve.columns.table import Table
from planner.solve.copies import ordered, placed
from planner.solve.objective import best, decisive, is_money
from planner.solve.rules import simple, speaks_of

if TYPE_CHECKING:
    from planner.solve.columns.table import Column


MOST_REJECTED = 20
EVERY = 1 << 40
ELSEWHERE = frozenset({"memory", "demand", "tensor_parallel", "pipeline_parallel", "expert_parallel"})
"""Rules of physics that say nothing of what hardware or an engine supports."""


def hardware(table: Table) -> Column:
    """Return for each row a number for its GPU type and count."""
    import numpy

    gpu: Column = table.axes["gpu"].index.astype(numpy.int64)
    return gpu << 32 | table.gpus.astype(numpy.int64)


def alternatives(context: OthersFixed, row: int, top: int) -> tuple[Candidate, ...]:
    """Return the next best answers on other hardware, one for each kind and number of GPUs."""
    fitting, group = fits(context.table, context.broken), hardware(context.table)
    left = fitting[group[fitting] != group[row]]
    out: list[Candidate] = []
    while len(left) and len(out) < top:
        best_row, candidate = best_of(context, left)
        if candidate is None:
            break
        out.append(candidate)
        left = left[group[left] != group[best_row]]
    return tuple(out)


def best_of(context: OthersFixed, rows: Column) -> tuple[int, Candidate | None]:
    """Return the best of rows that fit, judged beside the others; none where each breaks a rule after all."""
    table = context.table
    while len(rows):
        row = best(rows, context.ranks.all, table)
        candidate = judged(context, row)
        if not candidate.broken:
            return row, candidate
        same = (table.pool[rows] == table.pool[row]) & (table.gpus[rows] == table.gpus[row])
        rows = rows[~same]
    return -1, None


def rejected(context: OthersFixed, row: int) -> tuple[Candidate, ...]:
    """Return hardware that would be better by the objective, had it not broken a rule; the cheapest first.

    Better is what has less of the first part of the objective that any of it improves, of those down to the first that
    is money: whatever follows that is a refinement. Of each kind and number of GPUs it is the choice that breaks fewest
    rules, of that what is supported, nearest to fitting its memory, and the best of those; of a training it is the one
    with most headroom, which its table keeps.
    """
    import numpy

    table, problem = context.table, context.problem
    faults, group = fault_counts(table, context.broken), hardware(table)
    groups, which = numpy.unique(group, return_inverse=True)
    fit = numpy.zeros(len(groups), dtype=bool)  # what fits in another way is not hardware that breaks a rule
    fit[which[faults == 0]] = True
    goals = context.ranks.goals[: decisive(problem)]
    better = numpy.zeros(0, dtype=numpy.int64)
    for depth in range(1, len(goals) + 1):
        better = numpy.flatnonzero(precedes(goals[:depth], row) & ~fit[which])
        if len(better):
            break
    if not len(better):
        return ()
    room = -table.outcome("headroom")[better]
    recomputes = "checkpointing" in BY_KIND[table.workload.kind]  # memory is bought with time: none is closest by it
    tight = room if recomputes else tight_of(table, better)
    value = [values[better] for values in reversed(goals)]
    lacking = numpy.zeros(len(better), bool) if recomputes else unsupported(table)[better]
    order = numpy.lexsort((better, room, *value, tight, lacking, faults[better], group[better]))
    first = order[numpy.concatenate(([True], group[better][order][1:] != group[better][order][:-1]))]
    shown = table.alphabetical(better[first])
    money = next((goals[place] for place, goal in enumerate(problem.goals[: len(goals)]) if is_money(goal)), None)
    paid = (table.costs if money is None else money)[shown]
    if money is goals[0]:  # of what is cheaper, the dearest is nearest to what fits
        kept = numpy.lexsort((-paid, faults[shown]))[:MOST_REJECTED]
    else:  # of what is better otherwise, what a change of the rules would allow, the cheapest
        kept = numpy.lexsort((paid, faults[shown], tight_of(table, shown) > 0))[:MOST_REJECTED]
    ahead = numpy.lexsort((*(values[shown][kept] for values in reversed(goals)), paid[kept]))
    candidates = (judged(context, item) for item in shown[kept][ahead].tolist())
    return tuple(item for item in candidates if item.broken)


def unsupported(table: Table) -> Column:
    """Return the rows that an engine or the hardware does not support."""
    import numpy

    out = numpy.zeros(table.rows, dtype=bool)
    for rule, where in table.broken.items():
        if rule.rpartition(".")[2] not in ELSEWHERE:
            out |= where
    return out


def tight_of(table: Table, rows: Column) -> Column:
    """Return by how much rows exceed their memory, as steps of headroom; 0 where they fit."""
    import numpy

    column: Column = numpy.maximum(-table.outcome("headroom")[rows], 0)
    return column


def precedes(goals: Sequence[Column], row: int) -> Column:
    """Return which rows come before one in some goals, in order of their importance."""
    import numpy

    out = numpy.zeros(len(goals[0]), dtype=bool)
    same = ~out
    for values in goals:
        out |= same & (values < values[row])
        same &= values == values[row]
    return out


@dataclass(frozen=True, slots=True)
class Around:
    """What one workload is looked at beside: the plan with its copies, the others as they were chosen and what they add
    to each goal (planner.solve.choose.other_workloads), its own choices; without an answer nothing, and no limits that
    workloads share."""

    name: str
    problem: Problem
    others: Mapping[str, Candidate]
    rest: tuple[int | None, ...]
    chosen: tuple[Candidate, ...]

    def context(self, problem: Problem, table: Table, catalog: Catalog) -> OthersFixed:
        """Return a table of the workload beside the others; `problem` is the plan as it was tabulated."""
        broken = broken_by(table, problem)
        return with_others_fixed(self.problem, table, broken, self.others, catalog, most=EVERY, rest=self.rest)


def arounds(problem: Problem, answer: Answer, names: Iterable[str], catalog: Catalog) -> Iterator[Around]:
    """Yield what each workload is looked at beside, by name."""
    from planner.solve.kinds import judge

    solved = {item.chosen.workload: item.chosen for item in answer.workloads}
    if not solved:
        alone = replace(problem, fleet=())
        yield from (Around(name, alone, {}, (), ()) for name in sorted(names))
        return
    whole, of = placed(problem, {name: row.copies for name, row in solved.items()})
    known = {item.name: item for item in whole.workloads}
    copies = {name: item.copies for name, item in known.items()}
    plain = {name: judge(whole, item, solved[of[name]].choice, catalog) for name, item in known.items()}
    every = other_workloads(whole, plain, copies)
    for name in sorted(names):
        clock.look()
        mine = [of[name]] if of[name] != name else [one for one in solved if block_of(one) == block_of(name)]
        chosen = tuple(solved[one] for one in ordered(mine))
        yield Around(name, whole, every.others(name), tuple(every.goal_parts(name)), chosen)


def standings(problem: Problem, answer: Answer, tables: Mapping[str, Table], catalog: Catalog) -> tuple[Standing, ...]:
    """Return where every GPU type that a workload may use stands; the tables have every candidate.

    Without an answer each workload is looked at by itself.
    """
    out: list[Standing] = []
    for around in arounds(problem, answer, tables, catalog):
        context = around.context(problem, tables[around.name], catalog)
        out += _of_workload(context, {row.gpu: row for row in reversed(around.chosen)})
    return tuple(out)


def _of_workload(context: OthersFixed, chosen: Mapping[str, Candidate]) -> Iterator[Standing]:
    import numpy

    table, name = context.table, context.table.workload.name
    looked = looked_at(context)
    gpus = [str(value) for value in table.axes["gpu"].values]
    by_key: dict[tuple[int, ...], Standing] = {}
    for place, gpu in enumerate(gpus):
        own = table.axes["gpu"].index == place
        if gpu in chosen:
            by_key[0, place] = Standing(name, gpu, "chosen", chosen[gpu])
            continue
        row, candidate = best_of(context, looked.fitting[own[looked.fitting]])
        if candidate is not None:
            ahead = (int(values[row]) for values in context.ranks.all)
            by_key[1, *ahead, place] = Standing(name, gpu, "fits", candidate)
            continue
        mine = numpy.flatnonzero(own)
        if not len(mine):
            continue
        status, nearest = nearest_of(looked, mine)
        by_key[2 + (status == "unsupported"), nearest.cost, place] = Standing(name, gpu, status, nearest)
    yield from (by_key[key] for key in sorted(by_key))
    known = {item.gpu for item in by_key.values()}
    wanted = table.workload.domains.get("gpu")
    for gpu in sorted(context.problem.gpus):
        if gpu not in known and (wanted is None or gpu in wanted):
            yield Standing(name, gpu, "not_offered", None)


@dataclass(frozen=True, slots=True)
class Looked:
    """A table beside the other workloads: the rows that fit, and of each how many rules it breaks, by how much, and
    whether that is what nothing supports."""

    context: OthersFixed
    fitting: Column
    faults: Column
    excess: Column
    lacking: Column


def looked_at(context: OthersFixed) -> Looked:
    """Return what tells the rows of a table apart that fit, or are the nearest to it."""
    table = context.table
    faults, lacking = fault_counts(table, context.broken), unsupported(table)
    return Looked(context, fits(table, context.broken), faults, _excess(context), lacking)


def nearest_of(looked: Looked, rows: Column) -> tuple[str, Candidate]:
    """Return of rows that each break a rule whether nothing supports them, and the nearest to keeping every rule.

    It is the one that breaks fewest, of these one that is supported, that breaks them by least, and the best of those.
    """
    import numpy

    context = looked.context
    rows = context.table.alphabetical(rows)
    value = [values[rows] for values in reversed(context.ranks.goals)]
    order = numpy.lexsort((*value, looked.excess[rows], looked.lacking[rows], looked.faults[rows]))
    status = "unsupported" if looked.lacking[rows].all() else "breaks"
    return status, judged(context, int(rows[order[0]]))


def _excess(context: OthersFixed) -> Column:
    """Return by how much rows break what has a size, in shares of what the rules have, added up; it only ranks."""
    import numpy

    table = context.table
    out = numpy.zeros(table.rows, dtype=numpy.float64)
    sizes = [(rule, bound) for rule, bound in stated(context.problem, table.workload) if rule in context.broken]
    for rule, bound in sizes:
        if bound.quantity not in table.outcomes or not isinstance(bound.value, Fraction):
            continue
        have, edge = table.outcome(bound.quantity), float(bound.value * SCALES[bound.quantity])
        over = numpy.abs(numpy.where(have == UNKNOWN, 1e18, have) - edge) / max(abs(edge), 1.0)
        out += numpy.where(context.broken[rule], over, 0.0)
    memory = context.broken.get(f"{table.workload.name}.memory")
    if memory is not None:
        out += numpy.where(memory, numpy.maximum(-table.outcome("headroom") / SCALES["headroom"], 0.0), 0.0)
    return out


def stated(problem: Problem, workload: Workload) -> Iterator[tuple[str, Bound]]:
    """Yield the bounds of a workload with their rules' names: in its block, or a `require` of one comparison."""
    yield from ((bound.rule, bound) for bound in workload.bounds)
    for rule in problem.rules:
        if speaks_of(rule.condition) == {workload.name}:
            bound = simple(rule.condition, workload.name)
            if bound is not None:
                yield rule.name, bound
