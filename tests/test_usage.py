"""What a command line can have wrong, and several plans in one: exit codes, hints, one document."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from command import ROOT, run

CHAT = "examples/chat.mem"


@pytest.mark.parametrize(
    ("setting", "code"),
    [
        ("chat.gpus", "E0402"),
        ("chat.gpus=", "E0402"),
        ("chat.gpus=2; chat.gpus=3", "E0402"),
        ("chta.gpus=2", "E0301"),
        ("chat.gpuz=2", "E0303"),
        ("chat.gpus=bf16", "E0402"),
    ],
)
def test_a_wrong_setting_is_a_matter_of_usage(setting: str, code: str) -> None:
    done = run("solve", "--no-lock", "--set", setting, CHAT)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"error[{code}]" in done.stderr
    assert f" --> --set {setting}:1:" in done.stderr


def test_an_empty_setting_is_a_matter_of_usage() -> None:
    assert run("solve", "--no-lock", "--set", "", CHAT).returncode == 2


def test_what_a_setting_makes_impossible_is_an_answer() -> None:
    assert run("solve", "--no-lock", "--set", "chat.gpu=t4", "--set", "chat.gpus=1", CHAT).returncode == 1


def test_a_plan_that_is_not_there_is_no_count() -> None:
    assert "count of parameters" not in run("estimate", "nowhere.mem").stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("13B", "--optimizer", "adamw"), "add `--training`"),
        (("examples/rule_of_thumb.mem", "--weights", "bf16"), "`--weights` is for a model or a count of parameters"),
        (("13B", "--training", "--optimizer", "adamw"), ""),
        (("13B",), ""),
    ],
)
def test_an_option_that_says_nothing_is_told(words: tuple[str, ...], said: str) -> None:
    done = run("estimate", *words)
    assert done.returncode == 0
    assert said in done.stderr
    assert bool(said) == bool(done.stderr)


def test_several_plans_are_one_document() -> None:
    plans = (CHAT, "tests/corpus/errors/E0303-unknown-quantity.mem", "examples/impossible.mem")
    done = run("solve", "--no-lock", "--format", "json", *plans)
    assert done.returncode == 1
    assert [(item["plan"], item["outcome"]) for item in json.loads(done.stdout)] == [
        (CHAT, "optimal"),
        ("examples/impossible.mem", "infeasible"),
    ]
    alone = json.loads(run("solve", "--no-lock", "--format", "json", CHAT).stdout)
    assert alone == json.loads(done.stdout)[0]


def test_several_plans_are_one_page() -> None:
    done = run("solve", "--no-lock", "--format", "html", CHAT, "examples/rule_of_thumb.mem")
    assert done.stdout.count("<!doctype html>") == done.stdout.count("</html>") == 1
    assert done.stdout.count("<h1>") == 2


def test_several_tables_are_told_apart_by_an_empty_line() -> None:
    one, two = (run("solve", "--no-lock", plan).stdout for plan in (CHAT, "examples/rule_of_thumb.mem"))
    assert run("solve", "--no-lock", CHAT, "examples/rule_of_thumb.mem").stdout == f"{one}\n{two}"


@pytest.mark.parametrize("text", ["offer o { gpu = l4; gpus = 1; pric = $1/h }", "format f { bitz = 3 }"])
def test_a_misspelled_field_is_one_mistake(text: str, tmp_path: Path) -> None:
    done = run("check", "--format", "concise", _plan(tmp_path, text))
    assert [line.split("] ")[0].split("[")[1] for line in done.stdout.splitlines() if "error" in line] == ["E0303"]


@pytest.mark.parametrize("name", ["model", "context", "concurrency"])
def test_a_misspelled_quantity_is_one_mistake(name: str, tmp_path: Path) -> None:
    plan = (ROOT / CHAT).read_text().replace(f"  {name} ", f"  {name[:-1]}x ")
    done = run("check", "--format", "concise", _plan(tmp_path, plan, whole=True))
    assert [line for line in done.stdout.splitlines() if "error" in line] == [
        line for line in done.stdout.splitlines() if "E0303" in line
    ]
    assert done.stdout.count("E0303") == 1


@pytest.mark.parametrize(
    "rule",
    [
        "require r: chat.cost <= $4/h / 0",
        "require r: chat.gpus / (2 - 2) <= 3",
        "prefer p: chat.gpus <= 4 / zero worth $2/h",
        "require r: all(w.gpus / (1 - 1) < 3 for w in workloads)",
        "fleet { cost <= $4/h / 0 }",
    ],
)
def test_a_division_by_a_constant_zero_is_found_without_solving(rule: str, tmp_path: Path) -> None:
    text = f"let zero = 0\n{(ROOT / CHAT).read_text()}\n{rule}\n"
    done = run("check", "--format", "concise", _plan(tmp_path, text, whole=True))
    assert done.returncode == 1
    assert [line for line in done.stdout.splitlines() if "error" in line and "divides by zero" not in line] == []
    assert done.stdout.count("E0403") == 1


def _plan(folder: Path, text: str, whole: bool = False) -> str:
    path = folder / "plan.mem"
    chat = 'edition 2026\ninference chat { model = "meta-llama/Llama-3.1-8B"; context = 8Ki tokens; concurrency = 8 }\n'
    path.write_text(text if whole else chat + text + "\n")
    return str(path)


def test_what_does_not_fit_is_a_finding_at_the_rules_in_conflict() -> None:
    done = run("solve", "--format", "json", "examples/impossible.mem")
    assert done.returncode == 1
    assert done.stderr.startswith(
        "error[E0701]: nothing fits: `big.memory`, `big.gpus` and `big.gpu` cannot all be satisfied"
    )
    for place in ("examples/impossible.mem:7:1", "examples/impossible.mem:12:3", "examples/impossible.mem:11:3"):
        assert place in done.stderr
    assert "help: either big.gpus = 12 or big.gpu = mi300x makes the plan feasible" in done.stderr
    (found,) = json.loads(done.stdout)["diagnostics"]
    assert (found["code"], found["severity"], found["line"]) == ("E0701", "error", 7)


def test_a_closed_standard_input_is_told() -> None:
    words = f"{sys.executable} -m planner fmt - <&-"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, shell=True, capture_output=True, text=True, env=env)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error[E0004]: standard input is closed")


MODELS = (
    "model m { hidden = 1_000_000; layers = 10_000; heads = 10_000; inter = 10_000_000; vocab = 1e12 }",
    "model m { hidden = 4096; layers = 10_000; heads = 32; inter = 10_000_000; vocab = 1000; experts = 100_000; "
    "active_experts = 100_000 }",
    "model m { hidden = 8; layers = 2; heads = 1; inter = 8; vocab = 1e12 }",
    "model m { parameters = 1e18 }",
)
LOADS = (
    "inference t { model = m; context = 4_294_967_296; concurrency = 1_000_000; gpu = l4; gpus = 1 }",
    "training t { model = m; sequence = 134_217_728; global_batch = 1e9; tokens = 1e18; attention = eager; gpu = l4; "
    "gpus = 1 }",
)


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("load", LOADS)
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("verb", ["solve", "why", "estimate", "check", "diff", "test"])
def test_numbers_beyond_every_machine_end_in_words(verb: str, model: str, load: str, tmp_path: Path) -> None:
    plan = tmp_path / "plan.mem"
    plan.write_text(f'edition 2026\n{model}\n{load}\ntest "t" {{ expect infeasible }}\n')
    done = run(verb, str(plan))  # what is raised is raised here
    assert done.returncode in (0, 1, 2)
    assert done.returncode or verb in ("check", "test")


@pytest.mark.parametrize(
    "line",
    ["context = 1e30", "concurrency = 1e30", "max_sequences = 1e30", "max_batched_tokens = 1e30", "adapters = 1e30",
     "shared_prefix = 1e30", "demand = 1e30 req/s", "offloaded_cache = 1e30 bytes"],
)  # fmt: skip
def test_a_given_number_has_an_end(line: str, tmp_path: Path) -> None:
    name = line.split()[0]
    given = {"context": "context = 8Ki tokens", "concurrency": "concurrency = 8", name: line}
    body = "; ".join(given.values())
    plan = f'edition 2026\ninference t {{ model = "meta-llama/Llama-3.1-8B"; output = 100; {body} }}\n'
    done = run("check", "--format", "concise", _plan(tmp_path, plan, whole=True))
    assert f"error[E0403] `{name}` is at most" in done.stdout


def test_a_count_is_answered_in_the_form_of_a_plan() -> None:
    count = json.loads(run("estimate", "13B", "--format", "json").stdout)
    plan = json.loads(run("estimate", "examples/rule_of_thumb.mem", "--format", "json").stdout)
    assert list(count) == list(plan)
    assert set(count["workloads"][0]) == set(plan["workloads"][0])
