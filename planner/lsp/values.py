"""Names, values and units that can be typed: each list from the schema, the catalogs, or what a plan declares."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from planner.language.declared.fields import FIELDS_BY_KIND
from planner.language.expressions.types import ROWS, Env, Type, vocabulary
from planner.language.quantities.quantity import Quantity
from planner.language.schema import BY_KIND, QUANTITIES, WORKLOADS
from planner.language.sets import asking
from planner.lsp.cursor import name_before
from planner.record import dataclass
from planner.syntax.tokens import Lexeme
from planner.syntax.words import WORDS
from planner.units.canonical import dimension_of
from planner.units.quantity import UNITS

Sort = Literal["keyword", "quantity", "value", "unit", "name", "function", "file"]
COMPARED = frozenset({"EQ", "NE", "LE", "GE", "LT", "GT", "IN"})
ENDED = frozenset({"NAME", "NUMBER", "STRING", "TRUE", "FALSE", "ANY", "RPAR", "RBRACE"})
"""The types of tokens that a comparison stands before, and of those that a value ends in."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing that can be typed: what is inserted, what it is, and the name that `planner explain` knows it by."""

    label: str
    sort: Sort
    detail: str = ""
    insert: str = ""
    explained: str = ""

    @property
    def text(self) -> str:
        """What is inserted."""
        return self.insert or self.label


def rows_of(kind: str) -> dict[str, Quantity]:
    """Return what a block of a kind can say, by name; nothing for a kind that there is not."""
    return BY_KIND.get(kind) or FIELDS_BY_KIND.get(kind) or {}


def keywords(words: Iterable[str]) -> Iterator[Choice]:
    """Yield words of the language, each with what it does."""
    return (Choice(word, "keyword", WORDS[word][0] if word in WORDS else "", explained=word) for word in words)


def settings(rows: Iterable[Quantity]) -> Iterator[Choice]:
    """Yield quantities or fields by their names."""
    for row in rows:
        yield Choice(row.name, "quantity", row.doc, explained=f"{row.kinds[0]}.{row.name}")


def condition(env: Env, kind: str, behind: tuple[Lexeme, ...]) -> Iterator[Choice]:
    """Yield what can stand in the condition of `any where`: fields of the rows, and their values."""
    if kind not in ("gpu", "offer", "format"):
        return
    rows, fields = asking(kind, env), FIELDS_BY_KIND[kind]
    last = behind[-1].type if behind else ""
    place = max((index for index, item in enumerate(behind) if item.type in COMPARED), default=0)
    asked = next((name for name in name_before(behind[:place])[:1] if name in rows.fields), "")
    if last == "IN" and not asked:  # `vllm in engines`
        yield from (
            Choice(name, "name", fields[name].doc) for name, held in rows.fields.items() if held.kind == "words"
        )
    elif last in COMPARED and asked:
        yield from values(rows, rows.fields[asked], quoted=False)
        yield from lets(env)
    elif last == "DOT":
        yield from row_names(env, "format", quoted=False)
    elif last in ENDED:
        yield from units(behind[-1], fields.get(asked))
        yield from keywords(("and", "or", "in"))
    else:
        yield from settings(row for row in fields.values() if row.name in rows.fields)
        for name, held in rows.fields.items():  # `fp8_e4m3 in native_formats`
            if held.kind == "words":
                yield from (Choice(word, "value", name, explained=word) for word in vocabulary(held, rows) or ())
        yield from keywords(("not",))


def units(last: Lexeme, row: Quantity | None) -> Iterator[Choice]:
    """Yield the units that a number without one can have where a quantity stands."""
    if last.type != "NUMBER" or last.unit is not None or row is None:
        return
    if row.unit is None:
        yield from [Choice("%", "unit", "a hundredth", explained="%")] if row.type == "number" and not row.whole else []
        return
    if row.unit not in UNITS:
        return
    wanted = dimension_of(row.unit)[1]
    for name, (_, dimension) in UNITS.items():
        if dimension == wanted and "USD" not in name:
            yield Choice(name, "unit", f"a unit of {dimension}", explained=name)


def quantity_of(env: Env, parts: tuple[str, ...]) -> Quantity | None:
    """Return the quantity that `chat.gpu`, or `w.gpu` of a comprehension, means."""
    kind = env.workloads.get(".".join(parts[:-1]))
    if kind is not None:
        return BY_KIND[kind].get(parts[-1])
    if len(parts) == 2 and parts[0] == "fleet":
        return FIELDS_BY_KIND["fleet"].get(parts[1])
    return next((row for row in QUANTITIES if len(parts) == 2 and row.name == parts[1]), None)


def values(env: Env, type_: Type, quoted: bool) -> Iterator[Choice]:
    """Yield the values of a type."""
    row = type_.quantity
    if type_.kind == "boolean":
        yield from keywords(() if quoted else ("true", "false"))
    elif row is not None and row.words:
        for word, meaning in zip(row.words, row.meanings or row.words, strict=True):
            yield Choice(word, "value", meaning, explained=word)
    elif type_.kind in ("word", "words") and type_.words in ROWS:
        yield from declared(env, (type_.words,))
        yield from row_names(env, type_.words, quoted, row)
    elif type_.kind == "word":
        for word in vocabulary(type_, env) or ():
            yield Choice(word, "value", type_.words, word if quoted or word.isidentifier() else f'"{word}"', word)


def row_names(env: Env, kind: str, quoted: bool, row: Quantity | None = None) -> Iterator[Choice]:
    """Yield the ids of a kind of row, shipped or declared; in quotes where a plan writes them so."""
    names = [*(vocabulary(Type("word", words=kind, quantity=row), env) or ()), *_aliases(env, kind)]
    for name in names:
        bare = quoted or name.replace("_", "a").isalnum()
        yield Choice(name, "value", kind, name if bare else f'"{name}"', name)


def _aliases(env: Env, kind: str) -> Iterator[str]:
    """Yield the other names of models and formats that plans may use."""
    catalog = env.scope.catalog
    table = catalog.models if kind == "model" else catalog.formats if kind == "format" else None
    if table is not None:
        yield from (str(name) for key in table for name in table.row(key).get("aliases", ()))
    if kind == "model":
        yield from catalog.checkpoints


def declared(env: Env, kinds: tuple[str, ...]) -> Iterator[Choice]:
    """Yield the declarations of some kinds."""
    for name, item in env.scope.declared.items():
        if item.kind in kinds and "(" not in name:
            yield Choice(name, "name", item.doc or f"the {item.kind} that is declared", explained="")


def workloads(env: Env) -> Iterator[Choice]:
    """Yield the plan's workloads."""
    return declared(env, tuple(WORKLOADS))


def lets(env: Env) -> Iterator[Choice]:
    """Yield the plan's `let` values."""
    for name, item in env.scope.let_nodes.items():
        if "(" not in name:
            yield Choice(name, "name", item.doc or "a value of the plan")
