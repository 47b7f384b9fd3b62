"""What an engine, a framework or a GPU does not do is refused, and what it does is not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import planner
from planner.catalog.load import load
from planner.cli.main import app

SERVED = "context = 4Ki tokens; concurrency = 1"
V32 = f'model = "deepseek-ai/DeepSeek-V3.2"; {SERVED}; gpus = 8; '
LLAMA = f'model = "meta-llama/Llama-3.1-8B"; {SERVED}; '
MOE = f'model = "Qwen/Qwen3-30B-A3B"; {SERVED}; gpus = 4; expert_parallel = 4; attention_parallel = data; '
STEP = 'model = "meta-llama/Llama-3.1-8B"; sequence = 1Ki tokens; global_batch = 8; gpus = 1; '

OFFERS = "".join(f"offer of_{gpu} {{ gpu = {gpu}; gpus = 8; price = $1/h }}\n" for gpu in ("mi250x", "rx_7900_xtx"))
"""Of GPUs that nobody of the catalog rents."""


def broken(tmp_path: Path, kind: str, text: str) -> dict[str, str]:
    """Return what a plan with nothing left open breaks of hardware and software: rule to reason."""
    plan = tmp_path / "plan.mem"
    plan.write_text(f"edition 2026\n{OFFERS}{kind} w {{ {text} }}\n", encoding="utf-8")
    result = CliRunner().invoke(app, ["estimate", "--format", "json", str(plan)])
    found = json.loads(result.stdout)["workloads"][0]["broken"]
    return {item["rule"].removeprefix("w."): str(item["needs"]) for item in found if item["rule"] not in ROOM}


ROOM = ("w.memory", "w.gpu_memory_utilization")
"""The rules of what has no room, of which nothing is asked here."""


@pytest.mark.parametrize(
    "text, rule",
    [
        (V32 + "gpu = a100_sxm_80gb", "gpu"),
        (V32 + "gpu = l40s", "gpu"),
        (V32 + "gpu = rtx_pro_6000_ws", "gpu"),
        (V32 + "gpu = mi250x; engine = sglang", "gpu"),
        (V32 + "gpu = a100_sxm_80gb; engine = tensorrt_llm; weights = bf16", "gpu"),
        (MOE + "all_to_all = deepep_low_latency; gpu = a100_sxm_80gb", "all_to_all"),
        (MOE + "all_to_all = deepep_low_latency; gpu = l40s; engine = sglang", "all_to_all"),
        (MOE + "all_to_all = deepep_low_latency; gpu = mi300x", "all_to_all"),
        (MOE + "all_to_all = deepep; gpu = l40s", "all_to_all"),
        (LLAMA + "engine = tensorrt_llm; weights = nvfp4; gpu = rtx_a6000; gpus = 1", "weights"),
        (LLAMA + "engine = tensorrt_llm; weights = nvfp4; gpu = h100_sxm; gpus = 1", "weights"),
        (LLAMA + "engine = tensorrt_llm; weights = fp8; gpu = a100_sxm_80gb; gpus = 1", "weights"),
        (LLAMA + "weights = nf4_dq; gpu = mi300x; gpus = 1", "weights"),
        (LLAMA + 'weights = fp8; gpu = v100; gpus = 1; engine_version = "0.19.1"', "weights"),
        (LLAMA + 'weights = nf4; gpu = l4; gpus = 2; engine_version = "0.6.1"', "tensor_parallel"),
        (LLAMA + "attention_parallel = data; gpu = h100_sxm; gpus = 4", "attention_parallel"),
        (LLAMA + "attention_parallel = data; gpu = h100_sxm; gpus = 4; engine = tensorrt_llm", "attention_parallel"),
        (LLAMA + "attention_parallel = data; gpu = h100_sxm; gpus = 4; engine = transformers", "attention_parallel"),
        (LLAMA + 'kv_cache = fp8; gpu = rtx_3090; gpus = 1; engine_version = "0.11.0"; weights = int4', "kv_cache"),
        (LLAMA + "kv_cache = nvfp4; gpu = h100_sxm; gpus = 1; engine = tensorrt_llm", "kv_cache"),
        (LLAMA + 'kv_cache = nvfp4; gpu = h100_sxm; gpus = 1; engine_version = "0.30.0"', "kv_cache"),
        (LLAMA + 'kv_cache = nvfp4; gpu = b200; gpus = 1; engine_version = "0.24.0"', "kv_cache"),
        (LLAMA + "kv_cache = nvfp4; gpu = h100_sxm; gpus = 1; engine = sglang", "kv_cache"),
        (LLAMA + "weights = int4; gpu = mi300x; gpus = 1; engine = sglang", "weights"),
        (LLAMA + "weights = int4_gptq_g128; gpu = mi300x; gpus = 1; engine = sglang", "weights"),
        (LLAMA + "weights = nf4; gpu = mi300x; gpus = 1; engine = sglang", "weights"),
        (LLAMA + 'kv_cache = int4; gpu = l40s; gpus = 1; engine_version = "0.24.0"', "kv_cache"),
        (LLAMA + 'kv_cache = int8; gpu = l40s; gpus = 1; engine_version = "0.19.0"', "kv_cache"),
        (LLAMA + "kv_cache = fp8_per_token_head; gpu = a100_sxm_80gb; gpus = 1", "kv_cache"),
        (LLAMA + "kv_cache = fp8_ds_mla; gpu = h100_sxm; gpus = 1", "kv_cache"),
        (LLAMA + "kv_cache = turboquant_k8v4; gpu = h100_sxm; gpus = 1; engine = sglang", "kv_cache"),
        (LLAMA + 'kv_cache = turboquant_k8v4; gpu = h100_sxm; gpus = 1; engine_version = "0.19.1"', "kv_cache"),
        (V32 + "kv_cache = int8; gpu = h200_sxm", "kv_cache"),
        (
            'model = "openai/gpt-oss-20b"; context = 4Ki tokens; concurrency = 1; gpu = h100_sxm; gpus = 1; '
            "kv_cache = turboquant_4bit_nc",
            "kv_cache",
        ),
        (LLAMA + "kv_cache = fp8; gpu = t4; gpus = 1; weights = int4; activations = fp16", "kv_cache"),
    ],
)
def test_what_an_engine_refuses_is_refused(tmp_path: Path, text: str, rule: str) -> None:
    assert list(broken(tmp_path, "inference", text)) == [rule]


@pytest.mark.parametrize(
    "text",
    [
        V32 + "gpu = h200_sxm",
        V32 + "gpu = b200",
        V32 + "gpu = mi300x; engine = sglang",
        'model = "deepseek-ai/DeepSeek-V3"; context = 4Ki tokens; concurrency = 1; gpus = 8; gpu = a100_sxm_80gb',
        MOE + "all_to_all = deepep_low_latency; gpu = h100_sxm",
        MOE + "all_to_all = deepep_low_latency; gpu = b200",
        MOE + "all_to_all = deepep; gpu = a100_sxm_80gb",
        LLAMA + "engine = tensorrt_llm; weights = nvfp4; gpu = b200; gpus = 1",
        LLAMA + "weights = nvfp4; gpu = rtx_a6000; gpus = 1",
        LLAMA + "weights = fp8; gpu = a100_sxm_80gb; gpus = 1",
        LLAMA + 'weights = nf4; gpu = l4; gpus = 2; engine_version = "0.27.0"',
        LLAMA + "weights = nf4; gpu = mi300x; gpus = 1; engine = transformers",
        LLAMA + "kv_cache = fp8; gpu = l4; gpus = 2",
        LLAMA + "kv_cache = fp8; gpu = rtx_3090; gpus = 1; engine = tensorrt_llm; weights = int4",
        LLAMA + "kv_cache = nvfp4; gpu = b200; gpus = 1",
        LLAMA + "kv_cache = nvfp4; gpu = h100_sxm; gpus = 1",
        LLAMA + "kv_cache = nvfp4; gpu = b200; gpus = 1; engine = sglang",
        LLAMA + "weights = int4_awq; gpu = mi300x; gpus = 1; engine = sglang",
        MOE.replace("attention_parallel = data; ", "") + "weights = int4_g32; gpu = mi300x; engine = sglang",
        LLAMA + "kv_cache = int4_per_token_head; gpu = l40s; gpus = 1",
        LLAMA + "kv_cache = turboquant_3bit_nc; gpu = a100_sxm_80gb; gpus = 1",
        V32 + "kv_cache = fp8_ds_mla; gpu = h200_sxm",
        LLAMA + "attention_parallel = data; gpu = h100_sxm; gpus = 1",
    ],
)
def test_what_an_engine_does_is_not_refused(tmp_path: Path, text: str) -> None:
    assert broken(tmp_path, "inference", text) == {}


@pytest.mark.parametrize(
    "text, rule, needs",
    [
        (STEP + "attention = flash; gpu = t4; precision = fp16_mixed", "attention", "hardware for flash attention"),
        (STEP + "attention = flash; gpu = v100; precision = fp16_mixed", "attention", "hardware for flash attention"),
        (STEP + "attention = flash; gpu = rx_7900_xtx", "attention", "hardware for flash attention"),
        (STEP + "method = qlora; framework = megatron; gpu = h100_sxm", "method", "a framework that trains qlora"),
        (STEP + "gpu = inferentia2", "gpu", "a framework that runs on aws"),
        (STEP + "gpu = t4; precision = bf16", "precision", "hardware for bf16"),
    ],
)
def test_what_a_training_cannot_run_is_refused(tmp_path: Path, text: str, rule: str, needs: str) -> None:
    assert broken(tmp_path, "training", text) == {rule: needs}


@pytest.mark.parametrize(
    "text",
    [
        STEP + "attention = sdpa; gpu = t4; precision = fp16_mixed",
        STEP + "attention = flash; gpu = a100_sxm_80gb",
        STEP + "attention = flash; gpu = mi300x",
        STEP + "method = lora; framework = megatron; gpu = h100_sxm",
        STEP + "method = qlora; gpu = t4; precision = fp16_mixed",
    ],
)
def test_what_a_training_can_run_is_not_refused(tmp_path: Path, text: str) -> None:
    assert broken(tmp_path, "training", text) == {}


def test_a_transformers_replica_lies_on_one_host(tmp_path: Path) -> None:
    """`device_map` is of one process: sixteen GPUs of hosts with eight are no replica; vLLM's pipelines cross hosts."""
    text = LLAMA + "gpu = h100_sxm; gpus = 16; tensor_parallel = 1; pipeline_parallel = 16"
    plan = tmp_path / "plan.mem"
    for engine, code in (("transformers", 1), ("vllm", 0)):
        plan.write_text(f"edition 2026\ninference w {{ {text}; engine = {engine} }}\nminimize cost\n", encoding="utf-8")
        result = CliRunner().invoke(app, ["solve", "--no-lock", "--format", "json", str(plan)])
        assert result.exit_code == code, (engine, result.stdout)


