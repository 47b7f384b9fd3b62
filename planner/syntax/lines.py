"""One statement as rows: spacing between tokens, and where a long or commented one breaks."""

from __future__ import annotations

import re
from dataclasses import field
from typing import TypeAlias

from planner.record import dataclass
from planner.syntax.tokens import Lexeme
from planner.units.quantity import DATE

WIDTH = 100
CONTINUED = 4
ITEM = 2

_OPENS = {"LPAR": "RPAR", "LSQB": "RSQB", "LBRACE": "RBRACE"}
_TIGHT_BEFORE = frozenset({"COMMA", "COLON", "RPAR", "RSQB", "RBRACE", "DOT", "DOTS"})
_TIGHT_AFTER = frozenset({"LPAR", "LSQB", "LBRACE", "DOT", "DOTS"})
_VALUES = frozenset({"NAME", "NUMBER", "STRING", "RPAR", "RSQB", "RBRACE", "TRUE", "FALSE", "ANY"})
_FIRST_BREAKS = frozenset({"BECAUSE", "WORTH", "THEN", "WHERE"})
_BREAKS = _FIRST_BREAKS | {"AND", "OR"}
_NUMBER = re.compile(r"(\$?\d[\d_]*(?:\.\d[\d_]*)?(?:[eE][+-]?\d+)?(?:(?:Ki|Mi|Gi|Ti|k|M|B|T)(?![A-Za-z0-9_]))?)(.*)")


@dataclass(slots=True)
class Word:
    """A token with the comments above it, and the one behind it where that forces a new row."""

    token: Lexeme
    above: list[str] = field(default_factory=list)
    comment: str | None = None

    @property
    def kind(self) -> str:
        """The token's type."""
        return self.token.type


@dataclass(slots=True)
class _Group:
    """A bracket pair with its items, each with its comma."""

    opening: Word
    items: list[list[_Node]]
    closing: Word


_Node: TypeAlias = Word | _Group


def spelled(token: Lexeme) -> str:
    """Return a token's canonical text: one blank before a unit, none before a percent sign."""
    if token.type != "NUMBER" or token.unit == DATE:
        return token.text
    match = _NUMBER.fullmatch(token.text)
    if match is None:
        return token.text
    number, unit = match.group(1), match.group(2).strip()
    return number + unit if not unit or unit[0] in "%/" else f"{number} {unit}"


def flat(words: list[Word]) -> str:
    """Return words on one row."""
    out: list[str] = []
    before: Word | None = None
    unary = False
    for index, word in enumerate(words):
        if before is not None and not unary and _spaced(before, word):
            out.append(" ")
        unary = word.kind == "MINUS" and (before is None or before.kind not in _VALUES)
        dropped = word.kind == "COMMA" and index + 1 < len(words) and words[index + 1].kind in _OPENS.values()
        if not dropped:  # a comma before the closing bracket says nothing
            out.append(spelled(word.token))
            before = word
    return "".join(out)


def _spaced(before: Word, word: Word) -> bool:
    if word.kind in _TIGHT_BEFORE or before.kind in _TIGHT_AFTER:
        return False
    return not (word.kind == "LPAR" and before.kind in ("NAME", "ANY"))


def lay(words: list[Word], indent: int, head: str = "") -> list[str]:
    """Return the rows of a statement at an indent; `head` is text already laid out before its first word."""
    commented = any(word.above or word.comment for word in words)
    if not commented and indent + len(head) + len(flat(words)) <= WIDTH:
        return [" " * indent + head + flat(words)]
    nodes, _ = _nest(words, 0)
    segments = _cut(nodes, _FIRST_BREAKS)
    if any(indent + CONTINUED + len(flat(_plain(segment))) > WIDTH for segment in segments):
        segments = _cut(nodes, _BREAKS)
    rows = _Rows(indent, head)
    for index, segment in enumerate(segments):
        if index:
            rows.turn(indent + CONTINUED)
        rows.add(segment, indent)
    return rows.done()


def _nest(words: list[Word], at: int) -> tuple[list[_Node], int]:
    """Return nodes up to the bracket that closes the one before `at`, and where it is."""
    out: list[_Node] = []
    while at < len(words):
        word = words[at]
        if word.kind in _OPENS.values():
            return out, at
        if word.kind in _OPENS:
            inner, end = _nest(words, at + 1)
            out.append(_Group(word, _items(inner), words[end]))
            at = end + 1
        else:
            out.append(word)
            at += 1
    return out, at


