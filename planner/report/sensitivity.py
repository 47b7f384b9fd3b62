"""What would change an answer, in words: the limits that bind, and the price at which something else is rented."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from planner.diagnostics.shown import cleaned
from planner.report import figures
from planner.report.lines import Line, clamp, coloured, plain, prose
from planner.solve.answer import LimitMargin, Margins, Moved, PriceMargin

INDENT = 20
NAMED = 6
"""So many workloads that move are named."""


def render(margins: Margins, *, width: int = 100, colour: bool = False) -> str:
    """Return a paragraph on the limits of a plan and one on prices; nothing where there is neither."""
    width = clamp(width)
    out: list[Line] = []
    for title, rows in (
        ("limits: what one more would change", [*map(_limit, margins.limits)]),
        ("prices: what would be rented", [*map(_price, margins.prices)]),
    ):
        if rows:
            out += [(), ((title, "bold"),)]
            for name, text in cleaned(tuple(rows)):
                out += prose(name, text, width, INDENT, "", "bold")
    if not margins.complete:
        out += [(), (("the time limit passed before all of this was solved again; raise --time-limit", "dim"),)]
    text = coloured(out, width) if colour else plain(out)
    return text.lstrip("\n")


def _limit(item: LimitMargin) -> tuple[str, str]:
    has, more = (figures.show(item.rule, value, item.unit) for value in (item.has, item.more))
    takes = "" if item.takes is None else f"{figures.show(item.rule, item.takes, item.unit)} of "
    if not item.gains:
        return item.rule, f"{takes}{has} used; {more} would change nothing"
    return item.rule, f"{takes}{has} used; with {more}: {', '.join(_gains(item))}{_moves(item.moved)}"


def _gains(item: LimitMargin) -> Iterator[str]:
    for quantity, before, after, unit in item.gains:
        if isinstance(before, Fraction) and isinstance(after, Fraction) and quantity in ("cost", "fleet.cost"):
            yield f"{figures.hourly(abs(after - before) * 10**6)} {'less' if after < before else 'more'}"
        else:
            yield f"{quantity} {figures.show(quantity, before, unit)} → {figures.show(quantity, after, unit)}"


def _moves(moved: tuple[Moved, ...]) -> str:
    if not moved:
        return ""
    words = [f"{item.workload} {_hardware(item)}" for item in moved[:NAMED]]
    more = f" and {len(moved) - NAMED:_} more workloads" if len(moved) > NAMED else ""
    return f"; moves {', '.join(words)}{more}"


def _hardware(item: Moved) -> str:
    before, after = (f"{row.gpus} x {row.gpu}" for row in (item.before, item.after))
    return f"{before} → {after}" if before != after else f"to {item.after.offer}"


def _price(item: PriceMargin) -> tuple[str, str]:
    takers = ", ".join(item.workloads[:NAMED])
    takers += f" and {len(item.workloads) - NAMED:_} more" if len(item.workloads) > NAMED else ""
    text = (
        f"at {figures.hourly(item.enters)} and less (now {figures.hourly(item.price)}) {item.offer} is rented, and "
        f"makes the plan cheaper: at that price {figures.hourly(item.cost)}, with {takers} on it"
    )
    return item.gpu, text
