"""Sequences of all replicas together: the replicas are chosen, and what each holds follows from them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from planner.catalog.load import load
from planner.cli.plan import load_plan
from planner.language.problem import Problem
from planner.language.quantities.outcomes import SERVED
from planner.solve import solve
from planner.solve.candidate import EXPECTED
from planner.solve.columns.steps import value
from planner.solve.kinds import judge_row, table_of

CATALOG, _ = load()
PLAN = """edition 2026
offer small {{ gpu = l40s; gpus = 1; price = $1/h; provider = lambda }}
offer large {{ gpu = h100_sxm; gpus = 4; price = $9/h; provider = lambda }}
inference a {{ model = "meta-llama/Llama-3.1-8B"; context = 8Ki; prompt = 4Ki; output = 1Ki; offer in {{small, large}}
{said}; weights in {{bf16, fp8}} }}
{rest}
"""


def problem_of(said: str, folder: Path, rest: str = "") -> Problem:
    path = folder / "a.mem"
    path.write_text(PLAN.format(said=said, rest=rest))
    loaded = load_plan(str(path))
    assert loaded.problem is not None, loaded.findings
    return loaded.problem


@pytest.mark.parametrize("bound", ["", "; tpot <= 40 ms", "; tpot <= 40 ms; ttft <= 1 s", "; replicas in {3, 6, 7}"])
@pytest.mark.parametrize("total", [1, 7, 24])
def test_the_answer_is_the_best_over_all_numbers_of_replicas(total: int, bound: str, tmp_path: Path) -> None:
    answer = solve(problem_of(f"total_concurrency = {total}{bound}", tmp_path), CATALOG)
    costs = []
    for copies in (3, 6, 7) if "replicas" in bound else range(1, total + 1):
        rest = bound.replace("replicas in {3, 6, 7}", f"replicas = {copies}")
        each = f"concurrency = {-(-total // copies)}; replicas = {copies}" + rest.replace(f"; replicas = {copies}", "")
        found = solve(problem_of(each, tmp_path), CATALOG)
        if found.outcome == "optimal":
            assert found.cost is not None
            costs.append(found.cost)
    assert (answer.outcome, answer.cost) == ("optimal", min(costs))


def test_rows_are_what_judging_them_says(tmp_path: Path) -> None:
    problem = problem_of("total_concurrency = 90; gpus in 1..12", tmp_path)
    (workload,) = problem.workloads
    table = table_of(problem, workload, CATALOG)
    concurrency = table.axis("concurrency")
    assert concurrency is not None
    for row in range(0, table.rows, max(1, table.rows // 50)):
        judged = judge_row(problem, table, row, CATALOG)
        copies = judged.choice["replicas"]
        assert isinstance(copies, Fraction)
        assert concurrency.values[int(concurrency.index[row])] == -(-90 // copies)
        assert int(table.outcome("memory")[row]) == judged.total
        for name in (*SERVED, *(f"{name}{EXPECTED}" for name in SERVED)):
            assert value(name, int(table.outcome(name)[row])) == judged.outcomes[name], (row, name)


def test_rules_read_what_each_replica_holds(tmp_path: Path) -> None:
    rest = "require few: a.concurrency <= 10"
    answer = solve(problem_of("total_concurrency = 60", tmp_path, rest), CATALOG)
    (row,) = answer.workloads
    assert answer.outcome == "optimal"
    assert row.chosen.choice["replicas"] >= 6  # type: ignore[operator]


def test_one_of_both_is_stated(tmp_path: Path) -> None:
    path = tmp_path / "a.mem"
    path.write_text(PLAN.format(said="concurrency = 4; total_concurrency = 8", rest=""))
    loaded = load_plan(str(path))
    assert [item.code for item in loaded.findings if item.severity == "error"] == ["E0405"]
