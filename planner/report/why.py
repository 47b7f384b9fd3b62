"""Why not another GPU: for each type the nearest choice, the rules it breaks, and how many candidates break each."""

from __future__ import annotations

from collections.abc import Iterable

from planner.diagnostics.shown import cleaned
from planner.record import dataclass
from planner.report import figures, phrases
from planner.report.lines import Line, clamp, coloured, flow, listed, plain, prose
from planner.solve.candidate import Answer, Candidate, Solved

INDENT = 20


@dataclass(frozen=True, slots=True)
class Reason:
    """One GPU type: `chosen`, `fits` (and is not the optimum) or `breaks`, its nearest choice, and what it breaks.

    `filtered` counts the candidates on it that break each rule, most first.
    """

    gpu: str
    verdict: str
    hardware: str
    cost: int | None
    setup: str
    faults: tuple[phrases.Fault, ...]
    filtered: tuple[tuple[str, int], ...]


Nearest = dict[str, dict[str, Candidate]]
"""Of each workload and GPU type the candidate that breaks least."""


def reasons(
    answer: Answer, known: dict[str, str], others: Nearest | None = None
) -> tuple[tuple[str, tuple[Reason, ...]], ...]:
    """Return the reasons of each workload: the choice, what else fits by cost, then what breaks a rule.

    `others` adds the nearest candidate on the GPUs that the answer itself does not speak of.
    """
    counts: dict[str, dict[str, dict[str, int]]] = {}
    for item in answer.filtered:
        counts.setdefault(item.workload, {}).setdefault(item.gpu, {})[item.rule] = item.candidates
    solved = {item.chosen.workload: item for item in answer.workloads}
    names = dict.fromkeys((*solved, *sorted(counts), *sorted(others or {})))
    return tuple(
        (name, _gpus(solved.get(name), counts.get(name, {}), (others or {}).get(name, {}), known)) for name in names
    )


def _gpus(
    solved: Solved | None, counts: dict[str, dict[str, int]], others: dict[str, Candidate], known: dict[str, str]
) -> tuple[Reason, ...]:
    groups: list[tuple[str, Iterable[Candidate]]] = []
    if solved is not None:
        groups = [("chosen", (solved.chosen,)), ("fits", solved.alternatives), ("breaks", solved.rejected[::-1])]
    rest = sorted(others.values(), key=lambda row: (bool(row.broken), row.cost, row.gpu))
    groups += [("fits", [row for row in rest if not row.broken]), ("breaks", [row for row in rest if row.broken])]
    rows: dict[str, Reason] = {}
    for verdict, group in groups:
        for row in group:
            if row.gpu not in rows:
                rows[row.gpu] = _reason(verdict, row, counts.get(row.gpu, {}), known)
    for gpu in sorted(counts):
        rows.setdefault(gpu, Reason(gpu, "breaks", gpu, None, "", (), _most(counts[gpu])))
    order = ("chosen", "fits", "breaks")
    return tuple(sorted(rows.values(), key=lambda row: order.index(row.verdict)))


def _reason(verdict: str, row: Candidate, counts: dict[str, int], known: dict[str, str]) -> Reason:
    faults = tuple(phrases.fault(item, known) for item in row.broken)
    return Reason(row.gpu, verdict, f"{row.gpus} x {row.gpu}", row.cost, phrases.setup(row), faults, _most(counts))


def _most(counts: dict[str, int]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def filtered(reason: Reason) -> str:
    """Return how many candidates of a GPU break each rule, in words."""
    return ", ".join(f"{count:_} break {rule}" for rule, count in reason.filtered)


def render(groups: tuple[tuple[str, tuple[Reason, ...]], ...], *, width: int = 100, colour: bool = False) -> str:
    """Return a paragraph a workload with a line a GPU type."""
    width = clamp(width)
    out: list[Line] = []
    for name, rows in cleaned(groups):
        out += [(), ((f"{name}: why this and no other GPU", "bold"),)]
        out += [line for row in rows for line in _lines(row, width)]
    text = coloured(out, width) if colour else plain(out)
    return text.lstrip("\n")


def _lines(row: Reason, width: int) -> list[Line]:
    style = {"chosen": "bold green", "fits": "green"}.get(row.verdict, "")
    out: list[Line] = []
    if row.cost is not None:
        head: Line = (
            (row.verdict, style),
            (f"  {row.hardware}  {figures.hourly(row.cost)}" + " " * bool(row.setup), "cyan"),
        )
        out += flow(
            row.gpu, [head, *(listed(row.setup, "dim") if row.setup else [])], width, INDENT, style="bold", gap=" "
        )
        for item in row.faults:
            out += prose("", str(item), width, INDENT, "")
    elif row.filtered:
        return prose(row.gpu, filtered(row), width, INDENT, "dim", "bold")
    if row.filtered and row.verdict != "chosen":
        out += prose("", filtered(row), width, INDENT, "dim")
    return out
