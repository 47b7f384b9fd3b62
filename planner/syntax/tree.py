"""The tree of a plan file: small frozen records, every one with its span."""

from __future__ import annotations

from dataclasses import field
from fractions import Fraction
from typing import TypeAlias

from planner.diagnostics import Span
from planner.record import dataclass


@dataclass(frozen=True, slots=True)
class Name:
    """A dotted name: `chat.replicas` is ("chat", "replicas")."""

    parts: tuple[str, ...]
    span: Span

    @property
    def text(self) -> str:
        """The name as it is written."""
        return ".".join(self.parts)


@dataclass(frozen=True, slots=True)
class Number:
    """A literal: `8Ki tokens` is 8192 "tokens"; `$40/h` is 40 "USD/h"; `99%` is 99 "%"."""

    value: Fraction
    unit: str | None
    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class String:
    """A quoted string, without its quotes."""

    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Boolean:
    """`true` or `false`."""

    value: bool
    span: Span


@dataclass(frozen=True, slots=True)
class AnyOf:
    """The word `any`: everything the quantity can be."""

    span: Span


@dataclass(frozen=True, slots=True)
class SetOf:
    """`{a, b}`."""

    items: tuple[Expression, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Range:
    """`1..8` or `8..64 step 8`, both ends included."""

    low: Expression
    high: Expression
    step: Expression | None
    span: Span


@dataclass(frozen=True, slots=True)
class Filter:
    """`any where memory >= 40 GiB`."""

    source: Expression
    condition: Expression
    span: Span


@dataclass(frozen=True, slots=True)
class Unary:
    """`-x` or `not x`."""

    operator: str
    operand: Expression
    span: Span


@dataclass(frozen=True, slots=True)
class Binary:
    """Arithmetic, comparison, `and`, `or`, `in`."""

    operator: str
    left: Expression
    right: Expression
    span: Span


@dataclass(frozen=True, slots=True)
class Conditional:
    """`if c then a else b`."""

    condition: Expression
    then: Expression
    otherwise: Expression
    span: Span


@dataclass(frozen=True, slots=True)
class Call:
    """`config("path")`, `min(a, b)`."""

    function: str
    arguments: tuple[Expression, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Comprehension:
    """`sum(w.cost for w in workloads where …)`."""

    function: str
    body: Expression
    variable: str
    source: Expression
    condition: Expression | None
    span: Span


Expression: TypeAlias = (
    Name
    | Number
    | String
    | Boolean
    | AnyOf
    | SetOf
    | Range
    | Filter
    | Unary
    | Binary
    | Conditional
    | Call
    | Comprehension
)


@dataclass(frozen=True, slots=True)
class Relation:
    """One line of a block: `weights in {bf16, fp8} per layer`. `operator` is one of = in <= >= < > !=."""

    target: Name
    operator: str
    value: Expression
    per_layer: bool
    because: str | None
    span: Span


@dataclass(frozen=True, slots=True)
class Edition:
    """`edition 2026`."""

    year: int
    span: Span


@dataclass(frozen=True, slots=True)
class Import:
    """`import "a.mem" as a` or `import {x, y} from "a.mem"`."""

    path: str
    alias: str | None
    names: tuple[str, ...]
    span: Span
    path_span: Span


@dataclass(frozen=True, slots=True)
class Let:
    """`let budget = $40/h`."""

    name: str
    value: Expression
    span: Span
    name_span: Span
    doc: str | None = None


@dataclass(frozen=True, slots=True)
class Declaration:
    """`inference chat like base { … }`, `model x = config("…")`, `fleet { … }` (whose name is "fleet")."""

    kind: str
    name: str
    base: Name | String | None
    value: Expression | None
    body: tuple[Relation, ...]
    span: Span
    kind_span: Span
    name_span: Span
    doc: str | None = None


@dataclass(frozen=True, slots=True)
class Require:
    """`require spare: chat.replicas >= 2 because "…"`."""

    name: str | None
    condition: Expression
    because: str | None
    span: Span
    doc: str | None = None


@dataclass(frozen=True, slots=True)
class Prefer:
    """`prefer quality: chat.weights == bf16 worth $150/month`."""

    name: str | None
    condition: Expression
    worth: Expression
    because: str | None
    span: Span
    doc: str | None = None


@dataclass(frozen=True, slots=True)
class Objective:
    """One part of `minimize cost then maximize headroom`; `direction` is minimize or maximize."""

    direction: str
    value: Expression
    span: Span


@dataclass(frozen=True, slots=True)
class Optimize:
    """A whole objective statement, most important part first."""

    parts: tuple[Objective, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Drop:
    """`drop spare` in a test."""

    name: Name
    span: Span


@dataclass(frozen=True, slots=True)
class Expect:
    """`expect CONDITION`, or `expect infeasible by chat.tpot` (condition None, blamed the name)."""

    condition: Expression | None
    infeasible: bool
    blamed: Name | None
    span: Span


@dataclass(frozen=True, slots=True)
class Test:
    """`test "name" { … }`."""

    __test__ = False
    name: str
    items: tuple[Relation | Drop | Expect, ...]
    span: Span
    doc: str | None = None


Item: TypeAlias = Edition | Import | Let | Declaration | Require | Prefer | Optimize | Test


@dataclass(frozen=True, slots=True)
class File:
    """A whole plan file. What could not be read is missing from `items` and has its diagnostic.

    `unread` are the names that missing declarations, rules and imports were to bring; "" stands for any name.
    """

    path: str
    text: str
    items: tuple[Item, ...]
    comments: tuple[tuple[Span, str], ...] = field(default=())
    unread: frozenset[str] = frozenset()
