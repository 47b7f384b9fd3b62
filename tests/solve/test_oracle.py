"""The answer equals brute force over all choices, layers of checkpointing and unsaid sizes too, on small random plans.

The oracle that reuses nothing of the solver, and the many fleets, are tests/oracle.
"""

from __future__ import annotations

import random
import re
from pathlib import Path

import brute
import pytest

from planner.catalog.load import load as load_catalog
from planner.cli.plan import load_plan
from planner.language.problem import Problem
from planner.solve import solve
from planner.solve.fleet import cost_cutoff
from planner.solve.objective import scale_of

GPUS = ("l4", "l40s", "a10g", "rtx_4090", "a100_sxm_80gb")


def problem_of(text: str, folder: Path) -> Problem:
    """Return a plan's problem; its workloads rent what it declares, as many as they like of what is not `available`."""
    names = ", ".join(re.findall(r"^offer (\w+)", text, re.M))
    text = re.sub(r"^(offer (?!.*available).*?) }$", r"\1; provider = lambda }", text, flags=re.M)
    text = text.replace("provider = own", f"offer in {{{names}}}")
    plan = folder / "plan.mem"
    plan.write_text(text)
    loaded = load_plan(str(plan))
    assert loaded.problem is not None, loaded.findings
    return loaded.problem


def offers(chance: random.Random, count: int, limited: bool = False) -> str:
    lines = []
    for index in range(count):
        available = f"; available = {chance.randint(1, 2)}" if limited and chance.random() < 0.5 else ""
        lines.append(
            f"offer o{index} {{ gpu = {chance.choice(GPUS)}; gpus = {chance.choice((1, 1, 2, 4, 8))}; "
            f"price = ${chance.randint(1, 9)}/h{available} }}\n"
        )
    return "".join(lines)


def service(chance: random.Random, name: str, most: int, rule: str = "") -> str:
    model = chance.choice(("Qwen/Qwen2.5-0.5B", "meta-llama/Llama-3.2-1B", "meta-llama/Llama-3.1-8B"))
    formats = chance.choice(("{bf16, int4}", "{bf16}", "{bf16, fp8_e4m3, int4}"))
    return (
        f'inference {name} {{ model = "{model}"; context = {chance.choice((1024, 4096, 8192))}; '
        f"concurrency = {chance.randint(1, 48)}; gpus in 1..{most}; weights in {formats}; provider = own; {rule} }}\n"
    )


