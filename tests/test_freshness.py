from dataclasses import replace
from datetime import date

import pytest

from planner.catalog.dates import first_day
from planner.catalog.freshness import FLAGS, findings, is_outlier, medians
from planner.catalog.load import load


@pytest.fixture(scope="module")
def catalog():
    return load()[0]


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026-07-20", date(2026, 7, 20)),
        ("2026-02", date(2026, 2, 1)),
        ("2026-H1", date(2026, 1, 1)),
        ("2026-H2", date(2026, 7, 1)),
        ("2025-H2/2026-H1", date(2025, 7, 1)),
        ("2026", date(2026, 1, 1)),
        ("", None),
        ("2026-13", None),
        ("2026-02-30", None),
        ("soon", None),
    ],
)
def test_a_vague_date_counts_as_its_first_day(text, day):
    assert first_day(text) == day


def test_every_offer_has_a_date(catalog):
    assert all(first_day(offer.as_of) for offer in catalog.offers.values())


def test_age_is_told_after_ninety_days_and_only_with_a_date(catalog):
    offer = replace(catalog.offers["aws/us-east-1/g6e.xlarge"], as_of="2026-01-01")
    assert findings([offer], date(2026, 4, 1)) == ()
    (old,) = findings([offer], date(2026, 4, 2))
    assert (old.code, old.severity) == ("W0605", "warning")
    assert "91 days old" in old.message
    assert findings([offer]) == ()


def test_outliers_flags_and_confidence(catalog):
    peers = list(catalog.offers.values())
    offer = catalog.offers["aws/us-east-1/g6e.xlarge"]
    assert findings([offer], peers=peers) == ()
    dear = replace(offer, price=100_000_000)
    (found,) = findings([dear], peers=peers)
    assert "median of l40s" in found.message
    assert "no on-demand price" in findings([replace(offer, flags=("no_on_demand",))])[0].message
    said = {flag for row in peers for flag in row.flags}
    assert said <= set(FLAGS), "a flag of the catalog has no words"
    (low,) = findings([], gpus=[catalog.gpus["rtx_pro_4500"], catalog.gpus["l4"]])
    assert "rtx_pro_4500" in low.message


# A host of 64 vCPUs around one GPU, and V100s far below what the large clouds ask.
OUTLIERS = {"aws/us-east-1/g4dn.16xlarge", "verda/FIN-01/1V100.6V", "lambda/all/gpu_8x_v100_n"}


def test_shipped_prices_are_plausible_but_for_known_ones(catalog):
    middle = medians(catalog.offers.values())
    odd = {o.id for o in catalog.offers.values() if not o.marketplace and is_outlier(o, middle)}
    assert odd == OUTLIERS
