"""Bytes of the weights on one GPU: every tensor in its format, as the engine allocates it.

Checked against 53 start-up logs and 68 GGUF files, see docs/accuracy.md.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from math import ceil, lcm
from typing import Final

from planner.catalog.records import Architecture, ExpertKernel, Format
from planner.physics.architecture import CLASSES, kind, parameters
from planner.physics.inference.gguf import file_bits, file_layers, layer_file_bits
from planner.physics.inference.tensors import Tensor, layer_tensors, outside_tensors
from planner.record import dataclass

MIB: Final = 2**20
SMALL, BUFFER, LARGE, GRAIN = MIB, 20 * MIB, 10 * MIB, 2 * MIB
"""Limits of PyTorch's CUDA allocator (c10/core/AllocatorConfig.h: kSmallSize, kLargeBuffer, kMinLargeAlloc,
kRoundLarge)."""

EXACT: Final = "exact"
CUDA: Final = "cuda"


def allocated(size: int) -> int:
    """Bytes PyTorch's CUDA allocator charges for one tensor of `size` bytes among alike ones.

    A tensor of 10 MiB and more gets a segment in steps of 2 MiB, a smaller one a part of a 20 MiB buffer; a remainder
    of at most 1 MiB is not split off and belongs to the tensor. This is what `memory_allocated` counts and a vLLM log
    prints: it explains 65 MiB of Qwen2-7B.
    """
    if size <= SMALL:
        return -(-size // 512) * 512
    if size < LARGE:
        fitting = BUFFER // size
        left = BUFFER - fitting * size
        return size + (left // fitting if left <= SMALL else 0)
    whole = -(-size // GRAIN) * GRAIN
    return whole if whole - size <= SMALL else size


def left_bits(fmt: Format, native_bits: Fraction) -> Fraction:
    """Bits of a number the format leaves alone: 16, or what the model has where that is less or the format more."""
    if fmt.bits > 16:
        return fmt.bits
    return min(Fraction(fmt.left_bits), max(native_bits, fmt.bits))


def class_bits(fmt: Format, native_bits: Fraction) -> dict[str, Fraction]:
    """Bits of a weight of each tensor class: what the format leaves alone stays 16 bit."""
    left = left_bits(fmt, native_bits)
    return {name: left if name in fmt.leaves else fmt.bits for name in CLASSES}


def quantised(tensor: Tensor, fmt: Format, mixture: bool, latent: bool) -> Format | None:
    """Return the format a tensor is in, None for one that is left alone."""
    if tensor.kind in fmt.leaves:
        return None
    own = dict(fmt.classes).get(tensor.kind)
    if own is not None:
        return own if own.bits < 16 else None
    if latent and tensor.role == "attention" and "mla" in fmt.leaves:
        return None
    return fmt if fmt.only != "experts" or not mixture or tensor.kind == "experts" else None


def expert_kernel(kernels: tuple[ExpertKernel, ...], arch: Architecture, fmt: Format) -> ExpertKernel | None:
    """The kernel among those of a GPU that takes a model's experts in a format; None where nothing is said of it."""
    sparse = any(kind(group.mixer) == "compressed" for group in arch.groups)
    names = {fmt.id, fmt.like, *(own.id for name, own in fmt.classes if name == "experts")}
    return next((row for row in kernels if names & set(row.formats) and row.sparse is sparse), None)


