"""How far a measured figure may exceed the expected one, by how sure that must be."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import ceil


def interpolated(table: Sequence[tuple[int, int]], confidence: Fraction) -> int:
    """Millionths at a confidence, between those of a table by per cent; the highest beyond it, 0 of an empty one."""
    wanted = confidence * 100
    below: tuple[int, int] | None = None
    for at, ppm in table:
        if at >= wanted:
            if below is None or at == wanted:
                return ppm if at == wanted else ceil(ppm * wanted / at)
            low, start = below
            return start + ceil((ppm - start) * (wanted - low) / (at - low))
        below = (at, ppm)
    return table[-1][1] if table else 0
