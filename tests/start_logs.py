"""Start-up logs in the wording of each engine's releases, with figures that a test chooses: nobody's logs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any


def release(row: Mapping[str, Any]) -> str:
    """Return the release of a row; where it names the engine's generation alone, one of that."""
    version = str(row.get("version", ""))
    return version if re.fullmatch(r"[\d.]+", version) else str(row.get("release", version))


def vllm(row: Mapping[str, Any], ranks: int = 1, settings: Mapping[str, Any] | None = None) -> str:
    """Return the log of a row of tests/truth/inference.jsonl as vLLM of its release prints it, on each of its ranks."""
    version = tuple(int(part) for part in release(row).split(".")[:2])
    said, seen = (
        row["measured"],
        {"model": row["model"], "context": 8192, **row.get("settings", {}), **(settings or {})},
    )
    share, context = seen.get("utilization", 0.9), seen["context"]
    cache = {"bf16": "auto"}.get(row["kv_cache"], row["kv_cache"])
    config = (
        f"model='{seen['model']}', speculative_config=None, dtype=torch.bfloat16, max_seq_len={context}, "
        f"tensor_parallel_size={row.get('tp', 1)}, pipeline_parallel_size={row.get('pp', 1)}, "
        f"enforce_eager={seen.get('eager', False)}, kv_cache_dtype={cache}, seed=0"
    )
    tokens = said.get("kv_tokens")
    if version < (0, 8):
        return _first(row, config, ranks, share, context, tokens)
    core = "(EngineCore_DP0 pid=407) " if version >= (0, 10) else ""
    out = [
        f"(APIServer pid=1) INFO 01-02 03:04:05 [utils.py:233] non-default args: {{'model': '{seen['model']}', "
        f"'max_model_len': {context}, 'gpu_memory_utilization': {share}}}",
        f"{core}INFO 01-02 03:04:05 [core.py:58] Initializing a V1 LLM engine (v{release(row)}) with config: {config}",
    ]
    for rank in range(ranks):
        worker = f"(Worker_TP{rank} pid={500 + rank}) " if ranks > 1 else core
        out += _rank(said, version, share, f"{worker}INFO 01-02 03:04:06 ")
    if tokens is not None:
        out.append(f"{core}INFO 01-02 03:04:07 [kv_cache_utils.py:864] GPU KV cache size: {tokens:,} tokens")
    return "\n".join(out) + "\n"


def _rank(said: Mapping[str, Any], version: tuple[int, ...], share: float, head: str) -> list[str]:
    out = []
    if (weights := said.get("weights_gib_per_gpu")) is not None:
        unit = "GiB memory" if version >= (0, 14) else "GiB"
        out.append(f"{head}[gpu_model_runner.py:2338] Model loading took {weights} {unit} and 4.213981 seconds")
    if (estimate := said.get("cuda_graph_estimate_gib")) is not None:
        out.append(f"{head}[gpu_model_runner.py:6365] Estimated CUDA graph memory: {estimate} GiB total")
    if (cache := said.get("kv_cache_gib_per_gpu")) is not None:
        out.append(f"{head}[gpu_worker.py:298] Available KV cache memory: {cache} GiB")
    if (graphs := said.get("cuda_graph_gib")) is not None:
        out.append(f"{head}[gpu_model_runner.py:3118] Graph capturing finished in 25 secs, took {graphs} GiB")
    total, peak, rest = (said.get(name) for name in ("total_gpu_gib", "activation_peak_gib", "non_torch_gib"))
    if total is not None and peak is not None and rest is not None and weights is not None:
        if version >= (0, 27):
            parts = (
                f"{weights + rest:.2f} GiB for consumed memory (weights + non-torch), {peak} GiB for peak activation"
            )
        else:
            parts = f"{weights} GiB for weight, {peak} GiB for peak activation, {rest} GiB for non-torch memory"
        out.append(
            f"{head}[gpu_worker.py:391] Free memory on device ({total - 0.5:.2f}/{total} GiB) on startup. Desired GPU "
            f"memory utilization is ({share}, {total * share:.2f} GiB). Actual usage is {parts}, and {graphs or 0.0} "
            "GiB for CUDAGraph memory. Replace gpu_memory_utilization config with `--kv-cache-memory=123` to fit."
        )
    return out


