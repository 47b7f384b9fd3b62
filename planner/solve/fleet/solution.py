"""What was chosen for all workloads together, and whether they have to be chosen together at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from planner.language.problem import Problem
from planner.record import dataclass
from planner.solve.candidate import Candidate
from planner.solve.columns.table import Table
from planner.solve.needs import Excess
from planner.solve.rules import speaks_of


@dataclass(frozen=True, slots=True)
class FleetSolution:
    """A choice: the row and the candidate of each workload, each goal's value and bound in steps; `refusal` is why no
    proof was tried. The workloads are those of `problem`: copies of a block that run otherwise are apart there."""

    problem: Problem
    rows: dict[str, int]
    chosen: dict[str, Candidate]
    values: Sequence[int]
    bounds: Sequence[int]
    proven: bool
    refusal: Excess | None = None


def coupled(problem: Problem, tables: Mapping[str, Table]) -> bool:
    """Return whether the workloads of a plan must be chosen together."""
    if problem.count < 2:
        return bool(problem.fleet)  # a limit on the whole plan also binds the only workload
    conditions = [item.condition for item in problem.rules] + [item.condition for item in problem.preferences]
    if problem.fleet or any(len(speaks_of(condition)) > 1 for condition in conditions):
        return True
    names = {offer.id for offer in problem.offers.limited}
    return any((table.slots > 0).any() or any(pool[0] in names for pool in table.pools) for table in tables.values())
