"""Diagnostics as JUnit XML: a test case for each file, failed where it has errors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from xml.sax.saxutils import escape, quoteattr

from planner.diagnostics.concise import render as concise
from planner.diagnostics.diagnostic import Diagnostic
from planner.diagnostics.places import relative
from planner.diagnostics.shown import shown
from planner.record import dataclass

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class JunitCase:
    """A test case: its failures as (type, message, text), and what else there is to say."""

    suite: str
    name: str
    failures: tuple[tuple[str, str, str], ...] = ()
    output: str = ""


def _attribute(text: str) -> str:
    return quoteattr(_NOT_XML.sub("\ufffd", shown(text)))


def _body(text: str) -> str:
    return escape(_NOT_XML.sub("\ufffd", "\n".join(map(shown, text.split("\n")))))


def _case(case: JunitCase) -> list[str]:
    head = f"    <testcase classname={_attribute(case.suite)} name={_attribute(case.name)}"
    if not case.failures and not case.output:
        return [f"{head}/>"]
    out = [f"{head}>"]
    for kind, message, text in case.failures:
        out.append(f"      <failure type={_attribute(kind)} message={_attribute(message)}>{_body(text)}</failure>")
    if case.output:
        out.append(f"      <system-out>{_body(case.output)}</system-out>")
    return [*out, "    </testcase>"]


def document(name: str, cases: Sequence[JunitCase]) -> str:
    """Return a JUnit report in the form of Jenkins' schema, suite by suite in the order of the cases."""
    suites: dict[str, list[JunitCase]] = {}
    for case in cases:
        suites.setdefault(case.suite, []).append(case)
    failed = sum(bool(case.failures) for case in cases)
    out = ['<?xml version="1.0" encoding="UTF-8"?>']
    out.append(f'<testsuites name={_attribute(name)} tests="{len(cases)}" failures="{failed}" errors="0">')
    for suite, rows in suites.items():
        bad = sum(bool(case.failures) for case in rows)
        counts = f'tests="{len(rows)}" failures="{bad}" errors="0" skipped="0"'
        out.append(f"  <testsuite name={_attribute(suite)} {counts}>")
        out += [line for case in rows for line in _case(case)]
        out.append("  </testsuite>")
    return "\n".join([*out, "</testsuites>"])


def render(diagnostics: Iterable[Diagnostic], texts: Mapping[str, str], files: Iterable[str] = ()) -> str:
    """Return a report with a case for each of `files` and of the files that findings stand in."""
    by_file: dict[str, list[Diagnostic]] = {relative(file): [] for file in files}
    for item in diagnostics:
        by_file.setdefault(relative(item.span.path) if item.span else "planner", []).append(item)
    cases = []
    for file, findings in by_file.items():
        failures = tuple((item.code, item.message, _text(item)) for item in findings if item.is_error)
        warnings = "\n".join(_text(item) for item in findings if not item.is_error)
        cases.append(JunitCase("planner check", file, failures, warnings))
    return document("planner check", cases)


def _text(item: Diagnostic) -> str:
    return concise((item,)) + (f"\nhelp: {item.help}" if item.help else "")
