"""The front of best answers: a row a point, from the best in the first quantity on."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from planner.language.copies import block_of
from planner.language.quantities.outcomes import MORE_IS_BETTER
from planner.language.schema import BY_KIND
from planner.record import dataclass
from planner.report import figures, phrases
from planner.solve.answer import Answer
from planner.solve.candidate import Candidate, aimed
from planner.solve.objective import SUMMED


@dataclass(frozen=True, slots=True)
class Front:
    """The quantities that are traded; of each point their values in words and as numbers, and what runs there."""

    quantities: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: tuple[tuple[Fraction | None, ...], ...]


def front(answer: Answer, quantities: Sequence[str]) -> Front | None:
    """Return the front of an answer, None where none was asked for; the last cell of a row says what runs there."""
    if not answer.pareto or not quantities:
        return None
    numbers = tuple(tuple(values(point, name) for name in quantities) for point in answer.pareto)
    rows = tuple(
        (*(_cell(name, value) for name, value in zip(quantities, values_of_point, strict=True)), _outcome_texts(point))
        for point, values_of_point in zip(answer.pareto, numbers, strict=True)
    )
    return Front(tuple(quantities), rows, numbers)


def values(point: Sequence[Candidate], quantity: str) -> Fraction | None:
    """Return a point's value of a quantity: the sum over its workloads, or the worst where a sum says nothing.

    It is None where a workload that has the quantity does not know it.
    """
    owner, _, name = quantity.rpartition(".")
    rows = [row for row in point if owner in ("", block_of(row.workload)) and name in BY_KIND[row.kind]]
    candidates = [row.outcome(aimed(name) if aimed(name) in row.outcomes else name) for row in rows]
    numbers = [value for value in candidates if isinstance(value, Fraction)]
    if not numbers or len(numbers) < len(candidates):
        return None
    if name in SUMMED:
        return sum((value * row.copies for value, row in zip(numbers, rows, strict=True)), Fraction(0))
    return min(numbers) if name in MORE_IS_BETTER else max(numbers)


def _cell(name: str, value: Fraction | None) -> str:
    return "unknown" if value is None else figures.show(name.rpartition(".")[2], value)


def _outcome_texts(point: Sequence[Candidate]) -> str:
    return "; ".join(
        (f"{row.workload}: " if len(point) > 1 else "")
        + (f"{row.copies:_} times " if row.copies > 1 else "")
        + f"{row.gpus} x {row.gpu} {phrases.setup(row)}".rstrip()
        for row in point
    )
