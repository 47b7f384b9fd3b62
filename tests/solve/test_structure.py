"""The rules of structure: what the search enumerates keeps them, and what they accept the search enumerates."""

from __future__ import annotations

import random
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from planner.catalog.load import load
from planner.catalog.programs.frameworks import resolved
from planner.cli.plan import load_plan
from planner.language.problem import Problem, Value, Workload
from planner.solve.inference.engine_rules import service_faults
from planner.solve.inference.layerwise import is_mix
from planner.solve.judging import Unknown
from planner.solve.kinds import judge, table_of, unoffered
from planner.solve.parallelism import Layout, Split
from planner.solve.training.framework_rules import training_faults

PLANS = {
    "dense": 'inference w { model = "meta-llama/Llama-3.1-8B"; context = 4Ki tokens; concurrency = 4; '
    "gpu in {l4, l40s}; gpus in 1..8; replicas in {1, 2, 3}; weights in {bf16, fp8} }",
    "experts": 'inference w { model = "mistralai/Mixtral-8x7B-v0.1"; context = 4Ki tokens; concurrency = 4; '
    "gpu in {l40s, h100_sxm}; gpus in 1..8 }",
    "demand": 'inference w { model = "meta-llama/Llama-3.2-1B"; context = 2Ki tokens; output = 200 tokens; '
    "concurrency = 8; demand = 20 req/s; gpu in {l4, t4} }",
    "layers": 'inference w { model = "meta-llama/Llama-3.2-1B"; context = 2Ki tokens; concurrency = 4; gpu = l4; '
    "gpus in {1, 2}; weights in {bf16, int4} per layer }",
    "thumb": "model mine { parameters = 7B }\ninference w { model = mine; context = 2Ki tokens; concurrency = 4; "
    "gpus in 1..6; expert_parallel in {1, 2} }",
    "transformers": 'training w { model = "meta-llama/Llama-3.2-1B"; sequence = 1Ki tokens; global_batch = 12; '
    "gpu in {l40s, h100_sxm}; gpus in {1, 2, 4, 6}; optimizer in {adamw, adamw_8bit} }",
    "megatron": 'training w { model = "mistralai/Mixtral-8x7B-v0.1"; sequence = 2Ki tokens; global_batch = 16; '
    "framework = megatron; gpu = h100_sxm; gpus in {16, 32}; expert_parallel in {1, 2, 8, 16} }",
    "deepspeed": 'training w { model = "meta-llama/Llama-3.1-8B"; sequence = 1Ki tokens; global_batch = 8; '
    "framework = deepspeed; gpu in {l40s, h100_sxm}; gpus in {4, 8}; zero in 0..3; offload in {none, optimizer} }",
    "recomputed": "training w { model = mine; sequence = 64 tokens; checkpointed_layers in {3, 40} }\n"
    "model mine { parameters = 1B }",
}
SAMPLED = 40
OTHER: dict[str, tuple[Value, ...]] = {
    **{
        f"{name}_parallel": tuple(map(Fraction, (1, 2, 3, 4, 8, 16)))
        for name in ("tensor", "pipeline", "expert", "context", "data")
    },
    "gpus": tuple(map(Fraction, (1, 2, 3, 4, 8, 12, 64))),
    "replicas": tuple(map(Fraction, (1, 2, 5))),
    "zero": tuple(map(Fraction, range(4))),
    "micro_batch": tuple(map(Fraction, (1, 2, 3, 5, 8))),
    "checkpointed_layers": tuple(map(Fraction, (0, 1, 7, 16, 500))),
    "checkpointing": ("none", "selective", "full"),
    "offload": ("none", "optimizer"),
}
CATALOG, _ = load()


def problem_of(text: str, folder: Path) -> Problem:
    path = folder / "w.mem"
    path.write_text(f"edition 2026\n{text}\nminimize cost\n")
    loaded = load_plan(str(path))
    assert loaded.problem is not None, loaded.findings
    return loaded.problem


