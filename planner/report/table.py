"""Answers for people at a terminal: the choice, memory by part, cost, what binds, and what is cheaper and breaks."""

from __future__ import annotations

from collections.abc import Sequence

from planner.report import figures, phrases
from planner.report.bar import bar, legend
from planner.report.lines import Line, Span, apart, clamp, coloured, flow, length, listed, plain, prose
from planner.report.sheet import Option, Sheet, WorkloadSheet, foremost

INDENT = 15
TIGHT = 0.05
"""A rule with less than this share left is marked."""
REJECTED = ALTERNATIVES = 3
BINDING = 4
COST, HARDWARE = 10, 16


def render(view: Sheet, *, width: int = 100, colour: bool = False, rows: int = REJECTED) -> str:
    """Return the answer as text of `width` columns; `rows` cheaper options are shown of each workload."""
    width = clamp(width)
    lines = layout(view, width, colour, rows)
    return coloured(lines, width) if colour else plain(lines)


def layout(view: Sheet, width: int, colour: bool = False, rows: int = REJECTED) -> list[Line]:
    """Return the lines of the answer."""
    if view.outcome == "infeasible":
        return _infeasible(view, width)
    out: list[Line] = []
    for block in view.blocks:
        out += [*_block(block, width, colour, rows), ()]
    return out + _whole(view, width) + _front(view, width)


def _infeasible(view: Sheet, width: int) -> list[Line]:
    out: list[Line] = []
    for place, part in enumerate(phrases.sets(view.conflict)):
        out.append((("" if place else "Nothing fits. ", "bold red"), (f"{phrases.conflicting(len(part))}:", "bold")))
        for item in part:
            out.append((("  ", ""), (item.rule, "bold")))
            out += prose("", item.text, width, 4)
            for index, remedy in enumerate(item.remedies):
                out += prose("  change to" if not index else "  or", remedy, width, 14, "green")
    if not out:
        out.append((("Nothing fits. ", "bold red"), ("Which rules conflict was not found in time.", "bold")))
    if any(item.remedies for item in view.conflict):
        out.append((("Each change alone is enough; the rest of the plan stays.", "dim"),))
    out.append(((f"infeasible, {phrases.considered(view.considered)}", "dim"),))
    return out + _searched(view, width, 0)


def _searched(view: Sheet, width: int, indent: int) -> list[Line]:
    """Return how far was searched where the plan does not say, and which offers stand for others or are left out."""
    out: list[Line] = []
    for item in view.offers:
        out += prose("", f"offers: {item}", width, indent, "dim")
    for item in view.searched:
        out += prose("", f"searched where the plan does not say: {item}", width, indent, "dim")
    return out


def _block(block: WorkloadSheet, width: int, colour: bool, rows: int) -> list[Line]:
    choice = block.choice
    title: Line = ((block.name, "bold"), (f"  {block.kind}" + (f"  {block.model}" if block.model else ""), "dim"))
    price = () if choice.cost is None else ((figures.hourly(choice.cost), "bold green"), _month(choice.cost))
    out = [title[:1] + tuple(_fitted(title[1:], width - len(block.name)))]
    out += apart((("  ", ""), (choice.hardware, "bold cyan")), tuple(price), width)
    if choice.rented:
        out += prose("instance", choice.rented, width, INDENT)
    if choice.setup:
        out += flow("config", listed(choice.setup), width, INDENT, gap=" ")
    out += flow("memory", [bar(choice.memory, width - INDENT - (0 if colour else 2), colour)], width, INDENT)
    out += legend(choice.memory, width, INDENT, colour)
    if choice.memory.moment:
        out += prose("", f"the peak is at {phrases.moment(choice.memory.moment)}", width, INDENT)
    if choice.memory.moments:
        moments: list[Line] = [((f"{name} ", "dim"), (figures.size(size), "")) for name, size in choice.memory.moments]
        out += flow("", moments, width, INDENT)
    if block.outcomes:
        items: list[Line] = [((f"{name} ", "dim"), (text, "")) for name, text in block.outcomes]
        out += flow("predicted", items, width, INDENT)
    for index, item in enumerate(choice.faults):
        out += prose("" if index else "breaks", str(item), width, INDENT, "red", "red")
    out += _slack(block, width)
    out += _options(block.adjective, foremost(block, rows), rows, width)
    out += _options("alternatives", block.alternatives, ALTERNATIVES, width)
    for index, note in enumerate(block.notes):
        out += prose("" if index else "notes", note, width, INDENT, "yellow", "yellow")
    return out


