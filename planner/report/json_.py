"""Answers as JSON (schema planner.answer/1): money in USD, sizes in bytes, times in seconds."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from planner.diagnostics import Diagnostic
from planner.diagnostics.shown import json_text
from planner.language.copies import block_of
from planner.language.problem import Value
from planner.language.quantities.outcomes import OUTCOMES
from planner.solve.answer import Answer, ByValue, Filtered, Margins, Solved, Standing
from planner.solve.candidate import Broken, Candidate, Hint, shown_outcomes, traffic_of
from planner.solve.copies import is_copied
from planner.solve.needs import Need
from planner.wording import need_text, note_text

KEYS = {row.name: "_".join(row.key) for row in OUTCOMES if row.key[0]} | {
    f"{row.name}_safe": "_safe_".join(row.key) for row in OUTCOMES if row.key[0] and row.timed
}
"""The keys of outcomes whose unit is part of the name."""


def plain(value: Value | Need | None) -> Any:
    """Return a value as JSON has it: whole numbers as integers, others with nine decimals, needs in words."""
    if isinstance(value, Need):
        return need_text(value)
    if isinstance(value, Fraction):
        return int(value) if value.denominator == 1 else round(float(value), 9)
    return value


def _choice(row: Candidate) -> dict[str, Any]:
    return {key: plain(row.choice[key]) for key in sorted(row.choice)} | {"instances": row.instances}


def _hint(item: Hint) -> dict[str, Any]:
    one = {"quantity": item.quantity, "operator": item.operator, "value": plain(item.value), "unit": item.unit}
    return one if item.also is None else one | {"and": _hint(item.also)}


def _broken(item: Broken) -> dict[str, Any]:
    return {
        "rule": item.rule,
        "needs": plain(item.needs),
        "has": plain(item.has),
        "unit": item.unit,
        "would_do": [_hint(hint) for hint in item.hints],
    }


def _memory(row: Candidate) -> dict[str, Any]:
    memory: dict[str, Any] = {"usable": row.usable, "total": row.total, "parts": row.parts, "sizes": row.sizes}
    if row.peak_moment is not None:
        memory |= {"peak_moment": row.peak_moment, "moments": row.moments}
    return memory


def _outcomes(row: Candidate) -> dict[str, Any]:
    outcomes = shown_outcomes(row.outcomes)
    return {KEYS.get(key, key): _outcome(key, value) for key, value in outcomes.items() if key != "memory"}


def _outcome(name: str, value: Value | None) -> Any:
    """Return an outcome as JSON has it; what one token costs with the decimals of its own steps."""
    if isinstance(value, Fraction) and name.removesuffix("_safe") in ("cost_per_input_token", "cost_per_output_token"):
        return round(float(value), 15)
    return plain(value)


def _priced(row: Candidate) -> dict[str, Any]:
    """Return an option: its choice, what the workload pays, and what the whole plan then pays, the others as chosen."""
    together = None if row.together is None else row.together / 1e6
    return {
        "choice": _choice(row),
        "cost_usd_per_hour": row.cost / 1e6,
        "price_as_of": row.price_as_of or None,
        "plan_usd_per_hour": together,
        "penalty_usd_per_hour": row.penalty / 1e6,
    }


def _standing(item: Standing) -> dict[str, Any]:
    """Return where a GPU type stands, with its best candidate or the nearest."""
    out: dict[str, Any] = {"workload": item.workload, "gpu": item.gpu, "status": item.status}
    if item.best is not None:
        out |= {**_priced(item.best), "broken": [_broken(fault) for fault in item.best.broken]}
    return out


def _of_value(item: ByValue) -> dict[str, Any]:
    """Return where a value of a decision stands, with its best candidate or the nearest."""
    out: dict[str, Any] = {"workload": item.workload, "quantity": item.quantity, "value": plain(item.value)}
    out["status"] = item.status
    if item.best is not None:
        out |= {**_priced(item.best), "memory": _memory(item.best), "outcomes": _outcomes(item.best)}
        out["broken"] = [_broken(fault) for fault in item.best.broken]
    return out


def _workload(item: Solved, filtered: Sequence[Filtered]) -> dict[str, Any]:
    row = item.chosen
    return {
        "name": row.workload,
        **({"copies": row.copies, "of": block_of(row.workload)} if is_copied(row) and not row.traffic else {}),
        **({"of": block_of(row.workload), "traffic": traffic_of(row)} if row.traffic else {}),
        "kind": row.kind,
        "choice": _choice(row),
        "given": {key: plain(row.given[key]) for key in sorted(row.given)},
        "price_as_of": row.price_as_of or None,
        "memory": _memory(row),
        "outcomes": _outcomes(row),
        "slack": [
            {"rule": entry.rule, "takes": plain(entry.needs), "has": plain(entry.has), "unit": entry.unit}
            for entry in item.slack
        ],
        "broken": [_broken(fault) for fault in row.broken],
        "approximate": [note_text(item) for item in row.notes],
        "anchored_on": list(row.measurements),
        "alternatives": [
            {
                **_priced(other),
                "memory": _memory(other),
                "quality": plain(other.outcomes.get("quality")),
            }
            for other in item.alternatives
        ],
        "rejected": [
            {**_priced(other), "broken": [_broken(fault) for fault in other.broken]} for other in item.rejected
        ],
        "filtered": [
            {"gpu": entry.gpu, "rule": entry.rule, "candidates": entry.candidates}
            for entry in filtered
            if entry.workload == block_of(row.workload)
        ],
    }


def _diagnostic(item: Diagnostic) -> dict[str, Any]:
    return {
        "code": item.code,
        "severity": item.severity,
        "message": item.message,
        "file": item.span.path if item.span else None,
        "line": item.span.line if item.span else None,
        "column": item.span.column if item.span else None,
        "help": item.help,
    }


def document(answer: Answer, diagnostics: Sequence[Diagnostic] = (), plan: str | None = None) -> dict[str, Any]:
    """Return the answer as a JSON document; `plan` is the path of what it answers."""
    return {
        "schema": "planner.answer/1",
        "plan": plan,
        "outcome": answer.outcome,
        "objective": [
            {
                "quantity": part.quantity,
                "direction": part.direction,
                "value": plain(part.value),
                "bound": plain(part.bound),
                "unit": part.unit,
                "over": part.over,
                "penalty": plain(part.penalty),
            }
            for part in answer.objective
        ],
        "cost_usd_per_hour": None if answer.cost is None else answer.cost / 1e6,
        "considered": answer.considered,
        "reproducible": answer.reproducible,
        "searched_up_to": answer.searched,
        "offers_left_out": answer.left_out,
        "offers_replaced": {name: list(ids) for name, ids in answer.replaced.items()},
        "workloads": [_workload(item, answer.filtered) for item in answer.workloads],
        "hardware": [_standing(item) for item in answer.hardware],
        **({"by_value": [_of_value(item) for item in answer.by_value]} if answer.by_value else {}),
        "pareto": [
            [{"name": row.workload, "choice": _choice(row), "outcomes": _outcomes(row)} for row in point]
            for point in answer.pareto
        ],
        "wishes": [{"name": name, "kept": kept} for name, kept in answer.wishes],
        "conflict": [
            {
                "rule": item.rule,
                "relax_to": plain(item.relax_to),
                "has": plain(item.has),
                "unit": item.unit,
                "would_do": [_hint(hint) for hint in item.hints],
                **({"also": list(item.also)} if item.also else {}),
            }
            for item in answer.conflict
        ],
        **({} if answer.margins is None else _margins(answer.margins)),
        "diagnostics": [_diagnostic(item) for item in diagnostics],
    }


def _margins(margins: Margins) -> dict[str, Any]:
    """Return what would change an answer: a looser limit, a lower price."""
    return {
        "limits": [
            {
                "rule": item.rule,
                "has": plain(item.has),
                "takes": plain(item.takes),
                "more": plain(item.more),
                "unit": item.unit,
                "changes": [
                    {"quantity": quantity, "before": plain(before), "after": plain(after), "unit": unit}
                    for quantity, before, after, unit in item.gains
                ],
                "moves": [
                    {"name": each.workload, "before": _choice(each.before), "after": _choice(each.after)}
                    for each in item.moved
                ],
            }
            for item in margins.limits
        ],
        "prices": [
            {
                "offer": item.offer,
                "gpu": item.gpu,
                "market": item.market,
                "usd_per_hour": item.price / 1e6,
                "enters_at_usd_per_hour": item.enters / 1e6,
                "plan_usd_per_hour": item.cost / 1e6,
                "workloads": list(item.workloads),
            }
            for item in margins.prices
        ],
        "margins_complete": margins.complete,
    }


def render(answer: Answer, diagnostics: Sequence[Diagnostic] = (), plan: str | None = None) -> str:
    """Return the JSON text."""
    return json_text(document(answer, diagnostics, plan))


def joined(documents: Sequence[str]) -> str:
    """Return several documents as one list."""
    return "[\n" + ",\n".join(documents) + "\n]" if documents else "[]"
