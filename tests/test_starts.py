"""Whether an engine starts: CUDA graphs, what lies beside a budget, and public reports of what started and did not."""

from __future__ import annotations

import statistics
import sys
from fractions import Fraction
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

import accuracy_graphs  # noqa: E402
import accuracy_pages  # noqa: E402
import accuracy_starts  # noqa: E402
import field_serving as field  # noqa: E402

import planner  # noqa: E402
from planner.catalog.catalog import Catalog  # noqa: E402
from planner.physics import inference  # noqa: E402
from planner.physics.inference.profile import graph_sizes  # noqa: E402

CATALOG = Catalog(ROOT / "catalogs")
VLLM = CATALOG.engines["vllm"]
DISTURBED = {"eng-0009", "eng-0010", "eng-0011", "eng-0015"}
"""Logs whose sizes follow from settings that they do not print."""

NOT_YET = {"FI26b", "FN14b"}
"""Reports of low confidence that are said to fit and did not start: two not understood."""
REFUSED = {"FI18b", "FN01a", "FN01b"}
"""Reports that started and are refused: one by 0.1 %, which its sequences decide and it does not state, and two for
the spread of graphs that have no room beside the budget."""


@pytest.fixture(scope="module")
def captures() -> list[accuracy_graphs.Capture]:
    return accuracy_graphs.captures(CATALOG)


def test_graphs_are_expected_as_logs_have_them(captures: list[accuracy_graphs.Capture]) -> None:
    """Half of the logs within 35 % or 0.4 GiB, of rows that shaped the margin and of those kept out of it."""
    assert len(captures) >= 40
    for fitted in (True, False):
        rows = [row for row in captures if row.fitted is fitted]
        error = statistics.median(abs(row.expected / row.measured - 1) for row in rows)
        print(f"graphs, fitted {fitted}: {len(rows)} rows, median {error:.3f}")
        assert error <= 0.35
        assert sum(row.near for row in rows) * 2 > len(rows)


@pytest.mark.parametrize("confidence", [80, 90, 95])
def test_the_safe_end_of_graphs_covers_hosts_that_it_does_not_rest_on(
    captures: list[accuracy_graphs.Capture], confidence: int
) -> None:
    """One of the rows kept out may lie beyond what the share of so few rows can say."""
    rows = [row for row in captures if not row.fitted]
    covered = accuracy_graphs.covered(rows, inference.profile(VLLM, "0.19.0"), Fraction(confidence, 100))
    assert covered >= int(len(rows) * confidence / 100)


@pytest.mark.parametrize(
    "version, sequences, batched, sizes",
    [
        ("0.7.3", 256, 2048, (0, 35)),  # eng-0122
        ("0.8.5", 1, 2048, (67, 0)),  # before 0.10.2 sizes do not look at sequences
        ("0.10.2", 1, 2048, (3, 0)),  # eng-0013
        ("0.10.2", 256, 8192, (67, 0)),  # eng-0043
        ("0.11.0", 128, 2048, (35, 19)),  # eng-0019
        ("0.11.2", 256, 8192, (51, 35)),  # eng-0143
        ("0.12.0", 512, 16384, (51, 51)),  # eng-0010
        ("0.22.0", 2, 2048, (3, 2)),  # eng-0016
        ("0.22.0", 10, 2048, (5, 4)),  # eng-0018
        ("0.22.1", 64, 8192, (19, 11)),  # eng-0012
        ("0.26.0", 16, 8192, (7, 5)),  # eng-0008
    ],
)
def test_the_captured_sizes_are_those_of_logs(
    version: str, sequences: int, batched: int, sizes: tuple[int, int]
) -> None:
    assert graph_sizes(inference.release(VLLM, version), sequences, batched) == sizes


