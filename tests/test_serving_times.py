"""Times of a service against measurements: expected values, the order of formats, and how `activations` follow."""

from __future__ import annotations

import sys
from pathlib import Path

import command
import numpy
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from fit_serving import Table
from serving_rows import Case, cases

from planner.catalog.load import load
from planner.cli.plan import load_plan
from planner.language.quantities.outcomes import SERVED
from planner.physics import serving_time
from planner.solve import estimate, solve
from planner.solve.answer import Answer
from planner.solve.candidate import EXPECTED, Candidate
from planner.solve.columns.steps import value
from planner.solve.kinds import judge_row, table_of
from planner.wording import note_text

CATALOG, _ = load()


@pytest.fixture(scope="module")
def table() -> Table:
    return Table(cases())


def expected(item: Case) -> tuple[float, float]:
    """Return what the catalog's constants say of a case: seconds per output token and to the first one."""
    between = serving_time.between(CATALOG.engines[item.engine])
    card = item.card._replace(collective=item.card.collective if item.part.ranks > 1 else 0.0)
    step = serving_time.passing(card, between, item.made, item.part, item.concurrency, item.cache, 0.0)
    step += between.step + between.sequence * item.concurrency
    each, scores = item.prompt / item.passes, item.scores / item.passes
    prefill = item.passes * serving_time.passing(card, between, item.made, item.part, each, 0.0, scores)
    tpot = step + (item.concurrency - 1) / item.output * prefill
    return tpot, serving_time.first_token(between, item.concurrency, prefill, tpot)


def test_times_of_rows_that_were_not_fitted(table: Table) -> None:
    """Median and nine of ten, as they were when the constants were fitted, rounded up."""
    kept = [item for item in table.every if item.row % 3 == 0]
    assert len(kept) > 250
    found = numpy.array([expected(item) for item in kept])
    measured = numpy.array([(item.tpot, item.ttft) for item in kept])
    off = numpy.abs(found / measured - 1)
    assert (numpy.median(off, axis=0) <= [0.12, 0.26]).all()
    assert (numpy.quantile(off, 0.9, axis=0) <= [0.34, 0.62]).all()


def test_the_catalog_s_margins_hold_what_they_promise(table: Table) -> None:
    """Of rows that were not fitted 8 to 25 % exceed the safe end of 80 %, which is at most 1.8 times the expected."""
    kept = [item for item in table.every if item.row % 3 == 0]
    for place, name in enumerate(("tpot", "ttft")):
        over = []
        for item in kept:
            margin = CATALOG.engines[item.engine].time_margins[name][80] / 1e6
            assert margin <= 0.8
            over.append((item.tpot, item.ttft)[place] > expected(item)[place] * (1 + margin))
        assert 0.08 <= sum(over) / len(over) <= 0.25, name


def answer(text: str, folder: Path, fixed: bool = False) -> Answer:
    path = folder / "a.mem"
    path.write_text(f"edition 2026\n{text}\n")
    loaded = load_plan(str(path))
    assert loaded.problem is not None, loaded.findings
    return (estimate if fixed else solve)(loaded.problem, loaded.catalog)


def chosen(text: str, folder: Path, fixed: bool = False) -> Candidate:
    (row,) = answer(text, folder, fixed).workloads
    return row.chosen


BATCH = """inference a {{ model = "meta-llama/Llama-3.1-8B"; engine = tensorrt_llm; gpu = h200_sxm; gpus = 1
context = 2176; prompt = 2048; output = 128; concurrency = 64; weights {weights} }}"""


def test_weight_only_formats_pay_their_unpacking(tmp_path: Path) -> None:
    """At 64 sequences one H200 is reported to be fastest in fp8, then bf16, then int4_awq; the source is not kept."""
    rates = [
        chosen(BATCH.format(weights=f"= {name}"), tmp_path, True).outcomes["throughput"]
        for name in ("fp8", "bf16", "int4_awq")
    ]
    assert rates == sorted((rate for rate in rates if rate is not None), reverse=True)
    for rate, measured in zip(rates, (2191, 1680, 1393), strict=True):
        assert rate is not None
        assert float(rate) == pytest.approx(measured, rel=0.2)
    assert (
        chosen(BATCH.format(weights="in {bf16, fp8, int4_awq}") + "\nmaximize throughput", tmp_path).choice["weights"]
        == "fp8_e4m3"
    )


