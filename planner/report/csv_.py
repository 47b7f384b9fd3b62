"""Answers as CSV: a line for each option, the same columns for every plan; USD, bytes and seconds."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from io import StringIO
from typing import Any

from planner.diagnostics.shown import shown
from planner.language.schema import HOW, WHERE
from planner.report.json_ import KEYS, plain
from planner.solve.answer import Answer
from planner.solve.candidate import Candidate, shown_outcomes

CHOICES = (*WHERE[:2], *HOW, *WHERE[2:])
"""The decisions, each with a column: the hardware, how it runs, who rents it out."""
OUTCOMES = (
    "headroom", "quality", "kv_tokens", "max_concurrency", "max_context", "tpot", "tpot_safe", "ttft", "ttft_safe",
    "throughput", "throughput_safe", "cost_per_token", "cost_per_token_safe", "step_time", "step_time_safe", "duration",
    "duration_safe", "total_cost", "total_cost_safe", "host_memory", "power",
)  # fmt: skip
"""The outcomes that have a column, under the keys of the JSON."""
HEAD = (
    *("plan", "outcome", "workload", "kind", "list", "quantity", "value", "status"),
    *CHOICES,
    *("instances", "price_as_of", "cost_usd_per_hour", "plan_usd_per_hour", "memory_total", "memory_usable"),
    *(KEYS.get(name, name) for name in OUTCOMES),
    "breaks",
)
"""The columns. `list` is choice, alternative, rejected, hardware, by_value or pareto; `quantity` and `value` say what a
line of the last three stands for; `breaks` names the rules that it breaks."""


def render(answer: Answer, plan: str | None = None) -> str:
    """Return the text: the head, then the choice of each workload, and what stands beside it."""
    return text([HEAD, *(_line(answer, plan, *item) for item in _rows(answer))])


def text(rows: Iterable[Sequence[Any]]) -> str:
    """Return rows as CSV (RFC 4180, with line feeds), without the last line's end."""
    sink = StringIO()
    csv.writer(sink, lineterminator="\n").writerows([_cell(cell) for cell in row] for row in rows)
    return sink.getvalue().removesuffix("\n")


def joined(texts: Sequence[str]) -> str:
    """Return several texts with one head."""
    return "\n".join([*texts[:1], *(rest for item in texts[1:] if (rest := item.partition("\n")[2]))])


def _rows(answer: Answer) -> Iterator[tuple[str, str, str, str, str, Candidate | None]]:
    """Yield (list, quantity, value, status, workload, candidate)."""
    for item in answer.workloads:
        name = item.chosen.workload
        yield "choice", "", "", "breaks" if item.chosen.broken else "chosen", name, item.chosen
        for row in item.alternatives:
            yield "alternative", "", "", "fits", name, row
        for row in item.rejected:
            yield "rejected", "", "", "breaks", name, row
    for stand in answer.hardware:
        yield "hardware", "gpu", stand.gpu, stand.status, stand.workload, stand.best
    for one in answer.by_value:
        yield "by_value", one.quantity, str(plain(one.value)), one.status, one.workload, one.best
    for number, point in enumerate(answer.pareto, 1):
        for row in point:
            yield "pareto", "point", str(number), "fits", row.workload, row


def _line(
    answer: Answer,
    plan: str | None,
    role: str,
    quantity: str,
    value: str,
    status: str,
    workload: str,
    row: Candidate | None,
) -> list[Any]:
    start = [plan, answer.outcome, workload, row.kind if row is not None else "", role, quantity, value, status]
    if row is None:
        return [*start, *[None] * (len(HEAD) - len(start))]
    outcomes = shown_outcomes(row.outcomes)
    together = None if row.together is None else row.together / 1e6
    return [
        *start,
        *(plain(row.choice.get(name)) for name in CHOICES),
        *(row.instances, row.price_as_of, row.cost / 1e6, together, row.total, row.usable or None),
        *(_number(outcomes.get(name)) for name in OUTCOMES),
        "; ".join(fault.rule for fault in row.broken),
    ]


def _number(value: Fraction | None) -> Any:
    """Return a figure with fifteen decimals, which hold the steps of every outcome."""
    if value is None:
        return None
    return int(value) if value.denominator == 1 else round(float(value), 15)


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return shown(value)
    return "" if value is None else repr(value) if isinstance(value, float) else str(value)
