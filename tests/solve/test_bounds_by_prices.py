"""Bounds by prices hold for every answer of a model, and what they leave out is in none that is as good."""

from __future__ import annotations

import itertools
import random

import pytest

from planner.solve.fleet import duals
from planner.solve.fleet.cpsat import IntegerModel


def drawn(chance: random.Random) -> tuple[IntegerModel, int, dict[int, int], list[tuple[int, ...]]]:
    """Return a model of classes that share things, its classes, an objective, and every answer."""
    model, classes = IntegerModel(), chance.randint(1, 3)
    for _ in range(classes):
        count = chance.randint(1, 3)
        takes = [model.variable(0, count) for _ in range(chance.randint(1, 3))]
        model.row(dict.fromkeys(takes, 1), count, count)
    takes = list(range(len(model.ranges)))
    for _ in range(chance.randint(0, 2)):
        low = chance.randint(-2, 1)
        model.variable(low, low + chance.randint(0, 3))
    for _ in range(chance.randint(1, 3)):
        terms = {variable: chance.randint(-3, 4) for variable in range(len(model.ranges))}
        edge = chance.randint(-3, 8)
        model.row(terms, *chance.choice(((edge - 4, edge), (edge, edge + 9), (-(2**62), edge), (edge, 2**62))))
    objective = {variable: chance.randint(-4, 9) for variable in range(len(model.ranges)) if chance.random() < 0.8}
    every = [
        values
        for values in itertools.product(*(range(low, high + 1) for low, high in model.ranges))
        if all(
            low <= sum(weight * values[variable] for variable, weight in terms.items()) <= high
            for terms, low, high in model.rows
        )
    ]
    return model, classes, objective, every


@pytest.mark.parametrize("first", range(0, 300, 50))
def test_no_answer_is_below_a_bound_and_none_as_good_is_left_out(first: int) -> None:
    seen = 0
    for seed in range(first, first + 50):
        chance = random.Random(seed)
        model, classes, objective, every = drawn(chance)
        some = {place: chance.randint(-5000, 5000) for place in range(classes, len(model.rows))}
        dual = duals.relaxed(model, classes, objective, 5.0) if every else None
        for put in (duals.NONE, some, dual or duals.NONE):
            found = duals.bound(model, classes, objective, put)
            assert found is not None
            worth = [sum(weight * values[at] for at, weight in objective.items()) for values in every]
            if not every:
                continue
            seen += 1
            assert found.least <= min(worth) * duals.PARTS
            assert found.whole(1) <= min(worth)
            most = chance.choice(worth)
            before = list(model.ranges)
            level = duals.narrow(model, classes, found, most)
            for values, value in zip(every, worth, strict=True):
                if value <= most:
                    assert all(low <= own <= high for own, (low, high) in zip(values, model.ranges, strict=True))
                if (
                    level
                    and put is duals.NONE
                    and all(low <= own <= high for own, (low, high) in zip(values, model.ranges, strict=True))
                ):
                    assert value * duals.PARTS == found.least
            model.ranges[:] = before
    assert seen > 20
