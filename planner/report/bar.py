"""The bar of a GPU's memory: its parts in proportion, the margin behind them, and what stays free."""

from __future__ import annotations

from planner.report import figures
from planner.report.lines import Line, Span, flow
from planner.report.sheet import Memory

LETTERS = {
    "weights": "W",
    "kv_cache": "K",
    "activations": "A",
    "logits": "L",
    "overhead": "O",
    "gradients": "G",
    "optimizer": "S",
    "master_weights": "M",
    "margin": "m",
}
COLOURS = {
    "weights": "blue",
    "kv_cache": "cyan",
    "activations": "green",
    "logits": "yellow",
    "overhead": "bright_black",
    "gradients": "magenta",
    "optimizer": "bright_magenta",
    "master_weights": "bright_blue",
    "margin": "white",
}
FULL, SHADE, FREE = "█", "▒", "░"


def segments(memory: Memory) -> list[tuple[str, int]]:
    """Return the parts, largest first as they lie in the bar, and the margin last."""
    out = list(memory.parts)
    if memory.safe > memory.expected:
        out.append(("margin", memory.safe - memory.expected))
    return out


def bar(memory: Memory, cells: int, colour: bool) -> Line:
    """Return the bar in `cells` characters; what lies beyond the usable memory stands behind a `!`."""
    scale = max(memory.usable or 0, memory.safe, 1)
    end = round(cells * (memory.usable or scale) / scale)
    out: list[Span] = [("" if colour else "[", "")]
    position = reached = 0
    for name, amount in segments(memory):
        reached += amount
        upto = round(cells * reached / scale)
        for start, stop in ((position, min(upto, end)), (max(position, end), upto)):
            if stop > start:
                out.append(_cell(name, stop - start, start >= end, colour))
        position = max(position, upto)
    if position < cells:
        out.append(((FREE if colour else ".") * (cells - position), "dim"))
    out.append(("" if colour else "]", ""))
    return tuple(out)


def _cell(name: str, count: int, beyond: bool, colour: bool) -> Span:
    if not colour:
        return ("!" if beyond else LETTERS.get(name, "?")) * count, ""
    return (SHADE if name == "margin" else FULL) * count, "red" if beyond else COLOURS.get(name, "white")


def legend(memory: Memory, width: int, indent: int, colour: bool) -> list[Line]:
    """Return the parts with their sizes, then where they end: expected, safe, and what is usable."""
    items: list[Line] = []
    for name, amount in segments(memory):
        mark = (SHADE if name == "margin" else FULL) if colour else LETTERS.get(name, "?")
        items.append(((f"{mark} ", COLOURS.get(name, "")), (f"{name} {figures.size(amount)}", "")))
    out = flow("", items, width, indent)
    ends = [f"expected {figures.size(memory.expected)}"]
    if memory.safe != memory.expected:
        ends.append(f"safe {figures.size(memory.safe)}")
    if memory.usable is not None:
        ends.append(f"usable {figures.size(memory.usable)}")
        ends.append(f"headroom {figures.share((memory.usable - memory.safe) / memory.usable)}")
    last = "red" if memory.usable is not None and memory.safe > memory.usable else "bold"
    out += flow(
        "", [((text, last if number == len(ends) - 1 else ""),) for number, text in enumerate(ends)], width, indent
    )
    return out
