"""What a plan may say of serving beside the model reaches the parts it is about."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from planner.cli.main import app

GIB = 2**30
PLAN = """edition 2026
inference chat {{
  model = "{model}"
  context = 8Ki tokens
  concurrency = {concurrency}
  gpu = {gpu}
  gpus = {gpus}
  weights = {weights}
  kv_cache = {kv_cache}
  {more}
}}
minimize cost
"""


def estimate(
    tmp_path: Path,
    more: str = "",
    *,
    model: str = "meta-llama/Llama-3.1-8B",
    gpus: int = 2,
    weights: str = "bf16",
    kv_cache: str = "bf16",
    concurrency: int = 32,
    gpu: str = "h100_sxm",
) -> dict[str, Any]:
    plan = tmp_path / "plan.mem"
    text = PLAN.format(
        model=model, gpus=gpus, weights=weights, kv_cache=kv_cache, concurrency=concurrency, gpu=gpu, more=more
    )
    plan.write_text(text, encoding="utf-8")
    result = CliRunner().invoke(app, ["estimate", "--format", "json", str(plan)])
    found = json.loads(result.stdout)["workloads"][0]
    assert isinstance(found, dict)
    return found


def parts(found: dict[str, Any]) -> dict[str, int]:
    return {name: int(size) for name, size in found["memory"]["parts"].items()}


@pytest.mark.parametrize(
    "more, part, sign",
    [
        ("shared_prefix = 4Ki tokens", "kv_cache", -1),
        ("adapters = 8; adapter_rank = 64", "weights", 1),
        ('draft_model = "meta-llama/Llama-3.2-1B"', "weights", 1),
        ('draft_model = "meta-llama/Llama-3.2-1B"', "kv_cache", 1),
        ("offloaded_weights = 2 GiB", "weights", -1),
        ('engine_version = "0.11.0"', "logits", 1),
        ('engine_version = "0.11.0"; sampler = flashinfer', "logits", -1),
        ("max_sequences = 64; max_batched_tokens = 2048", "logits", -1),
        ("cuda_graphs = false", "overhead", -1),
        ("attention_parallel = data", "weights", 1),
        ("confidence = 99%", "margin", 1),
    ],
)
def test_an_option_moves_its_part(tmp_path: Path, more: str, part: str, sign: int) -> None:
    plain, other = parts(estimate(tmp_path)), parts(estimate(tmp_path, more))
    assert (other[part] - plain[part]) * sign > 0


def test_running_sequences_have_their_cache_on_the_gpu(tmp_path: Path) -> None:
    """What is offloaded are blocks that nothing runs on: it takes no memory off the GPU, and no time of a step."""
    plain, other = estimate(tmp_path), estimate(tmp_path, "offloaded_cache = 2 GiB")
    assert parts(plain) == parts(other) and plain["outcomes"]["tpot_s"] == other["outcomes"]["tpot_s"]
    for name in ("kv_tokens", "max_concurrency", "max_context"):
        assert plain["outcomes"][name] == other["outcomes"][name]
    assert other["outcomes"]["host_memory"] == 2 * GIB * other["choice"]["gpus"]


def test_nothing_is_gained_by_offloading_to_the_same_memory(tmp_path: Path) -> None:
    """GB10: weights that vLLM's `cpu_offload_gb` moves to the host stay in the memory that both share."""
    plan = tmp_path / "plan.mem"
    found = []
    for more in ("", "offloaded_weights = 4 GiB", "offloaded_cache = 4 GiB"):
        body = f'model = "meta-llama/Llama-3.1-8B"; context = 8Ki tokens; concurrency = 4; gpu = gb10; gpus = 1; {more}'
        plan.write_text(
            f"edition 2026\noffer own {{ gpu = gb10; gpus = 1; price = $0/h }}\ninference chat {{ {body} }}\n"
        )
        result = CliRunner().invoke(app, ["estimate", "--format", "json", str(plan)])
        found.append(parts(json.loads(result.stdout)["workloads"][0]))
    plain, weights, cache = found
    assert plain == weights
    assert cache["overhead"] - plain["overhead"] == 4 * GIB


@pytest.mark.parametrize("most, fits", [(64, False), (128, True)])
def test_sequences_that_must_be_resident_run_at_once(tmp_path: Path, most: int, fits: bool) -> None:
    """The times of a replica are those of `concurrency` sequences: an engine that runs fewer does not reach them."""
    found = estimate(tmp_path, f"max_sequences = {most}", concurrency=128)
    assert (not any(item["rule"].endswith(".concurrency") for item in found["broken"])) is fits


def test_an_engine_is_started_for_all_sequences(tmp_path: Path) -> None:
    """vLLM takes 256 at once by itself on most GPUs: a plan that says more is started for more."""
    few, many = (estimate(tmp_path, concurrency=count, gpu="a100_sxm_80gb") for count in (200, 400))
    assert few["given"]["max_sequences"] == 256 and many["given"]["max_sequences"] == 400
    assert parts(many)["logits"] > parts(few)["logits"]


