"""The answer to a random mix is the best of all ways to divide its traffic."""

from __future__ import annotations

import pytest

from planner.solve.mix.model import MixOption, MixTask

from .mixed_plans import faulty
from .mixes import answered, best, law, wrong

MIXES, LAWS, EACH = 120, 12, 12


@pytest.mark.parametrize("first", range(0, MIXES, EACH))
def test_mix(first: int) -> None:
    assert not [(seed, found) for seed in range(first, first + EACH) if (found := wrong(seed))]


@pytest.mark.parametrize("first", range(0, LAWS, EACH))
def test_law(first: int) -> None:
    assert not [(seed, found) for seed in range(first, first + EACH) if (found := law(seed))]


def option(name: str, host: str, gpus: int, price: int, each: int, *weights: int | None) -> MixOption:
    share = each if each < gpus and gpus % each == 0 and each in (1, 2, 4) else 0
    return MixOption(name, host, host, price, gpus // each, gpus, 1, share, each=each, weights=weights)


TEMPTING = {
    "room that is paid anyway": MixTask(
        (
            option("a", "large", 4, 10, 2, 50, None),
            option("b", "large", 4, 10, 2, None, 50),
            option("c", "small", 2, 3, 1, None, 50),
        ),
        2,
        1,
        100,
        {},
    ),
    "one that is cheaper, of which there is one": MixTask(
        (option("a", "one", 1, 2, 1, 90), option("b", "many", 1, 3, 1, 90)), 1, 2, 100, {"one": 1}
    ),
    "a cheaper instance with fewer replicas": MixTask(
        (option("a", "single", 3, 3, 3, 90), option("b", "double", 6, 4, 3, 90)), 1, 2, 100, {}
    ),
    "shares of three that do not pack": MixTask(
        (option("a", "host", 8, 5, 3, 80, None), option("b", "host", 8, 5, 2, None, 80)), 2, 2, 100, {}
    ),
}


@pytest.mark.parametrize("name", TEMPTING)
def test_what_seems_better_and_is_not(name: str) -> None:
    assert answered(TEMPTING[name]) == best(TEMPTING[name])


@pytest.mark.parametrize("seed", range(5))
def test_plan(seed: int) -> None:
    assert faulty(seed) == ""
