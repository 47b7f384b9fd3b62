"""Offers are looked over without being built, and are then those of the catalog and the plan."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from planner.catalog.load import load
from planner.catalog.offers import Offers
from planner.catalog.reading.table import Both
from planner.catalog.records import Offer
from planner.plan import load_plan
from planner.solve import solve
from planner.solve.answer import Answer
from planner.solve.rent import rental
from planner.solve.rent.rental import market_of, offers_for, offers_listed, rentings


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


@pytest.mark.parametrize(
    "rule",
    ["", "provider == runpod", 'region != "europe-west4"', 'offer != "runpod/secure/1x_A40_SECURE"', "cost > $1/h"],
)
@pytest.mark.parametrize("market", ["on_demand", "spot", "{on_demand, spot, reserved_1y}"])
@pytest.mark.parametrize("more", [1, 2])
def test_offers_left_out_never_come_first(rule: str, market: str, more: int) -> None:
    """The offers that can matter rent as all of them would: for every GPU type, number of GPUs and group."""
    block = f"""inference %s {{
  model = "meta-llama/Llama-3.1-8B"
  context = 8Ki tokens
  concurrency = 8
  market {"in" if "{" in market else "="} {market}
}}
"""
    text = "edition 2026\n" + "".join(block % f"w{number}" for number in range(more))
    loaded = load_plan("plan.mem", text=text + (rule and f"require w0.{rule}\n"))
    problem = loaded.problem
    assert problem is not None, loaded.findings
    workload = problem.workloads[0]
    found = offers_for(problem, workload)
    whole: dict[str, list[Offer]] = {}
    for item in offers_listed(problem, workload):
        whole.setdefault(item.gpu, []).append(problem.offers[item.id])
    if not rule:
        assert sum(map(len, found.values())) < sum(map(len, whole.values()))
    for spans in (False, True):
        told = replace(market_of(problem, workload, spans), shared=False)
        for gpu, offers in whole.items():
            for gpus, unit, nodes in [(1, 1, 1), (2, 2, 1), (3, 1, 1), (8, 4, 1), (12, 4, 1), (16, 8, 2), (64, 8, 1)]:
                words = (told, gpus, unit, nodes if spans else 1)
                assert rentings(found.get(gpu, []), *words) == rentings(offers, *words)


FLEETS = (
    "",
    "provider in {aws, gcp, runpod}",
    'region = "us-east-1"; provider = aws',
    "market in {on_demand, spot}",
)


@pytest.mark.parametrize("seed", range(8))
def test_workloads_that_share_instances_lose_nothing_with_the_offers_left_out(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two or three services on the shipped offers cost as much as with every offer kept."""
    chance = random.Random(seed)
    blocks = "".join(
        f"""inference w{number} {{
  model = "{chance.choice(("Qwen/Qwen3-8B", "meta-llama/Llama-3.2-1B"))}"
  context = {chance.choice((2, 8))}Ki tokens
  concurrency = {chance.randint(1, 40)}
  gpu in {{l4, a10g, a100_sxm_40gb, h100_sxm}}
  gpus in {{1, 2, 4}}
  {chance.choice(FLEETS)}
}}
"""
        for number in range(chance.randint(2, 3))
    )
    limited = "offer ours { gpu = l4; gpus = 4; price = $0.9/h; available = 1 }\n" if seed % 2 else ""
    text = f"edition 2026\n{limited}{blocks}fleet {{ gpus <= 12 }}\nminimize cost\n"

    def solved() -> Answer:
        loaded = load_plan("plan.mem", text=text)  # anew: what is made of a plan's offers is kept beside it
        assert loaded.problem is not None, loaded.findings
        return solve(loaded.problem, loaded.catalog)

    fewer = solved()
    monkeypatch.setattr(rental, "_leading", lambda listed, reach: listed)
    whole = solved()
    assert fewer.outcome == whole.outcome and fewer.cost == whole.cost
    assert fewer.considered < whole.considered
