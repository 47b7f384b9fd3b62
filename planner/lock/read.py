"""Reading a lock file: whole and unedited, or a finding that says what is wrong with it and what to do.

Locks of earlier formats are read as well: what they did not record yet is missing, and they are judged without it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from planner.diagnostics.diagnostic import Diagnostic, Span, error
from planner.lock import text as lines
from planner.lock.lock import SCHEMA, checksum
from planner.record import dataclass
from planner.syntax.files import read as read_text

_CONFLICT = re.compile(r"^(<{7}|={7}|>{7}|\|{7})(?= |$)", re.MULTILINE)
_CHECKSUM = re.compile(r"^checksum: ([0-9a-f]{64})\n\Z", re.MULTILINE)
_SCHEMA = re.compile(r"^schema: (.{1,80})$", re.MULTILINE)
FORMATS = {"planner.lock/1": 1, "planner.lock/2": 2, SCHEMA: 3}
"""The formats that are read, by their schema."""


@dataclass(frozen=True, slots=True)
class Lock:
    """What a lock says: its `document` as it is written, but that rows of format 1 are digests alone; `text` is kept
    for the places of findings. `of` are the workloads that a block's copies are, by name, each with the one of the lock
    that stands for it; none before a plan has said so (planner.lock.verify).
    """

    path: str
    text: str
    format: int
    document: dict[str, Any]
    of: Mapping[str, str] = field(default_factory=dict)

    @property
    def version(self) -> str:
        """The release that wrote it."""
        return str(self.document["planner"])

    @property
    def outcome(self) -> str:
        """Whether the answer was proven: `optimal` or `feasible`."""
        return str(self.document["outcome"])

    @property
    def cost(self) -> float | None:
        """What all workloads cost, in USD per hour."""
        cost: float | None = self.document["cost_usd_per_hour"]
        return cost

    @property
    def objective(self) -> list[dict[str, Any]]:
        """The parts of the objective."""
        parts: list[dict[str, Any]] = self.document["objective"]
        return parts

    @property
    def workloads(self) -> dict[str, dict[str, Any]]:
        """The answer for each workload."""
        rows: dict[str, dict[str, Any]] = self.document["workloads"]
        return {name: rows[one] for name, one in self.of.items()} if self.of else rows

    @property
    def copies(self) -> dict[str, int]:
        """How many copies of its block each workload of the lock stands for."""
        rows: dict[str, dict[str, Any]] = self.document["workloads"]
        return {name: int(row.get("copies", 1)) for name, row in rows.items()}

    @property
    def plan(self) -> str:
        """The digest of the plan."""
        return str(self.document["plan"])

    @property
    def imports(self) -> dict[str, str]:
        """The digest of each file that the plan imports, by its path."""
        files: dict[str, str] = self.document["imports"]
        return files

    @property
    def catalogs(self) -> dict[str, dict[str, Any]]:
        """How many rows of each catalog the plan could choose from, and their digest."""
        kinds: dict[str, dict[str, Any]] = self.document["catalogs"]
        return kinds

    @property
    def used(self) -> dict[str, dict[str, dict[str, Any]]]:
        """What is recorded of each row that the answer rests on, by catalog and id."""
        rows: dict[str, dict[str, dict[str, Any]]] = self.document["used"]
        return rows

    def span(self, *keys: str | int) -> Span:
        """Return where a key of the lock stands; the last of its parents where it is missing."""
        if keys[:1] == ("workloads",) and len(keys) > 1:
            keys = ("workloads", self.of.get(str(keys[1]), keys[1]), *keys[2:])
        start, end = lines.locate(self.text, keys)
        line = self.text.count("\n", 0, start) + 1
        column = start - self.text.rfind("\n", 0, start)
        return Span(self.path, start, end, line, column)


def read(path: Path, plan: str) -> tuple[Lock | None, Diagnostic | None]:
    """Return the lock of a plan, or nothing where there is none, or the E0803 of a file that is not a whole lock."""
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
        return broken("is cut off or not a lock: it has no checksum at its end")
    body = text[: end.start()]
    if checksum(body) != end.group(1):
        return broken("was edited or merged by hand: its checksum does not match", again, end.start(), end.end() - 1)
    match = _SCHEMA.search(body)
    schema = match.group(1) if match else None
    if schema not in FORMATS:
        newer = schema is not None and re.fullmatch(r"planner\.lock/\d{1,6}", schema)
        hint = "update planner, or " + again if newer else again
        return broken(f"has the schema `{schema}`; this program reads {' and '.join(FORMATS)}", hint)
    if FORMATS[schema] == 1:
        document = _first_format(body)
    else:
        try:
            document = lines.load(body)
        except lines.NotWritten as where:
            start = sum(len(line) for line in body.splitlines(keepends=True)[: where.line - 1])
            stop = body.find("\n", start)
            reason = f"is not as `planner solve` writes it (line {where.line})"
            return broken(reason, again, min(start, len(body)), max(stop, start))
    if document is None:
        return broken("is not valid YAML")
    if not _is_whole(document):
        return broken("lacks a part of a lock")
    return Lock(path, text, FORMATS[schema], document), None


def _first_format(body: str) -> dict[str, Any] | None:
    """Return the document of a lock of format 1: any YAML, whose used rows are digests alone."""
    document = _yaml(body)
    used = None if document is None else document.get("used")
    if document is None or not isinstance(used, dict):
        return document
    return document | {
        "used": {
            kind: {key: {"digest": digest} for key, digest in rows.items()} if isinstance(rows, dict) else rows
            for kind, rows in used.items()
        }
    }


def _yaml(text: str) -> dict[str, Any] | None:
    import yaml

    from planner.catalog.reading.source import too_many

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        if "&" in text or "*" in text:  # a lock has no anchors; aliases could make it huge
            for event in yaml.parse(text, Loader=loader):
                if isinstance(event, yaml.AliasEvent):
                    return None
        if too_many(text.encode()):
            return None
        document = yaml.load(text, Loader=loader)
    except (yaml.YAMLError, RecursionError, ValueError):
        return None
    return document if isinstance(document, dict) else None


PARTS = ("planner", "edition", "outcome", "cost_usd_per_hour", "objective", "workloads", "plan", "imports", "catalogs")


def _is_whole(document: dict[str, Any]) -> bool:
    """Return whether a document has all parts of a lock, each in its form."""
    if any(name not in document for name in (*PARTS, "used")):
        return False
    cost, objective, used = document["cost_usd_per_hour"], document["objective"], document["used"]
    maps = ("workloads", "imports", "catalogs")
    return (
        all(isinstance(document[name], dict) for name in maps)
        and isinstance(cost, int | float | None)
        and isinstance(objective, list)
        and all(isinstance(part, dict) for part in objective)
        and all(_is_workload(row) for row in document["workloads"].values())
        and all(isinstance(row, dict) for row in document["catalogs"].values())
        and isinstance(used, dict)
        and all(
            isinstance(rows, dict) and all(isinstance(row, dict) for row in rows.values()) for rows in used.values()
        )
        and json_safe(document)
    )


def _is_workload(row: object) -> bool:
    if not isinstance(row, dict):
        return False
    choice, memory, outcomes = row.get("choice"), row.get("memory"), row.get("outcomes")
    if not isinstance(choice, dict) or not isinstance(memory, dict) or not isinstance(outcomes, dict):
        return False
    copies = row.get("copies", 2)
    if not isinstance(row.get("given", {}), dict) or type(copies) is not int or copies < 2:
        return False
    traffic = row.get("traffic", [])
    if not isinstance(traffic, list) or not all(_is_served(item) for item in traffic):
        return False
    sizes = (memory.get("usable"), memory.get("total"), row.get("cost_micro_usd_per_hour"), row.get("instances"))
    return all(type(size) is int for size in sizes) and isinstance(memory.get("parts"), dict)


def _is_served(item: object) -> bool:
    """Return whether an entry says what a part of a mix serves of a request size."""
    if not isinstance(item, dict) or not isinstance(item.get("requests_per_second"), int | float):
        return False
    return all(type(item.get(key)) is int for key in ("prompt", "output", "eighths"))


def json_safe(tree: Any) -> bool:
    """Return whether there are texts, numbers, lists and mappings by text alone."""
    if isinstance(tree, dict):
        return all(isinstance(key, str) and json_safe(value) for key, value in tree.items())
    if isinstance(tree, list):
        return all(map(json_safe, tree))
    try:
        json.dumps(tree)
    except (TypeError, ValueError):
        return False
    return True
