"""What images add to a service: the encoder at its peak, its outputs beside the language model, and nothing without."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

import planner
from planner.catalog.catalog import Catalog
from planner.catalog.huggingface import read_config
from planner.catalog.records import Architecture
from planner.language.defaults import changed
from planner.physics import inference
from planner.physics.inference import vision
from planner.plan import load_plan

CATALOG = Catalog(Path(__file__).parents[1] / "catalogs")
VLLM = CATALOG.engines["vllm"]
GIB = 2**30
WITH_IMAGES = [
    name
    for name in CATALOG.models
    if CATALOG.models[name].architecture is not None and CATALOG.models[name].architecture.opaque_params  # type: ignore[union-attr]
]


def arch(name: str) -> Architecture:
    found = CATALOG.models[name].architecture
    assert found is not None
    return found


def settings(
    version: str | None = None, gpu: str = "h100_sxm", context: int = 8192, **more: object
) -> inference.Profile:
    return inference.profile(VLLM, version, CATALOG.gpus[gpu], context=context, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", WITH_IMAGES)
def test_images_never_make_the_peak_smaller(name: str) -> None:
    for version in ("0.6.6", "0.8.5", "0.11.0", None):
        served, text = settings(version), settings(version, images=False)
        assert sum(inference.peak(arch(name), served)) >= sum(inference.peak(arch(name), text))
        encoding, kept = inference.images(arch(name), served)
        assert encoding > 0 and kept > 0
        assert inference.images(arch(name), text) == (0, 0)


def test_a_text_model_has_no_images() -> None:
    assert inference.images(arch("meta-llama/Llama-3.1-8B"), settings()) == (0, 0)


def test_the_largest_item_is_what_the_engine_logs() -> None:
    """Budgets printed by vLLM: 153600 for Qwen3-VL at 0.11.0, 16384 image and 114688 video for Qwen2.5-VL (#12604)."""
    qwen3 = arch("Qwen/Qwen3-VL-30B-A3B-Instruct").vision
    qwen25 = arch("Qwen/Qwen2.5-VL-7B-Instruct").vision
    assert qwen3 is not None and qwen25 is not None
    assert vision.largest(qwen3, 65536, spread=True)[0] == 153600
    assert vision.largest(qwen3, 65536)[0] == 16384
    assert vision.largest(qwen25, 128000)[0] == 114688
    assert vision.largest(qwen25, 32768)[:2] == (32768, 32768)
    assert vision.largest(qwen25, 1000)[0] == 16384


@pytest.mark.parametrize(
    "name, batched, items",
    [("mistralai/Mistral-Small-3.1-24B-Base-2503", 8192, 2), ("google/gemma-4-26B-A4B", 16384, 6)],
)
def test_so_many_items_are_profiled(name: str, batched: int, items: int) -> None:
    """As vLLM logs them: 2 images in 8192 tokens, 6 videos in 16384."""
    tower = arch(name).vision
    assert tower is not None
    reserved, tokens, _ = vision.largest(tower, 65536)
    assert batched // reserved == items
    _, kept = inference.images(arch(name), settings("0.20", context=65536, max_batched_tokens=batched))
    assert kept == 2 * arch(name).hidden * (items * tokens + batched)


def test_the_encoder_of_a_log() -> None:
    """Qwen3.5-35B-A3B on an RTX 5090: 2.09 GiB beside weights and cache with one image (public notes).

    A part of it is CUDA graphs, whose median error over logs is 0.14 GiB (docs/accuracy.md).
    """
    found = settings("0.20", "rtx_5090", 131072)
    peak = sum(inference.peak(arch("Qwen/Qwen3.5-35B-A3B"), found))
    held = peak + inference.in_budget(found, CATALOG.gpus["rtx_5090"])
    assert held / GIB == pytest.approx(2.09, abs=0.14)


def test_padded_outputs_count_while_the_engine_pads_them() -> None:
    """vLLM 0.11 pads every output to the whole budget; 0.20 does not."""
    name = "llava-hf/llava-1.5-7b-hf"
    padded = inference.images(arch(name), settings("0.11.0", context=4096))[1]
    plain = inference.images(arch(name), settings("0.20.0", context=4096))[1]
    assert padded > 5 * plain


def test_parameters_alone_make_a_large_encoder() -> None:
    known = arch("Qwen/Qwen3-VL-8B-Instruct")
    guessed = replace(known, vision=None)
    for context in (4096, 262144):
        found = settings(context=context)
        assert inference.images(guessed, found)[0] >= 0.9 * inference.images(known, found)[0]


def test_sglang_keeps_more_free_for_an_encoder() -> None:
    """0.95, and a tenth less for each ViT-L more: 0.91 for 27 layers of 1152 (Kimi-K2.5 in a log)."""
    found = inference.profile(CATALOG.engines["sglang"], "0.5.6", CATALOG.gpus["h100_sxm"])
    assert inference.towers(arch("meta-llama/Llama-3.1-8B"), found) == 1
    factor = inference.towers(arch("moonshotai/Kimi-K2.5"), found)
    assert float(factor) == pytest.approx(0.91, abs=0.02)
    card = CATALOG.gpus["h100_sxm"]
    assert inference.static_free(found, card, 1, towers=factor) > inference.static_free(found, card, 1)


@pytest.mark.parametrize(("version", "share"), [("0.4.6", 0.9), ("0.4.8", 0.9), ("0.4.10", 1), ("0.5.14", 1)])
def test_sglang_takes_a_tenth_of_a_set_share_before_0_4_10_alone(version: str, share: float) -> None:
    """model_executor/model_runner.py of 0.4.6 and 0.4.8; server_args.py of 0.4.10 on, of a share of its own only."""
    name, card, sglang = "Qwen/Qwen2.5-VL-7B-Instruct", CATALOG.gpus["h100_sxm"], CATALOG.engines["sglang"]
    stated = inference.profile(sglang, version, card, utilization=Fraction(8, 10))
    assert float(inference.towers(arch(name), stated)) == share
    own = inference.towers(arch(name), inference.profile(sglang, version, card))
    assert own == Fraction(9, 10) if share < 1 else Fraction(8, 10) < own < 1


@pytest.mark.parametrize(
    "version, gpu, ranks, share",
    [
        ("0.4.2", "rtx_4090", 1, "0.88"),
        ("0.4.2", "a100_sxm_80gb", 8, "0.81"),
        ("0.4.8", "h100_sxm", 1, "0.874"),
        ("0.5.6", "h100_sxm", 1, "0.835"),
        ("0.5.6", "h100_sxm", 8, "0.818"),
        ("0.5.6", "l40s", 4, "0.837"),
        ("0.5.12", "h100_sxm", 1, "0.83"),  # 464 MiB for 58 graphs of prefill chunks
        ("0.5.16", "rtx_4090", 1, "0.833"),
        ("0.5.23", "rtx_4090", 1, "0.704"),  # chunks of 4096 there
        ("0.5.12", "mi300x", 8, "0.862"),
    ],
)
def test_sglang_fills_by_the_rules_of_its_release(version: str, gpu: str, ranks: int, share: str) -> None:
    """mem_fraction_static by server_args.py: reserve = 512 + 1.5 chunk + 2 graph + 128 MiB a rank from 0.5.3 on."""
    found = inference.profile(CATALOG.engines["sglang"], version, CATALOG.gpus[gpu])
    assert 1 - inference.static_free(found, CATALOG.gpus[gpu], ranks) == Fraction(share)


def test_a_config_gives_the_tower_of_the_catalog(tmp_path: Path) -> None:
    """The shapes of Qwen2.5-VL-7B from its config.json are those of its row."""
    text = {
        "model_type": "qwen2_5_vl", "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28,
        "num_attention_heads": 28, "num_key_value_heads": 4, "vocab_size": 152064, "max_position_embeddings": 128000,
        "tie_word_embeddings": False, "torch_dtype": "bfloat16",
        "vision_config": {
            "depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16, "in_chans": 3,
            "out_hidden_size": 3584, "patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2,
        },
    }  # fmt: skip
    path = tmp_path / "config.json"
    path.write_text(json.dumps(text), encoding="utf-8")
    read = read_config(path)
    model = read[0] if isinstance(read, tuple) else read
    row = arch("Qwen/Qwen2.5-VL-7B-Instruct").vision
    found = model.architecture
    assert found is not None and found.vision is not None and row is not None
    assert replace(found.vision, source=row.source) == row


def test_sglang_keeps_more_free_where_ranks_have_sequences_of_their_own() -> None:
    """4.5 MiB for each of 512 sequences and rank, no graphs of prefill chunks (server_args.py)."""
    gpu, mixers = CATALOG.gpus["h100_sxm"], frozenset({"mla"})
    found = inference.profile(CATALOG.engines["sglang"], "0.5.12", gpu, mixers=mixers)
    one, own = (inference.static_free(found, gpu, 8, attention_ranks=own) for own in (1, 8))
    assert (own - one) * gpu.device_memory == pytest.approx((512 * 8 * 4.5 - 1536) * 2**20, abs=2**26)
    sparse = inference.profile(CATALOG.engines["sglang"], "0.5.12", gpu, mixers=mixers | {"sparse"})
    assert sparse.prefill_graphs == 0


def test_llama_cpp_loads_an_encoder_only_where_images_are_served() -> None:
    """A GGUF file without the one that `--mmproj` names serves text."""
    block = 'model = "google/gemma-3-27b-it"; context = 4Ki tokens; concurrency = 1; gpu = l40s; gpus = 1'
    plan = f"edition 2026\ninference w {{ {block}; engine = llama_cpp; weights = q8_0 }}\n"
    sizes = []
    for more in ("", "images = false", "images = true"):
        chosen = planner.solve(planner.load("plan.mem", text=plan.replace("q8_0", f"q8_0; {more}")))["w"].chosen
        assert chosen is not None
        sizes.append(chosen.parts["weights"] + chosen.parts["activations"])
    opaque = arch("google/gemma-3-27b-pt").opaque_params
    assert sizes[0] == sizes[1] < sizes[2] - opaque


def test_another_engine_serves_images_again() -> None:
    """What llama.cpp sets is not what an engine that is tried instead of it does."""
    text = 'edition 2026\ninference w { model = "google/gemma-3-27b-it"; context = 4Ki tokens; concurrency = 1; '
    problem = load_plan("plan.mem", text=f"{text}engine = llama_cpp }}\n").problem
    assert problem is not None
    (workload,) = problem.workloads
    assert workload.given["images"] is False and changed(workload, "concurrency", Fraction(2)).given["images"] is False
    assert changed(workload, "engine", "vllm").given["images"] is True
