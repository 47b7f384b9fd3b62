"""A model by its name on the command line: its memory, the cards that hold it, and the plan that the words mean."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import ROOT, run

from planner.catalog.load import load
from planner.catalog.model_names import meant, release

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
TINY = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 256, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 512, "vocab_size": 1000,
    "max_position_embeddings": 2048, "torch_dtype": "bfloat16", "tie_word_embeddings": False, "rms_norm_eps": 1e-5,
    "hidden_act": "silu",
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "config.json").write_text(json.dumps(TINY))
    return tmp_path


def test_a_model_on_a_gpu_is_what_its_plan_says(tmp_path: Path) -> None:
    words = ("--gpu", "l40s", "--context", "16K", "--concurrency", "4", "--kv-cache", "fp8", "--json")
    named = json.loads(run("estimate", LLAMA, *words).stdout)
    plan = tmp_path / "plan.mem"
    plan.write_text(
        f'edition 2026\ninference estimate {{ model = "{LLAMA}"; context = 16Ki tokens; concurrency = 4\n'
        "kv_cache = fp8; gpu = l40s; gpus = 1 }\n"
    )
    written = json.loads(run("estimate", str(plan), "--format", "json").stdout)
    assert named["workloads"] == written["workloads"]


def test_without_a_gpu_the_cards_that_hold_it_are_those_that_solving_finds() -> None:
    found = json.loads(run("estimate", LLAMA, "--json").stdout)
    assert found["kv_cache"]["bytes_per_token"] == 131_072  # 2 x 8 heads x 128 x 2 bytes x 32 layers
    assert found["weights"]["bytes"] >= 2 * found["params"]
    costs = [card["cost_usd_per_hour"] for card in found["cards"]]
    assert costs == sorted(costs)
    assert all(card["memory"]["total"] <= card["memory"]["usable"] and card["price_as_of"] for card in found["cards"])
    cheapest = json.loads(run("solve", "--model", LLAMA, "--json").stdout)
    assert cheapest["cost_usd_per_hour"] == costs[0]
    assert cheapest["workloads"][0]["choice"]["offer"] == found["cards"][0]["offer"]


def test_the_cards_are_one_screen() -> None:
    lines = run("estimate", LLAMA).stdout.splitlines()
    assert len(lines) <= 24
    assert all(len(line) <= 100 for line in lines)
    assert "1 sequence of 8Ki tokens" in " ".join(lines) and "--context" in " ".join(lines)


@pytest.mark.parametrize("form", ["table", "json", "markdown", "html"])
def test_the_cards_have_every_form_of_an_answer(form: str) -> None:
    assert "rtx_a6000" in run("estimate", LLAMA, "--format", form).stdout


@pytest.mark.parametrize("path", ["tiny", "tiny/config.json"])
def test_a_folder_and_its_config_are_a_model(path: str, folder: Path) -> None:
    done = run("estimate", path, "--gpu", "t4", "--weights", "fp16", "--kv-cache", "fp16", "--json", cwd=folder)
    (item,) = json.loads(done.stdout)["workloads"]
    assert item["memory"]["parts"]["weights"] > 0
    assert "2Ki tokens" in run("estimate", path, cwd=folder).stdout  # the default is no longer than the model's longest


def test_a_file_of_that_name_wins(folder: Path) -> None:
    for name in ("13B", LLAMA):
        place = folder / name
        place.parent.mkdir(exist_ok=True)
        place.write_text((ROOT / "examples/rule_of_thumb.mem").read_text())
        assert "13b" in run("estimate", name, cwd=folder).stdout.lower()


@pytest.mark.parametrize(
    ("text", "count"),
    [("70b", "70B"), ("13GB", "13B"), ("1.5t", "1.5T"), ("13 billion", "13B"), ("500m", "500M"), ("7e9", "7B")],
)
def test_what_looks_like_a_count_of_parameters_is_one(text: str, count: str) -> None:
    assert run("estimate", text).stdout.startswith(f"{count} parameters in bf16")


@pytest.mark.parametrize(
    ("name", "ids", "weights"),
    [
        ("llama3-70b", "meta-llama/Meta-Llama-3-70B", ""),
        ("llama-3-70b", "meta-llama/Llama-3.3-70B-Instruct", ""),
        ("llama3.1:8b", "meta-llama/Llama-3.1-8B", ""),
        ("Qwen/Qwen3-1.7B-AWQ", "Qwen/Qwen3-1.7B", "int4_awq"),
        ("Qwen/Qwen2.5-32B-Instruct-FP8", "Qwen/Qwen2.5-32B-Instruct", "fp8_e4m3"),
        ("unsloth/Meta-Llama-3.1-8B-Instruct-bnb-4bit", "meta-llama/Meta-Llama-3.1-8B-Instruct", "nf4_dq"),
        ("meta-llama/Llama-3.1-8B-Instruc", LLAMA, ""),
        ("bartowski/Qwen2.5-72B-Instruct-GGUF", "Qwen/Qwen2.5-72B-Instruct", "q4_k"),
        ("unsloth/DeepSeek-V3.1-Terminus-GGUF", "deepseek-ai/DeepSeek-V3.1-Terminus", "q4_k"),
        ("someone/Llama-5-70B", "meta-llama/Llama-3.1-70B", ""),
    ],
)
def test_an_unknown_name_means_a_model(name: str, ids: str, weights: str) -> None:
    found = meant(name, load()[0])
    assert ids in found.models
    assert found.weights == weights
    done = run("estimate", name)
    assert done.returncode == 2
    assert done.stdout == ""
    assert f"`{ids}`" in done.stderr


def test_what_releases_say_are_formats_of_the_catalog() -> None:
    formats = load()[0].formats
    for end in ("AWQ", "GPTQ-Int4", "GPTQ-Int8", "FP8", "FP8-dynamic", "quantized.w4a16", "NVFP4", "bnb-4bit", "INT8"):
        base, weights = release(f"someone/Model-7B-{end}")
        assert base == "someone/Model-7B"
        assert weights in formats


def test_a_gpu_that_nobody_rents_has_its_memory_and_an_offer_to_paste() -> None:
    done = run("estimate", LLAMA, "--gpu", "h20")
    assert done.returncode == 0
    assert "offer own_h20 { gpu = h20; gpus = 1; price = $0/h }" in done.stderr
    assert "usable" in done.stdout


def test_a_gpu_is_given_by_its_memory() -> None:
    done = run("estimate", LLAMA, "--gpu", "96GiB")
    assert done.returncode == 0
    assert "1 x own_96gib" in done.stdout
    assert "usable 88.32 GiB" in done.stdout
    assert "a GPU of 96 GiB as frameworks see it" in done.stderr


def test_a_model_that_does_not_fit_is_printed_and_false() -> None:
    done = run("estimate", "meta-llama/Llama-3.1-70B", "--gpu", "l4")
    assert done.returncode == 1
    assert "weights" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("solve", "--model", "nope"), "unknown model `nope`"),
        (("solve", "--model", LLAMA, "--context", "lots"), "invalid count `lots` (example: 8Ki)"),
        (("solve", "--model", LLAMA, "--weights", "q99"), "q99"),
        (("solve", "--model", LLAMA, "examples/chat.mem"), "instead of a plan"),
        (("solve", "examples/chat.mem", "--gpu", "l4"), "goes with --model"),
        (("solve",), "--model ORG/MODEL"),
        (("init", "--gpu", "l4"), "goes with --model"),
        (("estimate", LLAMA, "--gpu", "l40s", "--gpus", "two"), "invalid count `two`"),
    ],
)
def test_words_that_make_no_plan_are_a_matter_of_usage(words: tuple[str, ...], said: str) -> None:
    done = run(*words)
    assert (done.returncode, done.stderr.count("Traceback")) == (2, 0)
    assert said in " ".join(done.stderr.split())


def test_solving_a_model_shows_its_plan_and_writes_nothing(folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    done = run("solve", "--model", "tiny", "--gpu", "l4", "--gpus", "1", cwd=folder)
    assert done.returncode == 0
    assert 'model it = config("tiny/config.json")' in done.stdout
    assert sorted(folder.rglob("*")) == before


def test_the_plan_that_init_writes_has_the_answer_that_was_shown(folder: Path) -> None:
    (folder / "plans").mkdir()
    words = ("--model", "tiny", "--gpu", "l4,l40s", "--gpus", "1", "--concurrency", "3")
    assert run("init", "plans/tiny.mem", *words, cwd=folder).returncode == 0
    assert 'config("../tiny/config.json")' in (folder / "plans/tiny.mem").read_text()
    written = json.loads(run("solve", "--no-lock", "--json", "plans/tiny.mem", cwd=folder).stdout)
    shown = json.loads(run("solve", *words, "--json", cwd=folder).stdout)
    names = [answer["workloads"][0]["given"].pop("model") for answer in (written, shown)]
    assert names == ['config("../tiny/config.json")', 'config("tiny/config.json")']
    assert written["workloads"] == shown["workloads"]
    assert run("fmt", "--check", "plans/tiny.mem", cwd=folder).returncode == 0


PLAN = (ROOT / "examples/chat.mem").read_text()


@pytest.mark.parametrize(
    "words", [("check",), ("solve",), ("why",), ("test",), ("fmt",), ("fix",), ("solve", "--set", "chat.gpus=1")]
)
def test_a_plan_on_standard_input_has_nothing_written_beside_it(words: tuple[str, ...], tmp_path: Path) -> None:
    verb, *rest = words
    done = run(verb, "-", *rest, cwd=tmp_path, stdin=PLAN)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []
    assert "lock" not in done.stderr


def test_a_plan_on_standard_input_has_no_lock() -> None:
    for words in (("solve", "-", "--check"), ("diff", "-")):
        done = run(*words, stdin=PLAN)
        assert done.returncode == 2
        assert "name a file" in " ".join(done.stderr.split())


def test_an_answer_goes_to_a_file(tmp_path: Path) -> None:
    done = run("estimate", "13B", "--json", "-o", "out.json", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert (tmp_path / "out.json").read_text() == run("estimate", "13B", "--format", "json").stdout
    assert run("estimate", "13B", "-o", "no/such/out.json", cwd=tmp_path).returncode == 2
    assert run("estimate", "13B", "--json", "--format", "html").returncode == 2


def test_help_and_version_are_verbs_too() -> None:
    assert run("version").stdout == run("--version").stdout
    for verb in ("solve", "catalog", "estimate"):
        assert run("help", verb).stdout == run(verb, "-h").stdout == run(verb, "--help").stdout
    assert run("help").stdout == run("-h").stdout
    assert run("help", "slove").returncode == 2


def test_words_that_no_test_has_fail(tmp_path: Path) -> None:
    done = run("test", "examples/repository", "-k", "zzz")
    assert done.returncode == 1
    assert "no test matches `zzz`" in done.stderr


def test_states_are_sized_as_the_engine_keeps_them() -> None:
    """Gated delta nets of Qwen3.5 have fp32 states: 30 layers of 32 heads of 128 x 128, and convolutions in 16 bit."""
    found = json.loads(run("estimate", "Qwen/Qwen3.5-35B-A3B", "--format", "json").stdout)
    states, convolutions = 30 * 32 * 128 * 128 * 4, 30 * 3 * (2 * 16 * 128 + 32 * 128) * 2
    assert found["kv_cache"]["state_bytes"] == states + convolutions
