"""Properties of the inference memory: parts add up, splits lose nothing, capacities are what they say."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.catalog.architecture import Attention, FeedForward, LatentAttention
from planner.catalog.catalog import Catalog
from planner.catalog.records import Architecture, Layers
from planner.physics import inference, kernels, serving_time, time
from planner.physics.architecture import parameters
from planner.physics.inference import memory, weights_of_layers
from planner.physics.inference.weights_of_layers import EXACT, allocated
from planner.plan import load_plan
from planner.solve.kinds import table_of

ROOT = Path(__file__).parents[1]
CATALOG = Catalog(ROOT / "catalogs")
MODELS = [name for name in CATALOG.models if CATALOG.models[name].architecture]
BF16 = CATALOG.formats["bf16"]
VLLM = CATALOG.engines["vllm"]
MIB = 2**20
DENSE = FeedForward(14336)
LLAMA = CATALOG.models["meta-llama/Llama-3.1-8B"]


def windowed(window: int, full: int, sliding: int) -> Architecture:
    heads = Attention(8, 4, 64)
    return Architecture(
        512,
        1000,
        False,
        "rms",
        (Layers(full, heads, DENSE, 2), Layers(sliding, replace(heads, window=window), DENSE, 2)),
    )


@pytest.mark.parametrize("name", MODELS)
def test_tensors_add_up_to_the_published_count(name: str) -> None:
    model = CATALOG.models[name]
    assert model.architecture is not None
    assert inference.weights_per_gpu(model.architecture, model.params, BF16, rounding=EXACT) == 2 * model.params


@pytest.mark.parametrize("name", MODELS[::7])
@pytest.mark.parametrize("tp", [2, 4, 8])
def test_a_split_loses_nothing(name: str, tp: int) -> None:
    model = CATALOG.models[name]
    assert model.architecture is not None
    whole = inference.weights_per_gpu(model.architecture, model.params, BF16, rounding=EXACT)
    assert tp * inference.weights_per_gpu(model.architecture, model.params, BF16, tp=tp, rounding=EXACT) >= whole
    assert tp * inference.weights_per_gpu(model.architecture, model.params, BF16, pp=tp, rounding=EXACT) >= whole
    cache = inference.kv_cache(model.architecture, context=4096)
    assert tp * inference.kv_cache(model.architecture, tp=tp, context=4096) >= cache


@pytest.mark.parametrize("name", ["bf16", "fp8_e4m3", "int4_awq", "nf4", "mxfp4", "nvfp4", "q4_k"])
def test_layers_and_the_rest_are_the_whole(name: str) -> None:
    arch, fmt = LLAMA.architecture, CATALOG.formats[name]
    assert arch is not None
    first, last = inference.outside_weights(arch, LLAMA.params, fmt)
    layers = sum(group.count * inference.layer_weights(arch, i, fmt) for i, group in enumerate(arch.groups))
    assert inference.weights_per_gpu(arch, LLAMA.params, fmt) == first + last + layers


def test_classes_of_tensors_in_formats_of_their_own() -> None:
    """DeepSeek-V4-Flash: experts in MXFP4, attention in FP8, compressors and vocabulary in 16 bit, added up by hand."""
    model = CATALOG.models["deepseek-ai/DeepSeek-V4-Flash"]
    arch, mxfp4, fp8 = model.architecture, CATALOG.formats["mxfp4"], CATALOG.formats["fp8_e4m3"]
    assert arch is not None
    classes = tuple((name, CATALOG.formats[form]) for name, form in model.native_classes.items())
    fmt = replace(mxfp4, leaves=(*mxfp4.leaves, *model.native_leaves), classes=classes)
    experts, shared = 43 * 256 * 3 * 4096 * 2048, 43 * 3 * 4096 * 2048
    attention = 43 * (4096 * 1024 + 1024 * 64 * 512 + 4096 * 512 + 64 * 512 * 1024 + 8 * 1024 * 4096)
    index = 21 * 1024 * 64 * 128
    sixteen = 2 * 129280 * 4096 + 21 * 4096 * (4 * 512 + 4 * 128 + 64) + 20 * 4096 * 2 * 512
    expected = experts * mxfp4.bits / 8 + (shared + attention + index) * fp8.bits / 8 + 2 * sixteen
    found = inference.weights_per_gpu(arch, model.params, fmt, rounding=EXACT)
    left = model.params - experts - shared - attention - index - sixteen  # norms, routers, sinks, hyper-connections
    scales = found - expected - 2 * left  # fp8 has an fp32 scale for each output row
    assert 0 < scales < 4 * 43 * 9 * 64 * 512


@pytest.mark.parametrize("leaf", ["attention", "shared_expert", "dense", "experts", "head"])
def test_a_class_that_is_left_alone_has_16_bits(leaf: str) -> None:
    model, nvfp4 = CATALOG.models["moonshotai/Kimi-K2.5"], CATALOG.formats["nvfp4"]
    arch = model.architecture
    assert arch is not None
    bare = replace(nvfp4, leaves=())
    own, whole = replace(bare, leaves=(leaf,)), replace(bare, classes=((leaf, BF16),))
    sizes = [inference.weights_per_gpu(arch, model.params, fmt, rounding=EXACT) for fmt in (bare, own, whole)]
    assert sizes[0] < sizes[1] == sizes[2]


def test_allocator_rounds_as_cuda_does() -> None:
    """kSmallSize, kLargeBuffer, kMinLargeAlloc, kRoundLarge of PyTorch's allocator; 259 MiB is in Qwen2-7B."""
    assert allocated(100) == 512
    assert allocated(2 * MIB) == 2 * MIB
    assert allocated(259 * MIB) == 260 * MIB
    assert allocated(256 * MIB + 1) == 256 * MIB + 1


