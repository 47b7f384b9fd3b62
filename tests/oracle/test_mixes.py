"""The answer to a random mix is the best of all ways to divide its traffic."""

from __future__ import annotations

import pytest

from .mixes import law, wrong

MIXES, LAWS, EACH = 120, 24, 12


@pytest.mark.parametrize("first", range(0, MIXES, EACH))
def test_mix(first: int) -> None:
    assert not [(seed, found) for seed in range(first, first + EACH) if (found := wrong(seed))]


@pytest.mark.parametrize("first", range(0, LAWS, EACH))
def test_law(first: int) -> None:
    assert not [(seed, found) for seed in range(first, first + EACH) if (found := law(seed))]
