"""What stands under editors/ follows from the language; its own tests run with `npm test` in editors/vscode."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from planner.language.expressions.lower import FUNCTIONS
from planner.language.schema import DECLARATIONS
from planner.syntax.tokens import INNER, SCALES, STARTERS
from planner.units.quantity import UNITS
from planner.version import __version__

ROOT = Path(__file__).parents[1]
CODE = ROOT / "editors/vscode"
GRAMMAR = json.loads((CODE / "syntaxes/mem.tmLanguage.json").read_text())["repository"]
TRUTHS = {"true", "false"}


def words(pattern: str) -> set[str]:
    """Return the alternatives of the last group of an expression that has several."""
    groups: list[str] = re.findall(r"\(\?{0,1}[:!]?((?:[\w/]+\|)+[\w/]+)", pattern)
    return set(groups[-1].split("|"))


def expressions(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from (node[key] for key in ("match", "begin", "end") if key in node)
        node = list(node.values())
    if isinstance(node, list):
        for item in node:
            yield from expressions(item)


def test_the_grammar_has_the_words_of_the_language() -> None:
    assert words(GRAMMAR["words"]["match"]) == INNER - TRUTHS
    assert words(GRAMMAR["truths"]["match"]) == TRUTHS
    assert words(GRAMMAR["statements"]["patterns"][-1]["match"]) == STARTERS
    assert words(GRAMMAR["declarations"]["patterns"][0]["match"].replace("|=|like", "")) == DECLARATIONS
    assert words(GRAMMAR["functions"]["match"]) == {*FUNCTIONS, "config", "checkpoint", "lm_eval", "csv"}
    assert words(GRAMMAR["properties"]["match"]) == INNER


def test_the_grammar_has_the_units() -> None:
    money, plain = (item["match"] for item in GRAMMAR["numbers"]["patterns"][1:])
    assert {f"USD/{word}" for word in words(money)} == {name for name in UNITS if name.startswith("USD/")}
    assert words(plain) == {name for name in UNITS if "USD" not in name} - {"%"}
    assert set(re.findall(r"\)\((?P<scales>(?:\w+\|)+\w+)\)\?", plain)[0].split("|")) == set(SCALES)


@pytest.mark.parametrize("expression", sorted(set(expressions(GRAMMAR))))
def test_expressions_are_valid(expression: str) -> None:
    re.compile(expression)


@pytest.mark.parametrize("snapshot", sorted((CODE / "test/snap").glob("*.snap")), ids=lambda path: path.stem)
def test_snapshots_are_of_the_examples(snapshot: Path) -> None:
    """Run `npm run snapshots` in editors/vscode after a change of the example or the grammar."""
    rows = [row[1:] for row in snapshot.read_text().splitlines() if row.startswith(">")]
    assert "\n".join(rows).rstrip("\n") == (ROOT / "examples" / snapshot.stem).read_text().rstrip("\n")


def test_the_extension_is_whole() -> None:
    package = json.loads((CODE / "package.json").read_text())
    assert package["version"] == __version__
    (language,) = package["contributes"]["languages"]
    (grammar,) = package["contributes"]["grammars"]
    assert language["extensions"] == [".mem"]
    assert (CODE / grammar["path"]).exists() and (CODE / language["configuration"]).exists()
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in package["devDependencies"].values())
    configuration = json.loads((CODE / "language-configuration.json").read_text())
    assert configuration["comments"] == {"lineComment": "#"}
    assert re.compile(configuration["wordPattern"]).fullmatch("kv_cache")
    text = (CODE / "src/extension.js").read_text()
    assert '"lsp"' in text and "planner.command" in text