def test_what_is_refused_has_a_source_and_names_what_there_is() -> None:
    catalog, _ = load()
    capabilities = {gpu.compute_capability for gpu in catalog.gpus.values()}
    for engine in catalog.engines.values():
        for row in engine.lacks:
            assert row.source
            assert set(row.runs_on) <= capabilities, row
            assert set(row.formats) <= set(catalog.formats), row
            met = (row.caches, row.formats, row.sparse, row.dense, row.by_sequence, row.all_to_all, row.families)
            asked = (row.prefixes, row.drafts, row.unlike_drafts, row.adapters, row.adapter_ranks, row.offloads_cache)
            assert any(met + asked) or row.tasks or row.most_sequences or row.decision == "gpu", row


@pytest.mark.parametrize(("gpu", "fits"), [("h200_sxm", False), ("b200", True)])
def test_deepseek_v4_keeps_16_bit_on_sm100_alone(gpu: str, fits: bool) -> None:
    """The layout of FlashMLA and of SM120 is fp8 alone (vllm-project/vllm#47174, #55134); SM100 has plain rows."""
    plan = f"""edition 2026
inference a {{ model = "deepseek-ai/DeepSeek-V4-Flash"; context = 8Ki tokens; concurrency = 1; gpu = {gpu}; gpus in 1..8
  kv_cache = bf16 }}
"""
    answer = planner.solve(planner.load("plan.mem", text=plan))
    assert answer.fits is fits
    unsaid = planner.solve(planner.load("plan.mem", text=plan.replace("kv_cache = bf16", "")))
    chosen = unsaid["a"].chosen
    assert chosen is not None and chosen.choice["kv_cache"] == "fp8_e4m3" and chosen.outcomes["quality"] == 1


