"""What must hold between the answers of two plans, whatever the numbers are: `solve` alone, no oracle."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

from planner.solve.answer import Answer

from .asking import solve
from .fleets import GPUS, fleet, service, with_copies
from .plans import Bound, Offer, Plan
from .words import Term, number, of

Value = tuple[Fraction, ...] | None
"""An objective as a whole, part by part, all to be minimised; None where nothing keeps every rule."""
MICRO = Fraction(1, 10**6)


def value(answer: Answer) -> Value:
    """Return what an answer is worth."""
    if answer.outcome == "infeasible":
        return None
    assert answer.outcome == "optimal", answer.outcome
    parts = []
    for part in answer.objective:
        assert part.value is not None and part.bound == part.value, part
        parts.append((part.value if part.direction == "minimize" else -part.value) + part.penalty)
    return tuple(parts)


def choices(answer: Answer) -> dict[str, dict[str, Any]]:
    """Return what is chosen, by workload."""
    return {item.chosen.workload: item.chosen.choice for item in answer.workloads}


def no_better(one: Value, other: Value) -> bool:
    """Return whether the first is equal to the second or worse."""
    return one is None or (other is not None and one >= other)


def plain(seed: int) -> Plan:
    """Return a fleet whose objective is known of every choice and is not rounded: no price of a run, no quality."""
    chance = random.Random(seed)
    plan = fleet(seed)
    unsafe = any("total_cost" in goal or "quality" in goal for goal, _ in plan.goals)
    runs = all(job.kind == "training" for job in plan.jobs)
    if not plan.goals and not runs:
        return plan
    if unsafe or not plan.goals:
        return replace(
            plan, goals=chance.choice(((("cost", "minimize"),), (("gpus", "minimize"), ("cost", "minimize"))))
        )
    return plan


def relations(plan: Plan) -> list[Plan]:
    """Return the plan without each one of its rules and bounds."""
    out = [replace(plan, rules=tuple(rule for rule in plan.rules if rule is not one)) for one in plan.rules]
    out += [replace(plan, fleet=tuple(item for item in plan.fleet if item is not one)) for one in plan.fleet]
    for job in plan.jobs:
        for one in job.bounds:
            less = replace(job, bounds=tuple(item for item in job.bounds if item is not one))
            out.append(replace(plan, jobs=tuple(less if item is job else item for item in plan.jobs)))
    return out


def a_rule_more_never_lowers_the_optimum(seed: int) -> None:
    """Without one of its rules or bounds a plan is answered as well or better."""
    plan = plain(seed)
    less = relations(plan)
    if not less:
        return
    with_, without = solve(str(plan)), solve(str(random.Random(seed).choice(less)))
    assert no_better(value(with_), value(without))


def company_is_found(seed: int) -> None:
    """No plan is answered better where workloads are sent to an offer that another takes: its idle GPUs are seen."""
    drawn = plain(seed)
    everywhere = tuple(offer.name for offer in drawn.offers)
    jobs = tuple(replace(job, sets={**job.sets, "offer": everywhere}) for job in drawn.jobs)
    plan = replace(drawn, jobs=jobs, goals=(("cost", "minimize"),))
    answer = solve(str(plan))
    if answer.outcome != "optimal" or len(jobs) < 2:
        return
    nodes = {offer.name for offer in plan.offers if offer.gpus > 1}
    for joined in sorted({item.chosen.offer for item in answer.workloads} & nodes)[:2]:
        sent = tuple(replace(job, sets={**job.sets, "offer": (joined,)}) for job in jobs)
        for some in (sent, (*jobs[:-1], sent[-1]), (sent[0], *jobs[1:])):
            assert no_better(value(solve(str(replace(plan, jobs=some)))), value(answer)), joined


def a_slack_rule_changes_nothing(seed: int) -> None:
    """A bound on what the answer has less of already leaves the answer."""
    chance = random.Random(seed)
    plan = plain(seed)
    answer = solve(str(plan))
    if answer.outcome != "optimal":
        return
    rows = {item.chosen.workload: item.chosen for item in answer.workloads}
    name = chance.choice(sorted(rows))
    row = rows[name]
    headroom, power = row.outcomes["headroom"], row.outcomes["power"]
    assert headroom is not None and power is not None
    terms: list[Term] = [
        ("<=", of(name, "gpus"), number(row.gpus)),
        (">=", of(name, "gpus"), number(row.gpus)),
        ("==", of(name, "gpu"), ("word", row.gpu)),
        (">=", of(name, "headroom"), number(Fraction(int(headroom * 100), 100), f"{int(headroom * 100)}%")),
        ("<=", of(name, "power"), number(power, f"{int(power)} W")),
        ("<=", ("each", "sum", of("w", "gpus"), None), number(sum(item.gpus for item in rows.values()))),
        ("==", of(name, "offer"), ("word", row.offer)),
    ]
    more = solve(str(replace(plan, rules=(*plan.rules, ("slack", chance.choice(terms))))))
    assert value(more) == value(answer)
    assert choices(more) == choices(answer)


def a_choice_more_never_raises_the_optimum(seed: int) -> None:
    """One offer more, or one value more in a set, and the plan is answered as well or better."""
    chance = random.Random(seed)
    plan = plain(seed)
    if chance.random() < 0.5:
        gpus = chance.choice((1, 2, 4, 8))
        price = gpus * chance.randint(20, 200)
        new = Offer("extra", chance.choice(GPUS), gpus, price, chance.choice((None, price // 2)))
        jobs = []
        for job in plan.jobs:
            names = (*job.sets["offer"], "extra") if chance.random() < 0.7 else job.sets["offer"]
            jobs.append(replace(job, sets={**job.sets, "offer": names}))
        more = replace(plan, offers=(*plan.offers, new), jobs=tuple(jobs))
    else:
        job = chance.choice(plan.jobs)
        values = {
            "gpus": tuple(str(count) for count in range(1, 6)) if job.kind == "inference" else ("1", "2", "4", "8"),
            "weights": ("bf16", "fp8_e4m3", "int4"),
            "market": ("on_demand", "spot"),
            "micro_batch": ("1", "2", "4"),
            "zero": ("0", "1", "2"),
            "offer": tuple(offer.name for offer in plan.offers),
        }
        more_of = {name: tuple(dict.fromkeys((*job.sets[name], *values[name]))) for name in values if name in job.sets}
        name = chance.choice(sorted(more_of))
        wider = replace(job, sets={**job.sets, name: more_of[name]})
        more = replace(plan, jobs=tuple(wider if item is job else item for item in plan.jobs))
    assert no_better(value(solve(str(plan))), value(solve(str(more))))


def fixing_the_choice_changes_nothing(seed: int) -> None:
    """A plan that says what was chosen for it has the same answer."""
    plan = plain(seed)
    answer = solve(str(plan))
    if answer.outcome != "optimal":
        return
    taken = choices(answer)
    jobs = []
    for job in plan.jobs:
        # a training's ways of checkpointing and their layers go together
        names = [name for name in taken[job.name] if name in job.sets or name in ("tensor_parallel", "micro_batch")]
        fixed = {name: (_written(taken[job.name][name]),) for name in names}
        jobs.append(replace(job, sets={**job.sets, **fixed}))
    again = solve(str(replace(plan, jobs=tuple(jobs))))
    assert choices(again) == taken
    assert (value(again), again.cost) == (value(answer), answer.cost)


def _written(found: Any) -> str:
    return str(int(found)) if isinstance(found, Fraction) else str(found)


def two_alike_cost_at_most_twice_one(seed: int) -> None:
    """Two identical workloads cost at most twice one, and exactly twice where no instance has room for both."""
    chance = random.Random(seed)
    single = chance.random() < 0.4
    sold = []
    for place in range(chance.choice((1, 2, 3))):
        gpus = 1 if single else chance.choice((1, 2, 4, 6, 8))
        price = gpus * chance.randint(40, 220)
        sold.append(Offer(f"o{place}", chance.choice(GPUS), gpus, price, chance.choice((None, price // 2))))
    job = service(chance, "a", tuple(sold), 4)
    job = replace(job, bounds=tuple(item for item in job.bounds if item.quantity != "cost"))
    one = solve(str(Plan(tuple(sold), (job,))))
    two = solve(str(Plan(tuple(sold), (job, replace(job, name="b")))))
    assert one.outcome == two.outcome
    if one.cost is not None and two.cost is not None and one.outcome == "optimal":
        assert two.cost == 2 * one.cost if single else two.cost <= 2 * one.cost


def _renamed(plan: Plan, names: dict[str, str]) -> Plan:
    """Return a plan whose workloads and offers have other names."""

    def changed(term: Any) -> Any:
        if isinstance(term, tuple):
            if term[:1] == ("of",):
                return ("of", names.get(term[1], term[1]), term[2])
            return tuple(changed(part) for part in term)
        return term

    def goal(quantity: str) -> str:
        owner, dot, name = quantity.rpartition(".")
        return names.get(owner, owner) + dot + name

    jobs = []
    for job in plan.jobs:
        sets = {**job.sets, "offer": tuple(names[name] for name in job.sets["offer"])}
        jobs.append(replace(job, name=names[job.name], sets=sets))
    return replace(
        plan,
        offers=tuple(replace(offer, name=names[offer.name]) for offer in plan.offers),
        jobs=tuple(jobs),
        rules=tuple((name, changed(condition)) for name, condition in plan.rules),
        wishes=tuple(replace(wish, condition=changed(wish.condition)) for wish in plan.wishes),
        goals=tuple((goal(quantity), direction) for quantity, direction in plan.goals),
    )


def order_and_names_do_not_matter(seed: int) -> None:
    """Declared in another order, under names in the same order, the same is chosen; under any names, as good."""
    chance = random.Random(seed)
    plan = plain(seed)
    first = solve(str(plan))
    mapped = {job.name: f"w_{job.name}" for job in plan.jobs} | {offer.name: f"x{offer.name}" for offer in plan.offers}
    lines = str(_renamed(plan, mapped)).strip().split("\n")
    chance.shuffle(lines)
    again = solve("\n".join(lines) + "\n")
    assert value(again) == value(first)
    back = {new: old for old, new in mapped.items()}
    for name, choice in choices(again).items():
        assert {**choice, "offer": back[str(choice["offer"])]} == choices(first)[back[name]]
    new = chance.sample("qrstuvxyz", len(plan.jobs))
    other = {job.name: name for job, name in zip(plan.jobs, new, strict=True)}
    other |= {
        offer.name: f"y{name}"
        for offer, name in zip(plan.offers, chance.sample("abcdefg", len(plan.offers)), strict=True)
    }
    assert value(solve(str(_renamed(plan, other)))) == value(first)


def money_times_a_thousand(seed: int) -> None:
    """Where all money is a thousand times as much, the same is chosen and costs a thousand times as much."""
    plan = plain(seed)

    def term(found: Any) -> Any:
        if not isinstance(found, tuple):
            return found
        if found[:1] == ("number",) and found[2].startswith("$"):
            return number(found[1] * 1000, f"${float(found[1] * 1000):.2f}/h")
        return tuple(term(part) for part in found)

    def bounds(found: tuple[Bound, ...]) -> tuple[Bound, ...]:
        out = []
        for item in found:
            more = item.value * 1000
            unit = "/h" if item.quantity == "cost" else ""
            scaled = Bound(item.quantity, item.operator, more, f"${float(more):.2f}{unit}")
            out.append(scaled if item.written.startswith("$") else item)
        return tuple(out)

    dear = replace(
        plan,
        offers=tuple(
            replace(offer, price=offer.price * 1000, spot=None if offer.spot is None else offer.spot * 1000)
            for offer in plan.offers
        ),
        jobs=tuple(replace(job, bounds=bounds(job.bounds)) for job in plan.jobs),
        fleet=bounds(plan.fleet),
        rules=tuple((name, term(condition)) for name, condition in plan.rules),
        wishes=tuple(replace(wish, condition=term(wish.condition), worth=wish.worth * 1000) for wish in plan.wishes),
    )
    one, many = solve(str(plan)), solve(str(dear))
    assert one.outcome == many.outcome
    if one.outcome == "optimal":
        assert one.cost is not None
        assert many.cost == 1000 * one.cost
        assert choices(one) == choices(many)


def a_budget_at_the_optimum(seed: int) -> None:
    """A budget of what the cheapest costs is enough, a micro-dollar less is not; a floor there changes nothing."""
    plan = replace(plain(seed), wishes=(), goals=(("cost", "minimize"),))
    best = solve(str(plan))
    if best.outcome != "optimal":
        return
    assert best.cost is not None

    def with_(operator: str, micro: int) -> Answer:
        limit = number(micro * MICRO, f"${micro // 10**6}.{micro % 10**6:06d}/h")
        rule: Term = (operator, ("each", "sum", of("w", "cost"), None), limit)
        return solve(str(replace(plan, rules=(*plan.rules, ("budget", rule)))))

    operator = random.Random(seed).choice(("<=", ">="))
    held = with_(operator, best.cost)
    assert (value(held), choices(held)) == (value(best), choices(best))
    if operator == "<=" and best.cost:
        assert with_("<=", best.cost - 1).outcome == "infeasible"


def copies_are_workloads_written_out(seed: int) -> None:
    """`copies = n` is answered as n blocks are, whatever the plan says of them."""
    plan = with_copies(plain(seed), seed)
    if any("." in goal for goal, _ in plan.goals):  # of one workload, or of the worst of its copies
        plan = replace(plan, goals=(("cost", "minimize"),))
    one, many = solve(str(plan)), solve(str(plan.written_out("_")))
    assert one.outcome == many.outcome
    assert one.cost == many.cost
    assert value(one) == value(many)
    assert sum(item.chosen.copies for item in one.workloads) == len(many.workloads)


LAWS: tuple[Callable[[int], None], ...] = (
    a_rule_more_never_lowers_the_optimum,
    company_is_found,
    a_slack_rule_changes_nothing,
    a_choice_more_never_raises_the_optimum,
    fixing_the_choice_changes_nothing,
    two_alike_cost_at_most_twice_one,
    order_and_names_do_not_matter,
    money_times_a_thousand,
    a_budget_at_the_optimum,
    copies_are_workloads_written_out,
)
