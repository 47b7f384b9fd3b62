"""A solve hands on needs, notes and refusals as values: each kind that it makes has its words, and each row is used."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from inspect import Parameter, signature
from pathlib import Path

import pytest

from planner.solve.needs import Excess, need, note
from planner.wording import (
    EXCESSES,
    NEEDS,
    NOTES,
    ROWS,
    UNSUPPORTED,
    WIDTHS,
    excess_text,
    need_text,
    note_text,
    unsupported,
)

PACKAGE = Path(__file__).parents[1] / "planner"
SOLVE, PHYSICS = PACKAGE / "solve", PACKAGE / "physics"
TABLES = {"need": NEEDS, "note": NOTES, "TooWide": EXCESSES}


def made() -> Iterator[tuple[str, ast.Call]]:
    """Yield each call in the solver that makes a need or a note, with the name of what it makes."""
    for path in sorted(SOLVE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in TABLES:
                yield node.func.id, node


def texts(*folders: Path) -> Iterator[tuple[Path, str]]:
    """Yield each text in the code of folders that is neither a docstring nor of an error that nobody should see."""
    for path in (path for folder in folders for path in sorted(folder.rglob("*.py"))):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        apart = [node for node in ast.walk(tree) if isinstance(node, ast.Raise | ast.Assert)]
        unread = {id(part) for node in apart for part in ast.walk(node)}
        unread |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in unread:
                yield path, node.value


def kinds(call: ast.Call) -> set[str]:
    """The kinds that a call can make: what is written first, or either end of a condition."""
    first = call.args[0]
    ends = [first.body, first.orelse] if isinstance(first, ast.IfExp) else [first]
    return {str(end.value) for end in ends if isinstance(end, ast.Constant)}


def test_every_kind_has_its_words_and_every_row_is_used() -> None:
    used: dict[str, set[str]] = {name: set() for name in TABLES}
    for name, call in made():
        assert kinds(call) or isinstance(call.args[0], ast.Starred), ast.unparse(call)
        used[name] |= kinds(call)
    used["note"] |= {text for _, text in texts(PHYSICS / "training", SOLVE / "training")} & set(NOTES)
    assert used == {name: set(table) for name, table in TABLES.items()}


def test_what_a_part_is_called_has_its_words() -> None:
    written = {text for path, text in texts(SOLVE, PHYSICS) if path.name in ("widths.py", "blocks.py")}
    assert set(WIDTHS) <= written
    assert set(ROWS) <= {text for _, text in texts(SOLVE)}


PROGRESS = ("pipeline.py", "first_answer.py")
"""What a solve is at, for the line that shows it."""
SOURCES = (PHYSICS / "quality.py", SOLVE / "rent" / "owned.py", SOLVE / "mix" / "model.py")
"""Where a figure is from, as a catalog has it, and what an audit of a mix found wrong with the program."""


def test_solver_and_physics_speak_in_values() -> None:
    """Sentences stand in planner/wording.py and planner/report: three words in a row are one."""
    sentence = re.compile(r"\b[a-z]{2,}[ ,]+[a-z]{2,}[ ,]+[a-z]{2,}")
    spoken = {
        f"{path.relative_to(PACKAGE)}: {text}"
        for path, text in texts(SOLVE, PHYSICS)
        if sentence.search(text) and path.name not in PROGRESS and path not in SOURCES
    }
    assert spoken == set()


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
                least = sum(one.default is Parameter.empty for one in taken)
                assert many or least <= count <= len(taken), ast.unparse(call)


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
    assert need_text(need(kind, of)) == words
    assert unsupported(need(kind, of), "t4") == sentence
    assert set(UNSUPPORTED) < set(NEEDS)


def test_a_refusal_is_said() -> None:
    rows = excess_text(Excess("rows", ("offers", 1000)))
    assert rows.startswith("offers make more than 1_000 candidates of a workload; offer fewer: `gpu`")
    assert "state `offer` or `gpus` of `a` or `b`, or bound" in excess_text(Excess("shares", ("a", "b")))


def test_a_note_is_said() -> None:
    assert (
        note_text(note("shares", 1, "rack", 2, "chat", ("search",)))
        == "shares 1 × rack with 2 other copies of chat, search"
    )
    assert note_text(note("anchored", 1, (("tpot", 1.25, 1),))) == "anchored on 1 measurement: tpot x 1.25 (1)"