SMALL = 'model = "Qwen/Qwen3-8B"; context = 8Ki tokens; gpu = h100_sxm; gpus = 1; '
HYBRID = 'model = "Qwen/Qwen3.5-27B"; context = 8Ki tokens; gpu = h100_sxm; gpus = 2; '
PREFIX = "shared_prefix = 4Ki tokens; concurrency = 4; "
LARGE = 'model = "meta-llama/Llama-3.1-70B-Instruct"; weights = fp8; context = 4Ki tokens; gpu = h200_sxm; gpus = 2; '
DRAFT = 'draft_model = "meta-llama/Llama-3.2-1B"; concurrency = 4; '
ALIEN = 'draft_model = "Qwen/Qwen3-0.6B"; concurrency = 4; '


@pytest.mark.parametrize(
    "text, rule",
    [
        (SMALL + PREFIX + "engine = llama_cpp", "shared_prefix"),
        (SMALL + PREFIX + "engine = transformers", "shared_prefix"),
        (HYBRID + PREFIX + 'engine_version = "0.20"', "shared_prefix"),
        (LARGE + DRAFT + 'engine_version = "0.11"', "draft_model"),
        (LARGE + DRAFT + 'engine_version = "0.14.1"', "draft_model"),
        (LARGE.replace("fp8", "bf16") + DRAFT + "engine = transformers", "draft_model"),
        (LARGE + ALIEN, "draft_model"),
        (LARGE + ALIEN + "engine = sglang", "draft_model"),
    ],
)
def test_what_is_asked_beside_the_model_is_refused_where_the_engine_has_it_not(
    tmp_path: Path, text: str, rule: str
) -> None:
    assert list(broken(tmp_path, "inference", text)) == [rule]


