"""Weights, master weights, gradients and optimizer states of one GPU, and what frameworks gather and buffer.

Who keeps what: PyTorch's own optimizers (torch.optim, 2.13) keep states in the parameter's type; transformers trains
fp32 weights under autocast; Megatron-LM and DeepSpeed train 16-bit weights with an fp32 master copy (ZeRO, arXiv
1910.02054); FSDP shards fp32 weights and gathers 16-bit ones, a layer and the next at a time (arXiv 2304.11277).
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import ceil
from typing import Final, NamedTuple

from planner.catalog.architecture import Experts
from planner.catalog.records import Architecture
from planner.physics.architecture import layer_parameters, outside_parameters, parameters, routed_parameters
from planner.physics.training.choice import ADAPTER_BYTES, StateChoice, adapter_bytes
from planner.physics.training.families import family
from planner.physics.training.low_precision import GROUP
from planner.physics.training.optimizer_bytes import (
    LIMIT,
    adapter_parameters,
    bnb_states,
    largest,
    optimizer_bytes,
    step_bytes,
)
from planner.physics.training.pipeline import stage_runs
from planner.physics.training.recipe import AUTOCAST, recipe_for, share
from planner.physics.training.shards import States, divided

NF4_BYTES: Final = Fraction(1, 2) + Fraction(1, 64) + Fraction(4, 64 * 256)
"""NF4 with double quantisation: 4 bits, an 8-bit scale for 64 and an fp32 one for 256 of those (arXiv 2305.14314)."""
NF4_SINGLE: Final = Fraction(1, 2) + Fraction(4, 64)


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
        for name, size in _layer_local(arch, index, tp, ep).items():
            counts[name] += count * size
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


def _layer_local(arch: Architecture, index: int, tp: int, ep: int) -> dict[str, int]:
    """Parameters of a group's layer on one GPU by class; with expert parallelism, those of routed experts apart."""
    group = arch.groups[index]
    sums: dict[str, int] = {}
    for name, size in layer_parameters(arch, group).items():
        if name == "mlp" and isinstance(group.ffn, Experts) and ep > 1:
            routed = routed_parameters(arch, group)
            sums["experts"] = share(share(routed, ep), tp)
            size -= routed
        sums[name] = share(size, tp) if name in ("attention", "mlp") else size
    return sums


def _routed(arch: Architecture, choice: StateChoice) -> int:
    """Parameters of routed experts among those counted as `mlp` on one GPU."""
    if choice.ep > 1:
        return 0
    sizes = ((routed_parameters(arch, arch.groups[index]), count) for index, count in stage_runs(arch, choice.pp))
    return share(sum(size * count for size, count in sizes), choice.tp)


class UndividedStates(NamedTuple):
    """The states before ZeRO and offloading divide them: bytes of one tensor and pipeline part.

    `computed` are the weights a step computes with, `gathered` two layers of them; `largest` is the largest weight,
    `inner` that of the layers, `table` the embedding and `small` what ZeRO 3 never splits, in parameters. `split` says
    that embedding and head are units of their own (accelerate's FSDP2). `layer` and `root` are the parameters of FSDP's
    units, `waits` those of them whose gradients wait, `closing` those of its last weight; `compute`, `made_item` and
    `reduce_item` are the bytes of a weight, and of its gradient as backward makes it and as it is reduced; `making` the
    most of a layer's gradients that stand beside the others. `replicated` is the embedding's gradient, whole on each
    tensor rank in PyTorch. The `spread` bytes come to what ZeRO divides: experts that expert parallelism splits have so
    many copies fewer to be divided over.
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
    largest: int
    inner: int
    table: int
    small: int
    split: int
    layer: int
    layer_trained: int
    root: int
    root_trained: int
    waits: int
    closing: int
    compute: int
    made_item: int
    reduce_item: int
    replicated: int
    replicated_part: int
    spread_weights: int
    spread_master: int
    spread_gradients: int
    spread_optimizer: int
    spread_step: int
    full_precision: bool
    making: int
    only_adapters: bool
    paged: int


def whole(arch: Architecture, params: int, choice: StateChoice) -> UndividedStates:
    """The states of one tensor and pipeline part: what ZeRO's stage and the copies of the model do not change."""
    return wholes(arch, params, choice, (choice.optimizer,))[0]


