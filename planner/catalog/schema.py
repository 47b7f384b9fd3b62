"""JSON schemas of the catalogs, from the dataclasses that read them: `python -m planner.catalog.schema FOLDER`."""

from __future__ import annotations

import json
from dataclasses import is_dataclass
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from planner.catalog.reading.form import options, parts, shape
from planner.catalog.rows import ROWS

Schema = dict[str, Any]
_PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean", NoneType: "null"}


def schema(kind: str) -> Schema:
    """Return the JSON schema (draft 2020-12) of one catalog's file."""
    row = ROWS[kind]
    defined: dict[str, Schema] = {}
    items = _form(row, defined)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"{kind}.yaml",
        "description": (row.__doc__ or "").strip(),
        "type": "object",
        "required": ["as_of", "rows"],
        "additionalProperties": False,
        "properties": {
            "as_of": {"type": "string", "description": "the day of the file's facts"},
            "schema_version": {"type": "integer", "const": 1},
            "rows": {"type": "array", "items": items},
        },
        "$defs": defined,
    }


def _form(form: Any, defined: dict[str, Schema]) -> Schema:
    inner, limit = parts(form)
    choices = [_one(kind, defined) for kind in options(inner)]
    form_of_kind: Schema = choices[0] if len(choices) == 1 else {"anyOf": choices}
    if limit.least is not None:
        form_of_kind = {
            **form_of_kind,
            **({"minLength": int(limit.least)} if inner is str else {"minimum": limit.least}),
        }
    if limit.pattern is not None:
        form_of_kind = {**form_of_kind, "pattern": f"^(?:{limit.pattern})$"}
    return {**form_of_kind, "description": limit.about} if limit.about else form_of_kind


def _one(kind: Any, defined: dict[str, Schema]) -> Schema:
    origin = get_origin(kind)
    if kind in _PLAIN:
        return {"type": _PLAIN[kind]}
    if origin is Literal:
        return {"enum": list(get_args(kind))}
    if origin is list:
        return {"type": "array", "items": _form(get_args(kind)[0], defined)}
    if origin is dict:
        keys, values = get_args(kind)
        named = {"propertyNames": _one(keys, defined)} if get_origin(keys) is Literal else {}
        return {"type": "object", **named, "additionalProperties": _form(values, defined)}
    if isinstance(kind, type) and is_dataclass(kind):
        return _record(kind, defined)
    return _form(kind, defined) if origin is not None else {}


def _record(kind: type, defined: dict[str, Schema]) -> Schema:
    name = kind.__name__
    if name not in defined:
        defined[name] = {}
        expected = shape(kind)
        defined[name] = {
            "type": "object",
            "description": (kind.__doc__ or "").strip(),
            "required": [field for field, (_, required) in expected.items() if required],
            "additionalProperties": False,
            "properties": {field: _form(form, defined) for field, (form, _) in expected.items()},
        }
    return {"$ref": f"#/$defs/{name}"}


def text(kind: str) -> str:
    """Return the schema as the file holds it."""
    return json.dumps(schema(kind), indent=1, ensure_ascii=False) + "\n"


def write(folder: Path) -> None:
    """Write the schema of each catalog to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind in ROWS:
        (folder / f"{kind}.schema.json").write_text(text(kind), encoding="utf-8")


if __name__ == "__main__":
    import sys

    write(Path(sys.argv[1]))
