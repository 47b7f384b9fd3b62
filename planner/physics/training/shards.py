"""What sharding, offloading and accumulation make of the states: what one GPU holds of the whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from planner.physics.training import deepspeed_bytes, fsdp
from planner.physics.training.fsdp import EMBEDDING, REDUCE, WHOLE, GatheredBytes, Unit, even
from planner.physics.training.recipe import share
from planner.record import dataclass

if TYPE_CHECKING:
    from planner.physics.training.choice import StateChoice


@dataclass(frozen=True, slots=True)
class States:
    """Bytes of one GPU. Gradients exist for the parameters that have them, `gradient_item` bytes each over
    `gradient_shards`, or all the time where they are `resident`; `beside` lives from forward to the end of backward,
    `buckets` of communication for good, `step` while the optimizer runs.

    `waits` parameters, the head's or a bucket's, have gradients that are counted at the end of backward only; where
    backward has been, `freed` bytes of a parameter are gathered no longer. `closing` are the gradients of the update.
    """

    weights: int
    master: int
    gradients: int
    closing: int
    optimizer: int
    beside: GatheredBytes
    buckets: int
    step: int
    gradient_item: int
    gradient_shards: int
    waits: int
    freed: int
    resident: bool
    making: int  # the most bytes of a layer's gradients in the making that stand beside the others
    trained: int
    notes: tuple[tuple[str, ...], ...] = ()

    @property
    def standing(self) -> int:
        """Bytes that are there all the time: weights, master weights and optimizer states."""
        return self.weights + self.master + self.optimizer

    def gradient(self, graded: int) -> int:
        """Bytes of gradients when `graded` parameters have theirs; all of them for a negative count."""
        if self.resident or graded < 0:
            return self.gradients
        graded = max(0, graded - self.waits)
        return min(self.gradients, -(-graded * self.gradient_item // self.gradient_shards))

    def gathered(self, place: int, graded: int) -> int:
        """Bytes of gathered weights at a place of the step (fsdp.py) where `graded` parameters have gradients."""
        whole: int = self.beside.gathered[place]
        return whole - self.freed * max(0, graded - self.waits)


def divided(whole: Any, choice: StateChoice, notes: tuple[tuple[str, ...], ...] = ()) -> States:
    """What one GPU holds of the whole: `whole`'s fields and the choice's dp, zero, pp, offload, replicas and
    accumulation are numbers, or arrays of numpy that fit together; the framework is one."""
    shards = choice.dp * choice.cp // choice.replicas
    if choice.framework == "deepspeed":
        return _stages(whole, choice, shards, notes)
    if choice.framework == "megatron":
        return _distributed(whole, choice, shards, notes)
    return _fully_sharded(whole, choice, shards, notes)


def _parted(size: Any, spread: Any, shards: Any) -> Any:
    """A share of what is divided: experts that expert parallelism splits have so many copies fewer."""
    return share(size + (shards > 1) * spread, shards)


def _stages(whole: Any, choice: StateChoice, shards: Any, notes: tuple[tuple[str, ...], ...]) -> States:
    """DeepSpeed's ZeRO (deepspeed_bytes.py)."""
    first = (choice.zero >= 1) * 1
    stays = 1 - first * (choice.offload != "none")
    state_shards = 1 + first * (shards - 1)
    own = deepspeed_bytes.divided(whole, choice, shards)
    full = whole.full_precision * 1
    return States(
        weights=own.weights,
        master=_parted(whole.master, whole.spread_master, state_shards) * stays,
        gradients=own.gradients,
        closing=own.closing,
        optimizer=_parted(whole.optimizer, whole.spread_optimizer, state_shards) * stays,
        beside=own.beside,
        buckets=own.buckets,
        step=_parted(whole.step, whole.spread_step, state_shards) * stays * (1 - full),
        gradient_item=whole.gradient_item,
        gradient_shards=1 + (choice.zero >= 2) * (shards - 1),
        waits=own.waits,
        freed=own.freed,
        resident=own.resident,
        making=whole.making,
        trained=whole.trained,
        notes=notes,
    )


