"""One decision against its values: of each format or way of recomputing what it takes, costs and breaks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction

from planner.record import dataclass
from planner.report import figures, phrases
from planner.report.lines import Line, clamp, coloured, plain, prose
from planner.solve.answer import Answer, ByValue
from planner.solve.candidate import Candidate, aimed

TIMES = {"inference": "tpot", "training": "step_time"}
WHOLE = {"inference": "cost_per_token", "training": "total_cost"}
"""What a candidate costs beside its price per hour."""
FIRST_TO_GO = ("cost_per_token", "per hour")
"""The columns that a narrow screen goes without, in this order."""
OF_MODELS = ("cost_per_token", "memory per GPU", "per hour")
"""The same where models are compared, which differ in what they cost first."""
UNKNOWN = "unknown"
LEFT = frozenset({"status", "candidate"})
"""The columns of words, beside the first."""
STYLES = {"chosen": "bold green", "fits": "green"}


@dataclass(frozen=True, slots=True)
class Cells:
    """One value: what is shown of it, by column, and what its nearest candidate breaks."""

    value: str
    status: str
    cells: tuple[str, ...]
    faults: tuple[phrases.BrokenRule, ...]


@dataclass(frozen=True, slots=True)
class Values:
    """One decision of a workload: the columns that any row fills, and a row for each value, in the plan's order."""

    workload: str
    quantity: str
    head: tuple[str, ...]
    rows: tuple[Cells, ...]

    @property
    def right(self) -> frozenset[int]:
        """The columns of figures."""
        return frozenset(place for place, name in enumerate(self.head) if place and name not in LEFT)

    @property
    def title(self) -> str:
        """What the table is of."""
        return f"{self.workload}: by {self.quantity}"


def values(answer: Answer, operators: Mapping[str, str]) -> tuple[Values, ...]:
    """Return a table for each decision of each workload that was looked at; `operators` are operators by rule."""
    groups: dict[tuple[str, str], list[ByValue]] = {}
    for item in answer.by_value:
        groups.setdefault((item.workload, item.quantity), []).append(item)
    return tuple(_table(name, quantity, rows, dict(operators)) for (name, quantity), rows in groups.items())


def _table(name: str, quantity: str, entries: list[ByValue], operators: dict[str, str]) -> Values:
    kind = next((item.best.kind for item in entries if item.best is not None), "inference")
    time, whole = TIMES[kind], WHOLE[kind]
    copies = any(item.best is not None and item.best.copies > 1 for item in entries)
    head = (
        quantity,
        "status",
        "candidate",
        "per hour and copy" if copies else "per hour",
        whole,
        "memory per GPU",
        time,
        "quality",
    )
    rows = tuple(_cells(item, time, whole, operators) for item in entries)
    shown_places = [place for place in range(len(head)) if any(row.cells[place] not in ("", UNKNOWN) for row in rows)]
    kept = [replace(row, cells=tuple(row.cells[place] for place in shown_places)) for row in rows]
    return Values(name, quantity, tuple(head[place] for place in shown_places), tuple(kept))


def _cells(item: ByValue, time: str, whole: str, operators: dict[str, str]) -> Cells:
    status = item.status.replace("_", " ")
    value = figures.show(item.quantity, item.value)
    row = item.best
    if row is None:
        return Cells(value, item.status, (value, status, *[""] * 6), ())
    memory = f"{figures.size(row.total).removesuffix(' GiB')} of {figures.size(row.usable)}" if row.usable else ""
    cells = (
        value,
        status,
        f"{row.gpus} x {row.gpu}",
        figures.hourly(Fraction(row.cost, max(1, row.copies))),
        _outcome(row, whole),
        memory,
        _outcome(row, time),
        _outcome(row, "quality") if item.quantity != "model" else "",  # each model's own, and no comparison
    )
    return Cells(value, item.status, cells, tuple(phrases.fault(fault, operators) for fault in row.broken))


def _outcome(row: Candidate, name: str) -> str:
    value = row.outcomes.get(aimed(name), row.outcomes.get(name))
    return figures.show(name, value) if isinstance(value, Fraction) else UNKNOWN


def render(tables: tuple[Values, ...], *, width: int = 100, colour: bool = False) -> str:
    """Return the tables as text: a line a value, below it what it breaks."""
    width = clamp(width)
    out = [line for item in tables for line in ((), *_lines(item, width))][1:]
    return coloured(out, width) if colour else plain(out)


def _narrowed(item: Values, width: int) -> Values:
    """Return a table without what is the first to go where a line is narrower than it."""
    for name in OF_MODELS if item.quantity == "model" else FIRST_TO_GO:
        rows = [item.head, *(row.cells for row in item.rows)]
        needs = sum(max(len(cells[place]) for cells in rows) + 2 for place in range(len(item.head)))
        if needs <= width or name not in item.head:
            continue
        kept = [place for place, other in enumerate(item.head) if other != name]
        fewer = tuple(replace(row, cells=tuple(row.cells[place] for place in kept)) for row in item.rows)
        item = replace(item, head=tuple(item.head[place] for place in kept), rows=fewer)
    return item


def _lines(item: Values, width: int) -> Iterator[Line]:
    item = _narrowed(item, width)
    rows = [item.head, *(row.cells for row in item.rows)]
    wide = [max(len(cells[place]) for cells in rows) for place in range(len(item.head))]
    left = [place not in item.right for place in range(len(item.head))]
    yield ((item.title, "bold"),)
    yield ((_joined(item.head, wide, left, width), "dim"),)
    for row in item.rows:
        yield ((_joined(row.cells, wide, left, width), STYLES.get(row.status, "")),)
        for fault in row.faults:
            yield from prose("", str(fault), width, wide[0] + 4)


def _joined(cells: tuple[str, ...], wide: list[int], left: list[bool], width: int) -> str:
    padded = (
        cell.ljust(room) if words else cell.rjust(room) for cell, room, words in zip(cells, wide, left, strict=True)
    )
    text = "  ".join(padded).rstrip()
    return f"  {text}" if len(text) + 2 <= width else f"  {text}"[: width - 1] + "…"
