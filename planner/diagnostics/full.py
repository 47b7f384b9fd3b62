"""Diagnostics for people: the offending line, carets, the other half of a conflict, a way out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from planner.diagnostics.diagnostic import Diagnostic, Span


def _excerpt(span: Span, label: str, mark: str, text: str | None, gutter: int) -> list[str]:
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
    clean = "".join(c if c.isprintable() or c == "\t" else "\ufffd" for c in line)
    pad = "".join("\t" if c == "\t" else " " for c in line[:offset])
    carets = f"{pad}{mark * width} {label}".rstrip()
    return [f"{span.line:>{gutter}} | {clean}", f"{'':{gutter}} | {carets}"]


def _one(item: Diagnostic, texts: Mapping[str, str]) -> str:
    spans = [span for span, _ in item.secondary] + ([item.span] if item.span else [])
    gutter = max((len(str(span.line)) for span in spans), default=1)
    lines = [f"{item.severity}[{item.code}]: {item.message}"]
    if item.span:
        span = item.span
        lines.append(f"{'':{gutter}}--> {span.path}:{span.line}:{span.column}")
        lines.append(f"{'':{gutter}} |")
        lines += _excerpt(span, item.label, "^", texts.get(span.path), gutter)
    for span, label in item.secondary:
        marked = _excerpt(span, label, "-", texts.get(span.path), gutter)
        if item.span and (span.path, span.line) == (item.span.path, item.span.line) and len(marked) == 2:
            lines.append(marked[1])  # the line stands above already
            continue
        lines.append(f"{'':{gutter}}::: {span.path}:{span.line}:{span.column}")
        lines += marked
    if item.help:
        lines.append(f"{'':{gutter}} = help: {item.help}")
    return "\n".join(lines)


def render(diagnostics: Iterable[Diagnostic], texts: Mapping[str, str]) -> str:
    """Return all diagnostics in the look of rustc; `texts` holds the text of each path."""
    return "\n\n".join(_one(item, texts) for item in diagnostics)
