"""The catalogs as one object: files are parsed when first asked for, models built when looked up."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

from planner.catalog import build
from planner.catalog.records import Engine, Format, Gpu, Model, Offer, Recovery
from planner.catalog.source import read_document, refuse, row_span
from planner.diagnostics.diagnostic import Diagnostic

KINDS = ("gpus", "offers", "models", "formats", "engines", "quality")
T = TypeVar("T")
Named = TypeVar("Named", Gpu, Model, Format)


def folded(text: str) -> str:
    """Return a name as names are compared: lower case, without spaces, `-` and `_`."""
    return text.casefold().translate({ord(" "): None, ord("-"): None, ord("_"): None})


class Table(Mapping[str, T], Generic[T]):
    """The rows of one file by id; records are built when first read, bad rows reported and absent."""

    def __init__(self, path: Path, make: Callable[[dict[str, Any]], T], report: list[Diagnostic]) -> None:
        """Read the rows of `path`; findings are appended to `report`."""
        self._path, self._make, self._report = path, make, report
        document, findings = read_document(path)
        report.extend(findings)
        self.as_of: str = str(document.get("as_of", ""))
        self._raw: dict[str, tuple[int, dict[str, Any]]] = {}
        self._built: dict[str, T] = {}
        for index, row in enumerate(document.get("rows", ())):
            identity = row.get("id") if isinstance(row, dict) else None
            if not isinstance(identity, str) or not identity:
                self._refuse(index, "a row needs an `id`")
            elif identity in self._raw:
                self._refuse(index, f"`{identity}` is there twice")
            elif not isinstance(row.get("source"), str) or not row["source"]:
                self._refuse(index, f"`{identity}` has no `source`")
            else:
                self._raw[identity] = (index, row)

    def _refuse(self, index: int, message: str) -> None:
        self._report.append(refuse(self._path, f"{self._path.name}: {message}", row_span(self._path, index)))

    def __getitem__(self, key: str) -> T:
        if key not in self._built:
            index, row = self._raw[key]
            try:
                self._built[key] = self._make(row)
            except (KeyError, ValueError, TypeError, AttributeError, ArithmeticError) as problem:
                del self._raw[key]
                missing = f"`{problem.args[0]}` is missing" if isinstance(problem, KeyError) else str(problem)
                self._refuse(index, f"`{key}`: {missing}")
                raise KeyError(key) from None
        return self._built[key]

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._raw))

    def __len__(self) -> int:
        return len(self._raw)

    def __contains__(self, key: object) -> bool:
        return key in self._raw

    def row(self, key: str) -> dict[str, Any]:
        """Return the row as the file has it."""
        return self._raw[key][1]

    def build_all(self) -> Table[T]:
        """Build every record, so that bad rows are reported and gone."""
        for key in self:
            self.get(key)
        return self

    @cached_property
    def names(self) -> dict[str, tuple[str, ...]]:
        """Return the ids each alias stands for, by its folded form."""
        found: dict[str, list[str]] = {}
        for key, (_, row) in self._raw.items():
            aliases = row.get("aliases")
            others = aliases if isinstance(aliases, list) else ()
            for text in {folded(str(item)) for item in (*others, key)}:
                found.setdefault(text, []).append(key)
        return {text: tuple(keys) for text, keys in found.items()}


class Catalog:
    """The six catalogs of a folder. `diagnostics` grows as files are first read."""

    def __init__(self, folder: Path) -> None:
        """Take the folder; nothing is read yet."""
        self.folder = folder
        self._report: list[Diagnostic] = []

    def _table(self, kind: str, make: Callable[[dict[str, Any]], T]) -> Table[T]:
        return Table(self.folder / f"{kind}.yaml", make, self._report)

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """What was found wrong in the files read so far."""
        return tuple(self._report)

    @cached_property
    def gpus(self) -> Table[Gpu]:
        """The accelerators by id."""
        return self._table("gpus", build.build_gpu).build_all()

    @cached_property
    def offers(self) -> Table[Offer]:
        """The offers by id."""
        return self._table("offers", build.build_offer).build_all()

    @cached_property
    def models(self) -> Table[Model]:
        """The models by id; a record is built when it is looked up."""
        return self._table("models", build.build_model)

    @cached_property
    def formats(self) -> Table[Format]:
        """The number formats by id."""
        return self._table("formats", build.build_format).build_all()

    @cached_property
    def engines(self) -> Table[Engine]:
        """The serving engines by id."""
        return self._table("engines", build.build_engine).build_all()

    @cached_property
    def quality(self) -> Table[Recovery]:
        """The measured recoveries by id."""
        return self._table("quality", build.build_recovery).build_all()

    def table(self, kind: str) -> Table[Any]:
        """Return the table called `kind`, one of `KINDS`."""
        if kind not in KINDS:
            raise KeyError(kind)
        table: Table[Any] = getattr(self, kind)
        return table

    def check(self) -> tuple[Diagnostic, ...]:
        """Read and build everything, and return all findings, offers of unknown GPUs included."""
        for kind in KINDS:
            self.table(kind).build_all()
        strays = [
            refuse(self.folder / "offers.yaml", f"offers.yaml: `{offer.id}` has no known GPU: `{offer.gpu}`")
            for offer in self.offers.values()
            if offer.gpu not in self.gpus
        ]
        return (*self.diagnostics, *strays)

    def find_gpu(self, text: str) -> Gpu | tuple[Gpu, ...] | None:
        """Return the GPU of an id or marketed name, the candidates if several carry it, or None."""
        return _find(self.gpus, text)

    def find_model(self, text: str) -> Model | tuple[Model, ...] | None:
        """Return the model of an id (also a fine-tune's, or without its owner), the candidates, or None."""
        found = _find(self.models, text)
        if found is not None or "/" in text:
            return found
        short = folded(text)
        ids = dict.fromkeys(
            key for name, keys in self.models.names.items() if name.rpartition("/")[2] == short for key in keys
        )
        records = tuple(record for key in ids if (record := self.models.get(key)) is not None)
        return records[0] if len(records) == 1 else records or None

    def find_format(self, text: str) -> Format | tuple[Format, ...] | None:
        """Return the number format of an id or alias, the candidates if several carry it, or None."""
        return _find(self.formats, text)

    def digest(self, kind: str, ids: Iterable[str]) -> str:
        """Return the SHA-256 of the canonical JSON of the rows with these ids, in order of id."""
        table = self.table(kind)
        rows = [table.row(key) for key in sorted(set(ids))]
        text = json.dumps(rows, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def _find(table: Table[Named], text: str) -> Named | tuple[Named, ...] | None:
    exact = table.get(text)
    if exact is not None:
        return exact
    same = next((key for key in table if key.casefold() == text.casefold()), None)
    keys = (same,) if same is not None else table.names.get(folded(text), ())
    records = tuple(record for key in keys if (record := table.get(key)) is not None)
    return records[0] if len(records) == 1 else records or None
