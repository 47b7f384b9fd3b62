"""Writes docs/accuracy.md and the margins of catalogs/engines.yaml from the measured rows under tests/truth.

`python benchmarks/accuracy.py` writes both; `--check` only says whether they are what it would write.
"""

from __future__ import annotations

import re
import statistics
import sys
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import accuracy_field as reported  # noqa: E402
import accuracy_graphs as captured  # noqa: E402
import accuracy_pages as paged  # noqa: E402
import accuracy_rows as measured  # noqa: E402
import accuracy_starts as started  # noqa: E402
import accuracy_time as speed  # noqa: E402
import accuracy_training as training  # noqa: E402
from accuracy_rows import Comparison, Truth, kept  # noqa: E402

PAGE = ROOT / "docs" / "accuracy.md"
ENGINES = ROOT / "catalogs" / "engines.yaml"
TITLES = {
    "kv": "KV cache",
    "weights": "Weights of a GPU",
    "files": "GGUF files and checkpoints",
    "peak": "Activation peak, compute buffer",
    "overhead": "Overhead (non-torch, unaccounted)",
    "pool": "Cache out of free memory",
    "beside": "Peak and overhead, by the budget's sum",
    "tokens": "KV tokens from settings",
}
ENGINE_NAMES = {
    "vllm": "vLLM",
    "sglang": "SGLang",
    "tensorrt_llm": "TensorRT-LLM",
    "llama_cpp": "llama.cpp",
    "checkpoint": "safetensors",
}


def all_rows(truth: Truth) -> list[Comparison]:
    """Every comparison of every part."""
    parts = (
        measured.cache_rows,
        measured.weight_rows,
        measured.file_rows,
        measured.peak_rows,
        measured.buffer_rows,
        measured.overhead_rows,
        measured.beside_rows,
        measured.pool_rows,
        measured.buffers_rows,
        measured.token_rows,
    )
    return [row for part in parts for row in part(truth)]


def summary(rows: list[Comparison]) -> str:
    """Count, median, mean and worst absolute error in per cent, and the worst row."""
    errors = [abs(row.error) for row in rows]
    worst = max(rows, key=lambda row: abs(row.error))
    return (
        f"{len(rows)} | {statistics.median(errors):.3f} | {statistics.fmean(errors):.3f} | {worst.error:+.2f} | "
        f"{worst.row}, {worst.name}"
    )


def _table(rows: list[Comparison], key: str) -> Iterable[str]:
    groups: dict[tuple[str, str], list[Comparison]] = {}
    for row in rows:
        name = ENGINE_NAMES[row.engine] if key == "engine" else row.family
        groups.setdefault((row.part, name), []).append(row)
    order = list(TITLES)
    for part, name in sorted(groups, key=lambda pair: (order.index(pair[0]), pair[1].lower())):
        yield f"| {TITLES[part]} | {name} | {summary(groups[part, name])} |"


def _heading(second: str) -> list[str]:
    return [
        f"| part | {second} | rows | median | mean | worst | worst row |",
        "|---|---|---:|---:|---:|---:|---|",
    ]


def _left_out(truth: Truth, rows: list[Comparison]) -> Iterable[str]:
    reasons: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row.reason and row.part != "tokens":
            reasons.setdefault((TITLES[row.part], row.reason), []).append(row.row)
    for carried in truth.rows:
        if "unknown" in carried:
            reasons.setdefault(("all", carried["unknown"]), []).append(carried["id"])
    for (part, reason), ids in sorted(reasons.items()):
        yield f"| {part} | {', '.join(dict.fromkeys(ids))} | {reason} |"


def _tokens(rows: list[Comparison]) -> Iterable[str]:
    for row in sorted(rows, key=lambda row: row.row):
        if row.reason:
            yield f"| {row.row} | {row.name} | | | left out: {row.reason} |"
        else:
            unit = 1 if row.measured < 1e8 else 2**30
            shown = (f"{row.predicted / unit:,.2f} GiB", f"{row.measured / unit:,.2f} GiB")
            if unit == 1:
                shown = (f"{row.predicted:,.0f}", f"{row.measured:,.0f}")
            yield f"| {row.row} | {row.name} | {shown[0]} | {shown[1]} | {row.error:+.2f} % |"


