"""Exact quantities with dimensions: what a number and its unit mean."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

from planner.record import dataclass

DATE = "date"
"""The unit of a calendar day as a number, counted as `datetime.date.toordinal` does; a date literal alone has it."""
BASES = ("byte", "second", "USD", "token", "param", "request", "flop", "joule", DATE)


class DimensionError(ValueError):
    """Two quantities that do not go together."""


@dataclass(frozen=True, slots=True)
class Dimension:
    """Exponents over `BASES`; all zero is a plain number."""

    exponents: tuple[int, ...] = (0,) * len(BASES)

    def __mul__(self, other: Dimension) -> Dimension:
        """Return the dimension of a product."""
        return Dimension(tuple(a + b for a, b in zip(self.exponents, other.exponents, strict=True)))

    def __truediv__(self, other: Dimension) -> Dimension:
        """Return the dimension of a ratio."""
        return Dimension(tuple(a - b for a, b in zip(self.exponents, other.exponents, strict=True)))

    @property
    def name(self) -> str:
        """The short name: "bytes", "money/time", "number"."""
        known = _NAMES.get(self.exponents)
        if known is not None:
            return known
        above = [_power(b, e) for b, e in zip(BASES, self.exponents, strict=True) if e > 0]
        below = [_power(b, -e) for b, e in zip(BASES, self.exponents, strict=True) if e < 0]
        return "*".join(above or ["1"]) + "".join(f"/{part}" for part in below)

    def __str__(self) -> str:
        """Return the short name."""
        return self.name


def _power(base: str, exponent: int) -> str:
    return base if exponent == 1 else f"{base}^{exponent}"


def _base(name: str) -> Dimension:
    return Dimension(tuple(int(name == base) for base in BASES))


NUMBER = Dimension()
BYTES, TIME, MONEY, TOKENS, PARAMS, REQUESTS, FLOP, ENERGY, DAY = (_base(name) for name in BASES)
MONEY_RATE = MONEY / TIME
MONEY_TOKEN = MONEY / TOKENS
MONEY_ENERGY = MONEY / ENERGY
REQUEST_RATE = REQUESTS / TIME
TOKEN_RATE = TOKENS / TIME
BANDWIDTH = BYTES / TIME
COMPUTE = FLOP / TIME
POWER = ENERGY / TIME

_NAMES = {
    dimension.exponents: name
    for dimension, name in (
        (NUMBER, "number"),
        (BYTES, "bytes"),
        (TIME, "time"),
        (MONEY, "money"),
        (TOKENS, "tokens"),
        (PARAMS, "params"),
        (REQUESTS, "requests"),
        (FLOP, "operations"),
        (ENERGY, "energy"),
        (DAY, "date"),
        (MONEY_RATE, "money/time"),
        (MONEY_TOKEN, "money/token"),
        (MONEY_ENERGY, "money/energy"),
        (REQUEST_RATE, "rate(requests)"),
        (TOKEN_RATE, "rate(tokens)"),
        (BANDWIDTH, "bytes/time"),
        (COMPUTE, "operations/time"),
        (POWER, "power"),
    )
}

HOUR = Fraction(3600)
PER_HOUR = 1 / HOUR
"""One USD/h in USD per second, the base of money per time."""

_TIMES = {
    "us": Fraction(1, 1_000_000),
    "ms": Fraction(1, 1000),
    "s": Fraction(1),
    "min": Fraction(60),
    "h": HOUR,
    "day": 24 * HOUR,
    "week": 168 * HOUR,
    "month": 730 * HOUR,
}
_THOUSANDS = {"k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15}


def _units() -> dict[str, tuple[Fraction, Dimension]]:
    one = Fraction(1)
    units: dict[str, tuple[Fraction, Dimension]] = {
        "byte": (one, BYTES),
        "bytes": (one, BYTES),
        "bit": (Fraction(1, 8), BYTES),
        "bits": (Fraction(1, 8), BYTES),
        "USD": (one, MONEY),
        "token": (one, TOKENS),
        "tokens": (one, TOKENS),
        "params": (one, PARAMS),
        "req": (one, REQUESTS),
        "FLOPS": (one, COMPUTE),
        "W": (one, POWER),
        "kW": (Fraction(1000), POWER),
        "%": (Fraction(1, 100), NUMBER),
        "USD/tok": (one, MONEY_TOKEN),
        "USD/ktok": (Fraction(1, 10**3), MONEY_TOKEN),
        "USD/Mtok": (Fraction(1, 10**6), MONEY_TOKEN),
        "USD/kWh": (1 / (1000 * HOUR), MONEY_ENERGY),
    }
    for place, prefix in enumerate("kMGT", 1):
        units[f"{prefix}B"] = (Fraction(1000**place), BYTES)
        units[f"{prefix.upper()}iB"] = (Fraction(1024**place), BYTES)
        units[f"{prefix}B/s"] = (Fraction(1000**place), BANDWIDTH)
        units[f"{prefix.upper()}iB/s"] = (Fraction(1024**place), BANDWIDTH)
        units[f"{prefix}bit/s"] = (Fraction(1000**place, 8), BANDWIDTH)
    for prefix in "MGTP":
        units[f"{prefix}FLOPS"] = (Fraction(_THOUSANDS[prefix]), COMPUTE)
    for name, seconds in _TIMES.items():
        units[name] = (seconds, TIME)
        units[f"USD/{name}"] = (1 / seconds, MONEY_RATE)
        units[f"req/{name}"] = (1 / seconds, REQUEST_RATE)
        for tokens in ("tok", "token", "tokens"):
            units[f"{tokens}/{name}"] = (1 / seconds, TOKEN_RATE)
    return units


UNITS = _units()
"""Unit text to its factor in base units and its dimension."""


TIME_WORDS = {
    "sec": "s", "second": "s", "seconds": "s", "minute": "min", "minutes": "min", "hr": "h", "hour": "h", "hours": "h",
    "d": "day", "days": "day", "weeks": "week", "mo": "month", "months": "month",
}  # fmt: skip
SPELLINGS = {
    **TIME_WORDS,
    **{f"USD/{word}": f"USD/{unit}" for word, unit in TIME_WORDS.items()},
    **{f"{noun}/{word}": f"{noun}/{unit}" for noun in ("req", "tok") for word, unit in TIME_WORDS.items()},
    "rps": "req/s", "qps": "req/s", "rpm": "req/min", "tps": "tok/s", "requests/s": "req/s", "request/s": "req/s",
    **{f"{prefix}bps": f"{prefix}bit/s" for prefix in "kMGT"},
}  # fmt: skip
"""Other spellings of units, and the unit: these are read, and `fmt` writes the unit."""


@dataclass(frozen=True, slots=True)
class Amount:
    """An exact value in base units (byte, second, USD, token …) and its dimension."""

    value: Fraction
    dimension: Dimension = NUMBER

    def _same(self, other: Amount, doing: str) -> None:
        if self.dimension != other.dimension:
            sides = f"{show(self)} ({self.dimension}) and {show(other)} ({other.dimension})"
            raise DimensionError(f"cannot {doing} {sides}")

    def __add__(self, other: Amount) -> Amount:
        """Return the sum; both sides need one dimension."""
        self._same(other, "add")
        return Amount(self.value + other.value, self.dimension)

    def __sub__(self, other: Amount) -> Amount:
        """Return the difference; both sides need one dimension."""
        self._same(other, "subtract")
        return Amount(self.value - other.value, self.dimension)

    def __neg__(self) -> Amount:
        """Return the negative."""
        return Amount(-self.value, self.dimension)

    def __mul__(self, other: Amount) -> Amount:
        """Return the product and its dimension."""
        return Amount(self.value * other.value, self.dimension * other.dimension)

    def __truediv__(self, other: Amount) -> Amount:
        """Return the ratio and its dimension; by zero raises ZeroDivisionError."""
        return Amount(self.value / other.value, self.dimension / other.dimension)

    def compare(self, other: Amount) -> int:
        """Return -1, 0 or 1; both sides need one dimension."""
        self._same(other, "compare")
        return (self.value > other.value) - (self.value < other.value)


def quantity(number_value: Fraction, unit: str | None) -> Amount | None:
    """Return the quantity of a number and its unit, None for an unknown unit."""
    if unit is None:
        return Amount(Fraction(number_value))
    unit_row = UNITS.get(unit)
    return None if unit_row is None else Amount(number_value * unit_row[0], unit_row[1])


def _decimal(value: Fraction, places: int = 3) -> str:
    return str(value.numerator) if value.denominator == 1 else _fixed(value, places)


def _fixed(value: Fraction, places: int) -> str:
    sign = "-" if value < 0 else ""
    scaled = round(abs(value) * 10**places)
    whole, rest = divmod(scaled, 10**places)
    if not scaled and value:
        return f"{sign}1/{round(1 / abs(value))}"
    tail = f"{rest:0{places}d}".rstrip("0")
    return f"{sign}{whole}.{tail}" if tail else f"{sign}{whole}"


def _money(value: Fraction) -> str:
    sign = "-" if value < 0 else ""
    thousandths = round(abs(value) * 1000)
    whole, rest = divmod(thousandths, 1000)
    tail = f"{rest:03d}"
    return f"{sign}${whole}.{tail[:2] if tail.endswith('0') else tail}"


def _scaled(value: Fraction, units: tuple[tuple[str, Fraction], ...], places: int) -> str:
    for name, factor in units:
        if abs(value) >= factor or name == units[-1][0]:
            return f"{_decimal(value / factor, places)} {name}"
    return _decimal(value)


_SHOWN: dict[Dimension, tuple[tuple[tuple[str, Fraction], ...], int]] = {
    BYTES: (tuple((u, UNITS[u][0]) for u in ("TiB", "GiB", "MiB", "KiB", "bytes")), 1),
    TIME: (tuple((u, UNITS[u][0]) for u in ("day", "h", "min", "s", "ms", "us")), 2),
    BANDWIDTH: (tuple((u, UNITS[u][0]) for u in ("TB/s", "GB/s", "MB/s", "kB/s")), 1),
    COMPUTE: (tuple((u, UNITS[u][0]) for u in ("PFLOPS", "TFLOPS", "GFLOPS", "FLOPS")), 1),
    POWER: ((("kW", Fraction(1000)), ("W", Fraction(1))), 2),
    TOKENS: ((("tokens", Fraction(1)),), 2),
    PARAMS: ((("params", Fraction(1)),), 2),
    REQUESTS: ((("req", Fraction(1)),), 2),
    REQUEST_RATE: ((("req/s", Fraction(1)),), 3),
    TOKEN_RATE: ((("tok/s", Fraction(1)),), 2),
}


_LAST_DAY = date.max.toordinal() + 1


def show(amount: Amount) -> str:
    """Return the quantity for a person: `44.4 GiB`, `$1.861/h`, `250 ms`."""
    value, dimension = amount.value, amount.dimension
    if dimension == NUMBER:
        return _decimal(value)
    if dimension == MONEY:
        return _money(value)
    if dimension == MONEY_RATE:
        return f"{_money(value / PER_HOUR)}/h"
    if dimension == MONEY_TOKEN:
        return f"{_money(value * 10**6)}/Mtok"
    if dimension == MONEY_ENERGY:
        return f"{_money(value * 1000 * HOUR)}/kWh"
    if dimension == DAY and 0 < value < _LAST_DAY:
        return date.fromordinal(int(value)).isoformat()
    if dimension in _SHOWN:
        return _scaled(value, *_SHOWN[dimension])
    return f"{_decimal(value)} {dimension}"


def show_percent(amount: Amount) -> str:
    """Return a plain number as a percentage: `99 %`."""
    return f"{_decimal(amount.value * 100, 2)} %"


def duration(text: str) -> float:
    """Return a time like `30s`, `500ms` or `2min` in seconds; raise ValueError for what is none, or not positive."""
    for unit in ("ms", "us", "min", "s", "h"):
        if text.endswith(unit):
            try:
                seconds = float(Fraction(text[: -len(unit)].strip()) * UNITS[unit][0])
            except (ValueError, ZeroDivisionError, OverflowError):
                break
            if seconds > 0:
                return seconds
            break
    raise ValueError(f"invalid duration `{text}` (example: 30s)")
