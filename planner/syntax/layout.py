"""Tokens of a plan file, and where its statements and blocks begin and end."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import field
from fractions import Fraction

from planner.diagnostics.diagnostic import Diagnostic, Span, error
from planner.record import dataclass
from planner.units.quantity import UNITS

MAX_DEPTH = 100
STARTERS = frozenset(
    ["edition", "import", "let", "require", "prefer", "minimize", "maximize", "test", "drop", "expect"]
)  # noqa: E501
INNER = frozenset(
    [
        "in",
        "where",
        "and",
        "or",
        "not",
        "if",
        "else",
        "for",
        "per",
        "like",
        "worth",
        "because",
        "then",
        "by",
        "step",
        "any",
        "true",
        "false",
    ]  # noqa: E501
)
RESERVED = STARTERS | INNER
OPERATORS = {
    "..": "DOTS",
    "==": "EQ",
    "!=": "NE",
    "<=": "LE",
    ">=": "GE",
    "<": "LT",
    ">": "GT",
    "=": "EQUAL",
    "+": "PLUS",
    "-": "MINUS",
    "*": "STAR",
    "/": "SLASH",
    ".": "DOT",
    ",": "COMMA",
    ":": "COLON",
    "(": "LPAR",
    ")": "RPAR",
    "[": "LSQB",
    "]": "RSQB",
    "{": "LBRACE",
    "}": "RBRACE",
    ";": "SEMI",
}
_RELATIONS = frozenset({"EQUAL", "IN", "LE", "GE", "LT", "GT", "NE"})
_DANGLING = _RELATIONS | {"DOTS", "PLUS", "MINUS", "STAR", "SLASH"}
_JOINERS = (_RELATIONS | {"EQ", "PLUS", "MINUS", "STAR", "SLASH", "DOTS", "COMMA", "COLON"}) | {
    "AND", "OR", "NOT", "WHERE", "THEN", "WORTH", "BECAUSE", "IF", "ELSE", "LIKE", "STEP", "BY", "DOT",
}  # fmt: skip
_SET_AFTER = (_JOINERS - {"LIKE", "BY", "BECAUSE", "DOT"}) | {"IMPORT", "LPAR", "LSQB"}
_LEADERS = frozenset({"AND", "OR", "THEN", "WHERE", "WORTH", "BECAUSE"})
_TOP = frozenset({"EDITION", "IMPORT", "LET", "REQUIRE", "PREFER", "MINIMIZE", "MAXIMIZE", "TEST"})
_STARTS = _TOP | {"DROP", "EXPECT"}
_CLOSES = {"RPAR": "LPAR", "RSQB": "LSQB", "RBRACE": "LBRACE"}

BAD_UNIT = "?"
"""The unit of a number that has already been reported."""
SCALES = {
    "k": 10**3,
    "M": 10**6,
    "B": 10**9,
    "T": 10**12,
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
    "Ti": 2**40,
}
"""What may be attached to a number: powers of 1000, and of 1024."""
_BLANK = re.compile(r"[ \t\f\v\r\u00a0\ufeff]+|\\\r?\n")
_COMMENT = re.compile(r"#[^\n]*")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_STRING = re.compile(r'"(?:\\.|[^"\\\n])*"')
_OPEN_STRING = re.compile(r'"[^\n]*')
_NUMBER = re.compile(r"\$?(\d[\d_]*(?:\.\d[\d_]*)?(?:[eE][+-]?\d+)?)")
_UNIT = re.compile(r"[ \t]*(%|[A-Za-z]+(?:/[A-Za-z]+)?)")
_SCALE = re.compile(r"(Ki|Mi|Gi|Ti|k|M|B|T)(?![A-Za-z0-9_])")
_PER = re.compile(r"/([A-Za-z]+)")
_SYMBOL = re.compile(r"\.\.|==|!=|<=|>=|[<>=+\-*/.,:(){}\[\];]")


@dataclass(frozen=True, slots=True)
class Lexeme:
    """One token: its type as the grammar names it, its text and place; `value` and `unit` of a number."""

    type: str
    text: str
    span: Span
    value: Fraction | None = None
    unit: str | None = None
    first: bool = False

    def __str__(self) -> str:
        """Return the text as written."""
        return self.text


@dataclass(slots=True)
class Statement:
    """The tokens of one statement; `block` holds its lines if it has braces; `bad` is already reported."""

    tokens: list[Lexeme] = field(default_factory=list)
    block: list[Statement] | None = None
    bad: bool = False
    end: Span | None = None


class _Lines:
    def __init__(self, text: str, path: str) -> None:
        self.path = path
        self.starts = [0] + [match.end() for match in re.finditer("\n", text)]

    def span(self, start: int, end: int) -> Span:
        line = bisect_right(self.starts, start)
        return Span(self.path, start, end, line, start - self.starts[line - 1] + 1)


@dataclass(slots=True)
class Tokens:
    """What the lexer found: tokens, comments with their spans, and diagnostics."""

    tokens: list[Lexeme]
    comments: list[tuple[Span, str]]
    diagnostics: list[Diagnostic]


def tokenize(text: str, path: str) -> Tokens:
    """Cut a text into tokens; total: what is no token is skipped with E0101, a bad number has E0105."""
    lines = _Lines(text, path)
    found = Tokens([], [], [])
    position, first, skipped = 0, True, -1
    while position < len(text):
        char = text[position]
        if char == "\n":
            position, first = position + 1, True
            continue
        if match := _BLANK.match(text, position):
            position = match.end()
            continue
        if match := _COMMENT.match(text, position):
            found.comments.append((lines.span(position, match.end()), match.group().rstrip("\r")))
            position = match.end()
            continue
        if char == '"':
            match = _STRING.match(text, position)
            if match is None:
                match = _OPEN_STRING.match(text, position)
                assert match is not None
                where = lines.span(position, match.end())
                found.diagnostics.append(
                    error(
                        "E0101", "this text is not closed", where, label='no `"` on this line', help='close it with `"`'
                    )
                )
            token = Lexeme("STRING", match.group(), lines.span(position, match.end()), first=first)
        elif match := _NUMBER.match(text, position):
            token = _number(text, match, lines, first, found.diagnostics)
        elif match := _WORD.match(text, position):
            word = match.group()
            dotted = bool(found.tokens) and found.tokens[-1].type == "DOT"
            kind = word.upper() if word in RESERVED and not dotted else "NAME"
            token = Lexeme(kind, word, lines.span(position, match.end()), first=first)
        elif match := _SYMBOL.match(text, position):
            where = lines.span(position, match.end())
            token = Lexeme(OPERATORS[match.group()], match.group(), where, first=first)
        else:
            if skipped != position:
                message = f"`{char}` means nothing here" if char.isprintable() else "an unprintable character"
                found.diagnostics.append(
                    error(
                        "E0101",
                        message,
                        lines.span(position, position + 1),
                        label="unknown character",
                        help='leave it out; a text stands between two `"`, a comment after `#`',
                    )
                )
            position += 1
            skipped = position
            continue
        found.tokens.append(token)
        first = False
        position = token.span.end
    return found


def _number(text: str, match: re.Match[str], lines: _Lines, first: bool, out: list[Diagnostic]) -> Lexeme:
    start, end = match.span()
    money = text[start] == "$"
    digits = match.group(1)
    problem, hint, scale, unit = "", None, 1, "USD" if money else None
    scaled = _SCALE.match(text, end)
    attached = _UNIT.match(text, end)
    if scaled and not (attached and _known(attached.group(1)) and text[end] not in " \t"):
        scale, end = SCALES[scaled.group(1)], scaled.end()
    if money:
        if per := _PER.match(text, end):
            end = per.end()
            unit = f"USD/{per.group(1)}"
            if unit not in UNITS:
                problem = f"`/{per.group(1)}` is no unit for money"
                hint = "write `/h`, `/day`, `/month` or `/Mtok`"
    elif follows := _UNIT.match(text, end):
        known = _known(follows.group(1))
        after = follows.start(1) + len(known or "")
        whole = known == "%" or not (after < len(text) and (text[after].isalnum() or text[after] == "_"))
        if known and whole:
            unit, end = known, after
    if not problem and (tail := _WORD.match(text, end)):
        end = tail.end()
        problem = f"`{tail.group()}` is no unit or scale"
        from difflib import get_close_matches

        close = get_close_matches(tail.group(), UNITS, 1, 0.5)
        hint = f"did you mean `{close[0]}`?" if close else "scales are k M B T and Ki Mi Gi Ti"
    value = Fraction(0)
    plain = digits.replace("_", "")
    mantissa, _, exponent = plain.lower().partition("e")
    if len(mantissa) > 60 or len(exponent) > 4 or abs(int(exponent or "0")) > 60:
        problem = problem or "this number is too long"
    elif digits.endswith("_") or "__" in digits or "_." in digits:
        problem = problem or "`_` stands between two digits"
    else:
        value = Fraction(plain) * scale
    where = lines.span(start, end)
    if problem:
        unit = BAD_UNIT  # the mistake is told here; who meets the number later says nothing more
        out.append(error("E0105", problem, where, label="in this number", help=hint or "write it like 8_192 or 40 GiB"))
    return Lexeme("NUMBER", text[start:end], where, value, unit, first)


def _known(word: str) -> str | None:
    if word in UNITS:
        return word
    head = word.partition("/")[0]
    return head if head in UNITS else None


@dataclass(slots=True)
class _Open:
    token: Lexeme
    statements: list[Statement] | None  # the lines of a block, None for parentheses and sets


_WAYS = {
    "opened here": "close it where it ends",
    "no `{` is open": "remove it, or open its partner",
    "too deep here": "name parts of it with `let`",
    "what is this?": "inference NAME { … }, or fleet { … }",
    "not here": "close the block before it",
}


class _Layout:
    def __init__(self, tokens: list[Lexeme]) -> None:
        self.tokens = tokens
        self.top: list[Statement] = []
        self.blocks: list[tuple[Lexeme, Statement]] = []
        self.brackets: list[Lexeme] = []
        self.now = Statement()
        self.out: list[Diagnostic] = []
        self.too_deep = False

    def finish(self) -> None:
        if self.brackets:
            self.unclosed(self.brackets[0])
            self.brackets = []
        if self.now.tokens:
            block = self.blocks[-1][1].block if self.blocks else self.top
            assert block is not None
            block.append(self.now)
        self.now = Statement()

    def unclosed(self, token: Lexeme) -> None:
        if not self.now.bad:
            self.report("E0103", f"`{token.text}` is never closed", token.span, "opened here")
        self.now.bad = True

    def report(self, code: str, message: str, span: Span, label: str) -> None:
        self.out.append(error(code, message, span, label=label, help=_WAYS[label]))

    def deep(self, token: Lexeme) -> None:
        if len(self.brackets) + len(self.blocks) > MAX_DEPTH:
            if not self.too_deep:
                message = f"nested more than {MAX_DEPTH} deep"
                self.report("E0104", message, token.span, "too deep here")
            self.too_deep = self.now.bad = True

    def starts_statement(self, at: int) -> bool:
        """Whether a line that begins here can only be a new statement, whatever is still open before it."""
        kinds = [token.type for token in self.tokens[at : at + 3]] + ["", "", ""]
        if kinds[0] in _STARTS:
            return True
        if kinds[0] != "NAME":
            return False
        if kinds[1] == "NAME" and kinds[2] in {"LBRACE", "LIKE", "EQUAL"}:
            return True
        while kinds[1] == "DOT" and kinds[2] == "NAME":
            at += 2
            kinds = [token.type for token in self.tokens[at : at + 3]] + ["", "", ""]
        if kinds[1] == "EQUAL":
            return True
        now = self.now.tokens
        dangling = bool(now) and now[-1].type in _DANGLING and now[0].type == "NAME"
        return dangling and not self.brackets and kinds[1] in _RELATIONS

    def closes_blocks(self, at: int) -> bool:
        """Whether a line in a block, at the left margin, belongs to the top of the file."""
        token = self.tokens[at]
        if not token.first or token.span.column != 1 or not self.blocks:
            return False
        kinds = [item.type for item in self.tokens[at : at + 3]] + ["", "", ""]
        if token.type in _TOP:
            return True
        return kinds[0] == kinds[1] == "NAME" and kinds[2] in {"LBRACE", "LIKE", "EQUAL"}

    def run(self) -> None:
        for at, token in enumerate(self.tokens):
            if token.first and self.now.tokens:
                joined = self.brackets or self.now.tokens[-1].type in _JOINERS or token.type in _LEADERS
                if not joined or self.starts_statement(at):
                    self.finish()
            if not self.now.tokens and self.closes_blocks(at):
                if not self.too_deep:
                    self.report("E0103", "`{` is never closed", self.blocks[0][0].span, "opened here")
                self.blocks = []
            self.place(token)
        self.finish()
        if self.blocks and not self.too_deep:
            self.report("E0103", "`{` is never closed", self.blocks[0][0].span, "opened here")

    def place(self, token: Lexeme) -> None:
        kind = token.type
        if kind == "SEMI":
            self.finish()
        elif kind in {"LPAR", "LSQB"} or (kind == "LBRACE" and self.opens_set()):
            self.now.tokens.append(token)
            self.brackets.append(token)
            self.deep(token)
        elif kind == "LBRACE":
            self.open_block(token)
        elif kind in _CLOSES and self.brackets:
            self.close_bracket(token)
        elif kind == "RBRACE":
            self.finish()
            if self.blocks:
                self.blocks.pop()[1].end = token.span
            else:
                self.report("E0103", "`}` closes nothing", token.span, "no `{` is open")
        else:
            self.now.tokens.append(token)

    def opens_set(self) -> bool:
        if self.brackets:
            return True
        return bool(self.now.tokens) and self.now.tokens[-1].type in _SET_AFTER

    def open_block(self, token: Lexeme) -> None:
        if not self.now.tokens:
            if not self.too_deep and not any(not s.tokens or s.bad for _, s in self.blocks):
                self.report("E0102", "a block needs a kind and a name", token.span, "what is this?")
            self.now.bad = True
        elif self.blocks and not self.now.bad:
            if not any(statement.bad for _, statement in self.blocks):
                self.report("E0102", "a block cannot stand inside a block", token.span, "not here")
            self.now.bad = True
        statement = self.now
        statement.block = []
        owner = self.blocks[-1][1].block if self.blocks else self.top
        assert owner is not None
        owner.append(statement)
        self.blocks.append((token, statement))
        self.deep(token)
        self.now = Statement()

    def close_bracket(self, token: Lexeme) -> None:
        wanted = _CLOSES[token.type]
        if self.brackets[-1].type == wanted:
            self.brackets.pop()
            self.now.tokens.append(token)
            return
        if any(bracket.type == wanted for bracket in self.brackets):
            self.unclosed(self.brackets[-1])
            while self.brackets.pop().type != wanted:
                pass
            self.now.tokens.append(token)
            return
        self.unclosed(self.brackets[-1])
        self.now.tokens.append(token)
        if token.type == "RBRACE":
            self.brackets = []
            self.now.tokens.pop()
            self.place(token)


def statements(tokens: list[Lexeme]) -> tuple[list[Statement], list[Diagnostic]]:
    """Cut tokens into statements and blocks; an unclosed brace is one E0103, too much nesting one E0104."""
    layout = _Layout(tokens)
    layout.run()
    return layout.top, layout.out
