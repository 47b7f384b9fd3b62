"""KV cache and recurrent state on one GPU: what each kind of layer holds for a token and for a sequence.

Checked against 82 log lines (median error 0.02 %), see docs/accuracy.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import ceil
from typing import Final, NamedTuple, assert_never

from planner.catalog.architecture import (
    Attention,
    CompressedAttention,
    GatedDeltaNet,
    LatentAttention,
    LightningAttention,
    Mamba1,
    Mamba2,
    NoPart,
    Recurrent,
    ShortConvolution,
)
from planner.catalog.records import Architecture, Format, Layers
from planner.record import dataclass

SIXTEEN: Final = Fraction(16)
PRECISE_STATES: Final = ("qwen3_5", "qwen3_5_moe", "qwen3_5_text", "qwen3_5_moe_text", "nemotron_h")
"""Families whose config asks for recurrent states in fp32 (mamba_ssm_dtype, mamba_ssm_cache_dtype; vLLM
model_executor/models/config.py)."""
INDEX_SCALE_BITS: Final = 32
"""An fp32 scale for each 128 fp8 numbers of a sparse-attention indexer's keys (DeepSeek-V3.2, vLLM sparse_attn_indexer:
132 bytes for 128)."""
LATENT_SCALE_BITS: Final = 32
"""An fp32 scale for each 128 latents below 16 bit where attention is sparse; the rotated part stays in 16 bit (vLLM,
v1/kv_cache_interface.py, fp8_ds_mla: 656 bytes for 512 latents and 64 rotated)."""
ENTRY_SCALE_BITS: Final = 8
"""A scale of 8 bit for each 64 unrotated numbers and one to align, below 16 bit (there: DeepSeek-V4, 584 bytes for 448
and 64)."""


@dataclass(frozen=True, slots=True)
class LayerCache:
    """What one layer holds on one GPU: bits a token, the window that bounds it, bits a sequence.

    `encoder` layers hold the tokens of images instead of those of the text. `beside` is what a layer of compressed
    attention keeps beside its compressed tokens: the last ones whole (`window`), the pool it compresses (`state`).
    `block` is a block of tokens of its own, `page_bits` what a state costs for each token of the pool it shares with
    the layers that hold tokens. `ratio` is of a pool of a fixed size: of windows, their places for each token of the
    whole; of states, their bytes for each byte of the tokens' pool, with `spare_bits` in it that no sequence has.
    """

    token_bits: Fraction
    window: int | None
    state_bits: Fraction
    encoder: bool = False
    beside: str = ""
    block: int = 0
    page_bits: Fraction = Fraction(0)
    ratio: Fraction = Fraction(0)
    spare_bits: Fraction = Fraction(0)

    @property
    def pool_bits(self) -> Fraction:
        """Bits of one token's place in a shared pool."""
        return self.page_bits or self.token_bits


Groups = Sequence[tuple[int, LayerCache]]
"""How many layers there are of each kind, with what one of them holds."""


class Pools(NamedTuple):
    """How an engine divides its cache before it serves; a release of it says what each is."""

    state_batches: bool = False
    state_slots: int = 1
    state_ratio: Fraction = Fraction(0)
    window_ratio: Fraction = Fraction(0)


@dataclass(frozen=True, slots=True)
class Sequences:
    """The sequences that must be resident on a replica.

    `context` tokens of each, the first `shared_prefix` of them stored once for all; `chunk` tokens are in prefill at
    a time and windowed layers hold them too, or `chunk_each` of every sequence; `vision` tokens of images where a layer
    attends to an encoder; `states` sequences have a recurrent state, however many there are.
    """

    context: int
    concurrency: int
    shared_prefix: int = 0
    chunk: int = 0
    vision: int = 0
    states: int = 0
    chunk_each: int = 0


def _state_elements(mixer: Recurrent, hidden: int) -> tuple[int, int]:
    """Numbers of one sequence's recurrent state and of its convolution window."""
    match mixer:
        case GatedDeltaNet(keys=keys, values=values):
            return values * mixer.k_dim, (2 * keys + values) * (mixer.d_conv - 1)
        case Mamba1(d_inner=inner):
            return inner * mixer.d_state, inner * (mixer.d_conv - 1)
        case Mamba2(d_inner=inner, d_state=states):
            return inner * states, (inner + 2 * mixer.groups * states) * (mixer.d_conv - 1)
        case LightningAttention():
            return mixer.heads * mixer.head_dim**2, 0
        case ShortConvolution():
            return 0, hidden * (mixer.d_conv - 1)
        case _:
            assert_never(mixer)