def _sum(
    found: list[Tensor],
    fmt: Format,
    left: Fraction,
    mixture: bool,
    latent: bool,
    rounding: str,
    kept_bits: Fraction = Fraction(0),
) -> int:
    """Bytes of these tensors; weights and their scales are allocated apart, `kept_bits` of an expert's weight too."""
    unit, other, kept = _parts(fmt, left, kept_bits)
    sizes: dict[tuple[str, str], int] = {}
    for tensor in found:
        name, count = tensor.fused or tensor.name, tensor.elements
        own = quantised(tensor, fmt, mixture, latent)
        scales, numbers = 0, count * other
        if own is not None:
            number, scale, row = _in_units(own, unit)
            scales = count * scale + row * tensor.rows * tensor.count
            if kept and tensor.kind == "experts":
                sizes[name, "kept"] = sizes.get((name, "kept"), 0) + count * kept
            numbers = tensor.stored * number
        sizes[name, "weight"] = sizes.get((name, "weight"), 0) + numbers
        sizes[name, "scale"] = sizes.get((name, "scale"), 0) + scales
    if rounding == EXACT:
        return -(-sum(sizes.values()) // unit)
    return sum(allocated(-(-size // unit)) for size in sizes.values())


@lru_cache(1024)
def _parts(fmt: Format, left: Fraction, kept_bits: Fraction) -> tuple[int, int, int]:
    """Into how many parts a byte is divided, so that every figure of a format is a whole number of them.

    Returned with the parts of a number that is left alone, and of one that is kept beside an expert's weight.
    """
    rows = (fmt, *(own for _, own in fmt.classes))
    figures = [left, kept_bits, *(value for row in rows for value in (row.bits, row.overhead_bits))]
    unit = 8 * lcm(*(value.denominator for value in figures))
    return unit, int(left * unit / 8), int(kept_bits * unit / 8)


@lru_cache(1024)
def _rest_bits(fmt: Format, native_bits: Fraction) -> tuple[int, dict[str, int]]:
    """Bits of a number beside the matrices, by tensor class, as whole numbers over a common denominator."""
    left = left_bits(fmt, native_bits)
    bits = class_bits(fmt, native_bits) | {"other": left, "norm": left}
    whole = lcm(*(value.denominator for value in bits.values()), left.denominator)
    return whole, {name: int(max(value, left) * whole) for name, value in bits.items()}


@lru_cache(1024)
def _in_units(fmt: Format, unit: int) -> tuple[int, int, int]:
    """What a stored number, an element's share of scales, and a row take, in parts of a byte."""
    return int((fmt.bits - fmt.overhead_bits) * unit / 8), int(fmt.overhead_bits * unit / 8), fmt.row_bytes * unit


def _dequantised_copy(arch: Architecture, index: int, fmt: Format, tp: int) -> int:
    """The 16-bit copy of a quantised latent up-projection, which absorbed attention keeps (vLLM, mla/common.py)."""
    mixer = arch.groups[index].mixer
    if kind(mixer) != "mla":
        return 0
    own = quantised(Tensor("attn_kv_b", "attention", 1, 1), fmt, fmt.only == "experts", True)
    if own is None or own.bits >= 16:
        return 0
    heads = -(-int(mixer["heads"]) // tp)
    return 2 * heads * (int(mixer["nope"]) + int(mixer["v_head_dim"])) * int(mixer["kv_lora_rank"])


def _absorbed(arch: Architecture, index: int, fmt: Format, tp: int) -> int:
    """The products of latent attention that vLLM 0.7 makes at loading, beside what they are made of.

    Queries by up-projected keys and values by the output, in the format of the weights or 16 bit, and the rotated part
    of the queries in 16 bit (vllm/attention/backends/mla/utils.py, 0.7.3): 4.2 GiB of DeepSeek-V3 at tp 8.
    """
    mixer = arch.groups[index].mixer
    if kind(mixer) != "mla":
        return 0
    heads, latent = -(-int(mixer["heads"]) // tp), int(mixer["kv_lora_rank"])
    queries = int(mixer.get("q_lora_rank") or 0) or arch.hidden
    bits = fmt.bits if fmt.element_bits == 8 else Fraction(16)
    return ceil(heads * latent * (queries + arch.hidden) * bits / 8) + 2 * queries * heads * int(mixer["rope"])


def layer_weights(
    arch: Architecture,
    index: int,
    fmt: Format,
    native_bits: Fraction = Fraction(16),
    tp: int = 1,
    ep: int = 1,
    *,
    attention_tp: int | None = None,
    rounding: str = CUDA,
    absorbed: bool = False,
    kernel: ExpertKernel | None = None,
) -> int:
    """Bytes of one layer of group `index` on one GPU, in `fmt`; sum over the layers for formats per layer.

    `rounding` is `cuda` for what PyTorch's allocator charges, `exact` for the numbers alone; `absorbed` adds the
    products of latent attention of vLLM 0.7; `kernel` stores the experts. A GGUF file mixes block
    types by layer; this is its average layer, rounded up.
    """
    left = left_bits(fmt, native_bits)
    found, rest = layer_tensors(arch, index, tp, ep, attention_tp, fmt.expert_multiple, kernel)
    if fmt.file_types:
        return ceil(layer_file_bits(arch, index, found, rest, fmt) / 8)
    mixture = any(kind(group.ffn) == "moe" for group in arch.groups)
    kept = Fraction(0) if kernel is None else kernel.kept_bits
    total = _sum(found, fmt, left, mixture, kind(arch.groups[index].mixer) == "mla", rounding, kept)
    if rounding == CUDA:
        heads = tp if attention_tp is None else attention_tp
        total += _dequantised_copy(arch, index, fmt, heads) + (_absorbed(arch, index, fmt, heads) if absorbed else 0)
    whole, bits = _rest_bits(fmt, native_bits)
    return total + -(-sum(count * bits[name] for name, count in rest.items()) // (8 * whole))


def outside_weights(
    arch: Architecture,
    params: int,
    fmt: Format,
    native_bits: Fraction = Fraction(16),
    tp: int = 1,
    *,
    rounding: str = CUDA,
) -> tuple[int, int]:
    """Bytes outside the layers: (what the first pipeline stage holds, what the last one holds).

    One stage holds both; a tied head is the embedding again on a last stage of its own.
    """
    left = left_bits(fmt, native_bits)
    unit, alone, _ = _parts(fmt, left, Fraction(0))
    known = sum(parameters(arch).values())
    found, rest = outside_tensors(arch, params, known, tp)
    if fmt.file_types:
        sizes = {tensor.name: ceil(file_bits(arch, tensor, fmt) / 8) for tensor in found}
        norms = 4 * (rest["norm"] + rest["head"])
    else:
        sizes = {tensor.name: _sum([tensor], fmt, left, False, False, rounding) for tensor in found}
        norms = -(-(rest["norm"] + rest["head"]) * alone // unit)
    others = -(-(rest["embedding"] + rest["other"]) * alone // unit)
    return sizes["token_embd"] + others, sizes.get("output", 0) + norms


def rope_cache(arch: Architecture, max_context: int | None, native_bits: Fraction = Fraction(16)) -> int:
    """Bytes of the table of rotary sines and cosines every rank of vLLM and SGLang keeps (rotary_embedding/base.py).

    One table of `max_context` rows for each head size that rotates, in the model's 16-bit type; 32 MiB for
    Llama-3.1-8B. Layers that compress their tokens rotate by a table of their own. Zero for learned positions.
    """
    if not max_context or arch.pos_rows:
        return 0
    widths: set[tuple[int, bool]] = set()
    for group in arch.groups:
        if kind(group.mixer) == "gqa":
            widths.add((int(group.mixer["head_dim"]), False))
        elif kind(group.mixer) in ("mla", "compressed"):
            widths.add((int(group.mixer["rope"]), bool(group.mixer.get("rate"))))
    return sum(width for width, _ in widths) * max_context * ceil(min(native_bits, Fraction(16)) / 8)


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


_PIECES: dict[tuple[object, ...], tuple[Architecture, Pieces]] = {}
LIMIT: Final = 8192
"""Answers kept about architectures seen lately, which are kept with them so that none takes the place of another."""


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
    """Return what one of `tp` ranks holds of each layer and outside them; the words are those of `weights_per_gpu`.

    Workloads that serve the same model share the answer.
    """
    words = (max_context, attention_tp, rounding, layer_split, absorbed, kernels)
    key = (id(arch), params, fmt, native_bits, tp, ep, words)
    if key in _PIECES:
        return _PIECES[key][1]
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
        same = index if fmt.file_types else repr((group.mixer, group.ffn))
        if same not in known:
            known[same] = layer(index, fmt)
        sizes.append(known[same])
    partly = []
    for name, count in fmt.partly:
        wider = replace(fmt, leaves=(*fmt.leaves, name), partly=())
        partly.append((count, max(layer(index, wider) - size for index, size in enumerate(sizes))))
    first, last = outside_weights(arch, params, fmt, native_bits, tp, rounding=rounding)
    in_order = layer_split and fmt.file_types
    made = Pieces(
        groups=tuple((group.count, size) for group, size in zip(arch.groups, sizes, strict=True)),
        partly=tuple(partly),
        first=first,
        last=last,
        rope=rope_cache(arch, max_context, native_bits),
        tied=arch.tied,
        ordered=tuple(ceil(bits / 8) for bits in file_layers(arch, fmt)) if in_order else (),
        layer_split=layer_split,
    )
    if len(_PIECES) >= LIMIT:
        _PIECES.clear()
    _PIECES[key] = arch, made
    return made


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
