"""Which cards hold a model, cheapest first, on one screen: its weights, its cache per token, and a line a card."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from planner.diagnostics.shown import cleaned, json_text
from planner.language.compose import option
from planner.record import dataclass
from planner.report import csv_, figures, markdown
from planner.report.lines import Line, clamp, coloured, plain, prose
from planner.solve.needs import Need
from planner.wording import said

if TYPE_CHECKING:
    from planner.catalog.catalog import Catalog
    from planner.language.compose import Words
    from planner.language.problem import Problem
    from planner.solve.answer import Answer
    from planner.solve.inference.sizes import ModelSizes

ROWS = 12
"""So many cards are shown: with what stands above them, one screen of 24 lines."""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """The cheapest way to hold a model on one GPU type: bytes of the fullest GPU, micro-dollars per hour."""

    gpu: str
    gpus: int
    total: int
    usable: int
    cost: int
    price_as_of: str
    offer: str


@dataclass(frozen=True, slots=True)
class Holding:
    """A model, what it takes, and the cards that hold it; `refused` is why its engine does not run it on any."""

    model: str
    params: int
    sizes: ModelSizes
    context: int
    concurrency: int
    engine: str
    stated: bool
    cards: tuple[ModelCard, ...]
    unsuitable: int
    command: str
    assumed: tuple[str, ...] = ()
    refused: str = ""

    @property
    def asked(self) -> str:
        """What the cards hold beside the weights, in words."""
        many = "1 sequence" if self.concurrency == 1 else f"{self.concurrency:_} sequences"
        return f"{many} of {figures.tokens(self.context)}"


def holding(answer: Answer, problem: Problem, catalog: Catalog, words: Words) -> Holding | None:
    """Return the cards that hold the one model of a plan, from an answer that has its hardware; None where none rents.

    `words` are those of the command line.
    """
    from planner.solve.inference.sizes import whole

    workload = problem.workloads[0]
    rows = [item.best for item in answer.hardware if item.best is not None]
    if not rows:
        return None
    fit = sorted(
        (item.best for item in answer.hardware if item.best is not None and item.status in ("chosen", "fits")),
        key=lambda row: (row.cost, row.gpus, row.gpu),
    )
    context, many = (int(Fraction(str(workload.given[key]))) for key in ("context", "concurrency"))
    cards = tuple(
        ModelCard(row.gpu, row.gpus, row.total, row.usable, row.cost, row.price_as_of, row.offer) for row in fit
    )
    refused = next((item for item in answer.conflict if item.rule == f"{workload.name}.engine"), None)
    other = next((item.value for item in refused.hints), None) if refused is not None else None
    return Holding(
        model=words.model,
        params=workload.model.params,
        sizes=whole(problem, catalog, (fit or rows)[0]),
        context=context,
        concurrency=many,
        engine=str(workload.given["engine"]),
        stated=words.context is not None and words.concurrency is not None,
        cards=cards,
        unsuitable=len(answer.hardware) - len(cards),
        command=_command(words, bool(cards), None if other is None else str(other)),
        assumed=workload.model.assumed,
        refused=said(refused.has) if refused is not None and isinstance(refused.has, Need) else "",
    )


def _command(words: Words, held: bool, engine: str | None) -> str:
    """Return what to type next: the answer with its proof, or the model with another engine or in a smaller format."""
    from shlex import quote

    fields = ("context", "concurrency", "gpus", "weights", "kv_cache", "engine")
    stated = {name: str(getattr(words, name)) for name in fields if getattr(words, name) is not None}
    if engine is not None:
        stated["engine"] = engine
    elif not held:
        stated["weights"] = "int4" if stated.get("weights") == "fp8" else "fp8"
    options = "".join(f" {option(name)} {quote(value)}" for name, value in stated.items())
    options += " --approximate" if words.approximate else ""
    return f"planner {'solve --model' if held else 'estimate'} {quote(words.model)}{options}"


def render(form: str, found: Holding, *, width: int = 100, colour: bool = False) -> str:
    """Return what was found as table, json, markdown, html or csv."""
    found = cleaned(found)
    match form:
        case "json":
            return json_text(document(found))
        case "csv":
            return csv_.text([CSV_HEAD, *_csv(found)])
        case "markdown":
            return "\n".join(_markdown(found))
        case "html":
            from html import escape

            body = escape(plain(_lines(found, clamp(width), len(found.cards))))
            title = escape(f"{found.model}: cards that hold it")
            head = f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{title}</title>'
            return f"{head}\n<pre>{body}</pre></html>"
        case _:
            width = clamp(width)
            lines = _lines(found, width, ROWS)
            return coloured(lines, width) if colour else plain(lines)


CSV_HEAD = ("model", "gpu", "gpus", "memory_total", "memory_usable", "cost_usd_per_hour", "price_as_of", "offer")


def _csv(found: Holding) -> Iterator[tuple[Any, ...]]:
    for row in found.cards:
        sizes = (row.total, row.usable, row.cost / 1e6)
        yield (found.model, row.gpu, row.gpus, *sizes, row.price_as_of or None, row.offer)


def document(found: Holding) -> dict[str, Any]:
    """Return the JSON document: sizes in bytes, money in USD."""
    return {
        "schema": "planner.cards/1",
        "model": found.model,
        "params": found.params,
        "engine": found.engine,
        "context": found.context,
        "concurrency": found.concurrency,
        "weights": {"format": found.sizes.weights_format, "bytes": found.sizes.weights},
        "kv_cache": {
            "format": found.sizes.kv_format,
            "bytes_per_token": found.sizes.token,
            "window_bytes_per_token": found.sizes.window,
            "state_bytes": found.sizes.state,
            "bytes": found.sizes.sequences,
        },
        "approximate": list(found.assumed),
        "cards": [
            {
                "gpu": row.gpu,
                "gpus": row.gpus,
                "memory": {"total": row.total, "usable": row.usable},
                "cost_usd_per_hour": row.cost / 1e6,
                "price_as_of": row.price_as_of or None,
                "offer": row.offer,
            }
            for row in found.cards
        ],
    }


def _cache(found: Holding) -> str:
    """Return what the KV cache takes, in words."""
    if found.sizes.token is None:
        return "unknown: the architecture is not known, only the number of parameters"
    parts = [f"{_small(found.sizes.token)} per token"] if found.sizes.token or not found.sizes.window else []
    parts += [f"{_small(found.sizes.window)} per token of a window"] if found.sizes.window else []
    parts += [f"{_small(found.sizes.state)} per sequence"] if found.sizes.state else []
    whole = "" if found.sizes.sequences is None else f"; {figures.size(found.sizes.sequences)} for {found.asked}"
    return f"{' and '.join(parts)} in {found.sizes.kv_format}{whole}"


def _small(amount: int) -> str:
    return f"{amount / 1024:_.0f} KiB" if amount < 2**20 else f"{amount / 2**20:_.1f} MiB"


def _default(found: Holding) -> str:
    return "" if found.stated else " (--context and --concurrency change that)"


def _rows(cards: Sequence[ModelCard]) -> list[tuple[str, str, str, str, str]]:
    return [
        (
            f"{row.gpus} x {row.gpu}",
            f"{row.total / 2**30:.1f} of {row.usable / 2**30:.1f} GiB",
            figures.hourly(row.cost),
            row.price_as_of or "undated",
            row.offer.partition("/")[0],
        )
        for row in cards
    ]


HEAD = ("cards", "memory per GPU", "price", "as of", "rented from")


def _lines(found: Holding, width: int, most: int) -> list[Line]:
    out: list[Line] = [((found.model, "bold"), (f"  {found.params / 1e9:_.2f}B parameters, {found.engine}", "dim"))]
    for index, text in enumerate(found.assumed):
        out += prose("" if index else "approximate", text, width, 14, "yellow", "yellow")
    out += prose("weights", f"{figures.size(found.sizes.weights)} in {found.sizes.weights_format}", width, 12)
    out += prose("KV cache", _cache(found), width, 12)
    if not found.cards:
        why = found.refused or f"none holds it with {found.asked}{_default(found)}"
        out += prose("cards", why, width, 12, "bold red")
        return [*out, *_next(found, width, 0)]
    out += prose("", f"the cheapest cards of each type that hold it with {found.asked}{_default(found)}:", width, 2)
    rows = _rows(found.cards[:most])
    wide = [max(len(row[place]) for row in (HEAD, *rows)) for place in range(4)]
    for number, row in enumerate((HEAD, *rows)):
        cells = [row[0].ljust(wide[0]), row[1].rjust(wide[1]), row[2].rjust(wide[2]), row[3].ljust(wide[3]), row[4]]
        text = "    " + "  ".join(cells)
        text = text if len(text) <= width else text[: width - 1] + "…"
        out.append(((text.rstrip(), "" if number else "dim"),))
    return [*out, *_next(found, width, max(0, len(found.cards) - most))]


def _next(found: Holding, width: int, more: int) -> list[Line]:
    left = [f"{more} dearer types hold it too"] if more else []
    left += [f"{found.unsuitable} types do not, or nobody rents them"] if found.unsuitable else []
    out = prose("", "; ".join(left), width, 2, "dim") if left else []
    return [*out, *prose("", f"next: {found.command}", width, 2, "dim")]


def _markdown(found: Holding) -> list[str]:
    out = [f"## {markdown.text(found.model)}", ""]
    out += [
        f"- weights: {figures.size(found.sizes.weights)} in {found.sizes.weights_format}",
        f"- KV cache: {_cache(found)}",
        *(f"- approximate: {markdown.text(text)}" for text in found.assumed),
        *([f"- {markdown.text(found.refused)}"] if found.refused else []),
        "",
    ]
    out += [f"Cards that hold it with {found.asked}:", ""]
    cells = [tuple(map(markdown.text, row)) for row in _rows(found.cards)]
    return [*out, *markdown.table(HEAD, cells, frozenset({1, 2}))]
