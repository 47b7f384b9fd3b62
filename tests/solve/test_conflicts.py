"""What is said of a plan that nothing fits: each workload's own rules, the nearest choice, and where it stands."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy
import pytest

from planner.catalog.load import load
from planner.plan import load_plan
from planner.report.answer import render
from planner.report.nothing_fits import infeasible
from planner.solve import solve
from planner.solve.answer import Answer, Conflict
from planner.solve.columns.rules import headroom
from planner.solve.judging import headroom as judged

MODEL = 'model = "meta-llama/Llama-3.1-8B"; context = 8Ki tokens; gpu = l4; gpus = 1'


def answered(text: str, folder: Path) -> tuple[Answer, str]:
    catalog, _ = load()
    file = folder / "w.mem"
    file.write_text(f"edition 2026\n{text}\nminimize cost\n")
    problem = load_plan(str(file)).problem
    assert problem is not None
    answer = solve(problem, catalog)
    (finding,) = infeasible(answer, problem)
    return answer, finding.message


def test_workloads_that_do_not_fit_each_alone_have_a_set_each(tmp_path: Path) -> None:
    text = (
        f"inference a {{ {MODEL}; concurrency = 8; tpot <= 1 ms }}\n"
        f"inference b {{ {MODEL}; concurrency = 800 }}\n"
        f"inference c {{ {MODEL}; concurrency = 8; quality >= 100%; weights = int4; tpot <= 1 s }}\n"
    )
    answer, message = answered(text, tmp_path)
    assert [(item.rule, item.of) for item in answer.conflict[:2]] == [("a.tpot", "a"), ("b.memory", "b")]
    assert "together" not in message.split(";")[0]
    assert message.startswith("nothing fits: `a.tpot` cannot be satisfied; `b.memory` cannot be satisfied")
    for form in ("table", "markdown", "html"):
        said = render(form, answer).lower()
        assert said.count("this constraint cannot be satisfied") >= 2, form


def test_a_conflict_over_what_the_plan_leaves_unsaid_stands_at_its_workload(tmp_path: Path) -> None:
    file = tmp_path / "w.mem"
    file.write_text(f"edition 2026\ninference a {{ {MODEL}; concurrency = 8 }}\nminimize cost\n")
    problem = load_plan(str(file)).problem
    assert problem is not None
    answer = Answer("infeasible", (), (), (Conflict("a.offer", None, "no offer rents such hardware"),), None, 1)
    (finding,) = infeasible(answer, problem)
    assert finding.span == problem.workloads[0].span


@pytest.mark.parametrize("total", [0, 1, 10**9, 24 * 10**9, 25 * 10**9 + 1, 10**12, 172 * 10**12, 10**15])
@pytest.mark.parametrize("usable", [1, 16_000_000_001, 24 * 2**30, 288 * 10**9])
def test_headroom_is_exact_whatever_does_not_fit(total: int, usable: int) -> None:
    if total // usable > 10**9:
        return  # beyond 2^63 steps
    found = headroom(numpy.array([total]), numpy.array([usable]))
    assert Fraction(int(found[0]), 10**9) == judged(total, usable)


def test_the_nearest_choice_of_a_training_that_is_far_too_large(tmp_path: Path) -> None:
    text = (
        'training t { model = "meta-llama/Llama-3.1-70B"; sequence = 8Ki tokens; global_batch = 64; gpu = l40s; '
        "gpus = 4; checkpointing = none; zero = 0; micro_batch in {1, 64} }"
    )
    answer, _ = answered(text, tmp_path)
    (fault,) = [item for item in answer.conflict if item.rule == "t.memory"]
    assert isinstance(fault.relax_to, Fraction)
    assert fault.relax_to < 2 * 2**40


def test_a_front_may_trade_one_workload_s_outcome(tmp_path: Path) -> None:
    catalog, _ = load()
    file = tmp_path / "w.mem"
    block = 'model = "Qwen/Qwen2.5-0.5B"; context = 1024; concurrency = 4; gpus in 1..2; gpu in {l4, l40s}'
    file.write_text(f"edition 2026\ninference a {{ {block} }}\ninference b {{ {block} }}\nminimize cost\n")
    problem = load_plan(str(file)).problem
    assert problem is not None
    answer = solve(problem, catalog, pareto=("cost", "a.tpot"))
    points = [(sum(row.cost for row in point), point[0].outcomes["tpot"]) for point in answer.pareto]
    assert len(points) > 1
    assert points == sorted(points)
    assert [tpot for _, tpot in points] == sorted((tpot for _, tpot in points if tpot is not None), reverse=True)
    assert "a.tpot" in render("table", answer, problem, traded=("cost", "a.tpot"))
