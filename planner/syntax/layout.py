"""Where the statements and blocks of a plan file begin and end."""

from __future__ import annotations

from dataclasses import field

from planner.diagnostics.diagnostic import Diagnostic, Span, error
from planner.record import dataclass
from planner.syntax.tokens import Lexeme

MAX_DEPTH = 100
_RELATIONS = frozenset({"EQUAL", "IN", "LE", "GE", "LT", "GT", "NE"})
_DANGLING = _RELATIONS | {"DOTS", "PLUS", "MINUS", "STAR", "SLASH"}
_JOINERS = (_RELATIONS | {"EQ", "PLUS", "MINUS", "STAR", "SLASH", "DOTS", "COMMA", "COLON"}) | {
    "AND", "OR", "NOT", "WHERE", "THEN", "WORTH", "BECAUSE", "IF", "ELSE", "LIKE", "STEP", "BY", "DOT",
}  # fmt: skip
_SET_AFTER = (_JOINERS - {"LIKE", "BY", "BECAUSE", "DOT"}) | {"IMPORT", "LPAR", "LSQB"}
_ENDS = frozenset({"NAME", "NUMBER", "STRING", "TRUE", "FALSE", "ANY", "RPAR", "RBRACE"})
_LEADERS = frozenset({"AND", "OR", "THEN", "WHERE", "WORTH", "BECAUSE"})
_TOP = frozenset({"EDITION", "IMPORT", "LET", "REQUIRE", "PREFER", "MINIMIZE", "MAXIMIZE", "TEST"})
_STARTS = _TOP | {"DROP", "EXPECT"}
_CLOSES = {"RPAR": "LPAR", "RSQB": "LSQB", "RBRACE": "LBRACE"}


@dataclass(slots=True)
class Statement:
    """The tokens of one statement; `block` holds its lines if it has braces; `bad` is already reported."""

    tokens: list[Lexeme] = field(default_factory=list)
    block: list[Statement] | None = None
    bad: bool = False
    end: Span | None = None


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

    def row(self, at: int) -> list[str]:
        """Return the types of three tokens from here on; "" for those that the line no longer holds."""
        kinds = [self.tokens[at].type]
        for token in self.tokens[at + 1 : at + 3]:
            if token.first:
                break
            kinds.append(token.type)
        return [*kinds, "", ""][:3]

    def starts_statement(self, at: int) -> bool:
        """Whether a line that begins here can only be a new statement, whatever is still open before it."""
        kinds = self.row(at)
        if kinds[0] in _STARTS:
            return True
        if kinds[0] != "NAME":
            return False
        if kinds[1] == "NAME" and kinds[2] in {"LBRACE", "LIKE", "EQUAL"}:
            return True
        while kinds[1] == "DOT" and kinds[2] == "NAME":
            at += 2
            kinds = self.row(at)
        if kinds[1] == "EQUAL":
            return True
        now = self.now.tokens
        if kinds[1] not in _RELATIONS or not now:
            return False
        if self.brackets:  # no comma before it: what is open was meant to end on the line above
            return now[-1].type in _ENDS
        return now[-1].type in _DANGLING and now[0].type == "NAME"

    def closes_blocks(self, at: int) -> bool:
        """Whether a line in a block, at the left margin, belongs to the top of the file."""
        token = self.tokens[at]
        if not token.first or token.span.column != 1 or not self.blocks:
            return False
        kinds = self.row(at)
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
