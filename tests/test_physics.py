"""Memory, time and quality against published and measured figures."""

from dataclasses import replace
from fractions import Fraction

import pytest

from planner.catalog.architecture import Attention, Experts, FeedForward, LatentAttention
from planner.catalog.load import load as load_catalog
from planner.catalog.programs.engines import Engine, Release
from planner.catalog.records import Architecture, Format, Layers, Recovery
from planner.language.schema import QUANTITIES
from planner.physics import inference, quality, rule_of_thumb, time, training
from planner.physics.architecture import parameters, tensors
from planner.physics.optimizers import OPTIMIZERS

LLAMA8 = Attention(32, 8, 128)
MLA = LatentAttention(128, 1536, kv_lora_rank=512, nope=128, rope=64, v_head_dim=128)

# Source: HF transformers on fake CUDA tensors, torch 2.13: id, shape, configuration, params, peak_bytes
MEASURED = [
    (
        "llama-3.1-8b-b8-s512-bf16-ckpt-sdpa-adamw-fused-full",
        (4096, 128256, False, 32, Attention(32, 8, 128), 14336),
        {
            "micro_batch": 8,
            "sequence": 512,
            "recipe": "bf16",
            "checkpointing": "full",
            "optimizer": "adamw",
            "kernel": "fused",
        },
        8030261248,
        64275828224,
    ),
    (
        "llama-3.2-1b-b8-s512-bf16-ckpt-sdpa-adamw-fused-full",
        (2048, 128256, True, 16, Attention(32, 8, 64), 8192),
        {
            "micro_batch": 8,
            "sequence": 512,
            "recipe": "bf16",
            "checkpointing": "full",
            "optimizer": "adamw",
            "kernel": "fused",
        },
        1235814400,
        14054730752,
    ),
    (
        "qwen2.5-0.5b-b1-s2048-bf16-ckpt-sdpa-adamw-fused-full",
        (
            896,
            151936,
            True,
            24,
            Attention(14, 2, 64, qkv_bias=True),
            4864,
        ),
        {
            "micro_batch": 1,
            "sequence": 2048,
            "recipe": "bf16",
            "checkpointing": "full",
            "optimizer": "adamw",
            "kernel": "fused",
        },
        494032768,
        6801744896,
    ),
    (
        "llama-2-7b-b8-s512-bf16-ckpt-sdpa-adamw-fused-full",
        (4096, 32000, False, 32, Attention(32, 32, 128), 11008),
        {
            "micro_batch": 8,
            "sequence": 512,
            "recipe": "bf16",
            "checkpointing": "full",
            "optimizer": "adamw",
            "kernel": "fused",
        },
        6738415616,
        54342427136,
    ),
    (
        "qwen2.5-7b-b1-s2048-bf16-nockpt-sdpa-adamw-fused-full",
        (
            3584,
            152064,
            False,
            28,
            Attention(28, 4, 128, qkv_bias=True),
            18944,
        ),
        {
            "micro_batch": 1,
            "sequence": 2048,
            "recipe": "bf16",
            "checkpointing": "none",
            "optimizer": "adamw",
            "kernel": "fused",
        },
        7615616512,
        62416159232,
    ),
    (
        "mistral-7b-v0.1-b1-s2048-amp-nockpt-sdpa-adamw-fused-full",
        (
            4096,
            32000,
            False,
            32,
            Attention(32, 8, 128, window=4096),
            14336,
        ),
        {
            "micro_batch": 1,
            "sequence": 2048,
            "recipe": "amp",
            "checkpointing": "none",
            "optimizer": "adamw",
            "kernel": "fused",
        },
        7241732096,
        117840801280,
    ),
    (
        "llama-3.1-8b-b1-s2048-amp-nockpt-sdpa-adamw-fused-full",
        (4096, 128256, False, 32, Attention(32, 8, 128), 14336),
        {
            "micro_batch": 1,
            "sequence": 2048,
            "recipe": "amp",
            "checkpointing": "none",
            "optimizer": "adamw",
            "kernel": "fused",
        },
        8030261248,
        130457267712,
    ),
    (
        "llama-3.1-8b-b4-s4096-bf16-nockpt-sdpa-adamw-fused-full",
        (4096, 128256, False, 32, Attention(32, 8, 128), 14336),
        {
            "micro_batch": 4,
            "sequence": 4096,
            "recipe": "bf16",
            "checkpointing": "none",
            "optimizer": "adamw",
            "kernel": "fused",
        },
        8030261248,
        179235073536,
    ),
    (
        "mistral-7b-v0.1-b1-s2048-bf16-ckpt-sdpa-adamw-fused-full",
        (
            4096,
            32000,
            False,
            32,
            Attention(32, 8, 128, window=4096),
            14336,
        ),
        {
            "micro_batch": 1,
            "sequence": 2048,
            "recipe": "bf16",
            "checkpointing": "full",
            "optimizer": "adamw",
            "kernel": "fused",
        },
        7241732096,
        57950801408,
    ),
    (
        "llama-3.1-8b-b1-s2048-amp-ckpt-sdpa-adamw-fused-full",
        (4096, 128256, False, 32, Attention(32, 8, 128), 14336),
        {
            "micro_batch": 1,
            "sequence": 2048,
            "recipe": "amp",
            "checkpointing": "full",
            "optimizer": "adamw",
            "kernel": "fused",
        },
        8030261248,
        128517901824,
    ),
]


