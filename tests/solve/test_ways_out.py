"""A plan that no one change mends says which two do."""

from __future__ import annotations

from pathlib import Path

import pytest

from planner.catalog.load import load
from planner.plan import load_plan
from planner.report.phrases import hint, in_words
from planner.solve import solve
from planner.solve.answer import Answer

OFFERS = "offer h100_each { provider = here; gpu = h100_sxm; gpus = 1; price = $3/h; sold_by = gpu }\n"
"""What the training rents: prices of the catalog change, and with them what would mend a plan."""
PLANS = (
    'inference w { model = "meta-llama/Llama-3.1-70B"; context = 8Ki tokens; concurrency = 8; gpu in {l4, a10g}; '
    "gpus = 1; cost <= $1/h }",
    'training w { model = "meta-llama/Llama-3.1-70B"; sequence = 4Ki tokens; global_batch = 16; tokens = 10M tokens; '
    "method = full; gpu = h100_sxm; gpus in 1..2; total_cost <= $5; provider = here }",
    'inference w { model = "meta-llama/Llama-3.1-8B"; context = 8Ki tokens; concurrency = 64; gpu = l4; gpus = 1; '
    "tpot <= 30 ms; cost <= $1/h; weights = bf16 }",
)


@pytest.mark.parametrize("plan", PLANS)
def test_both_changes_together_do(plan: str, tmp_path: Path) -> None:
    catalog, _ = load()
    file = tmp_path / "w.mem"
    file.write_text(f"edition 2026\n{OFFERS}{plan}\nminimize cost\n")
    problem = load_plan(str(file)).problem
    assert problem is not None
    answer = solve(problem, catalog)
    assert answer.outcome == "infeasible"
    (both,) = [item for rule in answer.conflict for item in rule.hints if item.also is not None]
    assert both.also is not None
    changes = hint(both).split(" and ")
    names = {change.split()[0] for change in changes}
    head, _, body = plan.partition("{")
    relations = [part.strip() for part in body.rstrip(" }").split(";")]
    rest = [part for part in relations if part.split()[0] not in names]
    file.write_text(f"edition 2026\n{OFFERS}{head}{{ {'; '.join([*rest, *changes])} }}\nminimize cost\n")
    mended = load_plan(str(file)).problem
    assert mended is not None, changes
    assert solve(mended, catalog).outcome == "optimal", changes


@pytest.mark.parametrize(
    ("split", "rule", "reason"),
    [
        ("tensor_parallel = 8; expert_parallel = 8", "w.expert_parallel", "data_parallel × context_parallel"),
        ("tensor_parallel = 8; data_parallel = 3", "w.gpus", "do not multiply to it"),
        ("zero = 3; data_parallel = 4; pipeline_parallel = 2", "w.zero", "DeepSpeed has no pipelines"),
    ],
)
def test_a_split_that_cannot_be_is_said(split: str, rule: str, reason: str, tmp_path: Path) -> None:
    catalog, _ = load()
    file = tmp_path / "w.mem"
    file.write_text(
        'edition 2026\ntraining w { model = "mistralai/Mixtral-8x7B-v0.1"; sequence = 4Ki tokens; gpu = h100_sxm; '
        f"gpus = 8; framework = {'deepspeed' if 'zero' in split else 'megatron'}; global_batch = 64; {split} }}\n"
        "minimize cost\n"
    )
    problem = load_plan(str(file)).problem
    assert problem is not None
    found = {item.rule: str(in_words(item.has)) for item in solve(problem, catalog).conflict}
    assert reason in found[rule]


@pytest.mark.parametrize(
    ("name", "value"), [("weights", "q4_k_m"), ("weights", "{q4_k_m, q8_0}"), ("kv_cache", "q8_0")]
)
def test_a_format_of_another_engine_names_the_engine(name: str, value: str) -> None:
    catalog, _ = load()
    relation = "in" if value.startswith("{") else "="
    block = f'model = "Qwen/Qwen3-8B"; context = 8Ki tokens; concurrency = 2; {name} {relation} {value}'

    def answer(more: str) -> Answer:
        plan = load_plan("w.mem", text=f"edition 2026\ninference w {{ {block}{more} }}\nminimize cost\n")
        assert plan.problem is not None
        return solve(plan.problem, catalog)

    refused = answer("")
    assert refused.outcome == "infeasible"
    hints = [hint(item) for rule in refused.conflict if rule.rule == f"w.{name}" for item in rule.hints]
    assert hints == ["engine = llama_cpp"]
    assert answer("; engine = llama_cpp").outcome == "optimal"