def _distributed(whole: Any, choice: StateChoice, shards: Any, notes: tuple[tuple[str, ...], ...]) -> States:
    """Megatron-LM's distributed optimizer."""
    first, second, third = ((choice.zero >= stage) * 1 for stage in (1, 2, 3))
    stays = (choice.offload == "none") * 1
    gradient_shards, state_shards, weight_shards = (1 + stage * (shards - 1) for stage in (second, first, third))
    gradients = _parted(whole.gradients, whole.spread_gradients, gradient_shards)
    weights = _parted(whole.weights, whole.spread_weights, weight_shards)
    return States(
        weights=weights * (1 - third * (choice.offload == "parameters")) + whole.adapters,
        master=_parted(whole.master, whole.spread_master, state_shards) * stays,
        gradients=gradients,
        closing=gradients,
        optimizer=_parted(whole.optimizer, whole.spread_optimizer, state_shards) * stays,
        beside=even(third * whole.gathered),
        buckets=0 * gradients,
        step=_parted(whole.step, whole.spread_step, state_shards) * stays + (1 - first) * whole.replicated,
        gradient_item=whole.gradient_item,
        gradient_shards=gradient_shards,
        waits=0 * gradients,
        freed=0 * gradients,
        resident=(choice.accumulate * 1 | (whole.making == 0) * 1) == 1,
        making=whole.making,
        trained=whole.trained,
        notes=notes,
    )


def _fully_sharded(whole: Any, choice: StateChoice, shards: Any, notes: tuple[tuple[str, ...], ...]) -> States:
    """FSDP, and the Trainer's DDP (fsdp.py)."""
    zero, copies, full_precision, only_adapters = choice.zero, choice.dp, whole.full_precision, whole.only_adapters
    first, second, third = ((zero >= stage) * 1 for stage in (1, 2, 3))
    # transformers shards by FSDP too, but optimizer states alone under DDP (torch's ZeroRedundancyOptimizer)
    own = choice.framework == "transformers"
    shard = (not own) * 1 + own * second
    stays = (choice.offload == "none") * 1
    gone = shard * (choice.offload == "parameters")
    gradient_shards = 1 + second * (shards - 1)
    gradients = _parted(whole.gradients, whole.spread_gradients, gradient_shards)
    # FSDP2 hands gradients to the host as they are reduced, FSDP1 when backward ends
    kept = gradients * (1 - gone * (choice.fsdp == 2))
    # between the micro-batches of a pipeline FSDP shards nothing again, and gradients add up whole
    # (torch.distributed.fsdp, `reshard_after_forward=False` and `unsharded_accumulated_grad`)
    pipelined = shard * third * (choice.pp > 1) * (1 - only_adapters)
    # without stage 3 FSDP keeps what it computes with whole, beside its shards, until backward has passed; of what it
    # does not shard it copies a unit at a time, and only where the types differ
    half = shard * (1 - third) * (first * (copies > 1) | ((copies == 1) & full_precision))
    units = shard * (1 - first) * (copies > 1) * full_precision
    weight_shards, state_shards = 1 + (third + half * first) * (shards - 1), 1 + first * (shards - 1)
    weights = _parted(whole.weights, whole.spread_weights, weight_shards) + share(
        whole.adapters, 1 + shard * first * (shards - 1)
    )
    buckets = pipelined * whole.gradients + own * gradients * (copies > 1) * (1 - second)
    resident = (choice.accumulate * 1 | (whole.making == 0) * 1) == 1
    # beside copies of the shards what was reduced waits for the sum over the copies, until backward ends
    summed = second * (choice.replicas > 1) * whole.reduce_item
    late = (not choice.synced) * shard * second * (copies > 1) * (choice.pp == 1) * (choice.accumulate * 1)
    during = kept + share(summed * whole.trained, gradient_shards) * (1 - late * (choice.fsdp == 1))
    during = during + late * _more(_whole_gradients(whole, choice) - during)
    return States(
        weights=weights * (1 - gone) + shard * second * (copies > 1) * _reference(whole, choice, third)[0],
        master=_parted(whole.master, whole.spread_master, state_shards) * stays,
        gradients=during,
        closing=gradients * (1 - gone),
        optimizer=_parted(whole.optimizer, whole.spread_optimizer, state_shards) * stays,
        beside=_beside(
            *(whole, choice, third + units, half, pipelined, gradient_shards, resident * 1, shard * (copies > 1)),
            late,
        ),
        buckets=buckets,
        step=_parted(whole.step, whole.spread_step, state_shards) * stays + (1 - first) * whole.replicated,
        gradient_item=whole.gradient_item + summed,
        gradient_shards=gradient_shards,
        waits=shard * (copies > 1) * whole.waits * (1 - whole.split),
        freed=half * (1 - only_adapters) * whole.compute * (1 - late * (choice.fsdp == 1)),
        resident=resident,
        making=whole.making,
        trained=whole.trained,
        notes=notes,
    )


