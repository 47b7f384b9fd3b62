"""What CP-SAT says of small models equals brute force: two exactly-one rows, a row that compares what is taken of each,
and instances that it fills, which is the shape that the presolve of OR-Tools 9.15 gets wrong."""

from __future__ import annotations

import random

import pytest

from planner.solve.fleet import cpsat
from planner.solve.fleet.cpsat import INFINITY, IntegerModel


def small(seed: int) -> tuple[IntegerModel, dict[int, int], int | None]:
    """Return a model of two workloads and a pool, an objective, and the least that the objective can be."""
    chance = random.Random(seed)
    first, second = chance.randint(2, 8), chance.randint(2, 8)
    figures = [chance.randint(10**8, 9 * 10**8) for _ in range(first)]
    others = [chance.choice([*figures, *(chance.randint(10**8, 9 * 10**8) for _ in range(4))]) for _ in range(second)]
    gpus = {variable: chance.choice((1, 2, 4)) for variable in range(first + second)}
    model = IntegerModel()
    for _ in range(first + second):
        model.variable(0, 1)
    pool = model.variable(0, 3)
    one, two = range(first), range(first, first + second)
    model.one_of(one)
    model.one_of(two)
    compared = dict(zip(one, figures, strict=True)) | {place: -others[place - first] for place in two}
    low, high = chance.choice(((0, 0), (-INFINITY, 0), (0, INFINITY)))
    model.row(compared, low, high)
    if chance.random() < 0.6:
        model.row({**gpus, pool: -8}, -7, 0)
    if chance.random() < 0.5:
        model.row(gpus, low=chance.randint(2, 5))
    if chance.random() < 0.3:
        model.row({place: 1 for place in one if chance.random() < 0.5} or {0: 1}, high=1)
    if chance.random() < 0.5:
        goal = {place: -figures[place] for place in one}
    else:
        goal = {place: chance.randint(1, 9) * 10**6 for place in (*one, *two)}
    if chance.random() < 0.3:
        goal[pool] = 4 * 10**6
    values = []
    for a in one:
        for b in two:
            for rented in range(4):
                taken = {a: 1, b: 1, pool: rented}
                sums = [sum(weight * taken.get(index, 0) for index, weight in row.items()) for row, _, _ in model.rows]
                if all(lo <= found <= hi for found, (_, lo, hi) in zip(sums, model.rows, strict=True)):
                    values.append(sum(weight * taken.get(index, 0) for index, weight in goal.items()))
    return model, goal, min(values, default=None)


@pytest.mark.parametrize("presolved", [0, cpsat.PRESOLVED])
@pytest.mark.parametrize("hundred", range(4))
def test_small_models_equal_brute_force(hundred: int, presolved: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpsat, "PRESOLVED", presolved)
    for seed in range(100 * hundred, 100 * hundred + 100):
        model, goal, right = small(seed)
        found = cpsat.solve(model, goal, seconds=30)
        assert (None if found is None else found.value) == right, seed
        assert found is None or found.proven, seed
        assert cpsat.infeasible(model, seconds=30) is (right is None), seed
