"""Bytes of one layer's weights, and of what stands outside the layers: every tensor in its format, as it is allocated.

Checked against 53 start-up logs and 68 GGUF files, see docs/accuracy.md.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from math import ceil, lcm
from typing import Final

from planner.catalog.architecture import Attention, CompressedAttention, Experts, LatentAttention
from planner.catalog.programs.engines import ExpertKernel
from planner.catalog.records import Architecture, Format
from planner.physics.architecture import CLASSES, parameters
from planner.physics.inference.gguf import file_bits, layer_file_bits
from planner.physics.inference.tensors import WeightMatrix, layer_tensors, outside_tensors
from planner.physics.remembered import remembered

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


def quantised(tensor: WeightMatrix, fmt: Format, mixture: bool, latent: bool) -> Format | None:
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
    sparse = any(isinstance(group.mixer, CompressedAttention) for group in arch.groups)
    names = {fmt.id, fmt.like, *(own.id for name, own in fmt.classes if name == "experts")}
    return next((row for row in kernels if names & set(row.formats) and row.sparse is sparse), None)


def _sum(
    matrices: list[WeightMatrix],
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
    for tensor in matrices:
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
    if not isinstance(mixer, LatentAttention):
        return 0
    own = quantised(WeightMatrix("attn_kv_b", "attention", 1, 1), fmt, fmt.only == "experts", True)
    if own is None or own.bits >= 16:
        return 0
    return 2 * -(-mixer.heads // tp) * (mixer.nope + mixer.v_head_dim) * mixer.kv_lora_rank


def _absorbed(arch: Architecture, index: int, fmt: Format, tp: int) -> int:
    """The products of latent attention that vLLM 0.7 makes at loading, beside what they are made of.

    Queries by up-projected keys and values by the output, in the format of the weights or 16 bit, and the rotated part
    of the queries in 16 bit (vllm/attention/backends/mla/utils.py, 0.7.3): 4.2 GiB of DeepSeek-V3 at tp 8.
    """
    mixer = arch.groups[index].mixer
    if not isinstance(mixer, LatentAttention):
        return 0
    heads, latent = -(-mixer.heads // tp), mixer.kv_lora_rank
    queries = mixer.q_lora_rank or arch.hidden
    bits = fmt.bits if fmt.element_bits == 8 else Fraction(16)
    return ceil(heads * latent * (queries + arch.hidden) * bits / 8) + 2 * queries * heads * mixer.rope


@remembered(8192)
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
    matrices, rest = layer_tensors(arch, index, tp, ep, attention_tp, fmt.expert_multiple, kernel)
    if fmt.file_types:
        return ceil(layer_file_bits(arch, index, matrices, rest, fmt) / 8)
    mixture = any(isinstance(group.ffn, Experts) for group in arch.groups)
    kept = Fraction(0) if kernel is None else kernel.kept_bits
    total = _sum(matrices, fmt, left, mixture, isinstance(arch.groups[index].mixer, LatentAttention), rounding, kept)
    if rounding == CUDA:
        heads = tp if attention_tp is None else attention_tp
        total += _dequantised_copy(arch, index, fmt, heads) + (_absorbed(arch, index, fmt, heads) if absorbed else 0)
    whole, bits = _rest_bits(fmt, native_bits)
    return total + -(-sum(count * bits[name] for name, count in rest.items()) // (8 * whole))


@remembered(1024)
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
    matrices, rest = outside_tensors(arch, params, known, tp)
    if fmt.file_types:
        sizes = {tensor.name: ceil(file_bits(arch, tensor, fmt) / 8) for tensor in matrices}
        norms = 4 * (rest["norm"] + rest["head"])
    else:
        sizes = {tensor.name: _sum([tensor], fmt, left, False, False, rounding) for tensor in matrices}
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
        match group.mixer:
            case Attention(cross=False, head_dim=size):
                widths.add((size, False))
            case LatentAttention(rope=rope):
                widths.add((rope, False))
            case CompressedAttention(rope=rope, rate=rate):
                widths.add((rope, bool(rate)))
    return sum(width for width, _ in widths) * max_context * ceil(min(native_bits, Fraction(16)) / 8)