def llama(hidden, vocab, tied, layers, mixer, inter):
    return Architecture(hidden, vocab, tied, "rms", (Layers(layers, mixer, FeedForward(inter), 2),))


LLAMA_31_8B = llama(4096, 128256, False, 32, LLAMA8, 14336)
DEEPSEEK_V2 = Architecture(
    5120,
    102400,
    False,
    "rms",
    (
        Layers(1, MLA, FeedForward(12288), 2),
        Layers(59, MLA, Experts(160, 6, 1536, shared_inter=3072), 2),
    ),
)
BF16 = Format("bf16", "bfloat16", Fraction(16), 16, "")
FP8 = Format("fp8", "fp8", Fraction(8), 8, "", leaves=("embedding", "head", "norm", "router"))
RELEASE = Release(
    (0,), "utilization", Fraction(9, 10), 256, 1024, 8192, 8192, Fraction(77, 2), Fraction(25, 2), {1: 100, 4: 400},
    500, 1000,
)  # fmt: skip
ENGINE = Engine(
    "e", "e", 16, Fraction(9, 10), 256, 8192, 500, {1: 100, 4: 400}, 1000, Fraction(77, 2),
    Fraction(8, 10), Fraction(1, 2), {}, "", releases=(RELEASE,),
)  # fmt: skip


@pytest.mark.parametrize("name, shape, config, params, peak", MEASURED, ids=[row[0] for row in MEASURED])
def test_training_measured(name, shape, config, params, peak):
    found = training.memory(llama(*shape), params, **config)
    assert abs(found.total / peak - 1) < 0.005
    assert found.total == found.moments[found.peak_moment]
    assert all(found.sizes[part] >= size for part, size in found.parts.items())


def test_parameters_exact():
    assert sum(parameters(LLAMA_31_8B).values()) == 8030261248
    assert sum(parameters(DEEPSEEK_V2).values()) == 235741434880
    assert sum(tensors(LLAMA_31_8B, 9 * 10**9).values()) == 9 * 10**9


def test_rule_of_thumb():
    assert sum(rule_of_thumb.inference(13 * 10**9, Fraction(2)).values()) == 31_200_000_000
    assert sum(rule_of_thumb.training(13 * 10**9, Fraction(2), "adam").values()) == 109_200_000_000


