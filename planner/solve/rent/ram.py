"""The RAM of hosts that offers rent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from planner.catalog.offers import Offers
from planner.catalog.records import Offer

if TYPE_CHECKING:
    from planner.solve.columns.table import Column

GIB = 2**30
UNKNOWN_RAM = 2**62
"""Stands for the RAM of a host that nobody states: nothing is held against it."""


def ram(offer: Offer, ranks: int) -> int:
    """Return the bytes of RAM of a host that so many ranks share; of GPUs sold one by one each brings its own."""
    if offer.ram_gib is None:
        return UNKNOWN_RAM
    return int(offer.ram_gib * GIB) * (max(1, ranks // offer.gpus) if offer.sold_by == "gpu" else 1)


def beyond(on_host: Column, pool: Column, pools: Sequence[tuple[str, str]], offers: Offers, ranks: Column) -> Column:
    """Return where what a host must hold exceeds the RAM of its offer, so many ranks on it."""
    import numpy

    sold = [offers[name] for name, _ in pools]
    rams = numpy.array([ram(offer, 1) for offer in sold], dtype=numpy.int64)[pool]
    singly = numpy.array([offer.gpus if offer.sold_by == "gpu" else 2**31 for offer in sold])[pool]
    known = rams < UNKNOWN_RAM
    out: Column = known & (on_host > numpy.where(known, rams, 0) * numpy.maximum(1, ranks // singly))
    return out
