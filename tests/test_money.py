"""What is paid: tokens of prompts and of answers apart, runs that are interrupted, and ties between equal prices."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest
from typer.testing import CliRunner

from planner.cli.main import app
from planner.cli.plan import load_plan
from planner.solve import solve
from planner.solve.answer import Answer
from planner.solve.candidate import Candidate
from planner.wording import note_text


def answer(text: str, folder: Path) -> Answer:
    path = folder / "a.mem"
    path.write_text(f"edition 2026\n{text}\n")
    loaded = load_plan(str(path))
    assert loaded.problem is not None, loaded.findings
    return solve(loaded.problem, loaded.catalog)


def chosen(text: str, folder: Path) -> Candidate:
    (row,) = answer(text, folder).workloads
    return row.chosen


def number(row: Candidate, name: str) -> float:
    value = row.outcomes[name]
    assert isinstance(value, Fraction)
    return float(value)


CHAT = """inference {name} {{ model = "meta-llama/Llama-3.1-8B"; context = 9216; prompt = {prompt}; concurrency = 16
gpu = h100_sxm; gpus = 1; {said} }}
"""


@pytest.mark.parametrize("ending", ["", "_expected"])
@pytest.mark.parametrize("prompt", [512, 8192])
def test_prompts_and_answers_together_cost_what_is_paid(prompt: int, ending: str, tmp_path: Path) -> None:
    row = chosen(CHAT.format(name="a", prompt=prompt, said="output = 512"), tmp_path)
    into, out = (number(row, f"cost_per_{side}_token{ending}") for side in ("input", "output"))
    request = number(row, f"cost_per_token{ending}") * 512
    assert prompt * into + 512 * out == pytest.approx(request, rel=1e-6)
    assert 0 < into < out  # a token of a prompt is computed beside many others, one of an answer alone
    assert into * prompt / request > (0.2 if prompt == 8192 else 0.01)


def test_without_an_output_a_replica_does_either_alone(tmp_path: Path) -> None:
    row = chosen(CHAT.format(name="a", prompt=8192, said=""), tmp_path)
    assert number(row, "cost_per_output_token") == pytest.approx(number(row, "cost_per_token"))
    assert 0 < number(row, "cost_per_input_token") < number(row, "cost_per_output_token")


def test_bounds_and_objectives_read_them_and_json_has_them(tmp_path: Path) -> None:
    text = CHAT.format(name="a", prompt=8192, said="output = 512; cost_per_input_token <= $0.001/Mtok")
    found = answer(text, tmp_path)
    assert found.outcome == "infeasible"
    assert "a.cost_per_input_token" in {item.rule for item in found.conflict}
    path = tmp_path / "b.mem"
    free = CHAT.format(name="a", prompt=8192, said="output = 512").replace("gpu = h100_sxm", "gpu in {h100_sxm, l40s}")
    path.write_text(f"edition 2026\n{free}minimize cost_per_output_token\n")
    said = json.loads(CliRunner().invoke(app, ["solve", "--no-lock", "--json", str(path)]).stdout)
    outcomes = said["workloads"][0]["outcomes"]
    assert said["objective"][0]["unit"] == "USD/tok"
    assert outcomes["cost_safe_usd_per_output_token"] > outcomes["cost_usd_per_output_token"] > 1e-8
    table = CliRunner().invoke(app, ["solve", "--no-lock", str(path)]).stdout
    assert "cost_per_output_token $" in table and "cost_per_input_token $" in table


def test_workloads_that_share_an_instance_pay_their_share_of_both(tmp_path: Path) -> None:
    rack = "offer rack { gpu = h100_sxm; gpus = 2; price = $6/h; available = 1 }\n"
    text = CHAT.format(name="a", prompt=2048, said="output = 512; offer = rack")
    alone = chosen(rack + text, tmp_path)
    both = answer(rack + text + "inference b like a { }\nminimize cost", tmp_path)
    for item in both.workloads:
        for name in ("cost_per_token", "cost_per_input_token", "cost_per_output_token"):
            assert number(item.chosen, name) == pytest.approx(number(alone, name) / 2, rel=1e-6)


TUNE = """training tune {{ model = "Qwen/Qwen2.5-7B"; sequence = 4Ki; global_batch = 64; tokens = 500M; method = lora
gpus in 1..4; {said} }}
"""


def test_interruptions_lengthen_a_run_on_spot_and_change_nothing_else(tmp_path: Path) -> None:
    """3 a day of 40 minutes leave 22 of 24 hours."""
    plain = chosen(TUNE.format(said="market = spot"), tmp_path)
    row = chosen(
        TUNE.format(said="market = spot; interruptions = 3; lost_per_interruption = 40 min"),
        tmp_path,
    )
    assert row.choice == plain.choice and row.parts == plain.parts
    for name in ("duration", "total_cost", "duration_expected", "total_cost_expected"):
        assert number(row, name) == pytest.approx(number(plain, name) * 24 / 22, rel=1e-6)
    for name in ("step_time", "throughput", "cost"):
        assert row.outcomes[name] == plain.outcomes[name]
    assert "interruptions take 8.33 % of the time" in map(note_text, row.notes)
    assert any(note.startswith("on spot, without interruptions") for note in map(note_text, plain.notes))


def test_a_bound_on_the_duration_of_an_interrupted_run_holds_with_them(tmp_path: Path) -> None:
    said = "market = spot; interruptions = 6; lost_per_interruption = 2 h"
    row = chosen(TUNE.format(said=said), tmp_path)
    hours = number(row, "duration") / 3600
    tight = answer(TUNE.format(said=f"{said}; duration <= {hours * 0.7:.3f} h"), tmp_path)
    for item in tight.workloads:
        assert number(item.chosen, "duration") / 3600 <= hours * 0.7
    assert tight.outcome == "infeasible" or tight.workloads[0].chosen.choice != row.choice


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("market = spot; interruptions = 3", "E0404"),
        ("market = spot; lost_per_interruption = 1 h", "E0404"),
        ("interruptions = 3; lost_per_interruption = 1 h", "E0405"),
        ("market in {spot, on_demand}; interruptions = 3; lost_per_interruption = 1 h", "E0405"),
        ("market = spot; interruptions = 3; lost_per_interruption = 8 h", "E0403"),
    ],
)
def test_interruptions_that_say_nothing_are_refused(said: str, code: str, tmp_path: Path) -> None:
    path = tmp_path / "a.mem"
    path.write_text(f"edition 2026\n{TUNE.format(said=said)}")
    assert [item.code for item in load_plan(str(path)).findings] == [code]


def test_trainings_that_all_say_tokens_minimize_what_a_run_costs(tmp_path: Path) -> None:
    found = answer(TUNE.format(said=""), tmp_path)
    assert [(part.quantity, part.direction) for part in found.objective] == [("total_cost", "minimize")]
    mixed = answer(TUNE.format(said="") + CHAT.format(name="a", prompt=512, said="output = 512"), tmp_path)
    assert [part.quantity for part in mixed.objective] == ["cost"]


RACK = "offer rack { gpu = l40s; gpus = 8; price = $8/h }\n"


def test_idle_gpus_of_what_is_rented_are_said_and_used_where_that_is_no_worse(tmp_path: Path) -> None:
    path = tmp_path / "a.mem"
    text = 'inference a {{ model = "meta-llama/Llama-3.1-8B"; context = 4Ki; concurrency = 8; offer = rack; {} }}\n'
    path.write_text(f"edition 2026\n{RACK}{text.format('gpus = 4')}")
    table = CliRunner().invoke(app, ["solve", "--no-lock", str(path)]).stdout
    assert "4 of 8 GPUs used" in " ".join(table.split())
    free = chosen(RACK + text.format("gpus in 1..8"), tmp_path)
    fewer = [chosen(RACK + text.format(f"gpus = {count}"), tmp_path) for count in (1, 2, 4)]
    assert all(row.cost == free.cost for row in fewer)
    assert all(number(free, "tpot_expected") <= number(row, "tpot_expected") for row in fewer)
    assert free.gpus > 4


def test_of_splits_at_one_price_the_faster_is_taken(tmp_path: Path) -> None:
    text = """inference a {{ model = "meta-llama/Llama-3.1-8B"; context = 4Ki; concurrency = 8; gpu = l40s; gpus = 2
{} }}"""
    free = chosen(text.format(""), tmp_path)
    assert (free.choice["tensor_parallel"], free.choice["pipeline_parallel"]) == (2, 1)
    stages = chosen(text.format("pipeline_parallel = 2"), tmp_path)
    assert stages.cost == free.cost
    assert number(free, "tpot_expected") < number(stages, "tpot_expected")