def beyond(rows: list[Comparison]) -> list[Comparison]:
    """The rows whose safe end lies below what was used."""
    return [row for row in rows if row.predicted < row.measured]


def _margins(truth: Truth) -> Iterable[str]:
    for engine, table in measured.margins(truth).items():
        for part, levels in table.items():
            shown = " | ".join(f"{levels[at] / 10_000:.3f} %" for at in measured.CONFIDENCES)
            yield f"| {engine} | {part} | {shown} |"


def coverage_left_out(truth: Truth, confidence: int = 95) -> tuple[int, int]:
    """(rows beyond, rows) where the margins come from all other models' rows."""
    parts = {
        "weights": kept(measured.weight_rows(truth)),
        "peak": kept(measured.peak_rows(truth)),
        "overhead": [row for row in kept(measured.overhead_rows(truth)) if row.engine == "vllm"],
    }
    tables = {part: {row.row: row for row in rows} for part, rows in parts.items()}
    outside = total = 0
    for row in kept(measured.used_rows(truth, Fraction(0))):
        if not all(row.row in table for table in tables.values()):
            continue
        safe = 0.0
        for part, rows in parts.items():
            others = [other for other in rows if other.name != row.name]
            safe += tables[part][row.row].predicted * (1 + measured.excess_quantile(others, confidence) / 1e6)
        total += 1
        outside += safe < row.measured
    return outside, total


def _left_groups(name: str, rows: list[Comparison], fit: measured.Fit) -> Iterable[str]:
    for what in ("name", "gpu"):
        found = measured.leave_one_out(rows, fit, what)
        sizes = {row.row: row.measured for row in rows}
        gib = statistics.fmean(abs(error) / 100 * sizes[row] for _, row, error in found) / 2**30
        groups = len({group for group, _, _ in found})
        mean = statistics.fmean(abs(error) for *_, error in found)
        largest = max((error for *_, error in found), key=abs)
        label = "model" if what == "name" else "GPU"
        yield f"| {name} | {label} | {len(found)} | {groups} | {mean:.2f} % | {gib:.2f} | {largest:+.2f} % |"


