"""What people write by the habit of another language, and what to write instead: one mistake for each."""

from __future__ import annotations

import itertools
import re

from planner.diagnostics.diagnostic import Diagnostic, Span, error
from planner.syntax.layout import Statement
from planner.syntax.tokens import Lexeme

_PAIR = re.compile(r"[ \t]*(?:- )?[A-Za-z_][\w.-]{0,99}:(?: |[ \t\r]*$)")
_JSON = re.compile(r"[{\[]\s*(?:\"[^\"\n]{0,99}\"\s*[:,]|[{\[])")
LOOKED_AT = 200
"""So many lines are looked at to tell another language by."""
_VALUES = frozenset({"NAME", "NUMBER", "STRING", "RBRACE", "RPAR"})
_RELATIONS = frozenset({"EQUAL", "IN", "LE", "GE", "LT", "GT", "NE"})


def other_language(text: str, path: str) -> Diagnostic | None:
    """Return what is wrong with a file that is not a plan as a whole: a merge conflict, YAML or JSON; else None."""
    at = _conflict(text)
    if at is not None:
        help = "keep one side, and remove the lines of `<`, `=` and `>`"
        return error("E0102", "the plan holds a merge conflict", _line(text, path, at), help=help)
    begin = len(text) - len(text.lstrip())
    if begin == len(text):
        return None
    help = 'a plan says: inference chat { model = "owner/name" … }; `planner init` writes a first one'
    if _JSON.match(text, begin):
        return error("E0102", "this is JSON, not a plan", _line(text, path, begin), help=help)
    lines = [line for line in text[: LOOKED_AT * 200].split("\n")[:LOOKED_AT] if not line.lstrip().startswith("#")]
    ours = any(sign in line for line in lines for sign in "={}") or any(line.startswith("edition") for line in lines)
    pairs = 0 if ours else sum(_PAIR.match(line) is not None for line in lines)
    if pairs > 1 or (pairs and text.startswith("---")):
        return error("E0102", "this is YAML, not a plan", _line(text, path, begin), help=help)
    return None


def _conflict(text: str) -> int | None:
    """Return where the first conflict that git left begins: `<<<<<<<`, `=======` and `>>>>>>>` at the margin."""
    begin = 0 if text.startswith("<<<<<<<") else text.find("\n<<<<<<<") + 1
    if not begin and not text.startswith("<<<<<<<"):
        return None
    middle = text.find("\n=======", begin)
    return begin if middle >= 0 and text.find("\n>>>>>>>", middle) >= 0 else None


def _line(text: str, path: str, start: int) -> Span:
    """Return the rest of the line at an offset."""
    end = text.find("\n", start)
    before = text.rfind("\n", 0, start) + 1
    return Span(path, start, len(text) if end < 0 else end, text.count("\n", 0, start) + 1, start - before + 1)


def closed(top: list[Statement], problems: list[Diagnostic]) -> tuple[list[Statement], list[Diagnostic]]:
    """Return statements with a block whose `{` is missing: its head, its lines and the `}` that closes nothing."""
    for problem in [item for item in problems if item.label == "no `{` is open" and item.span is not None]:
        end = problem.span
        assert end is not None
        heads = [
            place
            for place, item in enumerate(top)
            if item.tokens and item.block is None and item.tokens[0].span.start < end.start and _is_head(item.tokens)
        ]
        if not heads:
            continue
        at = heads[-1]
        inside = [item for item in top[at + 1 :] if item.tokens and item.tokens[0].span.start < end.start]
        if not inside or any(item.block is not None for item in inside):
            continue
        head = top[at]
        last = head.tokens[-1]
        message, help = f"`{{` is missing after `{last.text}`", f"write {' '.join(map(str, head.tokens))} {{"
        problems = [item for item in problems if item is not problem]
        problems.append(error("E0103", message, last.span, label="the block begins here", help=help))
        top = [*top[:at], Statement(head.tokens, inside, False, end), *top[at + 1 + len(inside) :]]
    return top, problems


def _is_head(tokens: list[Lexeme]) -> bool:
    kinds = [token.type for token in tokens]
    return kinds in (["NAME", "NAME"], ["NAME", "NAME", "LIKE", "NAME"], ["TEST", "STRING"])


def mistaken(tokens: list[Lexeme], at: int, start: str) -> Diagnostic | None:
    """Return what is meant by a token that cannot stand where it does, None where no habit explains it."""
    token, before = tokens[at], tokens[at - 1] if at else None
    after = tokens[at + 1] if at + 1 < len(tokens) else None
    if before is None:
        return None
    wrong = f"`{token.text}` cannot stand here"

    def say(help: str, span: Span | None = None, message: str = wrong) -> Diagnostic:
        return error("E0102", message, span or token.span, help=help)

    if token.type == "LSQB":
        return say("a set stands in braces: {1, 2, 4}")
    if token.type == "COLON" and at == 1 and start == "entry":
        return say(f"write `{before.text} = …`")
    if (
        token.type == "MINUS"
        and after is not None
        and before.type == after.type == "NAME"
        and _touch(before, token, after)
    ):
        name = f"{before.text}_{after.text}".lower()
        return say(f"names have letters, digits and `_`: write {name}")
    if token.first:
        return None
    if token.type == "NAME" and token.text == "x" and after is not None and after.type == "NUMBER":
        return say(f"write them apart: gpu = {before.text}; gpus = {after.text}")
    if start == "entry" and at == 1 and re.fullmatch(r"p\d\d?", token.text):
        return say(f"percentiles are not predicted: bound the time itself, {before.text} <= …")
    if token.type not in _VALUES or before.type not in _VALUES:
        return None
    opened = _open(tokens[:at])
    if opened == "LBRACE":
        return say("put a comma between the values of a set")
    if opened or start != "entry":
        return None
    if after is not None and after.type in _RELATIONS and token.type == "NAME":
        return say(f"put `;` or a new line before `{token.text}`")
    if len(tokens) > 2 and tokens[1].type == "EQUAL" and at == 3 and after is None:
        return say(f"one value stands after `=`; several are a set: in {{{before.text}, {token.text}}}")
    return None


def _touch(*tokens: Lexeme) -> bool:
    return all(one.span.end == other.span.start for one, other in itertools.pairwise(tokens))


def _open(tokens: list[Lexeme]) -> str:
    """Return the bracket that is open after these tokens, "" for none."""
    closes = {"RPAR": "LPAR", "RSQB": "LSQB", "RBRACE": "LBRACE"}
    opened: list[str] = []
    for token in tokens:
        if token.type in closes.values():
            opened.append(token.type)
        elif token.type in closes and opened:
            opened.pop()
    return opened[-1] if opened else ""
