"""Traffic by request size and the mixes that serve it, from the file to the lock: a whole way through the program.

`best` is independent of it: it asks `estimate` what each configuration makes of each size alone, and tries every
way to divide the requests. tests/oracle/mixes.py does the same for the integer model.
"""

from __future__ import annotations

import json
import os
import random
from copy import deepcopy
from fractions import Fraction
from itertools import product
from math import ceil
from pathlib import Path
from typing import Any

import pytest
from command import run

from planner import api
from planner.language.traffic import Unreadable, buckets
from planner.lock import read as reading
from planner.lock.lock import document, sealed
from planner.lock.verify import verify
from planner.plan import Loaded, load_plan, shipped_catalog
from planner.solve import solve
from planner.solve.answer import Answer

CORPUS = Path(__file__).parent / "corpus" / "traffic"
SHIPPED = shipped_catalog()
MODEL = '"meta-llama/Llama-3.1-8B"'


def test_rates_of_sizes_are_added_up_by_bucket() -> None:
    found = buckets("prompt, output, rate\n100,50,2\n120,60,0.5\n130,60,1e-1\n100,300,1\n9,9,0\n")
    assert [(item.prompt, item.output, item.context, item.rate) for item in found] == [
        (120, 60, 180, Fraction(5, 2)),
        (100, 300, 400, 1),
        (130, 60, 190, Fraction(1, 10)),
    ]


def test_arrivals_of_public_traces_become_rates() -> None:
    azure = buckets((CORPUS / "azure.csv").read_text(encoding="utf-8"))
    assert {(item.prompt, item.output) for item in azure} == {(91, 16), (374, 44), (396, 109), (879, 55)}
    assert sum(item.rate for item in azure) == pytest.approx(4 / 60, abs=1e-5)
    burst = buckets((CORPUS / "burstgpt.csv").read_text(encoding="utf-8"))
    assert sum(item.rate for item in burst) == pytest.approx(4 / 120, abs=1e-5)
    assert max(item.prompt for item in burst) == 1087


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it is empty"),
        ("\n\n", "it is empty"),
        ("prompt,output,rate\n", "no rows"),
        ("prompt,rate\n1,1\n", "no column `output`"),
        ("prompt,output\n1,1\n", "no column `rate`"),
        ("prompt,prompt,output,rate\n1,1,1,1\n", "there twice"),
        ("prompt,output,rate\n1,1\n", "line 2 has 2 columns"),
        ("prompt,output,rate\n-1,1,1\n", '`prompt` is "-1"'),
        ("prompt,output,rate\n1.5,1,1\n", '`prompt` is "1.5"'),
        ("prompt,output,rate\n99999999999,1,1\n", "99_999_999_999 tokens"),
        ("prompt,output,rate\n1,1,nan\n", '`rate` is "nan"'),
        ("prompt,output,rate\n1,1,1e999999999\n", "`rate` is"),
        ("prompt,output,rate\n1,1,-3\n", '`rate` is "-3"'),
        ("prompt,output,rate\n1,1,2000000\n", "2e+06 requests a second"),
        ("prompt,output,rate\n1,1,0\n", "every rate is 0"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\n2026-13-01 00:00:00,1,1\n", "no date and time"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\n2026-01-01 00:00:00,1,1\n", "span no time"),
    ],
)
def test_a_file_without_traffic_says_why(text: str, reason: str) -> None:
    with pytest.raises(Unreadable) as found:
        buckets(text)
    assert reason in str(found.value)
    assert found.value.way


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "binary.csv").write_bytes(b"\0\1")
    for name in ("pipe.csv", "binary.csv", ".", "/dev/zero"):
        text = f'inference a {{ model = {MODEL}; context = 8Ki; traffic = csv("{name}") }}\n'
        found = load_plan(str(tmp_path / "a.mem"), shipped=SHIPPED, text=text).findings
        assert [item.code for item in found] == ["E0208"], name