@pytest.mark.parametrize("task", ["embed", "rerank"])
def test_what_only_reads_prompts_keeps_no_cache_and_samples_nothing(tmp_path: Path, task: str) -> None:
    """A request leaves with its last tokens: the cache is of a batch of whole requests and one more (vLLM)."""
    plain, found = estimate(tmp_path), estimate(tmp_path, f"task = {task}; max_batched_tokens = 8192")
    batch = estimate(tmp_path, f"task = {task}; max_batched_tokens = 32Ki tokens")
    assert parts(found)["logits"] == 0 < parts(plain)["logits"]
    assert parts(found)["kv_cache"] < parts(batch)["kv_cache"] < parts(plain)["kv_cache"]
    assert parts(found)["overhead"] < parts(plain)["overhead"]  # no graphs of whole batches
    assert found["outcomes"]["tpot_s"] is None
    assert estimate(tmp_path, f"task = {task}; engine = sglang")["broken"][0]["rule"].endswith(".task")


@pytest.mark.parametrize("more", ["output = 3 tokens", "output = 3 tokens; demand = 1 req/s"])
def test_what_only_reads_prompts_has_no_output(tmp_path: Path, more: str) -> None:
    plan = tmp_path / "plan.mem"
    body = f'model = "meta-llama/Llama-3.1-8B"; context = 8Ki tokens; concurrency = 32; task = embed; {more}'
    plan.write_text(f"edition 2026\ninference chat {{ {body} }}\n")
    assert "E0403" in CliRunner().invoke(app, ["check", "--format", "concise", str(plan)]).output


def test_what_is_offloaded_costs_time(tmp_path: Path) -> None:
    plain = estimate(tmp_path)["outcomes"]["tpot_s"]
    slow = estimate(tmp_path, "offloaded_weights = 4 GiB")["outcomes"]["tpot_s"]
    assert slow - plain > 0.05


def test_latents_split_by_sequences_hold_a_share_each(tmp_path: Path) -> None:
    """MLA latents lie whole on every rank; with data-parallel attention each rank has its own sequences."""
    model, more = "deepseek-ai/DeepSeek-V3", "attention_parallel = data"
    whole = parts(estimate(tmp_path, model=model, gpus=8, weights="fp8"))
    share = parts(estimate(tmp_path, more, model=model, gpus=8, weights="fp8"))
    assert whole["kv_cache"] == 8 * share["kv_cache"]


def test_text_only_needs_no_room_for_images(tmp_path: Path) -> None:
    model = "Qwen/Qwen2.5-VL-7B-Instruct"
    few = "max_sequences = 64"
    served = parts(estimate(tmp_path, few, model=model))
    text = parts(estimate(tmp_path, f"{few}; images = false", model=model))
    assert served["activations"] + served["logits"] > text["activations"] + text["logits"] + GIB // 2


def test_buffers_of_experts_are_overhead(tmp_path: Path) -> None:
    model, more = "deepseek-ai/DeepSeek-V3", "attention_parallel = data; expert_parallel = 8"
    plain = parts(estimate(tmp_path, more, model=model, gpus=8, weights="fp8"))
    deep = parts(estimate(tmp_path, f"{more}; all_to_all = deepep", model=model, gpus=8, weights="fp8"))
    assert deep["overhead"] - plain["overhead"] >= GIB


@pytest.mark.parametrize("engine", ["vllm", "sglang", "tensorrt_llm", "llama_cpp", "transformers"])
def test_every_engine_answers(tmp_path: Path, engine: str) -> None:
    chunks = "; max_batched_tokens = 2Ki tokens" if engine == "transformers" else ""
    found = estimate(tmp_path, f"engine = {engine}{chunks}", gpus=1)
    assert found["outcomes"]["kv_tokens"] > 0
    assert parts(found)["overhead"] > 0
    assert found["outcomes"]["tpot_s"] > 0
    assert not found["broken"]


def test_host_memory_is_held_against_the_offers_ram() -> None:
    """What two ranks offload lies on their host: 80 GiB do not go into 64, whoever is cheaper."""
    import planner

    plan = """edition 2026
offer small { gpu = l40s; gpus = 2; price = $1/h; ram = 64 GiB }
offer large { gpu = l40s; gpus = 2; price = $2/h; ram = 128 GiB }
inference a { model = "meta-llama/Llama-3.1-70B"; context = 8Ki tokens; concurrency = 4; gpu = l40s; gpus = 2
  offloaded_weights = 40 GiB; provider = "own" }
minimize cost
"""
    found = planner.solve(planner.load("a.mem", text=plan))
    assert found["a"].chosen.offer == "large"
    assert found["a"].chosen.outcomes["host_memory"] == 80 * GIB
    assert "host_memory 80.00 GiB" in found.render("table")
    bounded = plan.replace('"own" }', '"own"; host_memory <= 70 GiB }')
    assert planner.solve(planner.load("a.mem", text=bounded)).outcome == "infeasible"
    none = planner.solve(planner.load("a.mem", text=plan.replace("offloaded_weights = 40 GiB", "weights = int4")))
    assert none["a"].chosen.offer == "small"
    assert none["a"].chosen.outcomes["host_memory"] == 0
