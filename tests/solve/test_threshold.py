"""The least limit is found by halving, and what time leaves undecided is no proof."""

from __future__ import annotations

import pytest

from planner.solve.fleet.worst_first import least_level


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 50])
def test_the_least_level_that_is_kept(count: int) -> None:
    levels = list(range(0, 10 * count, 10))
    for first in range(count + 1):

        def kept(level: int, first: int = first) -> bool:
            return level >= 10 * first

        found = least_level(levels, kept)
        assert found == ((None, 0) if first == count else (first, first))


def test_what_is_undecided_bounds_the_proof() -> None:
    """The least level that is known to be kept is 4; only what is below a refuted level is known not to be."""
    answers = {0: False, 1: False, 2: None, 3: None, 4: True, 5: True}
    assert least_level(list(answers), lambda level: answers[level]) == (4, 1)
    answers |= {3: False}
    assert least_level(list(answers), lambda level: answers[level]) == (4, 4)
    assert least_level([1, 2], lambda level: None) == (None, 0)


def test_few_levels_are_asked_for() -> None:
    asked: list[int] = []

    def kept(level: int) -> bool:
        asked.append(level)
        return level >= 700

    assert least_level(list(range(1000)), kept) == (700, 700)
    assert len(asked) <= 12
