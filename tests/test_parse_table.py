"""The parse table beside the grammar: it is the grammar's, lark takes it, and a bad one is only slower."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from planner.syntax import table
from planner.syntax.build import Builder
from planner.syntax.parse import parse
from planner.syntax.table import build, digest, fresh, grammar_path, load, table_path, tabulate

GRAMMAR = grammar_path().read_bytes()


def test_the_table_is_the_grammars() -> None:
    assert table_path().read_text(encoding="utf-8") == fresh(), "run `python -m planner.syntax.table`"


def test_a_loaded_table_is_what_lark_builds() -> None:
    """Rules compare by their symbols alone, so what lark does with each is compared too."""
    loaded, built = load(json.loads(table_path().read_bytes()), Builder()), build(GRAMMAR.decode(), Builder())
    assert tabulate(loaded, GRAMMAR) == tabulate(built, GRAMMAR)
    assert set(loaded.rules) == set(built.rules)
    options = [{rule: vars(rule.options) for rule in parser.rules} for parser in (loaded, built)]
    for rule, found in options[0].items():
        assert found == options[1][rule]
    assert vars(loaded.options).keys() == vars(built.options).keys()
    said, meant = loaded.options.options, built.options.options
    assert {
        name: said[name] for name in said if name not in ("transformer", "_plugins") and said[name] != meant[name]
    } == {}


def test_the_shipped_table_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> None:
        raise AssertionError("the table was built")

    monkeypatch.setattr(table, "build", refused)
    assert table.parser(Builder()).parse_interactive is not None


@pytest.mark.parametrize(
    "bad",
    [
        "", "null", "[]", '"x"', "{", '{"edition": 1}', "\x80\x04\x95", '{"edition": 1, "grammar": "x"}',
        f'{{"edition": 1, "grammar": "{digest(GRAMMAR)}"}}',
        f'{{"edition": 1, "grammar": "{digest(GRAMMAR)}", "rules": [1], "symbols": 2, "states": {{}}}}',
        f'{{"edition": 2, "grammar": "{digest(GRAMMAR)}"}}',
        None,
    ],
)  # fmt: skip
def test_a_bad_table_is_only_slower(bad: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mem.table.json"
    if bad is not None:
        path.write_text(bad, encoding="latin-1")
    monkeypatch.setattr(table, "table_path", lambda: path)
    parser = table.parser(Builder())
    assert tabulate(parser, GRAMMAR) == json.loads(table_path().read_bytes())


def test_line_ends_do_not_matter() -> None:
    assert digest(GRAMMAR.replace(b"\n", b"\r\n")) == digest(GRAMMAR)


def test_nothing_is_read_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    table.parser(Builder())
    parse("edition 2026\n", "a.mem")
    assert list(tmp_path.rglob("*")) == []
