"""The one layout of a plan: tokens and comments in, the same tokens and comments evenly spaced out."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

from planner.diagnostics.diagnostic import Diagnostic, Span, error
from planner.syntax import tree
from planner.syntax.layout import Statement, statements
from planner.syntax.lines import WIDTH, Word, flat, lay
from planner.syntax.parse import parse
from planner.syntax.tokens import Lexeme, tokenize

INDENT = 2
_RELATIONS = frozenset({"EQUAL", "IN", "LE", "GE", "LT", "GT", "NE"})
Comment = tuple[Span, str]


@dataclass(slots=True)
class _Line:
    """What is printed for one statement or comment, and the lines of the file it came from."""

    rows: list[str]
    first: int
    last: int
    comment: str | None = None  # the comment behind the last row
    block: bool = False
    remark: bool = False  # a comment on a line of its own
    target: str | None = None  # of a relation: what stands before the operator
    words: list[Word] = field(default_factory=list)


def format_text(text: str, path: str = "-") -> tuple[str | None, tuple[Diagnostic, ...]]:
    """Return the plan in its one layout, or None and why it cannot be laid out.

    What is returned is checked: formatting it again changes nothing, its tree is that of `text`, and so is its list
    of comments. A text with syntax errors is not laid out; its findings are returned.
    """
    file, findings = parse(text, path)
    if any(item.is_error for item in findings):
        return None, findings
    shown = _layout(text, path)
    again, mistakes = parse(shown, path)
    unchanged = not mistakes and same(file.items, again.items) and _words(file) == _words(again)
    if not unchanged or _layout(shown, path) != shown:
        where = Span(path, 0, 0, 1, 1)
        return None, (error("E0106", "this file has a form that `fmt` cannot lay out; it stays as it is", where),)
    return shown, findings


def same(one: object, other: object) -> bool:
    """Return whether two trees say the same: equal but for places and the spelling of numbers."""
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if not dataclasses.is_dataclass(one) or isinstance(one, type):
        return one == other
    if type(one) is not type(other):
        return False
    if isinstance(one, Span):
        return True
    skip = {"text"} if isinstance(one, tree.Number) else set()
    return all(same(getattr(one, f), getattr(other, f)) for f in one.__dataclass_fields__ if f not in skip)


def _words(file: tree.File) -> list[str]:
    return [text.rstrip() for _, text in file.comments]


def _layout(text: str, path: str) -> str:
    tokens = tokenize(text, path)
    top, _ = statements(tokens.tokens)
    braces = [token for token in tokens.tokens if token.type == "LBRACE"]
    printer = _Printer(tokens.comments, braces)
    rows = _join(printer.body(top, len(text), 0), 0)
    return "".join(f"{row}\n" for row in rows)


class _Printer:
    """Walks statements in the order of the file and hands each comment to what it stands beside."""

    def __init__(self, comments: list[Comment], braces: list[Lexeme]) -> None:
        self.comments, self.at = comments, 0
        self.braces, self.brace = braces, 0

    def before(self, offset: int) -> list[Comment]:
        """Take the comments that begin before an offset."""
        start = self.at
        while self.at < len(self.comments) and self.comments[self.at][0].start < offset:
            self.at += 1
        return self.comments[start : self.at]

    def behind(self, line: int, limit: int) -> str | None:
        """Take the comment on a line, if it begins before an offset."""
        if self.at < len(self.comments):
            span, text = self.comments[self.at]
            if span.line == line and span.start < limit:
                self.at += 1
                return text.rstrip()
        return None

    def remarks(self, offset: int) -> list[_Line]:
        return [_Line([text.rstrip()], span.line, span.line, remark=True) for span, text in self.before(offset)]

    def body(self, items: list[Statement], end: int, depth: int) -> list[_Line]:
        """Return the lines of a block or file that ends at an offset."""
        out: list[_Line] = []
        kept = [item for item in items if item.tokens]
        for index, item in enumerate(kept):
            limit = kept[index + 1].tokens[0].span.start if index + 1 < len(kept) else end
            out += self.remarks(item.tokens[0].span.start)
            line = self.block(item, depth) if item.block is not None else self.statement(item, depth)
            line.comment = self.behind(line.last, limit)
            out.append(line)
        return out + self.remarks(end)

    def words(self, tokens: list[Lexeme]) -> list[Word]:
        """Return the tokens with the comments that stand between them."""
        out: list[Word] = []
        for index, token in enumerate(tokens):
            above = [text.rstrip() for _, text in self.before(token.span.start)]
            word = Word(token, above)
            if index + 1 < len(tokens):
                word.comment = self.behind(token.span.line, tokens[index + 1].span.start)
            out.append(word)
        return out

    def statement(self, item: Statement, depth: int) -> _Line:
        tokens = item.tokens
        words = self.words(tokens)
        line = _Line([], tokens[0].span.line, tokens[-1].span.line, words=words)
        operator = next((i for i, token in enumerate(tokens) if token.type in _RELATIONS), None)
        if depth and tokens[0].type == "NAME" and operator is not None:
            head = words[:operator]
            if not any(word.comment or word.above for word in words[: operator + 1]):
                line.target, line.words = flat(head), words[operator:]
        return line

    def block(self, item: Statement, depth: int) -> _Line:
        assert item.block is not None
        tokens = item.tokens
        while self.braces[self.brace].span.start < tokens[-1].span.end:
            self.brace += 1
        opening = self.braces[self.brace].span
        head = lay(self.words(tokens), depth * INDENT)
        entries = [entry for entry in item.block if entry.tokens]
        end = item.end or opening
        inner_end = end.start if item.end else opening.end
        first_inside = entries[0].tokens[0].span.start if entries else inner_end
        above = self.before(opening.start)  # between the head and its brace: only a joined line can have one
        beside = self.behind(opening.line, first_inside)
        lines = self.body(item.block, inner_end, depth + 1)
        alone = opening.line == end.line and tokens[0].span.line == end.line
        commented = bool(above or beside) or any(line.comment or line.remark for line in lines)
        if len(head) == 1 and not commented and (alone or not lines):
            short = _one_row(head[0], lines)
            if short is not None:
                return _Line([short], tokens[0].span.line, end.line)
        opened = f"{head[-1]} {{" + (f"  {beside}" if beside else "")
        inside = [f"{'':{INDENT * (depth + 1)}}{text.rstrip()}" for _, text in above]
        rows = [*head[:-1], opened, *inside, *_join(lines, depth + 1), f"{'':{depth * INDENT}}}}"]
        return _Line(rows, tokens[0].span.line, end.line, block=True)


def _one_row(head: str, lines: list[_Line]) -> str | None:
    """Return a block on one row, or None where it is too long for one."""
    parts = [f"{line.target} {flat(line.words)}" if line.target else flat(line.words) for line in lines]
    row = f"{head} {{ {'; '.join(parts)} }}" if parts else f"{head} {{ }}"
    return row if len(row) <= WIDTH else None


def _join(lines: list[_Line], depth: int) -> list[str]:
    """Return the rows of a body: runs aligned, at most one blank row between lines, blocks set apart."""
    out: list[str] = []
    for run in _runs(lines):
        wide = max((len(line.target) for line in run if line.target), default=0)
        for line in run:
            if line.words:
                head = f"{line.target:<{wide}} " if line.target else ""
                line.rows = lay(line.words, depth * INDENT, head)
            elif line.remark:
                line.rows = [f"{'':{depth * INDENT}}{line.rows[0]}"]
        column = max((len(line.rows[-1]) for line in run if line.comment), default=0)
        for line in run:
            if line.comment:
                line.rows[-1] = f"{line.rows[-1]:<{column}}  {line.comment}"
        out += [""] if out else []
        out += [row for line in run for row in line.rows]
    return out


def _runs(lines: list[_Line]) -> list[list[_Line]]:
    """Cut a body into the runs between its blank rows; a block stands alone with the comments right above it."""
    runs: list[list[_Line]] = []
    for index, line in enumerate(lines):
        before = lines[index - 1] if index else None
        apart = before is None or line.first - before.last > 1 or before.block
        if not apart and (line.block or line.remark):
            # the comments right above a block belong to it, so the blank row comes before the first of them
            owner = _owner(lines, index)
            apart = owner is not None and owner.block and not (before is not None and before.remark)
        if apart:
            runs.append([])
        runs[-1].append(line)
    return runs


def _owner(lines: list[_Line], index: int) -> _Line | None:
    """Return the line that the comments from `index` on stand right above, or the line itself."""
    while index < len(lines) and lines[index].remark:
        if index + 1 < len(lines) and lines[index + 1].first - lines[index].last > 1:
            return None
        index += 1
    return lines[index] if index < len(lines) else None
