"""Pages of vLLM's pool that hybrid models have for recurrent states: what logs print beside what is expected.

vLLM refuses more sequences than the pool has pages ("max_num_seqs exceeds available Mamba cache blocks"), so that the
number stands in many reports (tests/truth/state_pages.jsonl). The rows that are `fitted` give the margin; the others
check it.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from planner.catalog.catalog import Catalog
from planner.physics import inference
from planner.physics.inference.weights import weights_per_gpu

ROWS = Path(__file__).parents[1] / "tests" / "truth" / "state_pages.jsonl"
GIB = 2**30


@dataclass(frozen=True, slots=True)
class Pages:
    """A report: pages expected and printed, and whether the margin rests on it."""

    row: dict[str, Any]
    expected: int
    measured: int

    @property
    def fitted(self) -> bool:
        """Whether the row is one that the margin comes from."""
        return bool(self.row["fitted"])

    @property
    def excess(self) -> float:
        """By how much more were expected, as a share of what was there."""
        return max(0.0, self.expected / self.measured - 1)


def reports(catalog: Catalog) -> list[Pages]:
    """Every row with the pages that its release is expected to have."""
    return [_pages(catalog, json.loads(line)) for line in ROWS.read_text(encoding="utf-8").splitlines()]


def _pages(catalog: Catalog, row: dict[str, Any]) -> Pages:
    model, gpu = catalog.models[row["model"]], catalog.gpus[row["gpu"]]
    arch = model.architecture
    assert arch is not None
    found = inference.profile(
        catalog.engines["vllm"],
        row["version"],
        gpu,
        utilization=Fraction(row["utilization"]),
        max_sequences=row["sequences"],
        max_batched_tokens=row.get("batched"),
        context=row["context"],
        mixers=inference.traits(arch),
        family=arch.family,
    )
    weights = weights_per_gpu(arch, model.params, catalog.formats[row["weights"]], max_context=model.max_context)
    if "weights_gib" in row:
        weights = int(row["weights_gib"] * GIB)
    forward, sampler = inference.peak(arch, found)
    graphs = inference.graphs(arch, found)
    budget = inference.kv_budget(found, gpu, 1, 1, weights=weights, activations=forward, logits=sampler, graphs=graphs)
    groups = inference.cache_groups(arch, catalog.formats[row["kv_cache"]], found)
    expected = inference.pages(budget, groups, found.state_pages)
    assert expected is not None
    return Pages(row, expected, row["pages"])


def quantile(rows: list[Pages], per_cent: int) -> int:
    """Millionths of the excess that at most 1 - `per_cent` of the rows are above."""
    found = sorted(row.excess for row in rows)
    return math.ceil(found[math.ceil(len(found) * per_cent / 100) - 1] * 1_000_000)


def section(catalog: Catalog) -> list[str]:
    """The page's section."""
    lines = [
        "## Pages for recurrent states in vLLM",
        "",
        "Hybrid models need a page of the pool for each sequence; vLLM refuses more sequences than it has pages. The",
        "margin (`pages`) comes from the fitted rows. Three mixtures of experts have 2.4 to 2.7 GiB less than",
        "expected, a report of a build of its own about 8 GiB less than the card in the others; none prints why.",
        "",
        "| row | model | GPU | release | expected | printed | error | fitted |",
        "|---|---|---|---|---:|---:|---:|---|",
    ]
    for item in reports(catalog):
        row, error = item.row, (item.expected / item.measured - 1) * 100
        lines.append(
            f"| {row['id']} | {row['model']} ({row['weights']}) | {row['gpu']} | {row['version']} | {item.expected} | "
            f"{item.measured} | {error:+.1f} % | {'yes' if item.fitted else 'no'} |"
        )
    return lines