@pytest.mark.parametrize(
    ("gpu", "engine", "weights", "follows"),
    [
        ("h100_sxm", "vllm", "fp8", "fp8_e4m3"),
        ("a100_sxm_80gb", "vllm", "fp8", "bf16"),
        ("h100_sxm", "vllm", "int4", "bf16"),
        ("h100_sxm", "vllm", "bf16", "bf16"),
        ("a100_sxm_80gb", "vllm", "int8", "int8"),
        ("b200", "tensorrt_llm", "nvfp4", "nvfp4"),
        ("h100_sxm", "llama_cpp", "q8_0", "bf16"),
    ],
)
def test_activations_follow_weights_and_hardware(
    gpu: str, engine: str, weights: str, follows: str, tmp_path: Path
) -> None:
    text = f"""offer mine {{ gpu = {gpu}; gpus = 1; price = $1/h }}
inference a {{ model = "meta-llama/Llama-3.1-8B"; engine = {engine}; gpu = {gpu}; gpus = 1; context = 2Ki
concurrency = 1; weights = {weights}; offer = mine }}"""
    assert chosen(text, tmp_path).choice["activations"] == follows


PLAN = """inference a {{ model = "meta-llama/Llama-3.1-8B"; gpu = h100_sxm; context = 2048; prompt = 1024
output = 1024; concurrency = 32; {said} }}"""


def test_bounds_hold_at_the_safe_end_and_objectives_take_what_is_expected(tmp_path: Path) -> None:
    row = chosen(PLAN.format(said="gpus = 1") + "\nminimize tpot", tmp_path)
    safe, expected = row.outcomes["tpot"], row.outcomes["tpot_expected"]
    assert safe is not None and expected is not None
    assert safe > expected
    found = answer(PLAN.format(said="gpus = 1") + "\nminimize tpot", tmp_path)
    assert [part.value for part in found.objective] == [expected]
    between = f"{float(safe + expected) / 2 * 1e3:.3f} ms"
    assert answer(PLAN.format(said=f"gpus = 1; tpot <= {between}"), tmp_path).outcome == "infeasible"
    unsure = chosen(PLAN.format(said="gpus = 1; time_confidence = 95%"), tmp_path)
    assert unsure.outcomes["tpot_expected"] == expected
    assert unsure.outcomes["tpot"] > safe  # type: ignore[operator]


def test_a_demand_makes_requests_wait(tmp_path: Path) -> None:
    waits, loads = [], []
    for rate in ("0.1", "1.5", "2.5", "2.7"):
        row = chosen(PLAN.format(said=f"gpus = 1; demand = {rate} req/s"), tmp_path, True)
        waits.append(row.outcomes["ttft_expected"])
        loads.append(row.outcomes["load_expected"])
        assert row.outcomes["ttft_p95_expected"] > row.outcomes["ttft_expected"]  # type: ignore[operator]
        assert any("busy at its demand" in note for note in map(note_text, row.notes)) == (loads[-1] > 0.8)  # type: ignore[operator]
    assert waits == sorted(waits) and waits[-1] > waits[0]  # type: ignore[type-var,operator]
    assert loads == sorted(loads) and 0.5 < loads[-1] < 1  # type: ignore[type-var,operator]
    steady = chosen(PLAN.format(said="gpus = 1; demand = 2.7 req/s; burstiness = 0"), tmp_path, True)
    assert waits[0] < steady.outcomes["ttft_expected"] < waits[-1]  # type: ignore[operator]
    assert chosen(PLAN.format(said="gpus = 1"), tmp_path, True).outcomes["load"] is None


def test_a_bound_on_waiting_takes_more_replicas(tmp_path: Path) -> None:
    text = "gpus in 1..8; tensor_parallel = 1; pipeline_parallel = 1; demand = 2.4 req/s"
    one, more = (chosen(PLAN.format(said=text + bound), tmp_path) for bound in ("", "; load <= 60%"))
    assert more.choice["replicas"] > one.choice["replicas"] == 1  # type: ignore[operator]


def test_rows_of_a_table_are_what_judging_them_says(tmp_path: Path) -> None:
    said = "gpus in 1..8; replicas in 1..4; demand = 3 req/s; weights in {bf16, fp8, int4}; kv_cache in {bf16, fp8}"
    answer(PLAN.format(said=said), tmp_path)
    problem = load_plan(str(tmp_path / "a.mem")).problem
    assert problem is not None
    (workload,) = problem.workloads
    table = table_of(problem, workload, CATALOG)
    for row in range(0, table.rows, max(1, table.rows // 60)):
        judged = judge_row(problem, table, row, CATALOG)
        for name in sorted(SERVED):
            for ending in ("", EXPECTED):
                have = value(name, int(table.outcome(f"{name}{ending}")[row]))
                assert have == judged.outcomes[f"{name}{ending}"], (row, name, ending)


def test_a_bound_on_a_first_token_without_a_prompt_is_warned_of(tmp_path: Path) -> None:
    plan = tmp_path / "a.mem"
    text = 'edition 2026\ninference a {{ model = "Qwen/Qwen3-32B"; context = 32Ki; concurrency = 16; ttft <= 1 s{} }}\n'
    for said, warned in (("", True), ("; prompt = 2000 tokens", False)):
        plan.write_text(text.format(said))
        done = command.run("check", str(plan))
        assert ("W0617" in done.stdout) == warned