def test_inference_weights_and_cache():
    assert inference.weights_per_gpu(LLAMA_31_8B, 8030261248, BF16) == 2 * 8030261248
    table = 2 * 128256 * 4096 + 65 * 4096
    assert inference.weights_per_gpu(LLAMA_31_8B, 8030261248, FP8) == 8030261248 + table
    assert inference.kv_bytes_per_token(LLAMA_31_8B) == 131072
    assert inference.kv_bytes_per_token(LLAMA_31_8B, tp=16) == 131072 // 8
    assert inference.kv_bytes_per_token(DEEPSEEK_V2, tp=8) == 60 * 576 * 2
    assert inference.kv_cache(LLAMA_31_8B, context=17, concurrency=2, block=16) == 2 * 32 * 131072


def test_inference_window():
    arch = llama(4096, 32000, False, 32, replace(LLAMA8, window=4096), 14336)
    assert inference.kv_cache(arch, context=32768) == 4096 * 131072


def test_inference_memory_and_limits():
    profile = inference.profile(ENGINE)
    shape = inference.ServedModel(LLAMA_31_8B, 8030261248, BF16, BF16)
    load = inference.Sequences(8192, 4)
    found = inference.parts(shape, profile, None, load)
    assert found["overhead"] == 1600
    assert 0 in (found["activations"], found["logits"])
    groups = inference.cache_groups(LLAMA_31_8B, BF16, profile)
    cache = found["kv_cache"]
    assert inference.most_sequences(cache, groups, load, 16) == 4
    assert inference.longest_context(cache, groups, load, 16) == 8192
    assert inference.pool_tokens(cache, groups, 16) == 4 * 8192


def test_time():
    plain = time.training_step(10**9, 1000, 1000, None, 10**14)
    assert time.training_step(10**9, 1000, 1000, None, 10**14, recomputed=1.0) == pytest.approx(plain * 4 / 3)


def test_every_optimizer_has_a_row_and_what_its_step_needs() -> None:
    """A word of the language without a row of the table, or whose step nobody counted, would be free."""
    words = {word for row in QUANTITIES if row.name == "optimizer" for word in row.words}
    assert set(OPTIMIZERS) == words
    arch = load_catalog()[0].models["meta-llama/Llama-3.1-8B"].architecture
    assert arch is not None
    for optimizer in words:
        assert training.states(arch, 8 * 10**9, training.StateChoice("full", "bf16", optimizer)).gradients > 0
        assert rule_of_thumb.training(10**9, Fraction(2), optimizer)["gradients"] == 2 * 10**9


def test_quality():
    rows = [
        Recovery("a", "weights", "fp8", "meta-llama/Llama-3-8B", "", "", "", Fraction(99, 100), ""),
        Recovery("b", "weights", "fp8", "Qwen/Qwen3-8B", "", "", "", Fraction(9, 10), ""),
    ]
    assert quality.recovery(rows, "fp8", "weights", "meta-llama/Llama-3.1-8B")[0] == Fraction(99, 100)
    assert quality.recovery(rows, "fp8", "weights", "google/gemma-2-9b")[0] == Fraction(9, 10)
    assert quality.recovery(rows, "bf16", "weights", "x", native="bf16")[0] == 1
    assert quality.recovery(rows, "nf4", "weights", "x")[0] is None
    above = [Recovery("a", "weights", "nf4", "LLaMA", "", "ptq", "MMLU", Fraction(10019, 10000), "")]
    for model in ("meta-llama/Llama-3.1-8B", "google/gemma-2-9b"):
        assert quality.recovery(above, "nf4", "weights", model, "ptq")[0] == 1


def test_a_gguf_file_without_measurements_takes_those_of_its_block():
    rows = [
        Recovery("a", "weights", "iq3_s", "Llama-3-8B", "", "ptq", "ppl", Fraction(9, 10), ""),
        Recovery("b", "weights", "q4_k_s", "Llama-3-8B", "", "ptq", "ppl", Fraction(95, 100), ""),
    ]
    assert quality.recovery(rows, "iq3_m", "weights", "llama", "ptq")[0] == Fraction(9, 10)
    assert quality.recovery(rows, "q4_k_s", "weights", "llama", "ptq")[0] == Fraction(95, 100)
    assert quality.recovery(rows, "q4_0", "weights", "llama", "ptq")[0] is None
