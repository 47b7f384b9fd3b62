"""Figures as people write them: GiB, dollars, milliseconds, per cent, tokens."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import ceil, floor, log10

from planner.language.problem import Value
from planner.language.schema import QUANTITIES

GIB = 2**30
DIGITS = 17
"""Digits that tell any two floats apart."""
MONTH = 730
"""Hours of a month, as the language has it."""
SHARES = frozenset(row.name for row in QUANTITIES if row.share)
UNITS = {row.name: row.unit for row in QUANTITIES}
Write = Callable[[Fraction, int], str]


def size(amount: int | Fraction, digits: int = 2) -> str:
    """Return bytes in GiB."""
    return f"{float(amount) / GIB:_.{digits}f} GiB"


def hourly(micro: int | Fraction) -> str:
    """Return micro-dollars per hour as dollars per hour, to the last of four decimals that counts."""
    return f"{_dollars(Fraction(micro, 1_000_000))}/h"


def monthly(micro: int | Fraction) -> str:
    """Return micro-dollars per hour as whole dollars per month of 730 hours."""
    month = float(micro) * MONTH / 1e6
    return f"${month:_.0f}/month" if month >= 10 or not month else f"${month:_.2f}/month"


def duration(seconds: Fraction | float, digits: int = 3) -> str:
    """Return a time in the unit that leaves few digits before the point."""
    value = float(seconds)
    scale = _scale(value)
    return f"{_digits(value / scale, digits)} {TIMES[scale]}"


TIMES = {1e-6: "us", 1e-3: "ms", 1.0: "s", 60.0: "min", 3600.0: "h", 86400.0: "days"}


def _scale(seconds: float) -> float:
    """Return the seconds of the unit that a time is written in."""
    for least, scale in ((1e-3, 1e-6), (1, 1e-3), (120, 1.0), (7200, 60.0), (172_800, 3600.0)):
        if abs(seconds) < least:
            return scale
    return 86400.0


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
        return "nothing" if value == "" else f"{value}"
    write, digits = _writer(quantity.rsplit(".", 1)[-1], unit)
    return write(value, digits)


def pair(quantity: str, left: Value | None, right: Value | None, unit: str | None = None) -> tuple[str, str]:
    """Return two values with so many digits that they differ where the values do."""
    if not isinstance(left, Fraction) or not isinstance(right, Fraction) or left == right:
        return show(quantity, left, unit), show(quantity, right, unit)
    write, digits = _writer(quantity.rsplit(".", 1)[-1], unit)
    texts = write(left, digits), write(right, digits)
    while texts[0] == texts[1] and digits < DIGITS:
        digits += 1
        texts = write(left, digits), write(right, digits)
    return texts


def limit(quantity: str, value: Value, unit: str | None, *, up: bool) -> str:
    """Return a value that is to be written into a plan: rounded so that it still does, up or down."""
    if not isinstance(value, Fraction) or isinstance(value, bool):
        return show(quantity, value, unit)
    name = quantity.rsplit(".", 1)[-1]
    step = _step(name, unit if unit is not None else UNITS.get(name), value)
    if step:
        value = step * (ceil(value / step) if up else floor(value / step))
    return show(quantity, value, unit).replace(" days", " day")  # as the language spells it


def _step(name: str, unit: str | None, value: Fraction) -> Fraction | None:
    """Return the last digit that `show` writes of a value, None where it writes all of them."""
    if unit == "bytes":
        return Fraction(GIB, 100)
    if unit in ("USD/h", "USD"):
        if value >= 1000:
            return Fraction(1)
        return Fraction(1, 10**6 if value < Fraction(1, 1000) else 10_000 if unit == "USD/h" else 100)
    if name in SHARES:
        return Fraction(1, 1000)
    if unit == "s":
        scale = _scale(float(value))
        return Fraction(scale) * _last(float(value) / scale)
    if unit == "USD/tok":
        return _last(float(value * 10**6)) / 10**6
    if unit in ("tok/s", "req/s", "W"):
        return _last(float(value))
    return None


def _last(value: float) -> Fraction:
    """Return one of the third significant digit, or of the ones where the whole part has more."""
    if value == 0:
        return Fraction(1)
    return Fraction(10) ** min(0, int(log10(abs(value)) // 1) - 2)


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
    text = f"{value:_.{max(0, digits - whole)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _dollars(value: Fraction, digits: int = 4) -> str:
    sign, amount = ("-", -value) if value < 0 else ("", value)
    if not amount:
        return "$0"
    if amount < Fraction(1, 1000):
        return f"{sign}${float(amount):.3g}"
    if amount >= 1000 and digits <= 4:
        return f"{sign}${float(amount):_.0f}"
    whole, _, cents = f"{float(amount):_.{digits}f}".partition(".")
    return f"{sign}${whole}.{cents.rstrip('0'):<02}"
