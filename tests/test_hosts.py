"""A replica of a service stays on one host unless the plan says otherwise; what crosses hosts pays their network."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

import planner
from planner.catalog.load import load
from planner.cli.plan import load_plan
from planner.solve import estimate, solve
from planner.solve.answer import Answer
from planner.solve.candidate import Candidate
from planner.solve.kinds import judge_row, table_of

CATALOG, _ = load()
HOSTS = """
edition 2026
offer one { gpu = h100_sxm; gpus = 1; price = $1/h; provider = lambda; available = 64; network = 0.0125 GB/s }
offer slow { gpu = h100_sxm; gpus = 8; price = $20/h; provider = lambda; available = 8; network = 0.0125 GB/s }
offer fast { gpu = h100_sxm; gpus = 8; price = $24/h; provider = lambda; available = 8; network = 400 GB/s }
"""
SERVICE = 'inference a {{ model = "Qwen/Qwen3-32B"; context = 8Ki; output = 500; concurrency = 32; {said} }}\n'


def answer(said: str, folder: Path, fixed: bool = False) -> Answer:
    path = folder / "a.mem"
    path.write_text(HOSTS + SERVICE.format(said=said))
    loaded = load_plan(str(path))
    assert loaded.problem is not None, loaded.findings
    return (estimate if fixed else solve)(loaded.problem, CATALOG)


def chosen(said: str, folder: Path) -> Candidate:
    (row,) = answer(said, folder).workloads
    return row.chosen


def test_a_replica_is_not_spread_over_cheap_single_gpu_hosts(tmp_path: Path) -> None:
    row = chosen("offer in {one, slow, fast}; gpus in 1..8", tmp_path)
    assert (row.offer, row.choice["nodes"]) == ("slow", 1)


def test_hosts_are_spanned_where_the_plan_offers_them(tmp_path: Path) -> None:
    row = chosen("offer in {one, slow, fast}; gpus in 1..8; nodes in 1..8", tmp_path)
    assert row.offer == "one"
    assert row.choice["nodes"] == row.gpus > 1


def test_stated_sizes_that_need_more_hosts_span_them(tmp_path: Path) -> None:
    row = chosen("offer in {one, slow, fast}; gpus = 16", tmp_path)
    assert (row.offer, row.choice["nodes"]) == ("slow", 2)
    row = chosen("offer in {one, slow, fast}; tensor_parallel = 8; pipeline_parallel = 2", tmp_path)
    assert row.choice["nodes"] == 2


def test_the_network_between_hosts_counts(tmp_path: Path) -> None:
    times = {}
    for offer in ("slow", "fast"):
        for split in ("tensor_parallel = 8; pipeline_parallel = 2", "tensor_parallel = 16; pipeline_parallel = 1"):
            (found,) = answer(f"offer = {offer}; gpu = h100_sxm; gpus = 16; {split}", tmp_path, True).workloads
            times[offer, split[18:20]] = found.chosen.outcomes
    for size in ("8;", "16"):
        slow, fast = times["slow", size], times["fast", size]
        assert slow["tpot"] > fast["tpot"] and slow["ttft"] > fast["ttft"]  # type: ignore[operator]
        assert slow["throughput"] < fast["throughput"]  # type: ignore[operator]
    sent = 2 * 5120 * (8192 - 500)  # 16-bit activations of a prompt, once between two stages, at 0.1 Gbit/s
    apart = times["slow", "8;"]["ttft"] - times["fast", "8;"]["ttft"]  # type: ignore[operator]
    assert float(apart) > sent / 12.5e6


def test_a_bound_chooses_the_faster_network(tmp_path: Path) -> None:
    row = chosen("offer in {one, slow, fast}; gpus = 16; ttft <= 8 s", tmp_path)
    assert row.offer == "fast"


def test_a_conflict_offers_hosts(tmp_path: Path) -> None:
    found = answer("offer = one", tmp_path)
    assert found.outcome == "infeasible"
    hints = [(hint.quantity, hint.value) for item in found.conflict for hint in item.hints]
    assert [name for name, _ in hints].count("nodes") == 1


def test_rows_of_a_table_are_what_judging_them_says(tmp_path: Path) -> None:
    said = "offer in {one, slow, fast}; gpus in 1..16; nodes in 1..4; replicas in 1..2"
    answer(said, tmp_path)
    problem = load_plan(str(tmp_path / "a.mem")).problem
    assert problem is not None
    (workload,) = problem.workloads
    table = table_of(problem, workload, CATALOG)
    nodes = [int(table.choice(row)["nodes"]) for row in range(table.rows)]
    assert set(nodes) == {1, 2, 3, 4}
    for row in range(0, table.rows, 3):
        judged = judge_row(problem, table, row, CATALOG)
        for name in ("tpot", "ttft", "throughput"):
            have = int(table.outcome(name)[row])
            scale = {"throughput": 10**6}.get(name, 10**9)
            assert Fraction(have, scale) == judged.outcomes[name], (row, name)


def _stashing(ram: int, **own: str) -> str:
    lines = {
        "model": '"meta-llama/Llama-3.1-8B"',
        "sequence": "32768",
        "global_batch": "1",
        "gpus": "1",
        "offer": "box",
        "method": "lora",
        "precision": "bf16",
        "loss": "fused",
        "checkpointing": "full",
        "offload_activations": "true",
    } | own
    body = "; ".join(f"{name} = {value}" for name, value in lines.items())
    box = f"offer box {{ gpu = h200_sxm; gpus = 1; price = $1/h; ram = {ram} GiB }}"
    return f"edition 2026\n{box}\ntraining t {{ {body} }}\n"


def test_offloaded_activations_are_held_by_the_host() -> None:
    """The inputs of 32 layers, 16 bits a number: 2 x 4096 x 32 Ki tokens each, a power of two already."""
    solved = planner.solve(text=_stashing(1000), top=0)
    assert solved["t"].chosen.outcomes["host_memory"] == 32 * 2 * 4096 * 32768
    assert "on their way to the host" in solved.render("markdown")
    assert planner.solve(text=_stashing(7), top=0).outcome == "infeasible"
    kept = planner.solve(text=_stashing(2000, checkpointing="none"), top=0)["t"].chosen
    assert float(kept.outcomes["host_memory"] or 0) > 30 * solved["t"].chosen.outcomes["host_memory"]
    assert planner.solve(text=_stashing(100, checkpointing="none"), top=0).outcome == "infeasible"


@pytest.mark.parametrize("ram", [400, 150, 60])
def test_as_many_layers_recompute_as_the_host_asks_for(ram: int) -> None:
    """The fewest that fit the GPU have the most activations on the host."""
    text = _stashing(ram, framework="fsdp", micro_batch="1")
    chosen = planner.solve(text=text, top=0)["t"].chosen
    again = int(chosen.choice["checkpointed_layers"])
    fits = {
        layers: planner.solve(text=text, set={"t.checkpointed_layers": layers}, top=0).fits
        for layers in {again - 1, again, 32} & set(range(1, 33))
    }
    assert fits.pop(again)
    assert fits.pop(32, True)
    assert not any(fits.values()), "the cost is the same, the duration shorter with fewer"
