"""The header of a GGUF file: metadata and tensors, read from its bytes alone within bounds, data never.

The layout is that of ggml-org/ggml, docs/gguf.md: a magic, a version, two counts, key-value pairs, tensor entries.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any, NamedTuple

MAX_TENSORS = 1_000_000
MAX_KEYS = 100_000
MAX_NAME = 65_535
"""Bytes of a key or a tensor's name; the format's own limit of a key."""
MAX_DIMENSION = 2**48
KEPT = 1000
"""An array of at most so many values is kept: one by layer is, a vocabulary is not."""
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9


class BrokenHeader(ValueError):
    """The bytes are no GGUF header; `field` is what stands in the way."""

    def __init__(self, field: str, reason: str) -> None:
        """Take the field (`""` for the file itself) and the reason."""
        super().__init__(reason)
        self.field, self.reason = field, reason


class Short(BrokenHeader):
    """The header goes on where the bytes end."""


class Entry(NamedTuple):
    """A tensor as the header lists it: its dimensions from the outermost on, its type's number, where it begins."""

    name: str
    shape: tuple[int, ...]
    type: int
    offset: int


@dataclass(slots=True)
class Header:
    """What a header holds. `arrays` are the bytes, from first to last, of each pair whose value is a long array."""

    order: str
    version: int
    fields: dict[str, Any] = field(default_factory=dict)
    tensors: list[Entry] = field(default_factory=list)
    end: int = 0
    first: int = 24
    arrays: list[tuple[int, int]] = field(default_factory=list)

    @property
    def alignment(self) -> int:
        """What the beginning of the data and of each tensor is a multiple of."""
        stated = self.fields.get("general.alignment")
        return stated if isinstance(stated, int) and 0 < stated <= 2**20 else 32


class _Cursor:
    def __init__(self, raw: bytes, order: str) -> None:
        self.raw, self.order, self.at = raw, order, 0

    def take(self, count: int) -> bytes:
        if count > len(self.raw) - self.at:
            raise Short("", "is truncated: it ends within its header")
        self.at += count
        return self.raw[self.at - count : self.at]

    def number(self, code: str) -> Any:
        return struct.unpack(self.order + code, self.take(struct.calcsize("<" + code)))[0]

    def text(self, most: int = MAX_NAME) -> str:
        length = self.number("Q")
        if length > most:
            raise BrokenHeader("", f"has a text of {length} bytes; {most} can be read")
        return self.take(length).decode("utf-8", "replace")


def parse(raw: bytes, size: int) -> Header:
    """Return the header of a file of `size` bytes that begins with `raw`; raise Short where more of it is needed.

    Raise Broken for what is not a header, and for counts that no file of this size can hold before anything is built.
    """
    if raw[:4] != b"GGUF":
        raise BrokenHeader("", "is not a GGUF file")
    if len(raw) < 24:
        raise Short("", "is truncated: it ends within its header")
    order = "<" if int.from_bytes(raw[4:8], "little") < 2**16 else ">"
    cursor = _Cursor(raw, order)
    cursor.at = 4
    version, tensors, keys = cursor.number("I"), cursor.number("Q"), cursor.number("Q")
    if version not in (2, 3):
        raise BrokenHeader("version", f"is {version}; 2 and 3 can be read")
    # the smallest tensor entry has 24 bytes, the smallest key 13
    if tensors > min(MAX_TENSORS, size // 24):
        raise BrokenHeader("tensor_count", f"is {tensors}, more than a file of {size} bytes can hold")
    if keys > min(MAX_KEYS, size // 13):
        raise BrokenHeader("metadata_kv_count", f"is {keys}, more than a file of {size} bytes can hold")
    header = Header(order, version)
    for _ in range(keys):
        start = cursor.at
        name = cursor.text()
        value, long = _value(cursor, cursor.number("I"), size)
        if name in header.fields:
            raise BrokenHeader(name[:80], "is there twice")
        header.fields[name] = value
        if long:
            header.arrays.append((start, cursor.at))
    header.first = cursor.at
    for _ in range(tensors):
        header.tensors.append(_entry(cursor))
    header.end = cursor.at
    return header


def _value(cursor: _Cursor, kind: int, size: int, depth: int = 0) -> tuple[Any, bool]:
    """Return a value, None for one that is not kept, and whether it is a long array."""
    if kind in _SCALARS:
        return cursor.number(_SCALARS[kind]), False
    if kind == _STRING:
        return cursor.text(min(size, 2**24)), False
    if kind != _ARRAY or depth > 1:
        raise BrokenHeader("", f"has a value of type {kind}, which is not known")
    inner, count = cursor.number("I"), cursor.number("Q")
    if count > size:
        raise BrokenHeader("", f"has an array of {count} values, more than a file of {size} bytes can hold")
    if inner in _SCALARS:
        width = struct.calcsize("<" + _SCALARS[inner])
        values = cursor.take(count * width)
        if count > KEPT:
            return None, True
        return list(struct.unpack(f"{cursor.order}{count}{_SCALARS[inner]}", values)), False
    kept: list[Any] = []
    for _ in range(count):
        value, _long = _value(cursor, inner, size, depth + 1)
        if count <= KEPT:
            kept.append(value)
    return (kept, False) if count <= KEPT else (None, True)


def _entry(cursor: _Cursor) -> Entry:
    name = cursor.text()
    dimensions = cursor.number("I")
    if dimensions > 16:
        raise BrokenHeader(name[:80], f"has {dimensions} dimensions")
    shape = tuple(cursor.number("Q") for _ in range(dimensions))
    if any(length >= MAX_DIMENSION for length in shape):
        raise BrokenHeader(name[:80], "has a dimension that no tensor has")
    return Entry(name, tuple(reversed(shape)), cursor.number("I"), cursor.number("Q"))


def alone(raw: bytes, header: Header) -> bytes:
    """Return a header without its long arrays (the vocabulary), as a file that ends with it: what counts bytes."""
    pieces, at = [], 24
    for start, end in header.arrays:
        pieces.append(raw[at:start])
        at = end
    pieces.append(raw[at : header.end])
    keys = len(header.fields) - len(header.arrays)
    head = raw[:4] + struct.pack(header.order + "IQQ", header.version, len(header.tensors), keys)
    return head + b"".join(pieces)
