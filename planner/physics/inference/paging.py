"""How vLLM lays layers of unlike caches into one pool of pages, which costs padding.

Layers of one kind form groups of a size; a block of every group takes the same bytes, so the smaller kinds are padded
to the size, and a recurrent state takes whole pages as large as a block of tokens (vllm/v1/core/kv_cache_utils.py
`_get_kv_cache_groups_uniform_page_size`, vllm/platforms/interface.py `_align_hybrid_block_size`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from fractions import Fraction
from math import lcm
from typing import Final

from planner.catalog.architecture import CompressedAttention
from planner.catalog.programs.engines import Release
from planner.catalog.records import Architecture, Format, Gpu
from planner.physics.inference.kv_cache import (
    Groups,
    LayerCache,
    entry_bits,
    format_bits,
    index_bits,
)


def paged(groups: Groups, block: int, pages: int, multiple: int = 1) -> Groups:
    """The same layers in pages: counts padded to whole groups, a state in `pages` pages of a longer block.

    Blocks beside states hold whole multiples of `multiple` tokens too.
    Layers of one kind, of unlike bytes a token, or of an encoder or of compressed attention stay as they are.
    """
    kinds: dict[tuple[int | None, bool], int] = defaultdict(int)
    for count, cache in groups:
        if count and (cache.token_bits or cache.state_bits):
            kinds[cache.window, bool(cache.token_bits)] += count
    sizes = {cache.token_bits for count, cache in groups if count and cache.token_bits}
    if not pages or len(kinds) < 2 or len(sizes) != 1 or any(cache.encoder or cache.beside for _, cache in groups):
        return groups
    (token,) = sizes
    least, most = min(kinds.values()), max(kinds.values())
    size = most if 2 * most < 3 * least else least
    state = max((cache.state_bits for _, cache in groups if not cache.token_bits), default=Fraction(0))
    step = lcm(block, multiple)
    longer = -(-state // (token * step)) * step if state else 0
    out: list[tuple[int, LayerCache]] = []
    for (window, holds), count in kinds.items():
        whole = -(-count // size) * size
        if holds:
            out.append((whole, LayerCache(token, window, Fraction(0), block=max(longer, block) if longer else 0)))
        else:
            page = max(longer, block) * token
            out.append((whole, LayerCache(Fraction(0), None, pages * page, page_bits=token)))
    return out


def divided(groups: Groups, windows: Fraction, slots: int, states: Fraction) -> Groups:
    """The same layers in pools of fixed sizes, as SGLang divides its memory.

    Windows have `windows` places for each token of the whole, so a token costs that much of theirs beside all of the
    others' (model_executor/pool_configurator.py, HybridSWAPoolConfigurator). States have `states` bytes for each byte
    of the tokens' pool; a sequence takes `slots` of them, what its prefixes are cached in included, and one is spare
    (mem_cache/kv_cache_configurator.py, _handle_max_mamba_cache, resolve_max_num_reqs).
    """
    whole, near, out = Fraction(0), Fraction(0), []
    spans = [cache.window for _, cache in groups if cache.window is not None and not cache.beside]
    for count, cache in groups:
        if windows and spans and cache.token_bits and not cache.encoder:
            if cache.window is None:
                whole += count * cache.token_bits
            else:
                near += count * cache.token_bits
        elif states and cache.state_bits:
            taken = LayerCache(Fraction(0), None, slots * cache.state_bits, ratio=states, spare_bits=cache.state_bits)
            out.append((count, taken))
        else:
            out.append((count, cache))
    if whole and near:
        out.append((1, LayerCache(whole + windows * near, max(spans), Fraction(0), ratio=windows)))
    elif near:
        out.append((1, LayerCache(near, max(spans), Fraction(0))))
    return out


def pages(budget: int, groups: Groups, per_sequence: int) -> int | None:
    """How many pages the pool of a hybrid model has, each of a group of layers; None where no states share a pool.

    vLLM: num_gpu_blocks, of which every sequence takes at least one for its recurrent state.
    """
    states = [cache for _, cache in groups if cache.page_bits]
    if not states or not per_sequence:
        return None
    page = max(cache.state_bits for cache in states) / per_sequence
    size = min(count for count, cache in groups if count and (cache.token_bits or cache.state_bits))
    return int(8 * max(0, budget) // (page * size))


def checkpoints(row: Release, gpu: Gpu | None, mixers: frozenset[str]) -> tuple[int, int]:
    """Pages that a state takes beside its own for a checkpoint within a prefill, and what tokens of a block divide by.

    vLLM exports the state at a block's end from inside one forward pass where the kernel of the model's states can
    (v1/kv_cache_interface.py, num_prefill_checkpoint_blocks). What is not known of a GPU is taken on the safe side.
    """
    capability = None if gpu is None else gpu.compute_capability
    kinds = [
        kind
        for kind, on in row.state_checkpoints.items()
        if kind in mixers and (not on or capability is None or capability in on)
    ]
    return (1 if kinds else 0), max((row.checkpoint_tokens.get(kind, 1) for kind in kinds), default=1)


POOL_BLOCK: Final = 256
"""Tokens of a block of compressed attention (vLLM, models/deepseek_v4/attention.py; SGLang's page)."""
WINDOW_BLOCK: Final = 64
PAGE_STEP: Final = {True: 576, False: 512}
"""What a page is rounded up to, of a cache below 16 bit and of one in 16 bit."""
RING: Final = 128
"""Tokens of the windows' pool for which SGLang keeps one ring of the numbers being pooled."""
WINDOW_SHARE: Final = Fraction(1, 10)
"""SGLang's pool of windows, of the tokens of the whole (swa_full_tokens_ratio)."""


def pooled(arch: Architecture, fmt: Format, how: str, pp: int = 1) -> Groups | None:
    """The cache of compressed attention (DeepSeek-V4) as an engine pools it; None for other models, and engines.

    vLLM: every kind of cache is paged by itself, all take blocks from one pool, and a block costs the whole stride
    whichever takes it: of the widest group of layers (`widest`), or until 0.28 of groups of one size (`groups`).
    SGLang: so many bytes for each token of the pool, a tenth of them with windows and states (`tokens`;
    model_executor/pool_configurator.py, _get_bytes_per_full_token).
    """
    layers = [(group.count, group.mixer) for group in arch.groups if isinstance(group.mixer, CompressedAttention)]
    if not how or not layers or len(layers) < len(arch.groups):
        return None
    bits, _ = format_bits(fmt)
    counts: dict[int, int] = defaultdict(int)
    for count, mixer in layers:
        counts[mixer.rate] += -(-count // pp)
    mixers = {mixer.rate: mixer for _, mixer in layers}
    rated = {rate: count for rate, count in counts.items() if rate}
    entry = entry_bits(next(iter(mixers.values())), bits) / 8
    indexes = {rate: index_bits(mixers[rate]) / 8 for rate in rated}
    pools = {rate: _pool_bytes(mixers[rate]) for rate in rated}
    if how == "tokens":
        whole = sum((count * (entry + indexes[rate]) / rate for rate, count in rated.items()), Fraction(0))
        windows = sum(counts.values()) * entry + sum(
            count * sum(pools[rate]) * Fraction(mixers[rate].overlap * rate, RING) for rate, count in rated.items()
        )
        return [(1, LayerCache(8 * (whole + WINDOW_SHARE * windows), None, Fraction(0), block=POOL_BLOCK))]
    step = PAGE_STEP[bits < 16]
    pages = {
        rate: sum(_up(size * POOL_BLOCK / rate, step) for size in (entry, indexes[rate]) if size) for rate in rated
    }
    every, widest = sum(counts.values()), max(rated.values())
    shared = min(range(widest, every + 1), key=lambda size: (_rounding(size, every, rated, widest), -size))
    stride = (
        sum(count * pages[rate] for rate, count in rated.items())
        if how == "widest"
        else shared * sum(pages[rate] for rate in rated)
    )
    caches: list[tuple[int, LayerCache]] = [
        (1, LayerCache(Fraction(8 * stride, POOL_BLOCK), None, Fraction(0), block=POOL_BLOCK))
    ]
    window = next(iter(mixers.values())).window
    caches.append((-(-every // shared), _beside(stride, window, WINDOW_BLOCK, "window")))
    for rate in sorted(rated):
        caches.append((1, _beside(stride, mixers[rate].overlap * rate, _page_tokens(mixers[rate]), "state")))
    return caches


def _beside(stride: int, window: int, block: int, name: str) -> LayerCache:
    """A cache of a window that takes one block more than the window has, as it starts anywhere in one."""
    return LayerCache(Fraction(8 * stride, block), window + block, Fraction(0), beside=name, block=block)


def _page_tokens(mixer: CompressedAttention) -> int:
    """Tokens of a page of the numbers being pooled."""
    return 4 if mixer.index_dim else 8


def _pool_bytes(mixer: CompressedAttention) -> tuple[int, int]:
    """Bytes of a token being pooled: a value and a score in fp32, of the entry and of the indexer's key."""
    each = 2 * mixer.overlap * 4
    return each * mixer.head_dim, each * mixer.index_dim


def _rounding(size: int, every: int, rated: Mapping[int, int], widest: int) -> int:
    return sum(-(-count // size) * size for count in (widest, every, *rated.values()))


def _up(size: Fraction, step: int) -> int:
    return int(-(-size // step)) * step
