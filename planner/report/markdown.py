"""Answers as Markdown, for a pull request or a page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from planner.report import figures, phrases, why
from planner.report.sheet import Option, Sheet, WorkloadSheet, foremost

MARKED = str.maketrans(
    {"\\": "\\\\", "|": "\\|", "\n": " ", "&": "&amp;", "<": "&lt;", ">": "&gt;"}
    | {sign: f"\\{sign}" for sign in "*`[~"}
)


def text(value: str) -> str:
    """Return a text that Markdown shows as it is, also in a cell of a table."""
    return value.translate(MARKED)


def code(value: str) -> str:
    """Return a name in the type of code, also in a cell of a table; one that would end it is shown as a text."""
    return text(value) if set(value) & set("`|\\") else f"`{value}`"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], right: frozenset[int] = frozenset()) -> list[str]:
    """Return a table; the columns named in `right` are flush right."""
    rule = ["---:" if number in right else "---" for number in range(len(head))]
    return [f"| {' | '.join(cells)} |" for cells in (head, rule, *rows)]


def render(view: Sheet, title: str = "The plan") -> str:
    """Return the answer as Markdown."""
    out = [f"## {text(title)}", ""]
    if view.outcome == "infeasible":
        for place, part in enumerate(phrases.sets(view.conflict)):
            out += [*([""] if place else []), f"**Nothing fits.** {phrases.conflicting(len(part))}:", ""]
            rows = [(code(item.rule), text(item.text), text(" or ".join(item.remedies))) for item in part]
            out += table(("rule", "why", "to fit, any one of"), rows)
    else:
        out += _summary(view)
        for block in view.blocks:
            out += ["", *_block(block)]
    out += _shared(view)
    if view.front is not None:
        points = [tuple(map(text, row)) for row in view.front.rows]
        out += ["", f"### Pareto front ({', '.join(view.front.quantities)})", ""]
        out += table((*view.front.quantities, "config"), points, frozenset(range(len(view.front.quantities))))
    if view.warnings:
        out += ["", "### Warnings", ""]
        out += [f"- `{item.code}` {text(item.message)}" for item in view.warnings]
    out += _reasons(view)
    if view.outcome != "fixed":
        out += ["", f"{view.outcome}, {phrases.considered(view.considered)}"]
        out += [line for item in view.offers for line in ("", f"Offers: {text(item)}.")]
        out += [line for item in view.searched for line in ("", f"Searched where the plan does not say: {text(item)}.")]
        if not view.reproducible:
            out += ["", "A time limit decided: another run may answer otherwise."]
    return "\n".join(out)


def _summary(view: Sheet) -> list[str]:
    rows = []
    for block in view.blocks:
        choice = block.choice
        cost = ("", "") if choice.cost is None else (figures.hourly(choice.cost), figures.monthly(choice.cost))
        rows.append((code(block.name), text(choice.hardware), text(choice.rented), *cost))
    if len(view.blocks) > 1 and view.cost is not None:
        rows.append(("together", "", "", f"**{figures.hourly(view.cost)}**", f"**{figures.monthly(view.cost)}**"))
    out = table(("workload", "GPUs", "rented", "per hour", "per month"), rows, frozenset({3, 4}))
    goals = [f"{text(goal.text)}: {text(goal.value)} ({goal.proof})" for goal in view.goals]
    return [*out, "", *([", then ".join(goals)] if goals else [])]


def _block(block: WorkloadSheet) -> list[str]:
    choice = block.choice
    memory = choice.memory
    model = f", {text(block.model)}" if block.model else ""
    out = [f"### {text(block.name)}: {block.kind}{model}", ""]
    if choice.setup:
        out += [text(choice.setup), ""]
    rows = [(name, figures.size(amount)) for name, amount in memory.parts]
    if memory.safe != memory.expected:
        rows += [("**expected**", f"**{figures.size(memory.expected)}**")]
        rows += [("margin", figures.size(memory.safe - memory.expected))]
    rows.append(("**total**", f"**{figures.size(memory.safe)}**"))
    if memory.usable is not None:
        rows.append(("usable", figures.size(memory.usable)))
        rows.append(("headroom", figures.share((memory.usable - memory.safe) / memory.usable)))
    out += table(("memory of the fullest GPU", "size"), rows, frozenset({1}))
    if memory.moment:
        out += ["", f"The peak is at {phrases.moment(memory.moment)}."]
    if memory.moments:
        rows = [(phrases.moment(name).removeprefix("the "), figures.size(amount)) for name, amount in memory.moments]
        out += ["", *table(("moment of a step", "in all"), rows, frozenset({1}))]
    if block.outcomes:
        out += ["", *table([name for name, _ in block.outcomes], [[text(value) for _, value in block.outcomes]])]
    if choice.faults:
        out += ["", "It breaks:", "", *(f"- {text(str(fault))}" for fault in choice.faults)]
    if block.slack:
        slack = [(code(item.rule), text(item.text), text(item.left)) for item in block.slack]
        out += ["", *table(("constraint", "value", "left"), slack)]
    out += _options(f"{block.adjective.capitalize()}, and what it breaks", foremost(block, 5))
    out += _options("Alternatives", block.alternatives)
    if block.notes:
        out += ["", "Estimates:", "", *(f"- {text(note)}" for note in block.notes)]
    return out


def _options(title: str, options: tuple[Option, ...]) -> list[str]:
    rows = [
        (
            "" if item.cost is None else figures.hourly(item.cost),
            text(", ".join(filter(None, (item.hardware, item.whole)))),
            text("; ".join(map(str, item.faults)) or item.setup),
        )
        for item in options
    ]
    return ["", *table(("per hour", "GPUs", title), rows, frozenset({0}))] if rows else []


def _shared(view: Sheet) -> list[str]:
    out: list[str] = []
    if view.limits:
        rows = [(code(item.rule), text(item.used), text(item.most)) for item in view.limits]
        out += ["", *table(("shared limit", "used", "limit"), rows)]
    if view.wishes:
        out += ["", *(f"- {code(name)}: {'satisfied' if kept else 'not satisfied'}" for name, kept in view.wishes)]
    return out


def _reasons(view: Sheet) -> list[str]:
    out: list[str] = []
    for name, every in view.reasons:
        rows, bare = why.offered(every)
        cells = []
        for row in rows:
            cost = "" if row.cost is None else figures.hourly(row.cost)
            said = "; ".join(map(str, row.faults)) or ", ".join(filter(None, (row.note, row.setup)))
            cells.append((text(row.gpu), why.words(row.verdict), text(row.hardware), cost, text(said)))
        if cells:
            out += ["", f"<details><summary>{text(name)}: why this and no other GPU</summary>", ""]
            out += table(("GPU", "status", "candidate", "per hour", "config, or what it breaks"), cells, frozenset({3}))
            if bare:
                out += ["", f"Not offered: {text(', '.join(bare))}."]
            out += ["", "</details>"]
    for item in view.values:
        out += ["", f"<details><summary>{text(item.title)}</summary>", ""]
        breaks = [(*map(text, row.cells), text("; ".join(map(str, row.faults)))) for row in item.rows]
        out += [*table((*item.head, "breaks"), breaks, item.right), "", "</details>"]
    return out
