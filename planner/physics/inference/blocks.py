"""Which ranks can share quantized weights: a scale stands for a block of weights, and no rank holds part of one.

While they load a share, vLLM and SGLang refuse one that is not a whole number of blocks: 2-D blocks of FP8 in either
width (vllm/model_executor/layers/quantization/utils/fp8_utils.py, validate_fp8_block_shape, and
Fp8MoEMethod.create_weights; vllm-project/vllm#25292, #52997, sgl-project/sglang#3345, #10852), groups along the inputs
for the others (AWQLinearMethod and GPTQLinearMethod: "The input size is not aligned with the quantized weight shape").
Experts whose groups are cut start and fail at the first request (vllm-project/vllm#17604). MXFP4 experts are dealt by
whole blocks and padded (vllm/model_executor/layers/quantization/mxfp4.py).
"""

from __future__ import annotations

from planner.catalog.architecture import Experts, LatentAttention, NoPart
from planner.catalog.records import Architecture, Format
from planner.physics.inference.tensors import WeightMatrix, layer_tensors
from planner.physics.inference.weights_of_layers import quantised
from planner.record import dataclass

DEALT = ("mxfp4",)
"""Formats whose experts an engine deals to its ranks by whole blocks."""
FLAT = ("nf4", "nf4_dq")
"""Formats whose blocks run over a whole tensor, whatever its widths (bitsandbytes)."""
NAMES = {
    "experts": "expert",
    "shared": "shared_expert",
    "ffn": "feed_forward",
    "attn": "attention",
}
"""What a share is of, by the start of its tensor's name."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A share of `what` that is `size` wide on each rank and cuts blocks of `block` weights."""

    what: str
    size: int
    block: int


def cut(arch: Architecture, fmt: Format, tp: int, ep: int, attention_tp: int) -> Cut | None:
    """Return the first share of a quantized matrix that cuts a block on one of `tp` ranks; None where none does.

    `ep` of the ranks hold whole experts, `attention_tp` of them share the heads.
    """
    if tp == 1 or fmt.file_types:
        return None
    mixture = any(isinstance(group.ffn, Experts) for group in arch.groups)
    seen = set()
    for index, group in enumerate(arch.groups):
        if (group.mixer, group.ffn) in seen:
            continue
        seen.add((group.mixer, group.ffn))
        latent, gated = isinstance(group.mixer, LatentAttention), isinstance(group.ffn, NoPart) or group.ffn.gated
        whole, _ = layer_tensors(arch, index)
        parts, _ = layer_tensors(arch, index, tp, ep, attention_tp)
        for one, part in zip(whole, parts, strict=True):
            form = quantised(part, fmt, mixture, latent)
            piece = None if form is None else _cut(one, part, form, gated)
            if piece is not None:
                return piece
    return None


def _cut(whole: WeightMatrix, part: WeightMatrix, form: Format, gated: bool) -> Cut | None:
    names = (form.id, form.like)
    group = form.tile or form.block or 1
    if any(name in FLAT for name in names) or (part.kind == "experts" and any(name in DEALT for name in names)):
        group = 1
    merged = 2 if part.name == "experts_gate_up" and gated else 1
    widths = [(whole.columns, part.columns, group), (whole.rows // merged, part.rows // merged, form.tile or 1)]
    for all_of_it, share, block in widths:
        if share < all_of_it and (share % block or (block > 1 and all_of_it % share)):
            return Cut(NAMES.get(part.name.partition("_")[0], "recurrent"), share, block)
    return None
