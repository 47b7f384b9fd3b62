"""Offers are looked over without being built, and are then those of the catalog and the plan."""

from __future__ import annotations

from dataclasses import replace

from planner.catalog.load import load
from planner.catalog.offers import Offers
from planner.catalog.table import Both


def test_listings_say_what_the_offers_say() -> None:
    catalog, _ = load()
    first = next(iter(catalog.offers.values()))
    own = {"ours/one": replace(first, id="ours/one", available=3), first.id: replace(first, region="elsewhere")}
    offers = Offers(catalog.offers, own)
    assert [item.id for item in offers.listings] == [*catalog.offers, "ours/one"]
    for item, offer in zip(offers.listings, offers, strict=True):
        assert (item.id, item.provider, item.region, item.gpu) == (offer.id, offer.provider, offer.region, offer.gpu)
        assert item.doubtful == bool(offer.marketplace or offer.flags)
        assert item.limited == (offer.available is not None)
    assert offers[first.id].region == "elsewhere" and offers.get("ours/one") is own["ours/one"]
    assert offers.get("nowhere") is None and offers.get(None) is None
    assert [offer.id for offer in offers.limited] == [item.id for item in offers.listings if item.limited]
    assert list(offers.of(first.gpu)) == [offer for offer in offers if offer.gpu == first.gpu]
    assert offers == Offers(catalog.offers, dict(reversed(own.items()))) and offers != Offers(catalog.offers, {})


def test_columns_say_what_the_rows_say() -> None:
    catalog, _ = load()
    for name in ("format", "role"):
        assert catalog.quality.column(name) == [catalog.quality.row(key)[name] for key in catalog.quality]


def test_both_is_the_union_of_its_rows() -> None:
    rows = Both({"a": 1, "b": 2}, {"b": 3, "c": 4})
    assert dict(rows) == {"a": 1, "b": 3, "c": 4} and len(rows) == 3
    assert "a" in rows and "c" in rows and "d" not in rows and rows.get("d") is None
