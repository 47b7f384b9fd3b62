"""Offers joined to placements: what may be rented, how many instances it takes, and at what price."""

from __future__ import annotations

from dataclasses import dataclass

from planner.catalog.records import Offer
from planner.language.problem import Problem, Workload


@dataclass(frozen=True, slots=True)
class Renting:
    """Instances of an offer and their price in micro-dollars per hour."""

    offer: Offer
    market: str
    instances: int
    cost: int


def offers_for(problem: Problem, workload: Workload) -> dict[str, list[Offer]]:
    """Return the offers a workload may rent, by GPU: no marketplace host and no flagged row unless named."""
    domains = workload.domains
    named = domains.get("offer")
    providers, regions = domains.get("provider"), domains.get("region")
    out: dict[str, list[Offer]] = {}
    for offer in problem.offers:
        if named is not None and offer.id not in named:
            continue
        if providers is not None and offer.provider not in providers:
            continue
        if regions is not None and offer.region not in regions:
            continue
        if named is None and providers is None and (offer.marketplace or offer.flags):
            continue
        out.setdefault(offer.gpu, []).append(offer)
    return out


def instances_for(offer: Offer, gpus: int, together: int) -> int | None:
    """Return how many instances hold `gpus` in groups of `together` that stay within one; None if none can."""
    if offer.sold_by == "gpu":
        return gpus if together <= 8 else None
    groups_each = offer.gpus // together
    if groups_each == 0:
        return None
    return -(-(gpus // together) // groups_each)


def rentings(offers: list[Offer], markets: tuple[str, ...], gpus: int, together: int) -> list[Renting]:
    """Return the cheapest renting, and every one of limited number beside it (others are dominated)."""
    found: list[Renting] = []
    for offer in offers:
        instances = instances_for(offer, gpus, together)
        if instances is None or (offer.available is not None and instances > offer.available):
            continue
        for market in markets:
            price = offer.spot if market == "spot" else offer.price
            if price is not None:
                found.append(Renting(offer, market, instances, instances * price))
    free = [renting for renting in found if renting.offer.available is None]
    limited = [renting for renting in found if renting.offer.available is not None]
    if free:
        limited.append(min(free, key=lambda item: (item.cost, item.offer.id, item.market)))
    return limited
