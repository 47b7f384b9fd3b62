"""Classes that an engine's release does not have, or not with adapters, stages or fp16, are refused; their kin run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from planner.catalog.huggingface.read import DECODERS, WRAPPERS
from planner.catalog.load import catalog_folder, load
from planner.catalog.programs.engine_models import build_engine_model
from planner.cli.main import app
from planner.plan import load_plan
from planner.solve import solve

CATALOG = load()[0]
ROWS = CATALOG.engine_models
INNER = {"ministral3", "mistral4"}
"""Decoders that are published inside a multimodal model alone."""


def plan(model: str, more: str, gpu: str = "gpu = b200; gpus = 8") -> str:
    """Return a plan that serves a model on hardware with room for any."""
    return f'edition 2026\ninference w {{ model = "{model}"; context = 2Ki tokens; concurrency = 1; {gpu}; {more} }}\n'


def broken(folder: Path, text: str) -> dict[str, str]:
    """Return what a plan with nothing left open breaks, but for its memory: rule to what is needed."""
    path = folder / "plan.mem"
    path.write_text(text, encoding="utf-8")
    result = CliRunner().invoke(app, ["estimate", "--format", "json", str(path)])
    found = json.loads(result.stdout)["workloads"][0]["broken"]
    return {item["rule"].removeprefix("w."): str(item["needs"]) for item in found if item["rule"] != "w.memory"}


def solved(folder: Path, text: str, *more: str) -> tuple[int, dict[str, Any]]:
    """Return the exit code and the answer of a plan."""
    path = folder / "plan.mem"
    path.write_text(text, encoding="utf-8")
    result = CliRunner().invoke(app, ["solve", "--format", "json", *more, str(path)])
    return result.exit_code, json.loads(result.stdout)


NATIVELY = "an engine that has {} natively: it falls back to the {} backend, whose memory is not modelled"


@pytest.mark.parametrize(
    ("model", "more", "needs"),
    [
        ("mosaicml/mpt-7b", "", "an engine that has MPTForCausalLM: the last release with it is 0.28.0"),
        ("mosaicml/mpt-7b", 'engine_version = "0.29.1"', "MPTForCausalLM: the last release with it is 0.28.0"),
        ("mosaicml/mpt-7b", 'engine_version = "9.0"', "MPTForCausalLM: the last release with it is 0.28.0"),
        ("EleutherAI/gpt-neo-1.3B", "", "an engine that has GPTNeoForCausalLM"),
        ("apple/OpenELM-3B", "", "an engine that has OpenELMForCausalLM"),
        ("hpcai-tech/grok-1", "", "Grok1ModelForCausalLM: the last release with it is 0.24.0"),
        ("Snowflake/snowflake-arctic-instruct", "gpus = 8", "ArcticForCausalLM: the last release with it is 0.28.0"),
        ("meta-llama/Llama-3.2-11B-Vision", "", "MllamaForConditionalGeneration natively"),
        ("MiniMaxAI/MiniMax-Text-01-hf", "", "MiniMaxForCausalLM natively"),
        ("rednote-hilab/dots.llm1.inst", "", "the last release with it is 0.23.0"),
        ("EleutherAI/pythia-6.9b", "", NATIVELY.format("GPTNeoXForCausalLM", "Transformers")),
        ("allenai/OLMo-2-1124-7B", "", NATIVELY.format("Olmo2ForCausalLM", "Transformers")),
        ("tiiuae/falcon-7b", "engine = sglang; tensor_parallel = 1; gpus = 1", "FalconForCausalLM"),
        ("bigscience/bloom-560m", "engine = sglang", "BloomForCausalLM"),
        ("mosaicml/mpt-7b", "engine = sglang", "MPTForCausalLM"),
        ("ai21labs/Jamba-v0.1", "engine = sglang", "JambaForCausalLM"),
        ("EleutherAI/pythia-6.9b", "engine = tensorrt_llm", "GPTNeoXForCausalLM"),
        ("facebook/opt-6.7b", "engine = tensorrt_llm", "OPTForCausalLM"),
        ("tiiuae/falcon-7b", "engine = tensorrt_llm; gpus = 1", "FalconForCausalLM"),
        ("bigscience/bloom-560m", "engine = tensorrt_llm", "BloomForCausalLM"),
        ("microsoft/phi-2", "engine = tensorrt_llm", "PhiForCausalLM"),
        ("state-spaces/mamba-790m-hf", "engine = tensorrt_llm", "MambaForCausalLM"),
        ("ai21labs/Jamba-v0.1", "engine = tensorrt_llm", "JambaForCausalLM"),
        ("stabilityai/stablelm-3b-4e1t", "engine = tensorrt_llm", "StableLmForCausalLM"),
        ("google/gemma-3n-E4B", "engine = tensorrt_llm", NATIVELY.format("Gemma3nForCausalLM", "AutoDeploy")),
        (
            "deepseek-ai/DeepSeek-V2-Lite",
            "engine = tensorrt_llm",
            NATIVELY.format("DeepseekV2ForCausalLM", "AutoDeploy"),
        ),
        ("facebook/opt-6.7b", "engine = llama_cpp; weights = q8_0", "OPTForCausalLM"),
        ("EleutherAI/gpt-j-6b", "engine = llama_cpp; weights = q8_0", "GPTJForCausalLM"),
        ("apple/OpenELM-3B", "engine = transformers", "OpenELMForCausalLM"),
    ],
)
def test_a_class_that_a_release_does_not_have_is_refused(tmp_path: Path, model: str, more: str, needs: str) -> None:
    found = broken(tmp_path, plan(model, more, "gpu = b200" + ("" if "gpus" in more else "; gpus = 1")))
    assert needs in found.get("engine", ""), found


@pytest.mark.parametrize(
    ("model", "more"),
    [
        ("mosaicml/mpt-7b", 'engine_version = "0.28.1"'),
        ("mosaicml/mpt-7b", "engine = llama_cpp; weights = q8_0"),
        ("mosaicml/mpt-7b", "engine = transformers"),
        ("EleutherAI/pythia-6.9b", 'engine_version = "0.20.2"'),
        ("EleutherAI/pythia-6.9b", 'engine = tensorrt_llm; engine_version = "0.18"'),
        ("tiiuae/falcon-7b", 'engine = sglang; engine_version = "0.5.12"; tensor_parallel = 1'),
        ("bigscience/bloom-560m", ""),
        ("meta-llama/Llama-3.1-8B", ""),
        ("meta-llama/Llama-3.1-8B", "engine = sglang"),
        ("meta-llama/Llama-3.1-8B", "engine = tensorrt_llm"),
        ("Qwen/Qwen3-8B", ""),
        ("Qwen/Qwen3-8B", "engine = tensorrt_llm"),
        ("Qwen/Qwen3.5-27B", ""),
        ("Qwen/Qwen3.5-27B", "engine = sglang"),
        ("openai/gpt-oss-20b", ""),
        ("openai/gpt-oss-20b", "engine = llama_cpp"),
        ("google/gemma-3-4b-it", ""),
        ("google/gemma-2-9b", ""),
        ("zai-org/GLM-4.5-Air", "gpus = 4"),
        ("deepseek-ai/DeepSeek-V3", "gpus = 8"),
        ("deepseek-ai/DeepSeek-V4-Flash", "gpus = 4"),
        ("moonshotai/Kimi-K2.5", "gpus = 8"),
        ("MiniMaxAI/MiniMax-M2", "gpus = 4"),
        ("google/gemma-3n-E4B", ""),
        ("mistralai/Mistral-7B-v0.1", ""),
        ("mistralai/Mixtral-8x7B-v0.1", ""),
        ("microsoft/Phi-3-mini-4k-instruct", "engine = tensorrt_llm"),
    ],
)
def test_a_class_that_a_release_has_runs(tmp_path: Path, model: str, more: str) -> None:
    found = broken(tmp_path, plan(model, more, "gpu = b200" + ("" if "gpus" in more else "; gpus = 1")))
    assert "engine" not in found, found


@pytest.mark.parametrize(
    ("model", "more", "rules"),
    [
        ("google/gemma-2-9b", "weights = fp16", {"weights", "activations"}),
        ("google/gemma-3-4b-it", "activations = fp16", {"activations"}),
        ("google/gemma-3-1b-it", "weights = int4; activations = fp16", {"activations"}),
        ("zai-org/GLM-4-9B-0414", "weights = fp16", {"weights", "activations"}),
        ("google/gemma-2-9b", "weights = bf16", set()),
        ("google/gemma-2-9b", "weights = int4", set()),
        ("google/gemma-2-9b", "weights = fp16; engine = sglang", set()),
        ("google/gemma-2-9b", 'weights = fp16; engine_version = "0.32.0"', set()),
        ("meta-llama/Llama-3.1-8B", "weights = fp16", set()),
    ],
)
def test_fp16_is_refused_where_the_class_is_unstable_in_it(
    tmp_path: Path, model: str, more: str, rules: set[str]
) -> None:
    found = broken(tmp_path, plan(model, more, "gpu = h100_sxm; gpus = 1"))
    assert found.keys() & {"weights", "activations"} == rules
    assert all("in fp16" in found[rule] for rule in rules)


def test_hardware_without_bf16_runs_no_class_that_is_unstable_in_fp16(tmp_path: Path) -> None:
    assert "in fp16" in broken(tmp_path, plan("google/gemma-3-1b-it", "", "gpu = t4; gpus = 1"))["activations"]
    assert broken(tmp_path, plan("Qwen/Qwen2.5-1.5B", "", "gpu = t4; gpus = 1")) == {}


@pytest.mark.parametrize(
    ("model", "taken"),
    [
        ("deepseek-ai/DeepSeek-V4-Flash", False),
        ("moonshotai/Kimi-K2.5", False),
        ("stabilityai/stablelm-3b-4e1t", False),
        ("google/gemma-3n-E4B", False),
        ("openai-community/gpt2", False),
        ("EleutherAI/gpt-j-6b", False),
        ("bigscience/bloom-560m", False),
        ("tiiuae/falcon-7b", False),
        ("state-spaces/mamba-790m-hf", False),
        ("databricks/dbrx-instruct", False),
        ("XiaomiMiMo/MiMo-V2-Flash", False),
        ("MiniMaxAI/MiniMax-M3", False),
        ("meta-llama/Llama-3.1-8B", True),
        ("Qwen/Qwen3-8B", True),
        ("Qwen/Qwen3-30B-A3B", True),
        ("openai/gpt-oss-20b", True),
        ("deepseek-ai/DeepSeek-V3", True),
        ("google/gemma-3-4b-it", True),
        ("mistralai/Mistral-7B-v0.1", True),
        ("ai21labs/Jamba-v0.1", True),
    ],
)
def test_adapters_are_refused_where_the_class_takes_none(tmp_path: Path, model: str, taken: bool) -> None:
    found = broken(tmp_path, plan(model, "adapters = 4; tensor_parallel = 1; pipeline_parallel = 1", "gpu = b200"))
    assert ("adapters" not in found) is taken, found
    assert taken or found["adapters"].startswith("an engine with adapters for ")
    without = plan(model, "tensor_parallel = 1; pipeline_parallel = 1", "gpu = b200")
    assert "adapters" not in broken(tmp_path, without)


@pytest.mark.parametrize(
    ("model", "engine", "staged"),
    [
        ("google/gemma-3n-E4B", "vllm", False),
        ("state-spaces/mamba2-2.7b", "vllm", False),
        ("google/gemma-3-4b-it", "vllm", True),
        ("meta-llama/Llama-3.1-8B", "vllm", True),
        ("Qwen/Qwen3-Next-80B-A3B-Instruct", "sglang", False),
        ("Qwen/Qwen2-VL-2B-Instruct", "sglang", False),
        ("google/gemma-3-4b-it", "sglang", False),
        ("ibm-granite/granite-3.1-8b-base", "sglang", False),
        ("Qwen/Qwen3-8B", "sglang", True),
        ("deepseek-ai/DeepSeek-V3", "sglang", True),
        ("Qwen/Qwen2-VL-2B-Instruct", "vllm", True),
    ],
)
def test_stages_are_not_offered_where_the_class_has_none(tmp_path: Path, model: str, engine: str, staged: bool) -> None:
    two = "tensor_parallel = 1; pipeline_parallel = 2"
    code, answer = solved(tmp_path, plan(model, f"engine = {engine}; {two}", "gpu = b200; gpus = 2"), "--no-lock")
    if staged:
        assert "w.pipeline_parallel" not in {item["rule"] for item in answer["conflict"] or ()}
        return
    (conflict,) = answer["conflict"]
    assert code == 1
    assert conflict["rule"] == "w.pipeline_parallel"
    assert "does not split" in conflict["has"]
    left = plan(model, f"engine = {engine}; gpus in {{1, 2}}", "gpu = b200")
    found = solved(tmp_path, left + "minimize w.memory", "--no-lock")[1]["workloads"][0]["choice"]
    assert found["pipeline_parallel"] == 1


def test_the_search_refuses_what_judging_does_and_says_how_to_run_it(tmp_path: Path) -> None:
    code, answer = solved(tmp_path, plan("mosaicml/mpt-7b", "", "gpu = l4; gpus = 1"), "--no-lock")
    assert code == 1
    (conflict,) = answer["conflict"]
    assert conflict["rule"] == "w.engine"
    assert "does not support MPTForCausalLM" in conflict["has"]
    assert [item["quantity"] for item in conflict["would_do"]] == ["engine"]


def test_a_lock_of_what_is_refused_neither_holds_nor_is_exported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a release that knows less of engines would have written it."""
    path = tmp_path / "plan.mem"
    with monkeypatch.context() as before:
        before.setattr("planner.solve.inference.workload._engine_model", lambda *_: None)
        assert solved(tmp_path, plan("mosaicml/mpt-7b", "", "gpu = l40s; gpus = 1"))[0] == 0
    checked = CliRunner().invoke(app, ["check", str(path)])
    assert checked.exit_code == 1
    assert "breaks w.engine: an engine that has MPTForCausalLM" in checked.output
    exported = CliRunner().invoke(app, ["export", "--to", "vllm", str(path)])
    assert exported.exit_code != 0
    assert "vllm serve" not in exported.stdout


