"""Diagnostics as SARIF 2.1.0, which code scanning reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from planner.diagnostics.codes import CODES
from planner.diagnostics.diagnostic import Diagnostic, Fix, Span
from planner.diagnostics.places import end, fingerprints, relative
from planner.diagnostics.shown import json_text
from planner.version import __version__

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def _rule(code: str) -> dict[str, Any]:
    level = "error" if code.startswith("E") else "warning"
    explanation = CODES.get(code)
    if explanation is None:
        return {"id": code, "defaultConfiguration": {"level": level}}
    help = f"{explanation.why}\n\nExample: {explanation.example}\n\nInstead: {explanation.instead}"
    return {
        "id": code,
        "name": "".join(word.capitalize() for word in explanation.title.split()),
        "shortDescription": {"text": explanation.title},
        "fullDescription": {"text": explanation.why},
        "help": {"text": help},
        "defaultConfiguration": {"level": level},
    }


def _uri(path: str) -> str:
    return quote(relative(path).encode("utf-8", "surrogateescape"))


def _location(span: Span, texts: Mapping[str, str], message: str = "") -> dict[str, Any]:
    region: dict[str, int] = {"startLine": span.line, "startColumn": span.column}
    behind = end(span, texts)
    if behind:
        region |= {"endLine": behind[0], "endColumn": behind[1]}
    place = {"artifactLocation": {"uri": _uri(span.path)}, "region": region}
    return {"physicalLocation": place} | ({"message": {"text": message}} if message else {})


def _result(item: Diagnostic, texts: Mapping[str, str], index: int, fingerprint: str) -> dict[str, Any]:
    text = item.message + (f"\nhelp: {item.help}" if item.help else "")
    out: dict[str, Any] = {
        "ruleId": item.code,
        "ruleIndex": index,
        "level": item.severity,
        "message": {"text": text},
        "partialFingerprints": {"planner/v1": fingerprint},
    }
    if item.span:
        out["locations"] = [_location(item.span, texts)]
    if item.secondary:
        out["relatedLocations"] = [
            {"id": number, **_location(span, texts, label)} for number, (span, label) in enumerate(item.secondary)
        ]
    if item.fix:
        out["fixes"] = [_fix(item.fix, texts)]
    return out


def _fix(fix: Fix, texts: Mapping[str, str]) -> dict[str, Any]:
    changes = []
    for span, text in fix.edits:
        line, column = end(span, texts) or (span.line, span.column)
        region = {"startLine": span.line, "startColumn": span.column, "endLine": line, "endColumn": column}
        replacement = {"deletedRegion": region, "insertedContent": {"text": text}}
        place = {"uri": _uri(span.path)}
        changes.append({"artifactLocation": place, "replacements": [replacement]})
    return {"description": {"text": fix.title}, "artifactChanges": changes}


def render(diagnostics: Iterable[Diagnostic], texts: Mapping[str, str]) -> str:
    """Return one SARIF run with the rules of the codes found."""
    items = list(diagnostics)
    codes = sorted({item.code for item in items})
    driver = {"name": "planner", "version": __version__, "rules": [_rule(code) for code in codes]}
    results = [
        _result(item, texts, codes.index(item.code), name)
        for item, name in zip(items, fingerprints(items), strict=True)
    ]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return json_text({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})
