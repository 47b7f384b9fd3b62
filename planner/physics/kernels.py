"""Which measured kernel an engine runs for an operation in a format on a GPU, and what it reaches there."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from planner.catalog.architecture import CompressedAttention, LatentAttention
from planner.catalog.programs.engines import Engine
from planner.catalog.records import Architecture, Format, Gpu
from planner.physics.serving_time import Kernel, KernelSpeeds

Entries = Mapping[str, tuple[float, ...]]
INSTEAD: dict[str, tuple[str, ...]] = {
    "fp8_block": ("fp8",),
    "fp8": ("fp8_block", "bf16"),
    "int8": ("fp8",),
    "int8_wo": ("int4_wo",),
    "int4_wo": ("int8_wo",),
    "nvfp4": ("mxfp4_mxfp8", "fp8"),
    "mxfp4_mxfp8": ("nvfp4", "fp8"),
    "mxfp4_wo": ("int4_wo",),
}
"""What stands for formats of products that no kernel was measured in on a GPU, in this order."""
PEAKS = {"fp8": "fp8_e4m3", "fp8_block": "fp8_e4m3", "int8": "int8", "nvfp4": "fp4", "mxfp4_mxfp8": "fp8_e4m3"}
"""The arithmetic of products by format; of all others 16 bits."""
UNSTATED = "9.0"
"""Whose shares stand for hardware without a compute capability as NVIDIA counts it (AMD, Intel, Apple): an estimate."""


def product(weights: Format, activations: Format, blocks: bool = False) -> str:
    """Return the format of a product as the kernels' tables name it; `blocks` says that fp8 has scales by block.

    Weights whose activations stay in 16 bits are unpacked first (`_wo`, weight-only).
    """
    low = activations.computes_as if activations.bits < 16 else "bf16"
    if weights.bits >= 16:
        return "bf16"
    if weights.computes_as == "fp4":
        if low == "bf16":
            return "mxfp4_wo" if "mxfp4" in (weights.id, weights.like) else "int4_wo"
        return "nvfp4" if low == "fp4" else "mxfp4_mxfp8"
    if weights.computes_as in ("fp8_e4m3", "int8"):
        if low == "bf16":
            return "int8_wo"
        return "int8" if weights.computes_as == "int8" else "fp8_block" if blocks else "fp8"
    return "int4_wo" if weights.bits < 6 else "int8_wo"


def peak(gpu: Gpu, word: str) -> int:
    """Return the dense peak at which products in a format are computed on a GPU, in FLOP/s; 0 where it has none."""
    order = (PEAKS.get(word, "bf16"), "bf16", "fp16", "fp32")
    return next((gpu.flops[name] for name in order if gpu.flops.get(name)), 0)


def kernel(engine: Engine, gpu: Gpu, operation: str, word: str) -> Kernel:
    """Return what an engine's kernel reaches; an engine without measured kernels reaches its shares, and no call of
    it has a time of its own."""
    formats, most = engine.kernels.get(operation), peak(gpu, word if operation in ("dense", "experts") else "bf16")
    if not formats:
        return Kernel(0.0, gpu.bandwidth * float(engine.bandwidth_efficiency), most * float(engine.flops_efficiency))
    fixed, bandwidth, *rest = _entry(formats, word, _capability(gpu))
    return Kernel(fixed / 1e6, gpu.bandwidth * bandwidth, most * (rest[0] if rest else 1.0))


def collective(engine: Engine, gpu: Gpu, link: int) -> tuple[float, float]:
    """Return the seconds of a sum among ranks however small it is, and the bytes/s that large ones reach of a link."""
    formats = engine.kernels.get("collective")
    if not formats:
        return engine.collective_us / 1e6, float(link)
    fixed, share, *_ = _entry(formats, "bf16" if gpu.link_bandwidth else "pcie", _capability(gpu))
    return fixed / 1e6, link * share


def runs(
    arch: Architecture, weights: Format, activations: Format, low_cache: bool, native: str
) -> tuple[tuple[str, str], ...]:
    """Return the operations of a model and the format of each, in the order of a card's kernels.

    A native fp8 checkpoint has scales by block; formats of experts alone leave the other products in 16 bits.
    """
    experts = product(weights, activations, True)
    dense = "bf16" if weights.only == "experts" else product(weights, activations, weights.id == native)
    latent = (
        "latent_"
        if any(isinstance(group.mixer, LatentAttention | CompressedAttention) for group in arch.groups)
        else ""
    )
    cache = "fp8" if low_cache else "bf16"
    return ("dense", dense), ("experts", experts), (f"{latent}cache", cache), (f"{latent}scores", cache)


def card(engine: Engine, gpu: Gpu, ran: tuple[tuple[str, str], ...], link: int) -> KernelSpeeds:
    """Return what a GPU reaches under an engine in operations and their formats, and in sums among ranks."""
    dense, experts, cache, scores = (kernel(engine, gpu, *item) for item in ran)
    return KernelSpeeds(dense, experts, cache, scores, *collective(engine, gpu, link))


def _capability(gpu: Gpu) -> str:
    """Return a compute capability as the tables have it; UNSTATED for what has none, or a name of another vendor's."""
    capability = gpu.compute_capability or ""
    return capability if capability.replace(".", "").isdigit() else UNSTATED


def _entry(formats: Mapping[str, Entries], word: str, capability: str) -> tuple[float, ...]:
    words = [name for name in (word, *INSTEAD.get(word, ()), "bf16") if name in formats]
    for name in words:
        if capability in formats[name]:
            return formats[name][capability]
    return _nearest(formats[words[0]], capability)


def _nearest(entries: Entries, capability: str) -> tuple[float, ...]:
    """Return the entry of the newest hardware that is no newer, or of the oldest."""
    known = sorted(entries, key=_number)
    older = [at for at in known if _number(at) <= _number(capability)]
    return entries[older[-1] if older else known[0]]


@lru_cache(maxsize=64)
def _number(capability: str) -> tuple[int, ...]:
    return tuple(map(int, capability.split(".")))
