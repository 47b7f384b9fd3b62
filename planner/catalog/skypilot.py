"""Offers from a SkyPilot catalog (`~/.sky/catalogs/v*/CLOUD/vms.csv`).

On GCP a host and its accelerators are rows of their own and are summed; a TPU's number may count cores; a zone repeats
its region's price; GpuInfo may hold unquoted commas, and GB where it says MiB; Azure's generations are `V1,V2`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from planner.catalog.pricelist import (
    Import,
    Price,
    chips,
    lines,
    memory_of,
    missing,
    number,
    repaired,
    short_row,
    take,
)

if TYPE_CHECKING:
    from planner.catalog.catalog import Catalog

_NEEDED = ("InstanceType", "AcceleratorName", "AcceleratorCount", "Price", "SpotPrice", "Region")
_G2 = {4: 1, 8: 1, 12: 1, 16: 1, 32: 1, 24: 2, 48: 4, 96: 8}
"""L4s of a g2-standard host, by its vCPUs (cloud.google.com/compute/docs/gpus)."""
_HOSTS = (
    (re.compile(r"a2-(?:high|mega)gpu-(\d+)g"), "A100"),
    (re.compile(r"a2-ultragpu-(\d+)g"), "A100-80GB"),
    (re.compile(r"a3-(?:high|edge)gpu-(\d+)g"), "H100"),
    (re.compile(r"a3-megagpu-(\d+)g"), "H100-MEGA"),
    (re.compile(r"a3-ultragpu-(\d+)g"), "H200"),
    (re.compile(r"a4-highgpu-(\d+)g"), "B200"),
)


def host_gpus(instance_type: str) -> tuple[str, int] | None:
    """Return the accelerators that a GCP host comes with."""
    found = re.fullmatch(r"g2-standard-(\d+)", instance_type)
    if found is not None:
        count = _G2.get(int(found[1]))
        return ("L4", count) if count else None
    for pattern, name in _HOSTS:
        if (found := pattern.fullmatch(instance_type)) is not None:
            return name, int(found[1])
    return None


def read_skypilot(path: Path, catalog: Catalog, cloud: str, as_of: str, region: str | None = None) -> Import:
    """Return the offers of a SkyPilot file; raise ValueError or OSError where it is none."""
    header, rows, digest = lines(path)
    problem = missing(header, _NEEDED)
    if problem:
        raise ValueError(f"{path.name}: {problem}")
    into = Import(digest=digest)
    prices: list[Price] = []
    hosts: list[tuple[Price, str]] = []
    parts: dict[tuple[str, int, str], Price] = {}
    for line, raw in rows:
        row = repaired(raw, len(header))
        if row is None:
            short_row(into, path, line, len(header))
            continue
        cell = dict(zip(header, row, strict=True))
        kind, name, place = cell["InstanceType"].strip(), cell["AcceleratorName"].strip(), cell["Region"].strip()
        count = number(cell["AcceleratorCount"])
        price = Price(
            kind, place, name, int(count or 0), number(cell["Price"]), number(cell["SpotPrice"]),
            number(cell.get("vCPUs", "")), number(cell.get("MemoryGiB", "")), memory_of(cell.get("GpuInfo", "")), line,
        )  # fmt: skip
        zone = cell.get("AvailabilityZone") or place
        slice_ = chips(name)
        if slice_ is not None and not kind:
            price.instance_type, price.gpu = name if name.startswith("tpu-") else f"tpu-{name}", slice_[0]
            price.gpus = slice_[1] * (int(count or 1))
            prices.append(price)
        elif kind and name and count:
            prices.append(price)
        elif kind and host_gpus(kind):
            hosts.append((price, zone))
        elif name and count:
            parts[name, int(count), zone] = price
            parts.setdefault((name, int(count), place), price)
    for host, zone in hosts:
        needed = host_gpus(host.instance_type)
        part = (parts.get((*needed, zone)) or parts.get((*needed, host.region))) if needed else None
        if part is None:
            continue
        host.gpu, host.gpus, host.gpu_memory_gb = part.gpu, part.gpus, part.gpu_memory_gb
        host.price = host.price + part.price if host.price and part.price else None
        host.spot = host.spot + part.spot if host.spot and part.spot else None
        prices.append(host)
    return take(path, prices, catalog, cloud, as_of, region, f"skypilot {path.name} sha256:{digest[:16]}", into)
