"""The text of a lock: a small part of YAML, written and read in one way only.

Mappings, lists of mappings and scalars; two spaces a level; sizes below `memory` with their GiB behind them. What is
not written so is not a lock: nothing that a reviewer reads, a comment as little as a key that stands there twice, can
differ from what the program reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

HEAD = "# Written by `planner solve`; review it and check it in. Do not edit it by hand.\n"
DEEPEST = 12
"""Levels of a lock; a text with more is not a lock."""

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_./+*@=-]*\Z")
_KEYWORDS = frozenset(("true", "false", "null", "yes", "no", "on", "off", "y", "n"))
_INTEGER = re.compile(r"-?(0|[1-9]\d{0,80})\Z")
_FLOAT = re.compile(r"-?(0|[1-9]\d*)\.\d+(e[+-]\d+)?\Z")
_ESCAPE = re.compile(r"\\(?:([\"\\])|u([0-9a-f]{4})|U(00(?:0[0-9a-f]|10)[0-9a-f]{4}))")
_LINE = re.compile(r"( *)(- )?(\"(?:[^\"\\]|\\.)*\"|[^\s\":{}\[\]#][^\s\":]*):(?: (.*?))?(?:  # [0-9.]+ GiB)?\Z")


class NotWritten(ValueError):
    """A text that this program did not write; `line` is the first one that differs."""

    def __init__(self, line: int) -> None:
        """Take the line, counted from 1."""
        super().__init__(line)
        self.line = line


def number(value: object) -> Any:
    """Return a value as a lock has it: whole numbers as integers, others with fifteen decimals, which hold the steps
    of every figure."""
    if isinstance(value, Fraction):
        return int(value) if value.denominator == 1 else round(float(value), 15)
    return value


def dump(document: Mapping[str, Any]) -> str:
    """Return the text of a document, without its checksum: the same bytes on every machine."""
    return HEAD + "".join(f"{line}\n" for line in _mapping(document, "", False))


def load(text: str) -> dict[str, Any]:
    """Return the document of a text that `dump` wrote; raise NotWritten for any other."""
    lines = text.splitlines()
    try:
        document, end = _read(lines, 1, 0, 0)
    except RecursionError:
        raise NotWritten(1) from None
    if end != len(lines):
        raise NotWritten(end + 1)
    written = dump(document)
    if written != text:
        again = written.splitlines()
        pairs = enumerate(zip(lines, again, strict=False), 1)
        raise NotWritten(next((place for place, (was, now) in pairs if was != now), min(len(lines), len(again))))
    return document


def locate(text: str, keys: tuple[str | int, ...]) -> tuple[int, int]:
    """Return where a key stands, from its first to its last character on its line; where it is missing, the last of
    its parents, and the start of the text where there is none."""
    start = end = 0
    place, depth = 0, 0
    left = list(keys)
    seen = -1
    for line in text.splitlines(keepends=True):
        here, place = place, place + len(line)
        match = _LINE.match(line.rstrip("\r\n"))
        if match is None or not left:
            continue
        spaces = len(match[1])
        if isinstance(left[0], int):
            if spaces < depth or (spaces == depth and not match[2]):
                break
            if match[2] and spaces == depth:
                seen += 1
                if seen == left[0]:
                    left.pop(0)
                    start, end, depth = here + spaces, here + len(line.rstrip("\r\n")), depth + 2
                    wanted = next(iter(left), None)
                    if wanted == _key(match[3]):
                        return start + 2, end
                elif seen > left[0]:
                    break
            continue
        if spaces < depth or (spaces == depth - 2 and match[2]):
            break  # past what its parent holds
        if spaces == depth and not match[2] and _key(match[3]) == left[0]:
            left.pop(0)
            start, end = here + spaces, here + len(line.rstrip("\r\n"))
            depth, seen = (depth if left and isinstance(left[0], int) else depth + 2), -1
    return start, end


COUNTS = "removed"
"""Holds counts of candidates, not sizes, whatever they are called."""


def _mapping(values: Mapping[str, Any], indent: str, sizes: bool, counts: bool = False) -> Iterator[str]:
    for key, value in values.items():
        name = f"{indent}{_string(str(key))}:"
        if isinstance(value, Mapping) and value:
            yield name
            yield from _mapping(value, indent + "  ", sizes or key == "memory", counts or key == COUNTS)
        elif isinstance(value, list | tuple) and value:
            yield name
            for item in value:
                rows = list(_mapping(item if isinstance(item, Mapping) else {"": item}, indent + "  ", sizes))
                yield f"{indent}- {rows[0].lstrip()}" if rows else f"{indent}- {{}}"
                yield from rows[1:]
        else:
            whole = isinstance(value, int) and not isinstance(value, bool) and not counts
            big = (sizes or key == "memory") and whole and value > 0
            yield f"{name} {_scalar(value)}" + (f"  # {value / 2**30:.2f} GiB" if big else "")


def _scalar(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            written = repr(value)
            mantissa, mark, exponent = written.partition("e")
            return f"{mantissa}.0e{exponent}" if mark and "." not in mantissa else written
        case Mapping():
            return "{}"
        case list() | tuple():
            return "[]"
    return _string(str(value))


def _string(text: str) -> str:
    """Return a string bare where YAML reads it so, else in double quotes; what is not printable is escaped."""
    if _WORD.match(text) and text.casefold() not in _KEYWORDS:
        return text
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(letter: str) -> str:
    if letter in '"\\':
        return f"\\{letter}"
    if letter.isprintable():
        return letter
    return f"\\u{ord(letter):04x}" if ord(letter) < 2**16 else f"\\U{ord(letter):08x}"


def _key(written: str) -> str:
    return _unquoted(written) if written.startswith('"') else written


def _unquoted(written: str) -> str:
    if len(written) < 2 or not written.endswith('"'):
        raise ValueError(written)
    return _ESCAPE.sub(lambda match: match[1] or chr(int(match[2] or match[3], 16)), written[1:-1])


def _read(lines: list[str], at: int, depth: int, level: int) -> tuple[dict[str, Any], int]:
    """Return the mapping that starts at a line (from 0), and the line behind it; a list's mapping begins with `- `."""
    out: dict[str, Any] = {}
    first = True
    while at < len(lines):
        match = _LINE.match(lines[at])
        if match is None or level > DEEPEST:
            raise NotWritten(at + 1)
        spaces, item = len(match[1]), match[2] is not None
        if spaces < depth - 2 * item or (item and not (first and spaces == depth - 2)):
            break
        if spaces != depth - 2 * item:
            raise NotWritten(at + 1)
        try:
            key = _key(match[3])
            value = None if match[4] is None else _value(match[4])
        except ValueError:
            raise NotWritten(at + 1) from None
        if key in out:
            raise NotWritten(at + 1)
        at, first = at + 1, False
        if match[4] is None:
            value, at = _inner(lines, at, depth, level + 1)
        out[key] = value
    return out, at


def _inner(lines: list[str], at: int, depth: int, level: int) -> tuple[Any, int]:
    if at < len(lines) and lines[at].startswith(" " * depth + "- "):
        rows = []
        while at < len(lines) and lines[at].startswith(" " * depth + "- "):
            row, at = _read(lines, at, depth + 2, level)
            rows.append(row)
        return rows, at
    values, end = _read(lines, at, depth + 2, level)
    if not values:
        raise NotWritten(at + 1)
    return values, end


def _value(written: str) -> Any:
    match written:
        case "null":
            return None
        case "true" | "false":
            return written == "true"
        case "{}":
            return {}
        case "[]":
            return []
    if written.startswith('"'):
        return _unquoted(written)
    if _INTEGER.match(written):
        return int(written)
    if _FLOAT.match(written):
        return float(written)
    return written
