"""Pages of recurrent states in vLLM's pool, counted by hand from the shapes and rules of each release's own code."""

from __future__ import annotations

import pytest

from planner.catalog.load import load
from planner.catalog.records import Model
from planner.physics import inference

CATALOG = load()[0]
NEMOTRON, NEXT = "nvidia/Nemotron-H-8B-Base-8K", "Qwen/Qwen3-Next-80B-A3B-Instruct"
CONTEXT = 8192
SHAPES = {
    # bytes of a token in one attention layer, of a state, layers of a group, groups of attention and of states
    NEMOTRON: (2 * 8 * 128 * 2, (8192 + 2 * 8 * 128) * 3 * 2 + 128 * 64 * 128 * 4, 4, 1, 6),
    NEXT: (2 * 2 * 256 * 2, (2 * 16 * 128 + 32 * 128) * 3 * 2 + 32 * 128 * 128 * 2, 12, 1, 3),
}


@pytest.mark.parametrize(
    ("model", "release", "gpu", "pages", "step"),
    [
        (NEMOTRON, "0.31", "h100_sxm", 2, 16),
        (NEMOTRON, "0.32", "h100_sxm", 3, 16),
        (NEMOTRON, "0.33", "a100_sxm_80gb", 3, 16),
        (NEMOTRON, "0.33", "mi300x", 3, 16),
        (NEXT, "0.32", "h100_sxm", 2, 16),
        (NEXT, "0.33", "h100_sxm", 3, 64),
        (NEXT, "0.33", "b200", 3, 64),
        (NEXT, "0.33", "a100_sxm_80gb", 2, 16),
        (NEXT, "0.33", "mi300x", 2, 16),
    ],
)
def test_a_checkpoint_within_a_prefill_takes_a_third_page(
    model: str, release: str, gpu: str, pages: int, step: int
) -> None:
    """MambaSpec.max_memory_usage_bytes: 2 pages, and num_prefill_checkpoint_blocks more, which Mamba-2 has since 0.32
    and gated delta nets have in 0.33 where FlashInfer prefills; its blocks are whole multiples of 64 tokens."""
    token, state, layers, attention, states = SHAPES[model]
    block = -(-state // (step * token)) * step
    page = block * token * layers
    per_request = attention * -(-CONTEXT // block) + states * pages
    row = CATALOG.find_model(model)
    assert isinstance(row, Model) and row.architecture is not None
    arch = row.architecture
    engine = inference.profile(
        CATALOG.engines["vllm"], release, CATALOG.gpus[gpu], mixers=inference.traits(arch), family=arch.family
    )
    groups = inference.cache_groups(arch, CATALOG.formats["bf16"], engine)
    one = inference.sequences(engine, CONTEXT, 1)
    assert inference.most_sequences(1000 * page, groups, one, engine.block) == 1000 // per_request
    assert inference.pages(1000 * page, groups, engine.state_pages) == 1000
