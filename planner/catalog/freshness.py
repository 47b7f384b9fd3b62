"""Doubts about the rows an answer rests on: old prices, prices unlike their peers', figures of low confidence."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, timedelta

from planner.catalog.records import Gpu, Offer
from planner.diagnostics.diagnostic import Diagnostic, Span, warning

OLD_AFTER = timedelta(days=90)
UNLIKE = 3
"""An on-demand price this many times above or below the median of its GPU's is an outlier."""
FEW = 5
"""Fewer peers than this say nothing about a price."""


def latest_day(as_of: str) -> date | None:
    """Return the last day a snapshot date may mean: `2026-07-20`, `2026-07`, `2026-H1`, or several with a slash."""
    days = []
    for text in as_of.split("/"):
        found = re.fullmatch(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?|-H([12]))?", text.strip())
        if found is None:
            return None
        year, month, day, half = found.groups()
        number = int(month) if month else 6 * int(half) if half else 12
        try:
            first = date(int(year), number, int(day or 1))
            days.append(first if day else (first + timedelta(days=31)).replace(day=1) - timedelta(days=1))
        except ValueError:
            return None
    return max(days)


def per_gpu(offer: Offer) -> float | None:
    """Return the on-demand price of one GPU in USD per hour, None where there is none."""
    return offer.price / offer.gpus / 1e6 if offer.price is not None else None


def _median(prices: list[float]) -> float:
    """Return the middle price; `statistics` would cost a command's start-up more than it saves."""
    ordered, half = sorted(prices), len(prices) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def medians(offers: Iterable[Offer]) -> dict[str, float]:
    """Return the median on-demand price of a GPU-hour in USD by GPU, of those with enough offers on clouds."""

    prices: dict[str, list[float]] = {}
    for offer in offers:
        price = per_gpu(offer)
        if price and not offer.marketplace and not offer.flags:
            prices.setdefault(offer.gpu, []).append(price)
    return {gpu: _median(found) for gpu, found in prices.items() if len(found) >= FEW}


def is_outlier(offer: Offer, middle: float | None) -> bool:
    """Return whether an offer's price of a GPU-hour is far from the median of its GPU's."""
    price = per_gpu(offer)
    return bool(price and middle and not middle / UNLIKE <= price <= middle * UNLIKE)


def findings(
    offers: Iterable[Offer],
    today: date | None = None,
    peers: Iterable[Offer] = (),
    gpus: Iterable[Gpu] = (),
    span: Span | None = None,
) -> tuple[Diagnostic, ...]:
    """Return a W0605 for each doubt about the chosen rows.

    Age is reported only when `today` is given, outliers only against `peers` (the
    catalog's offers), confidence of `gpus`.
    """
    out: list[Diagnostic] = []
    middle = medians(peers)
    for offer in dict.fromkeys(offers):
        day = latest_day(offer.as_of)
        if today is not None and (day is None or today - day > OLD_AFTER):
            age = f"{(today - day).days} days old" if day is not None else "of an unknown day"
            out.append(
                warning("W0605", f"the price of `{offer.id}` is {age} (as of {offer.as_of or 'no date'})", span,
                        help="look the price up, and state it as an offer of your own")
            )  # fmt: skip
        usual = middle.get(offer.gpu)
        if is_outlier(offer, usual):
            text = f"`{offer.id}` costs ${per_gpu(offer):.2f} a GPU-hour; the median of {offer.gpu} is ${usual:.2f}"
            out.append(
                warning("W0605", text,
                        span, help="a larger host costs more; look the price up")
            )  # fmt: skip
        if offer.flags:
            out.append(
                warning("W0605", f"`{offer.id}` is doubtful: {', '.join(offer.flags)}", span,
                        help="look it up before you count on it")
            )  # fmt: skip
    for gpu in dict.fromkeys(gpu.id for gpu in gpus if gpu.confidence == "low"):
        out.append(
            warning("W0605", f"the figures of `{gpu}` are of low confidence", span,
                    help=f"`planner catalog show {gpu}` names their sources")
        )  # fmt: skip
    return tuple(out)
