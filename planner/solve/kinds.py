"""The one place that tells the kinds of workload apart: each has the same rooms under the same names.

A room is imported when a plan first has a workload of its kind: a plan of inferences reads no physics of training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Protocol

from planner.language.copies import block_of
from planner.solve import clock
from planner.solve.candidate import TooWide
from planner.solve.classes import renamed, representatives
from planner.solve.needs import Need, need
from planner.solve.parallelism import Fault
from planner.solve.rent import owned
from planner.solve.rent.rental import allows, market_of
from planner.solve.stated import fractional, one_of

if TYPE_CHECKING:
    from planner.catalog.catalog import Catalog
    from planner.language.problem import Problem, Value, Workload
    from planner.solve.candidate import Candidate
    from planner.solve.columns.table import Table


class Kind(Protocol):
    """What a kind of workload answers; `made_by` is what its table was made of, where there is one."""

    def table(self, problem: Problem, workload: Workload, catalog: Catalog, fixed: bool, rows: str) -> Table:
        """Return the candidates as columns."""

    def judge(
        self,
        problem: Problem,
        workload: Workload,
        choice: Mapping[str, Value],
        catalog: Catalog,
        made_by: object = None,
    ) -> Candidate:
        """Return a whole choice as a candidate, with every rule it breaks."""

    def search_limits(self, problem: Problem, workload: Workload) -> dict[str, int]:
        """Return, by decision, the largest number that is tried where the plan does not say."""

    def split_faults(self, problem: Problem, workload: Workload, catalog: Catalog) -> Iterator[Iterator[Fault]]:
        """Yield the rules of structure that each way to split the workload breaks."""

    def unoffered(
        self, problem: Problem, workload: Workload, choice: Mapping[str, Value], catalog: Catalog
    ) -> Iterator[Fault]:
        """Yield what of a choice neither the plan nor its defaults offer."""

    def no_split(self) -> Need | None:
        """Return why nothing splits a workload that no rule of structure refuses; None where an offer lacks."""


class _Inference:
    def table(self, problem: Problem, workload: Workload, catalog: Catalog, fixed: bool, rows: str) -> Table:
        if "total_concurrency" in workload.given:
            from planner.solve.inference.total_concurrency import table as joined_table

            return joined_table(problem, workload, catalog, fixed)
        from planner.solve.inference.table import table

        return table(problem, workload, catalog, fixed)

    def judge(
        self,
        problem: Problem,
        workload: Workload,
        choice: Mapping[str, Value],
        catalog: Catalog,
        made_by: object = None,
    ) -> Candidate:
        if workload.traffic:
            from planner.solve.inference.by_size import judge_part

            return judge_part(problem, workload, choice, catalog)
        from planner.solve.inference.judge import judge_service
        from planner.solve.inference.workload import InferenceWorkload, service

        if "total_concurrency" in workload.given:
            workload = _spread(workload, choice)
        if isinstance(made_by, InferenceWorkload):
            return judge_service(problem, replace(made_by, workload=workload), choice)
        return judge_service(problem, service(problem, workload, catalog), choice)

    def search_limits(self, problem: Problem, workload: Workload) -> dict[str, int]:
        from planner.solve.inference.space import search_limits

        return search_limits(workload)

    def split_faults(self, problem: Problem, workload: Workload, catalog: Catalog) -> Iterator[Iterator[Fault]]:
        from planner.solve.inference.engine_rules import service_faults
        from planner.solve.inference.model_support import unstaged
        from planner.solve.inference.space import every_split
        from planner.solve.inference.workload import service

        if "total_concurrency" in workload.given:
            workload = _spread(workload, {"replicas": Fraction(1)})
        inference_workload = service(problem, workload, catalog)
        engine, own = inference_workload.engine, unstaged(inference_workload)
        yield from (
            service_faults(workload.model, split, engine.one_host, own, engine.expert_ranks)
            for split in every_split(inference_workload, False)
        )

    def unoffered(
        self, problem: Problem, workload: Workload, choice: Mapping[str, Value], catalog: Catalog
    ) -> Iterator[Fault]:
        from planner.solve.inference.offered import unoffered
        from planner.solve.inference.workload import service

        if workload.traffic:
            from planner.solve.inference.by_size import not_tried, offered_as

            untried = list(not_tried(workload, choice))
            if untried:
                yield from untried
                return
            workload = offered_as(workload, choice)
        if "total_concurrency" in workload.given:
            workload = _spread(workload, choice, offered=True)
        yield from unoffered(service(problem, workload, catalog), choice)

    def no_split(self) -> Need | None:
        return None


def _spread(workload: Workload, choice: Mapping[str, Value], offered: bool = False) -> Workload:
    """Return a workload that states the sequences of all replicas together as each replica of a choice has it; with
    `offered`, only where so many replicas are tried."""
    from planner.solve.inference.total_concurrency import groups_of_replicas, with_replicas

    copies = choice.get("replicas")
    chosen = int(copies) if isinstance(copies, Fraction) and copies >= 1 else 1
    if offered and not any(chosen in some for some in groups_of_replicas(workload, False)):
        chosen = 1
    return with_replicas(workload, (chosen,))


class _Training:
    def table(self, problem: Problem, workload: Workload, catalog: Catalog, fixed: bool, rows: str) -> Table:
        from planner.solve.training.table import table

        return table(problem, workload, catalog, fixed, rows)

    def judge(
        self,
        problem: Problem,
        workload: Workload,
        choice: Mapping[str, Value],
        catalog: Catalog,
        made_by: object = None,
    ) -> Candidate:
        from planner.solve.training.judge import judge
        from planner.solve.training.workload import TrainingWorkload

        return judge(problem, workload, choice, catalog, made_by if isinstance(made_by, TrainingWorkload) else None)

    def search_limits(self, problem: Problem, workload: Workload) -> dict[str, int]:
        from planner.solve.training.space import search_limits
        from planner.solve.training.workload import run_of

        return search_limits(run_of(problem, workload))

    def split_faults(self, problem: Problem, workload: Workload, catalog: Catalog) -> Iterator[Iterator[Fault]]:
        from planner.solve.training.space import split_faults
        from planner.solve.training.workload import run_of

        return split_faults(run_of(problem, workload))

    def unoffered(
        self, problem: Problem, workload: Workload, choice: Mapping[str, Value], catalog: Catalog
    ) -> Iterator[Fault]:
        from planner.solve.training.offered import unoffered
        from planner.solve.training.workload import run_of

        return unoffered(run_of(problem, workload), choice)

    def no_split(self) -> Need | None:
        return need("no_product")


KINDS: Final[Mapping[str, Kind]] = {"inference": _Inference(), "training": _Training()}


def table_of(problem: Problem, workload: Workload, catalog: Catalog, fixed: bool = False, rows: str = "all") -> Table:
    """Return all candidates of a workload; with `fixed`, what is left free takes `estimate`'s values.

    Where `rows` are "fitting", a table may leave out most of what does not fit; where they are "best", also what cannot
    be the best of its hardware; where they are "telling", all that says no more of which rules are broken. Raise
    TooWide where a figure is too large to be counted.
    """
    clock.look()
    try:
        return KINDS[workload.kind].table(problem, workload, catalog, fixed, rows)
    except OverflowError as reason:
        raise TooWide("figure", workload.name) from reason


def tables_of(
    problem: Problem,
    catalog: Catalog,
    fixed: bool = False,
    rows: str = "all",
    less: Callable[[Table, Callable[[], Table]], Table] | None = None,
    made: Mapping[str, Table] = MappingProxyType({}),
    each: Callable[[str, Table, int], None] = lambda name, table, total: None,
) -> dict[str, Table]:
    """Return the table of every workload; workloads that are alike but for their names share one.

    Of each that is made `less` is kept, where that is said; it is also told how to make the whole of it again. `made`
    are tables that there are already, by the first workload of each class; `each` is called with that name, its table
    and the number of classes whenever another is made.
    """
    known = {item.name: item for item in problem.workloads}
    first = first_of(problem)
    tables = dict(made)
    classes = sorted(set(first.values()))
    for name in classes:
        if name in tables:
            continue
        again = partial(table_of, problem, known[name], catalog, fixed, rows)
        tables[name] = again() if less is None else less(again(), again)
        each(name, tables[name], len(classes))
    return {name: renamed(tables[first[name]], known[name]) for name in sorted(known)}


def first_of(problem: Problem) -> dict[str, str]:
    """Return for each workload the one whose table it shares; rules read all of a block alike."""
    return {name: block_of(twin) for name, twin in representatives(problem).items()}


def judge(problem: Problem, workload: Workload, choice: Mapping[str, Value], catalog: Catalog) -> Candidate:
    """Return a whole choice as a candidate, with every rule it breaks; raise Unknown for what is not there."""
    return KINDS[workload.kind].judge(problem, workload, choice, catalog)


def judge_row(problem: Problem, table: Table, row: int, catalog: Catalog) -> Candidate:
    """Return a row of a table as a candidate; what the table computed on the way is used again."""
    workload = table.workload
    return KINDS[workload.kind].judge(problem, workload, table.choice(row), catalog, table.made_by)


def search_limits(problem: Problem) -> dict[str, dict[str, int]]:
    """Return, by workload and decision, the largest number that was tried, where a plan that said so could have more:
    a proof speaks of no more than that."""
    per_workload = {item.name: KINDS[item.kind].search_limits(problem, item) for item in problem.workloads}
    return {name: limits for name, limits in per_workload.items() if limits}


def unoffered(problem: Problem, workload: Workload, choice: Mapping[str, Value], catalog: Catalog) -> list[Fault]:
    """Return why the search would not enumerate a whole choice: rules of structure that it breaks, and values that
    neither the plan nor its defaults offer. Empty where it is one of the search's."""
    faults = fractional(choice)
    if faults:
        return faults
    faults = list(KINDS[workload.kind].unoffered(problem, workload, choice, catalog))
    faults += one_of("market", str(choice["market"]), market_of(problem, workload).markets)
    if not allows(problem, workload, str(choice["offer"])):
        faults.append(Fault("offer", need("rentable"), str(choice["offer"])))
    return faults


def nothing_splits(problem: Problem, workload: Workload, catalog: Catalog) -> tuple[str, Need]:
    """Return the quantity, and why, of a workload that has no candidate at all."""
    kind = KINDS[workload.kind]
    faults = [list(reasons) for reasons in kind.split_faults(problem, workload, catalog)]
    whole = kind.no_split()
    if not faults and whole is not None:
        return "gpus", whole
    if faults and all(faults):
        fault = min(faults, key=len)[0]
        has = int(fault.has) if isinstance(fault.has, Fraction) else fault.has
        return fault.quantity, need("unfit", fault.needs, has)
    nowhere = owned.unrented(problem, (workload.name,))
    if nowhere:
        return "offer", need("unrented", tuple(nowhere), owned.pasted(nowhere))
    return "offer", need("nowhere")
