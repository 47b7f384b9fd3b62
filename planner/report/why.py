"""Why not another GPU: where each type stands, its best candidate or the nearest, and how many break each rule."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from planner.diagnostics.shown import cleaned
from planner.language.copies import block_of
from planner.record import dataclass
from planner.report import figures, phrases
from planner.report.lines import Line, clamp, coloured, flow, listed, plain, prose
from planner.solve.answer import Answer, Standing

INDENT = 20


@dataclass(frozen=True, slots=True)
class Reason:
    """One GPU type: its status, the candidate that stands for it, what that breaks, and what else speaks of its price.

    `filtered` counts the candidates on it that break each rule, most first.
    """

    gpu: str
    verdict: str
    hardware: str
    cost: int | None
    setup: str
    faults: tuple[phrases.BrokenRule, ...]
    filtered: tuple[tuple[str, int], ...]
    note: str = ""


def reasons(answer: Answer, operators: dict[str, str]) -> tuple[tuple[str, tuple[Reason, ...]], ...]:
    """Return where each GPU type stands, workload by workload: the choice, what else fits, then what does not.

    An answer that was not asked for its hardware speaks of the types in its own lists, and of no other.
    """
    counts: dict[str, dict[str, dict[str, int]]] = {}
    for item in answer.filtered:
        counts.setdefault(item.workload, {}).setdefault(item.gpu, {})[item.rule] = item.candidates
    rows: dict[str, list[Reason]] = {block_of(item.chosen.workload): [] for item in answer.workloads}
    priced = not answer.objective or answer.objective[0].quantity.rpartition(".")[2] == "cost"
    paid = {item.chosen.workload: item.chosen.cost // item.chosen.copies for item in answer.workloads if priced}
    for stand in answer.hardware or tuple(_listed(answer)):
        own = counts.get(stand.workload, {}).get(stand.gpu, {})
        goals = phrases.leading(answer.objective, stand.workload)
        rows.setdefault(stand.workload, []).append(
            _reason(stand, own, operators, goals, _beyond(stand, paid, answer.cost))
        )
    return tuple((name, tuple(grouped)) for name, grouped in rows.items())


def _listed(answer: Answer) -> Iterator[Standing]:
    """Yield where the GPU types stand that an answer's lists speak of: what is in none of them is not known."""
    known: dict[str, set[str]] = {}
    for item in answer.workloads:
        name = block_of(item.chosen.workload)
        seen = known.setdefault(name, set())
        for status, rows in (("chosen", (item.chosen,)), ("fits", item.alternatives), ("breaks", item.rejected[::-1])):
            for row in rows:
                if row.gpu not in seen:
                    seen.add(row.gpu)
                    yield Standing(name, row.gpu, status, row)


def _beyond(item: Standing, paid: dict[str, int], whole: int | None) -> str:
    """Return how much more a GPU type that fits costs; of several workloads, how much more the plan then does."""
    row, own = item.best, paid.get(item.workload)
    if row is None or item.status != "fits" or own is None:
        return ""
    more = row.cost - own if row.together is None or whole is None else row.together - whole
    return f"{figures.hourly(abs(more))} {'more' if more > 0 else 'less'}" if more else "same cost"


def _reason(
    item: Standing, counts: dict[str, int], operators: dict[str, str], goals: Sequence[str], beyond: str
) -> Reason:
    row = item.best
    if row is None:
        return Reason(item.gpu, item.status, "", None, "", (), ())
    faults = tuple(phrases.fault(fault, operators) for fault in row.broken)
    most = tuple(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
    hardware = f"{row.gpus} x {row.gpu}"
    note = ", ".join(filter(None, (beyond, phrases.priced(row, goals, option=item.status != "chosen"))))
    return Reason(
        gpu=item.gpu,
        verdict=item.status,
        hardware=hardware,
        cost=row.cost,
        setup=phrases.setup(row),
        faults=faults,
        filtered=most,
        note=note,
    )


def filtered(reason: Reason) -> str:
    """Return how many candidates of a GPU break each rule, in words."""
    return ", ".join(f"{count:_} break {rule}" for rule, count in reason.filtered)


def words(verdict: str) -> str:
    """Return a status as it is read."""
    return verdict.replace("_", " ")


def offered(rows: tuple[Reason, ...]) -> tuple[tuple[Reason, ...], tuple[str, ...]]:
    """Return what is offered, and the GPU types that are not."""
    bare = tuple(row.gpu for row in rows if row.verdict == "not_offered")
    return tuple(row for row in rows if row.verdict != "not_offered"), bare


def render(groups: tuple[tuple[str, tuple[Reason, ...]], ...], *, width: int = 100, colour: bool = False) -> str:
    """Return a paragraph a workload with a line a GPU type."""
    width = clamp(width)
    out: list[Line] = []
    for name, every in cleaned(groups):
        rows, bare = offered(every)
        out += [(), ((f"{name}: why this and no other GPU", "bold"),)]
        out += [line for row in rows for line in _lines(row, width)]
        if bare:
            out += prose("not offered", ", ".join(bare), width, INDENT, "dim", "bold")
    text = coloured(out, width) if colour else plain(out)
    return text.lstrip("\n")


def _lines(row: Reason, width: int) -> list[Line]:
    style = {"chosen": "bold green", "fits": "green"}.get(row.verdict, "")
    cost = "" if row.cost is None else figures.hourly(row.cost)
    head: Line = ((row.verdict, style), (f"  {row.hardware}  {cost}" + " " * bool(row.note or row.setup), "cyan"))
    note: list[Line] = [((f"({row.note})", "green"), (" ", ""))] if row.note else []
    setup = listed(row.setup, "dim") if row.setup else []
    out = flow(row.gpu, [head, *note, *setup], width, INDENT, style="bold", gap=" ")
    for item in row.faults:
        out += prose("", str(item), width, INDENT, "")
    if row.filtered and row.verdict != "chosen":
        out += prose("", filtered(row), width, INDENT, "dim")
    return out
