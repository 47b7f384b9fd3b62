"""Answers as one self-contained HTML page with pictures; it loads nothing from anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from html import escape

from planner.report import figures, phrases, why
from planner.report.bar import segments
from planner.report.labels import LABELS
from planner.report.page import pictures
from planner.report.page.style import STYLE
from planner.report.sheet import Option, Sheet, WorkloadSheet, foremost

HATCHED = "repeating-linear-gradient(45deg,#8d8d95 0 3px,transparent 3px 6px)"


def _tag(name: str, words: str, kind: str = "") -> str:
    together = escape(words).replace(" %", "&nbsp;%").replace(" GiB", "&nbsp;GiB")
    return f"<{name}{f' class={kind}' if kind else ''}>{together}</{name}>"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], right: frozenset[int] = frozenset()) -> str:
    def cell(tag: str, number: int, words: str) -> str:
        return _tag(tag, words, "n" if number in right else "")

    lines = ["".join(cell("th", number, words) for number, words in enumerate(head))]
    lines += ["".join(cell("td", number, words) for number, words in enumerate(row)) for row in rows]
    return '<div class="scroll"><table>' + "".join(f"<tr>{line}</tr>" for line in lines) + "</table></div>"


BODY, END = "</head><body>\n", "\n</body></html>"


def joined(pages: Sequence[str]) -> str:
    """Return several pages as one, one below the other."""
    head = pages[0].partition(BODY)[0]
    return head + BODY + "\n<hr>\n".join(page.partition(BODY)[2].removesuffix(END) for page in pages) + END


def render(view: Sheet, title: str = "The plan") -> str:
    """Return the page."""
    body = [_tag("h1", title)]
    if view.outcome == "infeasible":
        for part in phrases.sets(view.conflict):
            body.append(_tag("p", f"Nothing fits. {phrases.conflicting(len(part))}.", "bad"))
            rows = [(item.rule, item.text, " or ".join(item.remedies)) for item in part]
            body.append(_table(("rule", "why", "to fit, any one of"), rows))
        body += _searched(view)
    else:
        body += _summary(view)
    body += [f'<p class="warn"><code>{escape(item.code)}</code> {escape(item.message)}</p>' for item in view.warnings]
    if len(view.blocks) > 1 and any(block.choice.cost for block in view.blocks):
        body += [_tag("h2", "Cost by workload"), pictures.cost(view.blocks)]
    for block in view.blocks:
        body += _block(block)
    if view.limits:
        body += [_tag("h2", "Shared limits")]
        body.append(_table(("limit", "used", "limit"), [(item.rule, item.used, item.most) for item in view.limits]))
    if view.wishes:
        kept = [(name, "satisfied" if held else "not satisfied") for name, held in view.wishes]
        body += [_tag("h2", "Preferences"), _table(("preference", ""), kept)]
    if view.front is not None:
        names = view.front.quantities
        body += [_tag("h2", f"Pareto front ({', '.join(names)})"), pictures.front(view.front)]
        body.append(_table((*names, "config"), view.front.rows, frozenset(range(len(names)))))
    body += _reasons(view)
    body += _words(view)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style>{BODY}" + "\n".join(body) + END
    )


WORDS = ("expected", "safe", "usable", "headroom", "margin", "overhead", "logits", "constraints", "proven", "optimal",
         "feasible", "infeasible", "chosen", "fits", "breaks", "unsupported", "not_offered")  # fmt: skip
"""The words of a page that are explained at its end."""


def _words(view: Sheet) -> list[str]:
    """Return what the words of the page mean, for who was not there."""
    meant = LABELS | {"headroom": "The share of the usable memory that the safe end leaves."}
    said = "".join(f"<dt>{escape(why.words(name))}</dt><dd>{escape(meant[name])}</dd>" for name in WORDS)
    dates = (
        "A price is what its provider listed on the date beside it; look it up again before you rent. Memory and cache "
        "hold at the plan's `confidence`, times at its `time_confidence`. planner proves an answer for the prices and "
        "figures of its catalogs, and for what the plan says."
    )
    return [f"<details><summary>How to read this page</summary>{_tag('p', dates)}<dl>{said}</dl></details>"]


def _searched(view: Sheet) -> list[str]:
    said = [f"Offers: {item}" for item in view.offers]
    said += [f"Searched where the plan does not say: {item}" for item in view.searched]
    return [_tag("p", f"{item}.", "dim") for item in said]


def _summary(view: Sheet) -> list[str]:
    sums = []
    if view.cost is not None:
        sums += [
            (figures.hourly(view.cost), "per hour"),
            (figures.monthly(view.cost).removesuffix("/month"), "per month"),
        ]
    said = ("minimize cost", "" if view.cost is None else figures.hourly(view.cost))
    sums += [(goal.value, f"{goal.text}, {goal.proof}") for goal in view.goals if (goal.text, goal.value) != said]
    sums.append((view.outcome, phrases.considered(view.considered) if view.considered else "no decision left open"))
    cells = "".join(f"<div><b>{escape(value)}</b><span>{escape(words)}</span></div>" for value, words in sums)
    out = [f'<div class="sums">{cells}</div>']
    out += _searched(view)
    if not view.reproducible:
        out.append(_tag("p", "A time limit decided: another run may answer otherwise.", "warn"))
    return out


def _block(block: WorkloadSheet) -> list[str]:
    choice = block.choice
    out = [_tag("h2", block.name), _tag("p", " · ".join(filter(None, (block.kind, block.model))), "dim")]
    out += [_tag("p", line) for line in block.doc.splitlines()]
    if block.asked:
        said = "".join(f"<dt>{escape(label)}</dt><dd>{escape(words)}</dd>" for label, words in block.asked)
        out.append(f'<h3>What the plan asks</h3><dl class="asked">{said}</dl><h3>The answer</h3>')
    price = "" if choice.cost is None else f", {figures.hourly(choice.cost)}, {figures.monthly(choice.cost)}"
    out.append(f"<p><b>{escape(choice.hardware)}</b>{escape(price)}</p>")
    out.append(_tag("p", "; ".join(filter(None, (choice.rented, choice.setup)))))
    out += [_tag("p", f"breaks {fault}", "bad") for fault in choice.faults]
    others = _others(block)
    out += [_tag("h3", "Memory of one GPU"), _key(choice), pictures.memory([("chosen", choice), *others])]
    if choice.memory.moment:
        out.append(_tag("p", f"The peak is at {phrases.moment(choice.memory.moment)}.", "dim"))
    if choice.memory.moments:
        moments = choice.memory.moments
        cells = [phrases.moment(name).removeprefix("the ") for name, _ in moments]
        out.append(_table(cells, [[figures.size(amount) for _, amount in moments]]))
    if block.outcomes:
        out += [_tag("h3", "Predicted"), _table(*_columns(block.outcomes))]
    if block.slack:
        rows = [(item.rule, item.text, item.left) for item in block.slack]
        out += [_tag("h3", "Constraints"), _table(("constraint", "value", "left"), rows)]
    if len(others) > 0:
        points = [("alternative", item) for item in block.alternatives] + [("rejected", item) for item in block.cheaper]
        options = [("chosen", choice), *points]
        axis = pictures.axis_of(options, block.about)
        title = f"Options by cost and {axis}" if axis else "Options by cost"
        out += [_tag("h3", title), pictures.scatter(options, block.about)]
    out += _options(f"{block.adjective.capitalize()}, and what it breaks", block.cheaper, block, choice)
    worse = "Fits, and costs more" if block.adjective == "cheaper" else "Fits too"
    out += _options(worse, block.alternatives, block, choice)
    if block.notes:
        out += [_tag("h3", "Estimates"), *(_tag("p", note, "warn") for note in block.notes)]
    return out


def _others(block: WorkloadSheet) -> list[tuple[str, Option]]:
    """Return the nearest options beside the choice: three that are cheaper and break, three that fit."""
    return [("rejected", item) for item in foremost(block, 3)] + [("fits", item) for item in block.alternatives[:3]]


def _key(choice: Option) -> str:
    memory = choice.memory
    marks = "".join(
        f'<span><i style="background:{_fill(name)}"></i>{escape(name)} {figures.size(amount)}</span>'
        for name, amount in segments(memory)
    )
    ends = [f"expected {figures.size(memory.expected)}"]
    if memory.safe != memory.expected:
        ends.append(f"safe {figures.size(memory.safe)}")
    if memory.usable is not None:
        free = (memory.usable - memory.safe) / memory.usable
        ends += [f"usable {figures.size(memory.usable)}", f"headroom {figures.share(free)}"]
    return f'<div class="key">{marks}</div>{_tag("p", ", ".join(ends))}'


def _fill(part: str) -> str:
    return HATCHED if part == "margin" else pictures.FILLS.get(part, pictures.OTHER)


def _columns(items: tuple[tuple[str, str], ...]) -> tuple[list[str], list[list[str]]]:
    return [name for name, _ in items], [[value for _, value in items]]


def _options(title: str, options: tuple[Option, ...], block: WorkloadSheet, choice: Option) -> list[str]:
    """Return a table of options: price with its date and against the choice, and what the plan is about."""
    if not options:
        return []
    about = [
        name for name in block.about if name != "headroom" and any(item.value(name) is not None for item in options)
    ]
    head = ["per hour", "against the answer", "price of", "GPUs", *about[:2], "config", "breaks"]
    rows = [
        [
            "" if item.cost is None else figures.hourly(item.cost),
            _against(item, choice, block.copies),
            item.as_of,
            ", ".join(filter(None, (item.hardware, item.part, item.whole))),
            *("unknown" if (value := item.value(name)) is None else figures.show(name, value) for name in about[:2]),
            item.setup,
            "; ".join(map(str, item.faults)),
        ]
        for item in options
    ]
    kept = [place for place in range(len(head)) if any(row[place] for row in rows)]
    right = frozenset(number for number, place in enumerate(kept) if place < 2 or 3 < place < 4 + len(about[:2]))
    table = _table([head[place] for place in kept], [[row[place] for place in kept] for row in rows], right)
    return [_tag("h3", title), table]


def _against(item: Option, choice: Option, copies: int) -> str:
    """Return how much more an option costs than the choice; of several copies than one of them."""
    if item.cost is None or choice.cost is None:
        return ""
    more = item.cost - Fraction(choice.cost, copies)
    return f"{'+' if more > 0 else '-'}{figures.hourly(abs(more))}" if more else "same"


def _reasons(view: Sheet) -> list[str]:
    out: list[str] = []
    for name, every in view.reasons:
        rows, bare = why.offered(every)
        cells = [
            (
                row.gpu,
                why.words(row.verdict),
                row.hardware,
                "" if row.cost is None else figures.hourly(row.cost),
                row.note,
                "; ".join(map(str, row.faults)) or row.setup,
            )
            for row in rows
        ]
        if cells:
            out += [_tag("h2", f"{name}: why this and no other GPU")]
            head = ("GPU", "status", "candidate", "per hour", "price", "config, or what it breaks")
            out.append(_table(head, cells, frozenset({3})))
        if bare:
            out.append(_tag("p", f"Not offered: {', '.join(bare)}.", "dim"))
    for item in view.values:
        breaks = [(*row.cells, "; ".join(map(str, row.faults))) for row in item.rows]
        out += [_tag("h2", item.title), _table((*item.head, "breaks"), breaks, item.right)]
    return out
