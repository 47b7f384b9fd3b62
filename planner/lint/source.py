"""What a lint looks at: the tree of a plan, its texts, and the problem where it has one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass

from planner.catalog.catalog import Catalog
from planner.diagnostics.diagnostic import Span
from planner.language.problem import Problem
from planner.record import dataclass
from planner.syntax import tree


@dataclass(frozen=True, slots=True)
class Source:
    """A plan as it was read; `file` has its own items and those of its imports, `texts` the text of each."""

    path: str
    file: tree.File
    texts: Mapping[str, str]
    problem: Problem | None
    catalog: Catalog

    def own(self) -> Iterator[tree.Item]:
        """Yield the items of the plan's own text."""
        return (item for item in self.file.items if item.span.path == self.path)


def nodes(root: object) -> Iterator[object]:
    """Yield every node below and including a node of the tree, in order."""
    todo = [root]
    while todo:
        node = todo.pop()
        if isinstance(node, tuple):
            todo.extend(reversed(node))
            continue
        names = _names(type(node))
        if names is not None:
            yield node
            todo.extend([getattr(node, name) for name in names])


_KNOWN: dict[type, tuple[str, ...] | None] = {}


def _names(kind: type) -> tuple[str, ...] | None:
    """Return the fields of a kind of node, the last first; None for other values: a word, a number, a place."""
    if kind not in _KNOWN:
        node = is_dataclass(kind) and kind is not Span
        _KNOWN[kind] = tuple(item.name for item in reversed(fields(kind))) if node else None
    return _KNOWN[kind]
