"""What an offer costs (the `offers` catalog). Money in micro-dollars per hour, whole instances."""

from __future__ import annotations

from planner.catalog.records import Offer


def hourly(offer: Offer, gpus_needed: int, market: str = "on_demand") -> tuple[int, int] | None:
    """Instances and their price; None where the offer is not sold on that market.

    An instance sold whole is rented whole. One that is `sold_by` 'gpu' states the price of one instance of
    `offer.gpus` GPUs all the same and is rented as often as it takes.
    """
    price = offer.spot if market == "spot" else offer.price
    if price is None or offer.gpus <= 0 or gpus_needed <= 0:
        return None
    instances = -(-gpus_needed // offer.gpus)
    return instances, instances * price
