"""All offers there are, shipped and declared: looked over by what tells them apart, built when they are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import NamedTuple

from planner.catalog.records import Offer
from planner.catalog.table import Table


class Listing(NamedTuple):
    """What is known of an offer before it is built; `doubtful` ones, and those of marketplaces, must be named."""

    id: str
    provider: str
    region: str
    gpu: str
    doubtful: bool
    limited: bool


class Offers:
    """The offers of a catalog with those a plan adds or overrides, in the order of the catalog and then by name."""

    def __init__(self, shipped: Table[Offer], own: Mapping[str, Offer]) -> None:
        """Take the shipped offers and the plan's own by id."""
        self._shipped, self._own = shipped, {name: own[name] for name in sorted(own)}

    @cached_property
    def listings(self) -> tuple[Listing, ...]:
        """All offers, not yet built."""
        shipped, own = self._shipped, self._own
        names = ("provider", "region", "gpu", "marketplace", "flags", "available")
        columns = zip(shipped, *(shipped.column(name) for name in names), strict=True)
        found = [
            _listing(own[key])
            if key in own
            else Listing(key, provider, region, gpu, bool(market or flags), left is not None)
            for key, provider, region, gpu, market, flags, left in columns
        ]
        return (*found, *(_listing(offer) for key, offer in own.items() if key not in shipped))

    @property
    def limited(self) -> Iterator[Offer]:
        """Those of which only so many are there."""
        return (self[item.id] for item in self.listings if item.limited)

    def of(self, gpu: str) -> Iterator[Offer]:
        """Return those with a GPU."""
        return (self[item.id] for item in self.listings if item.gpu == gpu)

    def get(self, key: object) -> Offer | None:
        """Return the offer of an id, or None."""
        return self[key] if isinstance(key, str) and (key in self._own or key in self._shipped) else None

    def beside(self, more: Mapping[str, Offer]) -> Offers:
        """Return these offers with more of a plan's own."""
        return Offers(self._shipped, {**self._own, **more})

    def __getitem__(self, key: str) -> Offer:
        return self._own.get(key) or self._shipped[key]

    def __eq__(self, other: object) -> bool:
        """Return whether both add the same to the same catalog."""
        return isinstance(other, Offers) and self._shipped is other._shipped and self._own == other._own

    def __iter__(self) -> Iterator[Offer]:
        return (self[item.id] for item in self.listings)

    def __len__(self) -> int:
        return len(self.listings)


def _listing(offer: Offer) -> Listing:
    doubtful, limited = bool(offer.marketplace or offer.flags), offer.available is not None
    return Listing(offer.id, offer.provider, offer.region, offer.gpu, doubtful, limited)
