"""Reading a catalog file: YAML without anchors, every row with its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from planner.catalog.reading.cache import RowPlace
from planner.diagnostics.diagnostic import Diagnostic, Span, error

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def refuse(path: Path, message: str, span: Span | None = None) -> Diagnostic:
    """Return the E0203 of a catalog file."""
    return error("E0203", message, span or Span(str(path), 0, 0, 1, 1))


def _span(path: Path, mark: Any) -> Span:
    return Span(str(path), mark.index, mark.index, mark.line + 1, mark.column + 1)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)


_TEXT, _LIST, _MAPPING = (f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map"))


def _built(node: Any, loader: Any) -> Any:
    """Return the value of a node as `_plain` has it; texts, lists and mappings by text are built here, in half the time
    that the loader takes."""
    kind, tag = type(node), node.tag
    if kind is yaml.ScalarNode and tag == _TEXT:
        return node.value
    if kind is yaml.SequenceNode and tag == _LIST:
        return [_built(item, loader) for item in node.value]
    if kind is yaml.MappingNode and tag == _MAPPING and all(_is_text(key) for key, _ in node.value):
        return {key.value: _built(value, loader) for key, value in node.value}
    return _plain(loader.construct_object(node, deep=True))


def _is_text(node: Any) -> bool:
    return type(node) is yaml.ScalarNode and node.tag == _TEXT


MOST = 500_000
"""The most values a file may hold, keys included: some seconds and 250 MB."""


def too_many(raw: bytes) -> bool:
    """Return whether a text of YAML has more than `MOST` values, counted before any of them is built."""
    if sum(map(raw.count, (b",", b":", b"\n", b"-", b"[", b"{", b"?"))) < MOST:
        return False
    values = (yaml.ScalarEvent, yaml.SequenceStartEvent, yaml.MappingStartEvent)
    return sum(isinstance(event, values) for event in yaml.parse(raw, Loader=_LOADER)) > MOST


def _anchor(raw: bytes) -> Any:
    """Return the mark of the first anchor or alias: what makes a small file large is not read."""
    if b"&" in raw or b"*" in raw:
        for event in yaml.parse(raw, Loader=_LOADER):
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                return event.start_mark
    return None


def read_rows(path: Path, raw: bytes) -> tuple[str, list[tuple[Any, RowPlace, Any]], tuple[Diagnostic, ...]]:
    """Return `as_of`, each row (mappings keyed by text) with its place and node, or nothing and an E0203."""
    try:
        mark = _anchor(raw)
        if mark is not None:
            return "", [], (refuse(path, f"{path.name} uses a YAML anchor or alias", _span(path, mark)),)
        if too_many(raw):
            return "", [], (refuse(path, f"{path.name} has more than {MOST:_} values; split it"),)
        loader = _LOADER(raw)
        try:
            root = loader.get_single_node()
            data = _built(root, loader) if root is not None else None
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark
        return "", [], (refuse(path, f"not YAML: {problem.problem}", _span(path, mark) if mark else None),)
    except (yaml.YAMLError, ValueError, RecursionError) as problem:
        text = str(problem).splitlines()
        return "", [], (refuse(path, f"not YAML: {text[0] if text else type(problem).__name__}"),)
    if not isinstance(data, dict) or not isinstance(data.get("rows"), list) or not data.get("as_of"):
        return "", [], (refuse(path, f"{path.name} must be a mapping with `as_of` and a list of `rows`"),)
    nodes = next(node.value for name, node in root.value if name.value == "rows")
    marks = [node.start_mark for node in nodes]
    places = [(mark.index, mark.line + 1, mark.column + 1) for mark in marks]
    return str(data["as_of"]), list(zip(data["rows"], places, nodes, strict=True)), ()


def place_of(node: Any, way: tuple[str | int, ...]) -> RowPlace | None:
    """Return where the value at the end of a way from a row's node stands (a mapping's value by its key)."""
    mark = None
    for step in way:
        if isinstance(node, yaml.MappingNode):
            pair = next((pair for pair in node.value if pair[0].value == str(step)), None)
            if pair is None:
                break
            mark, node = pair[0].start_mark, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            mark = node.start_mark
        else:
            break
    return (mark.index, mark.line + 1, mark.column + 1) if mark is not None else None
