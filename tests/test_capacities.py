"""What an answer says that a cache holds fits when a plan asks for it, where the engine's peak grows with the load."""

from __future__ import annotations

import pytest

import planner

PLAN = """edition 2026
inference a {{ model = "{}"; engine = {}; gpu = {}; {}; context = {} tokens; concurrency = {} }}
"""
LLAMA, GEMMA, IMAGES = "meta-llama/Llama-3.1-8B", "google/gemma-3-12b-pt", "Qwen/Qwen2.5-VL-7B-Instruct"


@pytest.mark.parametrize(
    ("model", "engine", "gpu", "split", "context", "many"),
    [
        (LLAMA, "llama_cpp", "l40s", "gpus = 1", 4096, 8),
        (LLAMA, "llama_cpp", "l40s", "gpus = 4; pipeline_parallel = 4", 8192, 32),
        (GEMMA, "llama_cpp", "h100_sxm", "gpus = 1", 2048, 1),
        (GEMMA, "llama_cpp", "l40s", "gpus = 2; pipeline_parallel = 2", 8192, 8),
        (LLAMA, "transformers", "l40s", "gpus = 1", 2048, 4),
        (GEMMA, "transformers", "h100_sxm", "gpus = 1", 8192, 3),
        (IMAGES, "sglang", "l40s", "gpus = 1", 2048, 8),
        (IMAGES, "vllm", "h100_sxm", "gpus = 1", 2048, 8),
    ],
)
def test_capacities_hold_at_the_load_that_they_are_of(
    model: str, engine: str, gpu: str, split: str, context: int, many: int
) -> None:
    def solved(context: int, many: int) -> planner.Result:
        return planner.solve(text=PLAN.format(model, engine, gpu, split, context, many), top=0)

    first = solved(context, many)
    assert first.fits
    outcomes = first["a"].chosen.outcomes
    longest, most = outcomes["max_context"], outcomes["max_concurrency"]
    assert longest is not None and most is not None
    assert longest >= context and most >= many
    assert solved(int(longest), many).fits
    if engine not in ("vllm",):  # which keeps logits for more sequences once more than its own 256 are asked for
        assert solved(context, int(most)).fits
    if engine != "sglang" and longest < 100_000:
        assert not solved(int(longest * 1.3) + 64, many).fits


def test_the_proposed_context_fits() -> None:
    """llama.cpp's mask of 32 sequences on four GPUs takes gigabytes beside the cache."""
    split = "gpus = 4; pipeline_parallel = 4"
    text = PLAN.format(LLAMA, "llama_cpp", "l40s", split, 65536, 32)
    (conflict,) = [item for item in planner.solve(text=text).answer.conflict if item.rule == "a.memory"]
    (hint,) = [item for item in conflict.hints if item.quantity == "context"]
    assert hint.value is not None
    assert planner.solve(text=PLAN.format(LLAMA, "llama_cpp", "l40s", split, int(hint.value), 32)).fits
