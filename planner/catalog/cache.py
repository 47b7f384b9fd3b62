"""Parsed catalogs in the user's cache folder: one file a catalog, its rows read only when they are named.

A file is a line of JSON (ids, places, aliases, findings and where each row starts) and then the rows, each as JSON
of its own. It is found by the content hash of the YAML file, so it never goes stale, and a checksum guards the rows.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import zlib
from dataclasses import astuple
from pathlib import Path
from typing import Any

from planner.diagnostics.diagnostic import Diagnostic, Span, error
from planner.record import dataclass

EDITION = "8"
"""Changes with the form of the cached files and with what a row may hold."""

Place = tuple[int, int, int]
"""Where a row starts: character offset, 1-based line, 1-based column."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """The good rows of one catalog file, each still as JSON, and what is wrong with the others."""

    path: str
    as_of: str
    ids: dict[str, int]
    places: tuple[Place, ...]
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


def empty(path: Path, *findings: Diagnostic) -> Sheet:
    """Return a sheet without rows."""
    return Sheet(str(path), "", {}, (), {}, findings, (0,), b"", {})


def pack(
    path: Path,
    as_of: str,
    rows: list[tuple[dict[str, Any], Place]],
    names: dict[str, tuple[str, ...]],
    findings: tuple[Diagnostic, ...],
    columns: tuple[str, ...] = (),
) -> Sheet:
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
    return Sheet(str(path), as_of, ids, places, names, findings, tuple(starts), b"".join(parts), beside)


def folder() -> Path:
    """Return where parsed files are kept: `$XDG_CACHE_HOME/planner`, else `~/.cache/planner`."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path("~/.cache").expanduser()) / "planner"


def key_of(kind: str, raw: bytes) -> str:
    """Return the name under which a file's sheet is kept."""
    return hashlib.sha256(f"{EDITION} {kind} ".encode() + raw).hexdigest()


def read(key: str, path: Path) -> Sheet | None:
    """Return the sheet kept under a key, or None where there is none that is whole."""
    try:
        with (folder() / f"{key}.catalog").open("rb") as file:
            head = json.loads(file.readline())
            body = file.read()
        if zlib.crc32(body) != head["checksum"] or head["starts"][-1] != len(body):
            return None
        place = str(path)
        findings = tuple(
            error(code, message, Span(place, *span), help=way_out) for code, message, span, way_out in head["findings"]
        )
        ids = {name: number for number, name in enumerate(head["ids"])}
        names = {name: tuple(keys) for name, keys in head["names"].items()}
        places = tuple(map(tuple, head["places"]))
        return Sheet(place, head["as_of"], ids, places, names, findings, tuple(head["starts"]), body, head["columns"])
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        return None


def write(key: str, sheet: Sheet) -> None:
    """Keep a sheet; a folder that cannot be written to is no error."""
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
        "checksum": zlib.crc32(sheet.body),
    }
    import tempfile

    temporary = None
    try:
        place = folder()
        place.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=place, suffix=".tmp")
        with os.fdopen(handle, "wb") as file:
            file.write(json.dumps(head, separators=(",", ":")).encode() + b"\n" + sheet.body)
        os.replace(temporary, place / f"{key}.catalog")
    except (OSError, TypeError, ValueError, RuntimeError, RecursionError):
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
