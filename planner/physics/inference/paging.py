"""How vLLM lays layers of unlike caches into one pool of pages, which costs padding.

Layers of one kind form groups of a size; a block of every group takes the same bytes, so the smaller kinds are padded
to the size, and a recurrent state takes whole pages as large as a block of tokens (vllm/v1/core/kv_cache_utils.py
`_get_kv_cache_groups_uniform_page_size`, vllm/platforms/interface.py `_align_hybrid_block_size`).
"""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction

from planner.physics.inference.kv_cache import LayerCache

Groups = list[tuple[int, LayerCache]]


def paged(groups: Groups, block: int, pages: int) -> Groups:
    """The same layers in pages: counts padded to whole groups, a state in `pages` pages of a longer block.

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
    longer = -(-state // (token * block)) * block if state else 0
    out: Groups = []
    for (window, holds), count in kinds.items():
        whole = -(-count // size) * size
        if holds:
            out.append((whole, LayerCache(token, window, Fraction(0), block=max(longer, block) if longer else 0)))
        else:
            page = max(longer, block) * token
            out.append((whole, LayerCache(Fraction(0), None, pages * page, page_bits=token)))
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
