"""What a solve answers: the choices with their proof, what conflicts, where hardware stands."""

from __future__ import annotations

from dataclasses import field
from fractions import Fraction

from planner.language.problem import Value
from planner.record import dataclass
from planner.solve.candidate import Broken, Candidate, Hint
from planner.solve.needs import Excess, Need


@dataclass(frozen=True, slots=True)
class Conflict:
    """One rule of a minimal conflicting set, and the smallest change to it alone that resolves it.

    `of` is the workload whose set it is, where several workloads have each a set of their own; `also` are identical
    workloads, which have the same.
    """

    rule: str
    relax_to: Value | Need | None
    has: Value | Need | None
    unit: str | None = None
    hints: tuple[Hint, ...] = ()
    of: str = ""
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ObjectivePart:
    """A part of the objective with its value and the proven bound, in canonical units; None where it is not known.

    `over` says how it goes over several workloads: their `sum`, or the `worst` of them. `penalty` is what preferences
    that are not kept add to the value and to the bound.
    """

    quantity: str
    direction: str
    value: Fraction | None
    bound: Fraction | None
    unit: str
    over: str = "sum"
    penalty: Fraction = Fraction(0)


@dataclass(frozen=True, slots=True)
class Solved:
    """The answer for one workload: the choice, the next best, and cheaper hardware that breaks a rule.

    `slack` says for each bound of the workload what it has and what the choice takes of it.
    """

    chosen: Candidate
    alternatives: tuple[Candidate, ...]
    rejected: tuple[Candidate, ...]
    slack: tuple[Broken, ...] = ()

    def __repr__(self) -> str:
        return f"<Solved {self.chosen!r}, {len(self.alternatives)} alternatives>"


@dataclass(frozen=True, slots=True)
class Filtered:
    """How many candidates of a workload on one GPU type break a rule: the answer to "why not the H100?"."""

    workload: str
    gpu: str
    rule: str
    candidates: int


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a GPU type stands for a workload: its best candidate, or the one that is nearest to keeping every rule.

    `status` is one of `chosen`, `fits` (and is not the best by the objective), `breaks` (a rule, whatever its number
    and formats), `unsupported` (by the engine or the hardware, whatever formats the plan offers) and `not_offered`
    (nobody rents it as the plan asks; it has no candidate).
    """

    workload: str
    gpu: str
    status: str
    best: Candidate | None


@dataclass(frozen=True, slots=True)
class ByValue:
    """Where a value of a decision (`quantity`) stands for a workload, as a Standing says it of a GPU type.

    A value that nothing offered runs has the status `no_candidate`, and no candidate.
    """

    workload: str
    quantity: str
    value: Value
    status: str
    best: Candidate | None


@dataclass(frozen=True, slots=True)
class Certificate:
    """What proves an answer. `candidates` were enumerated; `removed` counts what breaks each kind of rule, some several
    and some before they become candidates.

    By `comparison` every candidate of each workload was compared with the choice, since nothing couples workloads. By
    `prices` no answer costs less than `bound`, in micro-dollars per hour with broken preferences, which is what this
    one costs: `prices` are on the plan's limits, in 1/1024 micro-dollars (planner.solve.fleet.prices). By `search` the
    solver has exhausted what such a bound leaves, where there is one.
    """

    method: str
    candidates: int
    removed: tuple[tuple[str, int], ...]
    bound: int | None = None
    prices: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Moved:
    """A workload that runs otherwise in another answer."""

    workload: str
    before: Candidate
    after: Candidate


@dataclass(frozen=True, slots=True)
class LimitMargin:
    """What a looser limit would change: it `has` so much, of which the answer `takes` some, and with `more` of it the
    objective's parts that change (quantity, before, after, unit), and the workloads that then run otherwise."""

    rule: str
    unit: str | None
    has: Fraction
    takes: Fraction | None
    more: Fraction
    gains: tuple[tuple[str, Fraction | None, Fraction | None, str], ...]
    moved: tuple[Moved, ...]


@dataclass(frozen=True, slots=True)
class PriceMargin:
    """The highest price in whole cents at which an offer makes the plan cheaper: micro-dollars per hour of an instance,
    its price now, what the plan then costs and which workloads take it."""

    offer: str
    gpu: str
    market: str
    price: int
    enters: int
    cost: int
    workloads: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Margins:
    """What would change an answer, each solved again; not `complete` where time did not suffice for all of it."""

    limits: tuple[LimitMargin, ...]
    prices: tuple[PriceMargin, ...]
    complete: bool


METHODS = ("comparison", "prices", "search")
"""How an answer can be proven."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What `solve` and `estimate` found. `outcome` is optimal, feasible, infeasible, fixed or unknown.

    `cost` is in micro-dollars per hour, `considered` counts candidates, `wishes` names each `prefer` with whether
    it is kept, `reproducible` is false where a time limit decided. `searched` are the largest numbers that were tried
    of what a workload leaves open: a proof speaks of no more than that. `hardware` is where every GPU type stands for
    each workload, `by_value` where each value of some decisions does, where that was asked for. `left_out` counts by
    workload the offers that it could rent if their price were not more than a year older than the catalog; `replaced`
    are the shipped offers that each of the plan's own stands for. A `brief` answer, of very many workloads, has no
    alternatives: they were not looked for. `models` are those of each block where the plan offers several: the answer
    is of the problem that has them (planner.language.offered.of_models). `certificate` is what proves an optimum,
    `margins` what would change it, where that was asked for.
    """

    outcome: str
    objective: tuple[ObjectivePart, ...]
    workloads: tuple[Solved, ...]
    conflict: tuple[Conflict, ...]
    cost: int | None
    considered: int
    filtered: tuple[Filtered, ...] = ()
    wishes: tuple[tuple[str, bool], ...] = ()
    reproducible: bool = True
    pareto: tuple[tuple[Candidate, ...], ...] = ()
    refusal: Excess | None = None
    searched: dict[str, dict[str, int]] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    replaced: dict[str, tuple[str, ...]] = field(default_factory=dict)
    hardware: tuple[Standing, ...] = ()
    by_value: tuple[ByValue, ...] = ()
    brief: bool = False
    models: dict[str, str] = field(default_factory=dict)
    certificate: Certificate | None = None
    margins: Margins | None = None

    def __repr__(self) -> str:
        cost = "" if self.cost is None else f", ${self.cost / 1e6:g}/h"
        return f"<Answer: {self.outcome}{cost}, {len(self.workloads)} workloads>"
