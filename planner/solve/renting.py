"""Offers joined to placements: what may be rented, how many instances it takes, and at what price."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from planner.catalog.offers import Listing
from planner.catalog.records import Offer
from planner.language.problem import Problem, Workload
from planner.record import dataclass
from planner.solve.rules import reads

MOST_SOLD_SINGLY = 8
"""GPUs sold one by one are rented on one host up to this number, the largest the shipped catalog's providers sell."""


@dataclass(frozen=True, slots=True)
class Renting:
    """Instances of an offer and their price in micro-dollars per hour; `slots` are the GPUs that could be shared."""

    offer: Offer
    market: str
    instances: int
    cost: int
    slots: int


def offers_for(problem: Problem, workload: Workload) -> dict[str, list[Offer]]:
    """Return the offers a workload may rent, by GPU."""
    out: dict[str, list[Offer]] = {}
    for item in offers_listed(problem, workload):
        out.setdefault(item.gpu, []).append(problem.offers[item.id])
    return out


def offers_listed(problem: Problem, workload: Workload) -> Iterator[Listing]:
    """Yield what a workload may rent, unbuilt: no marketplace host and no flagged row unless named."""
    domains = workload.domains
    named = domains.get("offer")
    providers, regions, gpus = domains.get("provider"), domains.get("region"), domains.get("gpu")
    for item in problem.offers.listings:
        if gpus is not None and item.gpu not in gpus:
            continue
        if named is not None and item.id not in named:
            continue
        if providers is not None and item.provider not in providers:
            continue
        if regions is not None and item.region not in regions:
            continue
        if named is None and providers is None and item.doubtful:
            continue
        yield item


def renting(offer: Offer, market: str, gpus: int, unit: int) -> Renting | None:
    """Return what holds `gpus` in groups of `unit` that stay within one instance; None where none can.

    An instance can be shared where the unit is a power of two that divides it: such units always pack without a gap.
    """
    price = offer.spot if market == "spot" else offer.price
    if price is None:
        return None
    if offer.sold_by == "gpu":
        each = max(1, offer.gpus)
        most = max(MOST_SOLD_SINGLY, each)
        if unit > most or unit % each:
            return None
        instances = -(-gpus // each)
        return _available(offer, Renting(offer, market, instances, instances * price, 0))
    groups_each = offer.gpus // unit
    if groups_each == 0:
        return None
    instances = -(-(gpus // unit) // groups_each)
    packs = unit & (unit - 1) == 0 and offer.gpus % unit == 0 and offer.gpus > 1
    return _available(offer, Renting(offer, market, instances, instances * price, gpus if packs else 0))


def _available(offer: Offer, found: Renting) -> Renting | None:
    return None if offer.available is not None and found.instances > offer.available else found


@dataclass(frozen=True, slots=True)
class Market:
    """What tells the offers of a plan apart: the markets, what rules speak of, and whether instances are shared."""

    markets: tuple[str, ...]
    spoken: frozenset[str]
    shared: bool


def market_of(problem: Problem, workload: Workload) -> Market:
    """Return how a workload's offers are told apart."""
    markets = tuple(str(value) for value in workload.domains.get("market", ("on_demand",)))
    told = {"offer", "provider", "region", "market"}
    conditions = [item.condition for item in problem.rules] + [item.condition for item in problem.preferences]
    spoken = {name for condition in conditions for name in reads(condition, workload.name) & told}
    spoken |= {bound.quantity for bound in workload.bounds} & told
    return Market(markets, frozenset(spoken), len(problem.workloads) > 1)


def rentings(offers: Sequence[Offer], market: Market, gpus: int, unit: int) -> list[Renting]:
    """Return the rentings that can matter: the cheapest of each kind that a rule tells apart, and every limited one.

    Where workloads may share instances, every offer that can be shared is kept as well.
    """
    kept: list[Renting] = []
    cheapest: dict[tuple[str, ...], Renting] = {}
    for offer in offers:
        for way in market.markets:
            found = renting(offer, way, gpus, unit)
            if found is None:
                continue
            if offer.available is not None or (market.shared and found.slots):
                kept.append(found)
                continue
            attributes = {"offer": offer.id, "provider": offer.provider, "region": offer.region, "market": way}
            kind = tuple(attributes[name] for name in sorted(market.spoken))
            best = cheapest.get(kind)
            if best is None or _order(found) < _order(best):
                cheapest[kind] = found
    return sorted((*kept, *cheapest.values()), key=_order)


def _order(item: Renting) -> tuple[int, str, str]:
    return item.cost, item.offer.id, item.market
