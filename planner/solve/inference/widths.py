"""What ranks cannot share evenly, whatever the format: feed-forward parts, a vocabulary, the heads of a draft.

vLLM and SGLang divide each of these by the ranks and stop where a remainder is left (vllm/distributed/utils.py divide;
vllm/model_executor/layers/linear.py ColumnParallelLinear, vocab_parallel_embedding.py VocabParallelEmbedding and
fused_moe/config.py FusedMoEConfig, mamba/mamba_mixer2.py, 0.32.0; sglang/srt/layers/linear.py,
attention/mamba/mamba.py and moe/fused_moe_triton/layer.py, 0.5.23). A draft model is split as its target is
(vllm/config/speculative.py: verify_with_parallel_config of the draft).
"""

from __future__ import annotations

from collections.abc import Iterator

from planner.catalog.architecture import Attention, Experts, FeedForward, GatedDeltaNet, Mamba1, Mamba2
from planner.catalog.records import Architecture
from planner.solve.inference.workload import InferenceWorkload
from planner.solve.needs import Need, need
from planner.solve.parallelism import Split, heads_divide


def uneven(service: InferenceWorkload, split: Split) -> Need | None:
    """Return what of a model, or of the one that drafts, is no multiple of the ranks; None where all of it is.

    Ranks that have sequences of their own share experts alone.
    """
    arch, block = service.model.architecture, service.engine.vocabulary_block
    if arch is None or split.tensor == 1 or service.by_sequence:
        return None
    if service.engine.own_kv_heads:
        for group in arch.groups:
            if isinstance(group.mixer, Attention) and group.mixer.kv_heads % split.tensor:
                return need("even_widths", "kv_heads", group.mixer.kv_heads)
    if not service.engine.whole_blocks:
        return None
    for what, width in _widths(arch, split):
        if width % split.tensor:
            return need("even_widths", what, width)
    draft = service.extras.draft[0] if service.extras.draft else None
    padded = -(-arch.vocab // block) * block if block else 0
    if padded % split.tensor:
        return need("even_widths", "vocabulary", padded)
    return need("even_draft") if draft is not None and not heads_divide(draft, split.tensor) else None


def _widths(arch: Architecture, split: Split) -> Iterator[tuple[str, int]]:
    """Yield each width that all ranks share, and its name; whole experts are on the rank that holds them."""
    for group in arch.groups:
        match group.mixer:
            case Mamba1(d_inner=inner):
                yield "recurrent", inner
            case Mamba2(groups=groups) if groups > 1:
                yield "recurrent_groups", groups
            case GatedDeltaNet(k_heads=heads):
                yield "recurrent_keys", heads
            case _:
                pass
        match group.ffn:
            case FeedForward(inter=inter):
                yield "feed_forward", inter
            case Experts(inter=inter, shared_inter=shared, plus_dense=dense):
                yield "expert", inter * split.expert
                yield "shared_expert", shared
                yield "dense_part", dense
            case _:
                continue
