"""Answers of several plans side by side: a table, Markdown, JSON or CSV."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from functools import partial
from typing import Any

from planner.diagnostics.shown import cleaned, json_text
from planner.language.quantities.outcomes import APART, OUTCOMES
from planner.language.schema import HOW
from planner.lock.compare import Side
from planner.record import dataclass
from planner.report import csv_, figures, markdown

FORMATS = ("table", "json", "markdown", "csv")
GIVEN = (
    "model",
    "engine",
    "engine_version",
    "framework",
    "context",
    "concurrency",
    "sequence",
    "global_batch",
    "tokens",
)
CHOSEN = (*HOW, "offer", "market")
"""The decisions that have a line; GPUs and places are said with the hardware and the offer."""
NEUTRAL = frozenset({"1", "none", "on_demand", "0"})
"""Choices that go without saying where every plan has them."""
FIGURES = tuple(row.name for row in OUTCOMES if row.name not in ("memory", "cost", "headroom"))
MISSING = "-"


@dataclass(frozen=True, slots=True)
class Column:
    """One plan: its answer, None where there is none, and where that is from (`lock` or `solved`)."""

    plan: str
    source: str
    side: Side | None
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One figure or choice of all plans as it is written; `values` are what is written as a number, None for words,
    `safe` their safe ends where any has one of its own."""

    workload: str
    name: str
    cells: tuple[str, ...]
    values: tuple[Fraction | None, ...]
    safe: tuple[Fraction | None, ...] = ()
    comparable: bool = True
    """False for what is relative to each plan's own model."""

    @property
    def change(self) -> str:
        """How the last plan's figure differs from the first one's, in per cent."""
        first, final = self.values[0], self.values[-1]
        if first is None or final is None or not first or not self.comparable:
            return ""
        part = float(final / first - 1) * 100
        return "same" if first == final else f"{part:+.1f} %"


def lines(columns: Sequence[Column]) -> list[Line]:
    """Return what the answers are, workload by workload: equal names stand together, and where every plan has one
    workload these do."""
    out = [_line("", "cost", [_money(item) for item in columns])]
    single = all(item.side is not None and len(item.side.workloads) == 1 for item in columns)
    sides = [item.side.workloads if item.side is not None else {} for item in columns]
    if single:
        name = " / ".join(dict.fromkeys(next(iter(side)) for side in sides))
        return [*out, *_workload(name, [next(iter(side.values())) for side in sides])]
    for name in dict.fromkeys(name for side in sides for name in side):
        out += _workload(name, [side.get(name) for side in sides])
    return out


def _money(column: Column) -> Fraction | None:
    side = column.side
    return None if side is None or not side.workloads else Fraction(side.cost)


def _line(workload: str, name: str, values: Sequence[Fraction | None]) -> Line:
    cells = tuple(MISSING if value is None else _shown(name, value) for value in values)
    return Line(workload, name, cells, tuple(values))


def _shown(name: str, value: Fraction) -> str:
    if name == "cost":
        return f"{figures.hourly(value)}, {figures.monthly(value)}"
    return figures.show(name, value, "bytes" if name.startswith("memory") else None)


def _workload(name: str, rows: Sequence[Mapping[str, Any] | None]) -> Iterator[Line]:
    """Yield what one workload is in each plan; what none of them says, and what is the default in all, is left
    out."""
    known = [row for row in rows if row is not None]
    for key in GIVEN:
        yield from _words(name, key, [None if row is None else row.get("given", {}).get(key) for row in rows])
    yield Line(name, "hardware", tuple(map(_hardware, rows)), (None,) * len(rows))
    for key in CHOSEN:
        yield from _words(name, key, [None if row is None else row["choice"].get(key) for row in rows])
    if any(len(rows) > 1 and row.get("cost_micro_usd_per_hour") is not None for row in known):
        costs = [None if row is None else Fraction(row["cost_micro_usd_per_hour"]) for row in rows]
        yield _line(name, "cost", costs)
    for key in ("total", "usable"):
        sizes = [None if row is None else Fraction(row["memory"][key]) for row in rows]
        yield _line(name, f"memory {key}", sizes)
    alike = len({row.get("given", {}).get("model") for row in known}) < 2
    loaded = any(row["outcomes"].get("load") is not None for row in known)
    for key in FIGURES:
        expected, safe = ([_figure(row, form) for row in rows] for form in (key, f"{key}_safe"))
        if not any(expected) or (key.endswith("_p95") and not loaded) or key in APART:
            continue
        ends = [None if end == value else end for value, end in zip(expected, safe, strict=True)]
        cells = tuple(map(partial(_both, key), expected, ends))
        yield Line(name, key, cells, tuple(expected), tuple(safe) if any(ends) else (), alike or key != "quality")


