"""Figures as people write them: GiB, dollars, milliseconds, per cent, tokens."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from planner.language.problem import Value
from planner.language.schema import QUANTITIES

GIB = 2**30
MONTH = 730
"""Hours of a month, as the language has it."""
SHARES = frozenset({"quality", "headroom", "mfu", "gpu_memory_utilization", "lora_dropout", "confidence"})
UNITS = {row.name: row.unit for row in QUANTITIES}
Write = Callable[[Fraction, int], str]


def size(amount: int | Fraction, digits: int = 2) -> str:
    """Return bytes in GiB."""
    return f"{float(amount) / GIB:.{digits}f} GiB"


def hourly(micro: int | Fraction) -> str:
    """Return micro-dollars per hour as dollars per hour, to the last of four decimals that counts."""
    return f"{_dollars(Fraction(micro, 1_000_000))}/h"


def monthly(micro: int | Fraction) -> str:
    """Return micro-dollars per hour as whole dollars per month of 730 hours."""
    month = float(micro) * MONTH / 1e6
    return f"${month:,.0f}/month" if month >= 10 or not month else f"${month:,.2f}/month"


def duration(seconds: Fraction | float, digits: int = 3) -> str:
    """Return a time in the unit that leaves few digits before the point."""
    value = float(seconds)
    for limit, scale, unit in ((1e-3, 1e6, "us"), (1, 1e3, "ms"), (120, 1, "s"), (7200, 1 / 60, "min")):
        if abs(value) < limit:
            return f"{_digits(value * scale, digits)} {unit}"
    if abs(value) < 48 * 3600:
        return f"{_digits(value / 3600, digits)} h"
    return f"{_digits(value / 86400, digits)} days"


def share(value: Fraction | float, digits: int = 1) -> str:
    """Return a share in per cent."""
    return f"{float(value) * 100:.{digits}f} %"


def tokens(value: Fraction | int) -> str:
    """Return a count of tokens as a plan has it: whole Ki as `8Ki`, others with all digits."""
    whole = int(value)
    if whole and whole % 1024 == 0 and whole == value:
        return f"{whole // 1024:_}Ki tokens"
    return f"{whole:_} tokens"


def show(quantity: str, value: Value | None, unit: str | None = None) -> str:
    """Return a value in the unit people use for it; a rule's name serves as its quantity's."""
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, Fraction):
        return value
    write, digits = _writer(quantity.rsplit(".", 1)[-1], unit)
    return write(value, digits)


def pair(quantity: str, left: Value | None, right: Value | None, unit: str | None = None) -> tuple[str, str]:
    """Return two values with so many digits that they differ where the values do."""
    if not isinstance(left, Fraction) or not isinstance(right, Fraction) or left == right:
        return show(quantity, left, unit), show(quantity, right, unit)
    write, digits = _writer(quantity.rsplit(".", 1)[-1], unit)
    texts = write(left, digits), write(right, digits)
    while texts[0] == texts[1] and digits < 12:
        digits += 1
        texts = write(left, digits), write(right, digits)
    return texts


def _writer(quantity: str, unit: str | None) -> tuple[Write, int]:
    """Return how a quantity is written, and with how many digits at first."""
    writers: dict[str | None, tuple[Write, int]] = {
        "bytes": (size, 2),
        "s": (duration, 3),
        "USD/h": (lambda value, digits: f"{_dollars(value, digits)}/h", 4),
        "USD": (_dollars, 2),
        "USD/tok": (lambda value, digits: f"${_digits(float(value) * 1e6, digits)}/Mtok", 3),
        "tokens": (lambda value, digits: tokens(value), 0),
        "tok/s": (lambda value, digits: f"{_digits(float(value), digits)} tok/s", 3),
        "req/s": (lambda value, digits: f"{_digits(float(value), digits)} req/s", 3),
        "W": (lambda value, digits: f"{_digits(float(value), digits)} W", 3),
    }
    known = unit if unit in writers else UNITS.get(quantity)
    if known in writers:
        return writers[known]
    return (share, 1) if quantity in SHARES else (_plain, 4)


def _plain(value: Fraction, digits: int) -> str:
    return f"{int(value):_}" if value.denominator == 1 else _digits(float(value), digits)


def _digits(value: float, digits: int) -> str:
    """Return a number with so many significant digits, and never fewer than its whole part has."""
    if value == 0:
        return "0"
    whole = len(str(int(abs(value)))) if abs(value) >= 1 else 0
    if not whole:
        return f"{value:.{digits}g}"
    text = f"{value:,.{max(0, digits - whole)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _dollars(value: Fraction, digits: int = 4) -> str:
    sign, amount = ("-", -value) if value < 0 else ("", value)
    if not amount:
        return "$0"
    if amount < Fraction(1, 1000):
        return f"{sign}${float(amount):.3g}"
    whole, _, cents = f"{float(amount):,.{digits}f}".partition(".")
    cents = cents.rstrip("0")
    return f"{sign}${whole}" if amount >= 1000 else f"{sign}${whole}.{cents:<02}"
