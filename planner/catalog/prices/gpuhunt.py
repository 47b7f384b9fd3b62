"""Offers from a gpuhunt catalog (`CLOUD.csv`): on-demand and spot are rows of their own, a location may be a zone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from planner.catalog.prices.shared import (
    Price,
    PriceImport,
    chips,
    lines,
    missing,
    number,
    repaired,
    short_row,
    take,
)

if TYPE_CHECKING:
    from planner.catalog.catalog import Catalog

_NEEDED = ("instance_name", "location", "price", "gpu_count", "gpu_name", "gpu_memory", "spot")


def read_gpuhunt(path: Path, catalog: Catalog, cloud: str, as_of: str, region: str | None = None) -> PriceImport:
    """Return the offers of a gpuhunt file; raise ValueError or OSError where it is none."""
    header, rows, digest = lines(path)
    problem = missing(header, _NEEDED)
    if problem:
        raise ValueError(f"{path.name}: {problem}")
    into = PriceImport(digest=digest)
    prices: list[Price] = []
    for line, raw in rows:
        row = repaired(raw, len(header))
        if row is None:
            short_row(into, path, line, len(header))
            continue
        cell = dict(zip(header, row, strict=True))
        count = number(cell["gpu_count"])
        if not count:
            continue
        place = cell["location"].strip()
        if cloud == "gcp":  # a zone of a region: us-central1-a
            place = re.sub(r"-[a-z]$", "", place)
        spot = cell["spot"].strip().lower() in ("true", "1")
        value = number(cell["price"])
        price = Price(
            cell["instance_name"].strip(), place, cell["gpu_name"].strip(), int(count), None if spot else value,
            value if spot else None, number(cell.get("cpu", "")), number(cell.get("memory", "")),
            number(cell["gpu_memory"]), line,
        )  # fmt: skip
        slice_ = chips(price.gpu)
        if slice_ is not None:
            price.gpu, price.gpus = slice_[0], slice_[1] * price.gpus
        prices.append(price)
    return take(path, prices, catalog, cloud, as_of, region, f"gpuhunt {path.name} sha256:{digest[:16]}", into)
