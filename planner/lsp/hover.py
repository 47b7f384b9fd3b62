"""What stands under a place of a plan, as `planner explain` says it: a quantity, a value, a row, a name of the plan."""

from __future__ import annotations

import re
from fractions import Fraction

from planner.diagnostics import Span
from planner.language.declared.fields import FIELDS_BY_KIND
from planner.language.quantities.quantity import Quantity
from planner.language.schema import BY_KIND, QUANTITIES
from planner.lsp.analysis import Analysis
from planner.lsp.cursor import Cursor, cursor
from planner.lsp.values import rows_of
from planner.record import dataclass
from planner.report import explain
from planner.syntax import tree
from planner.syntax.tokens import BAD_UNIT, Lexeme
from planner.syntax.words import WORDS
from planner.units.canonical import canonical, dimension_of
from planner.units.quantity import DATE, Amount, show

LONGEST = 40
"""So many lines are shown of what is explained."""
_CODE = re.compile(r"[EW]\d{4}")


@dataclass(frozen=True, slots=True)
class Pointed:
    """A token under a place, what stands before it, and the parts of the dotted name it belongs to, up to it."""

    token: Lexeme
    at: Cursor
    parts: tuple[str, ...]
    whole: tuple[str, ...]


def pointed(analysis: Analysis, offset: int) -> Pointed | None:
    """Return the token at an offset, or the one that ends there; None where there is none."""
    tokens = analysis.tokens
    touching = [at for at, item in enumerate(tokens) if item.span.start <= offset <= item.span.end]
    if not touching:
        return None
    place = max(touching, key=lambda at: (tokens[at].type in ("NAME", "STRING", "NUMBER"), at))
    token = tokens[place]
    at = cursor(analysis.text, token.span.start)
    if at is None:
        return None
    first = last = place
    if token.type == "NAME":
        while first >= 2 and tokens[first - 1].type == "DOT" and tokens[first - 2].type == "NAME":
            first -= 2
        while last + 2 < len(tokens) and tokens[last + 1].type == "DOT" and tokens[last + 2].type == "NAME":
            last += 2
    whole = tuple(item.text for item in tokens[first : last + 1 : 2])
    return Pointed(token, at, whole[: (place - first) // 2 + 1], whole)


def hover(analysis: Analysis, offset: int) -> tuple[str, Span] | None:
    """Return Markdown about what stands at an offset, and its place; None where there is nothing to say."""
    for span, text in analysis.lexed.comments:
        if span.start <= offset < span.end:
            codes = [one for one in _CODE.finditer(text) if one.start() <= offset - span.start <= one.end()]
            lines = explain.lines_for(codes[0].group(), analysis.catalog) if codes else []
            return (markdown(lines), span) if lines else None
    item = pointed(analysis, offset)
    if item is None:
        return None
    lines = _lines(analysis, item)
    return (markdown(lines), item.token.span) if lines else None


def explained(key: str, analysis: Analysis) -> str:
    """Return Markdown about what `planner explain` knows by a name, or about `kind.quantity`; empty for nothing."""
    kind, _, name = key.partition(".")
    row = rows_of(kind).get(name)
    return markdown(explain.quantity(row, analysis.catalog) if row else explain.lines_for(key, analysis.catalog))


def markdown(lines: list[str]) -> str:
    """Return lines as `explain` prints them as Markdown: the first as text, the rest as they are aligned."""
    if not lines:
        return ""
    rest = lines[1:LONGEST]
    if len(lines) > LONGEST:
        rest.append(f"  … {len(lines) - LONGEST} more lines: `planner explain` shows them")
    body = "\n".join(rest)
    return f"{_escaped(lines[0])}\n\n```text\n{body}\n```" if body else _escaped(lines[0])


def _escaped(text: str) -> str:
    return re.sub(r"([\\*<>\[\]#|])", r"\\\1", text)


def _lines(analysis: Analysis, item: Pointed) -> list[str]:
    match item.token.type:
        case "NUMBER":
            return _number(item)
        case "STRING":
            return _text(analysis, item, item.token.text.strip('"'))
        case "NAME":
            return _name(analysis, item)
    return explain.lines_for(item.token.text, analysis.catalog) if item.token.text in WORDS else []


def _number(item: Pointed) -> list[str]:
    token = item.token
    if token.value is None or token.unit is None or token.unit in (BAD_UNIT, DATE):
        return []
    value, unit = canonical(Fraction(token.value), token.unit)
    factor, dimension = dimension_of(unit)
    said = show(Amount(value * factor, dimension))
    if value.denominator == 1 and unit in ("bytes", "tokens", "params"):
        exact = f"{value.numerator:_} {unit}"
        said = f"{said}, {exact}" if unit == "bytes" else exact
    return [f"{token.text} = {said}", *explain.unit(token.unit.replace("USD", "$"))]


def _name(analysis: Analysis, item: Pointed) -> list[str]:
    at, catalog = item.at, analysis.catalog
    name = ".".join(item.parts)
    if not at.head and not at.before:  # the kind of a declaration
        return explain.lines_for(item.token.text, catalog)
    first = len(item.parts) == 1
    if at.head and at.kind != "test" and at.relation is None:
        row = rows_of(at.kind).get(item.whole[0])
        if row is not None and first:
            return explain.quantity(row, catalog)
        word = item.token.text  # `available.l40s`, `peak.bf16`
        return _declared(analysis, word) or explain.lines_for(word, catalog)
    declared = _declared(analysis, name)
    if declared:
        return declared
    if not first:
        row = _quantity(analysis, item)
        if row is not None:
            return explain.quantity(row, catalog)
    rule = rule_named(analysis, name) or rule_named(analysis, item.token.text)
    if rule is not None and at.kind == "test":
        return [_source(analysis, rule.span)]
    return _value(analysis, item) if first else explain.lines_for(item.token.text, catalog)


def rule_named(analysis: Analysis, name: str) -> tree.Require | tree.Prefer | None:
    """Return the rule or preference of a name; None where there is none."""
    items = analysis.loaded.file.items if analysis.loaded.file is not None else ()
    return next((item for item in items if isinstance(item, tree.Require | tree.Prefer) and item.name == name), None)


def _quantity(analysis: Analysis, item: Pointed) -> Quantity | None:
    """Return the quantity that the last part of a dotted name means."""
    owner, name = ".".join(item.parts[:-1]), item.parts[-1]
    kind = analysis.env.workloads.get(owner, "fleet" if owner == "fleet" else "")
    return rows_of(kind).get(name) or next((row for row in QUANTITIES if row.name == name), None)


def _declared(analysis: Analysis, name: str) -> list[str]:
    """Return what the plan itself says of a name: the line or the head of its declaration, its value, its row."""
    scope = analysis.env.scope
    let, block = scope.let_nodes.get(name), scope.declared.get(name)
    if let is not None:
        value = scope.lets.get(name)
        said = [] if value is None else [f"  value  {_measure(value.value, value.unit)}"]
        return [_source(analysis, let.span), *said, *_doc(let.doc)]
    if block is None:
        return []
    head = _source(analysis, block.span).rstrip("{ ")
    facts = _row(analysis, block.kind, name)
    if not facts and block.kind in BY_KIND:
        facts = [f"  {line.target.text} {line.operator} {_plain(analysis, line.value)}" for line in block.body]
    return [head, *facts, *_doc(block.doc)]


def _doc(doc: str | None) -> list[str]:
    return [f"  {line}" for line in doc.splitlines()] if doc else []


def _source(analysis: Analysis, span: Span) -> str:
    """Return the first line of a statement as it is written."""
    text = analysis.texts.get(span.path, "")[span.start : span.end]
    return text.split("\n", 1)[0].split("{", 1)[0].strip() if "{" in text else text.strip()


def _plain(analysis: Analysis, node: tree.Expression) -> str:
    return " ".join(analysis.texts.get(node.span.path, "")[node.span.start : node.span.end].split())


def _measure(value: object, unit: str | None) -> str:
    if not isinstance(value, Fraction):
        return str(value).lower() if isinstance(value, bool) else str(value)
    factor, dimension = dimension_of(unit)
    return show(Amount(value * factor, dimension))


def _value(analysis: Analysis, item: Pointed) -> list[str]:
    """Return what a word means where a value stands: first by the quantity of its relation or comparison."""
    word, catalog = item.token.text, analysis.catalog
    row = _asked(analysis, item.at)
    if row is not None:
        lines = explain.words(word, [row])
        if lines:
            return lines
        lines = _row(analysis, row.type, word)
        if lines:
            return lines
    return explain.lines_for(word, catalog)


def _text(analysis: Analysis, item: Pointed, text: str) -> list[str]:
    """Return what a text in quotes is: a model's or an offer's id; nothing for a path."""
    if item.at.before and item.at.before[0].type == "IMPORT":
        return []
    row = _asked(analysis, item.at)
    lines = _row(analysis, row.type, text) if row is not None else []
    return lines or ([] if text.endswith((".mem", ".json", ".yaml")) else explain.lines_for(text, analysis.catalog))


def _asked(analysis: Analysis, at: Cursor) -> Quantity | None:
    """Return the quantity whose value stands at a place of a block; None elsewhere."""
    if not at.head or at.relation is None:
        return None
    if at.kind == "test":
        return next((row for row in QUANTITIES if row.name == at.before[at.relation - 1].text), None)
    where = next((index for index, kind in enumerate(at.types) if kind == "WHERE"), None)
    row = rows_of(at.kind).get(at.before[0].text)
    if where is None or row is None:
        return row
    fields = FIELDS_BY_KIND.get(row.type, {})
    return next((fields[token.text] for token in reversed(at.before[where:]) if token.text in fields), None)


def _row(analysis: Analysis, kind: str, word: str) -> list[str]:
    """Return the lines of a row by its kind and name: the plan's own before the catalogs'."""
    scope, catalog = analysis.env.scope, analysis.catalog
    row: object = None
    match kind:
        case "gpu":
            row = scope.gpus.get(word) or catalog.find_gpu(word)
        case "format":
            row = scope.formats.get(word) or catalog.find_format(word)
        case "model":
            row = scope.models.get(word) or catalog.find_model(word)
        case "offer":
            row = scope.offers.get(word) or catalog.offers.get(word)
        case "engine":
            row = catalog.engines.get(word)
        case "framework":
            row = catalog.find_framework(word)
    return explain.row_lines(row, catalog)
