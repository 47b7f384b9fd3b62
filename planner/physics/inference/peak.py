"""Activations and logits of an engine at its peak: one forward pass, the sampler, the encoder of images at work."""

from __future__ import annotations

from fractions import Fraction
from math import ceil
from typing import Final

from planner.catalog.architecture import (
    Attention,
    CompressedAttention,
    Experts,
    FeedForward,
    GatedDeltaNet,
    LatentAttention,
)
from planner.catalog.records import Architecture
from planner.physics.inference.llama_cpp import compute_buffer
from planner.physics.inference.profile import Profile
from planner.physics.inference.sampling import first_start, logits, sampler_states
from planner.physics.inference.vision import images, pass_tokens
from planner.physics.remembered import remembered

COMPRESSED_LIVES: Final = Fraction(21, 10)
"""How often the parts of a token of compressed attention are there at the peak: 0.65 MiB of 0.31."""

CHUNK: Final = 64
"""Tokens of a chunk of a gated delta net."""


def _inner(arch: Architecture, tp: int) -> int:
    """The inner width of the widest dense feed-forward part on one rank."""
    dense = [group.ffn.inter for group in arch.groups if isinstance(group.ffn, FeedForward)]
    return -(-max(dense, default=0) // tp)


def activations(
    arch: Architecture, max_batched_tokens: int, tp: int = 1, ep: int = 1, ranks: int = 1, chunk: int = 0
) -> int:
    """Peak of one forward pass in 16 bit: the larger of what its feed-forward parts need.

    A dense one holds gate and up, their product, and input, residual and output: 2 bytes × tokens × 3 (i + h), `tp`
    splits i; 0.5 % from vLLM 0.6's logs at 20,000 and 29,000 tokens. A mixture of experts holds hidden and residual,
    and the routed tokens' products and outputs of at most `chunk` tokens at a time (vLLM, fused_moe.py); `ep` leaves
    experts whole, and where `ranks` split attention by sequences it computes the tokens of all of them.
    """
    largest = 2 * max_batched_tokens * 3 * (_inner(arch, tp) + arch.hidden)
    for group in arch.groups:
        ffn = group.ffn
        if isinstance(ffn, Experts):
            inner, width = -(-ffn.inter // max(1, tp // ep)), ffn.latent or arch.hidden
            tokens = max_batched_tokens * ranks
            routed = ffn.topk * (inner + max(2 * inner, width))
            shared = -(-(ffn.shared_inter + ffn.plus_dense) // tp)
            passing = tokens * (2 * arch.hidden + 3 * shared)
            largest = max(largest, 2 * (passing + min(tokens, chunk or tokens) * routed))
        if isinstance(group.mixer, GatedDeltaNet):
            largest = max(largest, max_batched_tokens * (_scan_bytes(group.mixer, tp) + 4 * arch.hidden))
    return largest


EAGER: Final = ("gpt_oss", "gemma2", "mimo_v2_flash")
"""Families whose attention transformers runs operation by operation by default (5.24, _supports_sdpa
is False): a score is there in 16 bit before and after its softmax in fp32 (eager_attention_forward)."""
EAGER_BYTES: Final = 8


def batch(arch: Architecture, tokens: int, prompt: int, tp: int = 1) -> int:
    """Peak of attention where the prompts of a batch are computed whole, as transformers does; zero for other mixers.

    A token has its residual, the normed copy, query, key, value and output. Prompts of unlike lengths, where `tokens`
    are more than one `prompt`, have a mask of a byte for each pair of tokens, of which PyTorch's attention makes a
    bias in 16 bit, and keys and values repeated to all heads (transformers 5.24 integrations/sdpa_attention.py,
    use_gqa_in_sdpa; masking_utils.py; PyTorch aten/native/transformers/attention.cpp, convert_boolean_attn_mask). No
    step of it is measured here.
    """
    largest = 0
    for group in arch.groups:
        match group.mixer:
            case Attention() as mixer:
                query, key, value = mixer.widths
                repeated = 2 * query
            case LatentAttention(heads=heads, v_head_dim=value):
                query = key = repeated = heads * group.mixer.query
                value *= heads
            case _:
                continue
        each = 2 * (2 * arch.hidden + -(-(2 * query + key + value) // tp))
        if tokens > prompt:
            each += 2 * -(-repeated // tp) + 3 * prompt
        if arch.family in EAGER:
            each += EAGER_BYTES * -(-group.mixer.heads // tp) * prompt
        largest = max(largest, each * tokens)
    return largest


def compressed(arch: Architecture, tokens: int, tp: int = 1, ep: int = 1) -> int:
    """Peak of one forward pass of compressed attention (DeepSeek-V4) in vLLM; zero for other models.

    A token has four residual streams and their mixture, the attention's output for 64 heads or 128 however few the
    rank has, its queries, the indexer's, and the routed experts' workspace (vLLM 0.27, models/deepseek_v4). The parts
    live about twice: 0.65 MiB a token of DeepSeek-V4-Flash, 5.30 GiB at 8,224 and 1.39 at 2,048
    (MiaAI-Lab/DeepSeek-v4-Flash-One-DGX-Spark#4), one pair.
    """
    largest = 0
    for group in arch.groups:
        mixer, ffn = group.mixer, group.ffn
        if not isinstance(mixer, CompressedAttention):
            continue
        heads, size = mixer.heads, mixer.head_dim
        each = 16 * arch.hidden + 2 * size * (max(64, heads) + -(-heads // tp))
        each += 3 * mixer.index_heads * mixer.index_dim
        if isinstance(ffn, Experts):
            inner = -(-ffn.inter // max(1, tp // ep))
            each += 2 * ffn.topk * (max(inner, arch.hidden) + max(2 * inner, arch.hidden))
        largest = max(largest, ceil(COMPRESSED_LIVES * each * tokens))
    return largest


def _scan_bytes(mixer: GatedDeltaNet, tp: int) -> int:
    """Bytes of a token in the chunked scan of gated delta nets (flash-linear-attention ops/chunk.py), one rank's share.

    16 bit: the projection of queries, keys, values and gate, the convolved and the split ones, the four products of
    the scan and the gated output, a state for each chunk of 64; fp32: two chunk-wide matrices for each head.
    """
    heads, size, keys, values = mixer.v_heads, mixer.k_dim, mixer.keys, mixer.values
    moving = (2 * keys + 2 * values) + 2 * (2 * keys + values) + heads * size + 4 * values
    states = heads * size * mixer.v_dim // CHUNK
    return -(-(2 * (moving + states) + 8 * heads * CHUNK) // tp)


def follows_load(profile: Profile) -> bool:
    """Whether `peak` depends on how many sequences there are and how long they are: llama.cpp's does."""
    return profile.engine == "llama_cpp"


@remembered(8192)
def peak(
    arch: Architecture,
    profile: Profile,
    tp: int = 1,
    ep: int = 1,
    *,
    ranks: int = 1,
    stages: int = 1,
    context: int = 0,
    sequences: int = 1,
    first: bool = True,
) -> tuple[int, int]:
    """(activations, logits) at the engine's peak: the largest of its moments, what is not there then is zero.

    What a sampler keeps for good is there at all of them, and on a `first` start the compiler. Images add a moment
    of their own, the encoder at work, and its outputs beside the forward pass and the sampler. `ranks` split
    attention by sequences. The `context` of all `sequences`, and how many GPUs take the layers in turn (`stages`),
    matter to llama.cpp. What a draft model proposes has logits of its own, of all `sequences`.
    """
    encoding, kept = images(arch, profile, tp)
    if profile.engine == "llama_cpp":
        rows = sequences * (1 + profile.drafted) if profile.outputs_by_sequence else profile.max_batched_tokens
        forward, sampler = compute_buffer(
            arch, context, profile.fused, stages=stages, outputs=rows, windows=profile.windows
        )
        return forward + 2 * encoding, sampler
    latent = any(isinstance(group.mixer, LatentAttention) for group in arch.groups)
    tokens = pass_tokens(profile) if kept else profile.max_batched_tokens
    if latent:  # before version 0.8 vLLM prefills latent attention whole
        tokens = max(tokens, profile.whole_prompt)
    forward = activations(arch, tokens, tp, ep, ranks, profile.expert_tokens)
    if profile.budget == "utilization":
        forward = max(forward, compressed(arch, tokens, tp, ep), first_start(arch, profile, tokens, tp) if first else 0)
    if profile.whole_batches:
        mask = tokens * profile.whole_prompt if tokens > profile.whole_prompt else 0
        forward = max(forward + mask, batch(arch, tokens, profile.whole_prompt, tp))
    rows = max(profile.max_sequences, sequences * (1 + profile.drafted) if profile.drafted else 0)
    sampler = logits(arch, rows, profile.sampler_bytes_per_logit)
    if profile.budget == "free":  # TensorRT-LLM allocates the buffers of both ahead
        return max(encoding, kept + forward), sampler
    states = sampler_states(arch, profile)
    if max(encoding, kept + forward) >= kept + sampler:
        return max(encoding, kept + forward), states
    return kept, states + sampler
