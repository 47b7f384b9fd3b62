"""What would change an answer: each figure is that of the changed plan, written out and solved again."""

from __future__ import annotations

import random
import re
from fractions import Fraction

import pytest
from command import run

from planner.catalog.load import load
from planner.plan import load_plan
from planner.solve import solve
from planner.solve.answer import Answer

MODELS = ("meta-llama/Llama-3.1-8B", "Qwen/Qwen2.5-14B", "Qwen/Qwen2.5-7B")
OFFERS = (
    ("rack", "l40s", 4, (40, 90)),
    ("farm", "rtx_4090", 2, (20, 60)),
    ("hall", "h100_sxm", 8, (60, 110)),
    ("shed", "a40", 1, (30, 60)),
)


def plan(draw: random.Random) -> str:
    """Return a plan of one to three services on offers of its own."""
    lines = ["edition 2026\n"]
    named = []
    for name, gpu, gpus, prices in OFFERS:
        price = draw.randint(*prices) * gpus
        left = draw.randint(1, 2) if draw.random() < 0.7 else 9
        stated = f"gpu = {gpu}; gpus = {gpus}; price = ${price // 100}.{price % 100:02}/h; available = {left}"
        lines.append(f"offer {name} {{ provider = us; {stated} }}\n")
        named.append(name)
    bounds = [f"gpus <= {draw.randint(3, 9)}"] * (draw.random() < 0.5)
    bounds += [f"cost <= ${draw.randint(4, 30)}/h"] * (draw.random() < 0.5)
    bounds += [f"power <= {draw.choice((700, 1500))} W"] * (draw.random() < 0.2)
    if bounds:
        lines.append(f"fleet {{ {'; '.join(bounds)} }}\n")
    offer = f"offer in {{{', '.join(named)}}}; "
    for place in range(draw.randint(2, 4)):
        lines.append(
            f'inference w{place} {{ {offer}model = "{draw.choice(MODELS)}"; context = {draw.choice((4096, 8192))}; '
            f"concurrency = {draw.choice((16, 32, 64))}; gpus in 1..4; weights in {{bf16, fp8}} }}\n"
        )
    if draw.random() < 0.3:
        lines.append("maximize quality then minimize cost\n")
    return "".join(lines)


def solved(text: str, margins: bool = False) -> Answer:
    """Return the answer of a plan."""
    problem = load_plan("p.mem", text=text).problem
    assert problem is not None
    return solve(problem, load()[0], 3, 120, hardware=margins, values=margins, margins=margins)


def changed(text: str, rule: str, more: Fraction) -> str:
    """Return a plan with one of its limits changed, as somebody would write it."""
    owner, _, quantity = rule.partition(".")
    if quantity == "available":
        return re.sub(rf"(offer {owner} .*available = )\d+", rf"\g<1>{int(more)}", text)
    value = f"${float(more):g}/h" if quantity == "cost" else f"{float(more):g}{' W' if quantity == 'power' else ''}"
    return re.sub(rf"{quantity} <= [^;}}]+", f"{quantity} <= {value} ", text)


def values(answer: Answer) -> list[Fraction | None]:
    """Return the values of the objective."""
    return [part.value for part in answer.objective]


@pytest.mark.parametrize("seed", (3, 10))
def test_every_figure_is_what_the_changed_plan_gives(seed: int) -> None:
    draw = random.Random(f"margins {seed}")
    text = plan(draw)
    before = solved(text, margins=True)
    if before.outcome != "optimal":
        assert before.margins is None
        return
    found = before.margins
    assert found is not None
    assert found.complete
    for item in found.limits:
        other = changed(text, item.rule, item.more)
        assert other != text, item
        after = solved(other)
        assert after.outcome == "optimal"
        gains = {quantity: (was, now) for quantity, was, now, _ in item.gains}
        for part, now in zip(before.objective, after.objective, strict=True):
            assert gains.get(part.quantity, (part.value, part.value)) == (part.value, now.value), (text, item)
        if not item.gains:
            assert values(after) == values(before)
            continue
        moved = {each.workload: each.after.choice for each in item.moved}
        was = {each.chosen.workload: each.chosen.choice for each in before.workloads}
        assert {each.chosen.workload: each.chosen.choice for each in after.workloads} == was | moved
    for price in found.prices:
        _holds(text, before, price.offer, price.enters, price.cost, price.workloads)