def test_a_model_of_the_plan_is_not_refused(tmp_path: Path) -> None:
    own = "model mine { hidden = 2048; layers = 16; heads = 16; inter = 8192; vocab = 32000 }\n"
    text = own + plan("x", "", "gpu = l4; gpus = 1").removeprefix("edition 2026\n").replace('"x"', "mine")
    assert broken(tmp_path, "edition 2026\n" + text) == {}


def test_every_model_that_is_read_has_a_row_of_every_engine() -> None:
    """Run benchmarks/engine_models.py, or write the rows by hand, for a `model_type` that is new."""
    served = {model for model in DECODERS if not model.endswith(("_text", "_text_model"))} | set(WRAPPERS)
    listed = CATALOG.models
    served |= {row["model_type"] for row in map(listed.row, listed) if row.get("architecture")}
    for engine in CATALOG.engines:
        rows = {key.partition("/")[2] for key in ROWS if key.partition("/")[0] == engine}
        assert served - rows - INNER <= ({"mimo"} if engine == "llama_cpp" else set()), engine


@pytest.mark.parametrize(
    "row",
    [
        {"absent": True, "through": "its backend"},
        {"last": "1.0"},
        {"absent": True, "lora": False},
        {"through": "its backend", "pipeline": False},
    ],
)
def test_a_row_does_not_contradict_itself(row: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="class"):
        build_engine_model({"id": "a/b", "architecture": "B", "release": "1", "source": "s", **row})


