"""Doubts about the rows an answer rests on: old prices, prices unlike their peers', figures of low confidence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta

from planner.catalog.dates import first_day
from planner.catalog.records import Gpu, Offer
from planner.diagnostics.diagnostic import Diagnostic, Span, warning

OLD_AFTER = timedelta(days=90)
UNLIKE = 3
"""An on-demand price this many times above or below the median of its GPU's is an outlier."""
FEW = 5
"""Fewer peers than this say nothing about a price."""


FLAGS = {
    "no_on_demand": "no on-demand price: rented on spot or reserved alone",
    "outdated": "its price is out of date",
    "spot_not_cheaper": "its spot price is no lower than on demand",
    "disks_not_in_price": "its price excludes local disks",
    "one_month_minimum": "rented for at least one month",
}
"""What a row's flags say."""

AGED_AFTER = timedelta(days=180)
"""A price that is so much older than the catalog is warned of in the answer that rents at it."""


def aged(offer: str, seen: str, newest: str, who: str, span: Span | None) -> Diagnostic | None:
    """Return a W0704 where a workload rents an offer at a price much older than the catalog, whose date is `newest`."""
    day, last = first_day(seen), first_day(newest)
    if day is None or last is None or last - day <= AGED_AFTER:
        return None
    text = f"`{who}` rents `{offer}` at a price of {seen}, {(last - day).days} days older than the catalog"
    recent = (last - AGED_AFTER).isoformat()
    way = f"look the price up and declare the offer, or keep to newer ones: offer in any where as_of >= {recent}"
    return warning("W0704", f"{text} ({newest})", span, help=way)


def per_gpu(offer: Offer) -> float | None:
    """Return the on-demand price of one GPU in USD per hour, None where there is none."""
    return offer.price / offer.gpus / 1e6 if offer.price is not None else None


def _median(prices: list[float]) -> float:
    """Return the middle price; `statistics` would cost a command's start-up more than it saves."""
    ordered, half = sorted(prices), len(prices) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def medians(offers: Iterable[Offer]) -> dict[str, float]:
    """Return the median on-demand price of a GPU-hour in USD by GPU, and by `GPU of PROVIDER`, of those with enough
    offers on clouds. A GPU's is that of its providers' medians: one that lists it in twenty regions counts once."""

    prices: dict[str, dict[str, list[float]]] = {}
    for offer in offers:
        price = per_gpu(offer)
        if price and not offer.marketplace and not offer.flags:
            prices.setdefault(offer.gpu, {}).setdefault(offer.provider, []).append(price)
    out: dict[str, float] = {}
    for gpu, by_day in prices.items():
        own = {provider: _median(each) for provider, each in by_day.items()}
        out |= {f"{gpu} of {provider}": own[provider] for provider, each in by_day.items() if len(each) >= FEW}
        if sum(map(len, by_day.values())) >= FEW:
            out[gpu] = _median(list(own.values()))
    return out


def is_outlier(offer: Offer, middle: Mapping[str, float]) -> bool:
    """Return whether an offer's price of a GPU-hour is far from the median of its GPU's, and from that of its own
    provider's where this lists enough of them."""
    price, usual = per_gpu(offer), middle.get(offer.gpu)
    near = (usual, middle.get(f"{offer.gpu} of {offer.provider}"))
    if not price or usual is None:
        return False
    return not any(each is not None and each / UNLIKE <= price <= each * UNLIKE for each in near)


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
        day = first_day(offer.as_of)
        if today is not None and (day is None or today - day > OLD_AFTER):
            age = f"{(today - day).days} days old" if day is not None else "of an unknown day"
            out.append(
                warning("W0605", f"the price of `{offer.id}` is {age} (as of {offer.as_of or 'no date'})", span,
                        help="look the price up, and state it as an offer of your own")
            )  # fmt: skip
        usual = middle.get(offer.gpu)
        if is_outlier(offer, middle):
            text = f"`{offer.id}` costs ${per_gpu(offer):.2f} a GPU-hour; the median of {offer.gpu} is ${usual:.2f}"
            out.append(
                warning("W0605", text,
                        span, help="a larger host costs more; look the price up")
            )  # fmt: skip
        if offer.flags:
            out.append(
                warning("W0605", f"`{offer.id}`: {', '.join(FLAGS.get(flag, flag) for flag in offer.flags)}", span,
                        help="look the offer up before you rely on it")
            )  # fmt: skip
    for gpu in dict.fromkeys(gpu.id for gpu in gpus if gpu.confidence == "low"):
        out.append(
            warning("W0605", f"the figures of `{gpu}` are of low confidence", span,
                    help=f"`planner catalog show {gpu}` names their sources")
        )  # fmt: skip
    return tuple(out)
