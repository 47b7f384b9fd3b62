"""What the tools return, as types: the SDK makes the schemas that clients see, and holds each answer to its own.

They are those of `--format json`: money in USD, sizes in bytes, times in seconds, and the unit in a key's name.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict  # pydantic reads no other before Python 3.12

Value = str | float | bool | None


class HintResult(TypedDict):
    """A change with which a rule would hold; `and` is a second one that goes with it."""

    quantity: str
    operator: str
    value: Value
    unit: str | None


class BrokenResult(TypedDict):
    """A rule that a choice breaks: what it needs, what it has, and which changes satisfy it."""

    rule: str
    needs: Value
    has: Value
    unit: str | None
    would_do: list[dict[str, Any]]


class MemoryResult(TypedDict):
    """Bytes of the fullest GPU: `total` of its `parts` with the margin, against what is `usable` of it."""

    usable: int
    total: int
    parts: dict[str, int]
    sizes: dict[str, Any]
    peak_moment: NotRequired[str]
    moments: NotRequired[dict[str, Any]]


class PricedResult(TypedDict):
    """An option: its choice, what the workload and the whole plan then cost, and the date of its price."""

    choice: dict[str, Value]
    cost_usd_per_hour: float
    price_as_of: str | None
    plan_usd_per_hour: float | None
    penalty_usd_per_hour: float
    memory: NotRequired[MemoryResult]
    quality: NotRequired[float | None]
    outcomes: NotRequired[dict[str, Any]]
    broken: NotRequired[list[BrokenResult]]


class StandingResult(TypedDict):
    """Where a GPU type stands: chosen, fits, breaks a rule, or why it has no candidate."""

    workload: str
    gpu: str
    status: str
    choice: NotRequired[dict[str, Value]]
    cost_usd_per_hour: NotRequired[float]
    price_as_of: NotRequired[str | None]
    plan_usd_per_hour: NotRequired[float | None]
    penalty_usd_per_hour: NotRequired[float]
    broken: NotRequired[list[BrokenResult]]


class ByValueResult(StandingResult):
    """Where a weight format, cache format or way of checkpointing stands; `gpu` is of its choice."""

    quantity: str
    value: Value
    gpu: NotRequired[str]  # type: ignore[misc]
    memory: NotRequired[MemoryResult]
    outcomes: NotRequired[dict[str, Any]]


class WorkloadResult(TypedDict):
    """The answer for one workload: what it runs on and how, what that was proved with, and what else there was."""

    name: str
    copies: NotRequired[int]
    of: NotRequired[str]
    traffic: NotRequired[list[dict[str, Any]]]
    kind: Literal["inference", "training"]
    choice: dict[str, Value]
    given: dict[str, Any]
    price_as_of: str | None
    memory: MemoryResult
    outcomes: dict[str, Any]
    slack: list[dict[str, Any]]
    broken: list[BrokenResult]
    approximate: list[str]
    anchored_on: list[str]
    alternatives: list[PricedResult]
    rejected: list[PricedResult]
    filtered: list[dict[str, Any]]


class GoalResult(TypedDict):
    """A part of the objective; it is proven where `bound` equals `value`."""

    quantity: str
    direction: Literal["minimize", "maximize"]
    value: Value
    bound: Value
    unit: str | None
    over: Any
    penalty: Value


class ConflictResult(TypedDict):
    """A rule of those that cannot all hold, and the smallest change to it alone that makes the plan feasible."""

    rule: str
    relax_to: Value
    has: Value
    unit: str | None
    would_do: list[dict[str, Any]]
    also: NotRequired[list[str]]


class LimitResult(TypedDict):
    """What a little more of a limit that binds buys, by solving again: `changes` of goals, `moves` of workloads."""

    rule: str
    has: Any
    takes: Any
    more: Any
    unit: Any
    changes: list[dict[str, Any]]
    moves: list[dict[str, Any]]


class EntryResult(TypedDict):
    """The highest price, in whole cents, at which an offer that is not rented enters the answer."""

    offer: str
    gpu: str
    market: str
    usd_per_hour: float
    enters_at_usd_per_hour: float
    plan_usd_per_hour: float
    workloads: list[str]


class AnswerResult(TypedDict):
    """An answer (planner.answer/1): `optimal` where it is proven, `infeasible` where `conflict` says why."""

    schema: Literal["planner.answer/1"]
    plan: str | None
    outcome: Literal["optimal", "feasible", "infeasible", "fixed", "unknown"]
    objective: list[GoalResult]
    cost_usd_per_hour: float | None
    considered: int
    reproducible: bool
    searched_up_to: Any
    offers_left_out: Any
    offers_replaced: dict[str, list[str]]
    workloads: list[WorkloadResult]
    hardware: list[StandingResult]
    by_value: NotRequired[list[ByValueResult]]
    limits: NotRequired[list[LimitResult]]
    prices: NotRequired[list[EntryResult]]
    margins_complete: NotRequired[bool]
    pareto: list[list[dict[str, Any]]]
    wishes: list[dict[str, Any]]
    conflict: list[ConflictResult]
    diagnostics: list[dict[str, Any]]


class CardResult(TypedDict):
    """The cheapest way to hold a model on one GPU type; bytes of the fullest GPU."""

    gpu: str
    gpus: int
    memory: dict[str, int]
    cost_usd_per_hour: float
    price_as_of: str | None
    offer: str


class CardsResult(TypedDict):
    """What a model takes, and the cards that hold it, the cheapest first (planner.cards/1)."""

    schema: Literal["planner.cards/1"]
    model: str
    params: int
    engine: str
    context: int
    concurrency: int
    weights: dict[str, Any]
    kv_cache: dict[str, Any]
    approximate: list[str]
    cards: list[CardResult]


class ThumbResult(TypedDict):
    """A count of parameters by the rule of thumb: bytes by part."""

    params: int
    format: str
    kind: Literal["inference", "training"]
    parts: dict[str, int]
    total: int


class EstimateResult(TypedDict):
    """One of three: `cards` of a model without a GPU, `answer` of a model on a GPU or a plan, `rule_of_thumb` of a
    count; `fits` says whether anything holds it, and is null for a count."""

    fits: bool | None
    cards: CardsResult | None
    answer: AnswerResult | None
    rule_of_thumb: ThumbResult | None


class FindingResult(TypedDict):
    """A mistake or a warning: its place (1-based), its reason, and the way out."""

    code: str
    severity: Literal["error", "warning"]
    message: str
    file: str | None
    line: int | None
    column: int | None
    start: int | None
    end: int | None
    label: str
    help: str | None
    secondary: list[dict[str, Any]]
    fix: dict[str, Any] | None


class CheckResult(TypedDict):
    """What is wrong with a plan; `ok` where nothing of it is an error."""

    ok: bool
    errors: int
    warnings: int
    findings: list[FindingResult]


class ExplainResult(TypedDict):
    """What a name is, in lines."""

    name: str
    lines: list[str]


class ExportResult(TypedDict):
    """What runs the answer: texts by the names of their files; `locked` where they follow from the plan's lock."""

    form: str
    locked: bool
    files: dict[str, str]