def _holds(text: str, before: Answer, offer: str, enters: int, cost: int, takers: tuple[str, ...]) -> None:
    """Hold a price against the plan that states it: at that price the plan is cheaper, and a cent above it is not."""
    stated = re.search(rf"offer {offer} \{{.*?price = \$([0-9.]+)/h", text)
    assert stated is not None
    assert before.cost is not None
    for cents, cheaper in ((enters // 10_000, True), (enters // 10_000 + 1, False)):
        line = stated[0].replace(f"${stated[1]}/h", f"${cents // 100}.{cents % 100:02}/h")
        after = solved(text.replace(stated[0], line))
        assert after.cost is not None
        assert (after.cost < before.cost) == cheaper, (text, offer, cents)
        if cheaper:
            assert after.cost == cost
            assert tuple(item.chosen.workload for item in after.workloads if item.chosen.offer == offer) == takers


RACKS = """edition 2026
offer rack { provider = us; gpu = l40s; gpus = 1; price = $1.00/h; available = 1 }
offer hall { provider = us; gpu = h100_sxm; gpus = 1; price = $3.00/h; available = 9 }
fleet { gpus <= 4 }
inference a { offer in {rack, hall}; model = "Qwen/Qwen2.5-7B"; context = 8192; concurrency = 16; gpus in 1..2 }
inference b { offer in {rack, hall}; model = "Qwen/Qwen2.5-7B"; context = 8192; concurrency = 12; gpus in 1..4 }
minimize cost
"""
QUALITY = """edition 2026
offer rack { provider = us; gpu = l40s; gpus = 1; price = $1.00/h; available = 8 }
offer hall { provider = us; gpu = h200_sxm; gpus = 1; price = $2.20/h; available = 8 }
fleet { cost <= $1.50/h }
inference a {
  offer in {rack, hall}; model = "Qwen/Qwen2.5-32B"; context = 4096; concurrency = 4; gpus in 1..4
  weights in {bf16, int4}
}
maximize quality then minimize cost
"""


def test_a_limit_that_binds_says_what_one_more_buys() -> None:
    for text, rule in ((RACKS, "rack.available"), (QUALITY, "fleet.cost")):
        before = solved(text, margins=True)
        assert before.margins is not None
        (found,) = (item for item in before.margins.limits if item.rule == rule)
        after = solved(changed(text, rule, found.more))
        assert found.gains
        assert found.moved
        assert {quantity: now for quantity, _, now, _ in found.gains} == {
            part.quantity: part.value
            for part, was in zip(after.objective, before.objective, strict=True)
            if part.value != was.value
        }


SAME = """edition 2026
inference one { model = "meta-llama/Llama-3.1-70B"; context = 8192; concurrency = 64; gpus = 1; gpu = l4 }
inference two { model = "meta-llama/Llama-3.1-70B"; context = 8192; concurrency = 64; gpus = 1; gpu = l4 }
inference three { model = "meta-llama/Llama-3.1-70B"; context = 8192; concurrency = 64; gpus = 1; gpu = l4 }
inference other { model = "meta-llama/Llama-3.1-70B"; context = 4096; concurrency = 64; gpus = 1; gpu = l4 }
"""


def test_identical_workloads_have_one_conflict() -> None:
    answer = solved(SAME)
    assert answer.outcome == "infeasible"
    assert {(item.of, item.also) for item in answer.conflict} == {("one", ("three", "two")), ("other", ())}


def test_the_command_shows_them() -> None:
    done = run("why", "examples/copies.mem")
    assert "limits: what one more would change" in done.stdout
    assert "our_rack.available" in done.stdout
    assert "prices: what would be rented" in done.stdout
    document = run("why", "examples/copies.mem", "--format", "json")
    assert '"limits"' in document.stdout
    assert '"enters_at_usd_per_hour"' in document.stdout