def test_graphs_grow_with_layers_sizes_ranks_and_adapters_and_vanish_without_them() -> None:
    card, small = CATALOG.gpus["h100_sxm"], CATALOG.models["meta-llama/Llama-3.1-8B"].architecture
    large = CATALOG.models["meta-llama/Llama-3.1-70B"].architecture
    assert small is not None and large is not None
    plain = inference.profile(VLLM, "0.12.0", card, max_sequences=256)
    one = inference.graphs(small, plain)
    assert inference.graphs(large, plain) > one
    assert inference.graphs(small, plain, 2) > one
    assert inference.graphs(small, inference.profile(VLLM, "0.12.0", card, max_sequences=8)) < one
    assert inference.graphs(small, inference.profile(VLLM, "0.12.0", card, max_sequences=256, adapters=1)) > one
    amd = inference.profile(VLLM, "0.12.0", CATALOG.gpus["mi300x"], max_sequences=256)
    assert inference.graphs(small, amd) > 4 * one
    bare = inference.profile(VLLM, "0.12.0", card, eager=True)
    assert inference.graphs(small, bare) == 0 == inference.graph_spread(bare, 0, Fraction(95, 100))


def test_the_estimate_comes_off_the_cache_and_the_actual_size_is_held_against_what_is_left() -> None:
    """Since 0.20; before, graphs lie beside the budget whole."""
    card = CATALOG.gpus["l4"]
    before, after = (inference.profile(VLLM, version, card) for version in ("0.19.0", "0.20.0"))
    gib = 2**30
    assert inference.in_budget(before, card, graphs=gib) == inference.non_torch(before, card)
    assert inference.in_budget(after, card, graphs=gib) == inference.non_torch(after, card) + gib
    needs = [inference.beside_budget(row, graphs=gib, spread=gib)[0] for row in (before, after)]
    assert needs[0] - needs[1] == gib
    assert inference.beside_budget(after, 2, graphs=gib)[0] > inference.beside_budget(after, graphs=gib)[0]


def test_the_second_runner_leaves_graphs_beside_the_budget_of_dense_models_until_0_29() -> None:
    """vllm-project/vllm#49224: an estimate of zero, so graphs come on top; mixtures and hybrids keep the first one."""
    card, dense = CATALOG.gpus["l40s"], frozenset({"gqa"})
    for version, mixers, family, within in (
        ("0.24.0", dense, "llama", True),
        ("0.25.0", dense, "llama", False),
        ("0.28.0", dense, "llama", False),
        ("0.28.0", dense | {"experts"}, "qwen3_moe", True),
        ("0.28.0", dense | {"experts"}, "qwen2_moe", False),
        ("0.28.0", dense | {"gdn"}, "qwen3_5", True),
        ("0.29.0", dense, "llama", True),
    ):
        found = inference.profile(VLLM, version, card, mixers=mixers, family=family)
        assert found.graphs_in_budget is within, (version, family)
        assert found.counts_tokens is (not within or version == "0.29.0")


def test_the_sampler_warms_up_after_the_cache_has_its_memory() -> None:
    """vllm-project/vllm#48601: 1024 sequences of 248320 tokens on H100 do not start at 0.92; 256 do."""
    arch, card = CATALOG.models["Qwen/Qwen3.5-27B"].architecture, CATALOG.gpus["h100_sxm"]
    assert arch is not None
    for sequences, starts in ((1024, False), (256, True)):
        found = inference.profile(VLLM, "0.25.0", card, max_sequences=sequences)  # that build took the second runner
        peaks = inference.peak(arch, found, 4, first=False)
        graphs = int(2.04 * 2**30)
        beside = inference.beside_budget(found, 4, graphs=graphs, peaks=peaks, arch=arch, sequences=sequences)
        needs, left = inference.outside(found, card, beside)
        assert (needs <= left) is starts, (sequences, needs / 2**30, left / 2**30)


def test_a_first_start_holds_a_copy_of_the_embedding_while_it_compiles() -> None:
    """samilazrak/vllm-optimization-lab: 1.48 and 1.50 GiB of Qwen3-14B, where the forward pass takes 0.26."""
    arch, card = CATALOG.models["Qwen/Qwen3-14B"].architecture, CATALOG.gpus["l40s"]
    assert arch is not None
    found = inference.profile(VLLM, "0.29.0", card)
    assert inference.peak(arch, found)[0] / 2**30 == pytest.approx(1.49, abs=0.02)
    assert inference.peak(arch, found, first=False)[0] / 2**30 == pytest.approx(0.26, abs=0.01)
    assert inference.peak(arch, inference.profile(VLLM, "0.29.0", card, eager=True))[0] < 2**29
    counts = inference.sampler_states(arch, found)
    assert (counts + inference.non_torch(found, card)) / 2**30 == pytest.approx(0.27, abs=0.01)