def _first(row: Mapping[str, Any], config: str, ranks: int, share: float, context: int, tokens: int | None) -> str:
    """V0, before 0.8: the lone process has no name before its lines, the other workers have."""
    said, version = row["measured"], tuple(int(part) for part in release(row).split("."))
    out = [f"INFO 01-02 03:04:05 llm_engine.py:249] Initializing an LLM engine (v{release(row)}) with config: {config}"]
    for rank in range(ranks):
        head = f"(VllmWorkerProcess pid={500 + rank}) INFO 01-02 03:04:06 " if rank else "INFO 01-02 03:04:06 "
        weights, peak, rest = (
            said.get(f"{name}") for name in ("weights_gib_per_gpu", "activation_peak_gib", "non_torch_gib")
        )
        total, cache = said.get("total_gpu_gib"), said.get("kv_cache_gib_per_gpu")
        if weights is not None:
            out.append(f"{head}model_runner.py:1099] Loading model weights took {weights} GB")
        if None in (weights, peak, rest, total, cache):
            continue
        if version < (0, 6, 5):
            out.append(
                f"{head}worker.py:232] Memory profiling results: total_gpu_memory={total}GiB "
                f"initial_memory_usage=1.00GiB peak_torch_memory={weights + peak:.4f}GiB "
                f"memory_usage_post_profile=2.00GiB non_torch_memory={rest}GiB kv_cache_size={cache}GiB "
                f"gpu_memory_utilization={share:.2f}"
            )
            continue
        out += [
            f"{head}worker.py:241] Memory profiling takes 1.23 seconds",
            f"{head}worker.py:241] the current vLLM instance can use total_gpu_memory ({total}GiB) x "
            f"gpu_memory_utilization ({share:.2f}) = {total * share:.2f}GiB",
            f"{head}worker.py:241] model weights take {weights}GiB; non_torch_memory takes {rest}GiB; PyTorch "
            f"activation peak memory takes {peak}GiB; the rest of the memory reserved for KV Cache is {cache}GiB.",
        ]
    if tokens is not None:
        out.append(f"INFO 01-02 03:04:07 executor_base.py:110] # GPU blocks: {tokens // 16}, # CPU blocks: 2048")
        out.append(f"INFO 01-02 03:04:07 executor_base.py:115] Maximum concurrency for {context} tokens per request: "
                   f"{tokens / context:.2f}x")  # fmt: skip
    return "\n".join(out) + "\n"


def sglang(row: Mapping[str, Any], ranks: int = 1) -> str:
    """Return the log of a row as SGLang prints it."""
    said, seen = row["measured"], row.get("settings", {})
    quantized = "'fp8'" if str(row["weights"]).startswith("fp8") else "None"
    out = [
        f"[2026-01-02 03:04:05] server_args=ServerArgs(model_path='{row['model']}', dtype='auto', "
        f"kv_cache_dtype='auto', quantization={quantized}, context_length=None, tp_size={row.get('tp', 1)}, pp_size=1, "
        f"mem_fraction_static={seen.get('utilization', 0.88)})"
    ]
    for rank in range(ranks):
        head = f"[2026-01-02 03:04:06 TP{rank}] " if ranks > 1 else "[2026-01-02 03:04:06] "
        if (before := said.get("free_before_gib")) is not None:
            out.append(f"{head}Load weight begin. avail mem={before} GB")
        if (weights := said.get("weights_gib_per_gpu")) is not None:
            out.append(
                f"{head}Load weight end. type=LlamaForCausalLM, dtype=torch.bfloat16, avail mem=9.00 GB, "
                f"mem usage={weights} GB."
            )
        tokens, cache = said.get("kv_tokens"), said.get("kv_cache_gib_per_gpu")
        if cache is not None:
            half = f"{cache / 2:.3f} GB"
            out.append(f"{head}KV Cache is allocated. #tokens: {tokens}, K size: {half}, V size: {half}")
        if tokens is not None:
            out.append(
                f"{head}max_total_num_tokens={tokens}, chunked_prefill_size=8192, max_prefill_tokens=16384, "
                f"max_running_requests=2049, context_len=131072, available_gpu_mem={said.get('free_end_gib', 5.0)} GB"
            )
    return "\n".join(out) + "\n"


def llama_cpp(buffers: Mapping[str, tuple[float, float, float]], cells: int, slots: int, build: int = 9967) -> str:
    """Return the log of llama-server: MiB of weights, cache and compute buffer by device."""
    new = build >= 4000
    load, cache, made = ("load_tensors", "llama_kv_cache", "llama_context") if new else (
        "llm_load_tensors", "llama_kv_cache_init", "llama_new_context_with_model")  # fmt: skip
    out = [
        f"build: {build} (0123abcd) with cc (GCC) 13.2.0 for x86_64-linux-gnu",
        "llama_model_loader: loaded meta data with 33 key-value pairs and 292 tensors from "
        "/models/Llama-3.1-8B-Instruct-Q4_K_M.gguf (version GGUF V3 (latest))",
        f"{load}: offloaded 33/33 layers to GPU",
        f"{load}:   CPU_Mapped {'model ' if new else ''}buffer size =   281.81 MiB",
    ]
    out += [
        f"{load}: {name:>12} {'model ' if new else ''}buffer size = {row[0]:8.2f} MiB" for name, row in buffers.items()
    ]
    out += [f"{made}: n_seq_max     = {slots}", f"{made}: n_ctx         = {cells}"]
    out += [f"{cache}: {name:>12} KV buffer size = {row[1]:8.2f} MiB" for name, row in buffers.items()]
    out.append(
        f"{cache}: size = 1024.00 MiB ({cells} cells, 32 layers, {slots}/1 seqs), K (f16): 1.00 MiB, V (f16): 1.00 MiB"
    )
    out += [f"{made}: {name:>12} compute buffer size = {row[2]:8.2f} MiB" for name, row in buffers.items()]
    out.append(f"{made}:  CUDA_Host compute buffer size =    76.01 MiB")
    return "\n".join(out) + "\n"