OFFERS = """
offer small { gpu = l4;       gpus = 1; price = $SMALL/h; available = 6 }
offer large { gpu = h100_sxm; gpus = 2; price = $LARGE/h; available = 4 }
offer other { gpu = l40s;     gpus = 1; price = $OTHER/h; available = 1000 }
"""
SERVICE = """
inference chat {
  model = MODEL; context = 16Ki tokens; concurrency = 16; weights = fp8; tensor_parallel = 1
  offer in {small, large, other}; TRAFFIC
  tpot <= 45 ms; load <= 75%
}
"""
SIZES = ((150, 80), (1500, 400), (12000, 500))
APART = OFFERS.replace("SMALL", "0.30").replace("LARGE", "8").replace("OTHER", "6")
"""Prices at which short requests are served on small cards, where long ones do not fit."""
RATES = {SIZES[0]: Fraction(12), SIZES[1]: Fraction(3), SIZES[2]: Fraction(1, 2)}
Rates = dict[tuple[int, int], Fraction]


def planned(tmp_path: Path, offers: str, rates: Rates, more: str = "mix = true") -> Loaded:
    rows = "".join(f"{prompt},{output},{float(rate)}\n" for (prompt, output), rate in rates.items())
    (tmp_path / "trace.csv").write_text(f"prompt,output,rate\n{rows}", encoding="utf-8")
    service = SERVICE.replace("MODEL", MODEL).replace("TRAFFIC", f'traffic = csv("trace.csv"); {more}')
    loaded = load_plan(str(tmp_path / "a.mem"), shipped=SHIPPED, text=offers + service)
    assert loaded.problem is not None, loaded.findings
    return loaded


def of_size(offers: str, offer: str, size: tuple[int, int]) -> Fraction | None:
    """Return the requests a second that a replica on an offer sustains of one size; None where it may not serve it."""
    gpu = {"small": "l4", "large": "h100_sxm", "other": "l40s"}[offer]
    load = f"prompt = {size[0]} tokens; output = {size[1]} tokens; max_sequences = 16; gpus = 1; gpu = {gpu}"
    service = SERVICE.replace("MODEL", MODEL).replace("load <= 75%", "").replace("TRAFFIC", load)
    service = service.replace("in {small, large, other}", f"= {offer}").replace("16Ki tokens", f"{sum(size)} tokens")
    found = api.estimate(load_plan("a.mem", shipped=SHIPPED, text=offers + service))
    assert isinstance(found, api.Result)
    row = found.answer.workloads[0].chosen
    rate = row.outcomes["throughput"]
    return None if row.broken or rate is None else rate / size[1]


def best(offers: str, rates: Rates, slices: int = 8) -> Fraction | None:
    """Return the least that any way to divide the requests in eighths costs; None where there are too few machines."""
    prices = [Fraction(line.partition("$")[2].partition("/")[0]) for line in offers.splitlines() if "$" in line]
    sustained = [[of_size(offers, name, size) for size in rates] for name in ("small", "large", "other")]
    ways = [(a, b, slices - a - b) for a in range(slices + 1) for b in range(slices + 1 - a)]
    able = [[way for way in ways if all(not way[at] or sustained[at][size] for at in range(3))] for size in range(2)]
    costs = []
    for divided in product(*able):
        cost = Fraction(0)
        for at, (gpus, most) in enumerate(((1, 6), (2, 4), (1, 1000))):
            busy = sum(
                divided[place][at] * rate / slices / (sustained[at][place] or 1)
                for place, rate in enumerate(rates.values())
            )
            machines = ceil(Fraction(ceil(busy / Fraction(3, 4)), gpus))
            cost += machines * prices[at] if machines <= most else 10**6
        costs.append(cost)
    return min((cost for cost in costs if cost < 10**6), default=None)


def answered(loaded: Loaded) -> Answer:
    assert loaded.problem is not None
    return solve(loaded.problem, loaded.catalog, top=0)


