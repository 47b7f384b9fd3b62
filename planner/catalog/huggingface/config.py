"""One Hugging Face config.json: bounded reading, typed fields, and the error that names a field."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from planner.diagnostics.diagnostic import Diagnostic, Span, error
from planner.regular_files import read_bytes

MAX_BYTES = 16 * 1024 * 1024
MAX_LAYERS = 10_000
MAX_WHOLE = 2**40


class ConfigError(ValueError):
    """A config cannot be described exactly; `field` is the one that stands in the way."""

    def __init__(
        self, path: Path, field: str, reason: str, span: Span | None = None, approximable: bool = False
    ) -> None:
        """Take the file, the field (`""` for the file itself), the reason, where the field stands, and whether the
        config is read where an approximate description is accepted."""
        super().__init__(f"{path.name}: `{field}` {reason}" if field else f"{path.name} {reason}")
        self.path, self.field, self.reason, self.approximable = path, field, reason, approximable
        self.span = span or Span(str(path), 0, 0, 1, 1)

    def diagnostic(self) -> Diagnostic:
        """Return the error as a finding (E0204)."""
        return error("E0204", str(self), self.span)


class Fields(dict[str, Any]):
    """An object of a config that notes which of its fields somebody asked for."""

    __slots__ = ("asked",)

    def __init__(self, pairs: Mapping[str, Any]) -> None:
        super().__init__(pairs)
        self.asked: set[str] = set()

    def __getitem__(self, field: str) -> Any:
        self.asked.add(field)
        return super().__getitem__(field)

    def __contains__(self, field: object) -> bool:
        self.asked.add(str(field))
        return super().__contains__(field)

    def get(self, field: str, default: Any = None) -> Any:
        """Return a field, or the default where it is absent."""
        self.asked.add(field)
        return super().get(field, default)


def read_json(path: Path) -> tuple[dict[str, Any], str]:
    """Return the object a JSON file holds, and its text; raise ConfigError."""
    try:
        if path.is_dir():
            path = path / "config.json"
        raw = read_bytes(path, MAX_BYTES)
    except (OSError, ValueError) as problem:
        raise ConfigError(path, "", f"cannot be read: {getattr(problem, 'strerror', None) or problem}") from None
    if len(raw) > MAX_BYTES:
        raise ConfigError(path, "", f"is over {MAX_BYTES // 2**20} MiB")
    try:
        text = raw.decode("utf-8-sig")
        data = json.loads(text, object_hook=Fields)
    except json.JSONDecodeError as problem:
        span = Span(str(path), problem.pos, problem.pos, problem.lineno, problem.colno)
        raise ConfigError(path, "", f"is not JSON: {problem.msg}", span) from None
    except (ValueError, RecursionError) as problem:
        text = str(problem).splitlines()[0] if isinstance(problem, ValueError) else "it is nested too deeply"
        raise ConfigError(path, "", f"is not JSON: {text}") from None
    if not isinstance(data, dict):
        raise ConfigError(path, "", "is not a JSON object")
    return data, text


class Config:
    """The fields of a config, with the library's defaults under them; a getter raises ConfigError."""

    def __init__(
        self,
        path: Path,
        text: str,
        data: Mapping[str, Any],
        defaults: Mapping[str, Any],
        approximate: bool = False,
        inside: str = "",
    ) -> None:
        """Take the file, its text, the object, defaults, and the name of the object inside the file.

        `assumed` is what was taken for granted where an approximate description is accepted, in sentences.
        """
        self.path, self.text, self.data, self.defaults = path, text, data, defaults
        self.approximate, self.inside = approximate, inside
        self.assumed: list[str] = []

    def at(self, data: Mapping[str, Any], defaults: Mapping[str, Any], inside: str | None = None) -> Config:
        """Return other fields of the same file: what is assumed of them is assumed of the whole."""
        other = Config(
            self.path, self.text, data, defaults, self.approximate, self.inside if inside is None else inside
        )
        other.assumed = self.assumed
        return other

    def refuse(self, field: str, reason: str, approximable: bool = False) -> ConfigError:
        """Return the error about a field, with its place."""
        start = 0
        if self.inside:
            match = re.search(rf'"{re.escape(self.inside.rpartition(".")[2])}"\s*:', self.text)
            start = match.start() if match else 0
        match = re.search(rf'"{re.escape(field)}"\s*:', self.text[start:])
        offset = start + match.start() if match else start
        line = self.text.count("\n", 0, offset) + 1
        column = offset - self.text.rfind("\n", 0, offset)
        name = f"{self.inside}.{field}" if self.inside and field else field or self.inside
        span = Span(str(self.path), offset, offset, line, column)
        return ConfigError(self.path, name, reason, span, approximable)

    def doubt(self, field: str, reason: str, taken: str = "it is not counted, and nothing bounds it") -> None:
        """Refuse a field whose effect is not described, unless an approximate description is accepted: then `taken` is
        said of it."""
        if not self.approximate:
            raise self.refuse(field, reason, approximable=True)
        name = f"{self.inside}.{field}" if self.inside and field else field
        said = f"`{name}` {reason}: {taken}"
        if said not in self.assumed:
            self.assumed.append(said)

    def part(self, field: str, defaults: Mapping[str, Any], required: bool = True) -> Config | None:
        """Return an object inside this one, or None where it is absent and not required."""
        value = self.data.get(field)
        if value is None and not required:
            return None
        if not isinstance(value, Mapping):
            raise self.refuse(field, "must be an object" if value is not None else "is missing")
        inside = f"{self.inside}.{field}" if self.inside else field
        return self.at(value, defaults, inside)

    def has(self, *fields: str) -> bool:
        """Return whether the file itself states one of these, other than as null."""
        return any(self.data.get(field) is not None for field in fields)

    def value(self, *fields: str) -> Any:
        """Return the first of these names that the file has (also as null), else the library's default."""
        said = [field for field in fields if field in self.data]
        if said:
            return self.data[said[0]]
        return next((self.defaults[field] for field in fields if field in self.defaults), None)

    def _name(self, fields: tuple[str, ...]) -> str:
        return next((field for field in fields if field in self.data), fields[0])

    def maybe(self, *fields: str, most: int = MAX_WHOLE) -> int | None:
        """Return a whole number, or None for null and for a field that has no default."""
        value = self.value(*fields)
        if value is None:
            return None
        name = self._name(fields)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.refuse(name, "must be a whole number")
        if not 0 <= value <= most:
            raise self.refuse(name, f"is {value if abs(value) < 10**30 else 'absurd'}; 0 to {most} can be described")
        return value

    def whole(self, *fields: str, most: int = MAX_WHOLE) -> int:
        """Return a whole number that has to be there."""
        value = self.maybe(*fields, most=most)
        if value is None:
            raise self.refuse(self._name(fields), "is missing, and the library has no default for it")
        return value

    def some(self, *fields: str, most: int = MAX_WHOLE) -> int:
        """Return a whole number of 1 or more."""
        value = self.whole(*fields, most=most)
        if value < 1:
            raise self.refuse(self._name(fields), f"is {value}; it must be 1 or more")
        return value

    def layers(self, *fields: str) -> int:
        """Return the number of layers."""
        return self.some(*(fields or ("num_hidden_layers",)), most=MAX_LAYERS)

    def flag(self, *fields: str) -> bool:
        """Return a truth value; absent and null are false."""
        value = self.value(*fields)
        if value is not None and not isinstance(value, bool):
            raise self.refuse(self._name(fields), "must be true or false")
        return bool(value)

    def number(self, *fields: str) -> float:
        """Return a number that has to be there."""
        value = self.value(*fields)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_WHOLE:
            raise self.refuse(self._name(fields), "must be a number" if value is not None else "is missing")
        return float(value)

    def items(self, field: str, count: int | None = None) -> list[Any] | None:
        """Return a list (of `count` items), or None where it is absent."""
        value = self.value(field)
        if value is None:
            return None
        if not isinstance(value, list) or len(value) > MAX_LAYERS:
            raise self.refuse(field, "must be a list with one item a layer")
        if count is not None and len(value) != count:
            raise self.refuse(field, f"has {len(value)} items, and the model {count} layers")
        return value

    def words(self, field: str, words_known: tuple[str, ...], count: int | None = None) -> list[str] | None:
        """Return a list of known words, or None where it is absent."""
        items = self.items(field, count)
        for item in items or ():
            if item not in words_known:
                raise self.refuse(field, f"has `{str(item)[:60]}`; known are {', '.join(words_known)}")
        return items

    def divided(self, field: str, whole: int, by: int) -> int:
        """Return whole / by, which the field named must divide."""
        if by < 1 or whole % by:
            raise self.refuse(field, f"is {by}, which does not divide {whole}")
        return whole // by
