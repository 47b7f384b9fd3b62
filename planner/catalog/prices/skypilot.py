"""Offers from a SkyPilot catalog (`~/.sky/catalogs/v*/CLOUD/vms.csv`).

On GCP a host and its accelerators are rows of their own and are summed. A2, A3, A4 and G2 hosts come with their GPUs
(an A4's own price is 0: all of it stands with the GPUs); others are attached to an N1 host, of which SkyPilot rents the
cheapest of the zone that is large enough. A TPU's number may count cores; a zone repeats its region's price; GpuInfo
may hold unquoted commas, and GB where it says MiB; Azure's generations are `V1,V2`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from planner.catalog.prices.shared import (
    Price,
    PriceImport,
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

_OWN_HOSTS = frozenset(name for _, name in _HOSTS) | {"L4"}
_ATTACHED = re.compile(r"(n1-(?:standard|highmem|highcpu)-\d+)\+(\d+)x(.+)")
_HOST_VCPUS = {"T4": {1: 4, 2: 8, 4: 48}}
_VCPUS = {1: 8, 2: 16, 4: 32, 8: 64, 16: 128}
_GIB_A_VCPU = 4
"""The vCPUs of an N1 host by the number of its GPUs, and the memory for each (sky/catalog/gcp_catalog.py)."""


def host_gpus(instance_type: str) -> tuple[str, int] | None:
    """Return the accelerators that a GCP host comes with."""
    match = re.fullmatch(r"g2-standard-(\d+)", instance_type)
    if match is not None:
        count = _G2.get(int(match[1]))
        return ("L4", count) if count else None
    for pattern, name in _HOSTS:
        if (match := pattern.fullmatch(instance_type)) is not None:
            return name, int(match[1])
    return None


def _priced(text: str) -> float | None:
    """Return a host's price, which may be 0."""
    return number(text) or (0.0 if text.strip() in ("0", "0.0") else None)


def _sum(host: float | None, part: float | None) -> float | None:
    """Return the price of a host and its GPUs, to a micro-dollar; None where either is not sold so."""
    return round(host + part, 6) if host is not None and part is not None else None


def _attached(
    hosts: dict[str, list[Price]], parts: dict[tuple[str, int, str], Price], catalog: Catalog, cloud: str
) -> Iterator[Price]:
    """Yield each N1 host with attached GPUs: SkyPilot's choice in every zone, and the pairs the catalog has already.

    SkyPilot takes the cheapest N1 host of the zone with the vCPUs it holds right for that many GPUs and 4 GiB for each,
    and adds the prices of both rows.
    """
    known: dict[tuple[str, int], set[str]] = {}
    gpus: dict[str, str] = {}
    for offer in catalog.offers.values():
        if offer.provider == cloud and (match := _ATTACHED.fullmatch(offer.instance_type)) is not None:
            known.setdefault((match[3], int(match[2])), set()).add(match[1])
            gpus[match[3]] = offer.gpu
    for (name, count, zone), part in parts.items():
        there = [host for host in hosts.get(zone, ()) if host.price is not None]
        vcpus = _HOST_VCPUS.get(name, _VCPUS).get(count)
        large = [
            host
            for host in there
            if vcpus and (host.vcpus or 0) >= vcpus and (host.ram_gib or 0) >= _GIB_A_VCPU * vcpus
        ]
        chosen = [min(large, key=lambda host: (host.price or 0, host.instance_type))] if large else []
        chosen += [host for host in there if host.instance_type in known.get((name, count), ()) and host not in chosen]
        for host in chosen:
            yield Price(
                f"{host.instance_type}+{count}x{name}", part.region, gpus.get(name, name), count,
                _sum(host.price, part.price), _sum(host.spot, part.spot),
                host.vcpus, host.ram_gib, part.gpu_memory_gb, part.line,
            )  # fmt: skip


def read_skypilot(path: Path, catalog: Catalog, cloud: str, as_of: str, region: str | None = None) -> PriceImport:
    """Return the offers of a SkyPilot file; raise ValueError or OSError where it is none."""
    header, rows, digest = lines(path)
    problem = missing(header, _NEEDED)
    if problem:
        raise ValueError(f"{path.name}: {problem}")
    into = PriceImport(digest=digest)
    prices: list[Price] = []
    hosts: list[tuple[Price, str]] = []
    bare: dict[str, list[Price]] = {}
    parts: dict[tuple[str, int, str], Price] = {}
    zoned: dict[tuple[str, int, str], Price] = {}
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
            price.price, price.spot = _priced(cell["Price"]), _priced(cell["SpotPrice"])
            hosts.append((price, zone))
        elif kind.startswith(("n1-standard-", "n1-highmem-", "n1-highcpu-")):
            bare.setdefault(zone, []).append(price)
        elif name and count:
            parts[name, int(count), zone] = price
            if name not in _OWN_HOSTS:
                zoned[name, int(count), zone] = price
            parts.setdefault((name, int(count), place), price)
    for host, zone in hosts:
        needed = host_gpus(host.instance_type)
        part = (parts.get((*needed, zone)) or parts.get((*needed, host.region))) if needed else None
        if part is None:
            continue
        host.gpu, host.gpus, host.gpu_memory_gb = part.gpu, part.gpus, part.gpu_memory_gb
        host.price, host.spot = _sum(host.price, part.price), _sum(host.spot, part.spot)
        prices.append(host)
    prices.extend(_attached(bare, zoned, catalog, cloud))
    return take(path, prices, catalog, cloud, as_of, region, f"skypilot {path.name} sha256:{digest[:16]}", into)
