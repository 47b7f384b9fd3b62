"""Plans at the edge of what the search knows: nothing rented, another kind's quantities, models without a time."""

from __future__ import annotations

from fractions import Fraction

import pytest

from planner.catalog.load import load as load_catalog
from planner.language.problem import FleetBound
from planner.plan import load_plan
from planner.solve import solve
from planner.solve.answer import Answer
from planner.solve.rent.sharing import amount

CATALOG = load_catalog()
CHAT = 'inference chat { model = "Qwen/Qwen2.5-0.5B"; context = 1024; concurrency = 2; gpu = l4; gpus in 1..2 }\n'
TUNE = (
    'training tune { model = "Qwen/Qwen2.5-0.5B"; sequence = 512; global_batch = 8; tokens = 1M; gpu = l4; gpus in '
    "1..2 }\n"
)


def answered(text: str) -> Answer:
    loaded = load_plan("plan.mem", shipped=CATALOG, text="edition 2026\n" + text)
    assert loaded.problem is not None, loaded.findings
    return solve(loaded.problem, loaded.catalog, top=1)


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        ("provider = lambda; market = spot", "tune.market"),  # that provider sells nothing on the spot market
        ("provider = own; gpus = 2", "tune.gpus"),  # more than the one machine has
        ("gpus in {3, 5}; framework = fsdp", "tune.gpus"),
    ],
)
@pytest.mark.parametrize("beside", ["", CHAT])
def test_a_training_that_nothing_is_rented_for(body: str, rule: str, beside: str) -> None:
    rack = "offer rack { gpu = l4; gpus = 1; price = $1/h; available = 1 }\n"
    model = "Qwen/Qwen2.5-0.5B"
    found = answered(f'{rack}{beside}training tune {{ model = "{model}"; sequence = 512; global_batch = 1; {body} }}\n')
    assert found.outcome == "infeasible"
    assert {rule, "tune.offer"} <= {item.rule for item in found.conflict}


@pytest.mark.parametrize("optimizer", ["adamw", "muon", "lion", "adafactor"])
@pytest.mark.parametrize(
    "model", ["state-spaces/mamba-370m-hf", "state-spaces/mamba2-2.7b", "LiquidAI/LFM2-1.2B", "google/gemma-2b"]
)
def test_every_optimizer_trains_layers_without_a_feed_forward_part(model: str, optimizer: str) -> None:
    found = answered(
        f'training tune {{ model = "{model}"; sequence = 512; global_batch = 8; optimizer = {optimizer}\n'
        "gpu in {t4, a100_sxm_80gb}; gpus = 1 }\n"
    )
    assert found.outcome == "optimal"


@pytest.mark.parametrize("bound", ["replicas <= 4", "replicas >= 1", "total_cost <= $100", "throughput >= 1 tok/s"])
def test_a_fleet_bound_sums_the_workloads_that_have_the_quantity(bound: str) -> None:
    assert answered(f"{CHAT}{TUNE}fleet {{ {bound} }}\n").outcome == "optimal"


def test_replicas_of_a_fleet_are_counted() -> None:
    two = CHAT.replace("gpus in 1..2", "gpus in 1..4; replicas in 1..4")
    found = answered(f"{two}{TUNE}fleet {{ replicas = 3 }}\n")
    chosen = {item.chosen.workload: item.chosen for item in found.workloads}
    assert chosen["chat"].choice["replicas"] == 3
    loaded = load_plan("plan.mem", shipped=CATALOG, text=f"edition 2026\n{two}{TUNE}fleet {{ replicas = 3 }}\n")
    assert loaded.problem is not None
    bound: FleetBound = loaded.problem.fleet[0]
    assert amount(bound, chosen) == Fraction(3)
    assert answered(f"{two}{TUNE}fleet {{ replicas = 5 }}\n").outcome == "infeasible"


def test_what_nobody_knows_keeps_no_fleet_bound() -> None:
    unsaid = TUNE.replace("tokens = 1M; ", "")
    found = answered(f"{CHAT}{unsaid}fleet {{ total_cost <= $100 }}\n")
    assert found.outcome == "infeasible"
    assert [(item.rule, item.relax_to) for item in found.conflict] == [("fleet.total_cost", None)]


def test_a_demand_on_a_model_whose_time_is_unknown_cannot_be_shown_to_be_met() -> None:
    found = answered(
        "model house { parameters = 1B }\n"
        "inference chat { model = house; context = 64; concurrency = 2; output = 8; gpu = l4\n"
        "demand = 1 req/s }\n"
    )
    assert [item.rule for item in found.conflict] == ["chat.demand"]
