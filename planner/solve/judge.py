"""One choice judged in plain Python: its memory, outcomes and every rule it breaks. No numpy and no solver."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

from planner.catalog.catalog import Catalog
from planner.catalog.records import Gpu, Offer
from planner.language.problem import Problem, Value, Workload
from planner.physics import inference
from planner.solve import serving, serving_memory, serving_pace, serving_support
from planner.solve.candidate import EXPECTED, Broken, Candidate, Hint, Outcome
from planner.solve.defaults import of_service, values
from planner.solve.renting import Renting, hosts_note, renting
from planner.solve.rules import broken_bounds, broken_rules
from planner.solve.scale import SCALES, UNKNOWN, steps, value
from planner.solve.serving import Form, Service
from planner.solve.serving_pace import Load
from planner.solve.structure import SPLIT, Split, divides, service_faults

if TYPE_CHECKING:
    from planner.solve.table import Table


class Unknown(LookupError):
    """A choice that names something the problem does not have."""


def judge(problem: Problem, workload: Workload, choice: Mapping[str, Value], catalog: Catalog) -> Candidate:
    """Return a whole choice as a candidate, with every rule it breaks; raise Unknown for what is not there."""
    if workload.kind == "training":
        from planner.solve import training_judge

        return training_judge.judge(problem, workload, choice, catalog)
    return judge_service(problem, serving.service(problem, workload, catalog), choice)


def judge_row(problem: Problem, table: Table, row: int, catalog: Catalog) -> Candidate:
    """Return a row of a table as a candidate; what the table computed on the way is used again."""
    workload, choice = table.workload, table.choice(row)
    context = table.context
    if isinstance(context, Service):
        return judge_service(problem, replace(context, workload=workload), choice)
    if workload.kind == "training":
        from planner.solve import training_judge

        return training_judge.judge(problem, workload, choice, catalog, context)
    return judge(problem, workload, choice, catalog)


def count(choice: Mapping[str, Value], name: str, default: int = 1) -> int:
    """Return a decision that is a whole number."""
    found = choice.get(name)
    if found is None:
        return default
    if not isinstance(found, Fraction) or found.denominator != 1:
        raise Unknown(f"`{name}` is no whole number: {found}")
    return int(found)


def hardware(
    problem: Problem, choice: Mapping[str, Value], gpus: int, unit: int, nodes: int = 1
) -> tuple[Gpu, Renting]:
    """Return the GPU and what is rented for a choice; raise Unknown where the offer is gone or holds no such group."""
    gpu = problem.gpus.get(str(choice.get("gpu")))
    if gpu is None:
        raise Unknown(f"no GPU is called `{choice.get('gpu')}`")
    offer = problem.offers.get(choice.get("offer"))
    if offer is None:
        raise Unknown(f"there is no offer `{choice.get('offer')}`")
    if offer.gpu != gpu.id:
        raise Unknown(f"`{offer.id}` has no {gpu.id}")
    found = renting(offer, str(choice.get("market", "on_demand")), gpus, unit, nodes)
    if found is None:
        raise Unknown(f"`{offer.id}` does not rent {gpus} GPUs in groups of {unit} that way")
    return gpu, found


def placed(choice: Mapping[str, Value], offer: Offer, gpus: int) -> dict[str, Value]:
    """Return a choice with what follows from its offer."""
    return {**choice, "gpus": Fraction(gpus), "provider": offer.provider, "region": offer.region}


def judge_service(problem: Problem, this: Service, choice: Mapping[str, Value]) -> Candidate:
    """Return a choice of an inference workload as a candidate."""
    workload = this.workload
    form = Form(*(str(choice[name]) for name in ("weights", "kv_cache", "activations", "quantization")))
    split = Split(*(count(choice, name) for name in SPLIT))
    replicas = count(choice, "replicas")
    gpus = replicas * split.gpus
    gpu, rented = hardware(problem, choice, gpus, split.per_node, split.nodes)
    whole = placed(choice, rented.offer, gpus)
    parts = serving_memory.parts(this, form, split, gpu)
    usable = serving_memory.usable_bytes(this, gpu)
    total = sum(parts.values())
    quality = serving.quality_steps(this, form)
    outcomes: dict[str, Outcome] = {
        "memory": Fraction(total),
        "headroom": headroom(total, usable),
        "cost": Fraction(rented.cost, SCALES["cost"]),
        "quality": value("quality", quality),
        "power": Fraction(gpu.power_w * gpus),
    }
    budgets = _budgets(this, split, gpu, parts)
    for budget, ending in zip(budgets, (EXPECTED, ""), strict=True):
        held = _held(this, form, split, gpu, budget)
        outcomes |= {f"{name}{ending}": value(name, held[name]) for name in _CAPACITIES}
    times, need = _times(this, form, split, gpu, parts, replicas, rented)
    outcomes |= times
    faults = service_faults(this.model, split, this.engine.one_host)
    broken = [Broken(f"{workload.name}.{fault.quantity}", fault.needs, fault.has) for fault in faults]
    if total > usable:
        hints = _hints(this, form, split, gpu, parts, usable)
        broken.append(Broken(f"{workload.name}.memory", Fraction(total), Fraction(usable), "bytes", hints))
    needs, left = serving_memory.outside(this, split, gpu, (parts["activations"], parts["logits"]))
    if needs > left:
        share = serving_memory.largest_share(this, gpu, needs - left)
        hints = (Hint("gpu_memory_utilization", "<=", share),) if share > 0 else ()
        rule = f"{workload.name}.gpu_memory_utilization"
        broken.append(Broken(rule, Fraction(needs), Fraction(left), "bytes", hints))
    pages = serving_memory.state_pages(this, form, split, gpu, budgets)
    most = serving.profile_of(this, gpu).max_sequences
    if pages is not None and most > pages:
        hints = (Hint("max_sequences", "<=", Fraction(pages)),) if pages else ()
        rule = f"{workload.name}.max_sequences"
        broken.append(Broken(rule, Fraction(most), Fraction(pages), None, hints))
    refused = serving_support.lacking(this, form, split, gpu) | serving.refusals(this, form, gpu)
    for name, reason in refused.items():
        has = gpu.id if reason.startswith("hardware") else this.engine.id
        broken.append(Broken(f"{workload.name}.{name}", reason, has))
    if not divides(this.model, split.tensor):
        broken = [item for item in broken if item.rule != f"{workload.name}.tensor_parallel"]
        broken.append(Broken(f"{workload.name}.tensor_parallel", "heads that divide evenly", Fraction(split.tensor)))
    if this.demand is not None and replicas < need:
        sustained = None if need >= 10**9 else this.demand * replicas / need
        broken.append(Broken(f"{workload.name}.demand", sustained, this.demand, "req/s"))
    unsaid = values(of_service(this, problem.gpus), whole)
    broken += broken_bounds(workload, whole, outcomes)
    more, penalty = broken_rules(problem, workload, {**unsaid, **whole}, outcomes)
    return Candidate(
        workload.name,
        "inference",
        whole,
        gpu.id,
        gpus,
        rented.offer.id,
        rented.instances,
        rented.cost,
        penalty,
        usable,
        total,
        parts,
        parts,
        None,
        outcomes,
        tuple(broken + more),
        (*(("rule of thumb",) if this.model.architecture is None else ()), *hosts_note(rented, split.nodes)),
        defaults=unsaid,
        shareable=rented.slots > 0,
        rented=rented.instances * rented.offer.gpus,
        price_as_of=rented.offer.as_of,
    )


_CAPACITIES = ("kv_tokens", "max_concurrency", "max_context")


def headroom(total: int, usable: int) -> Fraction | None:
    """Return (usable - total) / usable, rounded down to its steps."""
    scale = SCALES["headroom"]
    return Fraction((usable - total) * scale // usable, scale) if usable else None


def _budgets(this: Service, split: Split, gpu: Gpu, parts: Mapping[str, int]) -> tuple[int, int]:
    """Return the bytes of the engine's cache, as expected and at least."""
    if this.model.architecture is None:
        return 0, 0
    profile, peaks = serving.profile_of(this, gpu), (parts["activations"], parts["logits"])
    expected = int(serving_memory.cache_budget(this, gpu, parts["weights"], peaks, parts["overhead"]))
    fixed = serving_memory.fixed_bytes(split, gpu, profile)
    safe = serving_memory.safe_budget(this, profile, expected, parts["weights"], peaks, parts["overhead"], fixed)
    return expected, int(safe)


