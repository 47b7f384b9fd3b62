"""Imported plan files: read once each, circles found, names brought in under their alias."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from pathlib import Path

from planner.diagnostics import Diagnostic
from planner.diagnostics.diagnostic import error
from planner.language.schema import MODELS
from planner.language.scope import near, suggesting
from planner.record import dataclass
from planner.syntax import tree
from planner.syntax.files import read
from planner.syntax.parse import parse
from planner.syntax.walk import names_in, rename

Items = tuple[tree.Item, ...]
CATALOGS = (".yaml", ".yml")
MOST = 1000
"""The most imports a plan may have, those of its imports included."""


@dataclass(slots=True)
class _Reading:
    findings: list[Diagnostic] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    parsed: dict[str, tree.File] = field(default_factory=dict)
    unread: set[str] = field(default_factory=set)
    count: int = 0
    unsaved: Mapping[str, str] = field(default_factory=dict)

    def text(self, path: str) -> tuple[str | None, Diagnostic | None]:
        """Return the text of a file as `read` does; what an editor has not saved yet stands for what is on the disk."""
        known = self.unsaved.get(_real(path)) if self.unsaved else None
        return read(path) if known is None else (known, None)


def load(path: str) -> tuple[tree.File | None, tuple[Diagnostic, ...], dict[str, str]]:
    """Read a plan and what it imports; return one file with every item, the findings, and texts by path.

    Imports of catalogs stay in the items with their path made good; the texts hold theirs too, those of the
    `config("…")` files that models name, and of measurements' results, so that a digest of the texts covers all that an
    answer rests on.
    """
    text, finding = read(path, typed=True)
    if text is None:
        return None, (finding,) if finding else (), {}
    return load_text(text, path)


def load_text(
    text: str, path: str, unsaved: Mapping[str, str] | None = None
) -> tuple[tree.File, tuple[Diagnostic, ...], dict[str, str]]:
    """Do as `load`, of a plan's text that is already at hand; imports are relative to `path`.

    `unsaved` are texts that stand for those of files that are imported, by their real paths.
    """
    reading = _Reading(texts={path: text}, unsaved=unsaved or {})
    file, mistakes = parse(text, path)
    reading.findings += mistakes
    with suggesting():
        items = _expand(file, (_real(path),), reading)
    whole = replace(file, items=items, unread=file.unread | reading.unread)
    return whole, tuple(dict.fromkeys(reading.findings)), reading.texts


def _real(path: str) -> str:
    try:
        return str(Path(path).resolve())
    except (OSError, RuntimeError, ValueError):
        return path


def _expand(file: tree.File, trail: tuple[str, ...], reading: _Reading) -> Items:
    out: list[tree.Item] = []
    for item in file.items:
        if isinstance(item, tree.Import):
            before = len(reading.findings)
            out += _import(item, str(Path(file.path).parent / item.path), trail, reading)
            if any(finding.is_error for finding in reading.findings[before:]):
                reading.unread |= brought(item)
            continue
        if isinstance(item, tree.Declaration):
            values = (item.value, *(line.value for line in item.body if line.target.text in MODELS))
            for call in (value for value in values if isinstance(value, tree.Call)):
                _note_config(call, file.path, reading)
            for line in item.body:
                if line.target.text == "traffic" and isinstance(line.value, tree.Call):
                    for name in line.value.arguments:
                        if isinstance(name, tree.String):
                            _note(name, file.path, reading)
            if item.kind == "measurement":
                for line in item.body:
                    named = line.value.arguments if isinstance(line.value, tree.Call) else (line.value,)
                    for name in named if line.target.text in ("results", "quality") else ():
                        if isinstance(name, tree.String):
                            _note(name, file.path, reading)
        out.append(item)
    return tuple(out)


def brought(item: tree.Import) -> frozenset[str]:
    """Return the names an import was to bring: its alias, those it lists, or "" for any."""
    return frozenset({item.alias} if item.alias else item.names or {""})


def _note_config(call: tree.Call, path: str, reading: _Reading) -> None:
    """Keep the text of a config.json a model is read from; a checkpoint's is not text and too large to keep."""
    if call.function == "config" and call.arguments and isinstance(call.arguments[0], tree.String):
        _note(call.arguments[0], path, reading)


def _note(name: tree.String, path: str, reading: _Reading) -> None:
    """Keep the text of a file that a plan names."""
    target = str(Path(path).parent / name.text)
    text, _ = read(target)
    if text is not None:
        reading.texts[target] = text


