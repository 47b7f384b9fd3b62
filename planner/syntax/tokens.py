"""The tokens of a plan file, with their places; what is not a token is one diagnostic."""

from __future__ import annotations

import re
from bisect import bisect_right
from datetime import date
from fractions import Fraction

from planner.diagnostics.diagnostic import Diagnostic, Span, error
from planner.record import dataclass
from planner.units.quantity import DATE, SPELLINGS, UNITS

STARTERS = frozenset(
    {"edition", "import", "let", "require", "prefer", "minimize", "maximize", "test", "drop", "expect"}
)
INNER = frozenset({
    "in", "where", "and", "or", "not", "if", "else", "for", "per", "like", "worth", "because", "then", "by", "step",
    "any", "true", "false",
})  # fmt: skip
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
_BLANK = re.compile(r"[ \t\f\v\r\u00a0\ufeff]+")
_COMMENT = re.compile(r"#[^\n]*")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_STRING = re.compile(r'"(?:\\.|[^"\\\n])*"')
_OPEN_STRING = re.compile(r'"[^\n]*')
_NUMBER = re.compile(r"\$?(\d[\d_]*(?:\.\d[\d_]*)?(?:[eE][+-]?\d+)?)")
_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?![\w-])")
_UNIT = re.compile(r"[ \t]*(%|[A-Za-z]+(?:/[A-Za-z]+)?)")
_SCALE = re.compile(r"(Ki|Mi|Gi|Ti|k|M|B|T)(?![A-Za-z0-9_])")
_KILO = re.compile(r"K(?![A-Za-z0-9_])(?:[ \t]*(tokens|token|tok)(?![A-Za-z0-9_/]))?")
_SIGN = re.compile(r"[ \t]*\$(?:/([A-Za-z]+))?(?![\d])")
_TIMES = re.compile(r"x[A-Za-z]\w*")
_QUOTED = re.compile(r"'[^'\n]*'")
_UNQUOTED = re.compile(r"[A-Za-z0-9][\w.]*(?:[-/][\w.]+)+")
_SLASHES = re.compile(r"(?://|/\*)[^\n]*")
_MODEL = ("model", "draft_model")
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
    """Cut a text into tokens; total: what is not a token is skipped with E0101, a bad number has E0105."""
    lines = _Lines(text, path)
    tokens = Tokens([], [], [])
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
            tokens.comments.append((lines.span(position, match.end()), match.group().rstrip("\r")))
            position = match.end()
            continue
        if char == "/" and (match := _SLASHES.match(text, position)):
            where = lines.span(position, match.end())
            tokens.diagnostics.append(
                error(
                    "E0101", f"`{match.group()[:2]}` does not begin a comment", where, help="a comment begins with `#`"
                )
            )
            position = match.end()
            continue
        if char == "'" and (match := _QUOTED.match(text, position)):
            where, inside = lines.span(position, match.end()), match.group()[1:-1]
            tokens.diagnostics.append(error("E0101", "a text stands in double quotes", where, help=f'write "{inside}"'))
            tokens.tokens.append(Lexeme("STRING", f'"{inside}"', where, first=first))
            position, first = match.end(), False
            continue
        if _names_model(tokens.tokens) and (match := _UNQUOTED.match(text, position)):
            where = lines.span(position, match.end())
            message = f"`{match.group()}` is not a name of letters, digits and `_`"
            tokens.diagnostics.append(error("E0101", message, where, help=f'write "{match.group()}"'))
            tokens.tokens.append(Lexeme("STRING", f'"{match.group()}"', where, first=first))
            position, first = match.end(), False
            continue
        if char == '"':
            match = _STRING.match(text, position)
            if match is None:
                match = _OPEN_STRING.match(text, position)
                assert match is not None
                where = lines.span(position, match.end())
                tokens.diagnostics.append(
                    error(
                        "E0101", "this text is not closed", where, label='no `"` on this line', help='close it with `"`'
                    )
                )
            token = Lexeme("STRING", match.group(), lines.span(position, match.end()), first=first)
        elif match := _DATE.match(text, position):
            token = _date(match, lines, first, tokens.diagnostics)
        elif match := _NUMBER.match(text, position):
            token = _number(text, match, lines, first, tokens.diagnostics)
        elif match := _WORD.match(text, position):
            word = match.group()
            dotted = bool(tokens.tokens) and tokens.tokens[-1].type == "DOT"
            kind = word.upper() if word in RESERVED and not dotted else "NAME"
            token = Lexeme(kind, word, lines.span(position, match.end()), first=first)
        elif match := _SYMBOL.match(text, position):
            where = lines.span(position, match.end())
            token = Lexeme(OPERATORS[match.group()], match.group(), where, first=first)
        else:
            if skipped != position:
                message = f"unexpected `{char}`" if char.isprintable() else "an unprintable character"
                tokens.diagnostics.append(
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
        tokens.tokens.append(token)
        first = False
        position = token.span.end
    return tokens


def _names_model(tokens: list[Lexeme]) -> bool:
    """Return whether a model's id comes next: `model =`."""
    return len(tokens) > 1 and tokens[-1].type == "EQUAL" and tokens[-2].text in _MODEL


def _date(match: re.Match[str], lines: _Lines, first: bool, out: list[Diagnostic]) -> Lexeme:
    """Return a day as a number; one that no calendar has is noted."""
    where = lines.span(*match.span())
    try:
        day = date(*(int(part) for part in match.groups()))
    except ValueError:
        help = "write it as year-month-day: 2026-06-01"
        out.append(error("E0105", f"`{match.group()}` is not a date", where, label="in this date", help=help))
        return Lexeme("NUMBER", match.group(), where, Fraction(0), BAD_UNIT, first)
    return Lexeme("NUMBER", match.group(), where, Fraction(day.toordinal()), DATE, first)


def _number(text: str, match: re.Match[str], lines: _Lines, first: bool, out: list[Diagnostic]) -> Lexeme:
    start, end = match.span()
    money = text[start] == "$"
    digits = match.group(1)
    problem, hint, scale, unit = "", None, 1, "USD" if money else None
    spelled = ""
    if not money and (kilo := _KILO.match(text, end)):  # tokens, 1024 each, as serving engines read it
        where, plain = lines.span(start, kilo.end()), digits.replace("_", "")
        if re.fullmatch(r"\d{1,30}(?:\.\d{1,30})?", plain) and not re.search(r"_(?:\D|$)|__", digits):
            return Lexeme("NUMBER", f"{digits}Ki tokens", where, Fraction(plain) * 1024, "tokens", first)
    scaled = _SCALE.match(text, end)
    attached = _UNIT.match(text, end)
    if scaled and not (attached and _known(attached.group(1)) and text[end] not in " \t"):
        scale, end = SCALES[scaled.group(1)], scaled.end()
    if money:
        if per := _PER.match(text, end):
            end = per.end()
            unit = f"USD/{per.group(1)}"
            if unit in SPELLINGS:
                unit = SPELLINGS[unit]
                spelled = text[start : per.start()] + unit.removeprefix("USD")
            if unit not in UNITS:
                problem = f"`/{per.group(1)}` is not a unit of money"
                hint = "write `/h`, `/day`, `/month` or `/Mtok`"
    elif follows := _UNIT.match(text, end):
        known = _known(follows.group(1))
        after = follows.start(1) + len(known or "")
        whole = known == "%" or not (after < len(text) and (text[after].isalnum() or text[after] == "_"))
        if known and whole:
            unit, end = known, after
        said = follows.group(1)
        if said in SPELLINGS and not _goes_on(text, follows.end(1)):
            unit, end = SPELLINGS[said], follows.end(1)
            spelled = f"{text[start : follows.start(1)].rstrip()} {unit}"
    if not problem and scale == 1 and not money and (times := _TIMES.match(text, end)):
        end = times.end()
        problem = f"`{digits}{times.group()}` is a number and a name"
        hint = f"write them apart: gpu = {times.group()[1:].lower()}; gpus = {digits}"
    if not problem and (tail := _WORD.match(text, end)):
        end = tail.end()
        problem = f"unknown unit or scale `{tail.group()}`"
        from difflib import get_close_matches

        close = get_close_matches(tail.group(), (name for name in UNITS if "USD" not in name), 1, 0.5)
        hint = f"did you mean `{close[0]}`?" if close else "scales are k M B T and Ki Mi Gi Ti"
    if not problem and not money and (sign := _SIGN.match(text, end)):
        end, rate = sign.end(), sign.group(1)
        problem, hint = (
            "the `$` stands before the amount",
            f"write ${digits}/{rate}" if rate else f"write ${digits}, and what it is for: ${digits}/h",
        )
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
        unit = BAD_UNIT  # reported here, once
        out.append(error("E0105", problem, where, label="in this number", help=hint or "write it like 8_192 or 40 GiB"))
    return Lexeme("NUMBER", spelled if spelled and not problem else text[start:end], where, value, unit, first)


def _goes_on(text: str, at: int) -> bool:
    """Return whether a word or a statement of that name goes on there: `7 d` is a time, in `7 d = 2` `d` is a name."""
    rest = text[at : at + 40].lstrip(" \t")
    return text[at : at + 1].isalnum() or text[at : at + 1] in ("_", "/") or rest.startswith(("=", "<", ">", "in "))


def _known(word: str) -> str | None:
    if word in UNITS:
        return word
    head = word.partition("/")[0]
    return head if head in UNITS else None
