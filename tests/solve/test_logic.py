"""Conditions as rows: a choice keeps the rows where, and only where, the condition holds for it."""

from __future__ import annotations

import random
from collections.abc import Callable
from fractions import Fraction
from itertools import product

import pytest

from planner.catalog.load import load as load_catalog
from planner.language.expressions.evaluate import holds
from planner.language.imports import load_text
from planner.language.problem import Measure, Value
from planner.language.resolve import resolve
from planner.solve import clock
from planner.solve.candidate import TooWide
from planner.solve.columns.steps import common
from planner.solve.fleet import cpsat, logic
from planner.solve.fleet.logic import demand
from planner.syntax import tree

BLOCK = 'inference {} {{ model = "meta-llama/Llama-3.1-8B"; context = 8Ki tokens; concurrency = 4 }}\n'
OWNERS = ("a", "b", "c")
CATALOG, _ = load_catalog()


def rule(condition: str) -> tree.Expression:
    text = "".join(BLOCK.format(name) for name in OWNERS) + f"require it: {condition}\n"
    file, found, texts = load_text(text, "plan.mem")
    problem, more = resolve(file, CATALOG, texts=texts)
    assert problem is not None, (*found, *more)
    return problem.rules[0].condition


@pytest.mark.parametrize(
    "condition",
    [
        "a.gpu == b.gpu",
        "a.gpu != b.gpu or b.gpus >= 3",
        "not (a.gpu == b.gpu and a.gpus + b.gpus > 4)",
        "a.gpus + 2 * b.gpus - c.gpus == 4",
        "a.gpus + b.gpus != c.gpus",
        "a.gpus * b.gpus <= c.gpus + 2",
        "if a.gpus > 2 then b.gpus == a.gpus else c.tpot <= 20 ms",
        "any(w.gpus > 3 for w in workloads where w.tpot <= 30 ms)",
        "all(w.tpot <= 30 ms for w in workloads where w.gpus > 1) and a.gpu in {l4, l40s}",
        "count(w for w in workloads where w.tpot <= 30 ms) >= 2 or a.gpu == c.gpu",
        "sum(w.tpot for w in workloads) <= 60 ms",
        "not (max(w.tpot for w in workloads) > 30 ms)",
        "count(v for v in workloads where v.gpus + b.gpus > 4) + c.gpus <= 4",
        "not (count(v for v in workloads where count(w for w in workloads where v.gpus + w.gpus > 4) >= 2) >= 2)",
        "count(w.tpot <= a.tpot for w in workloads) == 2",
        "count(w.gpus * a.gpus > 3 for w in workloads where w.tpot + b.tpot <= 70 ms) != 1",
    ],
)
@pytest.mark.parametrize("paid", [False, True])
def test_rows_are_kept_where_the_condition_holds(condition: str, paid: bool) -> None:
    node, chance = rule(condition), random.Random(condition)
    choices: dict[str, list[dict[str, Value | None]]] = {
        owner: [
            {
                "gpu": chance.choice(("l4", "l40s", "t4")),
                "gpus": Fraction(chance.randint(1, 4)),
                "tpot": None if chance.random() < 0.2 else Fraction(chance.randint(1, 5), 100),
            }
            for _ in range(3)
        ]
        for owner in OWNERS
    }
    for combination in product(range(3), repeat=3):
        model = cpsat.IntegerModel()
        rows = {owner: [(model.variable(0, 1), _reader(have)) for have in found] for owner, found in choices.items()}
        broken = model.variable(0, 1) if paid else None
        demand(model, rows, "it", node, broken)
        for owner, place in zip(OWNERS, combination, strict=True):
            for index, (variable, _) in enumerate(rows[owner]):
                model.row({variable: 1}, int(index == place), int(index == place))

        def find(owner: str, quantity: str, combination: tuple[int, ...] = combination) -> Measure | None:
            have = choices[owner][combination[OWNERS.index(owner)]][quantity]
            return None if have is None else Measure(have)

        found = cpsat.solve(model, {} if broken is None else {broken: 1}, seconds=10)
        if broken is None:
            assert (found is not None) is holds(node, find), combination
        else:
            assert found is not None and (found.value == 0) is holds(node, find), combination


def _reader(have: dict[str, Value | None]) -> Callable[[str], Value | None]:
    return lambda quantity: have[quantity]


def asked(condition: str, choices: int) -> cpsat.IntegerModel:
    """Return the model of a condition over workloads with so many rows each, all different."""
    model = cpsat.IntegerModel()
    rows = {
        owner: [(model.variable(0, 1), _reader({"gpus": Fraction(n), "tpot": Fraction(n, 7)})) for n in range(choices)]
        for owner in OWNERS
    }
    demand(model, rows, "it", rule(condition), None)
    return model


def test_what_is_written_out_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    product = "a.gpus * b.gpus <= c.gpus + 2"
    with monkeypatch.context() as patch:
        patch.setattr(logic, "CASES", 7**3)
        asked(product, 7)
        with pytest.raises(TooWide, match="combinations"):
            asked(product, 8)
    with monkeypatch.context() as patch:
        patch.setattr(logic, "STEPS", 7 * 7**3 - 1)  # `product` has seven parts
        with pytest.raises(TooWide):
            asked(product, 7)
    looks: list[None] = []
    monkeypatch.setattr(clock, "look", lambda: looks.append(None))
    asked(product, 10)
    assert len(looks) >= 10


def test_a_condition_that_stands_twice_is_one() -> None:
    once = "count(w for w in workloads where w.gpus + b.gpus > 4) <= 2"
    twice = f"{once} and ({once} or a.gpus > 1)"
    assert len(asked(twice, 5).rows) < 2 * len(asked(once, 5).rows)


def test_numbers_that_have_no_common_scale_are_refused() -> None:
    rates = [Fraction(1, prime) for prime in (1_000_003, 1_000_033, 1_000_037, 1_000_039)]
    assert common(rates[:2], 2**50) == 1_000_003 * 1_000_033
    assert common(rates, 2**50) is None
    primes = [n for n in range(10_000, 20_000) if all(n % d for d in range(2, 142))]
    rows = {owner: [(n, _reader({"tpot": Fraction(1, prime)})) for n, prime in enumerate(primes)] for owner in "abc"}
    with pytest.raises(TooWide):
        demand(
            cpsat.IntegerModel([(0, 1)] * len(primes)), rows, "it", rule("sum(w.tpot for w in workloads) <= 1 s"), None
        )


def test_a_model_has_a_largest_size(monkeypatch: pytest.MonkeyPatch) -> None:
    model = cpsat.IntegerModel()
    variables = [model.variable(0, 1) for _ in range(10)]
    monkeypatch.setattr(cpsat, "TERMS", 25)
    for _ in range(2):
        model.one_of(variables)
    with pytest.raises(TooWide, match="terms"):
        model.one_of(variables)
