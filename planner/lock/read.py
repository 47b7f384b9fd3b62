"""Reading a lock file: whole and unedited, or a finding that says what is wrong with it and what to do."""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path
from typing import Any

from planner import kept
from planner.diagnostics.diagnostic import Diagnostic, Span, error
from planner.lock.lock import SCHEMA, checksum
from planner.record import dataclass
from planner.syntax.files import read as read_text

_CONFLICT = re.compile(r"^(<{7}|={7}|>{7}|\|{7})(?= |$)", re.MULTILINE)
_CHECKSUM = re.compile(r"^checksum: ([0-9a-f]{64})\n\Z", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Lock:
    """What a lock says, field by field as it is written; `text` is kept for the places of findings."""

    path: str
    text: str
    version: str
    outcome: str
    cost: float | None
    objective: tuple[dict[str, Any], ...]
    workloads: dict[str, dict[str, Any]]
    plan: str
    imports: dict[str, str]
    catalogs: dict[str, dict[str, Any]]
    used: dict[str, dict[str, str]]

    def span(self, *keys: str) -> Span:
        """Return where a key of the lock stands, its first line where it has none such."""
        start, end = 0, 0
        for depth, key in enumerate(keys):
            plain = re.escape(key)
            found = re.compile(rf"^{'  ' * depth}(?:{plain}|'{plain}'|\"{plain}\"):.*$", re.MULTILINE).search(
                self.text, end
            )
            if found is None:
                break
            start, end = found.start() + 2 * depth, found.end()
        line = self.text.count("\n", 0, start) + 1
        column = start - self.text.rfind("\n", 0, start)
        return Span(self.path, start, max(end, start), line, column)


def read(path: Path, plan: str) -> tuple[Lock | None, Diagnostic | None]:
    """Return the lock of a plan, or nothing where there is none, or the E0803 of a file that is no whole lock."""
    if not path.exists() and not path.is_symlink():
        return None, None
    text, problem = read_text(path)
    again = f"run `planner solve {plan}`"
    where = Span(str(path), 0, 0, 1, 1)
    if text is None:
        return None, error("E0803", problem.message if problem else "it cannot be read", where, help=again)
    return parse(text, str(path), again)


def parse(text: str, path: str, again: str) -> tuple[Lock | None, Diagnostic | None]:
    """Return the lock of a text, or its E0803; `again` is the way out."""
    text = text.replace("\r\n", "\n")  # git may check files out with either line end

    def broken(reason: str, help: str = again, start: int = 0, end: int = 0) -> tuple[None, Diagnostic]:
        line, column = text.count("\n", 0, start) + 1, start - text.rfind("\n", 0, start)
        return None, error("E0803", f"{path} {reason}", Span(path, start, end, line, column), help=help)

    if conflict := _CONFLICT.search(text):
        hint = f"settle the plan first, then {again}: it writes the lock anew, so neither side need be kept"
        return broken("holds a merge conflict", hint, conflict.start(), conflict.end())
    end = _CHECKSUM.search(text)
    if end is None:
        return broken("is cut off or no lock: it has no checksum at its end")
    if checksum(text[: end.start()]) != end.group(1):
        return broken("was edited or merged by hand: its checksum is another", again, end.start(), end.end() - 1)
    document = _kept(text, end.group(1))
    if document is None:
        return broken("is no YAML this program reads")
    if document.get("schema") != SCHEMA:
        return broken(f"has the schema `{document.get('schema')}`; this program reads `{SCHEMA}`")
    lock = _build(document, path, text)
    return (lock, None) if lock is not None else broken("lacks a part of a lock")


def _kept(text: str, mark: str) -> dict[str, Any] | None:
    """Return the document of a text whose checksum holds: what was read of the same text before, or the YAML anew."""
    name = f"{mark}.lock"
    with contextlib.suppress(ValueError, RecursionError):
        document = json.loads(kept.read(name) or b"null")
        if isinstance(document, dict) and document.pop("text", None) == len(text):
            return document
    document = _document(text)
    if document is not None:
        with contextlib.suppress(TypeError, ValueError):  # what cannot be kept is only slower
            kept.write(name, json.dumps({**document, "text": len(text)}).encode())
    return document


def _document(text: str) -> dict[str, Any] | None:
    import yaml

    from planner.catalog.source import too_many

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        if "&" in text or "*" in text:  # a lock has no anchors; aliases could make it huge
            for event in yaml.parse(text, Loader=loader):
                if isinstance(event, yaml.AliasEvent):
                    return None
        if too_many(text.encode()):
            return None
        found = yaml.load(text, Loader=loader)
    except (yaml.YAMLError, RecursionError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _build(document: dict[str, Any], path: str, text: str) -> Lock | None:
    try:
        objective = document["objective"]
        workloads, catalogs, used = document["workloads"], document["catalogs"], document["used"]
        whole = (
            all(isinstance(part, dict) for part in objective)
            and all(_is_workload(row) for row in workloads.values())
            and all(isinstance(row, dict) for row in (*catalogs.values(), *used.values()))
            and isinstance(document["cost_usd_per_hour"], int | float | None)
            and isinstance(document["imports"], dict)
        )
        if not whole:
            return None
        return Lock(
            path,
            text,
            str(document["planner"]),
            str(document["outcome"]),
            document["cost_usd_per_hour"],
            tuple(objective),
            workloads,
            str(document["plan"]),
            document["imports"],
            catalogs,
            used,
        )
    except (KeyError, TypeError, AttributeError, ValueError):
        return None


def _is_workload(row: object) -> bool:
    if not isinstance(row, dict):
        return False
    choice, memory, outcomes = row.get("choice"), row.get("memory"), row.get("outcomes")
    if not isinstance(choice, dict) or not isinstance(memory, dict) or not isinstance(outcomes, dict):
        return False
    sizes = (memory.get("usable"), memory.get("total"), row.get("cost_micro_usd_per_hour"), row.get("instances"))
    parts = memory.get("parts")
    return all(isinstance(size, int) for size in sizes) and isinstance(parts, dict) and json_safe(choice)


def json_safe(choice: dict[str, Any]) -> bool:
    """Return whether every value is a text, a number or a list of them."""
    try:
        json.dumps(choice)
    except (TypeError, ValueError):
        return False
    return all(isinstance(key, str) for key in choice)
