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
from planner.wording import need_text

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
        refused=need_text(refused.has) if refused is not None and isinstance(refused.has, Need) else "",
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


def render(form: str, answer: Holding, *, width: int = 100, colour: bool = False) -> str:
    """Return what was found as table, json, markdown, html or csv."""
    answer = cleaned(answer)
    match form:
        case "json":
            return json_text(document(answer))
        case "csv":
            return csv_.text([CSV_HEAD, *_csv(answer)])
        case "markdown":
            return "\n".join(_markdown(answer))
        case "html":
            from html import escape

            body = escape(plain(_lines(answer, clamp(width), len(answer.cards))))
            title = escape(f"{answer.model}: cards that hold it")
            head = f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{title}</title>'
            return f"{head}\n<pre>{body}</pre></html>"
        case _:
            width = clamp(width)
            lines = _lines(answer, width, ROWS)
            return coloured(lines, width) if colour else plain(lines)


CSV_HEAD = ("model", "gpu", "gpus", "memory_total", "memory_usable", "cost_usd_per_hour", "price_as_of", "offer")


def _csv(answer: Holding) -> Iterator[tuple[Any, ...]]:
    for row in answer.cards:
        sizes = (row.total, row.usable, row.cost / 1e6)
        yield (answer.model, row.gpu, row.gpus, *sizes, row.price_as_of or None, row.offer)


def document(answer: Holding) -> dict[str, Any]:
    """Return the JSON document: sizes in bytes, money in USD."""
    return {
        "schema": "planner.cards/1",
        "model": answer.model,
        "params": answer.params,
        "engine": answer.engine,
        "context": answer.context,
        "concurrency": answer.concurrency,
        "weights": {"format": answer.sizes.weights_format, "bytes": answer.sizes.weights},
        "kv_cache": {
            "format": answer.sizes.kv_format,
            "bytes_per_token": answer.sizes.token,
            "window_bytes_per_token": answer.sizes.window,
            "state_bytes": answer.sizes.state,
            "bytes": answer.sizes.sequences,
        },
        "approximate": list(answer.assumed),
        "cards": [
            {
                "gpu": row.gpu,
                "gpus": row.gpus,
                "memory": {"total": row.total, "usable": row.usable},
                "cost_usd_per_hour": row.cost / 1e6,
                "price_as_of": row.price_as_of or None,
                "offer": row.offer,
            }
            for row in answer.cards
        ],
    }


def _cache(answer: Holding) -> str:
    """Return what the KV cache takes, in words."""
    if answer.sizes.token is None:
        return "unknown: the architecture is not known, only the number of parameters"
    parts = [f"{_small(answer.sizes.token)} per token"] if answer.sizes.token or not answer.sizes.window else []
    parts += [f"{_small(answer.sizes.window)} per token of a window"] if answer.sizes.window else []
    parts += [f"{_small(answer.sizes.state)} per sequence"] if answer.sizes.state else []
    whole = "" if answer.sizes.sequences is None else f"; {figures.size(answer.sizes.sequences)} for {answer.asked}"
    return f"{' and '.join(parts)} in {answer.sizes.kv_format}{whole}"


def _small(amount: int) -> str:
    return f"{amount / 1024:_.0f} KiB" if amount < 2**20 else f"{amount / 2**20:_.1f} MiB"


def _default(answer: Holding) -> str:
    return "" if answer.stated else " (--context and --concurrency change that)"


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


def _lines(answer: Holding, width: int, most: int) -> list[Line]:
    out: list[Line] = [((answer.model, "bold"), (f"  {answer.params / 1e9:_.2f}B parameters, {answer.engine}", "dim"))]
    for index, text in enumerate(answer.assumed):
        out += prose("" if index else "approximate", text, width, 14, "yellow", "yellow")
    out += prose("weights", f"{figures.size(answer.sizes.weights)} in {answer.sizes.weights_format}", width, 12)
    out += prose("KV cache", _cache(answer), width, 12)
    if not answer.cards:
        why = answer.refused or f"none holds it with {answer.asked}{_default(answer)}"
        out += prose("cards", why, width, 12, "bold red")
        return [*out, *_next(answer, width, 0)]
    out += prose("", f"the cheapest cards of each type that hold it with {answer.asked}{_default(answer)}:", width, 2)
    rows = _rows(answer.cards[:most])
    wide = [max(len(row[place]) for row in (HEAD, *rows)) for place in range(4)]
    for number, row in enumerate((HEAD, *rows)):
        cells = [row[0].ljust(wide[0]), row[1].rjust(wide[1]), row[2].rjust(wide[2]), row[3].ljust(wide[3]), row[4]]
        text = "    " + "  ".join(cells)
        text = text if len(text) <= width else text[: width - 1] + "…"
        out.append(((text.rstrip(), "" if number else "dim"),))
    return [*out, *_next(answer, width, max(0, len(answer.cards) - most))]


def _next(answer: Holding, width: int, more: int) -> list[Line]:
    left = [f"{more} dearer types hold it too"] if more else []
    left += [f"{answer.unsuitable} types do not, or nobody rents them"] if answer.unsuitable else []
    out = prose("", "; ".join(left), width, 2, "dim") if left else []
    return [*out, *prose("", f"next: {answer.command}", width, 2, "dim")]


def _markdown(answer: Holding) -> list[str]:
    out = [f"## {markdown.text(answer.model)}", ""]
    out += [
        f"- weights: {figures.size(answer.sizes.weights)} in {answer.sizes.weights_format}",
        f"- KV cache: {_cache(answer)}",
        *(f"- approximate: {markdown.text(text)}" for text in answer.assumed),
        *([f"- {markdown.text(answer.refused)}"] if answer.refused else []),
        "",
    ]
    out += [f"Cards that hold it with {answer.asked}:", ""]
    cells = [tuple(map(markdown.text, row)) for row in _rows(answer.cards)]
    return [*out, *markdown.table(HEAD, cells, frozenset({1, 2}))]