def _held(this: Service, form: Form, split: Split, gpu: Gpu, budget: int) -> dict[str, int]:
    """Return the capacities of an engine's cache of so many bytes."""
    if this.model.architecture is None:
        return dict.fromkeys(_CAPACITIES, UNKNOWN)
    return serving_memory.capacities(this, form, split, gpu, budget) if budget > 0 else dict.fromkeys(_CAPACITIES, 0)


def _hints(
    this: Service, form: Form, split: Split, gpu: Gpu, parts: Mapping[str, int], usable: int
) -> tuple[Hint, ...]:
    """Return what would fit on the same hardware, margin included: a shorter context, or fewer sequences."""
    if this.model.architecture is None:
        return ()
    profile = serving.profile_of(this, gpu)
    rest = {name: size for name, size in parts.items() if name not in ("kv_cache", "margin")}
    beside = (*(rest[name] for name in _BESIDE), serving_memory.fixed_bytes(split, gpu, profile))
    spare = serving_memory.margin_bytes(this, profile, rest["weights"], 0, *beside)
    left = usable - sum(rest.values()) - int(spare)
    million = 10**6
    budget = left * million // (million + inference.margin_ppm(profile, "kv_cache", this.confidence)) - 1
    if budget <= 0:
        return ()
    held = serving_memory.capacities(this, form, split, gpu, budget)
    out = []
    if held["max_context"] > 0:
        out.append(Hint("context", "<=", Fraction(held["max_context"]), "tokens"))
    if held["max_concurrency"] > 0:
        out.append(Hint("concurrency", "<=", Fraction(held["max_concurrency"])))
    return tuple(out)


