"""What a budget of KV cache holds: tokens, sequences of a context, context of some sequences; all in closed form."""

from __future__ import annotations

import bisect
import itertools
from dataclasses import replace
from fractions import Fraction
from math import ceil, floor

from planner.physics.inference.kv_cache import Groups, Sequences, bytes_held


def pool_tokens(budget: int, groups: Groups, block: int = 1, request: Sequences | None = None) -> int:
    """Tokens one shared pool of `budget` bytes holds, in whole blocks, as engines report it: every layer counts.

    What compressed attention keeps beside its compressed tokens is bounded for a sequence and does not. With a
    `request` it is the tokens of as many such requests as the pool holds, as vLLM reports it from 0.21 on.
    """
    per_token = sum((count * cache.pool_bits for count, cache in groups if not cache.beside), Fraction(0))
    if not per_token or budget <= 0:
        return 0
    if request is not None and request.context:
        return budget * request.context // max(1, bytes_held(groups, request, block))
    step, ratio = _step(groups, block), max((cache.ratio for _, cache in groups if cache.state_bits), default=0)
    budget = floor(budget / (1 + ratio))  # the rest is the states' pool
    return floor(8 * budget / per_token) // step * step


def _step(groups: Groups, block: int) -> int:
    return max((cache.block for _, cache in groups if cache.block), default=block)


def most_sequences(budget: int, groups: Groups, sequences: Sequences, block: int = 1) -> int | None:
    """How many sequences like these the budget holds; None where a sequence costs nothing."""
    if budget <= 0:
        return 0
    many = (1 << 20, 1 << 21)
    if sequences.states and bytes_held(groups, _with(sequences, sequences.states), block) > budget:
        many = (1, 2)  # below the sequences whose states are there anyway
    few, more = (bytes_held(groups, _with(sequences, count), block) for count in many)
    if few == more:  # all there is to hold is shared
        if more <= budget:
            return None
        guess = 0
    else:
        slope = more - few
        guess = max(0, (budget - few) * (many[1] - many[0]) // slope + many[0])
    while bytes_held(groups, _with(sequences, guess + 1), block) <= budget:
        guess += 1
    while guess and bytes_held(groups, _with(sequences, guess), block) > budget:
        guess -= 1
    return guess


def _with(sequences: Sequences, concurrency: int) -> Sequences:
    return replace(sequences, concurrency=concurrency)


def longest_context(budget: int, groups: Groups, sequences: Sequences, block: int = 1, limit: int = 1 << 27) -> int:
    """The longest context, in whole blocks up to `limit`, at which these sequences fit.

    Bytes are linear in the context between the windows, so each piece is solved at once.
    """
    least, block = block, _step(groups, block)

    def bytes_at(blocks: int | Fraction) -> int:
        context = int(blocks * block)
        return bytes_held(
            groups,
            replace(sequences, context=context, shared_prefix=min(sequences.shared_prefix, context)),
            block,
        )

    top = limit // block
    bends = {0, top}
    for _, cache in groups:
        if cache.window is not None:
            full = cache.window + sequences.chunk_each + sequences.chunk // max(1, sequences.concurrency)
            for tokens in (cache.window, full, *((ceil(full / cache.ratio),) if cache.ratio else ())):
                bends |= {-(-tokens // block) + near for near in (-1, 0, 1)}
    bends |= {-(-sequences.shared_prefix // block) + near for near in (-1, 0, 1)}
    if any(cache.ratio and cache.state_bits for _, cache in groups):  # up to here the states' pool decides
        flat = bisect.bisect_right(range(top + 1), bytes_at(0), key=bytes_at)
        bends |= {flat - 1, flat, flat + 1}
    best = 0
    points = sorted(point for point in bends if 0 <= point <= top)
    for low, high in itertools.pairwise(points):
        if bytes_at(high) <= budget:
            best = high
            continue
        start = bytes_at(low)
        if start > budget:
            break
        slope = Fraction(bytes_at(high) - start, high - low)
        guess = min(high, low + floor((budget - start) / slope))
        while guess > low and bytes_at(guess) > budget:
            guess -= 1
        while guess < high and bytes_at(guess + 1) <= budget:
            guess += 1
        best = max(best, guess)
        break
    if best == top and block != least and bytes_at(Fraction(limit, block)) <= budget:
        return limit // least * least
    return best * block
