"""Units that are likely meant otherwise: `8k` for `8Ki`, GB for GiB (W0606, W0607)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from planner.diagnostics.diagnostic import Diagnostic, Fix, Span, warning
from planner.language.schema import POWERS
from planner.lint.source import Source, nodes
from planner.syntax import tree

TWOS = frozenset(str(2**power) for power in range(1, 11))
MARKETED = frozenset({8, 10, 11, 12, 16, 20, 24, 32, 40, 48, 64, 80, 94, 96, 128, 141, 180, 192, 256, 288})
"""The memory that boxes of GPUs state (the `marketed_gb` of the catalog's rows, and of common consumer cards)."""
_THOUSANDS = re.compile(r"(\d+)k(?![A-Za-z0-9_])")


def units(source: Source) -> Iterator[Diagnostic]:
    """Yield the findings."""
    for item in source.own():
        for node in nodes(item):
            match node:
                case tree.Let(value=tree.Number() as number) if number.unit in ("token", "tokens"):
                    yield from _thousands(number)
                case tree.Relation(target=target, value=value):
                    name = target.parts[-1]
                    for number in _literals(value):
                        if name in POWERS:
                            yield from _thousands(number)
                        elif name == "memory":
                            yield from _decimal(number)
                case tree.Binary(left=tree.Name() as name, right=tree.Number() as number):
                    if name.parts[-1] in POWERS:
                        yield from _thousands(number)
                    elif name.parts[-1] == "memory":
                        yield from _decimal(number)


def _literals(value: tree.Expression) -> list[tree.Number]:
    match value:
        case tree.Number():
            return [value]
        case tree.SetOf():
            return [item for item in value.items if isinstance(item, tree.Number)]
        case tree.Range():
            return [end for end in (value.low, value.high) if isinstance(end, tree.Number)]
    return []


def _thousands(number: tree.Number) -> Iterator[Diagnostic]:
    match = _THOUSANDS.match(number.text)
    if match is None or match.group(1) not in TWOS:
        return
    count = int(match.group(1))
    yield warning(
        "W0606",
        f"`{count}k` is {count * 1000:_}, `{count}Ki` is {count * 1024:_}",
        number.span,
        label="powers of 1000",
        help=f"write `{count}Ki`, or `{count}_000` where that is meant",
        fix=Fix(f"write `{count}Ki`", ((_inside(number, match.end() - 1, match.end()), "Ki"),), safe=False),
    )


def _decimal(number: tree.Number) -> Iterator[Diagnostic]:
    if number.unit != "GB" or number.value.denominator != 1 or int(number.value) not in MARKETED:
        return
    start = number.text.rindex("GB")
    yield warning(
        "W0607",
        f"{int(number.value)} GB are {float(number.value) * 1e9 / 2**30:.2f} GiB",
        number.span,
        label="powers of 1000",
        help=f"a GPU sold with {int(number.value)} GB has {int(number.value)} GiB: write `GiB` where that is meant",
        fix=Fix("write `GiB`", ((_inside(number, start, start + 2), "GiB"),), safe=False),
    )


def _inside(number: tree.Number, start: int, end: int) -> Span:
    span = number.span
    return Span(span.path, span.start + start, span.start + end, span.line, span.column + start)
