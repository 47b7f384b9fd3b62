"""The start-up log of vLLM, from 0.6 on: V0's memory profile, V1's lines by rank, and the summary behind the graphs.

Line forms as the releases print them: worker/worker.py and model_runner.py (0.6 to 0.9), v1/worker/gpu_worker.py and
gpu_model_runner.py, v1/core/kv_cache_utils.py (0.8 on). `non-torch` has no figure of its own from 0.27 on; there it
is what is consumed less the weights.
"""

from __future__ import annotations

import re

from planner.startup.reported import NUMBER, Figure, Reported, counts, figure, last, line_of, plain_version

UNIT = r"\s?(bytes|GiB|GB|MiB|MB)"
LINES: tuple[tuple[str, str], ...] = (
    ("weights", rf"(?:Loading model weights|Model loading) took {NUMBER}{UNIT}"),
    ("weights", rf"model weights take {NUMBER}{UNIT}"),
    ("weights", rf"Actual usage is {NUMBER}{UNIT} for weight"),
    ("weights", rf"weights memory: {NUMBER}{UNIT}"),
    ("activations", rf"{NUMBER}{UNIT} for peak activation"),
    ("activations", rf"activation peak memory takes {NUMBER}{UNIT}"),
    ("activations", rf"torch peak memory increase: {NUMBER}{UNIT}"),
    ("peak", rf"peak_torch_memory={NUMBER}{UNIT}"),
    ("non_torch", rf"{NUMBER}{UNIT} for non-torch memory"),
    ("non_torch", rf"non_torch_memory takes {NUMBER}{UNIT}"),
    ("non_torch", rf"non-torch forward increase memory: {NUMBER}{UNIT}"),
    ("non_torch", rf"non_torch_memory={NUMBER}{UNIT}"),
    ("consumed", rf"{NUMBER}{UNIT} for consumed memory"),
    ("graphs", rf"CUDA graph pool memory: {NUMBER}{UNIT} \(actual\)"),
    ("graphs", rf"Graph capturing finished in {NUMBER} secs?, took {NUMBER}{UNIT}"),
    ("graphs", rf"{NUMBER}{UNIT} for CUDAGraph memory"),
    ("graph_estimate", rf"Estimated CUDA graph memory: {NUMBER}{UNIT}"),
    ("graph_estimate", rf"\(actual\), {NUMBER}{UNIT} \(estimated\)"),
    ("kv_cache", rf"Available KV cache memory: {NUMBER}{UNIT}"),
    ("kv_cache", rf"reserved for KV Cache is {NUMBER}{UNIT}"),
    ("kv_cache", rf"kv_cache_size={NUMBER}{UNIT}"),
    ("kv_cache", rf"Current kv cache memory in use is {NUMBER}{UNIT}"),
    ("card", rf"Free memory on device (?:\S{{1,20}} )?\([\d.]+/{NUMBER} (GiB|GB)\)"),
    ("card", rf"total_gpu_memory \({NUMBER}{UNIT}\)"),
    ("card", rf"total_gpu_memory={NUMBER}{UNIT}"),
)
"""What a rank reports, by part; the first form of a part that a log has counts."""

