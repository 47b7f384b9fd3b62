"""What an edit changes: before, after and dollars per month, as a table, Markdown, JSON or HTML."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from html import escape
from typing import Any

from planner.diagnostics.shown import cleaned, json_text
from planner.lock.compare import Change, Compared, Difference
from planner.report import figures, phrases
from planner.report.markdown import code, table, text

BYTES = frozenset({"usable", "total", "weights", "kv_cache", "activations", "logits", "overhead", "margin",
                   "gradients", "optimizer", "master_weights"})  # fmt: skip
TOLD = ("cost_per_token", "kv_tokens", "memory")
"""Figures that follow from others and are left to the JSON."""
ARROW = "->"


def render(form: str, items: Sequence[Difference]) -> str:
    """Return differences in one of table, json, markdown, html."""
    if form != "json":
        items = [cleaned(item) for item in items]
    match form:
        case "json":
            document = {"schema": "planner.diff/1", "plans": [_document(item) for item in items]}
            return json_text(document)
        case "markdown":
            return "\n\n".join("\n".join(_markdown(item)) for item in items)
        case "html":
            return _html(items)
        case _:
            return "\n".join("\n".join(_table(item)) for item in items)


def signed(micro: int) -> str:
    """Return a difference of micro-dollars per hour as dollars per month with its sign."""
    if not micro:
        return "no change in cost"
    return ("+" if micro > 0 else "-") + figures.monthly(abs(micro))


def headline(item: Difference) -> str:
    """Return the whole difference in one line."""
    before, after = item.cost.before, item.cost.after
    if item.after.outcome == "infeasible":
        rules = item.after.conflict
        return f"{item.plan}: nothing fits; {phrases.unsatisfied(', '.join(rules), len(rules))}"
    said = f"{figures.hourly(after)}, {figures.monthly(after)}"
    if not item.changed:
        return f"{item.plan}: nothing changed against {item.against} ({said})"
    if before is None:
        was = "nothing fits" if item.before is not None else "there is no answer"
        return f"{item.plan}: {said}; {was} in {item.against}"
    change = f"{signed(after - before)} against {item.against}"
    return f"{item.plan}: {change} ({figures.monthly(before)} {ARROW} {figures.monthly(after)})"


def hardware(row: dict[str, Any] | None) -> str:
    """Return what a workload runs on, `2 x a40`."""
    return "-" if row is None else f"{row['choice'].get('gpus')} x {row['choice'].get('gpu')}"


def value(name: str, written: Any, inside: bool) -> str:
    """Return a choice or figure (`inside` an answer's figures) as people write it."""
    if written is None:
        return "-"
    if name == "cost" and inside:
        return figures.hourly(written)
    if isinstance(written, bool) or not isinstance(written, int | float):
        return str(written)
    number = Fraction(str(written))
    return figures.size(number) if inside and name in BYTES else figures.show(name, number)


def rows(item: Compared) -> list[tuple[str, str, str]]:
    """Return what changed in a workload as (name, before, after), the choices first."""
    out = [(change.name, *_pair(change, False)) for change in item.choices]
    return out + [(_label(change.name), *_pair(change, True)) for change in item.figures if change.name not in TOLD]


def _label(name: str) -> str:
    return f"memory.{name}" if name in BYTES else name


def _pair(change: Change, inside: bool) -> tuple[str, str]:
    before, after = (value(change.name, side, inside) for side in (change.before, change.after))
    if before == after and change.before is not None and change.after is not None:
        sides = [
            Fraction(str(side)) if isinstance(side, int | float) else None for side in (change.before, change.after)
        ]
        unit = "bytes" if inside and change.name in BYTES else None
        before, after = figures.pair(change.name, sides[0], sides[1], unit)  # too close for the usual digits
    return before, after


def _money(item: Compared) -> tuple[str, str, str]:
    before, after = item.cost.before, item.cost.after
    sides = tuple("-" if side is None else figures.hourly(side) for side in (before, after))
    return sides[0], sides[1], signed((after or 0) - (before or 0))


def _state(item: Compared) -> str:
    if item.before is None:
        return "new"
    return "gone" if item.after is None else "changed" if item.changed else "unchanged"


def _table(item: Difference) -> list[str]:
    out = [headline(item)]
    if not item.changed or item.after.outcome == "infeasible":
        return out
    for one in item.workloads:
        before, after, change = _money(one)
        if not one.changed:
            out.append(f"  {one.name}: unchanged, {hardware(one.after)}, {after}")
            continue
        if one.before is None or one.after is None:
            out.append(f"  {one.name}: {_state(one)}, {hardware(one.after or one.before)}, {change}")
            continue
        out.append(
            f"  {one.name}: {hardware(one.before)} {ARROW} {hardware(one.after)}, {before} {ARROW} {after}, {change}"
        )
        cells = [cell for cell in rows(one) if cell[0] not in ("cost", "gpu", "gpus")]
        wide = max((len(name) for name, _, _ in cells), default=0)
        left = max((len(was) for _, was, _ in cells), default=0)
        out += [f"    {name:<{wide}}  {was:<{left}} {ARROW} {now}" for name, was, now in cells]
    return out


def _markdown(item: Difference) -> list[str]:
    out = [f"**{text(headline(item).replace(ARROW, '→'))}**"]
    if not item.changed or item.after.outcome == "infeasible":
        return out
    cells = []
    for one in item.workloads:
        before, after, change = _money(one)
        left = f"{hardware(one.before)}, {before}" if one.before else "-"
        right = f"{hardware(one.after)}, {after}" if one.after else "-"
        cells.append((code(one.name), text(left), text(right), text(change if one.changed else _state(one))))
    out += ["", *table(("workload", "before", "after", "difference"), cells, frozenset({3}))]
    details = [(code(one.name), *map(text, cell)) for one in item.workloads for cell in rows(one)]
    if details:
        out += ["", "<details><summary>What changed</summary>", ""]
        out += table(("workload", "quantity", "before", "after"), details)
        out += ["", "</details>"]
    return out


def _document(item: Difference) -> dict[str, Any]:
    def usd(micro: int | None) -> float | None:
        return None if micro is None else micro / 1e6

    before, after = item.cost.before, item.cost.after
    hourly = None if before is None or after is None else after - before
    return {
        "plan": item.plan,
        "against": item.against,
        "changed": item.changed,
        "outcome": {"before": item.before.outcome if item.before else None, "after": item.after.outcome},
        "conflict": list(item.after.conflict),
        "cost_usd_per_hour": {"before": usd(before), "after": usd(after)},
        "difference_usd_per_month": None if hourly is None else round(hourly * figures.MONTH / 1e6, 2),
        "workloads": [
            {
                "name": one.name,
                "state": _state(one),
                "cost_usd_per_hour": {"before": usd(one.cost.before), "after": usd(one.cost.after)},
                "choice": {change.name: [change.before, change.after] for change in one.choices},
                "figures": {
                    change.name: [change.before, change.after] for change in one.figures if change.name != "cost"
                },
            }
            for one in item.workloads
        ],
    }


def _html(items: Sequence[Difference]) -> str:
    from planner.report.page.style import STYLE

    out = ["<!doctype html>", '<html lang="en"><head><meta charset="utf-8"><title>planner diff</title>']
    out += [
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<style>{STYLE}</style></head><body>",
    ]
    out.append("<h1>What changes</h1>")
    for item in items:
        out.append(f"<h2>{escape(item.plan)}</h2><p>{escape(headline(item))}</p>")
        if not item.changed or item.after.outcome == "infeasible":
            continue
        for one in item.workloads:
            before, after, change = _money(one)
            out.append(f"<h3>{escape(one.name)}</h3>")
            cells = [(("GPUs", hardware(one.before), hardware(one.after))), ("cost", before, after), *rows(one)]
            kept = [cell for cell in cells if cell[0] not in ("gpu", "gpus") and cell[1] != cell[2]]
            body = "".join(
                f"<tr><td>{escape(name)}</td><td class=n>{escape(was)}</td><td class=n>{escape(now)}</td></tr>"
                for name, was, now in dict.fromkeys(kept)
            )
            head = "<tr><th></th><th class=n>before</th><th class=n>after</th></tr>"
            out.append(f"<p>{escape(change if one.changed else _state(one))}</p>")
            if body:
                out.append(f"<div class=scroll><table>{head}{body}</table></div>")
    return "\n".join([*out, "</body></html>"])
