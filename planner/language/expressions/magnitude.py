"""How large the numbers of an expression can get, worked out before they are: exact arithmetic has no end of its own.

A value that needs no workload has at most `LONGEST` bits above and below its fraction bar, so that it can be shown and
converted. What reads quantities may reach `WIDEST` bits: a sum of a thousand ratios is still one.
"""

from __future__ import annotations

from math import lcm

from planner.record import dataclass
from planner.syntax import tree
from planner.units.canonical import dimension_of

LONGEST = 900
"""The most bits of a constant's numerator or denominator, about 270 digits: below the largest double of 2^1024."""
WIDEST = 65_536
"""The most bits that a number may have which an expression over workloads passes through."""
STEEPEST = 100
"""The highest power of a unit."""
READ = 113
"""The bits of a quantity that is read: figures are counted in steps below 2^63 of at least `STEP` of a unit."""
STEP = 10**15
"""The denominator of a quantity that is read."""


@dataclass(frozen=True, slots=True)
class Magnitude:
    """Bits above the fraction bar; the denominator as far as it is known, the bits of what is not; what is read."""

    above: int
    below: int
    unknown: int = 0
    reads: bool = False

    @property
    def bits(self) -> int:
        """The bits of the longer half."""
        return max(self.above, self.below.bit_length() + self.unknown)

    @property
    def too_large(self) -> bool:
        """Whether a number may get longer than is computed with."""
        return self.bits > (WIDEST if self.reads else LONGEST)


NOTHING = Magnitude(1, 1)


def magnitude(node: tree.Expression) -> Magnitude:
    """Return an upper bound on the numbers that evaluating a lowered expression passes through last."""
    match node:
        case tree.Number():
            return Magnitude(node.value.numerator.bit_length(), node.value.denominator)
        case tree.Name():
            return Magnitude(READ, STEP, 0, True)
        case tree.Unary():
            return magnitude(node.operand)
        case tree.Binary(operator="+" | "-"):
            return added([magnitude(node.left), magnitude(node.right)])
        case tree.Binary(operator="*" | "/"):
            return _scaled(magnitude(node.left), magnitude(node.right), node.operator == "/", node.right)
        case tree.Conditional():
            return _either([magnitude(node.then), magnitude(node.otherwise)])
        case tree.Call(function="when"):
            return magnitude(node.arguments[1])
        case tree.Call(function="sum"):
            return added([magnitude(item) for item in node.arguments])
        case tree.Call(function="min" | "max"):
            return _either([magnitude(item) for item in node.arguments])
    return NOTHING


def added(items: list[Magnitude]) -> Magnitude:
    """Return the magnitude of a sum."""
    below = _common(items)
    unknown = sum(item.unknown for item in items)
    grown = max((item.above + (below // item.below).bit_length() + unknown - item.unknown for item in items), default=1)
    return Magnitude(grown + len(items).bit_length(), below, unknown, any(item.reads for item in items))


def _common(items: list[Magnitude]) -> int:
    """Return the least common denominator, or one that is beyond every limit."""
    below = 1
    for each in dict.fromkeys(item.below for item in items):
        below = lcm(below, each)
        if below.bit_length() > WIDEST:
            break
    return below


def _either(items: list[Magnitude]) -> Magnitude:
    return Magnitude(
        max((item.above for item in items), default=1),
        _common(items),
        max((item.unknown for item in items), default=0),
        any(item.reads for item in items),
    )


def _scaled(left: Magnitude, right: Magnitude, over: bool, by: tree.Expression) -> Magnitude:
    reads = left.reads or right.reads
    if not over:
        return Magnitude(left.above + right.above, left.below * right.below, left.unknown + right.unknown, reads)
    above = left.above + right.below.bit_length() + right.unknown
    if isinstance(by, tree.Number) and by.value:
        return Magnitude(above, left.below * abs(by.value.numerator), left.unknown, reads)
    return Magnitude(above, left.below, left.unknown + right.above, reads)


def steep(unit: str | None) -> bool:
    """Return whether a unit has a power beyond `STEEPEST`."""
    return unit is not None and max(map(abs, dimension_of(unit)[1].exponents)) > STEEPEST