@pytest.mark.parametrize("name", PLANS)
def test_the_search_and_the_rules_agree(name: str, tmp_path: Path) -> None:
    problem = problem_of(PLANS[name], tmp_path)
    (workload,) = problem.workloads
    table = table_of(problem, workload, CATALOG)
    draw = random.Random(name)
    rows = [table.choice(row) for row in draw.sample(range(table.rows), min(SAMPLED, table.rows))]
    assert rows
    accepted = 0
    for choice in rows:
        assert unoffered(problem, workload, choice, CATALOG) == []
        assert not structural(judge(problem, workload, choice, CATALOG).broken, workload)
        other = mutated(choice, draw)
        fixed, own = fixing(problem, workload, other)
        faults = unoffered(fixed, own, other, CATALOG)
        if faults and all(fault.quantity == "tensor_parallel" and fault.needs.kind == "even_heads" for fault in faults):
            continue  # of a service's heads a table keeps the rule for a conflict to name it
        made = table_of(fixed, own, CATALOG)
        found = any(made.choice(row) == {**other, "provider": choice["provider"]} for row in range(made.rows))
        assert found == (not faults and rentable(fixed, own, other)), (other, faults)
        accepted += found
    assert accepted


def structural(broken: tuple[object, ...], workload: Workload) -> list[object]:
    return [item for item in broken if "divisor" in str(item) or "layers," in str(item)]


def mutated(choice: dict[str, Value], draw: random.Random) -> dict[str, Value]:
    """Return a choice with one decision changed; half the time the GPUs that follow are changed too."""
    names = [name for name in OTHER if name in choice]
    out = dict(choice)
    name = draw.choice(names)
    out[name] = draw.choice(OTHER[name])
    if draw.random() < 0.7:
        factors = ("replicas", "data_parallel", "tensor_parallel", "pipeline_parallel", "context_parallel")
        total = Fraction(1)
        for factor in factors:
            total *= out.get(factor, Fraction(1))  # type: ignore[operator]
        out["gpus"] = total
    return out


def fixing(problem: Problem, workload: Workload, choice: dict[str, Value]) -> tuple[Problem, Workload]:
    """Return a problem whose plan says every decision of a choice; formats per layer stay offered."""
    said = {name: (value,) for name, value in choice.items() if not is_mix(str(value))}
    own = replace(workload, domains={**workload.domains, **said})
    return replace(problem, workloads=(own,)), own


def rentable(problem: Problem, workload: Workload, choice: dict[str, Value]) -> bool:
    try:
        judge(problem, workload, choice, CATALOG)
    except Unknown:
        return False
    return True


MIXTRAL = CATALOG.models["mistralai/Mixtral-8x7B-v0.1"]
SMALL = CATALOG.models["meta-llama/Llama-3.2-1B"]


@pytest.mark.parametrize(
    ("split", "named"),
    [
        (Split(1, 1, 8), ["expert_parallel"]),
        (Split(8, 1, 8), []),
        (Split(1, 64, 1), ["pipeline_parallel"]),
        (Split(8, 64, 3), ["pipeline_parallel", "expert_parallel"]),
    ],
)
def test_a_service_has_reasons(split: Split, named: list[str]) -> None:
    assert [fault.quantity for fault in service_faults(MIXTRAL, split)] == named


def test_a_dense_model_has_no_experts_to_split() -> None:
    assert [fault.quantity for fault in service_faults(SMALL, Split(2, 1, 2))] == ["expert_parallel"]


@pytest.mark.parametrize(
    ("framework", "layout", "named"),
    [
        ("deepspeed", Layout(2, 1, 2, 1, 1, 3), ["zero"]),
        ("deepspeed", Layout(4, 1, 1, 1, 1, 3), []),
        ("megatron", Layout(2, 1, 2, 1, 1, 1), []),
        ("megatron", Layout(2, 1, 2, 1, 1, 3), ["zero"]),
        ("megatron", Layout(1, 3, 1, 1, 1, 0), ["tensor_parallel"]),
        ("megatron", Layout(4, 1, 1, 1, 8, 0), ["expert_parallel"]),
        ("megatron", Layout(16, 1, 1, 1, 16, 0), ["expert_parallel"]),
        ("megatron", Layout(1, 1, 33, 1, 1, 0), ["pipeline_parallel"]),
    ],
)
def test_a_layout_has_reasons(framework: str, layout: Layout, named: list[str]) -> None:
    row = resolved(load()[0].frameworks, framework)
    assert [fault.quantity for fault in training_faults(MIXTRAL, row, layout)] == named
