"""A candidate: one way to run a workload, with everything that follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from fractions import Fraction

from planner.language.problem import Bucket, Value
from planner.language.quantities.outcomes import TIMED
from planner.record import dataclass
from planner.solve.needs import Excess, Need, Note

Outcome = Fraction | None
EXPECTED = "_expected"
"""What stands behind the name of an outcome that rules take at its safe end, for its expected value."""


class TooWide(ValueError):
    """A plan with more to try than is tried; `excess` is what of it."""

    def __init__(self, kind: str, *of: object) -> None:
        """Say what is too much: a kind of planner.solve.needs.Excess, and what of."""
        super().__init__(kind, *of)
        self.excess = Excess(kind, of)


def aimed(quantity: str) -> str:
    """Return the name under which an objective reads an outcome: the expected value of a time."""
    return f"{quantity}{EXPECTED}" if quantity in TIMED else quantity


@dataclass(frozen=True, slots=True)
class Hint:
    """A change of one quantity that suffices: `context <= 6208`; with `also`, both changes at once."""

    quantity: str
    operator: str
    value: Value
    unit: str | None = None
    also: Hint | None = None


@dataclass(frozen=True, slots=True)
class Broken:
    """A rule a candidate breaks: what it needs, what the rule has for it (in `unit`), and what would mend it."""

    rule: str
    needs: Value | Need | None
    has: Value | None
    unit: str | None = None
    hints: tuple[Hint, ...] = ()


@dataclass(frozen=True, slots=True)
class Candidate:
    """Sizes in bytes, cost in micro-dollars per hour (preferences' penalties apart), instances of `offer`.

    `moments` are the totals of a training step's moments, the peak among them; `defaults` are given quantities that the
    plan does not mention and that follow from the choice, `given` are all given quantities with their defaults, those
    too, and the model as the plan names it. `shareable` is whether other workloads could use the GPUs
    that its instances leave idle; `rented` counts the GPUs of its instances. `price_as_of` is the date of the price,
    empty where nobody states it. `measurements` are those of the plan that it is anchored on. `together` is what the
    whole plan costs with it where it was looked at beside other workloads, which then stay as they are. It stands for
    `copies` of its block, which all run so: `cost` and `penalty` are of them all, everything else is of one.
    `traffic` is what a part of a mix serves of each request size.
    """

    workload: str
    kind: str
    choice: dict[str, Value]
    gpu: str
    gpus: int
    offer: str
    instances: int
    cost: int
    penalty: int
    usable: int
    total: int
    parts: dict[str, int]
    sizes: dict[str, int]
    peak_moment: str | None
    outcomes: dict[str, Outcome]
    broken: tuple[Broken, ...]
    notes: tuple[Note, ...] = ()
    moments: dict[str, int] = field(default_factory=dict)
    defaults: dict[str, Value] = field(default_factory=dict)
    shareable: bool = False
    rented: int = 0
    price_as_of: str = ""
    together: int | None = None
    given: dict[str, Value] = field(default_factory=dict)
    measurements: tuple[str, ...] = ()
    copies: int = 1
    traffic: tuple[Bucket, ...] = ()

    def __repr__(self) -> str:
        said = [
            str(self.choice[name]) for name in ("weights", "kv_cache", "precision", "method") if name in self.choice
        ]
        broken = f", breaks {', '.join(item.rule for item in self.broken)}" if self.broken else ""
        size = f"{self.total / 2**30:.2f} GiB, ${self.cost / 1e6:g}/h"
        return f"<{self.workload}: {self.gpus} x {self.gpu}, {' '.join(said)}, {size}{broken}>"

    @property
    def known(self) -> dict[str, Value]:
        """The choice with what follows from it: all that a rule can read but outcomes and what is given."""
        return {**self.defaults, **self.choice}

    @property
    def name(self) -> str:
        """The choice as text; the last tie-break is its alphabetical order."""
        return ";".join(f"{key}={_text(self.choice[key])}" for key in sorted(self.choice))

    def outcome(self, quantity: str) -> Value | None:
        """Return an outcome, a choice or what follows from it by its name in the language."""
        if quantity in self.outcomes:
            return self.outcomes[quantity]
        return self.choice.get(quantity, self.defaults.get(quantity))


def times(row: Candidate, copies: int) -> Candidate:
    """Return a candidate of one workload as one of so many identical ones."""
    return replace(row, copies=copies, cost=row.cost * copies, penalty=row.penalty * copies)


def traffic_of(row: Candidate) -> list[dict[str, int | float]]:
    """Return the traffic that a part of a mix serves as locks and JSON have it, in eighths of each request size."""
    return [
        {"prompt": item.prompt, "output": item.output, "requests_per_second": float(item.rate), "eighths": item.slices}
        for item in row.traffic
    ]


def shown_outcomes(outcomes: Mapping[str, Outcome]) -> dict[str, Outcome]:
    """Return outcomes as they are printed: expected values under their names, safe ends with `_safe` behind."""
    out: dict[str, Outcome] = {}
    for name, value in outcomes.items():
        if f"{name}{EXPECTED}" in outcomes:
            out |= {name: outcomes[f"{name}{EXPECTED}"], f"{name}_safe": value}
        elif not name.endswith(EXPECTED):
            out[name] = value
    return out


def ruled_outcomes(shown: Mapping[str, Outcome]) -> dict[str, Outcome]:
    """Return printed outcomes as rules read them, the reverse of `shown_outcomes`."""
    out: dict[str, Outcome] = {}
    for name, value in shown.items():
        if f"{name}_safe" in shown:
            out |= {name: shown[f"{name}_safe"], f"{name}{EXPECTED}": value}
        elif name.removesuffix("_safe") == name or name.removesuffix("_safe") not in shown:
            out[name] = value
    return out


def _text(value: Value) -> str:
    if isinstance(value, Fraction):
        return f"{int(value):08d}" if value.denominator == 1 else str(value)
    return str(value)
