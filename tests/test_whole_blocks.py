"""Ranks of tensor parallelism hold whole blocks of quantized weights: reports of engines that refused or failed."""

from __future__ import annotations

import json

import pytest

import planner
from planner.plan import load_plan
from planner.report.nothing_fits import infeasible
from planner.solve import solve

PLAN = """edition 2026
inference chat {{
  model = {model}
  context = 4Ki tokens
  concurrency = 4
  gpu = h200_sxm
  engine = {engine}
  weights = {weights}
  tensor_parallel = {tensor}
  expert_parallel = {expert}
  pipeline_parallel = {stages}
}}
"""
CUT = (
    ("Qwen/Qwen3-235B-A22B-Instruct-2507-FP8", 8, 1, "192", "vllm-project/vllm#17569"),
    ("Qwen/Qwen3-30B-A3B-FP8", 4, 1, "192", "vllm-project/vllm#25292"),
    ("MiniMaxAI/MiniMax-M2.5", 8, 1, "192", "vllm-project/vllm#48173"),
    ("Qwen/Qwen3.6-35B-A3B-FP8", 8, 8, "64", "vllm-project/vllm#52997"),
    ("Qwen/Qwen3-Next-80B-A3B-Instruct-FP8", 8, 8, "64", "sgl-project/sglang#10852"),
    ("Qwen/Qwen2.5-14B-Instruct-AWQ", 8, 1, "1728", "vllm-project/vllm#45703: groups that straddle ranks"),
)
WHOLE = (
    ("Qwen/Qwen3-235B-A22B-Instruct-2507-FP8", 4, 1, "1536 / 4 = 3 x 128"),
    ("MiniMaxAI/MiniMax-M2.5", 8, 8, "vllm-project/recipes: TP8 with expert parallelism"),
    ("deepseek-ai/DeepSeek-R1", 8, 1, "the model card's own command"),
    ("deepseek-ai/DeepSeek-V4-Flash", 4, 4, "vllm-project/recipes"),
    ("openai/gpt-oss-120b", 8, 1, "2880 / 8 = 360, dealt by blocks of 32 and padded (vllm, mxfp4.py)"),
    ("Qwen/Qwen2.5-14B-Instruct-AWQ", 4, 1, "13824 / 4 = 27 x 128"),
    ("Qwen/Qwen3-32B-FP8", 8, 1, "25600 / 8 = 25 x 128"),
)


def broken(model: str, tensor: int, expert: int, engine: str = "vllm", weights: str = "native") -> str:
    text = PLAN.format(model=json.dumps(model), tensor=tensor, expert=expert, engine=engine, weights=weights, stages=1)
    if weights == "native":
        text = text.replace("  weights = native\n", "")
    return planner.solve(planner.load("plan.mem", text=text)).render("table")


@pytest.mark.parametrize("engine", ["vllm", "sglang"])
@pytest.mark.parametrize(("model", "tensor", "expert", "size", "source"), CUT)
def test_cut_blocks_are_refused(model: str, tensor: int, expert: int, size: str, source: str, engine: str) -> None:
    assert size in broken(model, tensor, expert, engine), source


@pytest.mark.parametrize(("model", "tensor", "expert", "source"), WHOLE)
def test_whole_blocks_are_not(model: str, tensor: int, expert: int, source: str) -> None:
    assert "whole blocks" not in broken(model, tensor, expert), source


def test_the_help_names_a_change_once() -> None:
    """Two rules of the conflict, one change that meets both."""
    plan = """edition 2026
inference a { model = "Qwen/Qwen3-30B-A3B-Instruct-2507-FP8"; context = 4Ki tokens; concurrency = 1; gpu = l4; gpus = 4
  tensor_parallel = 4; expert_parallel = 1 }
"""
    loaded = load_plan("plan.mem", text=plan)
    assert loaded.problem is not None
    (finding,) = infeasible(solve(loaded.problem, loaded.catalog), loaded.problem)
    assert finding.help == "a.expert_parallel = 4 makes the plan feasible"
