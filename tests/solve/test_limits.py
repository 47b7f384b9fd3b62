"""Bounded work: what says why nothing fits comes in blocks, tables have a largest size, Ctrl-C leaves an answer."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

import planner.solve as solving
from planner.catalog.load import load as load_catalog
from planner.cli import interrupts
from planner.cli.main import command_line
from planner.cli.plan import Loaded, load_plan
from planner.solve import clock, solve
from planner.solve.answer import Answer
from planner.solve.choose.conflict import conflict_of, filtered
from planner.solve.choose.hardware import standings
from planner.solve.columns import size
from planner.solve.columns.rules import broken_by
from planner.solve.fleet import cpsat
from planner.solve.inference import layerwise
from planner.solve.kinds import table_of
from planner.solve.training import distinct as training_distinct
from planner.wording import excess_text

SERVICE = 'inference a { model = "Qwen/Qwen2.5-0.5B"; context = 1024; concurrency = 4; gpus in 1..2 }\n'
TRAINING = 'training t { model = "Qwen/Qwen2.5-0.5B"; sequence = 1024; tokens = 1M; %s }\n'
OWN = "".join(
    f"offer {gpu}_{gpus} {{ gpu = {gpu}; gpus = {gpus}; price = ${price}/h; available = 2 }}\n"
    for gpu, gpus, price in (("l4", 1, 0.8), ("h100_sxm", 2, 6), ("mi300x", 1, 2), ("v100", 2, 5), ("t4", 1, 0.5))
)
MISFITS = (
    "gpus in 1..4; gpu in {l4, t4, a100_sxm_80gb}; duration <= 1 s; headroom >= 20%",
    "gpus in 1..2; precision in any; optimizer in any; memory <= 1 MiB; provider = own",
    "gpus in 1..2; gpu in {l4, l40s}; checkpointed_layers in any; cost <= $1/h; throughput >= 1_000_000 tok/s",
    "gpus = 1; gpu = t4; precision = fp8_mixed; headroom >= 99%",
)


def loaded(text: str) -> Loaded:
    found = load_plan("plan.mem", text="edition 2026\n" + text)
    assert found.problem is not None, found.findings
    return found


@pytest.mark.parametrize("quantities", MISFITS)
@pytest.mark.parametrize("block", [400, 10**6])
def test_the_rows_that_tell_say_the_same_as_all_rows(
    quantities: str, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_distinct, "BLOCK", block)
    plan = loaded((OWN if "own" in quantities else "") + TRAINING % quantities)
    problem, catalog = plan.problem, plan.catalog
    assert problem is not None
    said = []
    for rows in ("all", "telling"):
        table = table_of(problem, problem.workloads[0], catalog, rows=rows)
        broken = broken_by(table, problem)
        counts = sorted(filtered(table, broken), key=repr) if table.rows else []
        stand = standings(problem, Answer("infeasible", (), (), (), None, 0), {table.workload.name: table}, catalog)
        where = [(item.gpu, item.status) for item in sorted(stand, key=lambda item: item.gpu)]
        said.append((conflict_of(problem, table, broken, catalog), counts, where))
    assert said[0] == said[1]


def test_the_rows_that_tell_are_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = loaded(TRAINING % MISFITS[0])
    assert plan.problem is not None
    whole = table_of(plan.problem, plan.problem.workloads[0], plan.catalog, rows="all").rows
    monkeypatch.setattr(training_distinct, "BLOCK", 100)
    monkeypatch.setattr(size, "MOST", whole // 4)
    found = solve(plan.problem, plan.catalog)
    assert found.outcome == "infeasible" and found.conflict


@pytest.mark.parametrize(
    "text",
    (
        SERVICE.replace("gpus in 1..2", "gpus in 1..8; weights in {bf16, fp8, int4} per layer"),
        SERVICE.replace("gpus in 1..2", "gpus in 1..8; replicas in 1..100"),
    ),
)
def test_too_many_rows_are_refused_before_they_are_made(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = loaded(text)
    assert plan.problem is not None
    monkeypatch.setattr(size.bounded, "__defaults__", (1000,))
    found = solve(plan.problem, plan.catalog)
    assert found.outcome == "unknown" and found.refusal and "1_000 candidates" in excess_text(found.refusal)


def test_the_label_of_a_mix_is_that_of_its_layers() -> None:
    assert layerwise.label_of(["bf16", "bf16", "int4", "bf16"]) == "bf16*2+int4*1+bf16*1"
    assert layerwise.layers_of("bf16*2+int4*1+bf16*1") == ["bf16", "bf16", "int4", "bf16"]


def test_layers_of_two_kinds_take_their_own_formats() -> None:
    catalog, _ = load_catalog()
    order = [catalog.formats["bf16"], catalog.formats["int4"]]
    columns = {(0, "bf16"): 0, (0, "int4"): 1, (7, "bf16"): 2, (7, "int4"): 3}
    assert layerwise._label([0, 7, 0, 7, 0], order, columns, [2, 1, 0, 2]) == "bf16*1+int4*1+bf16*1+int4*2"


def hard(size: int = 200) -> tuple[cpsat.IntegerModel, dict[int, int]]:
    """Return a model that CP-SAT does not finish, and its objective: many tight knapsacks at once."""
    model = cpsat.IntegerModel()
    variables = [model.variable(0, 1) for _ in range(size)]
    for row in range(40):
        weights = {v: (v * 7919 + row * 104729) % 1_000_003 + 1 for v in variables}
        total = sum(weights.values()) // 3
        model.row(weights, total, total + 50)
    return model, {v: (v * 15485863) % 1009 + 1 for v in variables}


def test_cp_sat_stops_when_it_is_asked_to() -> None:
    """The limit is far beyond any test; only the stop can end it."""
    model, objective = hard()
    timer = threading.Timer(0.5, clock.stop)
    timer.start()
    try:
        assert cpsat.solve(model, objective, seconds=10_000) is None
    except clock.OutOfTime:
        pass
    finally:
        timer.join()
        clock.resume()


def test_a_mistake_in_the_thread_of_cp_sat_comes_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        cpsat._watched(broken, lambda: None, {"max_time_in_seconds": 10.0})


def test_a_thread_that_does_not_stop_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpsat, "PATIENCE", 0.01)
    end = threading.Event()
    try:
        with pytest.raises(clock.OutOfTime):
            cpsat._watched(end.wait, lambda: None, {"max_time_in_seconds": 0.0})
    finally:
        end.set()


@pytest.fixture
def interrupted() -> Iterator[None]:
    interrupts.came.clear()
    yield
    interrupts.came.clear()
    clock.resume()


@pytest.mark.usefixtures("interrupted")
@pytest.mark.parametrize("moment", [0, 3, 10**9])
def test_an_interrupt_shows_the_best_found_and_writes_no_lock(
    moment: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The signal comes at a look at the clock: before anything is found, in the middle, at the end."""
    plan = tmp_path / "plan.mem"
    plan.write_text(f"edition 2026\n{SERVICE}{SERVICE.replace('inference a', 'inference b')}fleet {{ gpus <= 3 }}\n")
    looks, kept = 0, clock.look

    def look() -> None:
        nonlocal looks
        looks += 1
        if looks > moment:
            if not interrupts.came:
                interrupts.interrupted(signal.SIGINT, None)
            kept()

    def late(*words: object, **named: object) -> Answer:
        found = solve(*words, **named)  # type: ignore[arg-type]
        if not interrupts.came:
            interrupts.interrupted(signal.SIGINT, None)
        return found

    monkeypatch.setattr(clock, "look", look)
    monkeypatch.setattr(solving, "solve", late)
    done = CliRunner().invoke(command_line(["solve", "why"]), ["solve", str(plan)])
    assert done.exit_code == interrupts.INTERRUPTED, done.output
    assert "interrupted: " in done.output and "Traceback" not in done.output
    assert ("no answer was found yet" in done.output) == (moment < 10**9)
    assert not (tmp_path / "plan.mem.lock").exists()
    assert not clock.stopped()


