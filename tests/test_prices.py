"""How old a price is: dates in plans, what leaves the default, what an own offer replaces, and what answers say."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from command import run

from planner.catalog.dates import first_day, year_before
from planner.catalog.freshness import AGED_AFTER
from planner.catalog.load import load
from planner.catalog.offers import Offers
from planner.catalog.prices.shared import NOT_ON_DEMAND
from planner.catalog.records import Offer
from planner.language.problem import Problem
from planner.plan import load_plan
from planner.solve import solve
from planner.solve.answer import Answer
from planner.solve.rent.rental import allows, left_out, offers_listed

CATALOG, _ = load()
NEWEST = first_day(CATALOG.offers.as_of)
OLD = "runpod/secure/1x_RTX-A6000_SECURE"
BLOCK = 'inference a {{ model = "meta-llama/Llama-3.1-8B"; context = 8Ki tokens; concurrency = 4; {} }}\n'
OURS = "offer ours {{ provider = aws; gpu = l40s; gpus = 1; {} }}\n"


def plan(path: Path, lines: str, declared: str = "") -> Problem:
    file = path / "w.mem"
    file.write_text(f"edition 2026\n{declared}{BLOCK.format(lines)}minimize cost\n")
    found = load_plan(str(file))
    assert found.problem is not None, found.findings
    return found.problem


def rentable(problem: Problem) -> set[str]:
    return {item.id for item in offers_listed(problem, problem.workloads[0])}


def of(problem: Problem) -> Answer:
    return solve(problem, CATALOG)


def day(offer: str) -> date:
    found = first_day(CATALOG.offers[offer].as_of)
    assert found is not None
    return found


def test_the_catalog_is_of_2026() -> None:
    days = {key: day(key) for key in CATALOG.offers}
    assert max(days.values()) == NEWEST
    recent = [offer for key, offer in CATALOG.offers.items() if days[key] >= date(2026, 6, 1)]
    assert len(recent) >= 400
    assert len({offer.provider for offer in recent}) >= 15
    usual = {item.id for item in Offers(CATALOG.offers, {}).listings if item.usual}
    assert NEWEST is not None and min(days[key] for key in usual) >= year_before(NEWEST)


def test_the_age_of_examples() -> None:
    """What the examples rent was priced in the 150 days before the catalog's newest price."""
    locks = [path.read_text() for path in sorted(Path("examples").rglob("*.mem.lock"))]
    seen = {
        line.partition("as_of: ")[2].strip('" ') for text in locks for line in text.splitlines() if " as_of: " in line
    }
    assert len(seen) >= 3
    for text in seen:
        first = first_day(text)
        assert NEWEST is not None and first is not None and NEWEST - first < timedelta(days=150), text


def test_old_prices_leave_the_default(tmp_path: Path) -> None:
    assert NEWEST is not None and day(OLD) < year_before(NEWEST)
    usual = plan(tmp_path, "gpu = rtx_a6000")
    assert OLD not in rentable(usual)
    assert left_out(usual, usual.workloads[0]) == 1
    assert of(usual).left_out == {"a": 1}
    for named in ("provider = runpod", f'offer = "{OLD}"', "offer in any where as_of <= 2025-12-31"):
        problem = plan(tmp_path, f"gpu = rtx_a6000; {named}")
        assert OLD in rentable(problem), named
        assert of(problem).left_out == {}
    assert OLD not in rentable(plan(tmp_path, "gpu = rtx_a6000; offer in any where price <= $1/h"))
    assert OLD not in rentable(plan(tmp_path, "gpu = rtx_a6000; offer in any"))


def test_a_locked_offer_may_grow_old(tmp_path: Path) -> None:
    """A catalog that moves on is no fault of a plan; a marketplace that it does not name is one."""
    problem = plan(tmp_path, "gpu in {rtx_a6000, rtx_3090}")
    assert allows(problem, problem.workloads[0], OLD)
    assert not allows(problem, problem.workloads[0], "akash/all/RTX 3090")
    assert not allows(problem, problem.workloads[0], "aws/us-east-1/g6.xlarge")


@pytest.mark.parametrize(
    ("newest", "seen", "old"),
    [("2026-11-09", "2025-11-09", False), ("2026-11-09", "2025-11-08", True), ("2026-11-09", "2025-11", True),
     ("2028-02-29", "2027-02-28", False), ("2028-02-29", "2027-02-27", True)],
)  # fmt: skip
def test_a_year_is_to_the_day(newest: str, seen: str, old: bool) -> None:
    first, last = first_day(seen), first_day(newest)
    assert first is not None and last is not None
    assert (first < year_before(last)) == old


