"""What is called proven is the optimum: plans in which a row that fills idle slots, a limited machine, a lower bound on
money or a share decides, each with the right answer worked out by hand; and answers that two ways disagree on."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from planner.catalog.load import load as load_catalog
from planner.cli.plan import load_plan
from planner.solve import solve
from planner.solve.answer import Answer
from planner.solve.choose import choose
from planner.solve.fleet import audit

MODEL = 'model = "Qwen/Qwen2.5-0.5B"; context = 1024; concurrency = 4'
RUN = 'model = "Qwen/Qwen2.5-0.5B"; sequence = 1024; global_batch = 8; precision = bf16; micro_batch = 1'


def answer(text: str, folder: Path) -> Answer:
    plan = folder / "plan.mem"
    plan.write_text(text)
    loaded = load_plan(str(plan))
    assert loaded.problem is not None, loaded.findings
    return solve(loaded.problem, load_catalog()[0])


def costs(found: Answer) -> dict[str, int]:
    return {item.chosen.workload: item.chosen.cost for item in found.workloads}


def test_a_row_that_fills_idle_slots_adds_nothing(tmp_path: Path) -> None:
    """Alone `small` is cheaper on a card of its own; beside `big`, on idle GPUs of its node, it is free."""
    found = answer(
        "offer node { gpu = a100_sxm_80gb; gpus = 8; price = $16/h; provider = lambda }\n"
        "offer card { gpu = l4; gpus = 1; price = $1/h; provider = lambda }\n"
        f"inference big {{ {MODEL}; offer = node; gpus = 4 }}\n"
        f"inference small {{ {MODEL}; offer in {{node, card}}; gpus = 1 }}\n",
        tmp_path,
    )
    assert found.outcome == "optimal"
    assert found.cost == 16_000_000


def test_what_can_be_shared_and_what_cannot_are_not_weighed_against_each_other(tmp_path: Path) -> None:
    """Two GPUs of the only machine: groups of three do not pack, so that a workload of three would need it whole."""
    found = answer(
        "offer mine { gpu = l40s; gpus = 8; price = $0/h }\n"
        "offer card { gpu = l40s; gpus = 1; price = $1/h; provider = lambda }\n"
        f"inference a {{ {MODEL}; offer in {{mine, card}}; gpus in {{1, 3}} }}\n"
        f"inference b {{ {MODEL}; offer in {{mine, card}}; gpus in {{1, 3}} }}\n",
        tmp_path,
    )
    assert found.cost == 0


@pytest.mark.parametrize(
    ("bound", "right"),
    [
        ("cost >= $3/h", 3_500_000),  # the dearer offer of the same card
        ("cost > $1/h; cost < $3/h", 2_000_000),  # the same card on demand instead of spot
        ("cost >= $0.50/h", 1_000_000),
    ],
)
def test_a_lower_bound_on_cost_considers_dearer_offers(bound: str, right: int, tmp_path: Path) -> None:
    offers = (
        "offer low { gpu = l4; gpus = 1; price = $2/h; spot = $1/h; provider = lambda }\n"
        "offer high { gpu = l4; gpus = 1; price = $3.50/h; provider = lambda }\n"
    )
    block = f"inference w {{ {MODEL}; offer in {{low, high}}; market in {{on_demand, spot}}; gpus = 1"
    assert answer(f"{offers}{block}; {bound} }}\n", tmp_path).cost == right
    assert answer(f"{offers}{block} }}\nfleet {{ {bound} }}\n", tmp_path).cost == right


def test_instances_that_nobody_uses_are_not_rented(tmp_path: Path) -> None:
    """Both workloads fit one node of two GPUs for $1; $6 are reached by what is used alone: $1 + $5."""
    found = answer(
        "offer low { gpu = l40s; gpus = 2; price = $1/h; provider = lambda }\n"
        "offer high { gpu = l40s; gpus = 2; price = $5/h; provider = lambda }\n"
        f"inference a {{ {MODEL}; offer in {{low, high}}; gpus = 1 }}\n"
        f"inference b {{ {MODEL}; offer in {{low, high}}; gpus = 1 }}\n"
        "require spent: sum(w.cost for w in workloads) >= $6/h\n",
        tmp_path,
    )
    assert found.cost == 6_000_000
    assert sum(costs(found).values()) == 6_000_000
    assert {item.chosen.offer for item in found.workloads} == {"low", "high"}


def test_a_shared_training_s_total_cost_is_its_share_times_its_duration(tmp_path: Path) -> None:
    found = answer(
        "offer node { gpu = h100_sxm; gpus = 8; price = $8/h; available = 1 }\n"
        f"inference a {{ {MODEL}; offer = node; gpus = 4; tensor_parallel = 2 }}\n"
        f"training b {{ {RUN}; tokens = 100M; offer = node; gpus = 4; zero = 0 }}\nminimize cost\n",
        tmp_path,
    )
    run = next(item.chosen for item in found.workloads if item.chosen.workload == "b")
    assert run.outcomes["cost"] == 4
    duration, total = run.outcomes["duration"], run.outcomes["total_cost"]
    assert duration is not None and total is not None
    assert abs(total - 4 * duration / 3600) <= Fraction(1, 2 * 10**6)  # half a step of its scale


@pytest.mark.parametrize("rule", ["cost >= $2/h", "cost > $1.50/h; cost <= $2.25/h", "cost = $2.25/h"])
def test_a_bound_on_cost_is_about_the_share_from_both_sides(rule: str, tmp_path: Path) -> None:
    """Two on one node of $4.50 pay $2.25 each; three pay $1.50, which is too little for every one of these rules."""
    node = "offer node { gpu = l40s; gpus = 8; price = $4.50/h; available = 1; provider = lambda }\n"
    blocks = [f"inference {name} {{ {MODEL}; offer = node; gpus = 1; {rule} }}\n" for name in "abc"]
    assert answer(node + "".join(blocks[:2]), tmp_path).outcome == "optimal"
    assert answer(node + "".join(blocks), tmp_path).outcome == "infeasible"


def test_owned_hardware_is_one_machine_unless_it_says_more(tmp_path: Path) -> None:
    block = f"inference w {{ {MODEL}; offer = mine; gpus = 2; replicas = 2 }}\n"
    for offer in ("price = $0/h", "price = $1/h", "price = $0/h; provider = lambda"):
        assert answer(f"offer mine {{ gpu = l4; gpus = 1; {offer} }}\n{block}", tmp_path).outcome == "infeasible"
    for offer in ("price = $0/h; available = 2", "price = $1/h; provider = lambda", "price = $1/h; provider = acme"):
        assert answer(f"offer mine {{ gpu = l4; gpus = 1; {offer} }}\n{block}", tmp_path).outcome == "optimal"


def test_equal_cost_goes_to_fewer_rented_gpus_then_to_the_faster(tmp_path: Path) -> None:
    offers = (
        "offer wide { gpu = l40s; gpus = 4; price = $2/h; provider = lambda }\n"
        "offer slim { gpu = l40s; gpus = 2; price = $2/h; provider = lambda }\n"
    )
    model = 'model = "meta-llama/Llama-3.1-8B"; context = 1024; concurrency = 4'
    block = f"inference w {{ {model}; offer in {{wide, slim}}; gpus in 1..2 }}\n"
    row = answer(offers + block, tmp_path).workloads[0].chosen
    assert (row.offer, row.gpus, row.choice["tensor_parallel"]) == (
        "slim",
        2,
        2,
    )  # both are paid: the faster
    alone = answer(offers + block.replace("1..2", "1"), tmp_path).workloads[0].chosen
    both = row.outcomes["tpot"], alone.outcomes["tpot"]
    assert both[0] is not None and both[1] is not None and both[0] < both[1]


def test_trainings_that_all_say_tokens_are_solved_for_the_run(tmp_path: Path) -> None:
    """Two cards: an hour of the slow one is cheaper, the run is not."""
    offers = (
        "offer slow { gpu = t4; gpus = 1; price = $0.40/h; provider = lambda }\n"
        "offer fast { gpu = h100_sxm; gpus = 1; price = $2/h; provider = lambda }\n"
    )
    block = f"training w {{ {RUN.replace('bf16', 'fp16_mixed')}; offer in {{slow, fast}}; gpus = 1"
    by_run = answer(f"{offers}{block}; tokens = 1B }}\n", tmp_path)
    assert by_run.objective[0].quantity == "total_cost"
    assert by_run.workloads[0].chosen.offer == "fast"
    assert answer(f"{offers}{block} }}\n", tmp_path).workloads[0].chosen.offer == "slow"


def test_the_worst_of_all_frees_the_others_below_it(tmp_path: Path) -> None:
    """`a` has the least headroom of both whatever is chosen, so that `t` is free to be faster than roomy."""
    found = answer(
        "offer o0 { gpu = a100_sxm_80gb; gpus = 1; price = $1/h; provider = lambda }\n"
        "offer o1 { gpu = a10g; gpus = 1; price = $4/h; provider = lambda }\n"
        f"training t {{ {RUN}; offer in {{o0, o1}}; gpus in {{1, 2}} }}\n"
        'inference a { model = "meta-llama/Llama-3.2-1B"; context = 8192; concurrency = 44; offer in {o0, o1}; '
        "gpus = 1 }\n"
        "minimize cost then maximize headroom\n",
        tmp_path,
    )
    run = next(item.chosen for item in found.workloads if item.chosen.workload == "t")
    assert found.outcome == "optimal"
    assert run.choice["checkpointing"] == "none"


def test_what_two_ways_disagree_on_is_not_called_proven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (
        "offer one { gpu = l4; gpus = 1; price = $1/h; provider = lambda }\n"
        "offer two { gpu = l40s; gpus = 1; price = $2/h; provider = lambda }\n"
        f"inference w {{ {MODEL}; offer in {{one, two}}; gpus = 1 }}\n"
    )
    apart = choose.apart
    monkeypatch.setattr(choose, "apart", lambda *words: {name: row + 1 for name, row in apart(*words).items()})
    with pytest.raises(audit.Contradiction):
        answer(text, tmp_path)


def test_an_answer_that_breaks_a_rule_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from planner.solve.fleet import integer_model

    text = (
        "offer one { gpu = l4; gpus = 1; price = $1/h; provider = lambda }\n"
        f"inference w {{ {MODEL}; offer = one; gpus = 1 }}\nfleet {{ cost >= $5/h }}\n"
    )
    monkeypatch.setattr(integer_model, "add_bound", lambda *words: None)
    with pytest.raises(audit.Contradiction):
        answer(text, tmp_path)
