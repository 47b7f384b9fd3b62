"""Weights, master weights, gradients and optimizer states of one GPU, and what frameworks gather and buffer.

Who keeps what: PyTorch's own optimizers (torch.optim, 2.13) keep states in the parameter's type; transformers trains
fp32 weights under autocast; Megatron-LM and DeepSpeed train 16-bit weights with an fp32 master copy (ZeRO, arXiv
1910.02054); FSDP shards fp32 weights and gathers 16-bit ones, a layer and the next at a time (arXiv 2304.11277).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from math import ceil
from typing import Any, Final, NamedTuple

from planner.catalog.records import Architecture
from planner.physics.architecture import kind, layer_parameters, outside_parameters, parameters
from planner.physics.training.activations import ADAPTER_BYTES
from planner.physics.training.families import family
from planner.physics.training.low_precision import GROUP
from planner.physics.training.optimizers import LIMIT, adapter_parameters, optimizer_bytes, step_bytes
from planner.physics.training.pipeline import stage_runs
from planner.physics.training.recipe import AUTOCAST, recipe_for, share
from planner.record import dataclass

NF4_BYTES: Final = Fraction(1, 2) + Fraction(1, 64) + Fraction(4, 64 * 256)
"""NF4 with double quantisation: 4 bits, an 8-bit scale for 64 and an fp32 one for 256 of those (arXiv 2305.14314)."""
NF4_SINGLE: Final = Fraction(1, 2) + Fraction(4, 64)
DEEPSPEED_BUCKET: Final = 500_000_000
"""Elements of reduce_bucket_size and allgather_bucket_size, DeepSpeed's defaults (deepspeed/runtime/zero/config.py)."""


@dataclass(frozen=True, slots=True)
class StateChoice:
    """What the states depend on. `offload` is none, optimizer or parameters; `accumulate`: micro-batches add up."""

    method: str = "full"
    precision: str = "bf16"
    optimizer: str = "adamw"
    kernel: str = "foreach"
    framework: str = "transformers"
    zero: int = 0
    dp: int = 1
    tp: int = 1
    pp: int = 1
    cp: int = 1
    ep: int = 1
    rank: int = 16
    targets: tuple[str, ...] | str = "all_linear"
    adapter_precision: str = "fp32"
    double_quantized: bool = True
    frozen: tuple[str, ...] = ()
    dpo: bool = False
    offload: str = "none"
    accumulate: bool = False
    gradient_precision: str = ""