def test_memory_shared_with_the_host_loses_what_its_page_cache_holds() -> None:
    own, shared = CATALOG.gpus["l40s"], CATALOG.gpus["gb10"]
    found = [inference.profile(VLLM, "0.25.0", card, mixers=frozenset({"gqa", "experts"})) for card in (own, shared)]
    assert inference.non_torch(found[1], shared) - inference.non_torch(found[0], own) > 2**30
    assert inference.own_share(found[1], shared, 1, 1, 2**30) > 2**30 and not inference.own_share(
        found[0], own, 1, 1, 1
    )


def test_below_capability_8_releases_up_to_0_10_0_are_the_old_engine() -> None:
    """A V100 log of 0.8: a whole prompt at once, full graphs of 35 sizes."""
    old, new = CATALOG.gpus["v100_sxm"], CATALOG.gpus["a100_sxm_80gb"]
    for version in ("0.8.5", "0.10.0"):
        assert inference.profile(VLLM, version, old, context=16384).max_batched_tokens == 16384
        assert inference.profile(VLLM, version, new, context=16384).max_batched_tokens < 16384
        assert inference.profile(VLLM, version, old).graph_sizes == 35
    assert inference.profile(VLLM, "0.10.2", old, context=16384).max_batched_tokens == 2048


@pytest.mark.parametrize(
    "version, gpu, batched, sequences, share",
    [
        ("0.8.0", "h100_sxm", 8192, 1024, "0.9"),
        ("0.8.0", "a100_sxm_80gb", 2048, 1024, "0.9"),
        ("0.8.5", "a100_sxm_80gb", 8192, 1024, "0.9"),
        ("0.8.5", "l4", 2048, 256, "0.9"),
        ("0.9.2", "a100_sxm_80gb", 2048, 256, "0.9"),
        ("0.20.0", "h100_sxm", 8192, 1024, "0.92"),
        ("0.27.0", "b200", 8192, 1024, "0.92"),
        ("0.28.0", "b200", 16384, 1024, "0.92"),
        ("0.28.0", "h200_sxm", 8192, 1024, "0.92"),
    ],
)
def test_defaults_are_by_release_and_hardware(version: str, gpu: str, batched: int, sequences: int, share: str) -> None:
    found = inference.profile(VLLM, version, CATALOG.gpus[gpu])
    assert (found.max_batched_tokens, found.max_sequences) == (batched, sequences)
    assert found.utilization == Fraction(share)


@pytest.mark.parametrize(
    "engine, version, gpu, gib",
    [
        ("sglang", "0.5.14", "h200_sxm", 125.65),  # InferenceX#2128: the loader's scales stay
        ("sglang", "0.5.16", "h200_sxm", 102.65),  # they are deleted: 102.4 to 102.9 by the code
    ],
)
def test_experts_are_as_their_kernel_stores_them(engine: str, version: str, gpu: str, gib: float) -> None:
    """1.5 %: half of the rotary tables of compressed attention is not counted."""
    text = (
        f'edition 2026\ninference a {{ model = "deepseek-ai/DeepSeek-V4-Pro"; context = 9216; concurrency = 1\n'
        f'  engine = {engine}; engine_version = "{version}"; gpu = {gpu}; gpus = 8; tensor_parallel = 8 }}\n'
    )
    found = planner.estimate(planner.load("a.mem", text=text)).answer.workloads[0].chosen  # type: ignore[union-attr]
    assert found.parts["weights"] / 2**30 == pytest.approx(gib, rel=0.015)


def test_marlin_stores_gpt_oss_in_wider_experts() -> None:
    """1.6 GiB more than the Triton kernels of an H100 in the log of vllm-project/vllm#23278."""
    model, fmt = CATALOG.models["openai/gpt-oss-120b"], CATALOG.formats["mxfp4"]
    assert model.architecture is not None

    def weights(gpu: str) -> float:
        kernels = inference.profile(VLLM, "0.10.1", CATALOG.gpus[gpu]).expert_kernels
        assert model.architecture is not None
        return inference.weights_per_gpu(model.architecture, model.params, fmt, kernels=kernels) / 2**30

    assert weights("rtx_pro_6000_ws") - weights("h100_sxm") == pytest.approx(1.6, abs=0.1)