def _fitted(spans: Line, room: int) -> list[Span]:
    out: list[Span] = []
    for text, style in spans:
        out.append((text if len(text) <= room else text[: max(0, room - 3)] + "...", style))
        room -= len(text)
    return out


def _month(cost: int) -> Span:
    return f"  {figures.monthly(cost)}", "dim"


def _slack(block: WorkloadSheet, width: int) -> list[Line]:
    out: list[Line] = []
    for index, item in enumerate(block.slack[:BINDING]):
        tight = item.share is not None and item.share < TIGHT
        words: list[Line] = [((item.rule, "bold"),), ((item.text, ""),)]
        if item.left:
            words.append(((f"{item.left} left" + (" (tight)" if tight else ""), "yellow" if tight else "dim"),))
        out += flow("" if index else "constraints", words, width, INDENT)
    return out


def _options(label: str, options: tuple[Option, ...], most: int, width: int) -> list[Line]:
    out: list[Line] = []
    for index, item in enumerate(options[:most]):
        cost = "" if item.cost is None else figures.hourly(item.cost)
        head: Line = ((f"{cost:<{COST - 1}} ", "green"), (f"{item.hardware:<{HARDWARE}}", "cyan"))
        if item.whole:
            head = (*head, (f"  {item.whole}", "green"))
        why = [str(fault) for fault in item.faults] or [_change(item.change) or "same configuration"]
        arithmetic = _change([pair for pair in item.change if pair[0] not in phrases.SPLITS]) if item.faults else ""
        if arithmetic:
            why[0] = f"with {arithmetic}, {why[0]}"
        style = "" if item.faults else "dim"
        fits = INDENT + length(head) + 2 + len(why[0]) <= width
        words: list[Line] = [head, ((why[0], style),)] if fits else [head]
        out += flow("" if index else label, words, width, INDENT)
        for text in why[1:] if fits else why:
            out += prose("", text, width, INDENT + (length(head) + 2 if fits else COST), style)
    return out


def _front(view: Sheet, width: int) -> list[Line]:
    """Return a line a point of the front."""
    if view.front is None:
        return []
    names = view.front.quantities
    out: list[Line] = [(), (("Pareto front", "bold"), (f" ({', '.join(names)})", "dim"))]
    wide = [max(len(row[place]) for row in (names, *view.front.rows)) for place in range(len(names))]
    indent = 4 + sum(wide) + 2 * len(wide)
    for row in view.front.rows:
        label = "  ".join(cell.rjust(size) for cell, size in zip(row, wide, strict=False))
        out += flow(label, listed(row[-1], "dim"), width, min(indent, width // 2), style="bold", gap=" ")
    return out


def _change(pairs: Sequence[tuple[str, str]]) -> str:
    return ", ".join(f"{name} {value}" for name, value in pairs)


def _whole(view: Sheet, width: int) -> list[Line]:
    """Return what holds for all workloads together."""
    out: list[Line] = []
    for index, limit in enumerate(view.limits):
        part = "" if limit.share is None else f"  ({figures.share(limit.share)})"
        out += prose("" if index else "shared", f"{limit.rule} {limit.used} {limit.most}{part}", width, INDENT)
    for index, (name, kept) in enumerate(view.wishes):
        state = "satisfied" if kept else "not satisfied"
        out += prose("" if index else "preferences", f"{name}: {state}", width, INDENT)
    if len(view.blocks) > 1 and view.cost is not None:
        out += flow(
            "together",
            [((figures.hourly(view.cost), "bold green"),), ((_month(view.cost)[0].strip(), ""),)],
            width,
            INDENT,
        )
    for goal in view.goals:
        style = "green" if goal.proof == "proven" else "yellow"
        out.append((("  ", ""), (f"{goal.text}: ", "dim"), (goal.value, "bold"), (f" ({goal.proof})", style)))
    if view.outcome != "fixed":
        again = "" if view.reproducible else "; a time limit decided, so another run may answer otherwise"
        out += prose("", f"{view.outcome}, {phrases.considered(view.considered)}{again}", width, 2, "dim")
        out += _searched(view, width, 2)
    return out
