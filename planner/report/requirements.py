"""What a plan asks of a workload, in words: what it states, what it offers, and what must hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise

from planner.language.problem import Value, Workload
from planner.report import figures

MANY = 6
"""More values than these are shown by the first and the last."""


def requirements(workload: Workload) -> tuple[tuple[str, str], ...]:
    """Return (`states`, …), (`offers`, …) and (`must hold`, …), without those that a plan has nothing of."""
    stated = [
        f"{name} {figures.show(name, value)}"
        for name, value in workload.given.items()
        if name in workload.said and name != "model"
    ]
    stated += [f"{name} {_shown(name, values)}" for name, values in workload.domains.items() if len(values) == 1]
    offered = [f"{name} {_shown(name, values)}" for name, values in workload.domains.items() if len(values) > 1]
    groups = (
        ("states", [f"model {workload.written or workload.model.id}", *stated]),
        ("offers", offered),
        ("must hold", list(_bounds(workload))),
    )
    return tuple((label, "; ".join(items)) for label, items in groups if items)


def _bounds(workload: Workload) -> Iterator[str]:
    for bound in workload.bounds:
        reason = f", because {bound.because}" if bound.because else ""
        yield f"{bound.quantity} {bound.operator} {figures.show(bound.quantity, bound.value)}{reason}"


def _shown(name: str, values: Sequence[Value]) -> str:
    """Return offered values in words: `bf16 or fp8_e4m3`, `1 to 8`."""
    numbers = [value for value in values if isinstance(value, Fraction)]
    texts = [figures.show(name, value) for value in values]
    if len(numbers) == len(values) > 2 and all(one + 1 == other for one, other in pairwise(numbers)):
        return f"{texts[0]} to {texts[-1]}"
    if len(texts) > MANY:
        return f"{len(texts)} values, from {texts[0]} to {texts[-1]}"
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} or {texts[-1]}"
