"""What stands before a place in a plan: the block around it, the statement so far, and the word being typed."""

from __future__ import annotations

import re

from planner.record import dataclass
from planner.syntax.layout import Statement, statements
from planner.syntax.tokens import Lexeme, tokenize

HERE = "word_under_the_cursor"
"""What stands for the word while the text before it is cut into statements."""
_WORD = re.compile(r"(?<![A-Za-z0-9_$.])[A-Za-z_]\w*$|(?<=[A-Za-z0-9_]\.)[A-Za-z_]\w*$")
_RELATIONS = frozenset({"EQUAL", "IN", "LE", "GE", "LT", "GT", "NE"})


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in a text: `head` are the tokens before the brace of the block around it, none at the top; `before` those
    of the statement up to it; from `start` on the word is typed, without its quote where it is `quoted`."""

    head: tuple[Lexeme, ...]
    before: tuple[Lexeme, ...]
    start: int
    word: str
    quoted: bool

    @property
    def kind(self) -> str:
        """The kind of the block around it: `inference`, `test`; empty at the top."""
        return self.head[0].text if self.head else ""

    @property
    def types(self) -> tuple[str, ...]:
        """The types of the tokens before it."""
        return tuple(token.type for token in self.before)

    @property
    def relation(self) -> int | None:
        """Where in the statement of a block the operator of its relation stands."""
        return next((at for at, kind in enumerate(self.types) if kind in _RELATIONS), None)


def cursor(text: str, offset: int) -> Cursor | None:
    """Return what stands before an offset; None inside a comment, and inside a number."""
    row = text[text.rfind("\n", 0, offset) + 1 : offset]
    quote = _open_quote(row)
    if quote is None:
        return None
    quoted = quote >= 0
    if quoted:
        cut = offset - len(row) + quote
        start = cut + 1
    else:
        typed = _WORD.search(row)
        cut = start = offset - len(typed.group() if typed else "")
        if typed is None and row[-1:].isalnum():
            return None
    top, _ = statements(tokenize(f"{text[:cut]}{HERE}", "").tokens)
    at: list[Statement] = top
    head: tuple[Lexeme, ...] = ()
    while at and at[-1].block is not None and at[-1].end is None:
        head, at = tuple(at[-1].tokens), at[-1].block
    before = at[-1].tokens if at else []
    if not before or before[-1].text != HERE:
        return None
    return Cursor(head, tuple(before[:-1]), start, text[start:offset], quoted)


def _open_quote(row: str) -> int | None:
    """Return where a text begins that is not ended in a line, -1 outside of one, None inside a comment."""
    open_, at = -1, 0
    while at < len(row):
        char = row[at]
        if open_ >= 0:
            if char == "\\":
                at += 1
            elif char == '"':
                open_ = -1
        elif char == "#":
            return None
        elif char == '"':
            open_ = at
        at += 1
    return open_


def chain(before: tuple[Lexeme, ...]) -> tuple[str, ...]:
    """Return the parts of a dotted name that a statement ends in, the last of them followed by a dot: `a.b.`."""
    parts: list[str] = []
    at = len(before)
    while at >= 2 and before[at - 1].type == "DOT" and before[at - 2].type == "NAME":
        parts.insert(0, before[at - 2].text)
        at -= 2
    return tuple(parts)


def name_before(before: tuple[Lexeme, ...]) -> tuple[str, ...]:
    """Return the parts of the dotted name that a statement ends in, without a dot behind it."""
    if not before or before[-1].type != "NAME":
        return ()
    return (*chain(before[:-1]), before[-1].text)
