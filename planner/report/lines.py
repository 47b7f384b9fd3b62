"""Lines of styled text: wrapped here, then printed plain or coloured (rich is imported only for colour)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Span = tuple[str, str]
Line = tuple[Span, ...]
NARROW, WIDE = 60, 200


def clamp(width: int) -> int:
    """Return a width that tables are made for."""
    return max(NARROW, min(WIDE, width))


def length(line: Iterable[Span]) -> int:
    """Return the characters of a line."""
    return sum(len(text) for text, _ in line)


def flow(
    label: str, items: Sequence[Line], width: int, indent: int, *, style: str = "dim", gap: str = "  "
) -> list[Line]:
    """Return items one after another behind a label, wrapped at `width` with a hanging indent."""
    head = (f"  {label} " if label else "").ljust(indent)  # a label as long as its column still ends before the items
    out: list[Line] = []
    line: list[Span] = [(head, style)]
    used, first = len(head), True
    for item in items:
        extra = 0 if first else len(gap)
        if not first and used + extra + length(item) > width:
            out.append(tuple(line))
            line, used, extra = [(" " * indent, "")], indent, 0
        first = False
        if extra:
            line.append((gap, ""))
        line += _cut(item, width - indent)
        used += extra + min(length(item), width - indent)
    return [*out, tuple(line)]


def listed(text: str, style: str = "") -> list[Line]:
    """Return what commas part as items that are wrapped whole."""
    items = text.split(", ")
    return [((item + ("," if number < len(items) - 1 else ""), style),) for number, item in enumerate(items)]


def prose(label: str, text: str, width: int, indent: int, style: str = "", label_style: str = "dim") -> list[Line]:
    """Return a text behind a label, wrapped at its blanks with a hanging indent."""
    words: list[Line] = [((word, style),) for word in text.split()]
    return flow(label, words, width, indent, style=label_style, gap=" ")


def apart(left: Line, right: Line, width: int) -> list[Line]:
    """Return both at the two ends of one line, or below each other where they do not fit."""
    room = width - length(left) - length(right)
    if room < 2:
        return [left, ((" " * max(0, width - length(right)), ""), *right)]
    return [(*left, (" " * room, ""), *right)]


def _cut(item: Line, room: int) -> list[Span]:
    """Return an item that is longer than a whole line without its end; a name is still told by its start."""
    if length(item) <= room:
        return list(item)
    out: list[Span] = []
    for text, style in item:
        keep = max(0, room - 3 - length(out))
        out.append((text[:keep], style))
    return [*out, ("...", "")]


def plain(lines: Iterable[Line]) -> str:
    """Return the text without colour."""
    return "\n".join("".join(text for text, _ in line).rstrip() for line in lines)


def coloured(lines: Iterable[Line], width: int) -> str:
    """Return the text with terminal colours."""
    from io import StringIO

    from rich.console import Console
    from rich.text import Text

    sink = StringIO()
    console = Console(
        file=sink, force_terminal=True, width=width, highlight=False, soft_wrap=True, legacy_windows=False
    )
    for line in lines:
        text = Text()
        for part, style in line:
            text.append(part, style)
        text.rstrip()
        console.print(text)
    return sink.getvalue().rstrip("\n")