def wholes(arch: Architecture, params: int, choice: StateChoice, optimizers: Sequence[str]) -> list[UndividedStates]:
    """The same for several optimizers."""
    counts = local_parameters(arch, params, choice.tp, choice.pp, choice.ep)
    local = sum(counts.values())
    adapters = choice.method in ("lora", "qlora")
    mixed = choice.precision in AUTOCAST
    recipe = recipe_for(choice.precision, choice.framework, choice.method, products=choice.products)
    trained = local
    if adapters:
        trained = adapter_parameters(arch, choice.rank, choice.targets, choice.tp, choice.pp, choice.dora)
    elif choice.frozen:
        trained -= sum(size for name, size in counts.items() if name in choice.frozen)
    high = mixed and choice.framework != "transformers"
    # DeepSpeed keeps an fp32 copy of 16-bit adapters, as of all that is trained
    full_precision = high and (not adapters or choice.framework == "deepspeed")
    sharded = choice.framework in ("fsdp", "accelerate")
    kept_item = 4 if full_precision and sharded else recipe.item
    if choice.method == "qlora":
        # bitsandbytes quantizes linear layers alone (transformers 5.20, quantizers/quantizer_bnb_4bit.py), and routed
        # experts are fused parameters since 5.0 (models/*/modeling_*_moe.py): these stay in 16 bit (bitsandbytes#1849;
        # axolotl#3374: GLM-4.5-Air ran out of memory on two GPUs of 96 GB)
        rest = counts["embedding"] + counts["head"] + counts["norm"] + counts["router"]
        rest += counts["experts"] if choice.ep > 1 else _routed(arch, choice)
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
    models = 2 if choice.dpo and not adapters else 1
    # the frozen reference model is loaded as the trained one is (trl 1.16, trainer/dpo_trainer.py: `dtype` is the
    # model's), and FSDP shards what it is given (models/utils.py, `prepare_fsdp`)
    weights += (models - 1) * kept_item * local
    adapter_item = _adapter_item(choice)
    gradient_item = adapter_item if adapters else _gradient_item(choice, recipe.item, full_precision)
    state_item = 4 if full_precision else adapter_item if adapters else recipe.item
    unit = max((sum(layer_parameters(arch, group).values()) for group in arch.groups), default=0)
    units = _units(arch, choice, counts, trained if adapters else 0)
    compute = _gathered_item(choice, recipe.item, full_precision)
    made_item = adapter_bytes(choice.framework, choice.precision, choice.adapter_precision) if adapters else compute
    whole_gradient = sharded and choice.tp > 1 and not adapters and "embedding" not in choice.frozen
    table = made_item * counts["embedding"] if whole_gradient else 0
    spread = counts["experts"] * (choice.ep - 1)
    grown = 0 if adapters or "mlp" in choice.frozen else spread
    master_item = 4 if full_precision and choice.framework in ("megatron", "deepspeed") else 0
    sizes = _sizes(arch, choice, counts, adapters)
    out = []
    for optimizer in optimizers:
        paged = optimizer.startswith("paged_")
        kept = optimizer_bytes(arch, choice, optimizer, trained, counts, state_item)
        scratch = step_bytes(arch, choice, optimizer, trained, counts, gradient_item, recipe.item, full_precision)
        out.append(
            UndividedStates(
                weights,
                adapter_item * trained if adapters else 0,
                master_item * trained,
                gradient_item * trained,
                kept,
                scratch,
                gradient_item,
                trained,
                compute * local,
                compute * 2 * share(unit, choice.tp),
                *sizes,
                *units,
                compute=compute,
                made_item=made_item,
                reduce_item=_reduce_item(choice, gradient_item, full_precision),
                replicated=table * choice.tp,
                replicated_part=table,
                spread_weights=models * kept_item * spread,
                spread_master=master_item * grown,
                spread_gradients=gradient_item * grown,
                spread_optimizer=share(kept * grown, max(1, trained)),
                spread_step=share(scratch * grown, max(1, trained)),
                full_precision=full_precision,
                making=_making(choice, sizes[1], full_precision),
                only_adapters=adapters,
                paged=bnb_states(arch, choice, optimizer, trained, counts["embedding"])[1] if paged else 0,
            )
        )
    return out


def states(arch: Architecture, params: int, choice: StateChoice) -> States:
    """The states of one GPU (see the module)."""
    notes: list[tuple[str, ...]] = []
    if choice.dpo and choice.method not in ("lora", "qlora"):
        notes.append(("dpo_reference",))
    if recipe_for(choice.precision, choice.framework, choice.method, products=choice.products).products == "te_cached":
        notes.append(("fp8_copies",))
    if choice.framework == "transformers" and choice.dp > 1 and choice.zero < 2:
        notes.append(("ddp_buckets",))
    if choice.optimizer.startswith("paged_"):
        notes.append(("paged_states",))
    return divided(whole(arch, params, choice), choice, tuple(notes))


