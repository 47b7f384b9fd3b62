"""Layers that a checkpoint leaves in 16 bit, and a cache whose scales are counted, by their bytes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from planner.catalog.catalog import Catalog
from planner.physics import inference

CATALOG = Catalog(Path(__file__).parents[1] / "catalogs")
VLLM = CATALOG.engines["vllm"]
LLAMA = CATALOG.models["meta-llama/Llama-3.1-8B"]


def test_layers_that_a_checkpoint_leaves_alone() -> None:
    """Two layers of dense parts in 16 bit cost their other half; in a pipeline all may lie on the fullest stage."""
    arch, fp8 = LLAMA.architecture, CATALOG.formats["fp8_e4m3"]
    assert arch is not None
    two = replace(fp8, partly=(("dense", 2),))
    dense = 3 * 4096 * 14336
    for pp in (1, 4):
        more = inference.weights_per_gpu(arch, LLAMA.params, two, pp=pp) - inference.weights_per_gpu(
            arch, LLAMA.params, fp8, pp=pp
        )
        assert more == pytest.approx(2 * dense, rel=0.01)
    every = inference.weights_per_gpu(arch, LLAMA.params, replace(fp8, leaves=(*fp8.leaves, "dense")))
    assert inference.weights_per_gpu(arch, LLAMA.params, replace(fp8, partly=(("dense", 32),))) == every


def test_an_int8_cache_with_a_scale_for_each_token_and_head() -> None:
    """500 blocks of 256 tokens of 28 layers with 8 heads of 128: 14000.0 MiB in 16 bit and 7218.8 in int8, as measured
    in GeeeekExplorer/nano-vllm#184, whose scales are those of vLLM's int8_per_token_head."""
    arch = CATALOG.models["Qwen/Qwen3-0.6B"].architecture
    assert arch is not None
    for name, mib in (("bf16", 14000.0), ("int8", 7218.8)):
        profile = inference.profile(VLLM, None, CATALOG.gpus["h100_sxm"], context=256)
        groups = inference.cache_groups(arch, CATALOG.formats[name], profile)
        held = inference.bytes_held(groups, inference.Sequences(256, 500), profile.block)
        assert held / 2**20 == pytest.approx(mib, abs=0.06)  # printed to a tenth of a MiB
