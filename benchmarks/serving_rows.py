"""Measured serving (time to the first token and per output token at a concurrency) and what the physics says of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from planner.catalog.load import load
from planner.physics import inference, kernels, serving_time, time

ROOT = Path(__file__).parents[1]
CARRIED = ROOT / "tests/truth/serving_speed.jsonl"
ENGINES = {"vllm": "vllm", "trtllm": "tensorrt_llm", "sglang": "sglang"}
GPUS = {"h100_sxm": "h100_sxm", "h200_sxm": "h200_sxm", "b200_sxm": "b200", "b300_sxm": "b300"}
MODELS = {"zhipuai/GLM-5": "zai-org/GLM-5", "nvidia/Llama-3.1-8B-Instruct-FP8": "meta-llama/Llama-3.1-8B"}
TWINS = {"deepseek-ai/DeepSeek-R1": "deepseek-ai/DeepSeek-V3"}
"""One architecture under two names: left out together."""
FP8_CACHE = {"vllm": ("meta-llama/Llama-3.1-70B", "openai/gpt-oss-120b")}
"""Rows do not state the cache's format. TensorRT-LLM quantizes it with the checkpoint (its fp8 and nvfp4 ones say so),
the vLLM recipes of these models (SemiAnalysisAI/InferenceMAX, benchmarks/) set kv-cache-dtype fp8; else 16 bits."""
FIELDS = ("engine", "gpu", "model", "precision", "tp", "prompt", "output", "concurrency", "ttft_ms", "tpot_ms")


@dataclass(frozen=True, slots=True)
class Case:
    """A measurement with what the physics needs of it; seconds."""

    engine: str
    gpu: str
    model: str
    precision: str
    row: int
    made: serving_time.Calls
    card: serving_time.KernelSpeeds
    part: serving_time.Part
    concurrency: int
    output: int
    passes: int
    prompt: float
    cache: float
    scores: float
    tpot: float
    ttft: float


def rows(path: Path = CARRIED) -> list[dict[str, Any]]:
    """Return the clean rows of a file, of prefill and decoding on the same GPUs."""
    found = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [row for row in found if not row.get("flags") and row.get("mode", "agg") == "agg"]


def formats(engine: str, model: Any, precision: str, gpu: Any) -> tuple[str, str]:
    """Return the formats of weights and activations of a row; MXFP4 experts of gpt-oss keep theirs in every engine."""
    if precision == "bf16":
        return "bf16", "bf16"
    if precision == "int4":
        return model.native_format, "bf16"
    if model.native_format == "mxfp4":
        return "mxfp4", "mxfp8" if gpu.flops.get("fp4") else "bf16"
    return ("fp8_e4m3", "fp8_e4m3") if precision == "fp8" else ("nvfp4", "nvfp4")


def case(catalog: Any, row: dict[str, Any]) -> Case:
    """Return a row with what the physics needs of it."""
    model = catalog.find_model(MODELS.get(row["model_path"], row["model_path"]))
    arch, gpu = model.architecture, catalog.gpus[GPUS[row["system"]]]
    engine = catalog.engines[ENGINES[row["backend"]]]
    weights, activations = (catalog.formats[name] for name in formats(engine.id, model, row["precision"], gpu))
    ranks, batch = row["tp_size"], row["derived_concurrency"]
    mean = row["isl"] + row["osl"] // 2
    low = engine.id == "tensorrt_llm" or model.id in FP8_CACHE.get(engine.id, ())
    bits = catalog.formats["fp8_e4m3" if low else "bf16"].bits
    windows = (getattr(group.mixer, "window", 0) for group in arch.groups)
    window = next((tokens for tokens in windows if tokens), mean)
    held = inference.kv_bytes_per_token(arch, bits, ranks) * mean
    held += inference.window_bytes_per_token(arch, bits, ranks) * min(window, mean)
    passes = -(-row["isl"] // serving_time.CHUNK)
    read = time.reading(arch, model.params, weights)
    return Case(
        engine.id,
        gpu.id,
        TWINS.get(model.id, model.id),
        row["precision"],
        row["csv_row"],
        serving_time.calls(arch),
        kernels.card(
            engine,
            gpu,
            kernels.runs(arch, weights, activations, low, model.native_format),
            gpu.link_bandwidth,
        ),
        serving_time.part(arch, model.active_params, read, ranks, 1, read.total / ranks),
        batch,
        row["osl"],
        passes,
        row["isl"],
        float(batch * held),
        (time.attention_flops(arch, row["isl"]) / 2 * row["isl"]) / ranks,
        row["silicon_tpot_ms"] / 1e3,
        row["silicon_ttft_ms"] / 1e3,
    )


def cases(path: Path = CARRIED) -> list[Case]:
    """Return the cases of a file."""
    catalog, _ = load()
    return [case(catalog, row) for row in rows(path)]


__all__ = ["Case", "cases", "rows"]
