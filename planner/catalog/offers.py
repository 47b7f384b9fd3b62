"""All offers there are, shipped and declared: looked over by what tells them apart, built when they are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple

from planner.catalog.dates import first_day, year_before
from planner.catalog.reading.table import RowTable
from planner.catalog.records import MARKETS, Offer


class Listing(NamedTuple):
    """What is known of an offer before it is built; `doubtful` ones, those of marketplaces among them, and `old` ones
    must be named. An offer of the plan's own stands for one that is `replaced`. `usd` are the prices of an hour, in the
    order of `MARKETS`; `host` is what the offer states of its hosts: memory and network."""

    id: str
    provider: str
    region: str
    gpu: str
    doubtful: bool
    limited: bool
    old: bool
    replaced: bool
    gpus: int
    sold_by: str
    usd: tuple[float | None, ...]
    host: tuple[float | None, ...]

    @property
    def usual(self) -> bool:
        """Whether it is rented where nothing names it."""
        return not (self.doubtful or self.old or self.replaced)


class Offers:
    """The offers of a catalog with those a plan adds or overrides, in the order of the catalog and then by name.

    `replaced` are the shipped offers that each of the plan's own stands for, by its id.
    """

    def __init__(
        self,
        shipped: RowTable[Offer],
        own_offers: Mapping[str, Offer],
        replaced: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        """Take the shipped offers, the plan's own by id, and which of the shipped these replace."""
        self._shipped, self._own = shipped, {name: own_offers[name] for name in sorted(own_offers)}
        self.replaced = {name: ids for name, ids in sorted((replaced or {}).items()) if ids}

    @cached_property
    def listings(self) -> tuple[Listing, ...]:
        """All offers, not yet built."""
        shipped, own = _shipped_listings(self._shipped), self._own
        gone = {key for ids in self.replaced.values() for key in ids}
        if not own and not gone:
            return shipped
        rows = (
            _listing(own[item.id], item.id in gone)
            if item.id in own
            else item._replace(replaced=True)
            if item.id in gone
            else item
            for item in shipped
        )
        return (*rows, *(_listing(offer) for key, offer in own.items() if key not in self._shipped))

    @cached_property
    def by_gpu(self) -> dict[str, tuple[int, ...]]:
        """The places of the listings of each GPU, in their order."""
        places: dict[str, list[int]] = {}
        for place, item in enumerate(self.listings):
            places.setdefault(item.gpu, []).append(place)
        return {gpu: tuple(own) for gpu, own in places.items()}

    @property
    def day(self) -> str:
        """The day of the shipped catalog, against which the age of a price counts."""
        return self._shipped.as_of

    @property
    def limited(self) -> Iterator[Offer]:
        """Those of which only so many are there."""
        return (self[item.id] for item in self.listings if item.limited)

    def of(self, gpu: str) -> Iterator[Offer]:
        """Return those with a GPU."""
        return (self[self.listings[place].id] for place in self.by_gpu.get(gpu, ()))

    def get(self, key: object) -> Offer | None:
        """Return the offer of an id, or None."""
        return self[key] if isinstance(key, str) and (key in self._own or key in self._shipped) else None

    def beside(self, more: Mapping[str, Offer]) -> Offers:
        """Return these offers with more of a plan's own."""
        return Offers(self._shipped, {**self._own, **more}, self.replaced)

    def __getitem__(self, key: str) -> Offer:
        return self._own.get(key) or self._shipped[key]

    def __eq__(self, other: object) -> bool:
        """Return whether both add the same to the same catalog."""
        return isinstance(other, Offers) and self._shipped is other._shipped and self._own == other._own

    def __iter__(self) -> Iterator[Offer]:
        return (self[item.id] for item in self.listings)

    def __len__(self) -> int:
        return len(self.listings)


_SHIPPED: list[tuple[RowTable[Offer], tuple[Listing, ...]]] = []
"""The catalog that was asked about last, with its listings: plans of one run mostly share it."""


def _shipped_listings(shipped: RowTable[Offer]) -> tuple[Listing, ...]:
    if not _SHIPPED or _SHIPPED[0][0] is not shipped:
        _SHIPPED[:] = [(shipped, _listings(shipped))]
    return _SHIPPED[0][1]


def _listings(shipped: RowTable[Offer]) -> tuple[Listing, ...]:
    """Return what is known of the offers of a catalog as it is shipped."""
    dates = shipped.column("as_of")
    stale = _stale(shipped.as_of, dates)

    def joint(*names: str) -> Iterator[tuple[Any, ...]]:
        return zip(*(shipped.column(name) for name in names), strict=True)

    columns_of_offers = joint("provider", "region", "gpu", "marketplace", "flags", "available", "gpus", "sold_by")
    usd, hosts = joint(*(f"{field}_usd_h" for field in MARKETS.values())), joint("ram_gib", "network_gbit_s")
    return tuple(
        Listing(
            key,
            provider,
            region,
            gpu,
            bool(market or flags),
            left is not None,
            day in stale,
            False,
            gpus,
            sold_by,
            prices,
            host,
        )
        for key, day, (provider, region, gpu, market, flags, left, gpus, sold_by), prices, host in zip(
            shipped, dates, columns_of_offers, usd, hosts, strict=True
        )
    )


def _stale(newest: str, dates: list[str]) -> frozenset[str]:
    """Return the dates that are more than a year before the catalog's own."""
    day = first_day(newest)
    if day is None:
        return frozenset()
    edge = year_before(day)
    return frozenset(text for text in set(dates) if text and ((first := first_day(text)) is None or first < edge))


def _listing(offer: Offer, replaced: bool = False) -> Listing:
    prices = (getattr(offer, field) for field in MARKETS.values())
    return Listing(
        id=offer.id,
        provider=offer.provider,
        region=offer.region,
        gpu=offer.gpu,
        doubtful=bool(offer.marketplace or offer.flags),
        limited=offer.available is not None,
        old=False,
        replaced=replaced,
        gpus=offer.gpus,
        sold_by=offer.sold_by,
        usd=tuple(None if price is None else price / 10**6 for price in prices),
        host=(offer.ram_gib, offer.network),
    )


def agreeing(offer: Offer, stated: frozenset[str], shipped: RowTable[Offer]) -> tuple[str, ...]:
    """Return the shipped offers that an own offer stands for: those of its provider with its GPU and count which agree
    with whatever else it states. What a shipped offer leaves open agrees with everything."""
    columns = (shipped.column(name) for name in ("provider", "gpu", "gpus"))
    same = (offer.provider, offer.gpu, offer.gpus)
    return tuple(
        key
        for key, *cells in zip(shipped, *columns, strict=True)
        if tuple(cells) == same and key != offer.id and _agrees(shipped[key], offer, stated)
    )


IDENTIFYING = ("region", "instance_type", "sold_by", "marketplace", "vcpus", "ram_gib", "network")
"""What tells offers of one provider with as many of the same GPU apart."""


def _agrees(row: Offer, offer: Offer, stated: frozenset[str]) -> bool:
    pairs = ((getattr(row, name), getattr(offer, name)) for name in IDENTIFYING if name in stated)
    return all(theirs is None or theirs == ours for theirs, ours in pairs)