def _reference(whole: Any, choice: StateChoice, again: Any) -> tuple[Any, Any]:
    """Bytes of a reference model that FSDP has gathered for good, and beside them while it runs.

    It has no backward to give back what its forward leaves gathered: without stage 3 (`again` is 0) all, and FSDP1's
    outermost unit (torch, distributed/fsdp/_runtime_utils.py, `_post_forward_reshard`). Under FSDP2 trl makes one unit
    of it (1.16, models/utils.py, `prepare_fsdp`), of which the buffer that it was gathered in stands until it is done
    (`_fully_shard/_fsdp_state.py`).
    """
    if not choice.dpo:
        return 0, 0
    trained = 1 - whole.only_adapters
    if choice.framework == "accelerate" and choice.fsdp == 2:
        return trained * (1 - again) * whole.computed, trained * (1 + again) * whole.computed
    root, layer = whole.root * whole.compute, whole.layer * whole.compute
    return trained * (again * root + (1 - again) * whole.computed), trained * again * layer


def _whole_gradients(whole: Any, choice: StateChoice) -> Any:
    """Gradients that add up whole where only the last micro-batch reduces them, in the type that backward makes them
    in; FSDP2 keeps them in the type it reduces in (`to_accumulated_grad_if_needed`)."""
    item = whole.made_item if choice.fsdp == 1 else _more(whole.reduce_item - whole.made_item) + whole.made_item
    return item * whole.trained


def _more(size: Any) -> Any:
    """The size where it is more than nothing."""
    return size * (size > 0)


def _beside(
    undivided: Any,
    choice: StateChoice,
    again: Any,
    half: Any,
    pipelined: Any,
    shards: Any,
    resident: Any,
    copies: Any,
    late: Any,
) -> GatheredBytes:
    """What FSDP holds beside its shards; nothing where one GPU shards and copies nothing.

    Where only the last micro-batch reduces gradients (`late`), FSDP1's ZeRO 2 frees no weights in backward
    (`_should_free_in_backward`), and FSDP2's reductions free as much of the whole gradients as they take: beside these
    stands the embedding's newest.
    """

    def unit(size: Any, trained: Any) -> Unit:
        return Unit(
            size * undivided.compute,
            trained * undivided.made_item,
            trained * undivided.reduce_item,
            trained * undivided.gradient_item,
        )

    layer, root = unit(undivided.layer, undivided.layer_trained), unit(undivided.root, undivided.root_trained)
    waits, closing = undivided.waits * undivided.made_item, undivided.closing * undivided.made_item
    some, apart = ((again + half) > 0) * 1, undivided.split * (choice.framework == "accelerate")
    whole = fsdp.gathered(layer, root, undivided.computed, again)
    sent = fsdp.reduced(layer, root, waits, closing, shards, resident)
    if choice.framework == "accelerate" and choice.fsdp == 1:
        whole = fsdp.gathered_first(layer, root, undivided.computed, again)
        sent = fsdp.reduced_first(layer, root, waits, shards, (choice.zero > 0) * 1, late)
    elif choice.framework == "accelerate":
        trained = (undivided.root_trained > 0) * 1
        table = unit(undivided.table, undivided.table * trained)
        tail = unit(undivided.root - undivided.table, (undivided.root - undivided.table) * trained)
        whole = _either(apart, fsdp.gathered_apart(layer, table, tail, undivided.computed, again), whole)
        sent = _either(apart, fsdp.reduced_apart(layer, table, tail, shards, resident), sent)
    most = root.reduced + (layer.reduced - root.reduced) * (layer.reduced > root.reduced)
    stay = pipelined + late * (choice.fsdp == 1) * half
    if choice.fsdp == 2:
        newest = (apart * undivided.table + (1 - apart) * undivided.root_trained) * (undivided.root_trained > 0)
        kept = layer.kept + apart * _more((undivided.root_trained - newest) * undivided.gradient_item - layer.kept)
        # where they are summed in another type than backward makes them in, its newest stand beside them all along
        twice = newest * undivided.made_item * (undivided.reduce_item != undivided.made_item)
        sent = _either(late, fsdp.added(newest * undivided.made_item, share(kept, shards), sent[0] + twice), sent)
    # the reference runs behind the model's forward
    beyond = copies * _reference(undivided, choice, again)[1]
    whole = tuple(size + (place == WHOLE) * beyond for place, size in enumerate(whole))
    # the embedding's gradient is whole on every tensor rank from its backward on
    over = undivided.replicated - undivided.replicated_part
    return GatheredBytes(
        tuple(some * (size + stay * (undivided.computed - size)) for size in whole),
        tuple(
            copies * (size + pipelined * ((place == REDUCE) * most - size))
            + over * (resident if place < EMBEDDING else 1)
            for place, size in enumerate(sent)
        ),
    )


def _either(choice: Any, first: tuple[Any, ...], second: tuple[Any, ...]) -> tuple[Any, ...]:
    """The first where `choice` is 1, the second where it is 0."""
    return tuple(choice * one + (1 - choice) * other for one, other in zip(first, second, strict=True))
