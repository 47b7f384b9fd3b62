"""Where each value of a decision stands: what a plan with that value alone would answer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from command import run

from planner.language.problem import Problem, Value
from planner.plan import load_plan
from planner.solve import pipeline
from planner.solve.answer import Answer

EXAMPLES = Path(__file__).parents[2] / "examples"
PLANS = ("chat", "long_context", "llama70b", "finetune", "qlora", "checkpointing", "large_batch")


def answered(problem: Problem, **more: object) -> Answer:
    return pipeline.solve(problem, load_plan(str(EXAMPLES / "chat.mem")).catalog, 0, 60.0, **more)  # type: ignore[arg-type]


def narrowed(problem: Problem, workload: str, quantity: str, value: Value) -> Problem:
    blocks = tuple(
        replace(item, domains={**item.domains, quantity: (value,)}) if item.name == workload else item
        for item in problem.workloads
    )
    return replace(problem, workloads=blocks)


@pytest.mark.parametrize("name", PLANS)
def test_a_value_stands_where_the_plan_with_that_value_alone_does(name: str) -> None:
    problem = load_plan(str(EXAMPLES / f"{name}.mem")).problem
    assert problem is not None
    answer = answered(problem, hardware=True, values=True)
    assert answer.by_value
    for item in answer.by_value:
        alone = answered(narrowed(problem, item.workload, item.quantity, item.value))
        assert (alone.outcome == "infeasible") is (item.status not in ("chosen", "fits")), item
        if alone.workloads:
            (row,) = (found.chosen for found in alone.workloads if found.chosen.workload == item.workload)
            assert item.best is not None
            assert (item.best.choice, item.best.cost) == (row.choice, row.cost), item
        elif item.best is not None:
            assert item.best.broken


def test_each_decision_left_open_has_a_row_for_each_of_its_values() -> None:
    problem = load_plan(str(EXAMPLES / "chat.mem")).problem
    assert problem is not None
    answer = answered(problem, hardware=True, values=True)
    assert [(item.quantity, item.value) for item in answer.by_value] == [
        ("weights", "bf16"), ("weights", "fp8_e4m3"), ("weights", "int4"), ("kv_cache", "bf16"),
        ("kv_cache", "fp8_e4m3"),
    ]  # fmt: skip
    assert sum(item.status == "chosen" for item in answer.by_value) == 2
    assert not answered(problem, hardware=True).by_value


def test_one_gpu_type_is_looked_at_whether_or_not_the_plan_offers_it() -> None:
    done = run("why", "examples/chat.mem", "--gpu", "H100 SXM", "--json")
    assert done.returncode == 0
    import json

    document = json.loads(done.stdout)
    assert [item["gpu"] for item in document["hardware"]] == ["h100_sxm"]
    assert {item["choice"]["gpu"] for item in document["by_value"]} == {"h100_sxm"}
    held = run(
        "why",
        "-",
        "--gpu",
        "h100_sxm",
        stdin=(EXAMPLES / "chat.mem").read_text().replace("gpus     in 1..8", "gpu = a40"),
    )
    assert "h100_sxm is not among the GPUs of `chat`" in held.stderr
    assert "h100_sxm          fits" in held.stdout


@pytest.mark.parametrize("word, said", [("h100", "is ambiguous; choose from"), ("h100smx", "did you mean `h100_sxm`?")])
def test_a_gpu_that_nothing_or_several_are_called(word: str, said: str) -> None:
    done = run("why", "examples/chat.mem", "--gpu", word)
    assert (done.returncode, said in done.stderr) == (2, True)


@pytest.mark.parametrize("form", ["table", "markdown", "html"])
def test_every_form_has_the_tables(form: str) -> None:
    done = run("why", "examples/chat.mem", "--format", form)
    assert "chat: by weights" in done.stdout
    assert "chat: by kv_cache" in done.stdout


@pytest.mark.parametrize("more", ["", "; checkpointing in {none, full}"])
def test_a_plan_without_a_candidate_has_no_values_to_tell_apart(more: str) -> None:
    text = (
        'edition 2026\ntraining w { model = "Qwen/Qwen2.5-0.5B"; sequence = 2Ki tokens; gpu = l4; gpus = 1\n'
        f"checkpointed_layers = 3{more} }}\n"
    )
    problem = load_plan("w.mem", text=text).problem
    assert problem is not None
    answer = answered(problem, hardware=True, values=True)
    assert answer.outcome == "infeasible"
    assert all(item.best is None for item in answer.by_value)