STARTS = r"vLLM API server version|█\s+version \d|(?<!V1 )LLM engine \(v\d[^)\n]*\) with config"
VERSIONS = (
    r"Initializing an? (?:V\d )?LLM engine \(v([^)\s]{1,80})\)",
    r"vLLM API server version:? v?([\w.+-]{1,80})",
    r"█\s+version v?([\w.+-]{1,80})",
)
MODELS = (
    r"with config:\s+model='([^'\n]{1,500})'",
    r"'model(?:_tag)?': '([^'\n]{1,500})'",
    r"Starting to load model ([^\s,]{1,500}?)\.\.\.",
)
SETTINGS = (
    ("context", r"max_seq_len=(\d+)"),
    ("context", r"'max_model_len': (\d+)"),
    ("context", r"Using max model len (\d+)"),
    ("tensor_parallel", r"tensor_parallel_size=(\d+)"),
    ("tensor_parallel", r"'tensor_parallel_size': (\d+)"),
    ("pipeline_parallel", r"pipeline_parallel_size=(\d+)"),
    ("pipeline_parallel", r"'pipeline_parallel_size': (\d+)"),
    ("gpu_memory_utilization", r"'gpu_memory_utilization': (\d[\d.]*)"),
    ("gpu_memory_utilization", r"Desired GPU memory utilization is \((\d[\d.]*),"),
    ("gpu_memory_utilization", r"current --gpu-memory-utilization=(\d[\d.]*)"),
    ("gpu_memory_utilization", r"gpu_memory_utilization ?[=(]+(\d+\.\d+)"),
    ("max_sequences", r"'max_num_seqs': (\d+)"),
    ("max_sequences", r"max_num_seqs=(\d+)"),
    ("max_batched_tokens", r"Chunked prefill is enabled with max_num_batched_tokens=(\d+)"),
    ("max_batched_tokens", r"'max_num_batched_tokens': (\d+)"),
    ("max_batched_tokens", r"max_num_batched_tokens=(\d+)"),
)
FAILURES = (
    r"(To serve at least one request with the model[^\n]{0,300})",
    r"(No available memory for the cache blocks[^\n]{0,120})",
    r"(Free memory on device[^\n]{0,80} is less than desired GPU memory utilization[^\n]{0,60})",
    r"((?:CUDA|HIP) out of memory[^\n]{0,160})",
)
_RANK = re.compile(r"\(((?:Vllm)?(?:Ray)?Worker(?:Wrapper|Process)?[\w ]*)(?: pid=(\d+)(?:, ip=([\d.]+))?)?\)")
_ENGINE = re.compile(r"\((EngineCore\w*)")


def read(text: str) -> Reported:
    """Return what a log of one start says; no figure where it is not a log of vLLM."""
    ranks: dict[str, dict[str, Figure]] = {}
    for part, pattern in LINES:
        seen: dict[str, Figure] = {}
        for match in re.finditer(pattern, text):
            written, unit = match.groups()[-2:]
            seen[_rank(line_of(text, match.start()))] = figure(written, unit)  # a rank's last word
        for rank, size in seen.items():
            ranks.setdefault(rank, {}).setdefault(part, size)
    for parts in ranks.values():
        _derive(parts)
    many = [figure(match[1]) for match in re.finditer(rf"GPU KV cache size: {NUMBER} tokens", text)]
    blocks = [figure(match[1]) for match in re.finditer(rf"# (?:GPU|CUDA|cuda) blocks: {NUMBER}", text)]
    concurrency = re.findall(rf"Maximum concurrency for {NUMBER} tokens per request: {NUMBER}x", text)
    return Reported(
        "vllm",
        plain_version(next(filter(None, (last(item, text) for item in VERSIONS)), "")),
        next(filter(None, (last(item, text) for item in MODELS)), ""),
        settings=counts(SETTINGS, text),
        formats=_formats(text),
        ranks={rank: parts for rank, parts in ranks.items() if parts},
        tokens=tuple(many),
        blocks=tuple(blocks),
        sequences=min((figure(held) for _, held in concurrency), key=lambda one: one.value, default=None),
        of_tokens=int(concurrency[0][0].replace(",", "").partition(".")[0]) if concurrency else None,
        failure=next(filter(None, (last(item, text) for item in FAILURES)), "").strip(),
    )


def _rank(before: str) -> str:
    """Return the worker that a line is of, by what stands before its message; a lone engine has none."""
    match = _RANK.search(before)
    if match is not None:
        return " ".join(filter(None, match.groups()))
    engine = _ENGINE.search(before)
    return engine[1] if engine is not None else ""


def _derive(parts: dict[str, Figure]) -> None:
    """Put parts that are printed together apart, and drop what is not part of its own."""
    peak, consumed = parts.pop("peak", None), parts.pop("consumed", None)
    weights = parts.get("weights")
    if weights is None:
        return
    if peak is not None and "activations" not in parts:
        parts["activations"] = peak - weights
    if consumed is not None and "non_torch" not in parts:
        parts["non_torch"] = consumed - weights


def _formats(text: str) -> dict[str, str]:
    words = {
        "dtype": last(r"\bdtype=torch\.(\w{1,20})", text),
        "quantization": last(r"\bquantization=([\w-]{1,40})", text),
        "kv_cache": last(r"\bkv_cache_dtype=(?:torch\.)?'?([\w]{1,40})", text),
        "eager": last(r"\benforce_eager=(True|False)", text),
    }
    return {name: word for name, word in words.items() if word}
