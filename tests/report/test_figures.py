"""Figures as people write them."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.catalog.load import load as load_catalog
from planner.language.imports import load_text
from planner.language.resolve import resolve
from planner.language.schema import BY_KIND
from planner.report import figures, phrases
from planner.solve.candidate import Hint


@pytest.mark.parametrize(
    ("quantity", "value", "text"),
    [
        ("chat.memory", Fraction(51 * 2**30 + 2**29), "51.50 GiB"),
        ("chat.tpot", Fraction(35, 1000), "35 ms"),
        ("tune.duration", Fraction(6836), "114 min"),
        ("tune.duration", Fraction(86400 * 3), "3 days"),
        ("chat.cost", Fraction(1861, 1000), "$1.861/h"),
        ("chat.cost", Fraction(0), "$0/h"),
        ("tune.total_cost", Fraction(146214, 100000), "$1.46"),
        ("chat.quality", Fraction(985, 1000), "98.5 %"),
        ("chat.context", Fraction(8192), "8Ki tokens"),
        ("chat.context", Fraction(6208), "6_208 tokens"),
        ("chat.cost_per_token", Fraction(419, 10**9), "$0.419/Mtok"),
        ("chat.throughput", Fraction(530072, 1000), "530 tok/s"),
        ("chat.gpus", Fraction(2), "2"),
        ("chat.weights", "fp8_e4m3", "fp8_e4m3"),
        ("chat.quality", None, "unknown"),
    ],
)
def test_show(quantity: str, value: Fraction | str | None, text: str) -> None:
    assert figures.show(quantity, value) == text


def test_money() -> None:
    assert figures.hourly(758_200) == "$0.7582/h"
    assert figures.hourly(800_000) == "$0.80/h"
    assert figures.monthly(1_861_000) == "$1_359/month"
    assert figures.monthly(0) == "$0/month"


@given(st.integers(1, 2**42), st.integers(1, 2**42), st.sampled_from(["memory", "tpot", "cost", "quality"]))
def test_a_pair_of_different_values_looks_different(left: int, right: int, quantity: str) -> None:
    """`needs 51.20 of 51.20 GiB` would tell nobody anything; seventeen digits tell any two floats apart."""
    scale = 1 if quantity == "memory" else 10**6
    a, b = figures.pair(quantity, Fraction(left, scale), Fraction(right, scale))
    assert (a == b) == (left == right)


@given(
    st.fractions(min_value=Fraction(1, 10**6), max_value=10**6),
    st.sampled_from(["quality", "tpot", "cost", "memory", "throughput", "power", "total_cost"]),
    st.booleans(),
)
def test_a_limit_still_does_when_it_is_rounded(value: Fraction, quantity: str, up: bool) -> None:
    """What is written into a plan is never on the wrong side of what is needed."""
    amount = Fraction(int(value * 2**30)) if quantity == "memory" else value
    text = figures.limit(quantity, amount, None, up=up)
    number, _, unit = text.strip("$").removesuffix("/h").partition(" ")
    scale = {"%": Fraction(1, 100), "GiB": Fraction(2**30), "ms": Fraction(1, 1000), "us": Fraction(1, 10**6)}
    scale |= {"min": Fraction(60), "h": Fraction(3600), "day": Fraction(86400)}
    written = Fraction(number.replace(",", "")) * scale.get(unit, Fraction(1))
    assert written >= amount if up else written <= amount
    assert abs(written - amount) <= max(amount / 50, Fraction(2**30, 100) if quantity == "memory" else Fraction(1, 100))


CATALOG, _ = load_catalog()
BLOCKS = {
    "inference": 'inference w { model = "meta-llama/Llama-3.1-8B"; context = 8Ki tokens; concurrency = 8; %s }',
    "training": 'training w { model = "meta-llama/Llama-3.1-8B"; sequence = 8Ki tokens; global_batch = 8; %s }',
}
BOUNDS = [(kind, row.name) for kind in BLOCKS for row in BY_KIND[kind].values() if row.role == "outcome"]


@pytest.mark.parametrize(("kind", "quantity"), BOUNDS)
@pytest.mark.parametrize("size", [Fraction(1, 3000), Fraction(7, 9), Fraction(20_001, 10), Fraction(3 * 10**6 + 1, 7)])
def test_a_remedy_is_a_line_of_the_language(kind: str, quantity: str, size: Fraction) -> None:
    """What is proposed can be put into the plan as it is printed, and is no stricter than what is needed."""
    if quantity in ("quality", "mfu", "headroom"):
        size = min(size, Fraction(7, 9))
    if BY_KIND[kind][quantity].whole or quantity in ("max_concurrency", "kv_tokens", "max_context"):
        size = Fraction(max(1, int(size)))
    line = phrases.hint(Hint(quantity, "<=", size))
    file, found, texts = load_text(BLOCKS[kind] % line, "plan.mem")
    assert file is not None
    problem, more = resolve(file, CATALOG, texts=texts)
    assert problem is not None, (line, [item.message for item in (*found, *more)])
    (bound,) = problem.workloads[0].bounds
    assert isinstance(bound.value, Fraction) and bound.value >= size, line
