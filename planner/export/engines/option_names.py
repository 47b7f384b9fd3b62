"""What a release of an engine calls the settings of an answer: the rows of catalogs/engine_options.yaml."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from planner.catalog.load import load
from planner.catalog.programs.engine_options import EngineOption, numbers
from planner.export.faults import Unsayable


@cache
def _rows(engine: str) -> dict[str, tuple[EngineOption, ...]]:
    """Return the rows of an engine by setting, those of other releases beside each other."""
    rows: dict[str, tuple[EngineOption, ...]] = {}
    for row in load()[0].engine_options.values():
        if row.engine == engine:
            rows[row.setting] = (*rows.get(row.setting, ()), row)
    return rows


class OptionNames:
    """The words of one release; `missing` are the settings that were asked for and that it has no option for."""

    def __init__(self, engine: str, version: str) -> None:
        """Take an engine's id and its release."""
        self.engine, self.release = engine, numbers(version)
        self.missing: list[str] = []

    def _row(self, setting: str) -> EngineOption | None:
        rows = _rows(self.engine).get(setting, ())
        return next((row for row in rows if row.there(self.release)), None)

    def has(self, setting: str) -> bool:
        """Return whether the release has an option for a setting."""
        return self._row(setting) is not None

    def __call__(self, setting: str) -> str:
        """Return the option for a setting; one that is missing is noted, and has no text."""
        row = self._row(setting)
        if row is None:
            self.missing.append(setting)
            return ""
        return row.option

    def value(self, setting: str, value: str) -> str:
        """Return the release's word for a value of a setting, empty where it has none."""
        row = self._row(f"{setting}={value}")
        return row.value if row is not None else ""

    def faults(self, name: str) -> Iterator[Unsayable]:
        """Yield each quantity of which an option was asked for and is missing, with the release that has it; `name` is
        the engine's with its release."""
        first = {setting.partition(".")[0]: setting for setting in reversed(self.missing)}
        for quantity, setting in first.items():
            rows = _rows(self.engine).get(setting, ())
            option = rows[0].option if rows else quantity
            later = min((row.since for row in rows if numbers(row.since) > self.release), key=numbers, default="")
            help = f'set engine_version = "{later}" or later' if later else f"leave `{quantity}` out"
            yield Unsayable(quantity, f"{name} is not known to have {option}", help)
