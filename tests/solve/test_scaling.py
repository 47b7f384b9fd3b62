"""Replicas by demand, experts within tensor groups, what is rejected: against solving with the choice fixed."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from planner.catalog.load import load as load_catalog
from planner.cli.plan import load_plan
from planner.report.phrases import in_words
from planner.solve import estimate, solve
from planner.solve.answer import Answer

CATALOG, _ = load_catalog()
RACK = "offer our_rack { gpu = h100_sxm; gpus = 8; price = $0/h; available = 2 }\n"
CHAT = (
    'inference chat { model = "meta-llama/Llama-3.1-8B"; context = 8Ki tokens; concurrency = 32; gpus in 1..8\n'
    "demand = 5 req/s; prompt = 1000 tokens; output = 200 tokens; %s }\n"
)


def answer_of(text: str, folder: Path, settings: tuple[str, ...] = ()) -> Answer:
    plan = folder / "plan.mem"
    plan.write_text(text)
    loaded = load_plan(str(plan), settings)
    assert loaded.problem is not None, loaded.findings
    return solve(loaded.problem, CATALOG)


@pytest.mark.parametrize("inline", ["", "replicas >= 2"])
def test_a_rule_on_replicas_finds_the_free_rack(inline: str, tmp_path: Path) -> None:
    rule = "" if inline else "require spare: chat.replicas >= 2\n"
    assert answer_of(RACK + CHAT % inline + rule, tmp_path).cost == 0


@pytest.mark.parametrize(
    ("goal", "rule"),
    [
        ("maximize throughput", ""),
        ("minimize cost", "require fast: sum(w.throughput for w in workloads) >= 700 tok/s\n"),
        ("minimize cost", "prefer spare: chat.replicas >= 3 worth $100000/month\n"),
        ("minimize cost_per_token", ""),
    ],
)
def test_no_number_of_replicas_does_better(goal: str, rule: str, tmp_path: Path) -> None:
    text = CHAT % "gpu = l40s; gpus in 1..4; tensor_parallel = 1; pipeline_parallel = 1" + rule + goal + "\n"
    text = (
        text.replace("gpus in 1..8\n", "")
        .replace("= 8Ki", "= 4Ki")
        .replace("= 32;", "= 8;")
        .replace("= 5 req", "= 1 req")
    )
    free = answer_of(text, tmp_path)
    assert free.outcome == "optimal"
    sign = -1 if "maximize" in goal else 1
    for count in range(1, 5):
        fixed = answer_of(text, tmp_path, (f"chat.replicas={count}",))
        if fixed.outcome == "optimal":
            parts = free.objective[0], fixed.objective[0]
            best, other = (part.value + part.penalty for part in parts if part.value is not None)
            assert sign * best <= sign * other


def test_experts_are_split_within_a_tensor_group(tmp_path: Path) -> None:
    plan = tmp_path / "plan.mem"
    text = (
        'inference a { model = "mistralai/Mixtral-8x7B-v0.1"; context = 4Ki tokens; concurrency = 8\n'
        "gpu = a100_sxm_80gb; gpus = 2; tensor_parallel = 2; pipeline_parallel = 1; expert_parallel = %d }\n"
    )
    weights = []
    for expert in (1, 2):
        plan.write_text(text % expert)
        problem = load_plan(str(plan)).problem
        assert problem is not None
        weights.append(estimate(problem, CATALOG).workloads[0].chosen.parts["weights"])
    assert min(weights) * 2 > CATALOG.models["mistralai/Mixtral-8x7B-v0.1"].params * 2 * 0.99


def test_what_cannot_be_split_is_said(tmp_path: Path) -> None:
    text = (
        'inference a { model = "mistralai/Mixtral-8x7B-v0.1"; context = 4Ki tokens; concurrency = 8\n'
        "gpu = a100_sxm_80gb; gpus = 1; expert_parallel = 4 }\n"
    )
    answer = answer_of(text, tmp_path)
    assert answer.outcome == "infeasible" and answer.conflict[0].rule == "a.expert_parallel"


def test_no_rejected_hardware_fits_otherwise(tmp_path: Path) -> None:
    text = (
        'training tune { model = "meta-llama/Llama-3.1-8B"; sequence = 4Ki tokens; global_batch = 64\n'
        "tokens = 10M tokens; gpus in {4, 8}; framework = fsdp; duration <= 2 h }\nminimize total_cost\n"
    )
    answer = answer_of(text, tmp_path)
    for row in answer.workloads[0].rejected[-4:]:
        fixed = answer_of(text, tmp_path, (f"tune.gpu={row.gpu}", f"tune.gpus={row.gpus}"))
        assert fixed.outcome == "infeasible", (row.gpu, row.gpus)


def test_ways_out_of_a_fleet_mend_the_whole_fleet(tmp_path: Path) -> None:
    block = (
        'inference %s { model = "meta-llama/Llama-3.1-8B"; context = 64Ki tokens; concurrency = 64\n'
        "gpu in {l4, a10g, l40s}; gpus in 1..2; quality >= 99%% }\n"
    )
    text = block % "a" + block % "b" + "fleet { cost <= $4/h }\n"
    answer = answer_of(text, tmp_path)
    assert answer.outcome == "infeasible"
    for item in answer.conflict:
        owner = item.rule.partition(".")[0]
        for hint in item.hints:
            value = hint.value if isinstance(hint.value, str) else int(hint.value)
            fixed = answer_of(text, tmp_path, (f"{owner}.{hint.quantity}={value}",))
            assert fixed.outcome == "optimal", (item, hint)


GGUF = (
    'inference a { model = "openai-community/gpt2"; context = 1Ki tokens; concurrency = 4; gpu = l4; weights = q4_k }\n'
)


def test_what_an_engine_cannot_load_is_one_rule_with_a_choice(tmp_path: Path) -> None:
    (item,) = answer_of(GGUF, tmp_path).conflict
    assert (item.rule, in_words(item.has)) == ("a.weights", "vllm does not support q4_k")
    fixed = answer_of(GGUF, tmp_path, (f"a.weights={item.relax_to}",))
    assert fixed.outcome == "optimal"


def test_what_an_engine_cannot_load_is_no_choice_for_a_fleet(tmp_path: Path) -> None:
    """Two workloads that cannot be mended together: each keeps its rule, and no way out is proposed for one alone."""
    slow = 'inference b { model = "openai-community/gpt2"; context = 1Ki tokens; concurrency = 4; tpot <= 1 us }\n'
    answer = answer_of(GGUF + slow, tmp_path)
    assert {item.rule: item.relax_to for item in answer.conflict} == {"a.weights": None, "b.tpot": None}


@pytest.mark.parametrize(("demand", "prompt", "output"), [(20, 8000, 1), (5, 1000, 200), (2, 30_000, 100)])
def test_a_demand_leaves_time_for_every_prompt(demand: int, prompt: int, output: int, tmp_path: Path) -> None:
    text = (
        'inference chat { model = "meta-llama/Llama-3.1-8B"; context = 32Ki tokens; concurrency = 16; gpu = h100_sxm\n'
        f"tensor_parallel = 2; pipeline_parallel = 1; gpus in 2..64; demand = {demand} req/s\n"
        f"prompt = {prompt} tokens; output = {output} tokens }}\nminimize cost\n"
    )
    answer = answer_of(text, tmp_path)
    assert answer.outcome == "optimal"
    row = answer.workloads[0].chosen
    tpot, load, replicas = row.outcomes["tpot"], row.outcomes["load"], row.choice["replicas"]
    assert not isinstance(replicas, str) and load is not None and tpot is not None
    assert demand * output * tpot / 16 < replicas * load <= replicas  # each of 16 places is held for all of an output
    assert replicas - 1 < replicas * load * Fraction(1001, 1000), "no more than it takes, but for rounding"


@pytest.mark.parametrize("prefix", [0, 3000])
def test_a_throughput_is_what_a_demand_can_be(prefix: int, tmp_path: Path) -> None:
    """First tokens count in both: so many output tokens a second are so many requests, and no more."""
    plan = (
        'inference chat { model = "meta-llama/Llama-3.1-8B"; context = 8Ki tokens; concurrency = 32; gpu = h100_sxm\n'
        f"gpus = 1; prompt = 4000 tokens; output = 100 tokens; shared_prefix = {prefix} tokens; %s }}\nminimize cost\n"
    )
    outcomes = answer_of(plan % "", tmp_path).workloads[0].chosen.outcomes
    rate, tpot, ttft = (float(outcomes[name]) for name in ("throughput", "tpot", "ttft"))  # type: ignore[arg-type]
    assert rate == pytest.approx(32 * 100 / (ttft + 100 * tpot), rel=1e-4)
    assert answer_of(plan % f"demand = {rate / 100 * 0.999:.6f} req/s", tmp_path).outcome == "optimal"
    assert answer_of(plan % f"demand = {rate / 100 * 1.001:.6f} req/s", tmp_path).outcome == "infeasible"


def test_a_shared_prefix_is_computed_once(tmp_path: Path) -> None:
    plan = (
        'inference chat { model = "meta-llama/Llama-3.1-8B"; context = 8Ki tokens; concurrency = 4; gpu = h100_sxm\n'
        "gpus = 1; prompt = 8000 tokens; shared_prefix = %d tokens }\nminimize cost\n"
    )
    request = 22898e-6  # vLLM's, which no prompt changes
    found = [answer_of(plan % prefix, tmp_path).workloads[0].chosen.outcomes for prefix in (0, 4000)]
    whole, rest = (float(row["ttft_expected"]) - request for row in found)  # type: ignore[arg-type]
    assert whole / 2 < rest < whole * 0.6  # the second half of a prompt attends to the first
