"""What a name or a text means where it stands: a workload's quantity, a `let`, a field of a row, or a word."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Literal

from planner.catalog.records import Format
from planner.language import unmodelled
from planner.language.copies import block_of, each_of
from planner.language.declared.fields import FIELDS_BY_KIND
from planner.language.expressions.comprehend import has_room, more_of
from planner.language.expressions.types import (
    ROWS,
    TEXT,
    Env,
    Type,
    Typed,
    formats_for,
    known_names,
    type_of,
    vocabulary,
)
from planner.language.schema import BY_KIND
from planner.language.scope import SHOWN, Scope, choices, near
from planner.language.synonyms import OTHER_WORDS, meant
from planner.syntax import tree

Refused = Literal["refused"]
REFUSED: Refused = "refused"


def bare(node: tree.Expression, env: Env) -> bool:
    """Return whether a node is a text, or a name that nothing declares: a word only its other side explains."""
    if isinstance(node, tree.String):
        return True
    if not isinstance(node, tree.Name):
        return False
    first, text = node.parts[0], node.text
    if first in env.loop or first in env.fields or text in env.facts or text in env.scope.let_nodes:
        return False
    return not (_workload(node, env) or text in env.workloads or (first == "fleet" and len(node.parts) > 1))


def _workload(node: tree.Name, env: Env) -> str | None:
    owner = ".".join(node.parts[:-1])
    return owner if owner in env.workloads else None


def bind(node: tree.Name, env: Env) -> Typed | Refused | None:
    """Return what a name is bound to; None where it is a bare word; "refused" after a finding."""
    first, scope = node.parts[0], env.scope
    if first in env.loop:
        return _loop(node, env)
    if first in env.fields:
        return _field(node, env)
    if node.text in env.facts:
        return env.facts[node.text]
    if node.text in scope.let_nodes:
        return _let(node, env)
    owner = _workload(node, env)
    if owner is not None:
        return quantity(owner, node.parts[-1], node, env)
    if node.text in env.workloads:
        return Typed(tree.String(node.text, node.span), Type("word", words="workload"))
    if first == "fleet" and len(node.parts) > 1 and env.fleet:
        return _fleet(node, env)
    return None


def _let(node: tree.Name, env: Env) -> Typed | Refused:
    value = env.scope.lets.get(node.text)
    if value is None:
        return REFUSED  # its own mistake is noted where it is declared
    if isinstance(value.value, bool):
        return Typed(tree.Boolean(value.value, node.span), Type("boolean"))
    if isinstance(value.value, str):
        return Typed(tree.String(value.value, node.span), TEXT)
    return Typed(tree.Number(value.value, value.unit, node.text, node.span), Type("number", value.unit))


def _loop(node: tree.Name, env: Env) -> Typed | Refused:
    owner = env.loop[node.parts[0]]
    if len(node.parts) == 1:
        return Typed(tree.String(block_of(owner), node.span), Type("word", words="workload"))
    if len(node.parts) > 2:
        env.scope.error(
            "E0303", f"`{node.text}` has a part too many", node.span, help=f"write {'.'.join(node.parts[:2])}"
        )
        return REFUSED
    return quantity(owner, node.parts[1], node, env)


def quantity(owner: str, name: str, node: tree.Name, env: Env) -> Typed | Refused:
    """Return a quantity of a workload, its `kind` or its `name`; "refused" after a finding."""
    block = block_of(owner)
    kind = env.workloads[block]
    table = BY_KIND[kind]
    row = table.get(name)
    if row is None and name == "kind":
        return Typed(tree.String(kind, node.span), Type("word", words="kind"))
    if row is None and name == "name":
        return Typed(tree.String(block, node.span), Type("word", words="workload"))
    if row is None:
        others = [other for other in BY_KIND if name in BY_KIND[other]]
        looped = node.parts[0] in env.loop
        reason = f"`{block}` is {kind}: it has no `{name}`" if others else f"`{block}` has no `{name}`"
        help = near(meant(name, kind)[0] or name, table)
        if others and looped:
            help = f"add `where {node.parts[0]}.kind == {others[0]}`"
        env.scope.error("E0303", reason, node.span, help=help)
        return REFUSED
    type_ = type_of(row)
    if type_.kind == "words":
        type_ = replace(type_, kind="word")
    return Typed(tree.Name((owner, name), node.span), type_)


def _fleet(node: tree.Name, env: Env) -> Typed | Refused:
    name = node.parts[1]
    row = FIELDS_BY_KIND["fleet"].get(name)
    if row is None or len(node.parts) > 2 or name == "available":
        known = [key for key in FIELDS_BY_KIND["fleet"] if key != "available"]
        env.scope.error("E0303", f"a fleet has no `{'.'.join(node.parts[1:])}`", node.span, help=choices(name, known))
        return REFUSED
    blocks = [key for key, kind in sorted(env.workloads.items()) if name in BY_KIND[kind]]
    if env.copies and not has_room(len(blocks) + more_of(env), node, env):
        return REFUSED
    owners = [one for block in blocks for one in each_of(block, env.copies.get(block, 1))]
    items = tuple(tree.Name((key, name), node.span) for key in owners)
    if not items:
        return Typed(tree.Number(Fraction(0), row.unit, "0", node.span), type_of(row))
    return Typed(tree.Call("sum", items, node.span), replace(type_of(row), quantity=None))


def _field(node: tree.Name, env: Env) -> Typed | Refused:
    name, type_ = node.parts[0], env.fields[node.parts[0]]
    rest = node.parts[1:]
    if name == "peak":
        number_format = env.scope.find("format", tree.Name(rest, node.span)) if rest else None
        if not rest:
            env.scope.error("E0303", "`peak` is one of a format", node.span, help="peak.bf16")
        return (
            Typed(tree.Name(("peak", number_format.id), node.span), type_)
            if isinstance(number_format, Format)
            else REFUSED
        )
    if rest:
        env.scope.error("E0303", f"`{name}` has no `{'.'.join(rest)}`", node.span, help=f"write `{name}` alone")
        return REFUSED
    return Typed(tree.Name((name, ""), node.span), type_)


def word(node: tree.Expression, env: Env, expected: Type | None) -> Typed | None:
    """Return a bare word or text as a word of the expected type, or None after a finding."""
    scope = env.scope
    text = scope.spelled(node)
    if text is None:
        what = expected or TEXT
        scope.error("E0402", f"{what} stands here, not {describe(node, env)}", node.span, help=sample(what, env))
        return None
    if expected is None or expected.kind in ("number", "boolean"):
        if isinstance(node, tree.String):
            return Typed(node, TEXT)
        assert isinstance(node, tree.Name)
        _unknown(node, env, expected)
        return None
    if expected.words in ("gpu", "format", "model", "offer"):
        return _row(node, expected, env)
    known = vocabulary(expected, env)
    if known is not None and text not in known and expected.quantity is not None:
        text = OTHER_WORDS.get(expected.quantity.name, {}).get(text, text)
    if known is not None and text not in known:
        spoken = expected.quantity.name if expected.quantity else expected.words
        if (row := unmodelled.word(spoken, text)) is not None:
            scope.error("E0405", row.reason, node.span, help=row.way_out)
            return None
        help = _instead(expected.words, text, known, scope) or choices(text, known) or sample(expected, env)
        message = f"`{spoken}` cannot be `{text}`"
        if expected.words == "region":
            message += ": no offer is there"
        scope.error("E0301", message, node.span, help=help)
        return None
    return Typed(tree.String(text, node.span), expected)


def _instead(words: str, text: str, candidates: list[str], scope: Scope) -> str | None:
    """Return a help line for a word that is near to no other by its letters: a region, a trainer."""
    if words == "region" and candidates:
        continent = {"eu": ("EU",), "ap": ("AS",), "us": ("US", "NA"), "ca": ("CA",)}.get(text[:2].casefold(), ())
        own = [
            name for name in candidates if name.casefold().startswith(text[:3].casefold()) or name.endswith(continent)
        ]
        rest = [name for name in candidates if name not in own]
        said = ", ".join(written(name) for name in (own or rest)[:SHOWN])
        return f"available{' there' if own else ''}: {said}; `planner catalog list offers` shows them all"
    if words == "framework":
        row = scope.catalog.find_framework(text)
        if row is not None and not isinstance(row, tuple):
            of = f"{row.name} is not modelled: {row.unmodelled}" if row.unmodelled else f"{text} runs on {row.id}"
            return f"{of}; the nearest is framework = {row.instead}" if row.instead else f"{of}: framework = {row.id}"
    return None


def written(name: str) -> str:
    """Return a name as a plan writes it."""
    return name if name.isidentifier() else f'"{name}"'


SAMPLES = {"gpu": "l40s", "format": "bf16", "model": '"meta-llama/Llama-3.1-8B"', "engine": "vllm", "offer": '"…/…/…"'}


def sample(expected: Type, env: Env) -> str | None:
    """Return a help line for what should stand somewhere: all words where they are few, else one of them."""
    if expected.kind == "number":
        return "write a number with its unit"
    known = vocabulary(expected, env) if expected.kind == "word" else None
    few = choices("", known) if known else None
    return few or (f"an id like {SAMPLES[expected.words]}" if expected.words in SAMPLES else 'a text in `"`')


def describe(node: tree.Expression, env: Env) -> str:
    """Return what a value is, for a message that says what should stand there instead."""
    match node:
        case tree.Number():
            from planner.units.canonical import canonical, named
            from planner.units.quantity import DATE, UNITS

            return named(canonical(node.value, node.unit)[1]) if node.unit in (None, DATE, *UNITS) else node.text
        case tree.Boolean():
            return "true or false"
        case tree.SetOf() | tree.Range() | tree.AnyOf() | tree.Filter():
            return "a set"
        case tree.String():
            return "a text"
        case tree.Name():
            measure = env.scope.lets.get(node.text)
            return f"`{node.text}`" if measure is None or isinstance(measure.value, str) else "a number"
    return "a calculation"


def _row(node: tree.Expression, expected: Type, env: Env) -> Typed | None:
    row = env.scope.find(expected.words, node)
    if row is None:
        return None
    quantity = expected.quantity
    if isinstance(row, Format) and quantity is not None and row.id not in formats_for(env.scope, quantity.name):
        known = formats_for(env.scope, quantity.name)
        help = f"it can be {', '.join(known)}" if len(known) <= 6 else "an id like bf16"
        env.scope.error("E0402", f"`{row.id}` is not a {quantity.name} format", node.span, help=help)
        return None
    return Typed(tree.String(row.id, node.span), expected)


def _unknown(node: tree.Name, env: Env, expected: Type | None = None) -> None:
    scope = env.scope
    owner = ".".join(node.parts[:-1])
    if owner in scope.kinds and owner not in env.workloads:
        scope.error(
            "E0405",
            f"`{node.text}` is known only after solving: a value given in advance cannot read it",
            node.span,
            help="relate the two in a `require`",
        )
        return
    kind = next((kind for kind in ROWS[:3] if node.text in scope.every(kind)), None)
    if expected is not None and expected.quantity is not None and (kind is not None or not owner):
        close = near(node.text, known_names(env))
        what = f"`{node.text}` is a {kind}" if kind else f"`{node.text}` is not known here"
        takes = "a number" if expected.kind == "number" else "true or false"
        scope.error(
            "E0402" if kind else "E0301",
            what if not kind else f"`{expected.quantity.name}` takes {takes}, and {what}",
            node.span,
            help=close or f"`{expected.quantity.name}` takes {takes}",
        )
        return
    if kind is not None:
        scope.error(
            "E0402",
            f"`{node.text}` is a {kind}, and nothing here says so",
            node.span,
            help=f'compare a quantity with it, or write it as a text: "{node.text}"',
        )
        return
    help = near(owner, env.workloads) if owner else near(node.text, known_names(env))
    scope.error("E0301", f"`{node.text}` is not known here", node.span, help=help or "declare it with `let`")
