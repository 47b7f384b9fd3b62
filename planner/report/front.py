"""The front of best answers for people: a line a point, from the best in the first quantity on."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from planner.report import figures, phrases
from planner.solve.candidate import Answer, Candidate


def values(point: Sequence[Candidate], quantity: str) -> Fraction | None:
    """Return a point's value of a quantity: the sum over its workloads, None where one of them has none."""
    found = [row.outcome(quantity) for row in point]
    numbers = [value for value in found if isinstance(value, Fraction)]
    return sum(numbers, Fraction(0)) if len(numbers) == len(found) else None


def render(answer: Answer, quantities: Sequence[str]) -> str:
    """Return the front as text; what a workload runs on stands behind the quantities."""
    if not answer.pareto:
        return ""
    rows = [[*quantities, ""]]
    for point in answer.pareto:
        cells = []
        for name in quantities:
            value = values(point, name)
            cells.append("unknown" if value is None else figures.show(name, value))
        told = ";  ".join(
            (f"{row.workload}: " if len(point) > 1 else "") + f"{row.gpus} x {row.gpu} {phrases.setup(row)}".rstrip()
            for row in point
        )
        rows.append([*cells, told])
    widths = [max(len(row[place]) for row in rows) for place in range(len(quantities))]
    lines = [
        "  " + "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip()
        for row in rows
    ]
    return "\n".join([f"front of {' and '.join(quantities)}: none of these is better in all", *lines])
