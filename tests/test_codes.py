"""Every code has a page, every page is of a code that is emitted, and a page's example has the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from planner.catalog.load import load as load_catalog
from planner.diagnostics.codes import CODES
from planner.language.imports import load_text
from planner.language.resolve import resolve

ROOT = Path(__file__).parents[1]
CATALOG, _ = load_catalog()
CODE = re.compile(r"\b(?:[EW]0\d{3}|E99\d\d)\b")
GIVEN = {"model": '"meta-llama/Llama-3.1-8B"', "context": "8Ki tokens", "concurrency": "32"}
LANGUAGE = ("E01", "E03", "E04", "E05")
SHOWN = sorted(code for code in CODES if code.startswith(LANGUAGE) and code not in ("E0104", "E0106"))
SHOWN += ["W0601", "W0602", "W0603"]


def emitted() -> set[str]:
    found: set[str] = set()
    for file in (ROOT / "planner").rglob("*.py"):
        if file.name != "codes.py":
            found |= set(CODE.findall(file.read_text(encoding="utf-8")))
    return found


def test_every_code_has_a_page() -> None:
    assert emitted() <= set(CODES)


def test_every_page_is_of_a_code_that_is_emitted() -> None:
    assert set(CODES) <= emitted()


def test_a_page_says_what_why_example_and_instead() -> None:
    for code, page in CODES.items():
        assert page.title and page.why.endswith(".") and page.example and page.instead, code


def plan(lines: str) -> str:
    """Return a plan around a page's lines: beside its workload, or inside it, in place of what it says itself."""
    if re.match(r"(inference|training)\b", lines):
        return lines + "\n"
    top = re.match(r"(let|require|prefer|minimize|test|fleet)\b|(model|gpu|offer|format) \w+ (like|=|\{)", lines)
    inside = "" if top else lines
    given = [f"  {name} = {value}\n" for name, value in GIVEN.items() if not inside.startswith(name)]
    return f"inference chat {{\n{''.join(given)}  {inside}\n}}\n{lines if top else ''}\n"


def codes_of(text: str) -> set[str]:
    file, found, texts = load_text(text, "page.mem")
    return {item.code for item in (*found, *resolve(file, CATALOG, texts=texts)[1])}


@pytest.mark.parametrize("code", SHOWN)
def test_an_example_has_its_code_and_what_stands_instead_has_none(code: str) -> None:
    page = CODES[code]
    assert codes_of(plan(page.example)) == {code}
    assert codes_of(plan(page.instead)) == set()