@dataclass(frozen=True, slots=True)
class States:
    """Bytes of one GPU. Gradients exist for the parameters that have them, `gradient_item` bytes each over
    `gradient_shards`, or all the time where they are `resident`; `gathered` lives from forward to the end of backward,
    `buckets` of communication for good, `step` while the optimizer runs."""

    weights: int
    master: int
    gradients: int
    optimizer: int
    gathered: int
    buckets: int
    step: int
    gradient_item: int
    gradient_shards: int
    resident: bool
    making: bool  # whether a layer's gradients in the making stand beside the others
    trained: int
    notes: tuple[str, ...] = ()

    @property
    def standing(self) -> int:
        """Bytes that are there all the time: weights, master weights and optimizer states."""
        return self.weights + self.master + self.optimizer

    def gradient(self, graded: int) -> int:
        """Bytes of gradients when `graded` parameters have theirs; all of them for a negative count."""
        if self.resident or graded < 0:
            return self.gradients
        return min(self.gradients, -(-graded * self.gradient_item // self.gradient_shards))


_LOCAL: dict[tuple[int, ...], tuple[Architecture, dict[str, int]]] = {}


def local_parameters(arch: Architecture, params: int, tp: int, pp: int, ep: int) -> dict[str, int]:
    """The result of `_local_parameters`, kept for the next question about the same architecture."""
    key = (id(arch), params, tp, pp, ep)
    if key not in _LOCAL:
        if len(_LOCAL) >= LIMIT:
            _LOCAL.clear()
        _LOCAL[key] = (arch, _local_parameters(arch, params, tp, pp, ep))
    return _LOCAL[key][1]


def _local_parameters(arch: Architecture, params: int, tp: int, pp: int, ep: int) -> dict[str, int]:
    """Parameters of the fullest GPU by class: matrices are split by tp, experts by ep, layers by pp, the rest is whole.

    A first or last pipeline stage holds the embedding or the head; the larger is counted.
    """
    counts = dict.fromkeys(parameters(arch), 0)
    counts["experts"] = 0
    for index, count in stage_runs(arch, pp):
        group = arch.groups[index]
        for name, size in layer_parameters(arch, group).items():
            if name == "mlp" and kind(group.ffn) == "moe" and ep > 1:
                routed = size - _dense_part(arch, index)
                counts["experts"] += count * share(share(routed, ep), tp)
                size -= routed
            counts[name] += count * (share(size, tp) if name in ("attention", "mlp") else size)
    outside = outside_parameters(arch)
    table, top = share(outside["embedding"], tp), share(outside["head"], tp)
    if pp > 1:
        closing = top or table
        counts["embedding"] += 0 if closing >= table else table
        counts["head"] += closing if closing >= table else 0
    else:
        counts["embedding"] += table
        counts["head"] += top
    counts["norm"] += outside["norm"]
    counts["other"] += outside["other"] + max(0, params - sum(parameters(arch).values()))
    return counts


def _dense_part(arch: Architecture, index: int) -> int:
    """Parameters of a MoE layer's feed-forward part that are no routed experts."""
    part = dict(arch.groups[index].ffn)
    part["experts"] = 0
    return layer_parameters(arch, replace(arch.groups[index], ffn=part))["mlp"]


def _routed(arch: Architecture, choice: StateChoice) -> int:
    """Parameters of routed experts among those counted as `mlp` on one GPU."""
    if choice.ep > 1:
        return 0
    runs = [run for run in stage_runs(arch, choice.pp) if kind(arch.groups[run[0]].ffn) == "moe"]
    sizes = ((layer_parameters(arch, arch.groups[index])["mlp"] - _dense_part(arch, index), n) for index, n in runs)
    return share(sum(size * count for size, count in sizes), choice.tp)


class Whole(NamedTuple):
    """The states before ZeRO and offloading divide them: bytes of one tensor and pipeline part.

    `computed` are the 16-bit weights a step computes with, `gathered` those of them that ZeRO 3 has at a time, `bucket`
    what DeepSpeed's communication buffers hold.
    """

    weights: int
    adapters: int
    master: int
    gradients: int
    optimizer: int
    step: int
    gradient_item: int
    trained: int
    computed: int
    gathered: int
    bucket: int
    full_precision: bool
    making: bool
    only_adapters: bool


def whole(arch: Architecture, params: int, choice: StateChoice) -> Whole:
    """The states of one tensor and pipeline part: what ZeRO's stage and the copies of the model do not change."""
    return wholes(arch, params, choice, (choice.optimizer,))[0]


def wholes(arch: Architecture, params: int, choice: StateChoice, optimizers: Sequence[str]) -> list[Whole]:
    """The same for several optimizers."""
    counts = local_parameters(arch, params, choice.tp, choice.pp, choice.ep)
    local = sum(counts.values())
    adapters = choice.method in ("lora", "qlora")
    mixed = choice.precision in AUTOCAST
    recipe = recipe_for(choice.precision, choice.framework, choice.method)
    trained = local
    if adapters:
        trained = adapter_parameters(arch, choice.rank, choice.targets, choice.tp, choice.pp)
    elif choice.frozen:
        trained -= sum(size for name, size in counts.items() if name in choice.frozen)
    full_precision = mixed and choice.framework != "transformers" and not adapters
    kept_item = 4 if full_precision and choice.framework == "fsdp" else recipe.item
    if choice.method == "qlora":
        rest = counts["embedding"] + counts["head"] + counts["norm"] + counts["router"]
        each = NF4_BYTES if choice.double_quantized else NF4_SINGLE
        weights = ceil(each * (local - rest)) + 2 * rest
    else:
        weights = kept_item * local
    if choice.method == "qat":
        # a scale in the weights' type and an int32 zero point a group stay in each fake quantiser; experts have none
        inside = 0 if family(arch).conv1d else counts["attention"] + counts["mlp"] - _routed(arch, choice)
        weights += share((recipe.item + 4) * (inside + (counts["head"] or counts["embedding"])), GROUP)
    if recipe.products == "te_cached":
        # Transformer Engine's copies of the weights, by rows and by columns
        weights += 2 * (counts["attention"] + counts["mlp"] + counts["experts"])
    if choice.dpo and not adapters:
        weights += recipe.item * local  # the frozen reference model
    adapter_item = ADAPTER_BYTES[choice.adapter_precision]
    gradient_item = adapter_item if adapters else _gradient_item(choice, recipe.item, full_precision)
    state_item = adapter_item if adapters else 4 if full_precision else recipe.item
    unit = max((sum(layer_parameters(arch, group).values()) for group in arch.groups), default=0)
    outer = counts["embedding"] + counts["head"] + (0 if adapters else counts["head"] or counts["embedding"])
    compute = _gathered_item(choice, recipe.item, full_precision)
    out = []
    for optimizer in optimizers:
        out.append(
            Whole(
                weights,
                adapter_item * trained if adapters else 0,
                4 * trained if full_precision and choice.framework in ("megatron", "deepspeed") else 0,
                gradient_item * trained,
                optimizer_bytes(arch, choice, optimizer, trained, counts, state_item),
                step_bytes(arch, choice, optimizer, trained, counts, gradient_item, recipe.item, full_precision),
                gradient_item,
                trained,
                compute * local,
                _gathered(choice, share(unit, choice.tp), outer, compute, compute if adapters else gradient_item),
                2 * 2 * min(DEEPSPEED_BUCKET, trained) if choice.framework == "deepspeed" and not adapters else 0,
                full_precision,
                not (choice.framework == "megatron" and full_precision),
                adapters,
            )
        )
    return out


def states(arch: Architecture, params: int, choice: StateChoice) -> States:
    """The states of one GPU (see the module)."""
    notes = []
    if choice.dpo and choice.method not in ("lora", "qlora"):
        notes.append("dpo: a frozen reference model stands beside the trained one")
    if recipe_for(choice.precision, choice.framework, choice.method).products == "te_cached":
        notes.append("fp8: Transformer Engine's copies of the weights, by rows and by columns, stand beside them")
    if choice.framework == "transformers" and choice.dp > 1 and choice.zero == 0:
        notes.append("ddp: its buckets hold a second copy of the gradients")
    if choice.optimizer == "paged_adamw_8bit":
        notes.append("paged optimizer states may leave the GPU: counted as none")
    return divided(whole(arch, params, choice), choice, tuple(notes))


def divided(found: Any, choice: StateChoice, notes: tuple[str, ...] = ()) -> States:
    """What one GPU holds of the whole: `found`'s fields and the choice's dp, zero, pp, offload and accumulation are
    numbers, or arrays of numpy that fit together; the framework is one."""
    fsdp = choice.framework == "fsdp"
    zero, copies, full_precision, only_adapters = choice.zero, choice.dp, found.full_precision, found.only_adapters
    shards = copies * choice.cp
    first, second, third = ((zero >= stage) * 1 for stage in (1, 2, 3))
    stays = (choice.offload == "none") * 1
    gradient_shards = 1 + second * (shards - 1)
    gradients = share(found.gradients, gradient_shards)
    # between the micro-batches of a pipeline FSDP shards nothing again, and gradients add up whole
    # (torch.distributed.fsdp, `reshard_after_forward=False` and `unsharded_accumulated_grad`)
    pipelined = fsdp * third * (choice.pp > 1) * (1 - only_adapters)
    # SHARD_GRAD_OP: fp32 shards, and the 16-bit weights whole from forward to the end of backward
    half = fsdp * first * (1 - third) * full_precision
    weights = share(found.weights, 1 + (third + half) * (shards - 1)) * (1 - third * (choice.offload == "parameters"))
    buckets = pipelined * found.gradients + found.bucket * (copies > 1) * (first - third)
    if choice.framework == "transformers":
        buckets = buckets + gradients * (copies > 1) * (1 - first)
    return States(
        weights + found.adapters,
        share(found.master, 1 + first * (shards - 1)) * stays,
        gradients,
        share(found.optimizer, 1 + first * (shards - 1)) * stays,
        third * (found.gathered + pipelined * (found.computed - found.gathered)) + half * found.computed,
        buckets,
        share(found.step, 1 + first * (shards - 1)) * stays,
        found.gradient_item,
        gradient_shards,
        choice.accumulate | (1 - found.making) == 1,
        found.making,
        found.trained,
        notes,
    )


def _gradient_item(choice: StateChoice, item: int, full_precision: bool) -> int:
    if choice.gradient_precision:
        return 4 if choice.gradient_precision == "fp32" else 2
    if full_precision and choice.framework in ("megatron", "fsdp"):
        return 4
    return item


def _gathered(choice: StateChoice, unit: int, outer: int, compute: int, gradient: int) -> int:
    """Bytes of ZeRO 3's weights at a time: the layer at work and the one fetched ahead.

    FSDP's root unit, with embedding and head, stays whole, as the head's gradient does, which waits for the embedding's
    to be reduced with it; and a layer more is there: in forward the gathered one that was copied, in backward its
    gradients on their way (torch 2.13, distributed/fsdp/_fully_shard/_fsdp_collectives.py).
    """
    return compute * 2 * unit + (compute * outer + gradient * unit if choice.framework == "fsdp" else 0)


def _gathered_item(choice: StateChoice, item: int, full_precision: bool) -> int:
    return 2 if full_precision or choice.framework == "deepspeed" else item
