"""Plans and what is said of them: tests/corpus/errors has a text beside each plan, tests/corpus/good says nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from planner.catalog.load import load as load_catalog
from planner.diagnostics import Diagnostic
from planner.diagnostics.full import render
from planner.language.problem import Problem
from planner.plan import load_plan

CORPUS = Path(__file__).parent / "corpus"
ERRORS = sorted((CORPUS / "errors").glob("*.mem"))
GOOD = sorted((CORPUS / "good").glob("*.mem"))
CATALOG, _ = load_catalog()


def findings(path: Path) -> tuple[Problem | None, tuple[Diagnostic, ...], dict[str, str]]:
    before = Path.cwd()
    os.chdir(path.parent)
    try:
        loaded = load_plan(path.name, shipped=(CATALOG, ()))
    finally:
        os.chdir(before)
    return loaded.problem, loaded.findings, loaded.texts


@pytest.mark.parametrize("plan", ERRORS, ids=lambda path: path.stem)
def test_a_mistake_is_told_as_its_text_beside_it(plan: Path) -> None:
    _, found, texts = findings(plan)
    said = render(found, texts) + "\n"
    beside = plan.with_suffix(".txt")
    if os.environ.get("PLANNER_GOLDEN") == "write":
        beside.write_text(said, encoding="utf-8")
    assert said == beside.read_text(encoding="utf-8")
    assert plan.name.partition("-")[0] in {item.code for item in found}
    assert all(item.span is not None and item.help for item in found), "a place and a way out"


def test_every_text_has_its_plan() -> None:
    assert len(ERRORS) >= 60
    assert {path.stem for path in (CORPUS / "errors").glob("*.txt")} == {path.stem for path in ERRORS}


@pytest.mark.parametrize("plan", GOOD, ids=lambda path: path.stem)
def test_a_good_plan_has_no_finding(plan: Path) -> None:
    problem, found, texts = findings(plan)
    assert problem is not None, render(found, texts)
    assert found == ()
