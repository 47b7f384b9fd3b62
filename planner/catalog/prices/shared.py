"""Price lists of other tools as offers: reading their CSV files with their traps, and writing a catalog of offers."""

from __future__ import annotations

import ast
import csv
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from planner.catalog.records import Gpu
from planner.diagnostics.diagnostic import Diagnostic, Span, error, warning
from planner.regular_files import read_bytes

if TYPE_CHECKING:
    from planner.catalog.catalog import Catalog

MAX_BYTES = 256 * 1024 * 1024
MAX_FINDINGS = 50
MARKETPLACES = ("vast", "vastai", "tensordock", "cudo", "salad")
_CORES = re.compile(r"(?:tpu-)?v(2|3|4|5p)-(\d+)")
_CHIPS = re.compile(r"(?:tpu-)?v(5litepod|5e|6e|7x)-(\d+)")


@dataclass(slots=True)
class Price:
    """One line of a price list: what is rented, where, and for how much an hour."""

    instance_type: str
    region: str
    gpu: str
    gpus: int
    price: float | None = None
    spot: float | None = None
    vcpus: float | None = None
    ram_gib: float | None = None
    gpu_memory_gb: float | None = None
    line: int = 0


@dataclass(slots=True)
class PriceImport:
    """The offers of a price list as catalog rows, the file's hash, and what could not be taken over."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    digest: str = ""
    findings: list[Diagnostic] = field(default_factory=list)
    skipped: int = 0


def lines(path: Path) -> tuple[list[str], Iterator[tuple[int, list[str]]], str]:
    """Return the header, the numbered rows and the SHA-256 of a CSV file; raise ValueError or OSError."""
    raw = read_bytes(path, MAX_BYTES)
    if len(raw) > MAX_BYTES:
        raise ValueError(f"{path.name} is over {MAX_BYTES // 2**20} MiB")
    text = raw.decode("utf-8-sig")
    reader = csv.reader(text.splitlines())
    header = next(reader, [])
    return header, ((reader.line_num, row) for row in reader if row), hashlib.sha256(raw).hexdigest()


def repaired(row: list[str], width: int) -> list[str] | None:
    """Return a row of the header's width: an unquoted comma inside braces or at the end is joined again."""
    if len(row) > width:
        joined: list[str] = []
        for cell in row:
            if joined and joined[-1].count("{") > joined[-1].count("}"):
                joined[-1] += "," + cell
            else:
                joined.append(cell)
        row = joined if len(joined) <= width else [*joined[: width - 1], ",".join(joined[width - 1 :])]
    return row if len(row) == width else None


def number(text: str) -> float | None:
    """Return a price or size, None where there is none (empty, zero, not a number)."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 < value < 1e9 else None


def memory_of(info: str) -> float | None:
    """Return the memory of one GPU in GB from SkyPilot's GpuInfo: a Python literal, MiB or, below 1024, GB."""
    if not info.startswith("{") or len(info) > 10_000:
        return None
    try:
        value = ast.literal_eval(info)
        size = float(value["Gpus"][0]["MemoryInfo"]["SizeInMiB"])
    except (ValueError, SyntaxError, TypeError, KeyError, IndexError, RecursionError, MemoryError):
        return None
    return size / 1024 if size >= 1024 else size