@pytest.mark.usefixtures("interrupted")
def test_a_second_interrupt_ends_at_once() -> None:
    with interrupts.softly():
        interrupts.interrupted(signal.SIGINT, None)
        assert clock.stopped()
        with pytest.raises(SystemExit) as left:
            interrupts.interrupted(signal.SIGINT, None)
    assert left.value.code == interrupts.INTERRUPTED
    with pytest.raises(SystemExit):
        interrupts.interrupted(signal.SIGINT, None)


@pytest.mark.parametrize("verb", ["why", "diff", "test", "solve", "estimate"])
def test_every_verb_that_solves_has_a_limit(verb: str, tmp_path: Path) -> None:
    plan = tmp_path / "plan.mem"
    text = SERVICE.replace("gpus in 1..2", "gpus = 1; gpu = l4")
    plan.write_text(f'edition 2026\n{text}test "one" {{ expect a.gpus == 1 }}\n')
    done = CliRunner().invoke(command_line(["solve", verb]), [verb, str(plan), "--time-limit", "1us"])
    assert done.exit_code == 1, done.output
    assert "E0702" in done.output
    assert not (tmp_path / "plan.mem.lock").exists()


def test_what_is_watched_looks_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []
    monkeypatch.setattr(clock, "look", lambda: looks.append(time.monotonic()))
    assert list(clock.watched(range(250))) == list(range(250))
    assert len(looks) == 3
