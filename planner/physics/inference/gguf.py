"""Bits of the tensors of a GGUF file, whose types llama.cpp mixes by tensor and layer.

The rules of each file type are rows of catalogs/formats.yaml (`file_types`), read from `llama_tensor_get_type` in
llama.cpp's src/llama-quant.cpp. Norms, routers and biases are fp32 there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from fractions import Fraction
from functools import lru_cache
from typing import Final, NamedTuple

from planner.catalog.architecture import Attention, Experts
from planner.catalog.records import Architecture, Format
from planner.physics.inference.tensors import WeightMatrix, layer_tensors

ROW: Final = 256
"""Weights of a K-quant super-block: a row must be a multiple of it."""

FALLBACKS: Final = (
    (Fraction(4), "iq4_nl", Fraction(9, 2)),
    (Fraction(5), "q5_0", Fraction(11, 2)),
    (Fraction(6), "q5_1", Fraction(6)),
    (Fraction(8), "q8_0", Fraction(17, 2)),
)
"""What stands in for a super-block type of fewer bits than the first column (llama.cpp, `fallback` types)."""

UPPER: Final = {"q3_k": Fraction(11, 2), "q4_k": Fraction(11, 2)}
"""attn_v of 80-layer models with grouped heads is q5_k instead."""


def _holds(layers: str, index: int, count: int, grouped: int) -> bool:
    """Whether a rule is for this layer of `count`; `grouped` is query heads a KV head."""
    match layers:
        case "all":
            return True
        case "grouped":
            return grouped >= 4
        case "first_eighth":
            return index < count // 8
        case "first_sixteenth":
            return index < count // 16
        case "more":
            return index < count // 8 or index >= 7 * count // 8 or (index - count // 8) % 3 == 2
        case "below_2":
            return index < 2
        case "below_4":
            return index < 4
        case "middle":
            return count // 8 <= index < 7 * count // 8
    raise ValueError(f"no layers `{layers}`")


def _fitting(bits: Fraction, block: str, columns: int) -> Fraction:
    if columns % ROW == 0 or not (block.endswith("_k") or block.startswith("iq")) or block == "iq4_nl":
        return bits
    return next(stand for limit, _, stand in FALLBACKS if bits < limit)


def _heads(arch: Architecture) -> tuple[int, int]:
    for group in arch.groups:
        if isinstance(group.mixer, Attention) and not group.mixer.cross:
            return group.mixer.heads, group.mixer.kv_heads
    return 1, 1


def _experts(arch: Architecture) -> int:
    return max((group.ffn.experts for group in arch.groups if isinstance(group.ffn, Experts)), default=0)


def _rule_name(name: str) -> str:
    return {
        "experts_gate_up": "ffn_up",
        "experts_down": "ffn_down",
        "shared_gate": "ffn_gate",
        "shared_up": "ffn_up",
        "shared_down": "ffn_down",
    }.get(name, name)


def file_bits(arch: Architecture, tensor: WeightMatrix, fmt: Format, index: int = 0) -> Fraction:
    """Bits of a whole tensor of layer `index` in the file."""
    return tensor.elements * _element_bits(_traits(arch), tensor.name, tensor.columns, fmt, index)


class _Traits(NamedTuple):
    """What the rules of a file ask of an architecture."""

    layers: int
    heads: int
    kv_heads: int
    experts: int
    tied: bool


def _traits(arch: Architecture) -> _Traits:
    return _Traits(arch.layers, *_heads(arch), _experts(arch), arch.tied)


def _element_bits(traits: _Traits, tensor: str, columns: int, fmt: Format, index: int) -> Fraction:
    """Bits of an element of a tensor of layer `index`."""
    name = _name_in(traits, tensor)
    rules = [place for place, (rule, *_) in enumerate(fmt.file_types) if rule == name]
    return _bits_by(traits, name, columns, fmt, _rule_at(traits, fmt, rules, index))


def _name_in(traits: _Traits, tensor: str) -> str:
    name = _rule_name(tensor)
    return "output" if name == "token_embd" and traits.tied else name


def _rule_at(traits: _Traits, fmt: Format, rules: Iterable[int], index: int) -> int | None:
    """Return which of a format's `rules` on a tensor holds in layer `index`: the first that does; None where none."""
    group = traits.heads // traits.kv_heads
    return next((place for place in rules if _holds(fmt.file_types[place][1], index, traits.layers, group)), None)


def _bits_by(traits: _Traits, name: str, columns: int, fmt: Format, rule: int | None) -> Fraction:
    """Bits of an element of a tensor in a layer where this rule of the format holds."""
    bits, block = fmt.bits, fmt.id
    if rule is not None:
        _, _, block, bits = fmt.file_types[rule]
    if name == "attn_v" and traits.layers == 80 and traits.heads != traits.kv_heads:
        bits = UPPER.get(block, bits)
    if traits.experts == 8 and bits < 8:
        if name in ("attn_v", "attn_k"):
            bits = Fraction(17, 2)
        elif name == "attn_output" and bits < Fraction(11, 2):
            bits = Fraction(11, 2)
    return _fitting(bits, block, columns)


@lru_cache(maxsize=4096)
def _in_layers(traits: _Traits, tensor: str, columns: int, fmt: Format, first: int, count: int) -> Fraction:
    """Bits of an element in some layers together; the same for every way to split the tensor over GPUs."""
    name = _name_in(traits, tensor)
    rules = [place for place, (rule, *_) in enumerate(fmt.file_types) if rule == name]
    layers = range(first, first + count)
    held = Counter(_rule_at(traits, fmt, rules, layer) for layer in layers) if rules else Counter({None: count})
    return sum((many * _bits_by(traits, name, columns, fmt, rule) for rule, many in held.items()), Fraction(0))


def file_layers(arch: Architecture, fmt: Format) -> list[Fraction]:
    """Bits of every layer of the file, in order; a model's kinds of layers count as standing one after another."""
    sizes: list[Fraction] = []
    for index, group in enumerate(arch.groups):
        matrices, rest = layer_tensors(arch, index)
        for _ in range(group.count):
            layer = len(sizes)
            bits = sum((file_bits(arch, tensor, fmt, layer) for tensor in matrices), Fraction(0))
            sizes.append(bits + 32 * sum(rest.values()))
    return sizes


def layer_file_bits(
    arch: Architecture, index: int, matrices: list[WeightMatrix], rest: dict[str, int], fmt: Format
) -> Fraction:
    """Bits of the average layer of group `index`: its tensors by the file's rules, the rest in fp32."""
    before = sum(group.count for group in arch.groups[:index])
    count = arch.groups[index].count
    traits = _traits(arch)
    total = sum(
        (item.elements * _in_layers(traits, item.name, item.columns, fmt, before, count) for item in matrices),
        Fraction(0),
    )
    return total / count + 32 * sum(rest.values())
