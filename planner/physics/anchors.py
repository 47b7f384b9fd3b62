"""What measurements of one's own make of expected figures: their median ratio, and how far measured ones exceed it.

Of 1,781 measurements (aiconfigurator-core 0.12.0, systems/silicon_sample.csv) others of the same model, GPU, number of
GPUs, engine, release and format bring the median error of the time per output token from 12 to 7 %, as long as their
concurrency is within a factor of four; beyond that they bring nothing (benchmarks/anchoring.py, docs/accuracy.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

NEAR = 4
"""The largest factor between the concurrency of a measurement and that of what it anchors."""
ENOUGH = 3
"""So many measurements narrow an interval; fewer move the expected value alone."""


class Anchor(NamedTuple):
    """Factors of the time per output token and to the first one, and what measured times reach of those at most.

    A margin of 0 stands for the one of what is unmeasured.
    """

    tpot: float = 1.0
    ttft: float = 1.0
    tpot_margin: float = 0.0
    ttft_margin: float = 0.0


def near(one: int, other: int) -> bool:
    """Return whether two concurrencies are near enough for one to speak of the other."""
    return one <= NEAR * other and other <= NEAR * one


def factor(ratios: Sequence[float]) -> float:
    """Return the median of measured over expected, 1 where nothing was measured."""
    if not ratios:
        return 1.0
    ranked, half = sorted(ratios), len(ratios) // 2
    return ranked[half] if len(ranked) % 2 else (ranked[half - 1] + ranked[half]) / 2
