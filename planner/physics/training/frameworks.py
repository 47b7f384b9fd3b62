"""What no tensor of the program accounts for: contexts, communication buffers, workspaces, the allocator's reserve."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final

from planner.catalog.records import Gpu

CONTEXT: Final = 504_658_657
"""CUDA context with lazy loading, 0.47 GiB: stas00/ml-engineering, training/performance, A100, torch 2.1.1."""
NCCL: Final = 1_556_925_645
"""Context and communication buffers of more than one GPU, 1.45 GiB less the context: the same page, two GPUs."""
WORKSPACE: Final = 32 * 2**20
"""cuBLAS workspace on Hopper, 32 MiB (8 MiB before it): cuBLAS documentation, CUBLAS_WORKSPACE_CONFIG; the larger."""


def overhead(gpu: Gpu | None, framework: str, gpus: int) -> int:
    """Bytes outside the program's tensors: context, workspace and, on more than one GPU, communication buffers."""
    return CONTEXT + WORKSPACE + (NCCL if gpus > 1 else 0)


def margin(framework: str, confidence: Fraction, allocated: Any) -> Any:
    """Bytes between the expected total and its safe end; none is known yet. `allocated` may be an array."""
    return 0 * allocated