def test_a_row_of_an_engine_that_is_not_there_is_found(tmp_path: Path) -> None:
    for file in catalog_folder().glob("*.yaml"):
        text = file.read_text(encoding="utf-8")
        changed = text.replace("id: vllm/mpt,", "id: nobody/mpt,") if file.stem == "engine_models" else text
        (tmp_path / file.name).write_text(changed, encoding="utf-8")
    found = [item.message for item in load(tmp_path)[0].check()]
    assert found == ["engine_models.yaml: `nobody/mpt` has no known engine: `nobody`"]


def test_a_plan_that_trains_reads_none() -> None:
    more = "sequence = 1Ki tokens; global_batch = 8; gpu = h100_sxm; gpus = 8"
    text = f'edition 2026\ntraining t {{ model = "Qwen/Qwen3-8B"; {more} }}\n'
    catalog = load(catalog_folder())[0]
    found = load_plan("t.mem", shipped=(catalog, ()), text=text).problem
    assert found is not None and solve(found, catalog).outcome == "optimal"
    assert "engine_models" not in vars(catalog)


def test_a_model_by_its_name_says_which_engine_serves_it() -> None:
    told = " ".join(CliRunner().invoke(app, ["estimate", "mosaicml/mpt-7b"]).stdout.split())  # at any width
    assert "vllm does not support MPTForCausalLM: the last release with it is 0.28.0" in told
    assert "next: planner estimate mosaicml/mpt-7b --engine llama_cpp" in told
    assert "none holds it" not in told
    markdown = CliRunner().invoke(app, ["estimate", "mosaicml/mpt-7b", "--format", "markdown"]).stdout
    assert "- vllm does not support MPTForCausalLM" in markdown