def chips(name: str) -> tuple[str, int] | None:
    """Return the GPU id and how many chips a TPU slice has: v2 to v4 and v5p count two cores a chip."""
    low = name.lower()
    if (match := _CORES.fullmatch(low)) is not None:
        return f"tpu_v{match[1]}", max(1, int(match[2]) // 2)
    if (match := _CHIPS.fullmatch(low)) is not None:
        return {"5litepod": "tpu_v5e", "5e": "tpu_v5e", "6e": "tpu_v6e", "7x": "tpu_v7"}[match[1]], int(match[2])
    return None


def find_gpu(catalog: Catalog, price: Price, gpu_ids: dict[str, str]) -> str | tuple[str, ...]:
    """Return the GPU of a line, or the candidates: of an instance type that is known, of its name and its memory."""
    if price.instance_type in gpu_ids:
        return gpu_ids[price.instance_type]
    result = catalog.find_gpu(price.gpu)
    gpus: tuple[Gpu, ...] = result if isinstance(result, tuple) else (result,) if result is not None else ()
    if len(gpus) > 1 and price.gpu_memory_gb is not None:
        memory = price.gpu_memory_gb
        gpus = tuple(gpu for gpu in gpus if abs(gpu.marketed_gb - memory) <= 0.08 * memory) or gpus
    return gpus[0].id if len(gpus) == 1 else tuple(gpu.id for gpu in gpus)


NOT_ON_DEMAND: Final = {"gcp": ("a3-highgpu-1g", "a3-highgpu-2g", "a3-highgpu-4g", "a3-ultragpu-8g", "a4-highgpu-8g")}
"""Instance types that have a list price on demand and are not sold so: "you must create instances by using Spot VMs or
Flex-start VMs" (developers.google.com/compute/docs/gpus, A3 High with fewer than eight GPUs), or of capacity that was
requested (Compute Engine release notes, A3 Ultra and A4)."""


def take(
    path: Path,
    prices: list[Price],
    catalog: Catalog,
    cloud: str,
    as_of: str,
    region: str | None,
    source: str,
    into: PriceImport,
) -> PriceImport:
    """Turn lines into rows: the cheapest of each instance type and region, GPUs resolved, doubts flagged."""
    there = [offer for offer in catalog.offers.values() if offer.provider == cloud]
    known = {offer.instance_type: offer.gpu for offer in there}
    networks = {offer.instance_type: offer.network / 125_000_000 for offer in there if offer.network is not None}
    best: dict[tuple[str, str], Price] = {}
    for price in prices:
        if region is not None and price.region != region:
            continue
        key = (price.region, price.instance_type)
        other = best.get(key)
        if other is None:
            best[key] = price
        else:  # the same in another zone: the cheapest of each
            other.price = min(filter(None, (other.price, price.price)), default=None)
            other.spot = min(filter(None, (other.spot, price.spot)), default=None)
    for (place, kind), price in sorted(best.items()):
        if kind in NOT_ON_DEMAND.get(cloud, ()):
            price.price = None
        gpu = find_gpu(catalog, price, known)
        if isinstance(gpu, tuple):
            into.skipped += 1
            reason = f"may be {', '.join(gpu)}" if gpu else "is in no catalog"
            note(into, warning("W0605", f"`{kind}`: its GPU `{price.gpu}` {reason}; left out", at(path, price.line)))
            continue
        if price.price is None and price.spot is None:
            into.skipped += 1
            continue
        flags = ["no_on_demand"] if price.price is None else []
        if price.price is not None and price.spot is not None and price.spot >= price.price:
            flags.append("spot_not_cheaper")
        identity = f"{cloud}/{place}/{kind}"
        row: dict[str, Any] = {
            "id": identity, "provider": cloud, "instance_type": kind, "region": place, "gpu": gpu, "gpus": price.gpus,
            "price_usd_h": price.price, "spot_usd_h": price.spot, "sold_by": "instance",
            "marketplace": cloud in MARKETPLACES, "vcpus": price.vcpus, "ram_gib": price.ram_gib, "as_of": as_of,
            "network_gbit_s": networks.get(kind),
            "flags": flags or None, "override": True if identity in catalog.offers else None, "source": source,
        }  # fmt: skip
        into.rows.append({key: value for key, value in row.items() if value is not None})
    return into


def at(path: Path, line: int) -> Span:
    """Return the span of a line."""
    return Span(str(path), 0, 0, max(line, 1), 1)


def note(into: PriceImport, finding: Diagnostic) -> None:
    """Keep a finding, up to a number that can be read."""
    if len(into.findings) < MAX_FINDINGS:
        into.findings.append(finding)


def short_row(into: PriceImport, path: Path, line: int, width: int) -> None:
    """Note a line that has not the header's columns."""
    into.skipped += 1
    note(into, error("E0203", f"{path.name}: line {line} has not the {width} columns of the header", at(path, line)))


def missing(header: list[str], needed: tuple[str, ...]) -> str | None:
    """Return what is wrong with a header, or None."""
    absent = [name for name in needed if name not in header]
    return f"there is no column {', '.join(absent)}; is it such a file?" if absent else None


def text(rows: list[dict[str, Any]], as_of: str, about: str) -> str:
    """Return a catalog of offers as YAML (each row a JSON object, which YAML reads)."""
    head = f"# {about}\nas_of: {json.dumps(as_of)}\nschema_version: 1\nrows:"
    body = [f"- {json.dumps(row, ensure_ascii=False)}" for row in rows]
    return "\n".join([head + (" []" if not rows else ""), *body]) + "\n"


Reader = Callable[[Path, "Catalog", str, str, str | None], PriceImport]
