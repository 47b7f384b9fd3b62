"""Pictures of an answer as SVG: memory against capacity, cost by workload, options by cost and what a plan is about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from html import escape
from math import floor, log10

from planner.language.quantities.outcomes import MORE_IS_BETTER
from planner.report import figures
from planner.report.bar import segments
from planner.report.front import Front
from planner.report.sheet import Option, WorkloadSheet

FILLS = {
    "weights": "#4c78a8",
    "kv_cache": "#59b3ad",
    "activations": "#54a24b",
    "logits": "#e3b505",
    "overhead": "#8d8d95",
    "gradients": "#b279a2",
    "optimizer": "#f58518",
    "master_weights": "#86b6dd",
    "margin": "url(#margin)",
}
OTHER = "#bab0ac"
WIDTH, LABEL, RIGHT, ROW = 860, 190, 30, 34
KINDS = {"chosen": "chosen", "alternative": "fits", "rejected": "breaks a constraint"}


def steps(most: float, count: int = 6) -> list[float]:
    """Return round ticks from zero to `most`."""
    if most <= 0:
        return [0.0]
    rough = most / count
    power = 10.0 ** floor(log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    return [step * index for index in range(int(most / step * 1.0000001) + 1)]


def _svg(height: float, label: str, body: Iterable[str]) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(label)}">'
        '<defs><pattern id="margin" width="6" height="6" patternTransform="rotate(45)" patternUnits="userSpaceOnUse">'
        '<rect width="3" height="6" fill="#8d8d95"/></pattern></defs>' + "".join(body) + "</svg>"
    )


def _text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{kind}">{escape(words)}</text>'


def _rule(x: float, top: float, bottom: float, kind: str) -> str:
    return f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top:.1f}" y2="{bottom:.1f}" class="{kind}"/>'


def memory(options: Sequence[tuple[str, Option]]) -> str:
    """Return the memory of one GPU of each option, its parts stacked, against what is usable of it."""
    if not options:
        return ""
    most = max(max(item.memory.safe, item.memory.usable or 0) for _, item in options) / figures.GIB
    scale = (WIDTH - LABEL - RIGHT) / most
    bottom = 16 + ROW * len(options)
    body = []
    for tick in steps(most):
        body += [_rule(LABEL + tick * scale, 8, bottom, "grid")]
        body += [_text(LABEL + tick * scale, bottom + 16, f"{tick:g}", "tick", "middle")]
    for index, (kind, item) in enumerate(options):
        top = 14 + ROW * index
        body += [_text(LABEL - 10, top + 16, _short(item.hardware), kind, "end")]
        if item.memory.usable is not None:
            room = item.memory.usable / figures.GIB * scale
            body.append(f'<rect x="{LABEL}" y="{top}" width="{room:.1f}" height="22" class="room"/>')
        x = float(LABEL)
        for name, amount in segments(item.memory):
            wide = amount / figures.GIB * scale
            title = f"<title>{escape(name)} {figures.size(amount)}</title>"
            fill = FILLS.get(name, OTHER)
            body.append(f'<rect x="{x:.1f}" y="{top}" width="{wide:.1f}" height="22" fill="{fill}">{title}</rect>')
            x += wide
        if item.memory.usable is not None:
            edge = LABEL + item.memory.usable / figures.GIB * scale
            body.append(_rule(edge, top - 4, top + 26, "full" if item.memory.safe <= item.memory.usable else "over"))
    body.append(
        _text(
            WIDTH - RIGHT,
            bottom + 32,
            "GiB of one GPU; the vertical line is what is usable; names in red break a constraint",
            "tick",
            "end",
        )
    )
    return _svg(bottom + 40, "memory of one GPU by part, against what is usable", body)


def cost(blocks: Sequence[WorkloadSheet]) -> str:
    """Return the cost of each workload per month."""
    known = [(block, block.choice.cost) for block in blocks if block.choice.cost is not None]
    most = max((amount for _, amount in known), default=0)
    if not most:
        return ""
    scale = (WIDTH - LABEL - RIGHT - 130) / most
    body = []
    for index, (block, amount) in enumerate(known):
        top = 8 + ROW * index
        body += [_text(LABEL - 10, top + 16, _short(block.name), "", "end")]
        body += [f'<rect x="{LABEL}" y="{top}" width="{amount * scale:.1f}" height="22" fill="#4c78a8"/>']
        body += [
            _text(LABEL + amount * scale + 8, top + 16, f"{figures.monthly(amount)} ({figures.hourly(amount)})", "tick")
        ]
    return _svg(16 + ROW * len(known), "cost of each workload", body)


def axis_of(options: Sequence[tuple[str, Option]], about: Sequence[str]) -> str:
    """Return the first outcome of those that a plan is about in which options differ; the first known where none do."""
    known = {name: [value for _, item in options if (value := item.value(name)) is not None] for name in about}
    return next(
        (name for name, values in known.items() if len(set(values)) > 1),
        next((name for name, values in known.items() if values), ""),
    )


def scatter(options: Sequence[tuple[str, Option]], about: Sequence[str] = ("quality", "headroom")) -> str:
    """Return the options by cost and by the first outcome of `about` in which they differ.

    Up is better. What is not known of an option has a strip of its own at the bottom.
    """
    points = [(kind, item, item.cost / 1e6) for kind, item in options if item.cost is not None]
    if not points:
        return ""
    axis = axis_of([(kind, item) for kind, item, _ in points], about)
    rated = [(kind, item, price, item.value(axis)) for kind, item, price in points]
    high, left, right = 250, 110, WIDTH - RIGHT
    most = max(price for _, _, price in points) * 1.06 or 1.0
    values = [float(value) for *_, value in rated if value is not None]
    low, top = (min(values), max(values)) if values else (0.0, 1.0)
    room = (top - low) * 0.06 or abs(top) * 0.05 or 0.01
    ends = (low - room, top + room) if axis in MORE_IS_BETTER else (top + room, low - room)
    floor_y = high - 40 if len(values) < len(points) else high
    body = []
    for tick in steps(most):
        x = left + tick / most * (right - left)
        body += [_rule(x, 12, high, "grid"), _text(x, high + 16, f"${tick:g}", "tick", "middle")]
    for index in range(5 if values else 0):
        mark = ends[0] + (ends[1] - ends[0]) * index / 4
        y = floor_y - (floor_y - 24) * index / 4
        if mark >= 0 or axis == "headroom":
            body += [_text(left - 8, y + 4, figures.show(axis, Fraction(mark)), "tick", "end")]
    if floor_y != high:
        body += [_text(left - 8, high - 8, "not known", "tick", "end")]
    for kind, item, price, value in sorted(rated, key=lambda point: point[0] == "chosen"):
        x = left + price / most * (right - left)
        y = high - 12.0 if value is None else floor_y - (float(value) - ends[0]) / (ends[1] - ends[0]) * (floor_y - 24)
        body += _dot(kind, item, x, y, axis)
    body.append(_text(right, high + 34, f"dollars per hour against {axis}; up is better", "tick", "end"))
    legend = left
    for kind, words in KINDS.items():
        body.append(f'<circle cx="{legend}" cy="{high + 30}" r="5" class="dot {kind}"/>')
        body.append(_text(legend + 10, high + 34, words, "tick"))
        legend += 40 + 7 * len(words)
    return _svg(high + 44, f"options by cost and {axis}", body)


def front(pareto_front: Front) -> str:
    """Return the points of a front in its first two quantities, joined from the best in the first on."""
    points = [
        (float(row[0]), float(row[1]), words)
        for row, words in zip(pareto_front.numbers, pareto_front.rows, strict=True)
        if row[0] is not None and row[1] is not None
    ]
    if len(points) < 2:
        return ""
    high, left, right = 210, 110, WIDTH - RIGHT
    (low_x, most_x), (low_y, most_y) = _span([x for x, _, _ in points]), _span([y for _, y, _ in points])
    places = [
        (left + (x - low_x) / (most_x - low_x) * (right - left), high - (y - low_y) / (most_y - low_y) * (high - 24))
        for x, y, _ in points
    ]
    body = [f'<polyline points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in places)}" class="front"/>']
    for (x, y), (_, _, words) in zip(places, points, strict=True):
        title = f"<title>{escape(', '.join(words))}</title>"
        body.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="6" class="dot chosen">{title}</circle>')
    first, last = points[0][2], points[-1][2]
    for (x, y), words in ((places[0], first), (places[-1], last)):
        body.append(_text(left - 12, y + 4, words[1], "tick", "end"))
        body.append(_text(x, high + 28, words[0], "tick", "middle"))
    body.append(
        _text(right, high + 46, f"{pareto_front.quantities[0]} against {pareto_front.quantities[1]}", "tick", "end")
    )
    return _svg(high + 54, f"the front of {' and '.join(pareto_front.quantities)}", body)


def _span(values: Sequence[float]) -> tuple[float, float]:
    low, most = min(values), max(values)
    room = (most - low) * 0.06 or 1.0
    return low - room, most + room


def _dot(kind: str, item: Option, x: float, y: float, axis: str) -> list[str]:
    value = item.value(axis)
    said = f"{axis} {'not known' if value is None else figures.show(axis, value)}"
    broken = "".join(f"; {fault.rule}" for fault in item.faults)
    title = f"{item.hardware}, {figures.hourly(item.cost or 0)}, {said}{broken}"
    size = 8 if kind == "chosen" else 5
    out = [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size}" class="dot {kind}"><title>{escape(title)}</title></circle>']
    if kind == "chosen":
        side, anchor = (12, "start") if x < WIDTH * 0.75 else (-12, "end")
        out.append(_text(x + side, y - 8, item.hardware, "chosen", anchor))
    return out


def _short(words: str) -> str:
    return words if len(words) <= 26 else words[:23] + "..."
