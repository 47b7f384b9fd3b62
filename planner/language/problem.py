"""A resolved plan: typed, exact, every name bound to a catalog row; what the solver reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from fractions import Fraction
from typing import TYPE_CHECKING

from planner.catalog.offers import Offers
from planner.catalog.records import Format, Gpu, Model, Recovery
from planner.diagnostics import Span
from planner.record import dataclass
from planner.syntax.tree import Expression

if TYPE_CHECKING:
    from planner.catalog.programs.engines import Engine
    from planner.catalog.programs.frameworks import Framework

Value = Fraction | str | bool


@dataclass(frozen=True, slots=True)
class Measure:
    """A value and the canonical unit it is in: "bytes", "s", "USD", "USD/h", "tokens", … or None."""

    value: Value
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class Bound:
    """One hard relation on a quantity of a workload: `rule` is `block.quantity` or a `require`'s name.

    With `unknown` it also holds where nobody knows the quantity: `quality >= 99% or unknown`.
    """

    rule: str
    quantity: str
    operator: str
    value: Value
    span: Span
    because: str | None = None
    unknown: bool = False


@dataclass(frozen=True, slots=True)
class Bucket:
    """Requests of similar size: the longest `prompt` and `output` of any, the most tokens of one (`context`), and their
    `rate` in requests per second. Of them a part of a mix serves so many `slices` of SLICES."""

    prompt: int
    output: int
    context: int
    rate: Fraction
    slices: int = 8


SLICES = 8
"""A bucket's rate is divided among the configurations of a mix in eighths."""


@dataclass(frozen=True, slots=True)
class Workload:
    """An inference or training block. `domains` are the values each decision may take, where the plan says.

    `given` has the defaults of what the plan does not mention too (planner.language.defaults); `spans` has the places
    of what it does. `per_layer` names the decisions that each layer makes for itself; `written` is the model as the
    plan names it: a fine-tune where `model` is the row it shares, the call where a file was read; `draft` is the row of
    its `draft_model`. `copies` are the identical workloads of the block that this one stands for
    (planner.language.copies). `traffic` are its requests by size, where the plan names a file of them: of a part of a
    mix those that it serves.
    """

    name: str
    kind: str
    model: Model
    given: dict[str, Value]
    domains: dict[str, tuple[Value, ...]]
    spans: dict[str, Span]
    bounds: tuple[Bound, ...]
    span: Span
    doc: str | None = None
    per_layer: frozenset[str] = frozenset()
    written: str = ""
    draft: Model | None = None
    sets: Mapping[str, Value] = field(default_factory=dict)
    copies: int = 1
    traffic: tuple[Bucket, ...] = ()

    @property
    def said(self) -> frozenset[str]:
        """The quantities that the plan itself mentions."""
        return frozenset(self.spans)


@dataclass(frozen=True, slots=True)
class Rule:
    """A `require`: a lowered expression over quantities of workloads (expressions/evaluate.py reads it)."""

    name: str
    condition: Expression
    span: Span
    because: str | None


@dataclass(frozen=True, slots=True)
class Preference:
    """A `prefer`: what breaking it costs, in micro-dollars per hour."""

    name: str
    condition: Expression
    worth: int
    span: Span


@dataclass(frozen=True, slots=True)
class Goal:
    """A part of the objective."""

    quantity: str
    direction: str
    span: Span | None


def by_run(workloads: Sequence[Workload]) -> bool:
    """Return whether workloads are paid by the run: trainings that all say `tokens`, of models whose time is known."""
    return bool(workloads) and all(
        item.kind == "training" and item.given.get("tokens") and item.model.architecture is not None
        for item in workloads
    )


@dataclass(frozen=True, slots=True)
class FleetBound:
    """A bound over all workloads: `cost <= …`, `gpus <= …` or `available.GPU <= …`."""

    rule: str
    quantity: str
    gpu: str | None
    operator: str
    value: Fraction
    span: Span


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a test expects: a condition, or that the plan is infeasible (by the rule `blamed`)."""

    condition: Expression | None
    infeasible: bool
    blamed: str | None
    span: Span


@dataclass(frozen=True, slots=True)
class Trial:
    """A `test` block: the problem with its overrides and without the dropped rules, and what it expects."""

    name: str
    problem: Problem
    expects: tuple[Expectation, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Measurement:
    """What somebody saw on machines of their own: how it was served, and what was measured of that.

    `weights` and `kv_cache` are formats' ids, the second "" for what the engine takes by itself; `engine_version` is ""
    for the catalog's newest release. `settings` are those of the engine that are stated. Seconds, tokens/s, tokens and
    bytes, None where not measured. `prefill` is the time of a prompt alone, without a server around it. `quality` is
    what weights and cache together kept of the native model's, `task` what decided it where files say so, `chance`
    whether that may be chance. One that states its quality alone has no `gpu`.
    """

    id: str
    model: Model
    gpu: str
    gpus: int
    tensor_parallel: int
    pipeline_parallel: int
    engine: str
    engine_version: str
    weights: str
    kv_cache: str
    settings: dict[str, Value]
    concurrency: int
    prompt: int
    output: int
    tpot: float | None = None
    ttft: float | None = None
    prefill: float | None = None
    throughput: float | None = None
    kv_tokens: int | None = None
    memory: int | None = None
    quality: Fraction | None = None
    task: str = ""
    chance: bool = False


@dataclass(frozen=True, slots=True)
class Problem:
    """Everything a plan says, resolved. `lets` are the values of its `let` names.

    `gpus`, `formats` and `offers` are all there are, shipped and declared; `engines` and `quality` are those that
    imported catalogs add to the shipped ones, `measurements` those of the plan and of files that it names,
    `frameworks` the shipped ones where something is trained. `others` are the same plan
    with the other models that it offers.
    """

    path: str
    workloads: tuple[Workload, ...]
    rules: tuple[Rule, ...]
    preferences: tuple[Preference, ...]
    fleet: tuple[FleetBound, ...]
    goals: tuple[Goal, ...]
    gpus: Mapping[str, Gpu]
    formats: Mapping[str, Format]
    offers: Offers
    lets: dict[str, Measure] = field(default_factory=dict)
    digest: str = ""
    trials: tuple[Trial, ...] = ()
    engines: dict[str, Engine] = field(default_factory=dict)
    quality: tuple[Recovery, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    frameworks: Mapping[str, Framework] = field(default_factory=dict)
    others: tuple[Problem, ...] = ()

    @property
    def count(self) -> int:
        """How many workloads there are, copies counted."""
        return sum(item.copies for item in self.workloads)
