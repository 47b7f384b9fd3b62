"""transformers computes the prompts of a batch at once: what its modules hold then, summed by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

import planner
from planner.catalog.catalog import Catalog
from planner.physics import inference

CATALOG = Catalog(Path(__file__).parents[1] / "catalogs")
QWEN = CATALOG.models["Qwen/Qwen3-8B"]
PLAN = """edition 2026
inference a {{ model = "Qwen/Qwen3-8B"; engine = transformers; gpu = h200_sxm; gpus = 1; context = {}; concurrency = {}
  {} }}
"""


def peak(prompt: int, many: int, batched: int | None = None) -> int:
    arch = QWEN.architecture
    assert arch is not None
    profile = inference.profile(
        CATALOG.engines["transformers"],
        None,
        CATALOG.gpus["h200_sxm"],
        max_batched_tokens=batched,
        context=2 * prompt,
        running=many,
        prompt=prompt,
    )
    return sum(inference.peak(arch, profile))


@pytest.mark.parametrize(("prompt", "many"), [(1024, 1), (4096, 3), (16384, 2), (131072, 2)])
def test_a_pass_holds_the_prompts_of_a_batch(prompt: int, many: int) -> None:
    """Qwen3-8B: hidden 4096, feed-forward 12288, 32 heads of 128 and 8 of keys and values."""
    tokens = prompt * many
    mask = prompt if many > 1 else 0
    feed = 2 * (3 * 12288 + 3 * 4096) + mask
    attention = 2 * (2 * 4096 + 2 * 4096 + 2 * 1024) + (2 * 2 * 4096 + 3 * mask if many > 1 else 0)
    assert peak(prompt, many) == pytest.approx(tokens * max(feed, attention), rel=0.01)


def test_chunks_that_a_plan_states_bound_a_pass() -> None:
    assert peak(32768, 8, batched=8192) == peak(8192, 1)


@pytest.mark.parametrize(
    ("context", "many", "more", "fits"),
    [
        ("32Ki tokens", 16, "", False),  # 512 Ki tokens at once: 74 GiB in attention, most of it masks and biases
        ("32Ki tokens", 16, "max_batched_tokens = 8Ki tokens", True),
        ("32Ki tokens", 16, "prompt = 1Ki tokens; output = 31Ki tokens", True),
        ("32Ki tokens", 1, "", True),
    ],
)
def test_long_prompts_of_many_sequences_do_not_fit_at_once(context: str, many: int, more: str, fits: bool) -> None:
    assert planner.solve(text=PLAN.format(context, many, more), top=0).fits is fits


@pytest.mark.parametrize(("name", "heads"), [("openai/gpt-oss-20b", 64), ("google/gemma-2-9b", 16)])
def test_models_without_a_fused_kernel_hold_their_scores(name: str, heads: int) -> None:
    """modeling_gpt_oss.py, modeling_gemma2.py: _supports_sdpa is False; 8 Ki tokens have 64 Mi scores a head."""
    text = f"""edition 2026
inference a {{ model = "{name}"; weights = bf16; engine = transformers; gpu = h200_sxm; gpus = 1; context = 8Ki tokens
  concurrency = 1 }}
"""
    result = planner.estimate(planner.load("a.mem", text=text))
    assert isinstance(result, planner.Result)
    assert result["a"].chosen.parts["activations"] > 8 * heads * 8192**2