def _hardware(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return MISSING
    copies = row.get("copies", 1)
    return f"{row['choice'].get('gpus')} x {row['choice'].get('gpu')}" + (f", {copies} copies" if copies != 1 else "")


def _figure(row: Mapping[str, Any] | None, key: str) -> Fraction | None:
    return None if row is None else _number(row["outcomes"].get(key))


def _both(name: str, value: Fraction | None, safe: Fraction | None) -> str:
    if value is None:
        return MISSING
    return figures.show(name, value) + (f" (safe {figures.show(name, safe)})" if safe is not None else "")


def _words(workload: str, name: str, values: Sequence[Any]) -> Iterator[Line]:
    cells = tuple(MISSING if value in (None, "") else _word(name, value) for value in values)
    if set(cells) != {MISSING} and not set(cells) <= NEUTRAL | {MISSING}:
        yield Line(workload, name, cells, (None,) * len(cells))


def _word(name: str, value: Any) -> str:
    number = _number(value)
    return str(value) if number is None else figures.show(name, number)


def _number(value: Any) -> Fraction | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return Fraction(str(value))


def render(form: str, columns: Sequence[Column]) -> str:
    """Return the comparison in one of FORMATS."""
    if form == "json":
        return json_text(document(columns))
    columns = [cleaned(item) for item in columns]
    compared = lines(columns)
    if form == "csv":
        head = ("workload", "name", *(item.plan for item in columns))
        rows = [(line.workload, line.name, *_plain(line, line.values)) for line in compared]
        ends = [(line.workload, f"{line.name}_safe", *_plain(line, line.safe)) for line in compared if line.safe]
        return csv_.text([head, *rows, *ends])
    two = len(columns) == 2
    rows = [("", "answer", *(f"{item.side.outcome if item.side else 'none'} ({item.source})" for item in columns), "")]
    rows += [(line.workload, line.name, *line.cells, line.change if two else "") for line in compared]
    head = ("workload", "", *(item.plan for item in columns), "change" if two else "")
    notes = _notes(columns)
    if form == "markdown":
        cells = [tuple(map(markdown.text, row if two else row[:-1])) for row in (head, *rows)]
        right = frozenset(range(2, len(cells[0])))
        return "\n".join([*markdown.table(cells[0], cells[1:], right), *(f"\n{markdown.text(note)}" for note in notes)])
    return "\n".join([*_table(head, rows), *notes])


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    wide = [max(len(row[place]) for row in (head, *rows)) for place in range(len(head))]
    last = ""
    for row in (head, *rows):
        first = row[0] if row[0] != last else ""
        if first and row is not head:
            yield ""
        last = row[0]
        cells = [first.ljust(wide[0]), row[1].ljust(wide[1])]
        cells += [cell.rjust(wide[place]) for place, cell in enumerate(row) if place > 1]
        yield "  ".join(cells).rstrip()


def _plain(line: Line, values: Sequence[Fraction | None]) -> Iterator[Any]:
    """Yield a line's figures as plain numbers (bytes, seconds, USD an hour), and words as they are."""
    for cell, value in zip(line.cells, values, strict=True):
        if value is None:
            yield "" if cell == MISSING else cell
        else:
            number = value / 10**6 if line.name == "cost" else value
            yield int(number) if number.denominator == 1 else round(float(number), 15)


def _notes(columns: Sequence[Column]) -> list[str]:
    out = []
    for item in columns:
        if item.side is None:
            out.append(f"{item.plan}: no answer: {item.refusal}")
        elif item.side.outcome == "infeasible":
            out.append(f"{item.plan}: nothing fits: {', '.join(item.side.conflict)}")
    return out


def document(columns: Sequence[Column]) -> dict[str, Any]:
    """Return the JSON document; each workload as its lock has it."""
    return {
        "schema": "planner.comparison/1",
        "plans": [
            {
                "plan": item.plan,
                "source": item.source,
                "outcome": item.side.outcome if item.side is not None else "unknown",
                "cost_usd_per_hour": None if (cost := _money(item)) is None else float(cost) / 1e6,
                "conflict": list(item.side.conflict) if item.side is not None else [],
                "refusal": item.refusal or None,
                "workloads": dict(item.side.workloads) if item.side is not None else {},
            }
            for item in columns
        ],
    }
