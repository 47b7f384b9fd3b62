"""A solve hands on needs and notes as values: each kind that it makes has its row of words, and each row is used."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from inspect import Parameter, signature
from pathlib import Path

import pytest

from planner.solve.needs import need, note
from planner.wording import NEEDS, NOTES, UNSUPPORTED, noted, said, unsupported

SOLVE = Path(__file__).parents[1] / "planner" / "solve"
TABLES = {"need": NEEDS, "note": NOTES}


def made() -> Iterator[tuple[str, ast.Call]]:
    """Yield each call in the solver that makes a need or a note, with the name of what it makes."""
    for path in sorted(SOLVE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in TABLES:
                yield node.func.id, node


def kinds(call: ast.Call) -> set[str]:
    """The kinds that a call can make: what is written first, or either end of a condition."""
    first = call.args[0]
    ends = [first.body, first.orelse] if isinstance(first, ast.IfExp) else [first]
    return {str(end.value) for end in ends if isinstance(end, ast.Constant)}


def test_every_kind_has_its_words_and_every_row_is_used() -> None:
    used: dict[str, set[str]] = {"need": set(), "note": set()}
    for name, call in made():
        assert kinds(call), ast.unparse(call)
        used[name] |= kinds(call)
    assert used == {name: set(table) for name, table in TABLES.items()}


def test_every_call_has_what_its_words_speak_of() -> None:
    for name, call in made():
        for row in (TABLES[name][kind] for kind in kinds(call)):
            if any(isinstance(item, ast.Starred) for item in call.args):
                continue
            count = len(call.args) - 1
            if isinstance(row, str):
                assert row.count("{") == count, ast.unparse(call)
            else:
                taken = signature(row).parameters.values()
                many = any(one.kind is Parameter.VAR_POSITIONAL for one in taken)
                assert many or len(taken) == count, ast.unparse(call)


@pytest.mark.parametrize(
    ("kind", "of", "words", "sentence"),
    [
        ("hardware", "bf16", "hardware for bf16", "t4 does not support bf16"),
        ("hardware", "a cache in int8", "hardware for a cache in int8", "t4 does not support a KV cache in int8"),
        ("hardware_cache", "nvfp4", "hardware for a cache in nvfp4", "t4 does not support a KV cache in nvfp4"),
        ("engine_loads", "q4_k", "an engine that loads q4_k", "t4 does not support q4_k"),
        ("trains", "qlora", "a framework that trains qlora", "is t4, must be a framework that trains qlora"),
    ],
)  # fmt: skip
def test_a_need_is_said_as_what_is_wanted_and_as_what_is_lacking(kind: str, of: str, words: str, sentence: str) -> None:
    assert said(need(kind, of)) == words
    assert unsupported(need(kind, of), "t4") == sentence
    assert set(UNSUPPORTED) < set(NEEDS)


def test_a_note_is_said() -> None:
    assert (
        noted(note("shares", 1, "rack", 2, "chat", ("search",)))
        == "shares 1 × rack with 2 other copies of chat, search"
    )
    assert noted(note("anchored", 1, (("tpot", 1.25, 1),))) == "anchored on 1 measurement: tpot x 1.25 (1)"
