"""Price lists where SkyPilot and gpuhunt publish them: read within bounds, and only when asked."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass

from planner.catalog.prices.network import get
from planner.catalog.prices.shared import MAX_BYTES

ADDRESSES = {
    "skypilot": "https://raw.githubusercontent.com/skypilot-org/skypilot-catalog/master/catalogs/v8",
    "gpuhunt": "https://dstack-gpu-pricing.s3.eu-west-1.amazonaws.com/v3",
}
"""Where the lists of each lie (skypilot, sky/skylet/constants.py; gpuhunt 0.1.34, _internal/catalog.py)."""
MAX_ARCHIVE = 64 * 1024 * 1024
_CLOUD = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_DATED = re.compile(r"(\d{4})(\d\d)(\d\d)\b.*")


@dataclass(frozen=True, slots=True)
class Published:
    """A price list: its address, the name of its file, what it holds, and the day it says it is of, if any."""

    address: str
    name: str
    raw: bytes
    day: str = ""


def published(source: str, cloud: str, base: str = "") -> Published:
    """Return the list of a cloud; raise NetworkError, and ValueError for what is not a list.

    `base` is the address of another publication of the same form.
    """
    if not _CLOUD.fullmatch(cloud):
        raise ValueError(f"`{cloud[:80]}` is not the name of a cloud; write it as {source} does: aws")
    return _READERS[source]((base or ADDRESSES[source]).rstrip("/"), cloud)


def _skypilot(base: str, cloud: str) -> Published:
    address = f"{base}/{cloud}/vms.csv"
    return Published(address, "vms.csv", get(address, MAX_BYTES))


def _gpuhunt(base: str, cloud: str) -> Published:
    version = get(f"{base}/{cloud}/version", 100).decode("ascii", "replace").strip()
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}", version):
        raise ValueError(f"{base}/{cloud}/version names no version")
    address = f"{base}/{cloud}/{version}/catalog.zip"
    dated = _DATED.fullmatch(version)
    try:
        with zipfile.ZipFile(io.BytesIO(get(address, MAX_ARCHIVE))) as archive, archive.open(f"{cloud}.csv") as file:
            raw = file.read(MAX_BYTES + 1)
    except (zipfile.BadZipFile, KeyError, OSError, EOFError, NotImplementedError, RuntimeError) as problem:
        raise ValueError(f"{address} holds no {cloud}.csv: {str(problem)[:100]}") from None
    if len(raw) > MAX_BYTES:
        raise ValueError(f"{cloud}.csv of {address} is over {MAX_BYTES // 2**20} MiB")
    return Published(address, f"{cloud}.csv", raw, "-".join(dated.groups()) if dated else "")


_READERS: dict[str, Callable[[str, str], Published]] = {"skypilot": _skypilot, "gpuhunt": _gpuhunt}
