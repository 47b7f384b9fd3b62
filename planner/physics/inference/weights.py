"""Bytes of the weights on one GPU: what a rank holds of each layer, dealt to pipeline stages, and LoRA adapters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from math import ceil

from planner.catalog.programs.engines import ExpertKernel
from planner.catalog.records import Architecture, Format
from planner.physics.inference.gguf import file_layers
from planner.physics.inference.tensors import layer_tensors
from planner.physics.inference.weights_of_layers import CUDA, expert_kernel, layer_weights, outside_weights, rope_cache
from planner.physics.remembered import remembered
from planner.record import dataclass


def stage_layers(layers: int, pp: int) -> int:
    """Layers of the fullest of `pp` stages."""
    return -(-layers // pp)


@dataclass(frozen=True, slots=True)
class Pieces:
    """Bytes of a model's weights on one rank of a tensor group, before its layers are dealt to pipeline stages.

    `groups` are (layers, bytes of one); `partly` (layers, bytes more of each) where a checkpoint leaves a class
    alone in some layers only; `first` and `last` what lies outside the layers at either end; `ordered` the layers of a
    file that mixes block types, one by one, where they are dealt in order.
    """

    groups: tuple[tuple[int, int], ...]
    partly: tuple[tuple[int, int], ...]
    first: int
    last: int
    rope: int
    tied: bool
    ordered: tuple[int, ...]
    layer_split: bool


@remembered(8192)
def pieces(
    arch: Architecture,
    params: int,
    fmt: Format,
    native_bits: Fraction = Fraction(16),
    tp: int = 1,
    ep: int = 1,
    *,
    max_context: int | None = None,
    attention_tp: int | None = None,
    rounding: str = CUDA,
    layer_split: bool = False,
    absorbed: bool = False,
    kernels: tuple[ExpertKernel, ...] = (),
) -> Pieces:
    """Return what one of `tp` ranks holds of each layer and outside them; the words are those of `weights_per_gpu`."""
    if layer_split:
        fmt = replace(fmt, expert_multiple=1)

    def layer(index: int, form: Format) -> int:
        return layer_weights(
            arch,
            index,
            form,
            native_bits,
            tp,
            ep,
            attention_tp=attention_tp,
            rounding=rounding,
            absorbed=absorbed,
            kernel=expert_kernel(kernels, arch, form),
        )

    known: dict[object, int] = {}
    sizes = []
    for index, group in enumerate(arch.groups):
        # In a file layers of one kind differ by where they stand.
        same = index if fmt.file_types else (group.mixer, group.ffn)
        if same not in known:
            known[same] = layer(index, fmt)
        sizes.append(known[same])
    partly = []
    for name, count in fmt.partly:
        wider = replace(fmt, leaves=(*fmt.leaves, name), partly=())
        partly.append((count, max(layer(index, wider) - size for index, size in enumerate(sizes))))
    first, last = outside_weights(arch, params, fmt, native_bits, tp, rounding=rounding)
    in_order = layer_split and fmt.file_types
    return Pieces(
        groups=tuple((group.count, size) for group, size in zip(arch.groups, sizes, strict=True)),
        partly=tuple(partly),
        first=first,
        last=last,
        rope=rope_cache(arch, max_context, native_bits),
        tied=arch.tied,
        ordered=tuple(ceil(bits / 8) for bits in file_layers(arch, fmt)) if in_order else (),
        layer_split=layer_split,
    )


def fullest_stage(held: Pieces, pp: int = 1) -> int:
    """Return the bytes of the weights on a GPU of the fullest of `pp` pipeline stages."""
    layers = sum(count for count, _ in held.groups)
    heaviest = sorted(held.groups, key=lambda pair: -pair[1])
    if held.layer_split:
        each = [size for count, size in heaviest for _ in range(count)]
        return _split_by_layer(list(held.ordered), each, (held.first if held.tied else 0) + held.last, pp)
    left = layers if pp <= 1 else stage_layers(layers, pp)
    beside = held.rope + sum(min(count, left) * more for count, more in held.partly)
    if pp <= 1:
        return held.first + held.last + beside + sum(count * size for count, size in held.groups)
    stage = 0
    for count, size in heaviest:
        taken = min(count, left)
        stage, left = stage + taken * size, left - taken
    return stage + beside + max(held.first, held.last + (held.first if held.tied else 0))


def weights_per_gpu(
    arch: Architecture,
    params: int,
    fmt: Format,
    native_bits: Fraction = Fraction(16),
    tp: int = 1,
    pp: int = 1,
    ep: int = 1,
    *,
    max_context: int | None = None,
    attention_tp: int | None = None,
    rounding: str = CUDA,
    layer_split: bool = False,
    absorbed: bool = False,
    kernels: tuple[ExpertKernel, ...] = (),
) -> int:
    """Bytes of the weights on the fullest GPU.

    `tp` splits matrices, not norms and routers, and replicates KV heads where there are fewer; `ep` of the `tp` ranks
    hold whole experts; `pp` splits the layers, and the fullest stage may hold the heaviest ones. `max_context` adds
    the rotary table. With `layer_split`, as llama.cpp does it, the embedding of an untied model stays on the host and
    the head counts as one more layer, and experts lie as in the file. `kernels` are those the engine takes for experts
    on the GPU.
    """
    held = pieces(
        arch,
        params,
        fmt,
        native_bits,
        tp,
        ep,
        max_context=max_context,
        attention_tp=attention_tp,
        rounding=rounding,
        layer_split=layer_split,
        absorbed=absorbed,
        kernels=kernels,
    )
    return fullest_stage(held, pp)


def any_layer(
    arch: Architecture,
    index: int,
    fmt: Format,
    native_bits: Fraction = Fraction(16),
    tp: int = 1,
    ep: int = 1,
    *,
    attention_tp: int | None = None,
) -> int:
    """Bytes of a layer of group `index` on one GPU, whichever it is of those that a checkpoint keeps apart in part."""
    if fmt.partly:
        fmt = replace(fmt, leaves=(*fmt.leaves, *(name for name, _ in fmt.partly)), partly=())
    return layer_weights(arch, index, fmt, native_bits, tp, ep, attention_tp=attention_tp)


def mixed_weights(
    arch: Architecture,
    params: int,
    outer: Format,
    layers: Sequence[tuple[int, Format]],
    native_bits: Fraction = Fraction(16),
    tp: int = 1,
    pp: int = 1,
    ep: int = 1,
    *,
    max_context: int | None = None,
    attention_tp: int | None = None,
) -> int:
    """Bytes of weights in formats by layer on the fullest of the stages, which take the layers in order.

    `layers` has the group and the format of each, first to last; what stands outside them is in `outer`.
    """
    first, last = outside_weights(arch, params, outer, native_bits, tp)
    rope = rope_cache(arch, max_context, native_bits)
    distinct = {(index, id(fmt)): (index, fmt) for index, fmt in layers}  # formats are long to compare
    weighed = {
        key: any_layer(arch, index, fmt, native_bits, tp, ep, attention_tp=attention_tp)
        for key, (index, fmt) in distinct.items()
    }
    sizes = [weighed[index, id(fmt)] for index, fmt in layers]
    if pp <= 1:
        return first + last + rope + sum(sizes)
    each = -(-len(sizes) // pp)
    stages = [sum(sizes[start : start + each]) for start in range(0, len(sizes), each)]
    stages[0] += first
    stages[-1] += last + (first if arch.tied and len(stages) > 1 else 0)
    return max(stages) + rope


def _split_by_layer(ordered: list[int], heaviest: list[int], last: int, pp: int) -> int:
    """The fullest of `pp` GPUs where layer i of L, and the head as the next, goes to GPU i × pp / (L + 1).

    Where the order of the layers is not known (`ordered` is empty) each GPU may hold the heaviest.
    """
    units = len(heaviest) + 1
    stages = [0] * pp
    held = [0] * pp
    for layer in range(units - 1):
        at = layer * pp // units
        stages[at] += ordered[layer] if ordered else heaviest[held[at]]
        held[at] += 1
    stages[-1] += last
    return max(stages)


def adapters(
    arch: Architecture, rank: int, count: int, tp: int = 1, bits: Fraction = Fraction(16), head: bool = False
) -> int:
    """Bytes of `count` LoRA adapters of up to `rank` kept beside the base, on all linear layers.

    vLLM stacks A (rank × inputs) and B (outputs × rank) of each linear layer for every adapter slot (vllm/lora/layers);
    column-parallel layers split B, row-parallel layers split A.
    """
    total = 0
    for index, group in enumerate(arch.groups):
        whole, _ = layer_tensors(arch, index)
        local, _ = layer_tensors(arch, index, tp)
        sizes = 0
        for full, part in zip(whole, local, strict=True):
            rows = part.rows if part.rows < full.rows else full.rows
            sizes += (part.columns + rows) * full.count * rank
        total += group.count * sizes
    if head:
        total += rank * (arch.hidden + arch.vocab)
    return ceil(count * total * bits / 8)