def test_sparse_attention_keeps_an_index_beside_the_latents() -> None:
    """GLM-5 in vLLM: 78 layers of 576 latents in 16 bit, 128 index numbers and a scale: 100,152 bytes (public log)."""
    mixer = LatentAttention(64, None, kv_lora_rank=512, nope=192, rope=64, v_head_dim=256)
    arch = Architecture(6144, 154880, False, "rms", (Layers(78, replace(mixer, index_dim=128), DENSE, 2),))
    assert inference.kv_bytes_per_token(arch, tp=8) == 100152


def test_sparse_latents_below_16_bit_keep_their_rotated_part() -> None:
    """vLLM, v1/kv_cache_interface.py (fp8_ds_mla): 656 bytes a token and layer, and 132 of its index."""
    model = CATALOG.models["deepseek-ai/DeepSeek-V3.2"]
    assert model.architecture is not None
    assert inference.kv_bytes_per_token(model.architecture, Fraction(8)) == 61 * (656 + 132)


def test_compressed_attention_keeps_what_vllm_keeps() -> None:
    """The pages of DeepSeek-V4-Flash that vllm-project/vllm#54703 lists (without their alignment to 576 bytes).

    584 bytes an entry: blocks of 256 tokens hold 64 of them and 64 index keys, or 2; blocks of 64 the window; blocks of
    4 and 8 the fp32 numbers being pooled.
    """
    arch = CATALOG.models["deepseek-ai/DeepSeek-V4-Flash"].architecture
    assert arch is not None
    page = 21 * 64 * (584 + 132) + 20 * 2 * 584
    assert inference.kv_bytes_per_token(arch, Fraction(8)) == -(-page // 256)
    assert inference.window_bytes_per_token(arch, Fraction(8)) == (22 + 21) * 584
    assert inference.state_bytes(arch) == 2 * 21 * (32768 + 8192) + 16 * 20 * 32768
    caches = inference.layer_caches(arch, Fraction(8))
    short = inference.bytes_held(caches, inference.Sequences(4096, 1))
    assert inference.bytes_held(caches, inference.Sequences(8192, 1)) - short == 16 * page


def test_windows_beside_compressed_tokens_hold_the_prompt_in_flight() -> None:
    """vLLM keeps them as sliding windows, so a chunk of prompt needs them too (vllm-project/vllm#54703)."""
    arch = CATALOG.models["deepseek-ai/DeepSeek-V4-Flash"].architecture
    assert arch is not None
    caches = inference.layer_caches(arch, Fraction(8))
    still, moving = (inference.bytes_held(caches, inference.Sequences(100_000, 1, chunk=chunk)) for chunk in (0, 8192))
    assert moving - still == 8192 * (43 * 584 + 21 * (8192 + 2048) + 20 * 4096)


def test_expert_parallel_keeps_whole_experts() -> None:
    model = CATALOG.models["Qwen/Qwen3-30B-A3B"]
    arch = model.architecture
    assert arch is not None
    by_width = inference.weights_per_gpu(arch, model.params, BF16, tp=8, rounding=EXACT)
    by_expert = inference.weights_per_gpu(arch, model.params, BF16, tp=8, ep=8, rounding=EXACT)
    assert by_width == by_expert


def test_a_shared_prefix_is_stored_once() -> None:
    arch = LLAMA.architecture
    assert arch is not None
    whole = inference.kv_cache(arch, context=1024, concurrency=10, block=16)
    shared = inference.kv_cache(arch, context=1024, concurrency=10, block=16, shared_prefix=520)
    assert whole - shared == 9 * 512 * 131072


@settings(max_examples=60, deadline=None)
@given(
    window=st.integers(1, 600),
    full=st.integers(0, 3),
    sliding=st.integers(0, 3),
    context=st.integers(1, 2000),
    concurrency=st.integers(1, 12),
    prefix=st.integers(0, 300),
    chunk=st.sampled_from([0, 64, 512]),
    block=st.sampled_from([1, 16]),
    budget=st.integers(0, 60_000_000),
)
def test_capacities_are_the_largest_that_fit(
    window: int,
    full: int,
    sliding: int,
    context: int,
    concurrency: int,
    prefix: int,
    chunk: int,
    block: int,
    budget: int,
) -> None:
    if not full + sliding:
        return
    groups = inference.layer_caches(windowed(window, full, sliding))

    def held(tokens: int, count: int) -> int:
        return inference.bytes_held(groups, inference.Sequences(tokens, count, min(prefix, tokens), chunk), block)

    load = inference.Sequences(context, concurrency, prefix, chunk)
    most = inference.most_sequences(budget, groups, load, block)
    if most is None:
        assert held(context, 10**6) == held(context, 10**7) <= budget
        return
    assert not most or held(context, most) <= budget
    assert held(context, most + 1) > budget
    limit = 4096
    longest = inference.longest_context(budget, groups, load, block, limit)
    assert longest % block == 0
    assert not longest or held(longest, concurrency) <= budget
    assert longest == limit or held(longest + block, concurrency) > budget


def test_margins_grow_with_confidence_and_take_arrays() -> None:
    found = inference.profile(VLLM, None, CATALOG.gpus["l40s"])
    sizes = (10**10, 2 * 10**10, 10**8, 10**9, 10**9)
    levels = [inference.margin(found, Fraction(level, 100), *sizes) for level in (50, 80, 85, 90, 95, 97, 99)]
    assert levels == sorted(levels)
    assert levels[-1] > levels[0]
    numpy = pytest.importorskip("numpy")
    many = inference.margin(found, Fraction(95, 100), *(numpy.array([size, 2 * size]) for size in sizes))
    assert many[0] == levels[4]  # type: ignore[index]


@pytest.mark.parametrize("name, gpu, ranks, free", [("0.4.2", "rtx_4090", 1, 22.76), ("0.5.3", "mi355x", 8, 283.56)])
def test_what_sglang_finds_taken_is_within_its_margin(name: str, gpu: str, ranks: int, free: float) -> None:
    """Free memory before the weights in two public logs, rows pub-101 and pub-102 of tests/truth/inference.jsonl."""
    card, engine = CATALOG.gpus[gpu], CATALOG.engines["sglang"]
    found = inference.profile(engine, name, card)
    taken = inference.fixed(found, card, ranks)
    spare = inference.margin(found, Fraction(95, 100), 0, 0, 0, 0, 0, taken)
    assert taken < spare + taken
    assert card.memory - taken - spare <= free * 2**30


@pytest.mark.parametrize("engine", ["vllm", "sglang", "tensorrt_llm", "llama_cpp", "transformers"])
@pytest.mark.parametrize("gpu", ["t4", "l40s", "h100_sxm", "b200"])
def test_parts_fit_or_do_not_on_every_engine(engine: str, gpu: str) -> None:
    arch, card = LLAMA.architecture, CATALOG.gpus[gpu]
    assert arch is not None
    found = inference.profile(CATALOG.engines[engine], None, card, context=8192)
    shape = inference.ServedModel(arch, LLAMA.params, CATALOG.formats["int4"], BF16, max_context=131072)
    load = inference.sequences(found, 8192, 4)
    sizes = inference.parts(shape, found, card, load, confidence=Fraction(95, 100))
    assert all(size >= 0 for size in sizes.values())
    weights, activations, logits = (sizes[name] for name in ("weights", "activations", "logits"))
    budget = inference.kv_budget(found, card, 1, 1, weights=weights, activations=activations, logits=logits)
    assert budget < card.memory
    assert inference.pool_tokens(budget, inference.cache_groups(arch, BF16, found), found.block) >= 0


def test_versions_choose_the_release() -> None:
    assert inference.version_of("v0.10.1.1") == (0, 10, 1, 1)
    assert inference.version_of("b5490") == (5490,)
    assert inference.version_of("latest") == ()
    assert inference.release(VLLM, "0.6.4").whole_prompts
    assert not inference.release(VLLM, "0.11.0").graphs_in_budget
    assert inference.release(VLLM, None) == VLLM.releases[-1]
    h100 = inference.profile(VLLM, "0.11.0", CATALOG.gpus["h100_sxm"])
    a100 = inference.profile(VLLM, "0.11.0", CATALOG.gpus["a100_sxm_80gb"])
    assert (h100.max_sequences, a100.max_sequences) == (1024, 256)


def test_a_mixture_reads_the_experts_that_tokens_touch() -> None:
    """Mixtral: 2 of 8 experts for one token, nearly all for sixteen; the rest of the layers always."""
    model = CATALOG.models["mistralai/Mixtral-8x7B-v0.1"]
    assert model.architecture is not None
    read = time.reading(model.architecture, model.params, BF16)
    assert time.touched_experts(8, 2, 1) == pytest.approx(2)
    assert read.share(1) * model.params == pytest.approx(model.active_params - 32000 * 4096, rel=0.001)
    assert read.share(16) > 0.97
    numpy = pytest.importorskip("numpy")
    assert list(read.share(numpy.array([1.0, 16.0]))) == pytest.approx([read.share(1.0), read.share(16.0)])


def test_times_take_numbers_and_arrays_alike() -> None:
    numpy = pytest.importorskip("numpy")
    engine, gpu = CATALOG.engines["vllm"], CATALOG.gpus["h100_sxm"]
    model = CATALOG.models["mistralai/Mixtral-8x7B-v0.1"]
    arch = model.architecture
    assert arch is not None
    card = kernels.card(engine, gpu, kernels.runs(arch, BF16, BF16, False, "bf16"), gpu.link_bandwidth)
    between, made = serving_time.between(engine), serving_time.calls(arch)
    read = time.reading(arch, model.params, BF16)
    cases = [(1, 9e10, 1e9, 0.0), (2, 4e10, 1e8, 1e12), (8, 1e10, 0.0, 1e15)]
    one = [
        serving_time.passing(
            card,
            between,
            made,
            serving_time.part(arch, model.active_params, read, ranks, 1, weights),
            64,
            cache,
            scores,
        )
        for ranks, weights, cache, scores in cases
    ]
    ranks, weights, cache, scores = (numpy.array(column) for column in zip(*cases, strict=True))
    part = serving_time.part(arch, model.active_params, read, ranks, 1, weights)
    assert list(serving_time.passing(card, between, made, part, 64, cache, scores)) == one
    assert time.host_link("4.0x16") == pytest.approx(25.2e9, rel=0.01)


@pytest.mark.parametrize(
    "name, size",
    [
        ("bf16", 131072),
        ("fp8_e4m3", 65536),
        ("int8", 65536 + 2 * 32 * 8 * 4),
        ("int4", 32768 + 2 * 32 * 8 * 4),
        ("fp8_per_token_head", 65536 + 2 * 32 * 8 * 4),
        ("nvfp4", 32 * 8 * 2 * (64 + 8)),
        ("turboquant_k8v4", 28 * 8 * (128 + 64 + 4) + 4 * 4096),
        ("turboquant_4bit_nc", 28 * 8 * (64 + 2 + 64 + 4) + 4 * 4096),
        ("turboquant_k3v4_nc", 28 * 8 * (48 + 2 + 64 + 4) + 4 * 4096),
        ("turboquant_3bit_nc", 28 * 8 * (48 + 2 + 48 + 4) + 4 * 4096),
        ("q8_0", 65536 * 34 // 32),
        ("q4_0", 65536 * 18 // 32),
    ],
)
def test_kv_formats_cost_their_scales(name: str, size: int) -> None:
    """An fp32 scale for each of 8 heads, keys and values, in 32 layers; GGUF: 34 and 18 bytes for 32 numbers.

    TurboQuant packs a key and a value of a head by vllm/model_executor/layers/quantization/turboquant/config.py.
    """
    arch = LLAMA.architecture
    assert arch is not None
    groups = inference.cache_groups(arch, CATALOG.formats[name], inference.profile(VLLM))
    assert inference.bytes_held(groups, inference.Sequences(1, 1)) == size


def test_packed_latents_are_as_the_engine_stores_them() -> None:
    """656 bytes a token and layer of DeepSeek-V3.2, with the indexer's key of 132 (vLLM, mla_attention.py)."""
    model = CATALOG.models["deepseek-ai/DeepSeek-V3.2"]
    assert model.architecture is not None
    groups = inference.cache_groups(model.architecture, CATALOG.formats["fp8_ds_mla"], inference.profile(VLLM))
    assert inference.bytes_held(groups, inference.Sequences(1, 1)) == 61 * (656 + 132)


@pytest.mark.parametrize(
    ("engine", "gpu", "runs"),
    [
        ("vllm", "p100", False),  # compute capability 6.0, and vLLM needs 7.0
        ("vllm", "v100", True),
        ("vllm", "mi300x", True),
        ("vllm", "gaudi3", False),
        ("tensorrt_llm", "t4", False),  # Turing, and its oldest is Ampere
        ("tensorrt_llm", "a100_sxm_80gb", True),
        ("llama_cpp", "p100", True),
        ("llama_cpp", "max_1550", True),
        ("llama_cpp", "gaudi3", False),
        ("transformers", "apple_m4_max", False),
    ],
)
def test_what_an_engine_runs_on(engine: str, gpu: str, runs: bool) -> None:
    """The pages that catalogs/engines.yaml names under `vendors` and `least_capability`."""
    assert inference.runs_on(CATALOG.engines[engine], CATALOG.gpus[gpu]) is runs


def test_engines_name_the_page_of_what_they_run_on() -> None:
    for engine in CATALOG.engines.values():
        assert "." in engine.sources["vendors"].split()[0], engine.id
        assert not set(engine.excludes) - set(CATALOG.gpus), engine.id


@pytest.mark.parametrize("gpu, gib", [("h100_sxm", 0.13), ("a100_sxm_80gb", 0.11), ("t4", 0.05), ("l40s", 0.08)])
def test_local_memory_is_that_of_every_thread(gpu: str, gib: float) -> None:
    """Non-torch memory of one GPU in vLLM's logs from 0.6.6 to 0.20, to a twentieth of a GiB."""
    card = CATALOG.gpus[gpu]
    found = inference.profile(VLLM, "0.11.0", card)
    assert inference.non_torch(found, card) / 2**30 == pytest.approx(gib, abs=0.055)


def test_a_switch_takes_more_buffers_than_pcie() -> None:
    h100, l40s = CATALOG.gpus["h100_sxm"], CATALOG.gpus["l40s"]
    linked, alone = inference.profile(VLLM, "0.11.0", h100), inference.profile(VLLM, "0.11.0", l40s)
    for tp in (2, 4, 8):
        assert inference.non_torch(linked, h100, tp) > inference.non_torch(alone, l40s, tp)
    assert inference.non_torch(linked, h100, 2) / 2**30 == pytest.approx(0.55, abs=0.01)


def test_states_take_pages_of_the_pool() -> None:
    """Qwen3.5-35B-A3B in vLLM: blocks of 1056 tokens, 63360 tokens in 4.88 GiB and 83424 in 6.44 (public notes)."""
    arch = CATALOG.models["Qwen/Qwen3.5-35B-A3B"].architecture
    assert arch is not None
    groups = inference.cache_groups(arch, BF16, inference.profile(VLLM, "0.20.0"))
    assert {cache.block for _, cache in groups if cache.token_bits} == {1056}
    assert inference.pool_tokens(int(4.88 * 2**30), groups, 16) == 63360
    assert inference.pool_tokens(int(6.44 * 2**30), groups, 16) == 83424
    one = inference.Sequences(262144, 1)
    assert inference.longest_context(inference.bytes_held(groups, one, 16), groups, one, 16, 262144) == 262144
    alone = inference.cache_groups(arch, BF16, inference.profile(CATALOG.engines["tensorrt_llm"], None))
    assert inference.bytes_held(groups, one, 16) > inference.bytes_held(alone, one, 1)


def test_experts_are_exchanged_in_buffers() -> None:
    """DeepSeek-V3: the hint of DeepEP's low-latency kernels for 256 tokens, 256 experts and 7168 hidden is 3.5 GiB."""
    arch = CATALOG.models["deepseek-ai/DeepSeek-V3"].architecture
    assert arch is not None
    sizes = [
        inference.exchange(arch, inference.profile(VLLM, all_to_all=how), 8)
        for how in ("gather", "deepep", "deepep_low_latency")
    ]
    assert sizes[0] == 0 and sizes[1] == 2**30
    assert (sizes[2] - 2**30) / 2**30 == pytest.approx(3.5, abs=0.02)
    assert inference.exchange(arch, inference.profile(VLLM, all_to_all="deepep"), 1) == 0


def test_ranks_with_their_own_sequences_compute_the_experts_of_all() -> None:
    arch = CATALOG.models["deepseek-ai/DeepSeek-V3"].architecture
    assert arch is not None
    shared = inference.activations(arch, 8192, 8, 8)
    assert inference.activations(arch, 8192, 8, 8, ranks=8) > 3 * shared
    assert shared > inference.activations(arch, 8192, 8)


@pytest.mark.parametrize(
    ("release", "gpu", "narrow", "expected"),
    [
        ("3000", "rtx_4090", False, 560.0),  # Llama 3 8B at 8192 in three public logs
        ("7000", "rtx_4090", False, 258.5),
        ("3000", "rtx_4090", True, 258.5),
        ("7000", "arc_pro_b60", False, 560.0),
    ],
)
def test_compute_buffers_follow_flash_attention(release: str, gpu: str, narrow: bool, expected: float) -> None:
    found = inference.profile(CATALOG.engines["llama_cpp"], release, CATALOG.gpus[gpu], narrow_cache=narrow)
    arch = CATALOG.models["meta-llama/Meta-Llama-3-8B"].architecture
    assert arch is not None
    assert sum(inference.peak(arch, found, context=8192)) / 2**20 == expected


@pytest.mark.parametrize("model", ["meta-llama/Llama-3.1-8B", "Qwen/Qwen3-Next-80B-A3B-Instruct", "openai/gpt-oss-20b",
                                   "deepseek-ai/DeepSeek-V3", "deepseek-ai/DeepSeek-V4-Flash"])  # fmt: skip
def test_engines_that_keep_a_cache_alike_have_caches_of_one_size(model: str) -> None:
    """What `Profile.keeps` leaves out changes nothing of a cache: releases and GPUs that agree in it agree in that."""
    arch = CATALOG.models[model].architecture
    assert arch is not None
    seen: dict[object, object] = {}
    for engine in CATALOG.engines.values():
        for release in engine.releases:
            for gpu in ("l4", "h100_sxm", "mi300x"):
                found = inference.profile(engine, ".".join(map(str, release.since)), CATALOG.gpus[gpu])
                for form in ("bf16", "fp8_e4m3"):
                    groups = inference.cache_groups(arch, CATALOG.formats[form], found, 2, 2)
                    assert seen.setdefault((form, found.keeps), groups) == groups
    assert len(seen) > 4


ALIKE = """edition 2026
inference a {{ model = "Qwen/Qwen2.5-7B-Instruct"; context = 8Ki tokens; concurrency = 4; gpus in 1..4; {formats} }}
inference b {{ model = "Qwen/Qwen2.5-7B-Instruct"; context = 2Ki tokens; concurrency = 9; gpus in 1..4; {formats} }}
"""


def test_workloads_of_one_model_share_what_is_computed_of_its_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = load_plan("plan.mem", text=ALIKE.format(formats="weights in {bf16, fp8}; kv_cache in {bf16, fp8}"))
    assert plan.problem is not None
    first, second = plan.problem.workloads
    table_of(plan.problem, first, plan.catalog)

    def computed(*words: object) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr(weights_of_layers, "layer_tensors", computed)
    monkeypatch.setattr(memory, "layer_caches", computed)
    assert len(table_of(plan.problem, second, plan.catalog).axes["gpu"].index)


def test_models_that_hash_alike_keep_weights_of_their_own() -> None:
    arch = LLAMA.architecture
    assert arch is not None
    wider = replace(arch, pos_rows=131072)
    assert hash(arch) == hash(wider)
    counts = [sum(parameters(item).values()) for item in (arch, wider, arch)]
    sizes = [inference.weights_per_gpu(*pair, BF16) for pair in zip((arch, wider, arch), counts, strict=True)]
    assert sizes[0] == sizes[2] < sizes[1]


def test_what_plans_vary_of_a_model_tells_its_answers_apart_at_once() -> None:
    """Models whose hashes are one are compared field by field at every look: a hundred of them took three times."""
    arch = LLAMA.architecture
    assert arch is not None
    (group,) = arch.groups
    assert isinstance(group.mixer, Attention) and isinstance(group.ffn, FeedForward)
    every = [
        replace(group, count=16),
        replace(group, mixer=replace(group.mixer, window=4096)),
        replace(group, mixer=replace(group.mixer, heads=16)),
        replace(group, mixer=replace(group.mixer, kv_heads=4)),
        replace(group, ffn=replace(group.ffn, inter=99328)),
    ]
    models = [arch, replace(arch, vocab=1000), *(replace(arch, groups=(item,)) for item in every)]
    assert len({hash(model) for model in models}) == len(models)


def test_a_cache_of_one_sequence_more_takes_more_and_offloading_takes_nothing_off_it() -> None:
    arch, card = LLAMA.architecture, CATALOG.gpus["gb10"]
    assert arch is not None
    found = inference.profile(VLLM, None, card, context=8192)
    model = inference.ServedModel(arch, LLAMA.params, BF16, BF16)
    load = inference.sequences(found, 8192, 4)
    plain = inference.parts(model, found, card, load)
    beside = inference.Extras(offloaded_weights=2**30, offloaded_cache=2**31)
    moved = inference.parts(model, found, card, load, extras=beside)
    # GPU and host share one memory: weights stay where they are, and the copies of blocks are there too.
    assert moved == {**plain, "overhead": plain["overhead"] + 2**31}
    more = inference.parts(model, found, card, inference.sequences(found, 8192, 5))
    assert more["kv_cache"] > plain["kv_cache"]