def test_a_filter_on_the_date(tmp_path: Path) -> None:
    kept = rentable(plan(tmp_path, "gpu = l4; offer in any where as_of >= 2026-08-03"))
    assert kept and all(day(key) >= date(2026, 8, 3) for key in kept)
    assert "gcp/us-central1/g2-standard-4" in kept and "aws/us-east-1/g6.xlarge" not in kept


def test_own_rows_do_not_age_the_catalog(tmp_path: Path) -> None:
    own = "offer ours { gpu = rtx_a6000; gpus = 1; price = $1/h; as_of = 2029-01-01 }\n"
    assert rentable(plan(tmp_path, "gpu = rtx_a6000", own)) == rentable(plan(tmp_path, "gpu = rtx_a6000")) | {"ours"}
    assert plan(tmp_path, "gpu = rtx_a6000", own).offers["ours"].as_of == "2029-01-01"


L40S = {key for key, item in CATALOG.offers.items() if (item.provider, item.gpu, item.gpus) == ("aws", "l40s", 1)}


@pytest.mark.parametrize(
    ("said", "gone"),
    [
        ("price = $3/h", L40S),
        ("spot = $1/h", L40S),
        ('instance_type = "g6e.xlarge"; price = $3/h', {"aws/us-east-1/g6e.xlarge"}),
        ("vcpus = 8; price = $3/h; available = 2", {"aws/us-east-1/g6e.2xlarge"}),
        ('region = "nowhere"; price = $3/h', set()),
        ("sold_by = gpu; price = $3/h", set()),
    ],
)
def test_an_own_offer_replaces_those_that_agree(tmp_path: Path, said: str, gone: set[str]) -> None:
    before = rentable(plan(tmp_path, "gpu = l40s"))
    problem = plan(tmp_path, "gpu = l40s", OURS.format(said))
    assert rentable(problem) == before - gone | {"ours"}
    assert of(problem).replaced == ({"ours": tuple(key for key in CATALOG.offers if key in gone)} if gone else {})


def test_an_offer_like_another_replaces_that_one(tmp_path: Path) -> None:
    one = "aws/us-east-1/g6e.xlarge"
    problem = plan(tmp_path, "gpu = l40s", f'offer ours like "{one}" {{ price = $0.10/h }}\n')
    assert problem.offers.replaced == {"ours": (one,)}
    assert problem.offers["ours"].provider == "aws"
    (chosen,) = (item.chosen for item in of(problem).workloads)
    assert (chosen.offer, chosen.cost) == ("ours", 100_000)
    again = plan(tmp_path, f'gpu = l40s; offer in {{ours, "{one}"}}', f'offer ours like "{one}" {{ price = $9/h }}\n')
    assert of(again).workloads[0].chosen.offer == one  # what a plan names itself it may rent
    assert plan(tmp_path, "gpu = l40s", f'offer ours like "{one}" {{ available = 2 }}\n').offers.replaced == {}


def test_owned_hardware_and_new_providers_replace_nothing(tmp_path: Path) -> None:
    own = "offer rack { gpu = l40s; gpus = 1; price = $0/h }\n"
    own += "offer new { provider = our_cloud; gpu = l40s; gpus = 1; price = $1/h }\n"
    problem = plan(tmp_path, "provider = our_cloud", own)
    assert problem.offers.replaced == {}
    assert of(problem).workloads[0].chosen.offer == "new"


COMMITTED = (
    "offer ours { provider = here; gpu = l40s; gpus = 1; price = $1/h; reserved_1y = $0.60/h; reserved_3y = $0.40/h }\n"
)


@pytest.mark.parametrize(("market", "cost"), [("on_demand", 1.0), ("reserved_1y", 0.6), ("reserved_3y", 0.4)])
def test_committed_prices_are_markets(tmp_path: Path, market: str, cost: float) -> None:
    problem = plan(tmp_path, f"provider = here; market = {market}", COMMITTED)
    (chosen,) = (item.chosen for item in of(problem).workloads)
    assert (chosen.choice["market"], chosen.cost) == (market, round(cost * 10**6))
    assert of(plan(tmp_path, "provider = here; market in any", COMMITTED)).workloads[0].chosen.cost == 400_000


def test_a_spot_price_has_a_day_of_its_own() -> None:
    offer = next(item for item in CATALOG.offers.values() if item.spot_as_of)
    assert offer.spot is not None
    assert (offer.dated("on_demand"), offer.dated("spot")) == (offer.as_of, offer.spot_as_of)
    assert replace(offer, spot_as_of="").dated("spot") == offer.as_of


