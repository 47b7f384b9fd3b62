"""The one layout: what it looks like, and that it changes neither the tree nor the comments."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.syntax.format import format_text, same
from planner.syntax.parse import parse

ROOT = Path(__file__).parents[1]
PLANS = sorted({*(ROOT / "examples").rglob("*.mem"), *(ROOT / "tests").rglob("*.mem")})
PAIRS = sorted((ROOT / "tests/corpus/format").glob("*.in.mem"))
TEXTS = [text for text in (path.read_text(encoding="utf-8", errors="replace") for path in PLANS) if len(text) < 20_000]


def holds(text: str) -> bool:
    """Check every promise of the formatter on a text; False where the text is no plan."""
    file, findings = parse(text, "t.mem")
    if findings:
        return False
    shown, problems = format_text(text, "t.mem")
    assert shown is not None, (text, problems)
    again, _ = parse(shown, "t.mem")
    assert same(file.items, again.items)
    assert [comment.rstrip() for _, comment in file.comments] == [comment for _, comment in again.comments]
    assert format_text(shown, "t.mem")[0] == shown
    assert not any(row != row.rstrip() for row in shown.split("\n"))
    return True


@pytest.mark.parametrize("path", PAIRS, ids=lambda path: path.name)
def test_layout(path: Path) -> None:
    shown, findings = format_text(path.read_text(encoding="utf-8"), path.name)
    assert shown is not None, findings
    assert shown == path.with_name(path.name.replace(".in.mem", ".out.mem")).read_text(encoding="utf-8")


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.name)
def test_corpus(path: Path) -> None:
    holds(path.read_text(encoding="utf-8", errors="replace"))


@pytest.mark.parametrize("path", sorted((ROOT / "examples").rglob("*.mem")), ids=lambda path: path.stem)
def test_examples_are_laid_out(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert format_text(text, str(path))[0] == text


def test_a_text_with_errors_is_not_laid_out() -> None:
    shown, findings = format_text("inference a {\n gpus in 1..\n}\n", "t.mem")
    assert shown is None
    assert [item.code for item in findings] == ["E0102"]


@given(st.integers(0, 2**32))
@settings(max_examples=150, deadline=None)
def test_mutated_plans(seed: int) -> None:
    """Blanks, comments, semicolons and line ends at random places: whatever still parses keeps every promise."""
    chance = random.Random(seed)
    text = chance.choice(TEXTS)
    start = chance.randrange(max(1, len(text) - 600))
    text = text[text.rfind("\n", 0, start) + 1 :][:900] if chance.random() < 0.5 else text
    odd = [
        "\n",
        " ",
        "\n\n\n",
        "  # note\n",
        "\n## doc\n",
        "; ",
        ",",
        "\t",
        "\r\n",
        "\\\n",
        "{ }",
        "(",
        ")",
        "not ",
        "-",
    ]
    for _ in range(chance.randrange(1, 5)):
        at = chance.randrange(len(text) + 1)
        piece = chance.choice(odd)
        text = text[:at] + piece + text[at + (chance.random() < 0.2) :]
    holds(text)


ATOM = st.sampled_from(
    ["a", "chat.gpus", "8Ki tokens", "$40/h", '"x # y"', "99%", "true", "f(a, b)", "{a, b}", "any(w for w in ws)"]
)
EXPRESSION = st.recursive(
    ATOM,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "and", "or"]), inner).map(" ".join),
        inner.map("({})".format),
        inner.map("not {}".format),
        st.lists(inner, min_size=1, max_size=9).map(lambda items: "{" + ", ".join(items) + "}"),
        st.tuples(inner, inner, inner).map(lambda t: f"(if {t[0]} then {t[1]} else {t[2]})"),
    ),
    max_leaves=30,
)
GAP = st.sampled_from([" ", " ", " ", "\n", " # note\n", "\n# alone\n\n"])


@given(EXPRESSION, st.lists(GAP, max_size=60), st.booleans())
@settings(max_examples=150, deadline=None)
def test_expressions_broken_anywhere(expression: str, gaps: list[str], inside: bool) -> None:
    words = f'require rule: {expression} because "x"'.split(" ")
    text = words[0]
    for index, word in enumerate(words[1:]):
        text += (gaps[index] if index < len(gaps) else " ") + word
    holds(f"inference w {{\n quality >= 1 # c\n}}\n{text}\n" if inside else text)
