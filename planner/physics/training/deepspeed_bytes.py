"""What DeepSpeed's ZeRO holds beside its shards: buckets, gathered weights, reductions, and gradients in the update.

DeepSpeed 0.19.8 (deepspeed/runtime: `zero/stage_1_and_2.py`, `zero/stage3.py`, `zero/partitioned_param_coordinator.py`,
`bf16_optimizer.py`), measured on fake tensors and on gloo ranks (docs/accuracy.md). Sizes are in elements, as its
configuration has them; everything else is bytes of one GPU. Stages, offloading and accumulation are numbers or arrays.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from planner.physics.training.fsdp import EMBEDDING, FIRST, LAST, LOSS, PLACES, REDUCE, GatheredBytes
from planner.physics.training.recipe import share


class Sizes(NamedTuple):
    """The sizes of DeepSpeed's configuration, in elements, under their own names without the stage."""

    reduce_bucket: int
    sub_group: int = 1_000_000_000
    live: int = 1_000_000_000
    reuse: int = 1_000_000_000
    prefetch: int = 50_000_000


DEFAULTS: Final = Sizes(500_000_000)
"""Those of the release (runtime/zero/config.py)."""


def automatic(hidden: int) -> Sizes:
    """What the Trainer puts for `auto` (transformers 5.24, integrations/deepspeed.py, `trainer_config_finalize`)."""
    return Sizes(hidden * hidden, prefetch=9 * hidden * hidden // 10)


def straddling(whole: Any, shards: Any) -> Any:
    """Bytes of the weight that lies on two ranks beyond a rank's own part: stages 1 and 2 keep its gradient whole."""
    return 2 * _most(whole.inner, whole.table - share(whole.trained, shards)) * (shards > 1) * (1 - whole.only_adapters)


class DividedStates(NamedTuple):
    """What divides and comes beside: `weights`, `gradients` while backward runs, `closing` those of the update,
    `buckets` for good; the rest as in States."""

    weights: Any
    gradients: Any
    closing: Any
    buckets: Any
    beside: GatheredBytes
    waits: Any
    freed: Any
    resident: Any


def _least(first: Any, second: Any) -> Any:
    return second + (first - second) * (first < second)


def _most(first: Any, second: Any) -> Any:
    return second + (first - second) * (first > second)


def update(whole: Any, sizes: Sizes, zero: Any, shards: Any, foreach: bool) -> Any:
    """Bytes of gradients in the norm and the update beside their shards: flat ones, their fp32 copies, fp64 of one.

    Stages 1 and 2 flatten what a rank has and cast it (`step`), and take the norm in fp64 (`get_norm_dtype`); stage 3
    works on a sub-group at a time beside the buffer that never goes. Without ZeRO all become fp32 (BF16_Optimizer).
    """
    own, weight = share(whole.trained, shards), whole.largest
    low = _most(6 * own, 8 * _least(weight, own)) + straddling(whole, shards)
    group = _least(sizes.sub_group + share(weight, shards), own)
    third = _most((8 if foreach else 6) * group, 8 * share(weight, shards))
    return (zero == 0) * 4 * whole.trained + ((zero == 1) | (zero == 2)) * low + (zero == 3) * third


def divided(states: Any, choice: Any, shards: Any) -> DividedStates:
    """What one GPU holds in ZeRO's stages; `states` is a Whole."""
    zero, sizes, item = choice.zero, choice.sizes, states.gradient_item
    third, low = (zero == 3) * 1, ((zero == 1) | (zero == 2)) * 1
    away = (choice.offload != "none") * 1 * ((zero > 0) * 1)
    gone = third * (choice.offload == "parameters")
    again = choice.accumulate * 1
    trained, bucket = states.trained, _least(sizes.reduce_bucket, states.trained)
    table, weight = states.table * (1 - states.only_adapters), states.largest
    # with fp32 gradients stage 1 is another class, whose gradients are there for good
    whole = (zero == 1) * (item == 4)

    weights = states.weights + states.adapters
    weights = weights * (1 - third) + third * (
        share(weights + states.spread_weights, shards) * (1 - gone) + 2 * states.small
    )
    # two buffers of the largest weight wait for what comes back from the host
    weights = weights + low * away * 2 * weight
    gradient_shards = 1 + (zero >= 2) * (shards - 1)
    gradients = share(states.gradients + (gradient_shards > 1) * states.spread_gradients, gradient_shards) * (1 - away)
    own = share(states.gradients, 1 + (zero >= 1) * (1 - whole) * (shards - 1)) * (1 - away)
    flat = update(states, sizes, zero, shards, choice.kernel == "foreach") * states.full_precision
    flat = flat + whole * 2 * share(trained, shards)
    closing = own + flat * (1 - away) + (1 - states.full_precision) * (gradients - own)

    # a bucket, twice where reductions overlap, from the first gradient to the end of backward, in ZeRO 3 for good
    held_bucket = 2 * sizes.reduce_bucket * (1 + choice.overlap)
    full = 2 * bucket * (trained >= sizes.reduce_bucket)
    every = share(states.computed, states.compute) - states.only_adapters * states.table
    limit = _least(_most(max(sizes.live * (sizes.prefetch > 0), sizes.reuse) + 0 * every, 2 * states.inner), every)
    mixed = 2 * _least(bucket, every - limit)
    large = (table > sizes.reduce_bucket) * 1
    kept = 2 * share(bucket, gradient_shards) * (1 - again) * (1 - away)
    alone = (zero == 2) * 2 * table + share(2 * table, 4)
    alone = alone * (1 - away) + away * 10 * table  # moved as fp32, beside itself and what it was reduced from
    low_end = held_bucket + large * alone + (1 - large) * (2 * bucket - kept)
    third_end = large * 2 * table + (1 - large) * 2 * bucket + away * 4 * table
    # on its way to the host the head's gradient stands beside a copy where not all weights can stay
    beyond = 2 * table * away * (every > limit)
    inner = states.inner * (states.inner > sizes.reduce_bucket)
    reduced = []
    for place in range(PLACES):
        if place in (EMBEDDING, REDUCE):
            reduced.append(low * low_end + third * third_end + (zero == 0) * (place == REDUCE) * 2 * trained)
        elif LAST <= place <= FIRST:
            reduced.append(low * (held_bucket + full + 10 * away * inner) + third * (full if place == FIRST else mixed))
        else:
            # from the second micro-batch on, stage 1 still has its buckets
            reduced.append((zero == 1) * again * held_bucket + third * beyond * (place == LOSS))

    # ZeRO 3 gathers ahead until the limit of live elements is reached, and keeps what is soon used again
    gathered = [third * states.compute * limit * (place < EMBEDDING) for place in range(PLACES)]
    gathered[EMBEDDING] = third * states.compute * states.inner
    return DividedStates(
        weights=weights,
        gradients=gradients,
        closing=closing,
        buckets=third * 2 * sizes.reduce_bucket,
        beside=GatheredBytes(tuple(gathered), tuple(reduced)),
        waits=low * bucket * (1 - again) * (1 - whole) + third * (every - limit),
        freed=third * states.compute * (1 - states.only_adapters),
        resident=(again | third | whole) == 1,
    )
