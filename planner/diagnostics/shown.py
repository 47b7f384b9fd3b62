"""Texts of others as they may be printed: what a terminal, a browser or a CI runner would act on is shown, not sent.

A string of a plan, a catalog, a lock, a file name or the command line goes through `shown` before it becomes part of a
line; a text that is already made of lines goes through `lines` on its way out, JSON through `json_text`.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")
_ODD = re.compile(r"[^\x20-\x7e]")
_ACTED_ON = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Categories of Unicode: controls, formats (bidirectional, zero width, tags), surrogates, line and paragraph ends."""
_COMMAND = re.compile(r"##(?=\w*\[)")
"""`##[group]`, `##vso[…]`: runners of GitHub and Azure act on them anywhere in a line."""
_FIRST = re.compile(r"^(\s*)::(?!: )")
"""`::error::`: what GitHub's runner acts on at the start of a line. `::: ` is not a command but a place of `full`."""
_STYLED = re.compile(r"(\x1b\[[0-9;]*m)")


def shown(text: str) -> str:
    """Return a text as part of one line: `\\x1b` for an escape, `\\n` for a line end, `\\u202e` for an override."""
    text = str(text)
    if not text.isprintable():
        text = _ODD.sub(lambda match: _escape(match[0]), text)
    return _COMMAND.sub(r"#\\#", text) if "##" in text else text


def _escape(char: str) -> str:
    from unicodedata import category

    return char.encode("unicode_escape", "surrogatepass").decode() if category(char) in _ACTED_ON else char


def lines(text: str, styled: bool = False, commands: bool = False) -> str:
    """Return lines as they are printed, tabs kept; colours only where `styled`, `::commands` only where it says so."""
    if text.isascii() and text.replace("\n", "").isprintable() and "::" not in text and "##" not in text:
        return text
    return "\n".join(_line(line, styled, commands) for line in text.split("\n"))


def _line(line: str, styled: bool, commands: bool) -> str:
    if not line.isprintable():
        parts = _STYLED.split(line) if styled else [line]
        parts[::2] = ["\t".join(map(shown, part.split("\t"))) for part in parts[::2]]
        line = "".join(parts)
    line = _COMMAND.sub(r"#\\#", line)
    return line if commands else _FIRST.sub(r"\1\\::", line)


def cleaned(value: T) -> T:
    """Return a value with every text in it as `shown` has it; records, tuples, lists and mappings are walked."""
    return _cleaned(value)  # type: ignore[no-any-return]


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return shown(value)
    if isinstance(value, dict):
        pairs = [(_cleaned(key), _cleaned(item)) for key, item in value.items()]
        same = all(new is old and now is was for (new, now), (old, was) in zip(pairs, value.items(), strict=True))
        return value if same else dict(pairs)
    if isinstance(value, tuple | list | frozenset):
        items = [_cleaned(item) for item in value]
        if all(new is old for new, old in zip(items, value, strict=True)):
            return value
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    if hasattr(value, "__dataclass_fields__") and not isinstance(value, type):
        names = value.__dataclass_fields__
        changed = {name: new for name in names if (new := _cleaned(old := getattr(value, name))) is not old}
        return dataclasses.replace(value, **changed) if changed else value
    return value


def json_text(value: Any, default: Callable[[Any], Any] | None = None) -> str:
    """Return a value as indented JSON in which such characters are escaped as JSON has it."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=default)
    if not text.replace("\n", "").isprintable():
        text = _ODD.sub(lambda match: _escape_json(match[0]), text)
    return _COMMAND.sub(r"\\u0023#", text)


def _escape_json(char: str) -> str:
    from unicodedata import category

    if char == "\n" or category(char) not in _ACTED_ON:
        return char
    return f"\\u{ord(char):04x}" if char < "\U00010000" else json.dumps(char)[1:-1]
