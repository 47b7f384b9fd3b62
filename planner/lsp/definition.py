"""Where what stands under a place of a plan is declared: a name, a workload's setting, a rule, a file."""

from __future__ import annotations

import os

from planner.diagnostics import Span
from planner.language.schema import WORKLOADS
from planner.lsp.analysis import Analysis
from planner.lsp.hover import Pointed, pointed, rule_named
from planner.syntax import tree

NAMING_FILES = ("config", "checkpoint", "lm_eval", "csv")


def definition(analysis: Analysis, offset: int) -> Span | None:
    """Return the place of a declaration; the beginning of a file for its path; None where there is none."""
    item = pointed(analysis, offset)
    if item is None:
        return None
    if item.token.type == "STRING":
        return _file(analysis, item) or _declared(analysis, item.token.text.strip('"'))
    if item.token.type != "NAME":
        return None
    if item.at.types[:2] == ("IMPORT", "LBRACE"):
        return _declared(analysis, item.token.text)
    return _name(analysis, item)


def _declared(analysis: Analysis, name: str) -> Span | None:
    scope = analysis.env.scope
    declaration = scope.let_nodes.get(name) or scope.declared.get(name)
    return None if declaration is None else declaration.name_span


def _name(analysis: Analysis, item: Pointed) -> Span | None:
    if item.at.head and item.at.kind != "test" and item.at.relation is None:
        return None  # what stands before an operator in a block is a quantity, which no plan declares
    for length in range(len(item.parts), 0, -1):
        name = ".".join(item.parts[:length])
        place = _declared(analysis, name)
        if place is not None and length == len(item.parts):
            return place
        if place is not None:
            return _setting(analysis, name, item.parts[length]) or place
    rest = ".".join(item.whole)
    return _rule(analysis, rest) or _rule(analysis, item.token.text) or _alias(analysis, item.parts[0])


def _setting(analysis: Analysis, block: str, quantity: str) -> Span | None:
    """Return the line of a block, or of what it is like, that states a quantity."""
    scope, seen = analysis.env.scope, set[str]()
    item = scope.declared.get(block)
    while item is not None and item.kind in WORKLOADS and item.name not in seen:
        seen.add(item.name)
        line = next((line for line in item.body if line.target.text == quantity), None)
        if line is not None:
            return line.target.span
        item = scope.declared.get(scope.spelled(item.base) or "") if item.base is not None else None
    return None


def _rule(analysis: Analysis, name: str) -> Span | None:
    """Return the place of a named rule or preference, or of a bound of the fleet."""
    rule = rule_named(analysis, name)
    if rule is not None:
        return rule.span
    for item in analysis.loaded.file.items if analysis.loaded.file is not None else ():
        if isinstance(item, tree.Declaration) and item.kind == "fleet" and name.startswith("fleet."):
            line = next((line for line in item.body if line.target.text == name.removeprefix("fleet.")), None)
            if line is not None:
                return line.target.span
    return None


def _alias(analysis: Analysis, name: str) -> Span | None:
    """Return the file that is imported under a name."""
    item = next((item for item in analysis.own.items if isinstance(item, tree.Import) and item.alias == name), None)
    return None if item is None else _beginning(analysis, item.path)


def _file(analysis: Analysis, item: Pointed) -> Span | None:
    at = item.at
    called = at.before[-2].text if at.types[-2:] == ("NAME", "LPAR") else ""
    if at.types[:1] == ("IMPORT",) or called in NAMING_FILES or (at.before and at.before[0].text == "results"):
        return _beginning(analysis, item.token.text.strip('"'))
    return None


def _beginning(analysis: Analysis, path: str) -> Span | None:
    target = os.path.join(os.path.dirname(analysis.path), path)
    return Span(target, 0, 0, 1, 1) if os.path.isfile(target) else None
