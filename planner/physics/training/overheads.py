"""What no tensor of the program accounts for: contexts, communication buffers, workspaces, the allocator's reserve.

Fragmentation is an interval: RESERVED holds, a framework a row, what published runs held beyond their tensors, in
thousandths of what comes and goes in a step (weights and optimizer states are allocated once and leave no gaps). Its
safe end is a matter of confidence: so many of the runs lie below it.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil
from typing import Final

from planner.catalog.records import Gpu

CONTEXT: Final = 504_658_657
"""CUDA context with lazy loading, 0.47 GiB: stas00/ml-engineering, training/performance, A100, torch 2.1.1."""
EAGER_CONTEXT: Final = 987_842_478
"""CUDA context that loads every kernel at once, 0.92 GiB, as before CUDA 12.2: the same page."""
NCCL: Final = 1_052_266_987
"""Communication buffers of more than one GPU: 1.45 GiB on two GPUs less the context, the same page."""
WORKSPACE: Final = 32 * 2**20
"""cuBLAS workspace on Hopper, 32 MiB (8 MiB before it): cuBLAS documentation, CUBLAS_WORKSPACE_CONFIG; the larger."""
_SINGLE: Final = (39, 60, 102, 103, 239, 267, 319, 369, 422)
_SHARDED: Final = (58, 87, 128, 133, 144, 166, 263, 306)
RESERVED: Final[dict[str, tuple[int, ...]]] = {
    "transformers": _SINGLE,
    "fsdp": _SHARDED,
    "accelerate": _SHARDED,
    "deepspeed": _SHARDED,
    "megatron": _SHARDED,
}
"""transformers: 9 LoRA runs of Qwen in which 4 GB or more come and go (device memory less the context, QwenLM/Qwen
README at 03cd81f; runs with less tell more of the context than of gaps); fsdp: 8 runs of torchtitan (largest reserved,
benchmarks at b5bcd76). Nothing like it is published for DeepSpeed and Megatron-LM: they are given FSDP's."""


def overhead(gpu: Gpu | None, framework: str, gpus: int) -> int:
    """Bytes outside the program's tensors: context, workspace and, on more than one GPU, communication buffers."""
    return CONTEXT + WORKSPACE + (NCCL if gpus > 1 else 0)


def _quantile(pairs: tuple[int, ...], share: Fraction) -> int:
    """The value below which `share` of the pairs lie, between two of them in proportion, rounded up."""
    place = share * (len(pairs) - 1)
    below = min(len(pairs) - 2, int(place))
    return -int(-(pairs[below] + (place - below) * (pairs[below + 1] - pairs[below])) // 1)


EXCHANGED = Fraction(21, 10)
"""So many times that where PyTorch's FSDP has experts split over ranks: tokens go where the router sends them, and the
fullest rank has the most. DeepSeek-V2-Lite on 8 H100, EP 8, reserved 73.3 GiB where 54.5 are expected
(pytorch/torchtitan#1789, its micro-batch of 4 inferred from its speed); no other such run was found."""


def spare(framework: str, confidence: Fraction, exchanged: bool = False) -> int:
    """What the allocator holds beyond what was asked of it, in thousandths of the bytes that come and go, at the safe
    end: a share `confidence` of the published runs lies below. `exchanged`: experts are split over ranks."""
    reserve = _quantile(RESERVED[framework], confidence)
    return ceil(reserve * EXCHANGED) if exchanged and framework == "fsdp" else reserve