def test_llama_cpp_takes_mxfp4_as_it_lies_in_the_file() -> None:
    """ggml-org/llama.cpp#15125: 60.87 GiB for gpt-oss-120b, without the padding of vLLM's kernels (3.6 GiB)."""
    row = next(row for row in field.rows() if row["id"] == "FI22")
    plan = planner.load("file.mem", text=row["plan"])
    chosen = planner.estimate(plan).answer.workloads[0].chosen  # type: ignore[union-attr]
    embedding = 2 * CATALOG.models["openai/gpt-oss-120b"].breakdown["embedding"] / 2**30  # stays on the host
    assert chosen.parts["weights"] / 2**30 + embedding == pytest.approx(row["facts"]["file_gib"], rel=0.005)


def test_experts_take_their_tokens_by_release() -> None:
    """65,536 up to 0.11, 16,384 up to 0.17, all at once since: FI05a has 4.7 GiB less cache than 32,768 would leave."""
    arch = CATALOG.models["Qwen/Qwen3-Coder-480B-A35B-Instruct"].architecture
    assert arch is not None
    sizes = []
    for version in ("0.10.1", "0.12.0", "0.18.0"):
        found = inference.profile(VLLM, version, CATALOG.gpus["h200_sxm"], max_batched_tokens=8192, max_sequences=8)
        sizes.append(inference.peak(arch, found, 8, 8, ranks=16)[0])
    assert sizes[1] < sizes[0] < sizes[2]


def test_windows_hold_every_batch_in_flight() -> None:
    old, new = (inference.profile(VLLM, version, max_batched_tokens=8192) for version in ("0.25.1", "0.26.0"))
    assert inference.sequences(old, 32768, 1).chunk == 8192
    assert inference.sequences(new, 32768, 1).chunk == 16384


def test_reports_that_did_not_start_are_not_said_to_fit() -> None:
    found = [field.verdict(row) for row in field.rows()]
    for line in field.lines(found):
        print(line)
    assert {item.row["id"] for item in found if item.unsafe} <= NOT_YET
    told = [item for item in found if item.right is not None and item.row["confidence"] != "low"]
    wrong = {item.row["id"] for item in told if not item.right}
    print(f"{len(told) - len(wrong)} of {len(told)} right; wrong: {sorted(wrong)}")
    assert wrong <= NOT_YET | REFUSED


def test_pages_of_states_are_expected_as_reports_print_them() -> None:
    """Most within 15 %; of the rows that the margin does not rest on none has fewer than the safe number."""
    rows = accuracy_pages.reports(CATALOG)
    assert sum(abs(row.expected / row.measured - 1) <= 0.15 for row in rows) * 2 > len(rows)
    ppm = inference.margin_ppm(inference.profile(VLLM), "pages", Fraction(95, 100))
    assert all(row.measured >= row.expected / (1 + ppm / 1e6) for row in rows if not row.fitted)
    assert len([row for row in rows if not row.fitted]) * 3 >= len(rows)


PAGES = """edition 2026
offer own {{ gpu = rtx_pro_6000_ws; gpus = 1; price = $1/h; available = 1 }}
inference a {{
  model = "Qwen/Qwen3.5-27B"; context = 8192 tokens; concurrency = 1; weights = bf16; kv_cache = bf16
  engine = vllm; engine_version = "0.20.2"; gpu_memory_utilization = 0.9; max_sequences = {sequences}
  gpu = rtx_pro_6000_ws; gpus = 1
}}
"""


@pytest.mark.parametrize("sequences, fits", [(256, True), (450, True), (616, False), (1024, False)])
def test_more_sequences_than_pages_are_refused_by_estimate_and_solve(sequences: int, fits: bool) -> None:
    """A log of this plan has 615 pages: the safe number lies below, not by half."""
    plan = planner.load("pages.mem", text=PAGES.format(sequences=sequences))
    broken = {item.rule for item in planner.estimate(plan).answer.workloads[0].chosen.broken}  # type: ignore[union-attr]
    assert ("a.max_sequences" in broken) is not fits
    assert bool(planner.solve(plan).answer.workloads) is fits


