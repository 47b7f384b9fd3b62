"""What one rank keeps in host memory when it offloads: shards of states, gradients on their way, pinned blocks.

DeepSpeed 0.19.8 (`zero/stage_1_and_2.py`, `zero/stage3.py`), torch 2.13's FSDP1 and FSDP2, measured on host storages
(docs/accuracy.md). DeepSpeed's buffers are counted as pinned, as the Trainer's own configurations have them
(`pin_memory`): torch rounds each pinned block up to a power of two (ATen/core/CachingHostAllocator.h), 16-bit flat
buffers are a block a rank each, fp32 ones a block a sub-group, and pinning weights copies them, so that the original
stands beside the copy. Two public reports agree (deepspeedai/DeepSpeed: a 33B that 600 GB do not hold, for which 750
to 800 are asked; a 32B that was killed at 744 GB).
"""

from __future__ import annotations

from dataclasses import replace

from planner.catalog.records import Architecture
from planner.physics.training.activations import recomputed, stages
from planner.physics.training.choice import ActivationChoice, StateChoice
from planner.physics.training.pipeline import Stage
from planner.physics.training.recipe import share
from planner.physics.training.states import whole


def block(size: int) -> int:
    """Bytes of a pinned block."""
    return 1 << (size - 1).bit_length() if size > 0 else 0


def _blocks(each: int, group: int, item: int) -> int:
    """Bytes of a flat buffer of so many elements, pinned a sub-group at a time."""
    whole_ones, rest = divmod(each, group)
    return whole_ones * block(item * group) + block(item * rest)


def host(arch: Architecture, params: int, choice: StateChoice, pinned: bool = True) -> int:
    """Bytes of host memory of one rank, at the most it holds in a step; 0 where nothing is offloaded or paged.

    AdamW on the host is DeepSpeed's own kernel, which needs nothing beside its states; FSDP steps with torch's, two
    tensors of the largest weight's shard beside them.
    """
    paged = choice.optimizer.startswith("paged_")
    if choice.offload == "none" and not paged:
        return 0
    undivided, shards = whole(arch, params, choice), choice.dp * choice.cp // choice.replicas
    parted = shards if choice.zero >= 1 else 1
    # paged states are counted on no GPU, so that all of them may be here
    pages = share(undivided.paged, parted)
    if choice.offload == "none":
        return pages
    states = share(undivided.master + undivided.optimizer, parted) + pages
    if choice.framework == "deepspeed":
        if choice.zero == 0:
            return pages
        own = share(undivided.trained, shards)
        group = choice.sizes.sub_group if choice.zero == 3 else max(1, own)
        single = _blocks(own, group, 4) if pinned else 4 * own
        master = single if undivided.full_precision else 0
        # the optimizer's own states are not pinned in stages 1 and 2
        extra = (single - 4 * own) * 2 if choice.zero == 3 and 4 * own else 0
        states = states - share(undivided.master, shards) + master + extra
        rounded = block if pinned else int
        if choice.zero < 3:
            again = 2 * own if choice.accumulate and choice.zero == 2 else 0
            return states + single + 2 * own + again + 2 * undivided.largest
        weights = share(undivided.weights + undivided.adapters, shards) if choice.offload == "parameters" else 0
        return states + single + rounded(2 * own) + rounded(weights) + (weights if pinned else 0)
    if choice.offload == "optimizer" or choice.framework not in ("fsdp", "accelerate"):
        return states
    # PyTorch's CPU offloading takes weights, gradients and states along
    parted = shards if choice.zero >= 1 else 1
    kept = share(undivided.weights + undivided.adapters, parted) + share(undivided.gradients, parted)
    # FSDP1 steps on flat units
    flat = (
        max(undivided.root, undivided.layer)
        if choice.framework == "accelerate" and choice.fsdp == 1
        else undivided.largest
    )
    return states + kept + 2 * undivided.gradient_item * share(flat, parted)


def stashes(arch: Architecture, choice: ActivationChoice) -> tuple[Stage, ...]:
    """The stages of a step with the activations that `offload_activations` moves to the host; none where nothing is."""
    return stages(arch, replace(choice, offload=False)) if choice.offload else ()


def stashed(arch: Architecture, choice: ActivationChoice, held: tuple[Stage, ...], checkpointed_layers: int) -> int:
    """Bytes of host memory of one rank for the activations of `stashes`, of its fullest stage.

    Each tensor is a pinned block (trl 1.16, models/activation_offloading.py: `use_pin_memory`), rounded up to a power
    of two: exactly for a layer's input, which is one tensor; of layers that are kept whole at most to twice their size.
    """
    most = 0
    for stage in held:
        layers = recomputed(arch, choice, stage.depth, checkpointed_layers)
        light = sum(block(stage.at(place).thin) for place in range(layers))
        kept = sum(stage.at(place).kept for place in range(layers, stage.depth))
        most = max(most, share((light + 2 * kept) * stage.in_flight[0], stage.in_flight[1]))
    return most
