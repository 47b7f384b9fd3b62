"""The types of expressions: numbers in a unit, words of one kind, truths."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from typing import Literal

from planner.language.problem import Value
from planner.language.quantities.quantity import Quantity
from planner.language.schema import BY_KIND, FROM_OFFER
from planner.language.scope import Scope
from planner.record import dataclass
from planner.syntax import tree
from planner.units.canonical import named


@dataclass(frozen=True, slots=True)
class Type:
    """What an expression is. `unit` is a number's; `words` names the kind of a word; `quantity` is where it is from.

    `words` is `gpu`, `format`, `model`, `offer`, `engine`, `text`, or the name of a quantity or field with words.
    """

    kind: Literal["number", "word", "boolean", "words"]
    unit: str | None = None
    words: str = "text"
    quantity: Quantity | None = None

    def __str__(self) -> str:
        """Return how messages speak of it: `bytes`, `a gpu`, `true or false`."""
        match self.kind:
            case "number":
                return named(self.unit)
            case "boolean":
                return "true or false"
        if self.words == "text":
            return "a text"
        return f"{'an' if self.words[0] in 'aeio' else 'a'} {self.words.replace('_', ' ')}"


BOOLEAN = Type("boolean")
PLAIN = Type("number")
TEXT = Type("word")
ROWS = ("gpu", "format", "model", "offer", "engine", "framework")


@dataclass(frozen=True, slots=True)
class Typed:
    """A lowered expression and its type."""

    node: tree.Expression
    type: Type


@dataclass(frozen=True, slots=True)
class Env:
    """What names mean where an expression stands: workloads, loop variables, fields of a row, facts of a model.

    `copies` are how many workloads a block stands for, where these are several.
    """

    scope: Scope
    workloads: Mapping[str, str] = field(default_factory=dict)
    loop: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, Type] = field(default_factory=dict)
    words: Mapping[str, frozenset[str]] = field(default_factory=dict)
    facts: Mapping[str, Typed] = field(default_factory=dict)
    fleet: bool = True
    copies: Mapping[str, int] = field(default_factory=dict)
    members: Callable[[Quantity, tree.Expression, Env], tuple[Value, ...] | None] | None = None
    """Reads the set of values that a condition filters."""


def type_of(quantity: Quantity) -> Type:
    """Return the type of a quantity's values."""
    match quantity.type:
        case "number":
            return Type("number", quantity.unit, quantity=quantity)
        case "boolean":
            return Type("boolean", quantity=quantity)
        case "word":
            return Type("word", words=quantity.name, quantity=quantity)
        case "words" | "set":
            return Type("words", words=quantity.name, quantity=quantity)
        case "text":
            words = quantity.name if quantity.name in FROM_OFFER else "text"
            return Type("word", words=words, quantity=quantity)
    return Type("word", words=quantity.type, quantity=quantity)


def vocabulary(type_: Type, env: Env) -> list[str] | None:
    """Return every word a type has, None where any text will do."""
    scope, words, quantity = env.scope, type_.words, type_.quantity
    if words in env.words:
        return sorted(env.words[words])
    if words == "format" and quantity is not None:
        return formats_for(scope, quantity.name)
    if words in ROWS:
        return list(scope.every(words))
    if words in FROM_OFFER and quantity is not None and quantity.kinds == ("offer",):
        return None  # an offer of one's own may be of anybody, anywhere
    if words in FROM_OFFER:
        own = (getattr(offer, words) for offer in scope.offers.values())
        return sorted({*scope.catalog.offers.column(words), *own})  # as a column: no shipped row is built for it
    if words == "kind":
        return list(BY_KIND)
    if words == "workload":
        return sorted(env.workloads)
    if quantity is not None and quantity.words:
        return list(quantity.words)
    return None


def formats_for(scope: Scope, quantity: str) -> list[str]:
    """Return the formats a quantity can have; all of them where the catalog does not say."""
    kept = scope.suited.get(quantity)
    if kept is None:
        every, shipped = scope.every("format"), scope.catalog.formats
        roles = dict(zip(shipped, shipped.column("roles"), strict=True)) | {
            name: row.roles for name, row in scope.formats.items()
        }
        kept = [name for name in every if quantity in (roles[name] or ())] or list(every)
        scope.suited[quantity] = kept
    return kept


def same_words(left: Type, right: Type, env: Env) -> bool:
    """Return whether words of two types can be equal at all."""
    if left.words == right.words:
        return True
    mine, yours = vocabulary(left, env), vocabulary(right, env)
    return mine is None or yours is None or not set(mine).isdisjoint(yours)


def known_names(env: Env) -> Iterable[str]:
    """Return the names that can begin an expression here, for a did-you-mean."""
    fleet = ("fleet",) if env.fleet and env.workloads else ()
    return [*env.fields, *env.facts, *env.loop, *env.workloads, *env.scope.let_nodes, *env.scope.lets, *fleet]