@pytest.mark.parametrize(
    "model, version, fits",
    [
        ("Qwen/Qwen3-VL-235B-A22B-Instruct", "0.10.2", False),
        ("Qwen/Qwen3-VL-235B-A22B-Instruct", "0.11.0", True),
        ("Qwen/Qwen3-VL-8B-Instruct", "0.10.2", True),  # the Transformers backend splits dense layers
        ("deepseek-ai/DeepSeek-V4-Flash", "0.19.0", False),
    ],
)
def test_a_release_without_a_model_is_refused(model: str, version: str, fits: bool) -> None:
    arch = CATALOG.models[model].architecture
    refused = {row.decision for row in inference.lacks(VLLM, version, arch)}
    assert ("engine_version" not in refused) is fits


@pytest.mark.parametrize("mixer", ["lightning", "mamba1", "mamba2"])
def test_models_with_states_are_left_to_the_old_engine_until_0_10_2(mixer: str) -> None:
    """vllm/engine/arg_utils.py (0.10.1) _is_v1_supported_oracle: 256 sequences, full graphs, a state for each."""
    card, mixers = CATALOG.gpus["h200_sxm"], frozenset({"gqa", mixer})
    for version in ("0.9.1", "0.10.1"):
        old = inference.profile(VLLM, version, card, context=1_000_000, mixers=mixers)
        assert (old.max_sequences, old.graph_sizes, old.keeps.pools.state_batches) == (256, 35, True)
    new = inference.profile(VLLM, "0.10.2", card, mixers=mixers)
    assert (new.max_sequences, new.keeps.pools.state_batches) == (1024, False)
    assert inference.profile(VLLM, "0.9.1", card).max_sequences == 1024


def test_the_old_engine_has_states_of_its_largest_batch() -> None:
    """33.75 GiB in one piece beside 16.56 of weights on 44.4 (vllm-project/vllm#23230); fewer sequences start."""
    plan = """edition 2026
inference a {{ model = "nvidia/NVIDIA-Nemotron-Nano-9B-v2"; context = 131072 tokens; concurrency = 1
  engine = vllm; gpu = l40s; gpus = 1; {} }}
"""
    conflicts = planner.solve(text=plan.format('engine_version = "0.10.1"')).answer.conflict
    assert "a.memory" in {item.rule for item in conflicts}
    assert planner.solve(text=plan.format('engine_version = "0.10.1"; max_sequences = 64')).fits
    assert planner.solve(text=plan.format('engine_version = "0.10.2"')).fits


def _need(model: str, version: str, context: int, batched: int) -> float:
    """GiB of fp8 cache that a release of vLLM asks for one sequence of DeepSeek-V4."""
    arch, fmt = CATALOG.models[f"deepseek-ai/DeepSeek-V4-{model}"].architecture, CATALOG.formats["fp8_e4m3"]
    assert arch is not None
    found = inference.profile(VLLM, version, max_batched_tokens=batched)
    groups = inference.cache_groups(arch, fmt, found)
    return inference.bytes_held(groups, inference.sequences(found, context, 1), found.block) / 2**30


@pytest.mark.parametrize(
    "model, version, context, batched, gib",
    [
        ("Pro", "0.29.0", 1 << 20, 16384, 23.32),  # printed: vllm-project/vllm#53961
        ("Flash", "0.29.0", 32 << 10, 8192, 6.36),  # the others by the code: blocks of 256, 64, 4 and 8 tokens
        ("Flash", "0.29.0", 1 << 20, 8192, 10.06),
        ("Pro", "0.29.0", 128 << 10, 8192, 9.62),
        ("Pro", "0.27.0", 1 << 20, 16384, 24.06),  # blocks of groups of one size
    ],
)
def test_deepseek_v4_takes_blocks_of_one_pool(model: str, version: str, context: int, batched: int, gib: float) -> None:
    assert _need(model, version, context, batched) == pytest.approx(gib, rel=0.001)


