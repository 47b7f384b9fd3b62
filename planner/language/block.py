"""What a workload's block says, while it is read."""

from __future__ import annotations

from dataclasses import field

from planner.catalog.records import Model
from planner.diagnostics import Span
from planner.language.expressions.types import Env
from planner.language.problem import Bound, Bucket, Value
from planner.record import dataclass


@dataclass(slots=True)
class Block:
    """What is given, offered and bounded so far; `spans` say where, and `settings` with which operator."""

    name: str
    kind: str
    env: Env
    model: Model | None = None
    written: str = ""
    draft: Model | None = None
    given: dict[str, Value] = field(default_factory=dict)
    domains: dict[str, tuple[Value, ...]] = field(default_factory=dict)
    spans: dict[str, Span] = field(default_factory=dict)
    settings: dict[str, tuple[str, Span]] = field(default_factory=dict)
    bounds: list[Bound] = field(default_factory=list)
    per_layer: set[str] = field(default_factory=set)
    traffic: tuple[Bucket, ...] = ()
