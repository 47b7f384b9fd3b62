"""Parsed catalogs in the user's cache folder: one file a catalog, its rows read only when they are named.

An entry is a line of JSON (ids, places, aliases, findings and where each row starts) and then the rows, each as JSON
of its own. It is found by the content of the YAML file and by the code that reads it, so it never goes stale;
`planner.user_cache` sees to it that nobody else has written it.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import astuple
from functools import lru_cache
from pathlib import Path
from typing import Any

from planner import user_cache
from planner.diagnostics.diagnostic import Diagnostic, Span, error
from planner.record import dataclass

EDITION = "13"
"""Changes with the form of the cached files and with what a row may hold."""

RowPlace = tuple[int, int, int]
"""Where a row starts: character offset, 1-based line, 1-based column."""


@dataclass(frozen=True, slots=True)
class KeptRows:
    """The good rows of one catalog file, each still as JSON, and what is wrong with the others."""

    path: str
    as_of: str
    ids: dict[str, int]
    places: tuple[RowPlace, ...]
    names: dict[str, tuple[str, ...]]
    findings: tuple[Diagnostic, ...]
    starts: tuple[int, ...]
    body: bytes
    columns: dict[str, list[Any]]

    def row(self, key: str) -> dict[str, Any]:
        """Return the row of an id as the file has it."""
        at = self.ids[key]
        row: dict[str, Any] = json.loads(self.body[self.starts[at] : self.starts[at + 1]])
        return row

    def text(self, key: str) -> bytes:
        """Return the row of an id as canonical JSON: keys in order, no spaces, ASCII."""
        at = self.ids[key]
        return self.body[self.starts[at] : self.starts[at + 1]]

    def span(self, key: str) -> Span:
        """Return where the row of an id starts."""
        offset, line, column = self.places[self.ids[key]]
        return Span(self.path, offset, offset, line, column)


def empty(path: Path, *findings: Diagnostic) -> KeptRows:
    """Return a sheet without rows."""
    return KeptRows(
        path=str(path), as_of="", ids={}, places=(), names={}, findings=findings, starts=(0,), body=b"", columns={}
    )


def pack(
    path: Path,
    as_of: str,
    rows: list[tuple[dict[str, Any], RowPlace]],
    names: dict[str, tuple[str, ...]],
    findings: tuple[Diagnostic, ...],
    columns: tuple[str, ...] = (),
) -> KeptRows:
    """Return the sheet of parsed rows, in their order; every row has an `id` of its own.

    The values under the names in `columns` are kept beside the rows, to choose among them unread.
    """
    parts = [json.dumps(row, sort_keys=True, separators=(",", ":")).encode() for row, _ in rows]
    starts = [0]
    for part in parts:
        starts.append(starts[-1] + len(part))
    ids = {row["id"]: number for number, (row, _) in enumerate(rows)}
    places = tuple(place for _, place in rows)
    beside = {name: [row.get(name) for row, _ in rows] for name in columns}
    return KeptRows(
        path=str(path),
        as_of=as_of,
        ids=ids,
        places=places,
        names=names,
        findings=findings,
        starts=tuple(starts),
        body=b"".join(parts),
        columns=beside,
    )


def key_of(kind: str, raw: bytes) -> str:
    """Return the name under which a file's sheet is kept: of the file's content, and of the code that reads it."""
    digest = hashlib.sha256(f"{EDITION} {_code()} {kind}\n".encode())
    digest.update(raw)
    return f"{digest.hexdigest()}.catalog"


@lru_cache(maxsize=1)
def _code() -> str:
    """Return what tells the code that makes sheets from another: the release, and its files by size and time."""
    from planner.version import __version__

    here = Path(__file__).parent
    stamps: list[tuple[str, int, int]] = []
    try:
        for folder in (here.parent, here, here.parent / "programs"):
            with os.scandir(folder) as files:
                every = [(one.path, one.stat()) for one in files if one.is_file()]
            stamps += sorted((path, size.st_size, size.st_mtime_ns) for path, size in every)
    except OSError:
        stamps = []
    return f"{__version__} {stamps}"


def read(key: str, path: Path) -> KeptRows | None:
    """Return the sheet kept under a key, or None where there is none to be trusted."""
    data = user_cache.read(key)
    if data is None:
        return None
    try:
        first, _, body = data.partition(b"\n")
        head = json.loads(first)
        place = str(path)
        findings = tuple(
            error(code, message, Span(place, *span), help=way_out) for code, message, span, way_out in head["findings"]
        )
        ids = {name: number for number, name in enumerate(head["ids"])}
        names = {name: tuple(keys) for name, keys in head["names"].items()}
        places = tuple(map(tuple, head["places"]))
        starts = tuple(head["starts"])
        if starts[-1] != len(body):
            return None
        return KeptRows(
            path=place,
            as_of=head["as_of"],
            ids=ids,
            places=places,
            names=names,
            findings=findings,
            starts=starts,
            body=body,
            columns=head["columns"],
        )
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        return None


def write(key: str, sheet: KeptRows) -> None:
    """Keep a sheet; where that cannot be done, the next start only takes longer."""
    head = {
        "as_of": sheet.as_of,
        "ids": list(sheet.ids),
        "places": sheet.places,
        "names": sheet.names,
        "findings": [
            (item.code, item.message, astuple(item.span)[1:] if item.span else (0, 0, 1, 1), item.help)
            for item in sheet.findings
        ],
        "starts": sheet.starts,
        "columns": sheet.columns,
    }
    try:
        text = json.dumps(head, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError):
        return
    user_cache.write(key, text + b"\n" + sheet.body)