def _items(nodes: list[_Node]) -> list[list[_Node]]:
    items: list[list[_Node]] = [[]]
    for node in nodes:
        items[-1].append(node)
        if isinstance(node, Word) and node.kind == "COMMA":
            items.append([])
    return [item for item in items if item]


def _plain(nodes: list[_Node]) -> list[Word]:
    out: list[Word] = []
    for node in nodes:
        if isinstance(node, Word):
            out.append(node)
        else:
            out += [node.opening, *(word for item in node.items for word in _plain(item)), node.closing]
    return out


def _cut(nodes: list[_Node], kinds: frozenset[str]) -> list[list[_Node]]:
    out: list[list[_Node]] = [[]]
    for node in nodes:
        if isinstance(node, Word) and node.kind in kinds and out[-1]:
            out.append([])
        out[-1].append(node)
    return out


class _Rows:
    """Collects rows; a row that ends in a comment is never continued."""

    def __init__(self, indent: int, head: str) -> None:
        self.rows: list[str] = []
        self.row = " " * indent + head
        self.fresh = True  # nothing of the words stands on the row yet
        self.ended = False  # the row ends in a comment
        self.before: Word | None = None
        self.unary = False

    def turn(self, indent: int) -> None:
        if self.row.strip():
            self.rows.append(self.row.rstrip())
        self.row, self.fresh, self.ended = " " * indent, True, False

    def done(self) -> list[str]:
        self.turn(0)
        return self.rows

    def remark(self, text: str, indent: int) -> None:
        self.turn(indent)
        self.row += text
        self.turn(indent)

    def word(self, word: Word, indent: int, text: str | None = None) -> None:
        """Add a word; rows it starts are continuations of a statement at `indent`."""
        for text_above in word.above:
            self.remark(text_above, indent + CONTINUED)
        if self.ended:
            self.turn(indent + CONTINUED)
        spaced = self.before is not None and not self.unary and _spaced(self.before, word)
        self.row += (" " if spaced and not self.fresh else "") + (spelled(word.token) if text is None else text)
        self.unary = word.kind == "MINUS" and (self.before is None or self.before.kind not in _VALUES)
        self.before, self.fresh = word, False
        if word.comment:
            self.row += f"  {word.comment}"
            self.ended = True

    def add(self, nodes: list[_Node], indent: int) -> None:
        for index, node in enumerate(nodes):
            if isinstance(node, Word):
                self.word(node, indent)
            else:
                self.group(node, nodes[index + 1 :], indent)

    def group(self, group: _Group, rest: list[_Node], indent: int) -> None:
        """Add a bracket pair: on this row where it fits with what follows it, else one item a row."""
        words = _plain([group])
        tail = _plain(rest)
        commented = any(word.above or word.comment for word in words[1:]) or words[0].comment
        fits = len(self.row) + 1 + len(flat(words)) + (1 + len(flat(tail)) if tail else 0) <= WIDTH
        if not commented and (fits or not group.items):
            for index, word in enumerate(words):
                # a comma before the closing bracket says nothing
                if not (word.kind == "COMMA" and words[index + 1].kind in _OPENS.values()):
                    self.word(word, indent)
            return
        self.word(group.opening, indent)
        base = len(self.row) - len(self.row.lstrip())
        for index, item in enumerate(group.items):
            for text in _first(item).above:
                self.remark(text, base + ITEM)
            _first(item).above = []
            self.turn(base + ITEM)
            self.item(item, index == len(group.items) - 1 and group.opening.kind != "LPAR", base + ITEM)
        for text in group.closing.above:
            self.remark(text, base + ITEM)
        self.turn(base)
        self.word(Word(group.closing.token, [], group.closing.comment), indent)

    def item(self, item: list[_Node], last: bool, indent: int) -> None:
        """Add an item of a bracket pair; the last one of a set gets a comma before its comment."""
        segments = _cut(item, _BREAKS) if indent + len(flat(_plain(item))) > WIDTH else [item]
        end = item[-1]
        closing = end.closing if isinstance(end, _Group) else end
        comma = last and closing.kind != "COMMA"
        remark = closing.comment if comma else None
        if comma:
            closing.comment = None
        for index, segment in enumerate(segments):
            if index:
                self.turn(indent + CONTINUED)
            self.add(segment, indent)
        if comma:
            self.row += "," + (f"  {remark}" if remark else "")
            self.ended = bool(remark)


def _first(nodes: list[_Node]) -> Word:
    node = nodes[0]
    return node if isinstance(node, Word) else node.opening
