"""Going through trees of expressions and statements, whatever they are made of."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from planner.diagnostics import Span
from planner.syntax import tree

T = TypeVar("T")


def _map(node: Any, change: Callable[[Any], Any]) -> Any:
    changed = change(node)
    if changed is not node:
        return changed
    if isinstance(node, tuple):
        items = tuple(_map(item, change) for item in node)
        return items if any(a is not b for a, b in zip(items, node, strict=True)) else node
    if dataclasses.is_dataclass(node) and not isinstance(node, type):
        values = {f.name: getattr(node, f.name) for f in dataclasses.fields(node)}
        new = {name: _map(value, change) for name, value in values.items()}
        fresh = {name: value for name, value in new.items() if value is not values[name]}
        return dataclasses.replace(node, **fresh) if fresh else node
    return node


def map_spans(node: T, move: Callable[[Span], Span]) -> T:
    """Return a tree with every span moved."""
    moved: T = _map(node, lambda item: move(item) if isinstance(item, Span) else item)
    return moved


def rename(node: T, new: Mapping[str, str]) -> T:
    """Return a tree with names replaced: the longest beginning of each that `new` knows. Targets of relations stay."""

    def change(item: Any) -> Any:
        if isinstance(item, tree.Relation):
            value = _map(item.value, change)
            return dataclasses.replace(item, value=value) if value is not item.value else item
        if not isinstance(item, tree.Name):
            return item
        for length in range(len(item.parts), 0, -1):
            renamed = new.get(".".join(item.parts[:length]))
            if renamed is not None:
                return tree.Name((*renamed.split("."), *item.parts[length:]), item.span)
        return item

    renamed: T = _map(node, change)
    return renamed


def names_in(node: object) -> set[str]:
    """Return every name of a tree, and every beginning of one: `a.b` is `a` and `a.b`."""
    names: set[str] = set()

    def note(item: Any) -> Any:
        if isinstance(item, tree.Name):
            names.update(".".join(item.parts[:length]) for length in range(1, len(item.parts) + 1))
        return item

    _map(node, note)
    return names
