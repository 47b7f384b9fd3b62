"""Random fleets: nodes of several GPUs beside single cards; limited, owned and spot offers; services, runs, rules."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from fractions import Fraction

from .physics import GRAIN
from .plans import Bound, Job, Offer, Plan, Wish, money
from .truth import Truth, rent
from .words import Term, number, of

GPUS = ("l40s", "a10g", "a100_sxm_80gb")
MORE_GPUS = (*GPUS, "l4", "rtx_4090")
SERVICES = (
    ("meta-llama/Llama-3.2-1B", 2048, 32),
    ("meta-llama/Llama-3.1-8B", 2048, 4),
    ("meta-llama/Llama-3.1-8B", 8192, 24),
)
MORE_SERVICES = (
    *SERVICES,
    ("Qwen/Qwen2.5-0.5B", 4096, 16),
    ("meta-llama/Llama-3.2-1B", 8192, 48),
    ("Qwen/Qwen2.5-7B", 4096, 8),
)
RUNS = (("Qwen/Qwen2.5-0.5B", 1024, 4), ("meta-llama/Llama-3.2-1B", 1024, 8))


@dataclass(frozen=True)
class World:
    """What fleets are made of: less of it where every worker of the suite has to learn its physics anew."""

    gpus: tuple[str, ...] = GPUS
    services: tuple[tuple[str, int, int], ...] = SERVICES
    narrow: bool = True


WIDE = World(MORE_GPUS, MORE_SERVICES, narrow=False)


def percent(chance: random.Random, values: tuple[int, ...]) -> Term:
    """Return a percentage as a number of a condition."""
    value = chance.choice(values)
    return number(Fraction(value, 100), f"{value}%")


def milliseconds(chance: random.Random, values: tuple[int, ...]) -> Term:
    """Return a time as a number of a condition."""
    value = chance.choice(values)
    return number(Fraction(value, 1000), f"{value} ms")


def dollars(chance: random.Random, low: int, high: int) -> Term:
    """Return a price as a number of a condition, half dollars."""
    value = Fraction(chance.randint(2 * low, 2 * high), 2)
    return number(value, f"${float(value):g}/h")


def bound(quantity: str, operator: str, term: Term) -> Bound:
    """Return a bound with a number of a condition."""
    return Bound(quantity, operator, term[1], term[2])


def offers(chance: random.Random, world: World) -> tuple[Offer, ...]:
    """Return two to four offers, one of them a node of several GPUs."""
    cards = chance.sample(world.gpus, chance.choice((2, 2, 3)))
    out = []
    for place in range(chance.choice((2, 3, 3, 4))):
        gpu = chance.choice(cards)
        gpus = chance.choice((4, 8, 8)) if place == 0 else chance.choice((1, 1, 1, 2, 4, 6))
        price = gpus * chance.choice((50, 80, 100, 125, 150, 200)) + chance.choice((0, 0, 20, 50))
        owned = chance.random() < 0.2
        if owned and chance.random() < 0.5:
            price = 0
        spot = price // 2 if price and not owned and chance.random() < 0.3 else None
        available = chance.choice((1, 1, 2, 3)) if chance.random() < 0.35 else None
        singly = gpus == 1 and not owned and chance.random() < 0.25
        out.append(Offer(f"o{place}", gpu, gpus, price, spot, available, owned, singly))
    return tuple(out)


def service(chance: random.Random, name: str, rented: tuple[Offer, ...], most: int, world: World = World()) -> Job:
    """Return an inference workload."""
    model, context, concurrency = chance.choice(world.services)
    formats = chance.choice((("bf16",), ("bf16", "int4"), ("bf16", "int4"), ("bf16", "fp8_e4m3")))
    sets: dict[str, tuple[str, ...]] = {"offer": _some(chance, rented), "weights": formats}
    sets["gpus"] = tuple(str(count) for count in range(1, chance.randint(1, most) + 1))
    if chance.random() < 0.2:
        sets["replicas"] = ("1", "2")
    if not world.narrow and chance.random() < 0.3:
        sets["kv_cache"] = ("bf16", "fp8_e4m3")
    if world.narrow or chance.random() < 0.6:
        sets["tensor_parallel"] = chance.choice((("1",), ("1", "2"), ("1", "2", "4")))
    if world.narrow or chance.random() < 0.8:
        sets["pipeline_parallel"] = chance.choice((("1",), ("1",), ("1", "2"), ("1", "3")))
    _market(chance, sets, rented)
    given = f'model = "{model}"; context = {context}; concurrency = {concurrency}'
    return Job(name, "inference", given, sets, _bounds(chance, "inference"))


def run(
    chance: random.Random, name: str, rented: tuple[Offer, ...], most: int, tokens: bool, world: World = World()
) -> Job:
    """Return a training workload."""
    model, sequence, batch = chance.choice(RUNS)
    sets: dict[str, tuple[str, ...]] = {"offer": _some(chance, rented)}
    sets["gpus"] = ("1", "2", "4")[: 1 if most < 2 else chance.choice((1, 2, 3 if most > 3 else 2))]
    sets["micro_batch"] = chance.choice((("1",), ("1", "4")))
    sets["zero"] = chance.choice((("0",), ("0", "2")))
    stored = ((("none",), ("0",)), (("none", "full"), ("0", "8")), (("none", "selective", "full"), ("0", "16")))
    sets["checkpointing"], sets["checkpointed_layers"] = chance.choice(stored[: 2 if world.narrow else 3])
    sets["tensor_parallel"] = chance.choice((("1",), ("1", "2")))
    _market(chance, sets, rented)
    framework = chance.choice(("transformers", "fsdp", "fsdp"))
    given = f'model = "{model}"; sequence = {sequence}; global_batch = {batch}; framework = {framework}'
    given += "; pipeline_parallel = 1; precision = bf16"
    return Job(name, "training", given + "; tokens = 50M" * tokens, sets, _bounds(chance, "training", tokens))


def _some(chance: random.Random, rented: tuple[Offer, ...]) -> tuple[str, ...]:
    names = [offer.name for offer in rented]
    return (
        tuple(names) if chance.random() < 0.75 else tuple(sorted(chance.sample(names, chance.randint(1, len(names)))))
    )


def _market(chance: random.Random, sets: dict[str, tuple[str, ...]], rented: tuple[Offer, ...]) -> None:
    if any(offer.spot is not None for offer in rented) and chance.random() < 0.6:
        sets["market"] = chance.choice((("on_demand", "spot"), ("on_demand", "spot"), ("spot",)))


def _bounds(chance: random.Random, kind: str, tokens: bool = False) -> tuple[Bound, ...]:
    """Return none to two bounds on one workload, from either side."""
    made = []
    for _ in range(chance.choice((0, 0, 0, 1, 1, 2))):
        kinds = ["cost"] * 3 + ["cost_low", "headroom", "headroom_high", "power", "quality"]
        kinds += ["tpot", "tpot", "tpot_low"] if kind == "inference" else ["step_time"]
        kinds += ["total_cost", "duration"] if tokens else []
        match chance.choice(kinds):
            case "cost":
                made.append(bound("cost", chance.choice(("<=", "<=", "<")), dollars(chance, 1, 8)))
            case "cost_low":
                made.append(bound("cost", chance.choice((">=", ">")), dollars(chance, 0, 3)))
            case "headroom":
                made.append(bound("headroom", ">=", percent(chance, (5, 20, 40, 60))))
            case "headroom_high":
                made.append(bound("headroom", "<", percent(chance, (40, 70, 90))))
            case "power":
                watts = chance.choice((100, 200, 400, 700, 900))
                made.append(bound("power", chance.choice(("<=", "<", ">=", ">")), number(watts, f"{watts} W")))
            case "quality":
                made.append(bound("quality", chance.choice((">=", ">=", "<")), percent(chance, (95, 97, 99))))
            case "tpot":
                made.append(bound("tpot", chance.choice(("<=", "<")), milliseconds(chance, (5, 10, 20, 40))))
            case "tpot_low":
                made.append(bound("tpot", ">=", milliseconds(chance, (5, 10, 20))))
            case "step_time":
                made.append(bound("step_time", "<=", milliseconds(chance, (300, 1000, 3000))))
            case "total_cost":
                value = chance.choice((1, 2, 4, 8))
                made.append(bound("total_cost", "<=", number(value, f"${value}")))
            case "duration":
                value = chance.choice((1, 2, 5, 10))
                made.append(bound("duration", chance.choice(("<=", ">")), number(value * 3600, f"{value} h")))
    return tuple({item.quantity: item for item in made}.values())


def fleet_bounds(chance: random.Random, cards: list[str]) -> tuple[Bound, ...]:
    """Return none to two bounds on all workloads together."""
    made = []
    for _ in range(chance.choice((0, 0, 0, 1, 1, 2))):
        match chance.choice(("cost", "cost", "cost_low", "gpus", "gpus_low", "power", "available")):
            case "cost":
                made.append(bound("cost", chance.choice(("<=", "<=", "<")), dollars(chance, 2, 16)))
            case "cost_low":
                made.append(bound("cost", chance.choice((">=", ">")), dollars(chance, 1, 10)))
            case "gpus":
                made.append(bound("gpus", chance.choice(("<=", "<")), number(chance.randint(3, 7))))
            case "gpus_low":
                made.append(bound("gpus", ">=", number(chance.randint(3, 6))))
            case "power":
                watts = chance.choice((300, 600, 1000, 1500))
                made.append(bound("power", chance.choice(("<=", ">")), number(watts, f"{watts} W")))
            case "available":
                made.append(bound(f"available.{chance.choice(cards)}", "<=", number(chance.choice((0, 1, 2, 3)))))
    return tuple({item.quantity: item for item in made}.values())


def condition(chance: random.Random, jobs: tuple[Job, ...], cards: list[str]) -> Term:
    """Return a condition over one workload, two or all."""
    one, two = chance.sample(jobs, 2) if len(jobs) > 1 else (jobs[0], jobs[0])
    a, b = one.name, two.name
    served = one.kind == "inference"
    simple: list[Term] = [
        ("==", of(a, "gpu"), ("word", chance.choice(cards))),
        ("!=", of(a, "gpu"), ("word", chance.choice(cards))),
        (chance.choice(("<=", ">=")), of(a, "gpus"), number(chance.randint(1, 3))),
        (">=", of(a, "headroom"), percent(chance, (10, 30, 60))),
        ("<=", of(a, "power"), number(300, "300 W")),
        ("==", of(a, "market"), ("word", "on_demand")),
    ]
    if served:
        simple += [("==", of(a, "weights"), ("word", "bf16")), ("<=", of(a, "tpot"), milliseconds(chance, (6, 12, 30)))]
    several: list[Term] = [
        ("==", of(a, "gpu"), of(b, "gpu")),
        ("!=", of(a, "gpu"), of(b, "gpu")),
        ("==", of(a, "offer"), of(b, "offer")),
        ("<=", ("+", of(a, "gpus"), number(1)), of(b, "gpus")),
        ("<=", ("each", "sum", of("w", "gpus"), None), number(chance.randint(2, 6))),
        (">=", ("each", "sum", of("w", "gpus"), None), number(chance.randint(3, 6))),
        (">=", ("each", "min", of("w", "headroom"), None), percent(chance, (10, 30, 50))),
        (">=", ("each", "max", of("w", "headroom"), None), percent(chance, (50, 80))),
        ("<=", ("each", "count", None, ("==", of("w", "gpu"), ("word", chance.choice(cards)))), number(1)),
        (">=", ("each", "count", None, (">=", of("w", "gpus"), number(2))), number(1)),
        ("each", "any", (">=", of("w", "headroom"), percent(chance, (60, 80))), None),
        ("each", "all", ("<=", of("w", "gpus"), number(2)), None),
        (">=", of(a, "headroom"), of(b, "headroom")),
        ("<", of(a, "power"), of(b, "power")),
        ("<=", ("+", of(a, "power"), of(b, "power")), number(600, "600 W")),
        ("<=", ("each", "sum", of("w", "cost"), None), dollars(chance, 2, 12)),
    ]
    if served and two.kind == "inference":
        several += [("==", of(a, "weights"), of(b, "weights")), ("<=", of(a, "tpot"), of(b, "tpot"))]
        several += [("<=", ("+", of(a, "tpot"), of(b, "tpot")), milliseconds(chance, (15, 30, 60)))]
    pool = simple + several if len(jobs) > 1 else simple
    match chance.choice(("plain", "plain", "plain", "and", "or", "if", "not")):
        case "and" | "or" as operator:
            return (operator, chance.choice(pool), chance.choice(pool))
        case "if":
            return ("or", ("not", chance.choice(pool)), chance.choice(pool))
        case "not":
            return ("not", chance.choice(pool))
    return chance.choice(several if len(jobs) > 1 else simple)


GOALS = (
    *[(("cost", "minimize"),)] * 6,
    (),
    (),
    (("cost", "minimize"), ("headroom", "maximize")),
    (("cost", "minimize"), ("quality", "maximize"), ("headroom", "maximize")),
    (("gpus", "minimize"), ("cost", "minimize")),
    (("gpus", "minimize"),),
    (("power", "minimize"),),
    (("power", "minimize"), ("cost", "minimize")),
    (("quality", "maximize"), ("cost", "minimize")),
    (("headroom", "maximize"), ("cost", "minimize")),
    (("headroom", "maximize"),),
    (("memory", "minimize"), ("cost", "minimize")),
    (("a.headroom", "maximize"), ("cost", "minimize")),
    (("cost", "minimize"), ("a.power", "minimize")),
    (("a.gpus", "minimize"), ("cost", "minimize")),
)
SERVED = (
    (("tpot", "minimize"), ("cost", "minimize")),
    (("cost", "minimize"), ("tpot", "minimize")),
    (("throughput", "maximize"), ("cost", "minimize")),
    (("cost", "minimize"), ("kv_tokens", "maximize")),
    (("ttft", "minimize"), ("headroom", "maximize"), ("cost", "minimize")),
)
TRAINED = (
    (("total_cost", "minimize"),),
    (("total_cost", "minimize"), ("headroom", "maximize")),
    (("duration", "minimize"), ("cost", "minimize")),
    (("step_time", "minimize"), ("cost", "minimize")),
)


def fleet(seed: int, world: World = World()) -> Plan:
    """Return the plan of a seed; most are made so that some random combination keeps all that they ask."""
    chance = random.Random(seed)
    plan = draw(chance, world)
    if chance.random() < 0.04:
        return plan
    for _ in range(4):
        found = kept(chance, plan)
        if found is not None:
            return found
        plan = draw(chance, world)
    return plan


def copied(seed: int, world: World = World()) -> Plan:
    """Return the plan of a seed with two or three copies of one of its services, and of another now and then."""
    return with_copies(fleet(seed, world), seed)


def with_copies(plan: Plan, seed: int) -> Plan:
    """Return a plan with copies of its services."""
    chance = random.Random(f"copies of {seed}")
    served = [job for job in plan.jobs if job.kind == "inference"]
    jobs, left = list(plan.jobs), 6 - len(plan.jobs)
    for job in chance.sample(served, min(len(served), chance.choice((1, 1, 2)))):
        copies = min(chance.choice((2, 2, 3)), left + 1)
        left -= copies - 1
        jobs[jobs.index(job)] = replace(job, copies=copies)
    return replace(plan, jobs=tuple(jobs))


def kept(chance: random.Random, plan: Plan) -> Plan | None:
    """Return a plan without what a random combination breaks, and some of its bounds where that combination is; None
    where no combination fits."""
    bare = replace(plan, jobs=tuple(replace(job, bounds=()) for job in plan.jobs), fleet=(), rules=())
    ways, asked = Truth(bare), Truth(plan)
    if not all(ways.rows):
        return None
    tried = [[chance.choice(rows) for rows in ways.rows] for _ in range(8)]
    broken, rows = min(((asked.broken(rows), rows) for rows in tried), key=lambda pair: _weight(pair[0]))
    if any(name.endswith(".available") for name in broken):
        return None
    rented = rent(rows)
    find = asked.look(rows, rented)
    jobs = []
    for job in plan.jobs:
        bounds = tuple(item for item in job.bounds if f"{job.name}.{item.quantity}" not in broken)
        jobs.append(replace(job, bounds=tuple(_at(chance, item, find(job.name, item.quantity)) for item in bounds)))
    bounds = tuple(
        _at(chance, item, Fraction(rented.cost, GRAIN) if item.quantity == "cost" else None)
        for item in plan.fleet
        if f"fleet.{item.quantity}" not in broken
    )
    rules = tuple(rule for rule in plan.rules if rule[0] not in broken)
    return replace(plan, jobs=tuple(jobs), fleet=bounds, rules=rules)


def _weight(broken: list[str]) -> tuple[bool, int]:
    return any(name.endswith(".available") for name in broken), len(broken)


def _at(chance: random.Random, item: Bound, have: Fraction | None) -> Bound:
    """Return a bound on money where a combination just keeps it."""
    if item.quantity != "cost" or have is None or (have * 100).denominator != 1 or chance.random() < 0.5:
        return item
    strict = {"<": 1, ">": -1}.get(item.operator, 0)
    cents = have * 100 + strict
    return Bound("cost", item.operator, cents / 100, money(int(cents))) if cents >= 0 else item


def draw(chance: random.Random, world: World) -> Plan:
    """Return a random plan."""
    rented = offers(chance, world)
    cards = sorted({offer.gpu for offer in rented})
    mix = chance.choice(("services", "services", "services", "mixed", "mixed", "runs"))
    names = ["a", "b", "c", "d"][: chance.choice((2, 2, 2, 3, 3, 4) if chance.random() < 0.9 else (1,))]
    most = {1: 8, 2: 4, 3: 3, 4: 2}[len(names)]
    tokens = chance.random() < 0.7
    jobs: list[Job] = []
    for place, name in enumerate(names):
        if place and chance.random() < 0.2:  # a twin
            last = jobs[-1]
            jobs.append(Job(name, last.kind, last.given, last.sets, last.bounds))
        elif mix == "runs" or (mix == "mixed" and place % 2):
            jobs.append(run(chance, name, rented, most, tokens, world))
        else:
            jobs.append(service(chance, name, rented, most, world))
    work = tuple(jobs)
    rules = tuple((f"r{place}", condition(chance, work, cards)) for place in range(chance.choice((0, 0, 0, 1, 1, 2))))
    wishes = tuple(
        Wish(f"p{place}", condition(chance, work, cards), 25 * chance.randint(1, 12))
        for place in range(chance.choice((0, 0, 0, 0, 1, 2)))
    )
    goals = GOALS
    if all(job.kind == "inference" for job in work):
        goals += SERVED
    elif all(job.kind == "training" for job in work):
        goals += TRAINED * 2 if tokens else TRAINED[3:]
    chosen = chance.choice(goals)
    bounds = fleet_bounds(chance, cards)
    return Plan(rented, work, bounds, rules, wishes, chosen)