@pytest.mark.parametrize("seed", range(14))
def test_one_service(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    goal = chance.choice(("cost", "cost", "tpot", "headroom", "gpus"))
    direction = "maximize" if goal == "headroom" else "minimize"
    rule = chance.choice(("", "quality >= 97%", "headroom >= 20%", "tpot <= 40 ms", "cost <= $5/h"))
    text = offers(chance, 3) + service(chance, "w", chance.randint(1, 4), rule) + f"{direction} {goal}\n"
    compare(text, tmp_path)


@pytest.mark.parametrize("seed", range(18))
def test_one_training(seed: int, tmp_path: Path) -> None:
    chance = random.Random(1000 + seed)
    goal = chance.choice(("cost", "total_cost", "step_time", "memory"))
    rule = chance.choice(("", "headroom >= 10%", "duration <= 20 day", "total_cost <= $900", "step_time <= 20 s"))
    model = chance.choice(("Qwen/Qwen2.5-0.5B", "meta-llama/Llama-3.2-1B", "Qwen/Qwen2.5-1.5B"))
    text = offers(chance, 2).replace(" }", chance.choice((" }", "; network = 0.2 GB/s }")), 1) + (
        f'training w {{ model = "{model}"; sequence = {chance.choice((1024, 4096))}; global_batch = 8; tokens = 50M; '
        f"precision = bf16; gpus in {{1, {chance.choice((2, 4))}}}; micro_batch in {{1, 4}}; "
        f"provider = own; {rule} }}\n"
        f"minimize {goal}\n"
    )
    compare(text, tmp_path)


@pytest.mark.parametrize("seed", range(14))
def test_fleets_of_many_rows(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an answer cannot pay is left out first, where rows are many: here, where they are few."""
    monkeypatch.setattr(cost_cutoff, "FEW", 20)
    test_fleets(seed, tmp_path)


@pytest.mark.parametrize("seed", range(20, 32))
def test_fleets(seed: int, tmp_path: Path) -> None:
    chance = random.Random(5000 + seed)
    names = ["a", "b", "c"][: chance.choice((2, 2, 3))]
    bounds = chance.choice(
        ("", f"cost <= ${chance.randint(2, 20)}/h", f"gpus <= {chance.randint(2, 5)}", "available.l4 <= 2")
    )
    extra = chance.choice(
        (
            "",
            "require same: a.gpu == b.gpu\n",
            f"require few: sum(w.gpus for w in workloads) <= {chance.randint(2, 6)}\n",
            "require spare: a.gpus + 1 <= b.gpus or a.weights == bf16\n",
            "prefer alike: a.weights == b.weights worth $2/h\n",
            "prefer dear: a.weights == bf16 worth $3/h\n",
            "require roomy: min(w.headroom for w in workloads) >= 30%\n",
            "require one: max(a.headroom, b.headroom) >= 60% or not min(a.gpus, b.gpus) < 2\n",
            "prefer easy: max(w.tpot for w in workloads) <= 20 ms worth $2/h\n",
            "require lean: sum(w.gpus for w in workloads where w.headroom < 50%) <= 2\n",
        )
    )
    text = offers(chance, 3, limited=True) + "".join(service(chance, name, 2) for name in names)
    text += (f"fleet {{ {bounds} }}\n" if bounds else "") + extra
    text += chance.choice(("minimize cost\n", "minimize cost\n", "minimize gpus then minimize cost\n"))
    compare(text, tmp_path)


OBJECTIVES = (
    "maximize headroom then minimize cost",
    "minimize tpot then minimize cost",
    "minimize cost then maximize headroom",
    "maximize quality then minimize cost",
    "minimize cost then maximize quality then maximize headroom",
    "minimize ttft then maximize headroom then minimize cost",
    "minimize a.tpot then minimize cost",
    "minimize cost then maximize b.headroom",
    "maximize a.quality then minimize b.ttft then minimize cost",
    "minimize gpus then minimize memory then minimize cost",
    "maximize kv_tokens then minimize power then minimize cost",
)


@pytest.mark.parametrize("seed", range(16))
def test_objectives_over_several_workloads_and_of_one(seed: int, tmp_path: Path) -> None:
    """Of a headroom or a time the worst workload counts, of a cost the sum; shared limits or none."""
    chance = random.Random(9000 + seed)
    names = ["a", "b", "c"][: chance.choice((2, 2, 3))]
    bound = chance.choice(("", "", f"cost <= ${chance.randint(4, 20)}/h", f"gpus <= {chance.randint(2, 5)}"))
    twins = chance.random() < 0.3  # workloads that are alike are one class
    kept = chance.getstate()
    blocks = []
    for name in names:
        if twins:
            chance.setstate(kept)
        blocks.append(service(chance, name, 2))
    text = offers(chance, 3, limited=chance.random() < 0.5) + "".join(blocks)
    text += (f"fleet {{ {bound} }}\n" if bound else "") + OBJECTIVES[seed % len(OBJECTIVES)] + "\n"
    compare(text, tmp_path)


@pytest.mark.parametrize("seed", range(15))
def test_a_bound_on_a_workload_s_cost_is_about_its_share(seed: int, tmp_path: Path) -> None:
    """Racks of several GPUs that workloads share, and bounds that hold for a share where they do not for the whole."""
    chance = random.Random(7000 + seed)
    racks = "".join(
        f"offer r{index} {{ gpu = {chance.choice(GPUS)}; gpus = {chance.choice((2, 4, 4, 8))}; "
        f"price = ${chance.randint(4, 20)}/h{chance.choice(('', '; available = 1'))} }}\n"
        for index in range(chance.choice((1, 2)))
    )
    single = (
        f"offer one {{ gpu = l40s; gpus = 1; price = ${chance.randint(2, 9)}/h }}\n" if chance.random() < 0.5 else ""
    )
    twins = chance.random() < 0.3
    kept = chance.getstate()
    blocks = []
    for name in ("a", "b", "c")[: chance.choice((2, 3))]:
        if twins:
            chance.setstate(kept)
        limit = chance.choice((2, 3, 4, 5, 7))
        rule = chance.choice(("", f"cost <= ${limit}/h", f"cost <= ${limit}/h", f"cost < ${limit}/h"))
        blocks.append(service(chance, name, 2, rule))
    goal = chance.choice(("minimize cost", "minimize cost then maximize headroom", "minimize gpus then minimize cost"))
    compare(f"{racks}{single}{''.join(blocks)}{goal}\n", tmp_path)


def test_a_training_beside_a_service_counts_only_for_what_it_has(tmp_path: Path) -> None:
    chance = random.Random(3)
    text = offers(chance, 2) + service(chance, "w", 2)
    text += (
        'training t { model = "Qwen/Qwen2.5-0.5B"; sequence = 1024; global_batch = 8; precision = bf16; gpus = 1; '
        "micro_batch = 1; provider = own }\n"
    )
    for goal in (
        "minimize tpot then minimize cost",
        "minimize step_time then minimize cost",
        "minimize w.tpot then minimize t.memory then minimize cost",
    ):
        compare(text + f"{goal}\n", tmp_path)


def compare(text: str, folder: Path) -> None:
    catalog, _ = load_catalog()
    problem = problem_of(text, folder)
    answer = solve(problem, catalog)
    found = brute.best(problem, catalog)
    if found is None:
        assert answer.outcome == "infeasible", text
        assert answer.conflict
        return
    assert answer.outcome == "optimal", (text, answer.conflict)
    chosen = [item.chosen for item in answer.workloads]
    assert [row.name for row in chosen] == [row.name for row in found[1]], text
    assert [row.cost for row in chosen] == [row.cost for row in found[1]]
    assert all(part.value == part.bound for part in answer.objective)
    sums = found[0][: len(problem.goals)]
    for goal, part, total in zip(problem.goals, answer.objective, sums, strict=True):
        if part.value is None:
            assert any(row.outcomes[part.quantity] is None for row in chosen), "nobody knows it"
            continue
        signed = (part.value + part.penalty) * scale_of(goal) * (1 if goal.direction == "minimize" else -1)
        assert signed == total, (text, part)


@pytest.mark.parametrize("seed", range(12))
def test_of_what_rents_the_same_for_more_the_cheaper(seed: int, tmp_path: Path) -> None:
    """Objectives that leave the rent open: the cheaper offer, alone as beside others, whatever it is called."""
    chance = random.Random(3000 + seed)
    goal = chance.choice(("minimize tpot", "maximize headroom", "minimize a.tpot", "minimize gpus", "maximize quality"))
    twice = "".join(
        f"offer {name}{index} {{ gpu = {gpu}; gpus = {chance.choice((1, 2))}; price = ${chance.randint(1, 9)}/h }}\n"
        for index, gpu in enumerate(chance.sample(GPUS, 2))
        for name in "pq"
    )
    names = ("a", "b")[: chance.choice((1, 2))]
    compare(twice + "".join(service(chance, name, 2) for name in names) + goal + "\n", tmp_path)
