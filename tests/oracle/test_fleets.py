"""The answer to a random fleet is the best of all combinations, by every tie-break."""

from __future__ import annotations

import pytest

from .fleets import copied, fleet
from .verdict import faults

FLEETS = 1000
EACH = 20
"""Fleets of one test."""


@pytest.mark.parametrize("first", range(0, FLEETS, EACH))
def test_no_false_proof(first: int) -> None:
    wrong = {seed: (found, str(plan)) for seed in range(first, first + EACH) if (found := faults(plan := fleet(seed)))}
    assert not wrong, "\n".join(f"seed {seed}: {found}\n{plan}" for seed, (found, plan) in wrong.items())


@pytest.mark.parametrize("first", (0, 40, 60))  # all combinations of seed 22 alone take 13 s
def test_copies(first: int) -> None:
    wrong = {seed: (found, str(plan)) for seed in range(first, first + EACH) if (found := faults(plan := copied(seed)))}
    assert not wrong, "\n".join(f"seed {seed}: {found}\n{plan}" for seed, (found, plan) in wrong.items())
