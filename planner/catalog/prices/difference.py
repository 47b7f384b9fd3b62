"""What differs between two sets of catalog rows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from planner.diagnostics.shown import cleaned
from planner.record import dataclass

KINDS = ("gpus", "offers", "models", "formats", "engines", "quality")
RowFields = Mapping[str, Any]
SILENT = ("override",)


@dataclass(frozen=True, slots=True)
class RowChange:
    """A row that is new (`+`), gone (`-`) or other (`~`); `fields` has what was and what is."""

    sign: str
    id: str
    fields: tuple[tuple[str, Any, Any], ...] = ()


def kind_of(path: Path) -> str | None:
    """Return the kind of catalog a file holds: the kind its name is or ends with (`gpus.yaml`, `our_gpus.yaml`)."""
    return next((kind for kind in KINDS if path.stem.lower().endswith(kind)), None)


def difference(before: Mapping[str, RowFields], after: Mapping[str, RowFields]) -> tuple[RowChange, ...]:
    """Return the changes from one set of rows to another, by id."""
    out: list[RowChange] = []
    for key in sorted({*before, *after}):
        old, new = before.get(key), after.get(key)
        if old is None:
            out.append(RowChange("+", key))
        elif new is None:
            out.append(RowChange("-", key))
        else:
            names = sorted({*old, *new} - set(SILENT))
            fields = tuple((name, old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name))
            if fields:
                out.append(RowChange("~", key, fields))
    return tuple(out)


def render(changes: tuple[RowChange, ...]) -> str:
    """Return the changes, a line a row and one below for each field that differs."""
    out = []
    for change in cleaned(changes):
        out.append(f"{change.sign} {change.id}")
        out += [f"    {name}: {_said(old)} -> {_said(new)}" for name, old, new in change.fields]
    counts = {sign: sum(change.sign == sign for change in changes) for sign in "+-~"}
    out.append(f"{counts['+']} new, {counts['-']} gone, {counts['~']} changed")
    return "\n".join(out)


def _said(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 60 else text[:57] + "…"
