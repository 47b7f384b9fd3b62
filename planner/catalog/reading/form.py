"""Holding a row to its form: every mistake with the way to it, so that a place in the file can be named."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from difflib import get_close_matches
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from planner.catalog.reading.limits import Limit

Way = tuple[str | int, ...]
"""Keys and indices from the row to the value."""


@cache
def shape(kind: type) -> dict[str, tuple[Any, bool]]:
    """Return the fields of a row: their type, and whether they have to be there."""
    hints = get_type_hints(kind, include_extras=True)
    return {
        item.name: (hints[item.name], item.default is MISSING and item.default_factory is MISSING)
        for item in fields(kind)
    }


@cache
def parts(form: Any) -> tuple[Any, Limit]:
    """Return a type without its annotation, and the annotation."""
    if get_origin(form) is Annotated:
        inner, *notes = get_args(form)
        return inner, next((note for note in notes if isinstance(note, Limit)), Limit())
    return form, Limit()


@cache
def options(form: Any) -> tuple[Any, ...]:
    """Return the types a value may have."""
    return get_args(form) if get_origin(form) in (Union, UnionType) else (form,)


@cache
def scalars(form: Any) -> tuple[frozenset[type], Limit]:
    """Return the types of which any value that keeps a limit is right at once; none where more has to be looked at."""
    inner, limit = parts(form)
    types: set[type] = set()
    for kind in options(inner):
        if get_origin(kind) is Annotated:
            kind, limit = parts(kind)
        if kind not in (str, int, float, bool, NoneType):
            return frozenset(), limit
        types |= {int, float} if kind is float else {kind}
    return frozenset(types), limit


def right(value: Any, form: Any) -> bool:
    """Return whether a value is right without a closer look; most are."""
    types, limit = scalars(form)
    if type(value) not in types or value != value:
        return False
    if value is None or value is True or value is False:
        return True
    size = len(value) if isinstance(value, str) else value
    if limit.least is not None and size < limit.least:
        return False
    return limit.pattern is None or re.fullmatch(limit.pattern, str(value)) is not None


def mistakes(value: Any, form: Any, way: Way = ()) -> Iterator[tuple[Way, str]]:
    """Yield what is wrong with a value that should have a form, with the way to each mistake."""
    inner, limit = parts(form)
    kinds = options(inner)
    if value is None and NoneType in kinds:
        return
    kinds = tuple(kind for kind in kinds if kind is not NoneType)
    tagged = [kind for kind in kinds if is_dataclass(kind)]
    if tagged:
        yield from _record(value, tagged, way)
        return
    if len(kinds) == 1 and get_origin(kinds[0]) is Annotated:
        yield from mistakes(value, kinds[0], way)
        return
    fitting = [kind for kind in kinds if _fits(value, kind)]
    if not fitting:
        yield way, f"must be {' or '.join(dict.fromkeys(map(_named, kinds)))}"
        return
    kind = fitting[0]
    if get_origin(kind) is list:
        for index, item in enumerate(value):
            if right(item, get_args(kind)[0]):
                continue
            yield from mistakes(item, get_args(kind)[0], (*way, index))
    elif get_origin(kind) is dict:
        for key, item in value.items():
            if get_origin(get_args(kind)[0]) is Literal:
                yield from mistakes(key, get_args(kind)[0], (*way, key))
            if not right(item, get_args(kind)[1]):
                yield from mistakes(item, get_args(kind)[1], (*way, key))
    elif not isinstance(value, bool):
        yield from _limited(value, limit, way)


def _limited(value: Any, limit: Limit, way: Way) -> Iterator[tuple[Way, str]]:
    if limit.least is not None:
        if isinstance(value, str) and len(value) < limit.least:
            yield way, "is empty"
        elif isinstance(value, int | float) and not value >= limit.least:
            yield way, f"is {value}; it must be {limit.least:g} or more"
    if limit.pattern is not None and re.fullmatch(limit.pattern, str(value)) is None:
        yield way, f"is `{str(value)[:40]}`, not {limit.about}"


def _record(value: Any, kinds: list[Any], way: Way) -> Iterator[tuple[Way, str]]:
    if not isinstance(value, dict):
        yield way, "must be a mapping"
        return
    kind = kinds[0]
    if len(kinds) > 1:
        names = {word: one for one in kinds for word in get_args(shape(one)["kind"][0])}
        tag = value.get("kind")
        if not isinstance(tag, str) or tag not in names:
            yield (*way, "kind") if "kind" in value else way, f"`kind` must be one of {', '.join(names)}"
            return
        kind = names[tag]
    expected = shape(kind)
    for name in value:
        if name not in expected:
            near = get_close_matches(str(name), expected, 1)
            hint = f"; did you mean `{near[0]}`?" if near else ""
            yield (*way, name), f"unknown field{hint}"
    for name, (form, required) in expected.items():
        if name in value:
            if not right(value[name], form):
                yield from mistakes(value[name], form, (*way, name))
        elif required:
            yield way, f"`{name}` is missing"


def _fits(value: Any, kind: Any) -> bool:
    origin = get_origin(kind)
    if kind is Any:
        return True
    if origin is Literal:
        return any(value is word or (value == word and type(value) is type(word)) for word in get_args(kind))
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and value == value
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, origin or kind)


def _named(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(str(word) for word in get_args(kind))
    names = {str: "a text", int: "a whole number", float: "a number", bool: "true or false", list: "a list"}
    return names.get(get_origin(kind) or kind, "a mapping")
