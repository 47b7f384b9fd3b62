"""Imported plan files: read once each, cycles found, names brought in under their alias."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from planner.diagnostics import Diagnostic
from planner.diagnostics.diagnostic import error
from planner.syntax import tree
from planner.syntax.files import read
from planner.syntax.parse import parse

Items = tuple[tree.Item, ...]


def load(path: str) -> tuple[tree.File | None, tuple[Diagnostic, ...], dict[str, str]]:
    """Read a plan and what it imports; return one file with every item, the findings, and texts by path."""
    text, finding = read(path)
    if text is None:
        return None, (finding,) if finding else (), {}
    findings: list[Diagnostic] = []
    texts: dict[str, str] = {path: text}
    file, mistakes = parse(text, path)
    findings += mistakes
    items = _expand(file, (str(Path(path).resolve()),), findings, texts)
    return replace(file, items=items), tuple(findings), texts


def _expand(file: tree.File, trail: tuple[str, ...], findings: list[Diagnostic], texts: dict[str, str]) -> Items:
    out: list[tree.Item] = []
    for item in file.items:
        if not isinstance(item, tree.Import):
            out.append(item)
            continue
        target = str(Path(file.path).parent / item.path)
        real = str(Path(target).resolve())
        if real in trail:
            findings.append(error("E0202", f'"{item.path}" imports itself in a circle', item.path_span))
            continue
        if not item.path.endswith(".mem"):
            findings.append(
                error("E0405", "only .mem files can be imported yet", item.path_span, help="declare the row")
            )
            continue
        text, _ = read(target)
        if text is None:
            findings.append(error("E0201", f'"{item.path}" cannot be read', item.path_span))
            continue
        texts[target] = text
        inner, mistakes = parse(text, target)
        findings += mistakes
        out += _bring(_expand(inner, (*trail, real), findings, texts), item, findings)
    return tuple(out)


def _bring(items: Items, wanted: tree.Import, findings: list[Diagnostic]) -> list[tree.Item]:
    named = [item for item in items if isinstance(item, (tree.Declaration, tree.Let))]
    if wanted.names:
        have = {item.name for item in named}
        for name in wanted.names:
            if name not in have:
                findings.append(error("E0301", f'"{wanted.path}" declares no `{name}`', wanted.span))
        return [item for item in named if item.name in wanted.names]
    if wanted.alias:
        return [replace(item, name=f"{wanted.alias}.{item.name}") for item in named]
    return list(named)
