"""The one place that tells the kinds of workload apart: how each is tabulated and judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from planner.catalog.catalog import Catalog
from planner.language.problem import Problem, Value, Workload
from planner.solve.candidate import Candidate
from planner.solve.inference import workload as inference_workload
from planner.solve.inference.judge import judge_service
from planner.solve.inference.workload import Service

if TYPE_CHECKING:
    from planner.solve.columns.table import Table


def judge(problem: Problem, workload: Workload, choice: Mapping[str, Value], catalog: Catalog) -> Candidate:
    """Return a whole choice as a candidate, with every rule it breaks; raise Unknown for what is not there."""
    if workload.kind == "training":
        from planner.solve.training import judge as training_judge

        return training_judge.judge(problem, workload, choice, catalog)
    return judge_service(problem, inference_workload.service(problem, workload, catalog), choice)


def judge_row(problem: Problem, table: Table, row: int, catalog: Catalog) -> Candidate:
    """Return a row of a table as a candidate; what the table computed on the way is used again."""
    workload, choice = table.workload, table.choice(row)
    context = table.context
    if isinstance(context, Service):
        return judge_service(problem, replace(context, workload=workload), choice)
    if workload.kind == "training":
        from planner.solve.training import judge as training_judge

        return training_judge.judge(problem, workload, choice, catalog, context)
    return judge(problem, workload, choice, catalog)