_BESIDE = ("activations", "logits", "overhead")


def _times(
    this: Service, form: Form, split: Split, gpu: Gpu, parts: Mapping[str, int], replicas: int, rented: Renting
) -> tuple[dict[str, Outcome], int]:
    """Return the roofline's outcomes and the replicas that sustain the demand."""
    peak = serving.peak_flops(this, form, gpu)
    empty: dict[str, Outcome] = dict.fromkeys(("tpot", "ttft", "throughput", "cost_per_token"))
    if this.model.architecture is None or not peak or not gpu.bandwidth:
        return empty, 0 if this.demand is None else 10**9
    load = Load(
        parts["weights"],
        parts["kv_cache"],
        split.tensor,
        split.pipeline,
        gpu.bandwidth,
        peak,
        serving_pace.link_of(gpu),
        serving_pace.host_of(gpu),
        split.nodes,
        rented.network,
    )
    tpot, ttft = serving_pace.speeds(this, load)
    rate = serving_pace.rates(this, replicas, tpot, ttft)
    numbers = {
        "tpot": steps("tpot", tpot),
        "ttft": steps("ttft", ttft),
        "throughput": steps("throughput", rate),
        "cost_per_token": steps("cost_per_token", rented.cost / 3.6e9 / rate) if rate else UNKNOWN,
    }
    need = 0
    if this.demand is not None:
        sustained = steps("throughput", serving_pace.request_rate(this, 1, tpot, ttft))
        need = -(-int(this.demand * SCALES["throughput"]) // sustained) if sustained > 0 else 10**9
    return {name: value(name, number) for name, number in numbers.items()}, need