def gradient_format(choice: StateChoice) -> str:
    """The format of the gradients, fp32, bf16 or fp16: under FSDP that in which they are reduced, in LoRA the
    adapters', whose gradients autograd makes in their type."""
    if choice.method in ("lora", "qlora"):
        return choice.adapter_precision
    item = recipe_for(choice.precision, choice.framework, choice.method, products=choice.products).item
    full_precision = choice.precision in AUTOCAST and choice.framework != "transformers"
    asked = _reduce_item if choice.framework in ("fsdp", "accelerate") else _gradient_item
    if asked(choice, item, full_precision) == 4:
        return "fp32"
    return "fp16" if choice.precision == "fp16_mixed" else "bf16"


def _gradient_item(choice: StateChoice, item: int, full_precision: bool) -> int:
    if choice.framework in ("fsdp", "accelerate"):
        return 4 if full_precision else item
    if choice.gradient_precision:
        return 4 if choice.gradient_precision == "fp32" else 2
    return 4 if full_precision and choice.framework == "megatron" else item


def _reduce_item(choice: StateChoice, item: int, full_precision: bool) -> int:
    """Bytes of a gradient as FSDP reduces it, whatever the shards are kept in: fp32 in mixed precision unless the plan
    says otherwise (torchtitan's `mixed_precision_reduce`), 16 bits under accelerate (`set_mixed_precision`)."""
    if choice.gradient_precision:
        return 4 if choice.gradient_precision == "fp32" else 2
    if choice.framework == "accelerate":
        return 2 if full_precision else item
    return 4 if full_precision else item


def _units(
    arch: Architecture, choice: StateChoice, counts: dict[str, int], adapters: int
) -> tuple[int, int, int, int, int, int]:
    """Parameters of FSDP's largest layer and those of them trained; of the unit of all that stands outside layers,
    those of it trained, those whose gradients wait for the embedding's, and of its last weight; `adapters` are LoRA's.
    """
    layers = [_layer_local(arch, index, choice.tp, choice.ep) for index, _ in stage_runs(arch, choice.pp)]
    largest = max(layers, key=lambda each: sum(each.values()), default={})
    root = {
        "embedding": counts["embedding"],
        "head": counts["head"],
        "norm": outside_parameters(arch)["norm"],
        "other": counts["other"],
    }
    if adapters:
        depth = sum(count for _, count in stage_runs(arch, choice.pp))
        return sum(largest.values()), share(adapters, depth), sum(root.values()), 0, 0, 0
    trained = {name: size for name, size in root.items() if name not in choice.frozen}
    head = trained.get("head", 0)
    waits = (head if counts["head"] else trained.get("embedding", 0)) + trained.get("norm", 0)
    inside = sum(size for name, size in largest.items() if name not in choice.frozen)
    return sum(largest.values()), inside, sum(root.values()), sum(trained.values()), waits, head


def _making(choice: StateChoice, inner: int, full_precision: bool) -> int:
    """The most bytes of gradients that a layer makes before they are elsewhere: none where Megatron-LM adds them to
    what is there, a weight's where DeepSpeed takes each as it comes, else the layer's."""
    if choice.framework == "megatron" and full_precision:
        return 0
    return 2 * inner if choice.framework == "deepspeed" else 2**50


def _adapter_item(choice: StateChoice) -> int:
    """Bytes of an adapter's weight as it is kept: DeepSpeed makes 16 bits of it, FSDP keeps what is trained in fp32."""
    return 2 if choice.framework == "deepspeed" and choice.precision in AUTOCAST else _kept_adapter(choice)


def _kept_adapter(choice: StateChoice) -> int:
    wide = choice.framework == "accelerate" and choice.precision in AUTOCAST
    return 4 if wide else ADAPTER_BYTES[choice.adapter_precision]


def _sizes(
    arch: Architecture, choice: StateChoice, counts: dict[str, int], adapters: bool
) -> tuple[int, int, int, int, int]:
    """Parameters of the largest trained weight, of the layers' largest, of the embedding, and of what ZeRO 3 keeps
    whole (norms: `stage3_param_persistence_threshold`); whether embedding and head are units of their own."""
    split = choice.framework == "accelerate" and choice.fsdp == 2 and counts["head"] > 0 and choice.pp == 1
    inner = largest(arch, choice.tp, inside=True)
    if adapters:
        return choice.rank * arch.hidden, inner, counts["embedding"], counts["norm"], int(split)
    return largest(arch, choice.tp), inner, counts["embedding"], counts["norm"], int(split)


def _gathered_item(choice: StateChoice, item: int, full_precision: bool) -> int:
    return 2 if full_precision or choice.framework == "deepspeed" else item
