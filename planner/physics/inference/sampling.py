"""What a serving engine keeps for each logit: the sampler at work, its states, and its warm-up; and a first start.

vLLM's second model runner (v1/worker/gpu, since 0.25 for dense models, since 0.29 for all) keeps counts for penalties
of every sequence and token of the vocabulary, and profiles a sampler that draws from the 16-bit logits; since 0.33 it
profiles the sampler that its warm-up runs, after the cache is there.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil
from typing import Final

from planner.catalog.architecture import Experts, indexer
from planner.catalog.records import Architecture
from planner.physics.inference.profile import Profile

STATE_BYTES: Final = Fraction(33, 8)
"""A 4-byte count and a bit for each sequence and token of the vocabulary (vllm/v1/worker/gpu/sample/penalties.py,
0.25.0 to 0.33.0: output_bin_counts, prompt_bin_mask)."""


def traits(arch: Architecture | None) -> frozenset[str]:
    """The kinds of a model's mixers; "sparse" where attention has an indexer, "experts" where it has experts."""
    if arch is None:
        return frozenset()
    kinds = {group.mixer.kind for group in arch.groups}
    if "compressed" in kinds or any(indexer(group.mixer)[0] for group in arch.groups):
        kinds.add("sparse")
    if any(isinstance(group.ffn, Experts) for group in arch.groups):
        kinds.add("experts")
    return frozenset(kinds)


def logits(arch: Architecture, max_sequences: int, sampler_bytes: Fraction = Fraction(77, 2)) -> int:
    """Peak of the sampler: so many bytes for each logit of each sequence.

    Sorting for top-p keeps the 16-bit and fp32 logits, the sorted copy with 8-byte indices and the buffers of the
    sort: 38.5 bytes in 19 vLLM logs.
    """
    return ceil(sampler_bytes * max_sequences * arch.vocab)


def sampler_states(arch: Architecture, profile: Profile) -> int:
    """Counts that the sampler keeps for penalties, of every sequence: there from the start."""
    return ceil(STATE_BYTES * profile.max_sequences * arch.vocab) if profile.counts_tokens else 0


def warm_up(arch: Architecture, profile: Profile) -> int:
    """The sampler's warm-up, after the cache is allocated: of two tokens of each sequence that a batch has room for.

    With every option on, top-k and top-p hold the logits in 16 and 32 bit, masked, and as probabilities: 14 bytes
    (v1/worker/gpu/warmup.py, sample/sampler.py; flashinfer top_k_top_p_sampling_from_logits). A start on four H100 ran
    out of memory there with 18 bytes left for each (vllm-project/vllm#48601), which is what is kept.
    """
    sequences = min(profile.max_sequences, max(1, profile.max_batched_tokens // 2))
    return logits(arch, sequences, profile.warm_up_bytes_per_logit)


def first_start(arch: Architecture, profile: Profile, tokens: int, tp: int = 1) -> int:
    """Peak while a first start compiles the model, which the profiling run sees: the kernels tuned on copies.

    A copy of one rank's embedding, and what goes in and out of it: 1.49 GiB of Qwen3-14B, whose two first starts print
    1.48 and 1.50 (samilazrak/vllm-optimization-lab@a7b193a); 0.47 GiB above a later start of Qwen3-32B on two ranks
    (vllm-project/vllm#54383), 0.43 here. A later start, whose compiled code is kept, has more room for its cache.
    """
    if not profile.compiles:
        return 0
    width = arch.embed_dim or arch.hidden
    return 2 * (-(-arch.vocab // tp) * width + 2 * tokens * arch.hidden)