def test_more_sequences_of_deepseek_v4_take_blocks_however_short_and_the_batch_once() -> None:
    arch, fmt = CATALOG.models["deepseek-ai/DeepSeek-V4-Pro"].architecture, CATALOG.formats["fp8_e4m3"]
    assert arch is not None
    found = inference.profile(VLLM, "0.29.0", max_batched_tokens=8192)
    groups, stride = inference.cache_groups(arch, fmt, found), 30 * 46_080 + 31 * 1_728
    sizes = [inference.bytes_held(groups, inference.sequences(found, 4096, count), found.block) for count in (20, 21)]
    assert sizes[1] - sizes[0] == (4096 // 256 + 2 * 3 + 3 + 17) * stride


def test_sglang_counts_the_cache_of_deepseek_v4_by_the_token_of_its_pool() -> None:
    """15955.85 bytes are printed for Flash (stored public file index:70267455292); FI11b names 0.9113 as the least."""
    found, fmt = inference.profile(CATALOG.engines["sglang"], "0.5.14"), CATALOG.formats["fp8_e4m3"]
    for model, each in (("Flash", 15955.85), ("Pro", 23691)):
        arch = CATALOG.models[f"deepseek-ai/DeepSeek-V4-{model}"].architecture
        assert arch is not None
        held = inference.bytes_held(
            inference.cache_groups(arch, fmt, found), inference.Sequences(256_000, 1), found.block
        )
        assert held / 256_000 == pytest.approx(each, rel=0.005)


def test_what_sglang_has_taken_before_it_loads_is_below_the_safe_end() -> None:
    """Rows that the margin rests on, and rows kept out of it."""
    rows = accuracy_starts.starts(CATALOG)
    ppm = inference.margin_ppm(inference.profile(CATALOG.engines["sglang"]), "fixed", Fraction(95, 100))
    assert all(row.measured <= row.expected * (1 + ppm / 1e6) + 0.005 for row in rows)
    assert statistics.median(abs(row.expected - row.measured) for row in rows) <= 0.35
    assert sum(not row.fitted for row in rows) * 3 >= len(rows)


@pytest.mark.parametrize(
    "model, gpu, cache",
    [
        ("deepseek-ai/DeepSeek-V4-Pro", "h200_sxm", "fp8_e4m3"),
        ("deepseek-ai/DeepSeek-V3.2", "b200", "fp8_e4m3"),
        ("deepseek-ai/DeepSeek-V3.2", "h200_sxm", "bf16"),
        ("deepseek-ai/DeepSeek-R1", "b200", "bf16"),
    ],
)
def test_sglang_has_cache_formats_of_its_own(model: str, gpu: str, cache: str) -> None:
    text = (
        f'edition 2026\ninference a {{ model = "{model}"; context = 8192; concurrency = 1; engine = sglang\n'
        f"gpu = {gpu}; gpus = 8; tensor_parallel = 8; pipeline_parallel = 1 }}\n"
    )
    chosen = planner.estimate(planner.load("cache.mem", text=text)).answer.workloads[0].chosen  # type: ignore[union-attr]
    assert chosen.choice["kv_cache"] == cache


@pytest.mark.parametrize("model", [name for name, row in CATALOG.models.items() if row.architecture is None])
def test_what_is_a_size_alone_is_neither_served_nor_trained(model: str, tmp_path: Path) -> None:
    """BERT was said to train 512 sequences of 512 tokens in 0.9 GiB, FLUX.1 to be served by vLLM on two cards."""
    for kind in ("inference s { context = 64; concurrency = 512", "training s { sequence = 64; global_batch = 512"):
        path = tmp_path / "plan.mem"
        path.write_text(f'edition 2026\n{kind}; model = "{model}"; gpu = l4; gpus = 1 }}\n')
        loaded = planner.load(path)
        assert loaded.problem is None
        assert [item.code for item in loaded.findings if item.is_error] == ["E0405"]
        assert model in loaded.findings[-1].message


def test_transformers_quantizes_no_fused_experts(tmp_path: Path) -> None:
    """bitsandbytes#1849: routed experts are one parameter a layer since transformers 5, and stay in 16 bit."""
    path = tmp_path / "plan.mem"
    for model, runs in (("Qwen/Qwen3-30B-A3B", False), ("Qwen/Qwen3-8B", True)):
        path.write_text(
            f'edition 2026\ninference a {{ model = "{model}"; context = 2Ki; concurrency = 1; engine = transformers\n'
            "  weights = nf4_dq; gpu = l40s; gpus = 1 }\n"
        )
        found = planner.estimate(path)
        assert isinstance(found, planner.Result)
        assert (not found.answer.workloads[0].chosen.broken) is runs
