"""All candidates of a workload as columns of whole numbers: decisions by index, outcomes in fixed steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from planner.language.problem import Value, Workload
from planner.record import dataclass
from planner.solve.scale import UNKNOWN

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Column = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Axis:
    """A decision: the values it takes in this table, and for each row which of them."""

    values: tuple[Value, ...]
    index: Column


@dataclass(slots=True)
class Table:
    """The candidates of one workload.

    `outcomes` makes each outcome's column when it is first asked for; `broken` holds, by rule, where a rule of
    physics or hardware is broken. `costs` are micro-dollars per hour of whole instances; `pool` numbers the offer and
    market in `pools`, whose instances have `sizes` GPUs and cost `prices`; `instances` is how many are rented, `slots`
    how many GPUs of a shared instance would do (0 where it cannot be shared). A row may stand for several candidates
    (`weights`), of `considered` in all; unless the table is `thorough`, what does not fit is not all there.
    `filtered` says by rule how many candidates of each value of the axis `gpu` break it, where rows do not tell.
    `context` is what made the table, for whoever asks about one of its rows.
    """

    workload: Workload
    rows: int
    axes: dict[str, Axis]
    outcomes: Mapping[str, Callable[[], Column]]
    broken: dict[str, Column]
    costs: Column
    gpus: Column
    pool: Column
    pools: tuple[tuple[str, str], ...]
    sizes: tuple[int, ...]
    prices: tuple[int, ...]
    instances: Column
    slots: Column
    weights: Column | None = None
    considered: int = 0
    thorough: bool = True
    filtered: dict[str, Column] | None = None
    context: Any = None
    ready: dict[str, Column] = field(default_factory=dict)

    def outcome(self, quantity: str) -> Column:
        """Return an outcome's column, UNKNOWN where nobody knows it."""
        if quantity not in self.ready:
            self.ready[quantity] = self.outcomes[quantity]()
        return self.ready[quantity]

    @property
    def candidates(self) -> int:
        """How many candidates the table stands for."""
        return self.considered or self.rows

    def choice(self, row: int) -> dict[str, Value]:
        """Return the decisions of a row."""
        return {name: axis.values[int(axis.index[row])] for name, axis in self.axes.items()}

    def name(self, row: int) -> str:
        """Return the choice as text; the last tie-break is its alphabetical order."""
        return choice_name(self.choice(row))


def empty(workload: Workload) -> Table:
    """Return the table of a workload that nothing can run."""
    none = unknown(0)
    return Table(workload, 0, {"gpu": Axis((), none)}, {}, {}, none, none, none, (), (), (), none, none)


def choice_name(choice: Mapping[str, Value]) -> str:
    """Return a choice as text, its decisions in alphabetical order and numbers padded."""
    return ";".join(f"{key}={_text(choice[key])}" for key in sorted(choice))


def _text(value: Value) -> str:
    if isinstance(value, Fraction):
        return f"{int(value):08d}" if value.denominator == 1 else str(value)
    return str(value)


def unknown(rows: int) -> Column:
    """Return a column of UNKNOWN."""
    import numpy

    return numpy.full(rows, UNKNOWN, dtype=numpy.int64)
