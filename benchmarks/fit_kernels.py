"""Print an engine's `kernels` for catalogs/engines.yaml from measured kernels, one row of JSON each.

A row states a GPU, an engine, an operation, formats and a `fit`: seconds = `fixed_us` + max(bytes / (`bandwidth_share`
x bandwidth), operations / (`peak_share` x peak)); an all-reduce has times by message and ranks instead. Rows with
`flags` are left out. What an engine lacks is the median of the others; GPUs of one compute capability are one entry.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

CAPABILITY = {
    "a100_sxm_80gb": "8.0",
    "l40s": "8.9",
    "h100_sxm": "9.0",
    "h200_sxm": "9.0",
    "b200": "10.0",
    "gb200": "10.0",
    "b300": "10.3",
    "gb300": "10.3",
    "rtx_pro_6000_server": "12.0",
}
WORDS = {
    "gemm": "dense",
    "moe": "experts",
    "attention_generation": "cache",
    "attention_context": "scores",
    "mla_generation": "latent_cache",
    "mla_context": "latent_scores",
}
ENGINES = ("vllm", "sglang", "tensorrt_llm")
MESSAGE, LARGE = 16384, 16777216
"""Bytes of the all-reduce whose time is a collective's fixed one, and of the one that says what its link reaches."""
UNPACKING = (0.6, 0.75)
"""Of bf16's shares of bandwidth and peak, what products of weights in 4 bits and 16-bit activations reach where no
kernel is measured: with these, 18 of 18 published pairs of formats are in the measured order (docs/accuracy.md)."""
Found = dict[tuple[str, str, str, str], list[tuple[float | None, ...]]]


def read(path: Path) -> Found:
    """Return [fixed us, bandwidth share, peak share] of each row by engine, operation, format and capability."""
    found: Found = defaultdict(list)
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        capability = CAPABILITY.get(row["gpu"])
        if row["flags"] or capability is None:
            continue
        if row["operation"] == "all_reduce":
            for ranks, times in row["time_us"].items():
                by_size = dict(zip(row["message_bytes"], times, strict=False))
                if not row.get("link_gb_s") and int(ranks) > 2 and by_size.get(MESSAGE):
                    found[row["engine"], "collective", "pcie", capability].append((by_size[MESSAGE], 1.0, None))
                elif row.get("link_gb_s") and by_size.get(MESSAGE) and by_size.get(LARGE):
                    bus = 2 * (int(ranks) - 1) / int(ranks) * LARGE / by_size[LARGE] / 1e3 / row["link_gb_s"]
                    found[row["engine"], "collective", "bf16", capability].append((by_size[MESSAGE], bus, None))
        elif row["operation"] in WORDS and "fit" in row:
            name = row.get("format") or row["kv_format"]
            if "attention_format" in row and row["attention_format"] != "bf16":
                continue
            fit = row["fit"]
            shares = fit["fixed_us"], fit.get("bandwidth_share"), fit.get("peak_share")
            found[row["engine"], WORDS[row["operation"]], name, capability].append(shares)
    return found


def middle(rows: list[tuple[float | None, ...]]) -> list[float]:
    """Return the medians of what rows state, without what none of them does at the end."""
    out = []
    for column in zip(*rows, strict=True):
        known = [value for value in column if value is not None]
        out.append(round(statistics.median(known), 2) if known else None)
    return [1.0 if value is None else value for value in (out[:2] if out[2] is None else out)]


def kernels(found: Found, engine: str) -> dict[str, dict[str, dict[str, list[float]]]]:
    """Return an engine's entries: by operation, format and capability."""
    out: dict[str, dict[str, dict[str, Any]]] = {}
    for operation, name, capability in sorted({key[1:] for key in found}):
        own = found.get((engine, operation, name, capability))
        rows = own or [row for other in ENGINES for row in found.get((other, operation, name, capability), [])]
        if name == "fp8" and operation == "experts" and engine == "vllm" and capability == "9.0":
            continue  # per-tensor scales, which no published checkpoint of experts has; blocks have their own entry
        if rows:
            out.setdefault(operation, {}).setdefault(name, {})[capability] = middle(rows)
    for capability, (_, bandwidth, peak) in out["dense"]["bf16"].items():
        fixed = out["dense"]["int4_wo"]["8.0"][0]
        unpacked = [fixed, round(UNPACKING[0] * bandwidth, 2), round(UNPACKING[1] * peak, 2)]
        out["dense"]["int4_wo"].setdefault(capability, unpacked)
    return out


def main() -> None:
    """Print the entries of each engine as YAML."""
    found = read(Path(sys.argv[1]))
    for engine in ENGINES:
        print(f"{engine}:\n  kernels:")
        for operation, formats in kernels(found, engine).items():
            print(f"    {operation}:")
            for name, entries in formats.items():
                told = ", ".join(f"'{at}': [{', '.join(f'{x:g}' for x in entry)}]" for at, entry in entries.items())
                print(f"      {name}: {{{told}}}")


if __name__ == "__main__":
    main()
