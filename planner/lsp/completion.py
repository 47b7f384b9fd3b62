"""What can be typed at a place of a plan: from the schema, the catalogs, and what the plan declares."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from planner.language.declared.fields import FIELDS_BY_KIND
from planner.language.expressions.lower import FUNCTIONS
from planner.language.expressions.types import ROWS, Env, type_of
from planner.language.quantities.quantity import Quantity
from planner.language.schema import BY_KIND, DECLARATIONS, QUANTITIES, WORKLOADS
from planner.lsp.analysis import Analysis
from planner.lsp.cursor import Cursor, chain, cursor, name_before
from planner.lsp.values import (
    COMPARED,
    ENDED,
    Choice,
    condition,
    declared,
    keywords,
    lets,
    quantity_of,
    row_names,
    rows_of,
    settings,
    units,
    values,
    workloads,
)
from planner.syntax import tree
from planner.syntax.tokens import STARTERS
from planner.syntax.words import WORDS

FILES = (".mem", ".yaml", ".yml")
_IN_TESTS = ("drop", "expect")
FACTS = ("layers", "hidden", "vocab", "max_context", "parameters")
"""What the lines of a block may read of its model (planner.language.workload.facts)."""
_BEHIND: dict[str, tuple[str, ...]] = {
    "REQUIRE": ("and", "or", "in", "because"),
    "PREFER": ("and", "or", "in", "worth", "because"),
    "MINIMIZE": ("then",),
    "MAXIMIZE": ("then",),
    "EXPECT": ("and", "or", "in", "by"),
}
"""The words that can follow a value, by the word that begins the statement."""


def completions(analysis: Analysis, offset: int) -> tuple[int, list[Choice]]:
    """Return where the word under an offset begins, and what can stand there; nothing where anything can."""
    at = cursor(analysis.text, offset)
    if at is None:
        return offset, []
    choices: Iterable[Choice]
    if at.quoted:
        choices = _quoted(analysis, at)
    elif at.kind == "test":
        choices = _of_test(analysis, at)
    elif at.head:
        choices = _of_block(analysis, at)
    else:
        choices = _at_the_top(analysis, at)
    kept: dict[str, Choice] = {}
    for item in choices:
        kept.setdefault(item.label, item)
    return at.start, list(kept.values())


def _at_the_top(analysis: Analysis, at: Cursor) -> Iterator[Choice]:
    types = at.types
    if not at.before:
        yield from keywords(word for word in WORDS if word in STARTERS and word not in _IN_TESTS)
        for kind in sorted(DECLARATIONS):
            yield Choice(kind, "keyword", f"declares {'an' if kind[0] in 'aeio' else 'a'} {kind}", explained=kind)
    elif types == ("IMPORT", "LBRACE") or (types[0] == "IMPORT" and types[-1] == "COMMA"):
        return
    elif types == ("NAME", "NAME"):
        yield from keywords(("like",))
    elif types == ("NAME", "NAME", "LIKE"):
        kind = at.before[0].text
        yield from declared(analysis.env, (kind,))
        if kind in ROWS:
            yield from row_names(analysis.env, kind, quoted=False)
    elif types == ("NAME", "NAME", "EQUAL"):
        if at.before[0].text == "model":
            for word, doc in (("config", "a config.json"), ("checkpoint", "a safetensors or GGUF file")):
                yield Choice(word, "function", f"reads a model from {doc}", f"{word}(")
    elif types[0] in ("MINIMIZE", "MAXIMIZE") and types[-1] == "THEN":
        yield from keywords(("minimize", "maximize"))
    elif types[-1] in ("MINIMIZE", "MAXIMIZE"):
        yield from settings(row for row in QUANTITIES if row.role == "outcome" and row.goal)
        yield from _names(analysis.env)
    elif types[0] not in ("EDITION", "IMPORT", "TEST"):
        yield from _expression(analysis, at, _BEHIND.get(types[0], ("and", "or")))
    elif types == ("IMPORT", "STRING"):
        yield Choice("as", "keyword", "names what is imported: `as house`")
    elif types[:2] == ("IMPORT", "LBRACE") and types[-1] == "RBRACE":
        yield Choice("from", "keyword", "the file that declares the names")


def _of_test(analysis: Analysis, at: Cursor) -> Iterator[Choice]:
    env = analysis.env
    if not at.before:
        yield from keywords(_IN_TESTS)
        yield from workloads(env)
        yield from lets(env)
    elif at.types[-1] in ("DROP", "BY"):
        yield from _rules(analysis)
        yield from workloads(env)
        yield Choice("fleet", "name", "all workloads together", explained="fleet")
    elif at.types[0] == "EXPECT":
        if len(at.before) == 1:
            yield Choice("infeasible", "keyword", "nothing fits the changed plan")
        yield from _expression(analysis, at, _BEHIND["EXPECT"])
    elif at.relation is None:
        yield from _parts(env, at)
    else:
        row = quantity_of(env, name_before(at.before[: at.relation]))
        yield from _value(analysis, at, row)


def _of_block(analysis: Analysis, at: Cursor) -> Iterator[Choice]:
    rows, place = rows_of(at.kind), at.relation
    if not at.before:
        stated = _stated(analysis, at)
        yield from settings(row for row in rows.values() if row.name not in stated or row.role != "given")
    elif place is None:
        first = at.before[0].text
        if at.types[-1] == "DOT":  # `peak.bf16`, `available.l4`
            kind = {"peak": "format", "available": "gpu"}.get(first, "")
            yield from row_names(analysis.env, kind, quoted=False) if kind else ()
        elif first in rows and (rows[first].role == "decision" or first == "model"):
            yield from keywords(("in",))
    else:
        yield from _value(analysis, at, rows.get(at.before[0].text))


def _stated(analysis: Analysis, at: Cursor) -> set[str]:
    """Return what the block around a place fixes or offers already."""
    start = at.head[0].span.start
    block = next((item for item in analysis.own.items if item.span.start == start), None)
    if not isinstance(block, tree.Declaration):
        return set()
    lines = (line for line in block.body if not line.span.start <= at.start <= line.target.span.end)
    return {line.target.text for line in lines if line.operator in ("=", "in")}


def _value(analysis: Analysis, at: Cursor, row: Quantity | None) -> Iterator[Choice]:
    """Yield what can stand behind the operator of a relation: values, units behind a number, words behind a value."""
    assert at.relation is not None
    behind, env = at.before[at.relation + 1 :], analysis.env
    types = [token.type for token in behind]
    if "WHERE" in types and row is not None:
        yield from condition(env, row.type, behind[types.index("WHERE") + 1 :])
        return
    if types and types[-1] == "DOT":
        yield from _parts(env, at)
        return
    if types and types[-1] in ENDED:
        yield from units(behind[-1], row)
        yield from keywords(_behind_a_value(types, row is not None and row.per_layer and at.types[at.relation] == "IN"))
        return
    if types and types[-1] == "PER":
        yield Choice("layer", "keyword", "each layer chooses for itself")
        return
    if row is not None and row.name == "traffic":
        yield Choice("csv", "function", "reads request sizes and rates from a file", "csv(")
        return
    if row is not None:
        yield from values(env, type_of(row), quoted=False)
    if at.types[at.relation] == "IN" and (not types or types[-1] in ("LBRACE", "COMMA")):
        yield from keywords(("any",))
    yield from lets(env)
    if types and types[-1] not in ("LBRACE", "COMMA"):  # arithmetic: what lines may read of the block's model
        yield from (Choice(name, "name", "of the block's model") for name in FACTS)


def _behind_a_value(types: list[str], layered: bool) -> Iterator[str]:
    """Yield the words that can follow a value in the relation of a block."""
    if types[-1] == "ANY":
        yield "where"
    if "DOTS" in types and "STEP" not in types:
        yield "step"
    if types.count("LBRACE") == types.count("RBRACE"):
        yield "because"
        if layered and "PER" not in types:
            yield "per"


def _expression(analysis: Analysis, at: Cursor, behind: tuple[str, ...]) -> Iterator[Choice]:
    """Yield what can stand in a condition or a sum: names, values of what is compared, and words behind a value."""
    env, types = analysis.env, at.types
    last = types[-1]
    compared = [index for index, kind in enumerate(types) if kind in COMPARED]
    if last == "DOT":
        yield from _parts(env, at)
    elif compared and (last in COMPARED or (last in ("LBRACE", "COMMA") and types[compared[-1]] == "IN")):
        yield from _compared(env, at, compared[-1])
    elif "ANY" in types and "WHERE" in types[types.index("ANY") :]:  # `chat.gpu in any where …`
        place = max(index for index, kind in enumerate(types) if kind == "WHERE")
        row = quantity_of(env, name_before(at.before[: types.index("IN")])) if "IN" in types else None
        yield from condition(env, row.type if row is not None else "", at.before[place + 1 :])
    elif last in ENDED:
        if compared:
            yield from units(at.before[-1], quantity_of(env, name_before(at.before[: compared[-1]])))
        inside = types.count("LPAR") > types.count("RPAR")
        yield from keywords((*behind, *(("where" if "FOR" in types else "for",) if inside else ())))
        yield from keywords(("where",) if last == "ANY" else ())
        yield from keywords(("then" if "THEN" not in types else "else",) if "IF" in types else ())
    else:
        yield from _names(env)
        loops = (at.before[index + 1].text for index, kind in enumerate(types[:-1]) if kind == "FOR")
        yield from (Choice(name, "name", "the workload that is gone over") for name in loops)


def _compared(env: Env, at: Cursor, place: int) -> Iterator[Choice]:
    """Yield what can stand behind a comparison or `in`: values of the quantity before it, or names."""
    if at.types[place - 2 : place] == ("FOR", "NAME"):
        yield Choice("workloads", "name", "all workloads of the plan")
        yield from workloads(env)
        return
    name = name_before(at.before[:place])
    row = quantity_of(env, name)
    if row is not None:
        yield from values(env, type_of(row), quoted=False)
        yield from keywords(("any",) if at.types[place] == "IN" else ())
    if name[-1:] == ("kind",):
        yield from (Choice(kind, "value", "a kind of workload", explained=kind) for kind in BY_KIND)
    yield from _names(env)


def _names(env: Env) -> Iterator[Choice]:
    """Yield the names that an expression can begin with."""
    yield from workloads(env)
    if env.workloads:
        yield Choice("fleet", "name", "all workloads together", explained="fleet")
    yield from lets(env)
    yield from (Choice(name, "function", f"{name}(… for w in workloads)", f"{name}(") for name in FUNCTIONS)
    yield from keywords(("not", "if", "true", "false"))


def _parts(env: Env, at: Cursor) -> Iterator[Choice]:
    """Yield what can follow the dot of a name: quantities of a workload, fields of the fleet, names under an alias."""
    parts = chain(at.before)
    owner = ".".join(parts)
    if owner in env.workloads:
        yield from settings(BY_KIND[env.workloads[owner]].values())
    elif owner == "fleet":
        yield from settings(FIELDS_BY_KIND["fleet"].values())
    else:
        under = [name for name in (*env.scope.declared, *env.scope.let_nodes) if name.startswith(f"{owner}.")]
        yield from (Choice(name.removeprefix(f"{owner}."), "name") for name in under)
        if not under and len(parts) == 1 and owner not in env.scope.declared:  # a variable of a comprehension
            yield from settings(QUANTITIES)
            yield from (Choice(word, "quantity", f"the {word} of a workload") for word in ("kind", "name"))


def _rules(analysis: Analysis) -> Iterator[Choice]:
    """Yield what a test can drop, or expect in the way: named rules, and bounds of blocks."""
    for item in analysis.loaded.file.items if analysis.loaded.file is not None else ():
        if isinstance(item, tree.Require | tree.Prefer) and item.name:
            yield Choice(item.name, "name", item.because or "a rule")
        elif isinstance(item, tree.Declaration) and item.kind in (*WORKLOADS, "fleet"):
            names = (f"{item.name}.{line.target.text}" for line in item.body if line.operator not in ("=", "in"))
            yield from (Choice(name, "name", "a bound") for name in names)


READ = {"config": (".json",), "checkpoint": (".json", ".safetensors", ".gguf"), "csv": (".csv",)}
"""The endings of the files that each call reads."""


def _quoted(analysis: Analysis, at: Cursor) -> Iterator[Choice]:
    """Yield what can stand in quotes: files of an import or a model, ids of models and offers."""
    types = at.types
    calls = at.before[-2].text if types[-2:] == ("NAME", "LPAR") else ""
    if types[:1] == ("IMPORT",):
        yield from _paths(analysis, at, FILES)
    elif calls in READ:
        yield from _paths(analysis, at, READ[calls])
    elif types == ("NAME", "NAME", "LIKE"):
        yield from row_names(analysis.env, at.before[0].text, quoted=True)
    elif at.kind and at.relation is not None and at.types[-1] in ("EQUAL", "LBRACE", "COMMA", "NE"):
        target = name_before(at.before[: at.relation])
        of_test = at.kind == "test"
        row = quantity_of(analysis.env, target) if of_test else rows_of(at.kind).get("".join(target[:1]))
        yield from values(analysis.env, type_of(row), quoted=True) if row is not None else ()
    elif types and types[-1] in COMPARED:
        row = quantity_of(analysis.env, name_before(at.before[:-1]))
        yield from values(analysis.env, type_of(row), quoted=True) if row is not None else ()


def _paths(analysis: Analysis, at: Cursor, endings: tuple[str, ...]) -> Iterator[Choice]:
    """Yield the files and folders beside the plan, below the folder that is typed."""
    folder, slash, _ = at.word.rpartition("/")
    place = os.path.join(os.path.dirname(analysis.path), folder or ("/" if slash else "."))
    try:
        entries = sorted(os.scandir(place), key=lambda entry: entry.name)
    except (OSError, ValueError):
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir() or entry.name.endswith(endings):
            name = f"{folder}{slash}{entry.name}{'/' if entry.is_dir() else ''}"
            yield Choice(name, "file")
