"""Diagnostics for people: the offending line, carets, the other half of a conflict, a way out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from planner.diagnostics.diagnostic import Diagnostic, Span
from planner.diagnostics.shown import shown

Paint = Callable[[str, str], str]
"""From a style and a text to the text in that style."""
_STYLES = {"error": "1;31", "warning": "1;33", "frame": "1;34", "strong": "1"}
"""Select Graphic Rendition of ECMA-48: the colours that rustc gives the same things."""


def _coloured(style: str, text: str) -> str:
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if text else text


def _plain(style: str, text: str) -> str:
    return text


def _excerpt(span: Span, label: str, mark: str, text: str | None, gutter: int, paint: Paint, style: str) -> list[str]:
    if text is None:
        return [f"{'':{gutter}} = {label}"] if label else []
    begin = text.rfind("\n", 0, span.start) + 1
    end = text.find("\n", begin)
    line = text[begin : end if end >= 0 else len(text)].rstrip("\r")
    offset = min(span.start - begin, len(line))
    width = max(1, min(span.end, begin + len(line)) - span.start)
    if len(line) > 160:
        cut = max(0, offset - 60)
        line, offset = line[cut : cut + 160], offset - cut
        width = min(width, max(1, 160 - offset))
    parts = (line[:offset], line[offset : offset + width], line[offset + width :])
    before, marked, after = map(_clean, parts)
    pad = "".join("\t" if c == "\t" else " " for c in before)
    carets = f"{mark * max(1, len(marked))} {label}".rstrip()
    number, bar = paint("frame", f"{span.line:>{gutter}} |"), paint("frame", f"{'':{gutter}} |")
    return [f"{number} {before}{marked}{after}", f"{bar} {pad}{paint(style, carets)}"]


def _clean(text: str) -> str:
    return "\t".join(map(shown, text.split("\t")))


def _one(item: Diagnostic, texts: Mapping[str, str], paint: Paint) -> str:
    spans = [span for span, _ in item.secondary] + ([item.span] if item.span else [])
    gutter = max((len(str(span.line)) for span in spans), default=1)
    blank, head = " " * gutter, paint(item.severity, f"{item.severity}[{item.code}]")
    lines = [head + paint("strong", f": {item.message}")]
    if item.span:
        span = item.span
        lines.append(f"{blank}{paint('frame', '-->')} {shown(span.path)}:{span.line}:{span.column}")
        lines.append(f"{blank} {paint('frame', '|')}")
        lines += _excerpt(span, item.label, "^", texts.get(span.path), gutter, paint, item.severity)
    for span, label in item.secondary:
        marked = _excerpt(span, label, "-", texts.get(span.path), gutter, paint, "frame")
        if item.span and (span.path, span.line) == (item.span.path, item.span.line) and len(marked) == 2:
            lines.append(marked[1])  # the line stands above already
            continue
        lines.append(f"{blank}{paint('frame', ':::')} {shown(span.path)}:{span.line}:{span.column}")
        lines += marked
    if item.help:
        lines.append(f"{blank} {paint('frame', '=')} {paint('strong', 'help')}: {item.help}")
    return "\n".join(lines)


def render(diagnostics: Iterable[Diagnostic], texts: Mapping[str, str], colour: bool = False) -> str:
    """Return all diagnostics in the look of rustc; `texts` holds the text of each path."""
    return "\n\n".join(_one(item, texts, _coloured if colour else _plain) for item in diagnostics)
