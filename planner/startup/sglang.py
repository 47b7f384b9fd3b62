"""The start-up log of SGLang, from 0.4 on: what each rank says while it loads, allocates its pool, captures graphs.

Line forms as model_executor/model_runner.py, mem_cache/memory_pool.py and managers/scheduler.py print them; their GB
are 2^30 bytes. A rank with a draft model loads twice and has two pools: they are added up.
"""

from __future__ import annotations

import re

from planner.startup.reported import NUMBER, Figure, Reported, counts, figure, last, line_of

UNIT = r" ?(GB|GiB|MB|MiB)"
STARTS = r"server_args=ServerArgs\("
SETTINGS = (
    ("context", r"\bcontext_len=(\d+)"),
    ("context", r"\bcontext_length=(\d+)"),
    ("tensor_parallel", r"\btp_size=(\d+)"),
    ("pipeline_parallel", r"\bpp_size=(\d+)"),
    ("gpu_memory_utilization", r"\bmem_fraction_static=(\d[\d.]*)"),
    ("max_batched_tokens", r"\bchunked_prefill_size=(\d+)"),
    ("max_sequences", r"\bmax_running_requests=(\d+)"),
)
FAILURES = (
    r"(Not enough memory[^\n]{0,200})",
    r"((?:CUDA|HIP) out of memory[^\n]{0,160})",
)
_RANK = re.compile(r"\[[^\]\n]*?((?:\b(?:DP|PP|TP|EP|ATTN_\w+)\d+ ?)+)\]")


def read(text: str) -> Reported:
    """Return what a log of one start says; no figure where it is not a log of SGLang."""
    ranks: dict[str, dict[str, Figure]] = {}

    def add(part: str, pattern: str) -> None:
        for match in re.finditer(pattern, text):
            parts = ranks.setdefault(_rank(line_of(text, match.end())), {})
            size = figure(match[1], match[2])
            parts[part] = parts[part] + size if part in parts else size

    add("weights", rf"Load weight end\.[^\n]{{0,400}}?mem usage={NUMBER}{UNIT}")
    add("graphs", rf"Capture [^\n]{{0,60}}?graph[^\n]{{0,40}}? end\.[^\n]{{0,200}}?mem usage={NUMBER}{UNIT}")
    for part, pattern in (
        ("before", rf"Load weight begin\. avail mem={NUMBER}{UNIT}"),
        ("free", rf"available_gpu_mem={NUMBER}{UNIT}"),
    ):
        for match in re.finditer(pattern, text):
            parts = ranks.setdefault(_rank(line_of(text, match.start())), {})
            if part != "before" or part not in parts:  # a draft model is loaded beside the first
                parts[part] = figure(match[1], match[2])
    for match in re.finditer(r"(?:KV|Mamba) Cache is allocated\.[^\n]{0,400}", text):
        parts = ranks.setdefault(_rank(line_of(text, match.start())), {})
        for written, unit in re.findall(rf"size: {NUMBER}{UNIT}", match[0]):
            size = figure(written, unit)
            parts["kv_cache"] = parts["kv_cache"] + size if "kv_cache" in parts else size
    running = last(r"max_total_num_tokens=\d+[^\n]{0,300}?max_running_requests=(\d+)", text)
    return Reported(
        "sglang",
        last(r"\bsglang[=\s]+v?(\d+\.\d+[\w.]{0,20})", text),
        last(r"\bmodel_path='([^'\n]{1,500})'", text),
        settings=counts(SETTINGS, text),
        formats=_formats(text),
        ranks={rank: parts for rank, parts in ranks.items() if parts},
        tokens=tuple(figure(match) for match in re.findall(r"max_total_num_tokens=(\d{1,15})", text)),
        running=int(running) if running and len(running) < 12 else None,
        failure=next(filter(None, (last(item, text) for item in FAILURES)), "").strip(),
    )


def _rank(before: str) -> str:
    match = _RANK.search(before)
    return match[1].strip() if match is not None else ""


def _formats(text: str) -> dict[str, str]:
    words = {
        "dtype": last(r"\bdtype=torch\.(\w{1,20})", text),
        "quantization": last(r"\bquantization=(?:'([\w-]{1,40})'|(None))", text),
        "kv_cache": last(r"\bkv_cache_dtype='(\w{1,40})'", text),
    }
    return {name: word for name, word in words.items() if word}