def _import(item: tree.Import, target: str, trail: tuple[str, ...], reading: _Reading) -> Items:
    real = _real(target)
    if real in trail:
        reading.findings.append(
            error(
                "E0202",
                f'"{item.path}" imports itself in a circle',
                item.path_span,
                help="move what both need to a third file",
            )
        )
        return ()
    reading.count += 1
    if reading.count > MOST:
        if reading.count == MOST + 1:
            reading.findings.append(
                error("E0205", f"more than {MOST} imports", item.path_span, help="import one file that holds all of it")
            )
        return ()
    if item.path.endswith(CATALOGS):
        text, finding = reading.text(target)
        if text is None:
            reading.findings.append(_unread(item, finding))
            return ()
        reading.texts[target] = text
        return (replace(item, path=target),)
    if not item.path.endswith(".mem"):
        reading.findings.append(
            error(
                "E0205",
                f'"{item.path}" is neither a plan nor a catalog',
                item.path_span,
                help="import a .mem or a .yaml file",
            )
        )
        return ()
    inner = reading.parsed.get(real)
    if inner is None:
        text, finding = reading.text(target)
        if text is None:
            reading.findings.append(_unread(item, finding))
            return ()
        reading.texts[target] = text
        inner, mistakes = parse(text, target)
        reading.parsed[real] = inner
        reading.findings += mistakes
    return _bring(_expand(inner, (*trail, real), reading), item, reading)


def _unread(item: tree.Import, finding: Diagnostic | None) -> Diagnostic:
    reason = finding.message if finding is not None else "it cannot be read"
    return error(
        "E0201", f'"{item.path}" cannot be imported: {reason}', item.path_span, help="paths are relative to this file"
    )


def _bring(items: Items, wanted: tree.Import, reading: _Reading) -> Items:
    """Return what an import brings: names, rules and fleet bounds; the objective, the edition and tests stay behind.

    Under an alias every name becomes `alias.name`, also inside the imported items. With a list of names the others
    are kept out of sight, under a name nobody can write, because those on the list may need them.
    """
    named = [item for item in items if isinstance(item, tree.Let) or _is_named(item)]
    have = {item.name: item for item in named if isinstance(item, tree.Declaration | tree.Let)}
    for name in wanted.names:
        if name not in have:
            reading.findings.append(
                error(
                    "E0301",
                    f'"{wanted.path}" declares no `{name}`',
                    wanted.span,
                    help=near(name, have) or "see what it declares",
                )
            )
    brought = tuple(item for item in items if not isinstance(item, tree.Edition | tree.Optimize | tree.Test))
    if wanted.names:
        hidden = {name: f"({wanted.path}).{name}" for name in have if name not in wanted.names}
        needed = _needed(wanted.names, have)
        kept = tuple(
            item
            for item in brought
            if isinstance(item, tree.Import)
            or (isinstance(item, tree.Declaration | tree.Let) and item.name in needed and item.name in have)
        )
        return tuple(_called(item, hidden) for item in kept)
    if wanted.alias:
        new = {name: f"{wanted.alias}.{name}" for name in have}
        return tuple(_called(item, new, wanted.alias) for item in brought)
    return brought


def _is_named(item: tree.Item) -> bool:
    return isinstance(item, tree.Declaration) and item.kind != "fleet"


def _called(item: tree.Item, new: dict[str, str], alias: str | None = None) -> tree.Item:
    """Return an item under its new name, with the names inside it renamed."""
    item = rename(item, new)
    match item:
        case tree.Declaration() | tree.Let():
            name = new.get(item.name, item.name)
            if isinstance(item, tree.Declaration) and item.kind == "fleet" and alias:
                name = f"{alias}.{item.name}"
            return replace(item, name=name)
        case tree.Require() | tree.Prefer() if alias and item.name:
            return replace(item, name=f"{alias}.{item.name}")
        case tree.Import() if alias:
            return replace(item, alias=f"{alias}.{item.alias}" if item.alias else alias)
    return item


def _needed(wanted: tuple[str, ...], have: dict[str, tree.Declaration | tree.Let]) -> set[str]:
    """Return the names on a list and all that these read."""
    names: set[str] = set()
    pending = [name for name in wanted if name in have]
    while pending:
        name = pending.pop()
        if name not in names:
            names.add(name)
            pending += _names_in(have[name], have)
    return names


def _names_in(item: tree.Declaration | tree.Let, have: dict[str, tree.Declaration | tree.Let]) -> list[str]:
    return [name for name in names_in(item) if name in have]