def test_every_form_dates_the_price_and_says_what_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "w.mem"
    file.write_text(
        "edition 2026\n" + OURS.format("price = $0.10/h; as_of = 2026-01-15") + BLOCK.format("gpu in {l40s, rtx_a6000}")
    )
    texts = {
        form: run("solve", "--no-lock", str(file), "--format", form) for form in ("table", "markdown", "html", "json")
    }
    for form, done in texts.items():
        assert "2026-01-15" in done.stdout, form
        assert "W0704" in (done.stderr if form == "table" else done.stdout), form
        assert "aws/us-east-1/g6e.xlarge" in done.stdout.replace("\\", ""), form
    told = json.loads(texts["json"].stdout)
    assert told["workloads"][0]["price_as_of"] == "2026-01-15"
    assert told["offers_left_out"] == {"a": 1} and set(told["offers_replaced"]["ours"]) == L40S
    for form in ("table", "markdown", "html"):
        assert "1 offer is left out" in texts[form].stdout, form
    assert run("solve", str(file)).returncode == 0
    assert "2026-01-15" in (tmp_path / "w.mem.lock").read_text()


def test_an_old_price_is_a_warning_that_can_be_allowed(tmp_path: Path) -> None:
    assert NEWEST is not None
    edge = NEWEST - AGED_AFTER
    file = tmp_path / "w.mem"

    def told(seen: date, note: str = "") -> bool:
        own = f"offer ours {{ provider = here; gpu = l40s; gpus = 1; price = $1/h; as_of = {seen} }}\n"
        file.write_text(f"edition 2026\n{note}{own}{BLOCK.format('provider = here')}")
        return "W0704" in run("solve", "--no-lock", str(file)).stderr

    assert not told(edge) and told(edge - timedelta(days=1))
    assert not told(edge - timedelta(days=1), "# planner: allow W0704\n\n")


def test_the_command_line_filters_by_date() -> None:
    done = run("catalog", "list", "offers", "--where", "gpu=l40s", "--where", "as_of>=2026-09-01", "--format", "json")
    rows = json.loads(done.stdout)
    assert rows and all(first_day(row["as_of"]) >= date(2026, 9, 1) for row in rows)  # type: ignore[operator]


def test_listings_tell_the_old_from_the_replaced() -> None:
    one: Offer = CATALOG.offers["aws/us-east-1/g6e.xlarge"]
    own = replace(one, id="ours")
    offers = Offers(CATALOG.offers, {"ours": own}, {"ours": (one.id,), "other": ()})
    assert offers.replaced == {"ours": (one.id,)}
    assert {item.id for item in offers.listings if item.replaced} == {one.id}
    assert OLD in {item.id for item in offers.listings if item.old}
    assert offers.beside({}).replaced == offers.replaced and offers.day == CATALOG.offers.as_of


def test_only_pods_are_rented_by_the_gpu() -> None:
    """Who states a rate for a GPU sells instances of one, four or eight; any number is rented of pods alone."""
    catalog, _ = load()
    singly = {offer.provider for offer in catalog.offers.values() if offer.sold_by == "gpu"}
    assert singly == {"akash", "runpod", "tensordock"}
    sizes: dict[tuple[str, str], set[int]] = {}
    for offer in catalog.offers.values():
        sizes.setdefault((offer.provider, offer.gpu), set()).add(offer.gpus)
    assert sizes["oci", "mi355x"] == sizes["oci", "h100_sxm"] == sizes["together", "h200_sxm"] == {8}
    assert sizes["oci", "gb200"] == sizes["oci", "l40s"] == {4} and sizes["nebius", "h100_sxm"] == {1, 8}


def test_what_is_not_sold_on_demand_has_no_such_price() -> None:
    """Google lists a price of A3 High with one to four H100 and creates them as Spot or Flex-start alone."""
    for provider, kinds in NOT_ON_DEMAND.items():
        rows = [
            offer for offer in CATALOG.offers.values() if offer.provider == provider and offer.instance_type in kinds
        ]
        assert {offer.instance_type for offer in rows} == set(kinds)
        assert all(offer.price is None and offer.spot and "no_on_demand" in offer.flags for offer in rows)


def test_one_h100_of_google_is_rented_as_spot_alone(tmp_path: Path) -> None:
    chosen = {}
    for market in ("on_demand", "spot"):
        answer = solve(plan(tmp_path, f"provider = gcp; gpu = h100_sxm; gpus in 1..8; market = {market}"), CATALOG, 1)
        chosen[market] = answer.workloads[0].chosen.offer.rpartition("/")[2]
    assert chosen == {"on_demand": "a3-edgegpu-8g", "spot": "a3-highgpu-1g"}