def layer_cache(
    group: Layers,
    hidden: int,
    bits: Fraction,
    tp: int = 1,
    *,
    scale_bits: int = 0,
    state_bits: int = 16,
    windows: bool = True,
    latent_multiple: int = 1,
) -> LayerCache:
    """The cache of one layer.

    `bits` and `scale_bits` are those of a number and of a head's scale in the KV format; `state_bits` what the engine
    keeps recurrent states in, `latent_multiple` what it pads a latent's width to; without `windows` it keeps every
    token. Heads fewer than ranks are replicated, latents (MLA) are not split by `tp`.
    """
    mixer = group.mixer
    match mixer:
        case Attention():
            if mixer.kv_shared:
                return LayerCache(Fraction(0), None, Fraction(0))
            _, key, value = mixer.widths
            local = max(1, -(-mixer.kv_heads // tp))
            limit = (mixer.window or mixer.chunk) if windows else 0
            token = local * (Fraction(key + value, mixer.kv_heads) * bits + 2 * scale_bits)
            return LayerCache(token + 16 * mixer.index_dim, limit or None, Fraction(0), mixer.cross)
        case LatentAttention(kv_lora_rank=latent, rope=rope):
            width = -(-(latent + rope) // latent_multiple) * latent_multiple
            token = width * bits + (scale_bits if bits < 16 else 0)
            if bits < 16 and (mixer.index_dim or mixer.index_shared):
                token = latent * bits + LATENT_SCALE_BITS * -(-latent // 128) + 16 * rope
            return LayerCache(token + index_bits(mixer), None, Fraction(0))
        case CompressedAttention(rate=rate):
            if not rate:
                return _local(mixer, bits, windows)
            return LayerCache((entry_bits(mixer, bits) + index_bits(mixer)) / rate, None, Fraction(0))
        case NoPart():
            return LayerCache(Fraction(0), None, Fraction(0))
        case GatedDeltaNet() | Mamba1() | Mamba2() | LightningAttention() | ShortConvolution():
            state, convolution = _state_elements(mixer, hidden)
            return LayerCache(Fraction(0), None, Fraction(-(-state // tp) * state_bits + -(-convolution // tp) * 16))
        case _:
            assert_never(mixer)


def index_bits(mixer: LatentAttention | CompressedAttention) -> Fraction:
    """Bits of an indexer's key, in fp8 with its scales."""
    width = mixer.index_dim
    return Fraction(8 * width + INDEX_SCALE_BITS * -(-width // 128))


def entry_bits(mixer: CompressedAttention, bits: Fraction) -> Fraction:
    """Bits of what is key and value at once in compressed attention."""
    size, rope = mixer.head_dim, mixer.rope
    if bits >= 16:
        return size * bits
    return (size - rope) * bits + 16 * rope + ENTRY_SCALE_BITS * (-(-(size - rope) // 64) + 1)


def _local(mixer: CompressedAttention, bits: Fraction, windows: bool) -> LayerCache:
    window = mixer.window if windows else None
    return LayerCache(entry_bits(mixer, bits), window, Fraction(0), beside="window")


def beside_caches(group: Layers, bits: Fraction, windows: bool = True) -> tuple[LayerCache, ...]:
    """What a layer of compressed attention keeps beside its compressed tokens; nothing for other layers.

    The window of whole tokens, and for each token in the pool a value and a score in fp32, twice where windows overlap
    (vLLM, models/deepseek_v4/compressor.py; its page sizes are those of vllm-project/vllm#54703).
    """
    mixer = group.mixer
    if not isinstance(mixer, CompressedAttention) or not mixer.rate:
        return ()
    pool = LayerCache(
        Fraction(2 * mixer.overlap * (mixer.head_dim + mixer.index_dim) * 32),
        mixer.overlap * mixer.rate,
        Fraction(0),
        beside="state",
    )
    return _local(mixer, bits, windows), pool


def layer_caches(
    arch: Architecture,
    bits: Fraction = SIXTEEN,
    tp: int = 1,
    pp: int = 1,
    *,
    scale_bits: int = 0,
    state_bits: int = 16,
    windows: bool = True,
    latent_multiple: int = 1,
    layer_split: bool = False,
) -> list[tuple[int, LayerCache]]:
    """Layers of each kind on the fullest stage: kinds alternate, so a stage holds its share of each, rounded up.

    With `layer_split` the head counts as one more layer, as llama.cpp splits.
    """
    more = 1 if layer_split and pp > 1 else 0
    caches = []
    for group in arch.groups:
        count = -(-group.count * (arch.layers + more) // (arch.layers * pp))
        main = layer_cache(
            group,
            arch.hidden,
            bits,
            tp,
            scale_bits=scale_bits,
            state_bits=state_bits,
            windows=windows,
            latent_multiple=latent_multiple,
        )
        caches += [(count, cache) for cache in (main, *beside_caches(group, bits, windows))]
    return caches


def format_bits(fmt: Format) -> tuple[Fraction, int]:
    """Bits of a number and of a head's scale of a KV format, whose scales stand apart or in its blocks.

    A format of caches alone has its scales nowhere else; keys and values of unlike bits count at their middle.
    """
    if not fmt.kv_scale_bits:
        return fmt.bits, 0
    return (fmt.bits if fmt.roles == ("kv_cache",) else Fraction(fmt.element_bits)), fmt.kv_scale_bits


def _blocks(tokens: int, block: int) -> int:
    return -(-tokens // block) * block


def bytes_held(groups: Groups, sequences: Sequences, block: int = 1) -> int:
    """Bytes these layers hold for these sequences, in whole blocks of tokens.

    A windowed layer keeps the window of each sequence and, once, the chunk in prefill (vLLM, SlidingWindowSpec).
    Of pools of fixed sizes the one that is short decides how large the others are.
    """
    total, states, ratio = Fraction(0), Fraction(0), Fraction(0)
    holders = max(sequences.concurrency, sequences.states)
    for count, cache in groups:
        step = cache.block or block
        tokens = _blocks(sequences.context, step)
        shared = min(sequences.shared_prefix, sequences.context) // step * step
        everything = sequences.concurrency * (tokens - shared) + shared
        if cache.encoder:
            kept = sequences.concurrency * _blocks(sequences.vision, step)
        elif cache.window is None:
            kept = everything
        else:
            window = min(tokens, _blocks(cache.window, step))
            each = window + sequences.chunk_each
            kept = min(sequences.concurrency * each + _blocks(sequences.chunk, step), everything)
            if cache.ratio:
                kept = max(everything, ceil(kept / cache.ratio))
        total += count * kept * cache.token_bits
        states += count * (holders * cache.state_bits + cache.spare_bits)
        ratio = max(ratio, cache.ratio if cache.state_bits else ratio)
    if ratio:
        return ceil(max(total * (1 + ratio), states * (1 + ratio) / ratio) / 8)
    return ceil((total + states) / 8)


def kv_cache(
    arch: Architecture,
    bits: Fraction = SIXTEEN,
    tp: int = 1,
    pp: int = 1,
    context: int = 0,
    concurrency: int = 1,
    block: int = 1,
    *,
    scale_bits: int = 0,
    state_bits: int = 16,
    windows: bool = True,
    shared_prefix: int = 0,
    chunk: int = 0,
    vision: int = 0,
) -> int:
    """Bytes of `concurrency` sequences of `context` tokens, in whole blocks, on the fullest GPU."""
    groups = layer_caches(arch, bits, tp, pp, scale_bits=scale_bits, state_bits=state_bits, windows=windows)
    return bytes_held(groups, Sequences(context, concurrency, shared_prefix, chunk, vision), block)


def _token_bytes(arch: Architecture, bits: Fraction, tp: int, windowed: bool) -> int:
    fitting = (
        count * cache.token_bits
        for count, cache in layer_caches(arch, bits, tp)
        if not cache.encoder and cache.beside != "state" and (cache.window is not None) == windowed
    )
    return ceil(sum(fitting, Fraction(0)) / 8)


def kv_bytes_per_token(arch: Architecture, bits: Fraction = SIXTEEN, tp: int = 1) -> int:
    """Bytes a token costs in the layers that hold every token."""
    return _token_bytes(arch, bits, tp, False)


def window_bytes_per_token(arch: Architecture, bits: Fraction = SIXTEEN, tp: int = 1) -> int:
    """Bytes a token inside the window costs in the layers that hold only a window."""
    return _token_bytes(arch, bits, tp, True)


def state_bytes(arch: Architecture, tp: int = 1, state_bits: int = 16) -> int:
    """Bytes of one sequence's recurrent states, in numbers of `state_bits`, and of pools that compressed attention
    fills."""
    states = (
        count * (cache.state_bits + (cache.token_bits * (cache.window or 0) if cache.beside == "state" else 0))
        for count, cache in layer_caches(arch, SIXTEEN, tp, state_bits=state_bits)
    )
    return ceil(sum(states, Fraction(0)) / 8)
