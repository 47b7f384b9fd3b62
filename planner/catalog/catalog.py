"""The catalogs as one object: files are parsed when first asked for, models built when looked up."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from planner.catalog import build
from planner.catalog.checkpoints import Checkpoint, build_checkpoint
from planner.catalog.reading.table import Make, RowTable, folded, read_sheet
from planner.catalog.records import Format, Gpu, Model, Offer, Recovery
from planner.diagnostics.diagnostic import Diagnostic, error

if TYPE_CHECKING:
    from planner.catalog.programs.engine_models import EngineModel
    from planner.catalog.programs.engine_options import EngineOption
    from planner.catalog.programs.engines import Engine
    from planner.catalog.programs.frameworks import Framework

__all__ = ["KINDS", "Catalog", "RowTable", "folded"]

KINDS = (
    *("gpus", "offers", "models", "formats", "engines", "engine_models", "engine_options", "frameworks"),
    *("quality", "checkpoints"),
)
T = TypeVar("T")
Named = TypeVar("Named", Gpu, Model, Format, Checkpoint, "Framework")


class Catalog:
    """The catalogs of a folder, one for each of `KINDS`. `diagnostics` grows as files are first read."""

    def __init__(self, folder: Path) -> None:
        """Take the folder; nothing is read yet."""
        self.folder = folder
        self._report: list[Diagnostic] = []

    def _table(self, kind: str, make: Make[T]) -> RowTable[T]:
        table = RowTable(read_sheet(self.folder / f"{kind}.yaml", kind, make), make)
        self._report.extend(table.findings)
        return table

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """What was found wrong in the files read so far."""
        return tuple(self._report)

    @cached_property
    def gpus(self) -> RowTable[Gpu]:
        """The accelerators by id."""
        return self._table("gpus", build.build_gpu)

    @cached_property
    def offers(self) -> RowTable[Offer]:
        """The offers by id."""
        return self._table("offers", build.build_offer)

    @cached_property
    def models(self) -> RowTable[Model]:
        """The models by id; a record is built when it is looked up."""
        return self._table("models", build.build_model)

    @cached_property
    def formats(self) -> RowTable[Format]:
        """The number formats by id."""
        return self._table("formats", build.build_format)

    @cached_property
    def engines(self) -> RowTable[Engine]:
        """The serving engines by id."""
        from planner.catalog.programs.build_engines import build_engine

        return self._table("engines", build_engine)

    @cached_property
    def engine_models(self) -> RowTable[EngineModel]:
        """What engines make of models, by engine and `model_type`; read only for a plan that serves."""
        from planner.catalog.programs.engine_models import build_engine_model

        return self._table("engine_models", build_engine_model)

    @cached_property
    def engine_options(self) -> RowTable[EngineOption]:
        """What engines call the settings of a plan, by engine and setting; read only for an export."""
        from planner.catalog.programs.engine_options import build_engine_option

        return self._table("engine_options", build_engine_option)

    @cached_property
    def frameworks(self) -> RowTable[Framework]:
        """The training frameworks by id; read only for a plan that trains."""
        from planner.catalog.programs.frameworks import build_framework

        return self._table("frameworks", build_framework)

    @cached_property
    def quality(self) -> RowTable[Recovery]:
        """The measured recoveries by id."""
        return self._table("quality", build.build_recovery)

    @cached_property
    def checkpoints(self) -> RowTable[Checkpoint]:
        """The published weights of models under other names; read only for a name that no model has."""
        return self._table("checkpoints", build_checkpoint)

    def table(self, kind: str) -> RowTable[Any]:
        """Return the table called `kind`, one of `KINDS`."""
        if kind not in KINDS:
            raise KeyError(kind)
        table: RowTable[Any] = getattr(self, kind)
        return table

    def check(self) -> tuple[Diagnostic, ...]:
        """Read everything, and return all findings, offers of unknown GPUs included."""
        for kind in KINDS:
            self.table(kind)
        strays = [
            error("E0203", f"offers.yaml: `{offer.id}` has no known GPU: `{offer.gpu}`", self.offers.span(offer.id))
            for offer in self.offers.values()
            if offer.gpu not in self.gpus
        ]
        return (*self.diagnostics, *strays, *self._astray(), *self._baseless(), *self._unserved())

    def _astray(self) -> Iterable[Diagnostic]:
        """Yield each checkpoint of a model or in a format that no row has, or whose name a model has."""
        for row in self.checkpoints.values():
            forms = {row.native_format, *row.native_classes.values()}
            if row.of not in self.models:
                reason = f"has no known model: `{row.of}`"
            elif forms - set(self.formats):
                reason = f"has no known format: `{min(forms - set(self.formats))}`"
            elif folded(row.id) in self.models.names:
                reason = "is the name of a model in models.yaml"
            else:
                continue
            yield error("E0203", f"checkpoints.yaml: `{row.id}` {reason}", self.checkpoints.span(row.id))

    def _baseless(self) -> Iterable[Diagnostic]:
        """Yield each framework that runs on, or is replaced by, one that no row has, or that has no trainer itself."""
        for row in self.frameworks.values():
            for base in (row.runs_on, row.instead):
                if base and (base not in self.frameworks or not self.frameworks[base].vendors):
                    reason = f"names `{base}`, which is not a framework with a trainer of its own"
                    yield error("E0203", f"frameworks.yaml: `{row.id}` {reason}", self.frameworks.span(row.id))

    def _unserved(self) -> Iterable[Diagnostic]:
        """Yield each row of engine_models.yaml and engine_options.yaml whose engine no row has."""
        for kind in ("engine_models", "engine_options"):
            table = self.table(kind)
            for key in table:
                engine = key.partition("/")[0]
                if engine not in self.engines:
                    reason = f"has no known engine: `{engine}`"
                    yield error("E0203", f"{kind}.yaml: `{key}` {reason}", table.span(key))

    def find_gpu(self, text: str) -> Gpu | tuple[Gpu, ...] | None:
        """Return the GPU of an id or marketed name, the candidates if several carry it, or None."""
        return _find(self.gpus, text)

    def find_model(self, text: str) -> Model | tuple[Model, ...] | None:
        """Return the model of an id (also a fine-tune's, or without its owner), the candidates, or None.

        A checkpoint's name means its model as the checkpoint stores it.
        """
        model = _find(self.models, text) or _short(self.models, text)
        if model is not None:
            return model
        held = _find(self.checkpoints, text) or _short(self.checkpoints, text)
        if held is None:
            return None
        if not isinstance(held, tuple):
            return held.of_model(self.models[held.of])
        return tuple(one.of_model(self.models[one.of]) for one in held)

    def find_format(self, text: str) -> Format | tuple[Format, ...] | None:
        """Return the number format of an id or alias, the candidates if several carry it, or None."""
        return _find(self.formats, text)

    def find_framework(self, text: str) -> Framework | tuple[Framework, ...] | None:
        """Return the training framework of an id or alias, the candidates if several carry it, or None."""
        return _find(self.frameworks, text)

    def digest(self, kind: str, ids: Iterable[str]) -> str:
        """Return the SHA-256 of the canonical JSON of the rows with these ids, in order of id."""
        table = self.table(kind)
        rows = b",".join(table.text(key) for key in sorted(set(ids)))
        return hashlib.sha256(b"[" + rows + b"]").hexdigest()


def _short(table: RowTable[Named], text: str) -> Named | tuple[Named, ...] | None:
    """Return the row whose id or alias is a name without its owner, or all of them."""
    if "/" in text:
        return None
    short = folded(text)
    ids = dict.fromkeys(key for name, keys in table.names.items() if name.rpartition("/")[2] == short for key in keys)
    records = tuple(record for key in ids if (record := table.get(key)) is not None)
    return records[0] if len(records) == 1 else records or None


def _find(table: RowTable[Named], text: str) -> Named | tuple[Named, ...] | None:
    exact = table.get(text)
    if exact is not None:
        return exact
    same = next((key for key in table if key.casefold() == text.casefold()), None)
    keys = (same,) if same is not None else table.names.get(folded(text), ())
    records = tuple(record for key in keys if (record := table.get(key)) is not None)
    return records[0] if len(records) == 1 else records or None
