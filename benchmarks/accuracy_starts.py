"""What SGLang has taken before it loads weights: context and communication, by the free memory that its logs print.

"Load weight begin. avail mem" (tests/truth/sglang_starts.jsonl) is what is left of the GPU then. The rows that are
`fitted` give the margin of this fixed part; the others check it.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from planner.catalog.catalog import Catalog
from planner.physics import inference

ROWS = Path(__file__).parents[1] / "tests" / "truth" / "sglang_starts.jsonl"
GIB = 2**30


@dataclass(frozen=True, slots=True)
class Start:
    """A log: GiB expected and taken, and whether the margin rests on it."""

    row: dict[str, Any]
    expected: float
    measured: float

    @property
    def fitted(self) -> bool:
        """Whether the row is one that the margin comes from."""
        return bool(self.row["fitted"])


def starts(catalog: Catalog) -> list[Start]:
    """Every row with what the newest release is expected to have taken."""
    found = []
    for line in ROWS.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        gpu = catalog.gpus[row["gpu"]]
        taken = inference.fixed(inference.profile(catalog.engines["sglang"], None, gpu), gpu, row["ranks"])
        found.append(Start(row, taken / GIB, gpu.memory / GIB - row["free_gib"]))
    return found


def quantile(rows: list[Start], per_cent: int) -> int:
    """Millionths of the excess that at most 1 - `per_cent` of the rows are above."""
    found = sorted(max(0.0, row.measured / row.expected - 1) for row in rows)
    return math.ceil(found[math.ceil(len(found) * per_cent / 100) - 1] * 1_000_000)


def section(catalog: Catalog) -> list[str]:
    """The page's section."""
    lines = [
        "## What SGLang has taken before it loads",
        "",
        "Context and communication, by the free memory that it prints before it loads weights. The margin `fixed`",
        "comes from the fitted rows.",
        "",
        "| row | GPU | ranks | expected GiB | taken GiB | fitted |",
        "|---|---|---:|---:|---:|---|",
    ]
    for item in starts(catalog):
        row = item.row
        lines.append(
            f"| {row['id']} | {row['gpu']} | {row['ranks']} | {item.expected:.2f} | {item.measured:.2f} | "
            f"{'yes' if item.fitted else 'no'} |"
        )
    return [
        *lines,
        "",
        "Its graphs are taken for 1 GiB, inside the share that it keeps free: no formula is fitted to them. Logs print",
        "0.07 to 1.9 GiB of decode graphs, 6.2 of Llama-4-Maverick, whose attention keeps metadata for each size",
        "(sgl-project/sglang#8538), and 20 for each rank of 32 with DeepEP (sgl-project/sglang#24453): with experts",
        "spread so, and with a `gpu_memory_utilization` above the engine's own, a start is less sure than is said.",
    ]
