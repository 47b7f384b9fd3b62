"""What must hold between the answers of two plans, each law over many of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .laws import LAWS

PLANS = 30
EACH = 10
"""Plans of one test."""


@pytest.mark.parametrize("first", range(0, PLANS, EACH))
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_law(law: Callable[[int], None], first: int) -> None:
    for place in range(first, first + EACH):
        seed = place * len(LAWS) + LAWS.index(law)  # as `python -m tests.oracle --laws` counts them
        try:
            law(seed)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
