"""Engines that divide their cache's memory into pools of fixed sizes: SGLang, as public logs print them."""

from __future__ import annotations

from pathlib import Path

import pytest

import planner
from planner.catalog.architecture import Recurrent
from planner.catalog.catalog import Catalog
from planner.physics import inference
from planner.solve.candidate import Candidate

ROOT = Path(__file__).parents[1]
CATALOG = Catalog(ROOT / "catalogs")
SGLANG = CATALOG.engines["sglang"]


def pools(
    name: str, version: str | None, cache: str = "bf16", tp: int = 1
) -> tuple[inference.Groups, inference.Profile]:
    arch = CATALOG.models[name].architecture
    assert arch is not None
    profile = inference.profile(
        SGLANG, version, CATALOG.gpus["h200_sxm"], mixers=inference.traits(arch), family=arch.family
    )
    return inference.cache_groups(arch, CATALOG.formats[cache], profile, tp), profile


def tpot(chosen: Candidate) -> float:
    """Return the expected time of a token."""
    value = chosen.outcomes["tpot_expected"]
    assert value is not None
    return float(value)


@pytest.mark.parametrize(
    ("name", "version", "cell"),
    [
        ("google/gemma-4-31B-it", "0.5.14", 737_280),
        ("google/gemma-4-26B-A4B", "0.5.14", 184_320),
    ],
)
def test_a_token_costs_its_share_of_the_pool_of_windows(name: str, version: str, cell: int) -> None:
    """A log of Gemma 4 prints cell_size_bytes with swa_full_tokens_ratio=0.8 (stored public file index:54551923908)."""
    groups, profile = pools(name, version)
    assert inference.pool_tokens(cell * 1000, groups, profile.block) == 1000
    assert inference.pool_tokens(cell * 1000 - 1, groups, profile.block) == 999


def test_states_have_the_share_of_the_memory_that_a_log_prints() -> None:
    """A log of Nemotron-3-Nano on four ranks (0.5.21; stored public file index:70117488909).

    2211 states of 25.28 GB and a cache in fp8 of 19_644_177 tokens, 28.10 GB.
    """
    groups, profile = pools("nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", None, "fp8_e4m3", 4)
    states, tokens, gb = 25.28, 28.10, 2**30
    budget = int((states + tokens) * gb)
    assert inference.pool_tokens(budget, groups, profile.block) == pytest.approx(19_644_177, rel=0.005)
    slot = sum(count * cache.spare_bits for count, cache in groups) / 8
    assert states * gb / float(slot) == pytest.approx(2212, rel=0.005)
    alone = inference.sequences(profile, 8192, 1)
    assert inference.most_sequences(budget, groups, alone, profile.block) == 2211 // 5


@pytest.mark.parametrize("many", [1, 7, 72])
def test_a_request_takes_five_states(many: int) -> None:
    """--max-mamba-cache-size 360 lets 72 requests run (stored public file index:69213517065)."""
    groups, profile = pools("Qwen/Qwen3.5-27B", None)
    few = inference.sequences(profile, 16, many)
    slot = sum(count * cache.spare_bits for count, cache in groups) / 8
    assert inference.bytes_held(groups, few, profile.block) == pytest.approx(
        float(slot * (5 * many + 1)) * 19 / 9, rel=1e-6
    )


@pytest.mark.parametrize("version", ["0.5.6", "0.5.12", "0.5.14", "0.5.23"])
@pytest.mark.parametrize("name", ["google/gemma-3-27b-pt", "google/gemma-2-9b", "CohereForAI/c4ai-command-r7b-12-2024"])
def test_windows_of_models_without_a_pool_hold_every_token(name: str, version: str) -> None:
    """Only models that are listed have a pool of windows (sgl-project/sglang#39310, and #15327 for Gemma)."""
    groups, profile = pools(name, version)
    arch = CATALOG.models[name].architecture
    assert arch is not None
    whole = sum(group.count * sum(group.mixer.widths[1:]) * 2 for group in arch.groups)  # type: ignore[union-attr, misc]
    assert inference.bytes_held(groups, inference.sequences(profile, 32768, 3), profile.block) == 3 * 32768 * whole


def test_windows_of_gpt_oss_have_eight_tenths_of_the_places() -> None:
    """A log of gpt-oss-120b prints 63987 tokens of the whole and 51189 of windows (index:63105163196)."""
    groups, profile = pools("openai/gpt-oss-120b", None)
    each = 18 * 2048  # 18 layers of each kind, 8 heads of 64, keys and values
    assert inference.pool_tokens(63_987 * each + 51_190 * each, groups, profile.block) == 63_987


def test_before_0_5_10_no_model_has_a_pool_of_windows_by_itself() -> None:
    old, _ = pools("openai/gpt-oss-20b", "0.5.6")
    new, _ = pools("openai/gpt-oss-20b", "0.5.10")
    assert all(cache.window is None for _, cache in old)
    assert any(cache.window is not None for _, cache in new)


@pytest.mark.parametrize("name", ["Qwen/Qwen3.5-35B-A3B", "openai/gpt-oss-20b", "nvidia/Nemotron-H-8B-Base-8K"])
@pytest.mark.parametrize("many", [1, 5, 64])
def test_capacities_are_the_most_that_is_held(name: str, many: int) -> None:
    groups, profile = pools(name, None)
    load = inference.sequences(profile, 4096, many)
    for budget in (2**33, 5 * 2**33 + 12_345, 2**36):
        most = inference.most_sequences(budget, groups, inference.sequences(profile, 4096, 1), profile.block)
        assert most is not None
        for count, fits in ((most, True), (most + 1, False)):
            held = inference.bytes_held(groups, inference.sequences(profile, 4096, count), profile.block)
            assert (held <= budget) is fits
        longest = inference.longest_context(budget, groups, load, profile.block)
        if longest:
            assert inference.bytes_held(groups, inference.sequences(profile, longest, many), profile.block) <= budget
        assert inference.bytes_held(groups, inference.sequences(profile, longest + 1, many), profile.block) > budget


