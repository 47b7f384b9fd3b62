"""Findings in every form: stored output, the schemas of SARIF and JUnit, and text that tries to break out."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as xml
from pathlib import Path

import pytest
import xmlschema
from golden import compare
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_sarif.model import StaticAnalysisResultsFormatSarifVersion210JsonSchema as Sarif

from planner.diagnostics.codes import CODES
from planner.diagnostics.diagnostic import Diagnostic, Fix, Span, error, warning
from planner.diagnostics.formats import FORMATS, render

PLAN = """\
inference chat {
  gpus = 2
  memory >= 40 s
  gpus = 3
}
"""
TEXTS = {"plans/my chat.mem": PLAN}


def span(start: int, end: int, path: str = "plans/my chat.mem") -> Span:
    line = PLAN.count("\n", 0, start) + 1
    return Span(path, start, end, line, start - PLAN.rfind("\n", 0, start))


AT = PLAN.index("gpus = 3")
FINDINGS = (
    error("E0401", "units differ: bytes >= s", span(PLAN.index("40 s"), PLAN.index("40 s") + 4), label="this is time"),
    error(
        "E0302",
        "`gpus` is set twice, 100%: see `a,b`",
        span(AT, AT + 8),
        secondary=((span(19, 27), "first set here"),),
        help="leave one of them out",
    ),
    warning(
        "W0801", "chat.mem.lock is missing", Span("plans/my chat.mem.lock", 0, 0, 1, 1), help="run `planner solve`"
    ),
    error("E0103", "`{` is never closed", span(15, len(PLAN)), label="opened here"),
    warning("W0605", "a row is old"),
    warning("W0606", "`8k` is 8_000", span(17, 21), fix=Fix("write `8Ki`", ((span(18, 19), "Ki"),), safe=False)),
    warning("W0614", "no edition", span(0, 0), fix=Fix("say it", ((span(0, 0), "edition 2026\n"),), safe=True)),
)
FILES = ("plans/my chat.mem", "plans/good.mem")
JUNIT = xmlschema.XMLSchema(Path(__file__).parent / "schemas/junit.xsd")


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(("name", "findings"), [("some", FINDINGS), ("none", ())])
def test_stored(form: str, name: str, findings: tuple[Diagnostic, ...]) -> None:
    compare(f"findings/{name}.{form}", render(form, findings, TEXTS, FILES) + "\n")


def test_colour_only_adds_colour() -> None:
    """Without its escapes (ECMA-48, CSI … m) the coloured form is the plain one; the other forms have none."""
    for form in FORMATS:
        coloured = render(form, FINDINGS, TEXTS, FILES, colour=True)
        assert ("\x1b[1;31merror" in coloured) == (form == "full")
        assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == render(form, FINDINGS, TEXTS, FILES)


def test_codes_are_known() -> None:
    assert {item.code for item in FINDINGS} <= set(CODES)


TEXT = st.text("ab:,%\n\r\t<>&\"'[]{}`\x00\x1b\ufffe☃ü", max_size=30)


@st.composite
def findings(draw: st.DrawFn) -> tuple[Diagnostic, ...]:
    def one() -> Diagnostic:
        start = draw(st.integers(0, len(PLAN)))
        place = span(start, draw(st.integers(start, len(PLAN))), draw(st.sampled_from(["plans/my chat.mem", "ö%.mem"])))
        return Diagnostic(
            draw(st.sampled_from(sorted(CODES))),
            draw(st.sampled_from(["error", "warning"])),
            draw(TEXT),
            draw(st.sampled_from([place, None])),
            draw(TEXT),
            ((place, draw(TEXT)),) if draw(st.booleans()) else (),
            draw(st.none() | TEXT),
            draw(st.sampled_from([None, Fix("t", ((place, "x\n"),), safe=True)])),
        )

    return tuple(one() for _ in range(draw(st.integers(0, 4))))


@settings(deadline=None)
@given(findings())
def test_sarif_keeps_its_schema(some: tuple[Diagnostic, ...]) -> None:
    document = Sarif.model_validate_json(render("sarif", some, TEXTS))
    (run,) = document.runs
    assert run.results is not None and run.tool.driver.rules is not None
    assert len(run.results) == len(some)
    for item, result in zip(some, run.results, strict=True):
        assert run.tool.driver.rules[result.ruleIndex].id == result.ruleId == item.code


@settings(deadline=None)
@given(findings())
def test_junit_keeps_its_schema(some: tuple[Diagnostic, ...]) -> None:
    text = render("junit", some, TEXTS, FILES)
    JUNIT.validate(text)
    root = xml.fromstring(text)
    failed = {item.span.path if item.span else "planner" for item in some if item.is_error}
    assert int(root.attrib["failures"]) == len(failed)
    assert len(root.findall(".//failure")) == sum(item.is_error for item in some)


@settings(deadline=None)
@given(findings())
def test_github_is_one_command_a_finding(some: tuple[Diagnostic, ...]) -> None:
    lines = [line for line in render("github", some, TEXTS).split("\n") if line]
    assert len(lines) == len(some)
    for item, line in zip(some, lines, strict=True):
        match = re.fullmatch(r"::(error|warning) ([^:]*)::(.*)", line.replace("\r", "?"), re.DOTALL)
        assert match is not None, line
        assert match.group(1) == item.severity
        assert all(re.fullmatch(r"\w+=[^,:]*", part) for part in match.group(2).split(","))


@settings(deadline=None)
@given(findings())
def test_gitlab_names_each_finding(some: tuple[Diagnostic, ...]) -> None:
    rows = json.loads(render("gitlab", some, TEXTS))
    assert len({row["fingerprint"] for row in rows}) == len(some)
    for row in rows:
        assert row["severity"] in ("info", "minor", "major", "critical", "blocker")
        assert row["location"]["lines"]["begin"] >= 1
        assert not row["location"]["path"].startswith("./")


def test_fingerprints_stay_when_lines_move() -> None:
    def names(shift: int) -> list[str]:
        item = FINDINGS[0]
        assert item.span is not None
        moved = Span(item.span.path, item.span.start, item.span.end, item.span.line + shift, 1)
        return [row["fingerprint"] for row in json.loads(render("gitlab", (error("E0401", "m", moved),), {}))]

    assert names(0) == names(7)