@pytest.mark.parametrize("seed", range(6))
def test_the_mix_is_the_best_of_all(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    offers = OFFERS
    for name, low, high in (("SMALL", 30, 90), ("LARGE", 300, 900), ("OTHER", 90, 250)):
        offers = offers.replace(name, f"{chance.randint(low, high) / 100:.2f}")
    most = {SIZES[0]: 120, SIZES[1]: 30, SIZES[2]: 4}
    rates = {size: Fraction(chance.randint(1, most[size]), 4) for size in sorted(chance.sample(SIZES, 2))}
    answer = answered(planned(tmp_path, offers, rates))
    assert (answer.outcome, answer.reproducible) == ("optimal", True)
    assert Fraction(answer.cost or 0, 10**6) == best(offers, rates)
    alone = answered(planned(tmp_path, offers, rates, "mix = false"))
    assert alone.cost is None or (answer.cost or 0) <= alone.cost
    twice = answered(planned(tmp_path, offers, {size: 2 * rate for size, rate in rates.items()}))
    assert twice.cost is not None
    assert (answer.cost or 0) <= twice.cost <= 2 * (answer.cost or 0)


@pytest.mark.parametrize(("place", "rate"), [(0, 100), (1, 9), (2, 1)])
def test_traffic_of_one_size_is_a_demand(tmp_path: Path, place: int, rate: int) -> None:
    """Load, times and the wait for a place are those of a service that states prompt, output and demand."""
    size = SIZES[place]
    row = answered(planned(tmp_path, APART, {size: Fraction(rate)}, "mix = false; gpu = h100_sxm")).workloads[0].chosen
    replicas = row.choice["replicas"]
    stated = f"prompt = {size[0]} tokens; output = {size[1]} tokens; demand = {rate} req/s; max_sequences = 16"
    service = SERVICE.replace("MODEL", MODEL).replace("16Ki tokens", f"{sum(size)} tokens").replace("load <= 75%", "")
    service = service.replace("in {small, large, other}", "= large")
    service = service.replace("TRAFFIC", f"{stated}; gpu = h100_sxm; gpus = {replicas}; replicas = {replicas}")
    found = api.estimate(load_plan("a.mem", shipped=SHIPPED, text=APART + service))
    assert isinstance(found, api.Result)
    plain = found.answer.workloads[0].chosen
    assert (row.cost, row.total, row.parts) == (plain.cost, plain.total, plain.parts)
    names = ("tpot", "ttft", "ttft_p95", "load", "throughput", "cost_per_token")
    for name in (*names, *(f"{name}_expected" for name in names)):
        assert float(row.outcomes[name] or 0) == pytest.approx(float(plain.outcomes[name] or 0), rel=1e-6), name


def locked(loaded: Loaded) -> dict[str, Any]:
    assert loaded.problem is not None
    return document(answered(loaded), loaded.problem, loaded.catalog, loaded.texts)


def said(loaded: Loaded, lock: dict[str, Any]) -> str:
    found, broken = reading.parse(sealed(lock), "a.mem.lock", "again")
    assert broken is None
    assert found is not None
    assert loaded.problem is not None
    return "\n".join(item.message for item in verify(loaded.problem, loaded.catalog, loaded.texts, found)[0])


def test_check_finds_what_a_lock_does_not_serve(tmp_path: Path) -> None:
    loaded = planned(tmp_path, APART, RATES)
    lock = locked(loaded)
    assert said(loaded, lock) == ""
    assert len(lock["workloads"]) > 1
    fewer = deepcopy(lock)
    sizes = [size for row in fewer["workloads"].values() for size in row["traffic"]]
    max(sizes, key=lambda size: int(size["eighths"]))["eighths"] -= 1
    assert "of 8 eighths" in said(loaded, fewer)
    other = deepcopy(lock)
    other["workloads"]["chat"]["traffic"][0]["prompt"] += 1
    assert "the traffic of the plan does not have" in said(loaded, other)
    without = deepcopy(lock)
    del without["workloads"]["chat#2"]
    assert "eighths" in said(loaded, without)
    silent = deepcopy(lock)
    del silent["workloads"]["chat#2"]["traffic"]
    assert "does not say what `chat#2` serves" in said(loaded, silent)
    lighter = deepcopy(lock)
    row = max(lighter["workloads"].values(), key=lambda row: int(row["choice"]["replicas"]))
    row["choice"]["replicas"] -= 1
    row["choice"]["gpus"] -= 1
    assert "breaks chat.load" in said(loaded, lighter)
    larger = deepcopy(lock)
    for row in larger["workloads"].values():
        row["choice"]["concurrency"] = 32
    assert "chat.concurrency = 32 is not possible" in said(loaded, larger)
    older = lock | {"planner": "0.1.0"}
    assert said(loaded, older) == ""
    alone = planned(tmp_path, APART, RATES, "mix = false")
    assert "is no mix" in said(alone, lock | {"plan": locked(alone)["plan"]})


def test_first_tokens_wait_for_a_place_and_longer_prompts_beside_them(tmp_path: Path) -> None:
    free = answered(planned(tmp_path, APART, RATES))
    bound = answered(planned(tmp_path, APART, RATES, "mix = true; ttft <= 3 s"))
    assert bound.outcome == "optimal"
    assert (bound.cost or 0) >= (free.cost or 0)
    for item in bound.workloads:
        ttft = item.chosen.outcomes["ttft"]
        assert ttft is not None
        assert ttft <= 3
        assert item.chosen.given["prompt"] == max(size.prompt for size in item.chosen.traffic)
    never = answered(planned(tmp_path, APART, RATES, "mix = true; ttft <= 1 ms"))
    assert (never.outcome, [item.rule for item in never.conflict]) == ("infeasible", ["chat.ttft"])


def test_what_is_limited_is_named(tmp_path: Path) -> None:
    offers, rates = APART.replace("available = 1000", "available = 1"), RATES | {SIZES[0]: Fraction(900)}
    answer = answered(planned(tmp_path, offers, rates))
    assert answer.outcome == "infeasible"
    assert answer.conflict
    for item in answer.conflict:
        assert item.relax_to is not None
        offer = item.rule.partition(".")[0]
        lines = [
            line.replace(f"available = {item.has}", f"available = {item.relax_to}") if offer in line else line
            for line in offers.splitlines()
        ]
        assert answered(planned(tmp_path, "\n".join(lines), rates)).outcome == "optimal"
    dear = answered(planned(tmp_path, APART, RATES, "mix = true; cost <= $1/h"))
    assert [(item.rule, item.has) for item in dear.conflict] == [("chat.cost", 1)]


def test_every_verb_reads_a_mix(tmp_path: Path) -> None:
    planned(tmp_path, APART, RATES)  # which writes the trace
    service = SERVICE.replace("MODEL", MODEL).replace("TRAFFIC", 'traffic = csv("trace.csv"); mix = true')
    tests = 'test "alone" { chat.mix = false; expect chat.cost >= $1/h }\n'
    tests += 'test "too soon" { chat.tpot <= 1 ms; expect infeasible by chat.tpot }\n'
    plan = tmp_path / "a.mem"
    plan.write_text(APART + service + tests, encoding="utf-8")
    done = run("solve", str(plan), "--format", "json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [row["name"] for row in found["workloads"]][:2] == ["chat", "chat#2"]
    assert {row["of"] for row in found["workloads"]} == {"chat"}
    assert sum(size["eighths"] for row in found["workloads"] for size in row["traffic"]) == 8 * len(SIZES)
    for verb in (("check", "--locked"), ("test",), ("solve", "--check"), ("diff",), ("why",)):
        done = run(*verb, str(plan))
        assert done.returncode == 0, (verb, done.stdout, done.stderr)
    done = run("export", str(plan), "--to", "kubernetes", "-o", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    files = list((tmp_path / "out").iterdir())
    assert len(files) == len(found["workloads"])
    assert all("# traffic " in file.read_text() for file in files)
    (tmp_path / "trace.csv").write_text("prompt,output,rate\n150,80,1\n", encoding="utf-8")
    done = run("check", str(plan))
    assert (done.returncode, "E0802" in done.stderr + done.stdout) == (1, True)
    done = run("estimate", str(plan))
    assert done.returncode == 1
    assert "left open: chat.traffic" in done.stderr + done.stdout
