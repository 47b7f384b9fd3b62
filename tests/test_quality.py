"""Measured quality: which row decides, what a small model says of a large one, and bounds that the unknown may keep."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest
from command import run

from planner.catalog.load import load
from planner.physics import quality

ROWS = tuple(load()[0].quality.values())


@pytest.mark.parametrize(
    ("role", "form", "model", "params", "least", "most"),
    [
        ("kv_cache", "mxfp4", "openai/gpt-oss-120b", 117, "0.46", "0.48"),  # AIME 2025, where GSM8K lost nothing
        ("kv_cache", "fp8_e4m3", "moonshotai/Kimi-K2.5", 1000, "0.96", "0.97"),
        ("weights", "nvfp4", "nvidia/NVIDIA-Nemotron-3-Super-120B-A12B", 120, "0.96", "0.97"),
        ("weights", "fp8_e4m3", "google/gemma-3-27b-it", 27, "0.98", "0.99"),
        ("weights", "fp8_e4m3", "google/gemma-3-1b-it", 1, "0.96", "0.97"),
        (
            "weights",
            "fp8_e4m3",
            "zai-org/GLM-5",
            700,
            "0.97",
            "0.98",
        ),  # no GLM of a size above noise: the worst of others
    ],
)
def test_the_worst_that_fits_decides(role: str, form: str, model: str, params: int, least: str, most: str) -> None:
    found, basis = quality.recovery(
        ROWS, form, role, model, "ptq" if role == "weights" else None, params=params * 10**9
    )
    assert found is not None and Fraction(least) < found < Fraction(most), basis


def test_what_a_small_model_lost_is_not_said_of_a_large_one() -> None:
    assert [
        quality.is_small(name) for name in ("gemma-3-1b-it", "Qwen3-1.7B", "DeepSeek-R1-Distill-Qwen-1.5B")
    ] == 3 * [True]
    large = ("Qwen3-30B-A3B", "Kimi-K2.5", "gemma-3-4b-it", "Hunyuan-A13B-Instruct", "gpt-oss-120b", "Qwen3.5-27B")
    assert not any(map(quality.is_small, large))


def test_no_row_of_2026_lies_within_the_noise_of_its_benchmark() -> None:
    """A difference on AIME's 30 questions or GPQA's 198 counts only where it is large."""
    for row in ROWS:
        if row.id.startswith("q26-") and row.metric.startswith(("AIME", "GPQA Diamond", "HumanEval")):
            assert row.recovery < Fraction(93, 100), row.id


PLAN = """\
edition 2026

inference chat {
  model       = "Qwen/Qwen3-32B"
  context     = 8Ki tokens
  concurrency = 1
  gpu         = l40s
  gpus        = 1
  weights     in {bf16, mxfp8}
  quality     >= 99% or unknown
}
"""
SAID = "unmeasured quality of weights in mxfp8: allowed by `chat.quality`"


def test_an_unknown_quality_is_let_through_and_said(tmp_path: Path) -> None:
    (tmp_path / "p.mem").write_text(PLAN)
    assert run("fmt", "--check", "p.mem", cwd=tmp_path).returncode == 0
    found = json.loads(run("solve", "p.mem", "--format", "json", cwd=tmp_path).stdout)
    (item,) = found["workloads"]
    assert item["choice"]["weights"] == "mxfp8" and item["outcomes"].get("quality") is None
    assert item["approximate"] == [SAID]
    for form in ("table", "markdown", "html"):
        shown = " ".join(run("solve", "p.mem", "--no-lock", "--format", form, cwd=tmp_path).stdout.split())
        assert "unmeasured quality of weights in mxfp8" in shown, form
    done = run("check", "p.mem", cwd=tmp_path)
    assert done.returncode == 0 and "W0604" not in done.stdout
    (tmp_path / "p.mem").write_text(PLAN.replace(" or unknown", ""))
    assert (
        json.loads(run("solve", "p.mem", "--no-lock", "--format", "json", cwd=tmp_path).stdout)["outcome"]
        == "infeasible"
    )


def test_a_known_quality_below_the_bound_still_breaks_it(tmp_path: Path) -> None:
    (tmp_path / "p.mem").write_text(PLAN.replace("{bf16, mxfp8}", "{bf16, mxfp4}"))
    found = json.loads(run("solve", "p.mem", "--no-lock", "--format", "json", cwd=tmp_path).stdout)
    assert found["outcome"] == "infeasible"
    assert {item["rule"] for item in found["conflict"]} >= {"chat.quality"}


def test_a_training_of_unknown_quality_is_let_through(tmp_path: Path) -> None:
    text = """\
edition 2026

training tune {
  model        = "meta-llama/Llama-3.1-8B"
  sequence     = 2Ki tokens
  global_batch = 8
  method       = lora
  gpu          = h100_sxm
  gpus         in 1..2
  quality      >= 99% or unknown
}
"""
    (tmp_path / "p.mem").write_text(text)
    found = json.loads(run("solve", "p.mem", "--format", "json", cwd=tmp_path).stdout)
    assert found["outcome"] == "optimal"
    assert found["workloads"][0]["approximate"][0].startswith("unmeasured quality of method lora in bf16")
    assert run("check", "p.mem", cwd=tmp_path).returncode == 0
    (tmp_path / "p.mem").write_text(text.replace(" or unknown", ""))
    assert run("solve", "p.mem", "--no-lock", cwd=tmp_path).returncode == 1


def test_only_quality_may_be_unknown(tmp_path: Path) -> None:
    (tmp_path / "p.mem").write_text(PLAN.replace("quality     >= 99%", "tpot        <= 50ms"))
    done = run("check", "p.mem", cwd=tmp_path)
    assert done.returncode == 1 and "only `quality` may be unknown" in done.stdout + done.stderr
