"""From text to tree: one small LALR parse per statement, so a mistake costs one statement only."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from lark import Lark
from lark.exceptions import LarkError, UnexpectedToken

from planner.diagnostics.diagnostic import Diagnostic, Span, error
from planner.syntax import tree
from planner.syntax.build import Builder, Mistake, join
from planner.syntax.habits import closed, mistaken, other_language
from planner.syntax.layout import MAX_DEPTH, Statement, statements
from planner.syntax.table import parser
from planner.syntax.tokens import OPERATORS, Lexeme, tokenize
from planner.units.quantity import UNITS

_SYMBOLS = {kind: text for text, kind in OPERATORS.items()}
_VALUE = {"NUMBER", "LPAR"}
_BEGINNINGS = ("edition", "import", "let", "require", "prefer", "minimize", "maximize", "test")
_OUTSIDE = {"EDITION", "LET", "IMPORT", "REQUIRE", "PREFER", "MINIMIZE", "MAXIMIZE", "TEST"}
_COMPARING = frozenset({"EQUAL", "IN", "EQ", "NE", "LE", "GE", "LT", "GT"})
_INFIX = _COMPARING | {"PLUS", "MINUS", "STAR", "SLASH", "DOTS", "STEP", "ELSE", "PER", "BY"}
LONGEST = 200
"""The most tokens of a statement that is read again with the line below it: so many lines cost no quadratic time."""
_ORDER = ("EQUAL", "IN", "COLON", "RPAR", "RBRACE", "THEN", "ELSE", "WORTH", "STRING", "NAME", "FOR")


@lru_cache(maxsize=1)
def _parser() -> Lark:
    return parser(Builder())


def _depth(root: object) -> int:
    deepest, todo = 0, [(root, 1)]
    while todo:
        node, depth = todo.pop()
        if isinstance(node, tuple):
            todo.extend((child, depth) for child in node)
        elif dataclasses.is_dataclass(node) and not isinstance(node, (type, Span)):
            deepest = max(deepest, depth)
            todo.extend((getattr(node, f), depth + 1) for f in node.__dataclass_fields__)
    return deepest


class _Reader:
    def __init__(self, text: str, docs: dict[int, str]) -> None:
        self.text, self.docs = text, docs
        self.out: list[Diagnostic] = []
        self.unfinished = False

    def each(self, cut: list[Statement], start: str) -> Iterator[Statement]:
        """Yield statements to be read one after another; a line broken where it cannot be is one mistake, not two."""
        before: list[Lexeme] = []
        self.unfinished = False
        waiting = list(reversed(cut))
        while waiting:
            statement = waiting.pop()
            while waiting and self.goes_on(statement, waiting[-1], start):
                statement = Statement([*statement.tokens, *waiting.pop().tokens])
            if self.unfinished and statement.block is None and _reads([*before, *statement.tokens], start):
                self.unfinished = False  # it only ends the statement before it
                continue
            self.unfinished = False
            before = statement.tokens
            yield statement
        self.unfinished = False

    def goes_on(self, statement: Statement, after: Statement, start: str) -> bool:
        """Return whether a line begins with the operator of the statement before it, and note that."""
        if statement.block is not None or after.block is not None or not (statement.tokens and after.tokens):
            return False
        first = after.tokens[0]
        if (
            first.type not in _INFIX
            or len(statement.tokens) > LONGEST
            or not _reads([*statement.tokens, *after.tokens], start)
        ):
            return False
        message, help = f"`{first.text}` cannot begin a line", "break the line after it, not before"
        self.out.append(error("E0102", message, first.span, help=help))
        return True

    def tree_of(self, tokens: list[Lexeme], start: str) -> Any:
        whole = join(tokens[0].span, tokens[-1].span)
        try:
            parsed = _parser().parse(tokens, start=start)
        except UnexpectedToken as problem:
            self.unfinished = not isinstance(getattr(problem.token, "value", None), Lexeme)
            self.out.append(_unexpected(problem, tokens, start))
            return None
        except Mistake as problem:
            self.out.append(problem.diagnostic)
            return None
        except LarkError as problem:
            cause = getattr(problem, "orig_exc", None)
            known = cause.diagnostic if isinstance(cause, Mistake) else None
            self.out.append(known or error("E0102", "this statement cannot be read", whole, help="see `planner init`"))
            return None
        if _depth(parsed) > MAX_DEPTH + 4:
            message = f"nested more than {MAX_DEPTH} deep"
            self.out.append(error("E0104", message, whole, help="name parts of it with `let`"))
            return None
        if dataclasses.is_dataclass(parsed) and not isinstance(parsed, type) and hasattr(parsed, "span"):
            return dataclasses.replace(parsed, span=whole)
        return parsed

    def doc(self, item: Any, first: Lexeme) -> Any:
        before = self.text[first.span.start - first.span.column + 1 : first.span.start]
        text = None if before.strip(" \t;") else self.docs.pop(first.span.line, None)
        return dataclasses.replace(item, doc=text) if text and hasattr(item, "doc") else item

    def statement(self, statement: Statement) -> tree.Item | None:
        tokens = statement.tokens
        if not tokens:
            return None
        if statement.block is None:
            if statement.bad:
                return None
            item = self.tree_of(tokens, "item")
            return None if item is None else self.doc(item, tokens[0])
        head = None if statement.bad else self.tree_of(tokens, "head")
        lines = []
        for entry in self.each(statement.block, "entry"):
            if entry.tokens and entry.block is None and not entry.bad:
                read = self.tree_of(entry.tokens, "entry")
                if read is not None:
                    lines.append(read)
        if head is None:
            return None
        last = statement.end or (lines[-1].span if lines else tokens[-1].span)
        whole = join(tokens[0].span, last)
        body = []
        if isinstance(head, tree.Test):
            whole_item: Any = dataclasses.replace(head, items=tuple(lines), span=whole)
        else:
            for line in lines:
                if isinstance(line, tree.Relation):
                    body.append(line)
                else:
                    word = "drop" if isinstance(line, tree.Drop) else "expect"
                    self.out.append(error("E0102", f"`{word}` belongs in a test", line.span, help='test "name" { … }'))
            whole_item = dataclasses.replace(head, body=tuple(body), span=whole)
        return self.doc(whole_item, tokens[0])  # type: ignore[no-any-return]


def _reads(tokens: list[Lexeme], start: str) -> bool:
    """Return whether tokens are one statement."""
    try:
        _parser().parse(tokens, start=start)
    except (LarkError, Mistake):
        return False
    return True


def _unexpected(problem: UnexpectedToken, tokens: list[Lexeme], start: str) -> Diagnostic:
    raw = getattr(problem.token, "value", None)
    expected = _expectation(set(problem.expected or ()))
    label = f"expected {expected}" if expected else ""
    if start == "item" and tokens[0].type == "NAME" and (meant := _keyword_near(tokens[0].text)):
        first = tokens[0]
        return error("E0102", f"`{first.text}` begins no statement", first.span, help=f"did you mean `{meant}`?")
    if not isinstance(raw, Lexeme):
        last = tokens[-1].span
        help = "finish it on this line, or break the line after an operator, a comma or an open brace"
        return error("E0102", f"this is unfinished after `{tokens[-1].text}`", last, label=label, help=help)
    at = next((place for place, token in enumerate(tokens) if token is raw), 0)
    before = tokens[at - 1] if at else None
    if (said := mistaken(tokens, at, start)) is not None:
        return said
    if before is not None and before.type == "NUMBER" and raw.type == "NAME" and not raw.first:
        return error("E0105", f"unknown unit `{raw.text}`", raw.span, label="after a number", help=_unit_near(raw.text))
    hint: str | None
    if raw.type == "EQ" and start == "entry":
        hint = "write `=` to fix a quantity"
    elif start == "entry" and at == 0 and raw.type in _OUTSIDE:
        hint = "this statement belongs outside the block"
    elif start == "item" and at == 0 and raw.type in {"DROP", "EXPECT"}:
        hint = "this statement belongs in a `test`"
    elif raw.type == raw.text.upper() and "NAME" in (problem.expected or ()):
        hint = f"`{raw.text}` is a reserved word"
    elif raw.type == "STRING" and "NAME" in (problem.expected or ()):
        hint = "a name stands here without quotes"
    elif before is not None and before.type == "THEN" and raw.type == "NAME":
        hint = f"write `minimize {raw.text}` or `maximize {raw.text}`: each part of an objective says which"
    elif raw.first:
        hint = "end the statement before it"
    else:
        hint = f"write {expected} here" if expected else "remove it, or begin a new line before it"
    return error("E0102", f"`{raw.text}` cannot stand here", raw.span, label=label, help=hint)


def _keyword_near(word: str) -> str | None:
    """Return the word that begins a statement and is meant by a misspelled one."""
    from difflib import get_close_matches

    if word.casefold() in ("min", "max"):
        return f"{word.casefold()}imize"
    close = get_close_matches(word.casefold(), _BEGINNINGS, 1, 0.75)
    return close[0] if close else None


def _unit_near(word: str) -> str:
    if word == "B":
        return "a lone `B` is not a byte: write GB or GiB, or attach it to count billions, like 13B"
    folded = {unit.casefold(): unit for unit in UNITS if "USD" not in unit}
    from difflib import get_close_matches

    close = get_close_matches(word.casefold(), folded, 1, 0.6)
    return (
        f"did you mean `{folded[close[0]]}`?" if close else "units are bytes to TiB, s, h, month, tokens, req/s, W, % …"
    )


def _expectation(kinds: set[str]) -> str:
    if kinds >= _VALUE:
        return "a value"
    names = {"NAME": "a name", "STRING": 'a text in `"`', "NUMBER": "a number"}
    shown = [names.get(k) or f"`{_SYMBOLS.get(k, k.lower())}`" for k in _ORDER if k in kinds]
    return " or ".join(shown[:3])


def _docs(comments: list[tuple[Span, str]], text: str) -> dict[int, str]:
    """Return the doc text of each line that directly follows `##` lines."""
    docs: dict[int, str] = {}
    for span, comment in comments:
        alone = not text[span.start - span.column + 1 : span.start].strip()
        if comment.startswith("##") and alone:
            words = comment.lstrip("#").strip()
            above = docs.pop(span.line, None)
            docs[span.line + 1] = words if above is None else f"{above}\n{words}"
    return docs


def parse(text: str, path: str) -> tuple[tree.File, tuple[Diagnostic, ...]]:
    """Return the tree of a plan and every syntax mistake in it, in the order of the file; never raises."""
    if (foreign := other_language(text, path)) is not None:
        return tree.File(path, text, (), (), frozenset({""})), (foreign,)
    tokens = tokenize(text, path)
    cut, problems = closed(*statements(tokens.tokens))
    reader = _Reader(text, _docs(tokens.comments, text))
    items = []
    unread: set[str] = set()
    for statement in reader.each(cut, "item"):
        item = reader.statement(statement)
        if item is not None:
            items.append(item)
        else:
            unread.update(_name_of(statement.tokens))
    everything = tokens.diagnostics + problems + reader.out
    everything.sort(key=lambda d: (d.span.start if d.span else 0, d.code))
    lexed = {d.span.line for d in tokens.diagnostics if d.span}
    first = {id(d) for d in tokens.diagnostics}
    kept = [d for d in everything if id(d) in first or not d.span or d.span.line not in lexed]
    return tree.File(path, text, tuple(items), tuple(tokens.comments), frozenset(unread)), tuple(kept)


def _name_of(tokens: list[Lexeme]) -> tuple[str, ...]:
    """Return the name that a statement without a tree was to bring: `let budget`, `gpu lab_card`, `require spare:`."""
    kinds = [token.type for token in tokens[:3]] + ["", "", ""]
    if kinds[1] != "NAME" or (kinds[0] in {"REQUIRE", "PREFER"} and kinds[2] != "COLON"):
        return ()
    return (tokens[1].text,) if kinds[0] in {"LET", "NAME", "REQUIRE", "PREFER"} else ()
