"""`planner compare`, and answers as CSV: figures that equal those of the JSON."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from command import ROOT, run

from planner.language.quantities.decisions import DECISIONS
from planner.report.compared import CHOSEN
from planner.report.csv_ import CHOICES, HEAD, OUTCOMES
from planner.report.json_ import KEYS

PLANS = ("examples/chat.mem", "examples/long_context.mem")


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture
def two(tmp_path: Path) -> Path:
    for name in ("chat", "long_context"):
        for end in (".mem", ".mem.lock"):
            shutil.copy(ROOT / "examples" / f"{name}{end}", tmp_path / f"{name}{end}")
    return tmp_path


def test_answers_stand_side_by_side() -> None:
    done = run("compare", *PLANS)
    assert done.returncode == 0, done.stderr
    rows = {line[14:].split("  ")[0].strip(): line for line in done.stdout.splitlines()[1:]}
    assert "optimal (lock)" in rows["answer"]
    assert "a40" in rows["hardware"]
    assert rows["tpot"].count("safe") == 2
    assert rows["quality"].rstrip().endswith("%")


def test_a_lock_is_taken_where_it_answers_the_plan_and_else_the_plan_is_solved(two: Path) -> None:
    plan = two / "chat.mem"
    plan.write_text(plan.read_text().replace("concurrency = 32", "concurrency = 16"))
    done = run("compare", "chat.mem", "long_context.mem", "--json", cwd=two)
    first, second = json.loads(done.stdout)["plans"]
    assert (first["source"], second["source"]) == ("solved", "lock")
    assert "ignoring the lock of chat.mem" in done.stderr
    solved = json.loads(run("solve", "chat.mem", "--no-lock", "--json", cwd=two).stdout)
    assert first["cost_usd_per_hour"] == solved["cost_usd_per_hour"]
    assert first["workloads"]["chat"]["given"]["concurrency"] == 16
    fresh = json.loads(run("compare", "chat.mem", "long_context.mem", "--fresh", "--json", cwd=two).stdout)["plans"]
    assert [item["source"] for item in fresh] == ["solved", "solved"]
    assert [item["cost_usd_per_hour"] for item in fresh] == [item["cost_usd_per_hour"] for item in (first, second)]
    assert not list(two.glob("*.new")) and "concurrency: 32" in (two / "chat.mem.lock").read_text()


def test_workloads_of_one_name_stand_together_and_what_is_missing_is_a_dash(two: Path) -> None:
    shutil.copy(ROOT / "examples/fleet.mem", two / "fleet.mem")
    done = run("compare", "chat.mem", "fleet.mem", "--format", "csv", cwd=two)
    rows = table(done.stdout)
    assert {row["workload"] for row in rows} == {"", "chat", "code", "nightly", "search"}
    (hardware,) = [row for row in rows if (row["workload"], row["name"]) == ("code", "hardware")]
    assert (hardware["chat.mem"], bool(hardware["fleet.mem"])) == ("", True)


def test_a_plan_that_nothing_fits_is_shown_beside_one_with_an_answer() -> None:
    done = run("compare", "examples/chat.mem", "examples/impossible.mem")
    assert done.returncode == 1
    assert "infeasible (solved)" in done.stdout
    assert "examples/impossible.mem: nothing fits: big.memory, big.gpus, big.gpu" in done.stdout


def test_quality_is_not_compared_between_models() -> None:
    """It is relative to what each model is published in."""
    done = run("compare", "examples/chat.mem", "examples/llama70b.mem")
    (line,) = [line for line in done.stdout.splitlines() if line.strip().startswith("quality")]
    assert line.count("%") == 2


@pytest.mark.parametrize(
    "words, code",
    [(PLANS[:1], 2), ((*PLANS, "--format", "html"), 2), ((PLANS[0], "nosuch.mem"), 2), (("-", "-"), 2),
     ((PLANS[0],) * 9, 2)],
)  # fmt: skip
def test_what_cannot_be_compared(words: tuple[str, ...], code: int) -> None:
    assert run("compare", *words, stdin="").returncode == code


def test_markdown_has_a_column_for_each_plan() -> None:
    done = run("compare", *PLANS, PLANS[0], "--format", "markdown")
    assert done.stdout.splitlines()[0].count("|") == 6


def figure(text: str) -> Any:
    return json.loads(text) if text else None


@pytest.mark.usefixtures("without_margins")
@pytest.mark.parametrize("plan", ["chat", "finetune", "fleet"])
def test_csv_has_the_figures_of_the_json(plan: str) -> None:
    words = ("why", f"examples/{plan}.mem")
    rows = table(run(*words, "--format", "csv").stdout)
    document = json.loads(run(*words, "--json").stdout)
    assert list(rows[0]) == list(HEAD)
    chosen = [row for row in rows if row["list"] == "choice"]
    for row, item in zip(chosen, document["workloads"], strict=True):
        for name in CHOICES:
            if name in item["choice"]:
                assert row[name] == str(item["choice"][name])
        for name in OUTCOMES:
            key = KEYS.get(name, name)
            said, known = figure(row[key]), item["outcomes"].get(key)
            assert said == (known if known is None else pytest.approx(known, rel=1e-8, abs=1e-9)), name
        assert (int(row["memory_total"]), int(row["memory_usable"])) == (
            item["memory"]["total"],
            item["memory"]["usable"],
        )
    for role, key in (("hardware", "hardware"), ("by_value", "by_value")):
        found = [(row["workload"], row["value"], row["status"]) for row in rows if row["list"] == role]
        said = [
            (item["workload"], str(item.get("value", item.get("gpu"))), item["status"])
            for item in document.get(key, [])
        ]
        assert found == said
    broken = [row["breaks"] for row in rows if row["status"] == "breaks"]
    assert all(broken)


def test_every_decision_has_a_column_and_a_line() -> None:
    decisions = {row.name for row in DECISIONS}
    assert set(CHOICES) == decisions
    assert decisions - set(CHOSEN) == {"gpu", "gpus", "provider", "region"}  # the hardware, and what the offer says


def test_csv_of_several_plans_has_one_head() -> None:
    done = run("solve", *PLANS, "--no-lock", "--format", "csv")
    lines = done.stdout.splitlines()
    assert sum(line.startswith("plan,outcome") for line in lines) == 1
    assert {row["plan"] for row in table(done.stdout)} == set(PLANS)


def test_csv_of_what_else_is_answered() -> None:
    assert table(run("estimate", "13B", "--format", "csv").stdout)[-1] == {"part": "total", "bytes": "31200000000"}
    cards = table(run("estimate", "meta-llama/Llama-3.1-8B", "--format", "csv").stdout)
    assert cards[0]["model"] == "meta-llama/Llama-3.1-8B"
    assert [float(row["cost_usd_per_hour"]) for row in cards] == sorted(
        float(row["cost_usd_per_hour"]) for row in cards
    )
    assert run("diff", "examples/chat.mem", "--format", "csv").returncode == 2
    infeasible = run("solve", "examples/impossible.mem", "--format", "csv")
    assert (infeasible.returncode, table(infeasible.stdout)[0]["outcome"]) == (1, "infeasible")
