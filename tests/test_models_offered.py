"""`model in {…}`: the plan once for each model, and the best of these answers is its answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import run

import planner
from planner.plan import load_plan
from planner.solve import clock, pipeline
from planner.solve.answer import Answer
from planner.solve.choose import choose as choosing

MODELS = ("meta-llama/Llama-3.1-70B", "mine", "Qwen/Qwen3-8B")
PLAN = """\
edition 2026
model mine { hidden = 3072; layers = 28; heads = 24; kv_heads = 8; inter = 8192; vocab = 128256; tied = true }
inference chat {
  model in {"llama-3.1-70b", mine, "Qwen/Qwen3-8B"}
  gpu in {l4, h100_sxm}
  context = 8Ki tokens
  concurrency = 16
  tpot <= 25 ms
}
inference night like chat { concurrency = 4 }
fleet { gpus <= 6 }
minimize cost
test "large" { chat.model = "llama-3.1-70b"; expect chat.gpus >= 2 and night.model == "mine" }
test "small" { fleet.gpus <= 2; expect chat.model != "meta-llama/Llama-3.1-70B" }
"""


def one(of: str) -> str:
    return of if of == "mine" else f'"{of}"'


def solved(text: str, **more: object) -> Answer:
    loaded = load_plan("plan.mem", text=text)
    assert loaded.problem is not None, [item.message for item in loaded.findings]
    return pipeline.solve(loaded.problem, loaded.catalog, 0, 60.0, **more)  # type: ignore[arg-type]


def alone(text: str, chat: str, night: str) -> Answer:
    written = text.replace('model in {"llama-3.1-70b", mine, "Qwen/Qwen3-8B"}', f"model = {one(chat)}")
    return solved(written.replace("like chat {", f"like chat {{ model = {one(night)};"))


@pytest.mark.parametrize(
    ("goal", "most"), [("minimize cost", 2), ("minimize tpot", 6), ("maximize throughput then minimize cost", 6)]
)
def test_the_answer_is_the_best_over_all_choices_of_models(goal: str, most: int) -> None:
    text = PLAN.partition("test")[0].replace("minimize cost", goal).replace("gpus <= 6", f"gpus <= {most}")
    found = solved(text)
    every = {(chat, night): alone(text, chat, night) for chat in MODELS for night in MODELS}

    def rank(answer: Answer) -> list[object]:
        return [part.value if part.direction == "minimize" else -(part.value or 0) for part in answer.objective]

    fitting = {models: answer for models, answer in every.items() if answer.outcome == "optimal"}
    best = min(fitting, key=lambda models: rank(fitting[models]))
    assert found.outcome == "optimal"
    assert rank(found) == rank(fitting[best])
    assert (found.models["chat"], found.models["night"]) == best
    assert all(part.value == part.bound for part in found.objective)
    for row in found.by_value:
        place = ("chat", "night").index(row.workload)
        fits = any(models[place] == row.value for models in fitting)
        chosen = found.models[row.workload] == row.value
        assert row.status == ("chosen" if chosen else "fits" if fits else "breaks"), row


def test_of_equals_the_first_of_the_plan_is_taken() -> None:
    text = PLAN.partition("test")[0]
    assert solved(text).models == {"chat": "mine", "night": "mine"}
    other = text.replace('mine, "Qwen/Qwen3-8B"}', '"Qwen/Qwen3-8B", mine}')
    assert solved(other).models == {"chat": "Qwen/Qwen3-8B", "night": "Qwen/Qwen3-8B"}


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "chat.mem"
    path.write_text(PLAN)
    return path


def test_the_lock_says_which_and_every_verb_takes_it_from_there(plan: Path) -> None:
    folder = plan.parent
    done = run("solve", "chat.mem", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "chat: by model" in done.stdout and "night: by model" in done.stdout
    lock = folder / "chat.mem.lock"
    assert lock.read_text().count("model: mine\n") == 2
    for words in (("check", "--locked"), ("solve", "--check"), ("diff",), ("test",), ("why",)):
        done = run(*words, "chat.mem", cwd=folder)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
    assert planner.check(str(plan), locked=True).ok


def test_a_lock_of_a_model_that_is_not_named_first(plan: Path) -> None:
    text = PLAN.replace("mine, ", "").replace(
        "night like chat { concurrency = 4 }", "night like chat { tpot <= 12 ms }"
    )
    plan.write_text(text.replace('"llama-3.1-70b"; expect', '"Qwen/Qwen3-8B"; expect').partition("test")[0])
    done = run("solve", "chat.mem", "--format", "json", cwd=plan.parent)
    rows = json.loads(done.stdout)["workloads"]
    assert {row["given"]["model"] for row in rows} == {"Qwen/Qwen3-8B"}
    done = run("check", "--locked", "chat.mem", cwd=plan.parent)
    assert done.returncode == 0, done.stdout
    done = run("export", "chat.mem", "night", "--to", "vllm", cwd=plan.parent)
    assert "vllm serve Qwen/Qwen3-8B" in done.stdout, done.stderr


def test_a_diff_says_that_another_model_is_chosen(plan: Path) -> None:
    assert run("solve", "chat.mem", cwd=plan.parent).returncode == 0
    plan.write_text(PLAN.replace("mine, ", "").partition("test")[0])
    done = run("diff", "chat.mem", cwd=plan.parent)
    assert "-> Qwen/Qwen3-8B" in done.stdout
    assert "E0802" in run("check", "chat.mem", cwd=plan.parent).stdout


def test_rows_of_the_models_that_were_not_chosen_are_in_the_digest(plan: Path) -> None:
    loaded = load_plan(str(plan))
    assert loaded.problem is not None
    from planner.lock.digest import catalog_digests

    assert catalog_digests(loaded.problem, loaded.catalog)["models"].rows == 3


def test_no_model_fits(plan: Path) -> None:
    plan.write_text(PLAN.partition("test")[0].replace("25 ms", "1 ms"))
    done = run("solve", "chat.mem", cwd=plan.parent)
    assert done.returncode == 1
    assert "nor by any other model that is offered" in done.stderr
    done = run("why", "chat.mem", cwd=plan.parent)
    table = done.stdout.partition("chat: by model")[2].partition("night: by model")[0]
    assert table.count("must be at most 1 ms") == 3


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("tpot <= 25 ms", "quality >= 99%", "`chat.quality` asks for quality of `chat`"),
        ("minimize cost", "maximize quality", "the objective asks for quality of `chat`"),
        ("fleet {", "require good: night.quality >= 98%\nfleet {", "`good` asks for quality of `night`"),
        ("fleet {", "prefer good: night.quality >= 98% worth $1/h\nfleet {", "`good` asks for quality of `night`"),
        ('"Qwen/Qwen3-8B"}', '"Qwen/Qwen3-8B", "Qwen/Qwen3-14B", "Qwen/Qwen3-4B"}', "25 choices of models"),
        ('"Qwen/Qwen3-8B"}', '"Qwen/Qwen3-8"}', "Qwen/Qwen3-8"),
        ('in {"llama-3.1-70b", mine, "Qwen/Qwen3-8B"}', "in {}", "`model`"),
        ('in {"llama-3.1-70b", mine, "Qwen/Qwen3-8B"}', "in 1..3", "`model` is given"),
        ('in {"llama-3.1-70b", mine, "Qwen/Qwen3-8B"}', "<= mine", "`model` is given"),
        ('chat.model = "llama', 'chat.model in {mine}; chat.model in {mine, "llama', "`model` is given"),
    ],
)
def test_what_several_models_cannot_be_asked(old: str, new: str, said: str) -> None:
    text = PLAN.replace(old, new, 1)
    if "in {mine}" in new:
        text = text.replace('llama-3.1-70b"; expect', 'llama-3.1-70b"}; expect')
    found = load_plan("plan.mem", text=text)
    assert found.problem is None
    assert any(said in item.message for item in found.findings), [item.message for item in found.findings]


def test_two_names_of_one_model_are_one() -> None:
    found = solved(PLAN.partition("test")[0].replace("mine, ", '"Qwen3-8B", '))
    assert [row.value for row in found.by_value if row.workload == "chat"] == [
        "meta-llama/Llama-3.1-70B",
        "Qwen/Qwen3-8B",
    ]


def test_a_set_of_one_model_is_that_model() -> None:
    text = PLAN.partition("test")[0].replace('in {"llama-3.1-70b", mine, "Qwen/Qwen3-8B"}', "in {mine}")
    found = solved(text)
    assert (found.models, found.by_value) == ({}, ())


def test_the_library_offers_models_too() -> None:
    text = PLAN.partition("test")[0]
    result = planner.solve(text=text, set={"chat.model": ["Qwen/Qwen3-8B", "Qwen/Qwen3-14B"], "night.model": "mine"})
    assert result.answer.models == {"chat": "Qwen/Qwen3-8B", "night": "mine"}
    assert "Qwen/Qwen3-8B" in result.render("table")
    assert planner.test(text=PLAN).ok


@pytest.mark.parametrize(("incumbent", "status"), [(True, "fits"), (False, "unknown")])
def test_time_that_runs_out_proves_nothing(monkeypatch: pytest.MonkeyPatch, incumbent: bool, status: str) -> None:
    real = choosing.choose
    if not incumbent:
        monkeypatch.setattr("planner.solve.few_candidates.from_few_candidates", lambda *_: None)

    def choose(problem: object, *rest: object) -> object:
        slow = problem.workloads[0].written == "Qwen/Qwen3-8B"  # type: ignore[attr-defined]
        if slow:
            raise clock.OutOfTime
        return real(problem, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(pipeline, "choose", choose)
    found = solved(PLAN.partition("test")[0])
    assert (found.outcome, found.reproducible) == ("feasible", False)
    assert {part.bound for part in found.objective} == {None}
    assert ("chat", "Qwen/Qwen3-8B", status) in {(row.workload, row.value, row.status) for row in found.by_value}


def test_estimate_needs_one_model() -> None:
    done = run("estimate", "-", stdin=PLAN)
    assert "chat.model" in done.stderr and done.returncode == 1
