"""The rows of one catalog file by id: checked once, then kept parsed, and built when they are named."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

from planner.catalog.reading import cache
from planner.catalog.reading.cache import KeptRows, RowPlace
from planner.diagnostics.diagnostic import Diagnostic, Span, error
from planner.regular_files import read_bytes

MAX_BYTES = 20 * 1024 * 1024
MOST = 20
"""Mistakes told of one row."""
COLUMNS = {
    "offers": (
        "provider",
        "region",
        "gpu",
        "gpus",
        "marketplace",
        "flags",
        "available",
        "as_of",
        "sold_by",
        "ram_gib",
        "network_gbit_s",
        "price_usd_h",
        "spot_usd_h",
        "reserved_1y_usd_h",
        "reserved_3y_usd_h",
    ),
    "quality": ("format", "role"),
    "formats": ("roles",),
}
"""What of a row tells whether a plan needs it."""
T = TypeVar("T")
Make = Callable[[dict[str, Any]], T]
_FOLD = {ord(" "): None, ord("-"): None, ord("_"): None}


def folded(text: str) -> str:
    """Return a name as names are compared: lower case, without spaces, `-` and `_`."""
    return text.casefold().translate(_FOLD)


class RowTable(Mapping[str, T], Generic[T]):
    """The records of one catalog by id; each is built when it is first read."""

    def __init__(self, sheet: KeptRows, make: Make[T]) -> None:
        """Take the rows of `sheet`; `make` builds a record of one."""
        self._sheet, self._make = sheet, make
        self._built: dict[str, T] = {}

    @property
    def as_of(self) -> str:
        """The date of the file's facts, as it states it."""
        return self._sheet.as_of

    @property
    def findings(self) -> tuple[Diagnostic, ...]:
        """What is wrong with the file; the rows it is about are not in the table."""
        return self._sheet.findings

    @property
    def names(self) -> dict[str, tuple[str, ...]]:
        """The ids each id and alias stands for, by its folded form."""
        return self._sheet.names

    def __getitem__(self, key: str) -> T:
        record = self._built.get(key)
        if record is None:
            record = self._built[key] = self._make(self._sheet.row(key))
        return record

    def __iter__(self) -> Iterator[str]:
        return iter(self._sheet.ids)

    def __len__(self) -> int:
        return len(self._sheet.ids)

    def __contains__(self, key: object) -> bool:
        return key in self._sheet.ids

    def row(self, key: str) -> dict[str, Any]:
        """Return the row as the file has it."""
        return self._sheet.row(key)

    def column(self, name: str) -> list[Any]:
        """Return what each row has under a name of `COLUMNS`, in the order of the ids; None where it has nothing."""
        return self._sheet.columns.get(name) or [None] * len(self)

    def text(self, key: str) -> bytes:
        """Return the row as canonical JSON, what its digest is made of."""
        return self._sheet.text(key)

    def span(self, key: str) -> Span:
        """Return where the row of an id starts."""
        return self._sheet.span(key)


class Both(Mapping[str, T]):
    """The rows of a catalog with those a plan adds or overrides; none is built before it is read."""

    def __init__(self, shipped: Mapping[str, T], own_rows: Mapping[str, T]) -> None:
        """Take the catalog's rows and the plan's own by id."""
        self._shipped, self._own = shipped, own_rows

    def __getitem__(self, key: str) -> T:
        return self._own[key] if key in self._own else self._shipped[key]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys((*self._shipped, *self._own)))

    def __len__(self) -> int:
        return len(self._shipped) + sum(key not in self._shipped for key in self._own)

    def __contains__(self, key: object) -> bool:
        return key in self._own or key in self._shipped


def read_sheet(path: Path, kind: str, make: Make[Any]) -> KeptRows:
    """Return the rows of a file: from the cache, or parsed, checked by building each, and then kept."""
    try:
        raw = read_bytes(path, MAX_BYTES)
    except OSError as problem:
        return cache.empty(path, _refuse(path, f"{path.name} cannot be read: {problem.strerror}"))
    if len(raw) > MAX_BYTES:
        return cache.empty(path, _refuse(path, f"{path.name} is over {MAX_BYTES // 2**20} MiB"))
    key = cache.key_of(f"{kind} {path.name}", raw)  # findings speak of the file by name
    sheet = cache.read(key, path)
    if sheet is None:
        sheet = parse_sheet(path, raw, kind, make)
        cache.write(key, sheet)
    return sheet


def parse_sheet(path: Path, raw: bytes, kind: str, make: Make[Any]) -> KeptRows:
    """Return the rows of a file's text that hold, and the mistakes of each of the others at their places."""
    from planner.catalog.reading.source import place_of, read_rows
    from planner.catalog.rows import ROWS

    as_of, rows, broken = read_rows(path, raw)
    findings = list(broken)
    good: dict[str, tuple[dict[str, Any], RowPlace]] = {}
    form = ROWS.get(kind)
    for row, place, node in rows:
        mistakes = list(_mistakes(row, good, form, make))
        findings += [
            _refuse(path, f"{path.name}: {message}", place_of(node, way) or place) for way, message in mistakes[:MOST]
        ]
        if not mistakes:
            good[row["id"]] = (row, place)
    return cache.pack(path, as_of, list(good.values()), _names(good), tuple(findings), COLUMNS.get(kind, ()))


def _refuse(path: Path, message: str, place: RowPlace = (0, 1, 1)) -> Diagnostic:
    offset, line, column = place
    return error("E0203", message, Span(str(path), offset, offset, line, column))


def _mistakes(
    row: Any, before: Mapping[str, Any], form: type | None, make: Make[Any]
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield what is wrong with a row, with the way to the value each mistake is about."""
    from planner.catalog.reading.form import mistakes

    identity = row.get("id") if isinstance(row, dict) else None
    if not isinstance(identity, str) or not identity:
        yield (), "a row needs an `id`"
        return
    if identity in before:
        yield ("id",), f"`{identity}` is there twice"
        return
    if not isinstance(row.get("source"), str) or not row["source"]:
        yield (), f"`{identity}` has no `source`"
        return
    wrong = False
    for way, message in mistakes(row, form) if form else ():
        wrong = True
        where = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in way).lstrip(".")
        yield way, f"`{identity}`: {f'`{where}` ' if where else ''}{message}"
    if wrong:
        return
    try:
        tuple(getattr(make(row), "releases", ()))  # built one by one
    except KeyError as problem:
        yield (), f"`{identity}`: `{problem.args[0]}` is missing"
    except (ValueError, TypeError, AttributeError, ArithmeticError, IndexError) as problem:
        yield (), f"`{identity}`: {problem}"


def _names(rows: Mapping[str, tuple[dict[str, Any], RowPlace]]) -> dict[str, tuple[str, ...]]:
    ids_by_name: dict[str, list[str]] = {}
    for key, (row, _) in rows.items():
        aliases = row.get("aliases")
        others = aliases if isinstance(aliases, list) else ()
        for text in {folded(str(item)) for item in (*others, key)}:
            ids_by_name.setdefault(text, []).append(key)
    return {text: tuple(keys) for text, keys in ids_by_name.items()}
