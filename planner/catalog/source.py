"""Reading a catalog file: YAML without anchors, kept as JSON in the user's cache folder."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import yaml

from planner.diagnostics.diagnostic import Diagnostic, Span, error

MAX_BYTES = 20 * 1024 * 1024
CACHE_EDITION = "1"
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def cache_folder() -> Path:
    """Return where parsed files are kept: `$XDG_CACHE_HOME/planner`, else `~/.cache/planner`."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path("~/.cache").expanduser()) / "planner"


def place(path: Path, mark: Any) -> Span:
    """Return the span of a YAML mark."""
    return Span(str(path), mark.index, mark.index, mark.line + 1, mark.column + 1)


def refuse(path: Path, message: str, span: Span | None = None) -> Diagnostic:
    """Return the E0203 of a catalog file."""
    return error("E0203", message, span or Span(str(path), 0, 0, 1, 1))


def _read_cache(key: str) -> Any:
    try:
        return json.loads((cache_folder() / f"{key}.json").read_bytes())
    except (OSError, ValueError, RuntimeError, RecursionError):
        return None


def _write_cache(key: str, data: Any) -> None:
    temporary = None
    try:
        folder = cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=folder, suffix=".tmp")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(data, file, separators=(",", ":"))
        os.replace(temporary, folder / f"{key}.json")
    except (OSError, TypeError, ValueError, RuntimeError, RecursionError):
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def _keys_as_text(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _keys_as_text(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_keys_as_text(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)


def read_document(path: Path) -> tuple[dict[str, Any], tuple[Diagnostic, ...]]:
    """Return the mapping a catalog file holds, mappings keyed by text, or an E0203 and nothing."""
    try:
        if path.stat().st_size > MAX_BYTES:
            return {}, (refuse(path, f"{path.name} is over {MAX_BYTES // 2**20} MiB"),)
        raw = path.read_bytes()
    except OSError as problem:
        return {}, (refuse(path, f"{path.name} cannot be read: {problem.strerror}"),)
    key = hashlib.sha256(CACHE_EDITION.encode() + raw).hexdigest()
    cached = _read_cache(key)
    if isinstance(cached, dict):
        return cached, ()
    try:
        if b"&" in raw or b"*" in raw:
            for event in yaml.parse(raw, Loader=_LOADER):
                if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                    mark = event.start_mark
                    return {}, (refuse(path, f"{path.name} uses a YAML anchor or alias", place(path, mark)),)
        data = _keys_as_text(yaml.load(raw, Loader=_LOADER))
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark
        return {}, (refuse(path, f"not YAML: {problem.problem}", place(path, mark) if mark else None),)
    except (yaml.YAMLError, ValueError, RecursionError) as problem:
        return {}, (refuse(path, f"not YAML: {str(problem).splitlines()[0]}"),)
    if not isinstance(data, dict) or not isinstance(data.get("rows"), list) or not data.get("as_of"):
        return {}, (refuse(path, f"{path.name} must be a mapping with `as_of` and a list of `rows`"),)
    _write_cache(key, data)
    return data, ()


def row_span(path: Path, index: int) -> Span | None:
    """Return where row `index` of a file starts; the file is parsed again, so only for a finding."""
    try:
        root = yaml.compose(path.read_bytes(), Loader=_LOADER)
    except (OSError, yaml.YAMLError, RecursionError):
        return None
    if isinstance(root, yaml.MappingNode):
        for name, node in root.value:
            if name.value == "rows" and isinstance(node, yaml.SequenceNode) and index < len(node.value):
                return place(path, node.value[index].start_mark)
    return None
