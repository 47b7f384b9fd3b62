"""TensorRT-LLM: a file for `trtllm-serve --config`. Unchecked: no validator of it can be installed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from planner.export.documents import yaml_text
from planner.export.faults import LONG, Unsayable, drafts, dtype, served, types
from planner.export.locked import LockedWorkload
from planner.language.schema import grouped

CACHES = {"fp8_e4m3": "fp8", "nvfp4": "nvfp4"}
"""What `kv_cache_config.dtype` calls a format; a cache in the model's 16-bit type is `auto`."""
UNSAID = ("adapters", *grouped("offloaded"))


def faults(answer: LockedWorkload) -> list[Unsayable]:
    """Return what of an answer the file cannot say."""
    return [*_faults(answer)]


def _faults(answer: LockedWorkload) -> Iterator[Unsayable]:
    yield from served(answer, "TensorRT-LLM", online=False)
    yield from types(answer, "TensorRT-LLM")
    yield from drafts(answer, "TensorRT-LLM", "how TensorRT-LLM is told of a draft model is not known here")
    cache = answer.word("kv_cache")
    if cache not in LONG and cache not in CACHES:
        reason = f"TensorRT-LLM has no word that is known here for a KV cache in {cache}"
        yield Unsayable("kv_cache", reason, "set kv_cache = bf16 or fp8_e4m3")
    for quantity in UNSAID:
        if answer.count(quantity, 0):
            reason = f"the key of TensorRT-LLM for {quantity} is not known here"
            yield Unsayable(quantity, reason, f"leave `{quantity}` out")
    if answer.given.get("images") is False:
        yield Unsayable(
            "images", "the key of TensorRT-LLM that turns images off is not known here", "leave `images` out"
        )
    if answer.word("attention_parallel") == "data":
        reason = "how TensorRT-LLM divides a batch over data-parallel ranks is not known here"
        yield Unsayable("attention_parallel", reason, "set attention_parallel = tensor")
    if answer.count("nodes") > 1:
        yield Unsayable("nodes", "TensorRT-LLM starts several hosts by MPI, which this file does not", "set nodes = 1")


def render(answer: LockedWorkload) -> str:
    """Return the file: keys of LlmArgs. The share of memory is of what is free after loading, so the cache's tokens,
    those that it holds at least, stand beside it."""
    cache: dict[str, Any] = {
        "dtype": CACHES.get(answer.word("kv_cache"), "auto"),
        "free_gpu_memory_fraction": float(answer.share("gpu_memory_utilization")),
    }
    if answer.kv_tokens:
        cache["max_tokens"] = answer.kv_tokens
    document: dict[str, Any] = {
        "dtype": dtype(answer),
        "max_seq_len": answer.count("context"),
        "max_batch_size": answer.count("max_sequences"),
        "max_num_tokens": answer.count("max_batched_tokens"),
        "tensor_parallel_size": answer.count("tensor_parallel"),
        "pipeline_parallel_size": answer.count("pipeline_parallel"),
        "moe_expert_parallel_size": answer.count("expert_parallel"),
        "kv_cache_config": cache,
    }
    if answer.given.get("cuda_graphs") is False:
        document["cuda_graph_config"] = None
    return yaml_text([document])


def notes(answer: LockedWorkload) -> list[str]:
    """Return what the file's head says beside the rest."""
    return [
        f"start     trtllm-serve {answer.repository} --host 0.0.0.0 --config FILE",
        "unchecked the keys are those of TensorRT-LLM's documentation; no validator of it can be installed",
    ]
