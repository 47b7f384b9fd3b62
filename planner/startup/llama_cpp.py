"""The start-up log of llama.cpp: the buffers of each device, and the memory breakdown where one is printed.

Line forms as src/llama-model.cpp, src/llama-kv-cache*.cpp, src/llama-context.cpp and common/fit.cpp
print them, from b3000 (`llm_load_tensors`, `KV self size`) to 2026 (`load_tensors`, `llama_kv_cache`,
`common_memory_breakdown_print`). Devices of the host (CPU, *_Host, *_Mapped) are no GPU's memory.
"""

from __future__ import annotations

import re

from planner.startup.reported import NUMBER, Figure, Reported, counts, figure, last

HOST = re.compile(r"CPU|Host|HOST|Mapped|BLAS|AMX|REPACK|RPC", re.ASCII)
BUFFER = re.compile(rf"\b([A-Za-z]\w{{0,30}}) +(?:(model|KV|RS|compute|output) +)?buffer size = *{NUMBER} MiB")
PART = {None: "weights", "model": "weights", "KV": "kv_cache", "RS": "kv_cache"}
STARTS = r"\bbuild(?:_info)?: "
SETTINGS = (
    ("cells", r"\bn_ctx\s*=\s*(\d+)"),
    ("slots", r"\bn_seq_max\s*=\s*(\d+)"),
    ("slots", r"\bn_slots\s*=\s*(\d+)"),
    ("context", r"\bn_ctx_(?:per_)?seq\s*=\s*(\d+)"),
)
FAILURES = (
    r"(cudaMalloc failed: out of memory[^\n]{0,80})",
    r"((?:failed|unable) to allocate [^\n]{0,160})",
    r"(cannot meet free memory target[^\n]{0,160})",
)


def read(text: str) -> Reported:
    """Return what a log of one start says; no figure where it is not a log of llama.cpp."""
    ranks: dict[str, dict[str, Figure]] = {}
    layers = re.search(r"offloaded (\d{1,9})/(\d{1,9}) layers to GPU", text)
    notes = []

    for device, kind, written in BUFFER.findall(text):
        if HOST.search(device) is not None or kind == "output":
            continue
        parts, size = ranks.setdefault(device, {}), figure(written, "MiB")
        if kind == "compute":
            parts["activations"] = size  # reserved again: the last one stays
        else:
            part = PART[kind or None]
            parts[part] = parts[part] + size if part in parts else size
    names = _breakdown(text, ranks)
    if layers is not None and int(layers[1]) < int(layers[2]):
        notes.append(f"{layers[1]} of {layers[2]} layers are on the GPU; the others stay in host memory")
    keys, values = re.findall(r"K \((\w{1,20})\)", text), re.findall(r"V \((\w{1,20})\)", text)
    settings = counts(SETTINGS, text)
    return Reported(
        "llama_cpp",
        last(r"\bbuild(?:_info)?:? ?b?(\d{3,6})\b", text),
        last(r"loading model '([^'\n]{1,500})'", text)
        or last(r"loaded meta data with [^\n]{0,80}? from (\S{1,500}?) \(version", text)
        or last(r"general\.name\s+str\s+=\s+([^\n]{1,200})", text).strip(),
        tuple(dict.fromkeys([*re.findall(r"Device \d+: ([^,\n]{1,80}),", text), *names])),
        settings=settings,
        formats={"kv_cache": keys[-1]} if keys and keys[-1] == (values or keys)[-1] else {},
        ranks={rank: parts for rank, parts in ranks.items() if parts},
        tokens=(Figure(settings["cells"]),) if "cells" in settings and ranks else (),
        failure=next(filter(None, (last(item, text) for item in FAILURES)), "").strip(),
        notes=tuple(notes),
    )


def _breakdown(text: str, ranks: dict[str, dict[str, Figure]]) -> list[str]:
    """Add what the memory breakdown says of each device, and return the devices' names.

    `total = free + (self = model + context + compute) + unaccounted`, all in MiB; what is not free is taken.
    """
    names = []
    row = r"memory_breakdown_print: \|\s+- (\w{1,30}) \(([^|\n]{1,80})\)\s*\|\s*(\d{1,9}) =\s*(\d{1,9}) \+ \("
    for match in re.finditer(row, text):
        device, name, total, free = match.groups()
        if HOST.search(device) is None:
            parts = ranks.setdefault(device, {})
            parts["card"] = figure(total, "MiB")
            parts["total"] = figure(total, "MiB") - figure(free, "MiB")
            names.append(name.strip())
    return names
