"""Quantities are exact and know their dimensions."""

from fractions import Fraction

import pytest

from planner.units.quantity import UNITS, Amount, DimensionError, quantity, show


def q(value: str, unit: str | None = None) -> Amount:
    found = quantity(Fraction(value), unit)
    assert found is not None
    return found


def test_units_are_exact() -> None:
    assert q("1", "GiB").value == 2**30
    assert q("1", "GB").value == 10**9
    assert q("8", "bits") == q("1", "byte")
    assert q("730", "h") == q("1", "month")
    assert q("99", "%").value == Fraction(99, 100)
    assert q("1", "USD/h") == q("730", "USD/month")
    assert q("60", "req/min") == q("1", "req/s")
    assert q("100", "Gbit/s") == q("12.5", "GB/s") == q("100000", "Mbit/s")
    assert quantity(Fraction(1), "B") is None


def test_arithmetic() -> None:
    assert q("2", "USD/h") * q("3", "h") == q("6", "USD")
    assert q("8", "GB") / q("2", "GB/s") == q("4", "s")
    assert q("1", "s") - q("1", "ms") == q("999", "ms")
    assert q("1", "h").compare(q("61", "min")) == -1
    with pytest.raises(DimensionError, match=r"bytes.*time"):
        q("1", "GiB") + q("1", "s")


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        ("44.4", "GiB", "44.4 GiB"),
        ("1.861", "USD/h", "$1.861/h"),
        ("40", "USD/h", "$40.00/h"),
        ("0.4", "USD/Mtok", "$0.40/Mtok"),
        ("250", "ms", "250 ms"),
        ("20", "req/s", "20 req/s"),
        ("0", "GiB", "0 bytes"),
        ("-2.5", None, "-2.5"),
    ],
)
def test_show(value: str, unit: str | None, text: str) -> None:
    assert show(q(value, unit)) == text


def test_every_unit_shows() -> None:
    for unit in UNITS:
        assert show(q("3.7", unit))
        assert q("1", unit).dimension.name