def page(truth: Truth) -> str:
    """The whole page."""
    rows = all_rows(truth)
    good = kept(rows)
    used = kept(measured.used_rows(truth, Fraction(95, 100)))
    bad = beyond(used)
    peaks = [row for row in good if row.part == "peak" and row.engine == "vllm"]
    rests = [row for row in good if row.part == "overhead" and row.engine == "vllm"]
    far = [row for row in rests if abs(row.predicted - row.measured) > 2**30 / 5]
    tokens = [row for row in good if row.part == "tokens"]
    beside = [row for row in good if row.part == "beside"]
    outside, total = coverage_left_out(truth)
    mean_tokens = statistics.fmean(abs(row.error) for row in tokens)
    lines = [
        "# How accurate the estimates are",
        "",
        "This page is written by `python benchmarks/accuracy.py` from the measured rows in `tests/truth`: logs of",
        "vLLM, SGLang, TensorRT-LLM and llama.cpp, sizes of GGUF files and checkpoints, training steps, published",
        "speeds. Each row names its source. Errors are of the estimate against the measurement, in per cent.",
        "",
        "## Inference memory, by engine",
        "",
        *_heading("engine"),
        *_table(good, "engine"),
        "",
        "## Inference memory, by model family",
        "",
        *_heading("family"),
        *_table(good, "family"),
        "",
        "## KV tokens from model, GPU, version and settings alone",
        "",
        f"Mean absolute error {mean_tokens:.2f} % over {len(tokens)} rows. They are the rows of vLLM that state a",
        "numbered version, a GPU and its utilization; where a log prints no tokens it is the size of the cache. The",
        "largest concurrency at a context is these tokens over the context and has the same error.",
        "",
        "| row | model | predicted | measured | error |",
        "|---|---|---:|---:|---|",
        *_tokens([row for row in rows if row.part == "tokens"]),
        "",
        "## The safe end",
        "",
        "Every part has a margin: the share by which the measurement exceeds the estimate in at most 5 % of the rows",
        "of its kind (20, 10 and 1 % for `confidence` 80, 90 and 99 %). The part `margin` is their sum. SGLang,",
        "TensorRT-LLM and transformers have few rows of weights and peaks and take those of vLLM beside their own; all",
        "take the cache's. The overhead of SGLang and TensorRT-LLM holds the share they keep free, in which the errors",
        "of its parts lie; its margin is that of the rule which sizes their cache (cache out of free memory), and what",
        "TensorRT-LLM takes before it (`fixed`: context, local memory, communication) has that of vLLM's non-torch",
        "memory, and so has what transformers takes beside tensors, for want of rows; SGLang's has its own. llama.cpp",
        "prints what it finds in use beside its buffers (`unaccounted`), and has a margin of its own.",
        "",
        "| engine | part | 80 % | 90 % | 95 % | 99 % |",
        "|---|---|---:|---:|---:|---:|",
        *_margins(truth),
        "",
        f"Of {len(used)} vLLM rows that print weights, non-torch memory and peak, {len(bad)} used more than the safe",
        f"end at 95 %{': ' if bad else ''}{', '.join(f'{row.row} ({row.name})' for row in bad)}.",
        f"With each model's rows left out of the margins it is held against, {outside} of {total} did.",
        "",
        "No plan that its engine refused is said to fit: "
        + ", ".join(f"{row['id']} ({row['model']})" for row in truth.rows if row.get("refused"))
        + ".",
        "",
        "## Constants fitted to rows, checked on rows left out",
        "",
        "A scale on the estimate is fitted to the rows of all other models, or of all other GPUs, and held against",
        "the rows left out. Non-torch memory is small: its mean error is in GiB too, where a tenth of a GiB of 0.01 is",
        f"a thousand per cent. {len(rests) - len(far)} of its {len(rests)} rows lie within a fifth of a GiB. No other",
        "line of their logs says why these do not:",
        "; ".join(f"{row.row} ({row.predicted / 2**30:.2f} for {row.measured / 2**30:.2f} GiB)" for row in far) + ".",
        "",
        "| constant | left out | rows | groups | mean error | mean error in GiB | largest |",
        "|---|---|---:|---:|---:|---:|---:|",
        *_left_groups("peak (sampler's bytes a logit)", peaks, statistics.fmean),
        *_left_groups("non-torch memory", rests, statistics.median),
        *_left_groups("peak and overhead, by the budget's sum", beside, statistics.median),
        "",
        *captured.section(truth.catalog),
        "",
        *paged.section(truth.catalog),
        "",
        *started.section(truth.catalog),
        "",
        *reported.section(),
        "",
        "## Rows left out",
        "",
        "| part | rows | reason |",
        "|---|---|---|",
        *_left_out(truth, rows),
        "",
        *speed.section(),
        "",
        *training.section(),
    ]
    return "\n".join(lines).rstrip() + "\n"


def with_margins(text: str, truth: Truth) -> str:
    """catalogs/engines.yaml with the margins the rows give."""
    for engine, table in measured.margins(truth).items():
        body = ", ".join(
            f"{part}: {{{', '.join(f'{at}: {ppm}' for at, ppm in levels.items())}}}" for part, levels in table.items()
        )
        line = f"  margins: {{{body}}}\n"
        start = text.index(f"- id: {engine}\n")
        end = text.find("\n- id: ", start) + 1 or len(text)
        row = re.sub(r"(?m)^  margins: .*\n", "", text[start:end])
        text = text[:start] + row.replace("  releases:\n", line + "  releases:\n", 1) + text[end:]
    return text


def main() -> int:
    """Write or check both files."""
    truth = Truth()
    engines = with_margins(ENGINES.read_text(encoding="utf-8"), truth)
    if "--check" not in sys.argv:
        ENGINES.write_text(engines, encoding="utf-8")
        PAGE.write_text(page(Truth()), encoding="utf-8")
        return 0
    stale = engines != ENGINES.read_text(encoding="utf-8") or page(truth) != PAGE.read_text(encoding="utf-8")
    print("stale: run `python benchmarks/accuracy.py`" if stale else "as written")
    return int(stale)


if __name__ == "__main__":
    raise SystemExit(main())