def test_every_family_with_a_pool_of_windows_has_windows_here() -> None:
    families: dict[str, bool] = {}
    for model in CATALOG.models.values():
        arch = model.architecture
        if arch is not None:
            near = any(getattr(group.mixer, "window", 0) or getattr(group.mixer, "chunk", 0) for group in arch.groups)
            families[arch.family] = families.get(arch.family, False) or near
    for row in SGLANG.releases:
        assert all(families.get(name) for name in row.window_families), row.since


def test_states_of_other_engines_have_no_share() -> None:
    for engine in ("vllm", "tensorrt_llm", "llama_cpp", "transformers"):
        assert all(not row.state_ratio and not row.window_ratio for row in CATALOG.engines[engine].releases)
    assert any(isinstance(group.mixer, Recurrent) for group in CATALOG.models["Qwen/Qwen3.5-27B"].architecture.groups)  # type: ignore[union-attr]


def test_tensorrt_llm_keeps_a_state_for_each_sequence_of_its_largest_batch() -> None:
    """max_batch_size places a stage (resource_manager.py, live_state_slots): 2048 unless said."""
    arch = CATALOG.models["nvidia/Nemotron-H-8B-Base-8K"].architecture
    assert arch is not None
    engine = CATALOG.engines["tensorrt_llm"]
    slot = inference.state_bytes(arch, state_bits=32)
    for many, stages in ((64, 1), (2048, 1), (64, 2)):
        profile = inference.profile(engine, None, CATALOG.gpus["h100_sxm"], max_sequences=many)
        groups = inference.cache_groups(arch, CATALOG.formats["bf16"], profile, 1, stages)
        one = inference.bytes_held(groups, inference.sequences(profile, 32, 1), profile.block)
        assert one == pytest.approx(slot * many, rel=0.02)
        most = inference.most_sequences(one + 2**30, groups, inference.sequences(profile, 32, 1), profile.block)
        assert most is not None and most >= many


def test_the_largest_batch_that_would_fit_is_proposed() -> None:
    plan = """edition 2026
inference a { model = "nvidia/Nemotron-H-8B-Base-8K"; context = 8Ki tokens; concurrency = 8; gpu = h100_sxm; gpus = 1
  engine = tensorrt_llm; %s }
"""
    (conflict,) = [item for item in planner.solve(text=plan % "").answer.conflict if item.rule == "a.memory"]
    (hint,) = [item for item in conflict.hints if item.quantity == "max_sequences"]
    assert hint.value is not None
    assert planner.solve(text=plan % f"max_sequences = {hint.value}").fits
    assert not planner.solve(text=plan % f"max_sequences = {int(hint.value) + 40}").fits


@pytest.mark.parametrize("engine", ["vllm", "sglang", "tensorrt_llm"])
def test_a_shared_prefix_is_read_for_every_sequence(engine: str) -> None:
    """Stored once, it is read for each all the same: vLLM's cascade attention is off by default."""
    plan = """edition 2026
inference a {{ model = "Qwen/Qwen3-8B"; context = 8Ki tokens; concurrency = 64; gpu = h200_sxm
  gpus = 1; engine = {}; shared_prefix = {} tokens }}
"""
    alone, shared = (planner.solve(text=plan.format(engine, prefix), top=0)["a"].chosen for prefix in (0, 6144))
    assert shared.parts["kv_cache"] < alone.parts["kv_cache"] / 3
    assert tpot(shared) == pytest.approx(tpot(alone), rel=0.05)


def test_pools_that_nobody_fills_are_not_read() -> None:
    plan = """edition 2026
inference a {{ model = "openai/gpt-oss-20b"; context = {} tokens; concurrency = 16; gpu = h200_sxm; gpus = 1
  engine = sglang }}
"""
    short, long = (planner.solve(text=plan.format(context), top=0)["a"].chosen for context in (4096, 65536))
    taken = long.parts["kv_cache"] / short.parts["kv_cache"]
    assert taken == pytest.approx(16, rel=0.05)  # the pool of windows grows with the whole
    assert tpot(long) < 10 * tpot(short)


def test_a_place_for_every_token_of_every_request() -> None:
    """80.04 GiB in one piece for ten million tokens, out of the share that is kept free (#5755); a million start."""
    assert inference.request_table(2048, 10485760) / 2**30 == pytest.approx(80.04, abs=0.01)
    assert [inference.most_requests(40 * 2**30, each) for each in (2**34, 2**33, 2**20)] == [2048, 2560, 4096]
    plan = """edition 2026
inference a {{ model = "meta-llama/Llama-4-Scout-17B-16E-Instruct"; engine = sglang; concurrency = 1
  gpus = 8; tensor_parallel = 8; pipeline_parallel = 1; {} }}
"""
    long = 'context = 6000000 tokens; engine_version = "0.4.6"; gpu = h200_sxm; kv_cache = fp8'
    (conflict,) = planner.solve(text=plan.format(long)).answer.conflict
    assert conflict.rule == "a.gpu_memory_utilization"
    hints = {hint.quantity: hint.value for hint in conflict.hints}
    assert set(hints) == {"max_sequences", "gpu_memory_utilization"}
    assert planner.solve(text=plan.format(f"{long}; max_sequences = {hints['max_sequences']}")).fits
    million = 'context = 1000000 tokens; engine_version = "0.4.5"; gpu = h100_sxm'
    assert planner.solve(text=plan.format(million)).fits