@pytest.mark.parametrize(
    "text",
    [
        SMALL + PREFIX,
        SMALL + PREFIX + "engine = sglang",
        SMALL + PREFIX + "engine = tensorrt_llm",
        SMALL + PREFIX.replace("4; ", "1; ") + "engine = llama_cpp",
        HYBRID + PREFIX,
        LARGE + DRAFT,
        LARGE + DRAFT + 'engine_version = "0.15"',
        LARGE + DRAFT + "engine = sglang",
        LARGE.replace("fp8", "bf16") + DRAFT.replace("= 4", "= 1") + "engine = transformers",
    ],
)
def test_what_the_engine_has_is_not_refused(tmp_path: Path, text: str) -> None:
    assert not broken(tmp_path, "inference", text)


def test_workloads_that_differ_in_their_load_alone_are_refused_each_for_itself() -> None:
    """One that is served alone shares no prefix with anybody; a table of candidates may be theirs together."""
    block = 'inference {} {{ model = "Qwen/Qwen3-8B"; context = 8Ki tokens; gpu = l40s; engine = llama_cpp; {} }}\n'
    alone, four = "concurrency = 1; shared_prefix = 4Ki tokens", "concurrency = 4; shared_prefix = 4Ki tokens"
    both = "edition 2026\n" + block.format("one", alone) + block.format("other", four)
    assert planner.solve(text=both).outcome == "infeasible"
    assert planner.solve(text="edition 2026\n" + block.format("one", alone) + block.format("two", alone)).fits
