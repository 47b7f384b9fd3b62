"""All candidates of a workload as columns of whole numbers: decisions by index, outcomes in fixed steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from planner.language.problem import Value, Workload
from planner.record import dataclass
from planner.solve.columns.steps import UNKNOWN

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from planner.solve.defaults import Default

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
    how many GPUs of a shared instance suffice (0 where it cannot be shared). A row may stand for several candidates
    (`weights`), of `considered` in all; unless the table is `thorough`, what does not fit is not all there.
    `defaults` are quantities that the plan does not mention and that follow from decisions.
    `filtered` says by rule how many candidates of each value of the axis `gpu` break it, where rows do not tell.
    `made_by` is the workload that the table was made of, for questions about one of its rows. `of_rows` makes outcomes
    that cost much for some rows alone.
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
    made_by: object = None
    defaults: Mapping[str, Default] = field(default_factory=dict)
    ready: dict[str, Column] = field(default_factory=dict)
    followed: dict[str, Axis] = field(default_factory=dict)
    of_rows: Mapping[str, Callable[[Column], Column]] = field(default_factory=dict)

    def outcome(self, quantity: str) -> Column:
        """Return an outcome's column, UNKNOWN where nobody knows it."""
        if quantity not in self.ready:
            self.ready[quantity] = self.outcomes[quantity]()
        return self.ready[quantity]

    def outcome_at(self, quantity: str, rows: Column) -> Column:
        """Return an outcome of some rows, made for them alone where it costs much and nobody asked for all of it."""
        if quantity in self.ready or quantity not in self.of_rows:
            return self.outcome(quantity)[rows]
        return self.of_rows[quantity](rows)

    def axis(self, quantity: str) -> Axis | None:
        """Return the values of a decision, or of what follows from decisions; None for an outcome or what is given."""
        if quantity in self.axes or quantity not in self.defaults:
            return self.axes.get(quantity)
        if quantity not in self.followed:
            import numpy

            default = self.defaults[quantity]
            read = [self.axes[name] for name in default.reads]
            index = numpy.zeros(self.rows, dtype=numpy.int64)
            first, which = cases([axis.index for axis in read]) if read and self.rows else (index[:1], index)
            values = [
                default.value(
                    {name: axis.values[int(axis.index[row])] for name, axis in zip(default.reads, read, strict=True)}
                )
                for row in first.tolist()
            ]
            self.followed[quantity] = Axis(tuple(values), which)
        return self.followed[quantity]

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

    def first(self, rows: Column) -> int:
        """Return the row whose name is the first of some rows in alphabetical order."""
        for name in sorted(self.axes):
            if len(rows) == 1:
                break
            here = self._order(name)[self.axes[name].index[rows]]
            rows = rows[here == here.min()]
        return int(rows[0])

    def alphabetical(self, rows: Column) -> Column:
        """Return rows in the alphabetical order of their names."""
        import numpy

        columns = self.name_columns(rows)
        column: Column = rows[numpy.lexsort(columns[::-1])] if columns else rows
        return column

    def name_columns(self, rows: Column) -> list[Column]:
        """Return what orders rows by their names, the most important first; of decisions that differ among them."""
        columns = (self._order(name)[self.axes[name].index[rows]] for name in sorted(self.axes))
        return [column for column in columns if len(column) and (column != column[0]).any()]

    def _order(self, name: str) -> Column:
        """Return the place of each value of an axis among them as text: names join these in turn."""
        import numpy

        key = f"order of {name}"
        if key not in self.ready:
            texts = [_text(value) for value in self.axes[name].values]
            place = {text: at for at, text in enumerate(sorted(set(texts), key=lambda text: f"{text};"))}
            self.ready[key] = numpy.array([place[text] for text in texts] or [0], dtype=numpy.int64)
        return self.ready[key]


def empty(workload: Workload) -> Table:
    """Return the table of a workload that nothing can run."""
    none = unknown(0)
    return Table(
        workload=workload,
        rows=0,
        axes={"gpu": Axis((), none)},
        outcomes={},
        broken={},
        costs=none,
        gpus=none,
        pool=none,
        pools=(),
        sizes=(),
        prices=(),
        instances=none,
        slots=none,
    )


def choice_name(choice: Mapping[str, Value]) -> str:
    """Return a choice as text, its decisions in alphabetical order and numbers padded."""
    return ";".join(f"{key}={_text(choice[key])}" for key in sorted(choice))


def _text(value: Value) -> str:
    if isinstance(value, Fraction):
        return f"{int(value):08d}" if value.denominator == 1 else str(value)
    return str(value)


def cases(columns: Sequence[Column]) -> tuple[Column, Column]:
    """Return a row of each distinct combination of values in columns of whole numbers, and each row's combination.

    Columns are put together into one number as long as they have room in it, so that little is sorted.
    """
    import numpy

    which, size = numpy.zeros(len(columns[0]), dtype=numpy.int64), 1
    for column in columns:
        if not len(column):
            break
        low, high = int(column.min()), int(column.max())
        if low == high:
            continue
        own, width = column.astype(numpy.int64) - low if high - low < 2**62 else column, high - low + 1
        if size * width >= 2**62:
            own = numpy.unique(own, return_inverse=True)[1].reshape(-1)
            which = numpy.unique(which, return_inverse=True)[1].reshape(-1)
            size, width = int(which.max()) + 1, int(own.max()) + 1
        which, size = which * width + own, size * width
    _, first, firsts = numpy.unique(which, return_index=True, return_inverse=True)
    return first, firsts.reshape(-1)


def unknown(rows: int) -> Column:
    """Return a column of UNKNOWN."""
    import numpy

    return numpy.full(rows, UNKNOWN, dtype=numpy.int64)
