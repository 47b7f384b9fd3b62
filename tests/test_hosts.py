"""A replica of a service stays on one host unless the plan says otherwise; what crosses hosts pays their network."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

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
