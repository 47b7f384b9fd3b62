"""What frameworks and hardware support of training."""

from __future__ import annotations

from planner.catalog.records import Gpu
from planner.solve.training.workload import Run

VENDORS = ("nvidia", "amd")
"""Whose GPUs the frameworks' memory is known for: PyTorch is built for CUDA and ROCm (pytorch.org/get-started), and so
are Megatron-LM (rocm.docs.amd.com/projects/primus) and bitsandbytes (its installation guide, 0.50). PyTorch on Intel's
GPUs (docs.pytorch.org, get_start_xpu) and others is left out: nothing here is measured on it."""

FLASH_ON = ("gfx90a", "gfx942", "gfx950")
"""AMD's compute capabilities that FlashAttention-2 is built for; NVIDIA's are Ampere's, 8.0, and newer, which older
GPUs are refused for (Dao-AILab/flash-attention README.md and #720). What is not stated is given the benefit of the
doubt. `sdpa` falls back on what the GPU has."""


def refusal(run: Run, gpu: Gpu, method: str, precision: str) -> tuple[str, str, str] | None:
    """Return what keeps a recipe from running on a GPU, None where nothing does: the quantity of the plan that is
    refused, what is needed, and who has it not."""
    if run.framework == "megatron" and method == "qlora":  # Megatron-Bridge, training/peft: LoRA and DoRA
        return "method", "a framework that trains qlora", run.framework
    if gpu.vendor not in VENDORS:
        return "gpu", f"a framework that runs on {gpu.vendor}", run.framework
    if run.workload.given["attention"] == "flash" and not _flashes(gpu):
        return "attention", "hardware for flash attention", gpu.id
    return None if computes(gpu, precision) else ("precision", f"hardware for {precision}", gpu.id)


def _flashes(gpu: Gpu) -> bool:
    if gpu.compute_capability is None:
        return True
    if gpu.vendor == "nvidia":
        return int(gpu.compute_capability.partition(".")[0]) >= 8
    return gpu.compute_capability in FLASH_ON


def computes(gpu: Gpu, precision: str) -> int:
    """Return the dense peak of what a recipe computes in, 0 where the GPU has none or PyTorch does not run on it."""
    if gpu.vendor not in VENDORS:
        return 0
    wanted = {"fp32": "fp32", "fp8_mixed": "fp8_e4m3", "int8": "int8", "fp16_mixed": "fp16"}.get(precision, "bf16")
    return gpu.flops.get(wanted) or 0
