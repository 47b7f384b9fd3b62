"""One choice judged in plain Python: its memory, outcomes and every rule it breaks. No numpy and no solver."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from planner.catalog.records import Gpu
from planner.language.problem import Problem, Value
from planner.language.quantities.outcomes import HELD, SERVED
from planner.physics import inference
from planner.solve.candidate import EXPECTED, Broken, Candidate, Hint, Outcome
from planner.solve.columns.steps import SCALES, UNKNOWN, steps, value
from planner.solve.defaults import given_of, values
from planner.solve.inference import anchors
from planner.solve.inference import capacity as inference_capacity
from planner.solve.inference import memory as inference_memory
from planner.solve.inference import quality as inference_quality
from planner.solve.inference import speed as inference_speed
from planner.solve.inference import support as inference_support
from planner.solve.inference import workload as inference_workload
from planner.solve.inference.anchors import Measured, measured
from planner.solve.inference.defaults import of_service
from planner.solve.inference.engine_rules import service_faults
from planner.solve.inference.model_support import unstaged
from planner.solve.inference.speed import Load
from planner.solve.inference.workload import InferenceWorkload, NumberFormats
from planner.solve.judging import approximations, count, hardware, headroom, placed, unmeasured
from planner.solve.needs import Note, need, note
from planner.solve.parallelism import SPLIT, Split, divides
from planner.solve.rent.ram import ram
from planner.solve.rent.rental import Renting, hosts_note
from planner.solve.rules import broken_bounds, broken_rules


def judge_service(problem: Problem, service: InferenceWorkload, choice: Mapping[str, Value]) -> Candidate:
    """Return a choice of an inference workload as a candidate."""
    workload = service.workload
    form = inference_workload.formats_of(choice)
    split = Split(*(count(choice, name) for name in SPLIT))
    replicas = count(choice, "replicas")
    gpus = replicas * split.gpus
    gpu, rented = hardware(problem, choice, gpus, split.per_node, split.nodes)
    whole = placed(choice, rented.offer, gpus)
    own = measured(service, form, split, gpu)
    parts = inference_memory.parts(service, form, split, gpu)
    parts["margin"] += own.taken
    usable = inference_memory.usable_bytes(service, gpu)
    total = sum(parts.values())
    quality = inference_quality.quality_steps(service, form)
    outcomes: dict[str, Outcome] = {
        "memory": Fraction(total),
        "headroom": headroom(total, usable),
        "cost": Fraction(rented.cost, SCALES["cost"]),
        "quality": value("quality", quality),
        "power": Fraction(gpu.power_w * gpus),
        "host_memory": Fraction(inference_memory.host_bytes(service) * min(gpus, rented.per_host)),
    }
    budgets = _budgets(service, split, gpu, parts, own)
    for budget, ending in zip(budgets, (EXPECTED, ""), strict=True):
        held = _held(service, form, split, gpu, budget)
        outcomes |= {f"{name}{ending}": value(name, held[name]) for name in HELD}
    times, enough = _times(service, form, split, gpu, parts, replicas, rented, own)
    outcomes |= times
    engine = service.engine
    faults = service_faults(service.model, split, engine.one_host, unstaged(service), engine.expert_ranks)
    broken = [Broken(f"{workload.name}.{fault.quantity}", fault.needs, fault.has) for fault in faults]
    if total > usable:
        hints = _hints(service, form, split, gpu, parts, usable - own.taken)
        broken.append(Broken(f"{workload.name}.memory", Fraction(total), Fraction(usable), "bytes", hints))
    on_host, has_ram = outcomes["host_memory"], ram(rented.offer, min(gpus, rented.per_host))
    if on_host is not None and on_host > has_ram:
        broken.append(Broken(f"{workload.name}.host_memory", on_host, Fraction(has_ram), "bytes"))
    needs, left = inference_memory.outside(service, split, gpu)
    if needs > left:
        share = inference_memory.largest_share(service, split, gpu, needs - left)
        most = inference_memory.most_requests(service, split, gpu, needs - left)
        hints = (Hint("max_sequences", "<=", Fraction(most)),) if most >= service.concurrency else ()
        hints += (Hint("gpu_memory_utilization", "<=", share),) if share > 0 else ()
        rule = f"{workload.name}.gpu_memory_utilization"
        broken.append(Broken(rule, Fraction(needs), Fraction(left), "bytes", hints))
    at_once = inference_workload.runs_at_once(service, split, gpu)
    if at_once is not None:
        hints = (Hint("max_sequences", "=", Fraction(-(-service.concurrency // service.sharers(split)))),)
        limit = need("at_once", at_once)
        broken.append(Broken(f"{workload.name}.concurrency", limit, Fraction(service.concurrency), hints=hints))
    pages = inference_capacity.state_pages(service, form, split, gpu, budgets)
    most = inference_workload.profile_of(service, gpu).max_sequences
    if pages is not None and most > pages:
        hints = (Hint("max_sequences", "<=", Fraction(pages)),) if pages else ()
        rule = f"{workload.name}.max_sequences"
        broken.append(Broken(rule, Fraction(most), Fraction(pages), None, hints))
    batch = inference_workload.small_batch(service, gpu)
    if batch is not None:
        hints = (Hint("max_batched_tokens", ">=", Fraction(batch[1]), "tokens"),)
        broken.append(Broken(f"{workload.name}.max_batched_tokens", need("batch_of", batch[1]), batch[0], hints=hints))
    refused = inference_support.lacking(service, form, split, gpu) | inference_support.refusals(service, form, gpu)
    for name, reason in refused.items():
        has = gpu.id if reason.of_hardware else service.engine.id
        broken.append(Broken(f"{workload.name}.{name}", reason, has, hints=inference_support.mending(service, name)))
    if not divides(service.model, split.tensor):
        broken = [item for item in broken if item.rule != f"{workload.name}.tensor_parallel"]
        broken.append(Broken(f"{workload.name}.tensor_parallel", need("even_heads"), Fraction(split.tensor)))
    elif not any(item.rule == f"{workload.name}.tensor_parallel" for item in broken):
        uncut, mending = inference_support.cut_by(service, form, split)
        if uncut is not None:
            rule = f"{workload.name}.tensor_parallel"
            broken.append(Broken(rule, uncut, Fraction(split.tensor), hints=mending))
    if service.demand is not None and replicas < enough:
        sustained = None if enough >= 10**9 else service.demand * replicas / enough
        broken.append(Broken(f"{workload.name}.demand", sustained, service.demand, "req/s"))
    lossy = inference_quality.unmeasured(service, form)
    evaluation = inference_quality.evaluation(service, form.weights, form.kv_cache)
    thumb = (note("rule_of_thumb"),) if service.model.architecture is None else ()
    unsaid = values(of_service(service, problem.gpus), whole)
    broken += broken_bounds(workload, whole, outcomes)
    more, penalty = broken_rules(problem, workload, {**unsaid, **whole}, outcomes)
    return Candidate(
        workload=workload.name,
        kind="inference",
        choice=whole,
        gpu=gpu.id,
        gpus=gpus,
        offer=rented.offer.id,
        instances=rented.instances,
        cost=rented.cost,
        penalty=penalty,
        usable=usable,
        total=total,
        parts=parts,
        sizes=parts,
        peak_moment=None,
        outcomes=outcomes,
        broken=tuple(broken + more),
        notes=(
            *approximations(service.model),
            *_beyond_config(service),
            *unmeasured(workload, outcomes, lossy),
            *thumb,
            *hosts_note(rented, split.nodes),
            *_busy_note(outcomes),
            *((note("narrowed", gpu.id),) if inference_workload.narrowed(service, form, gpu) else ()),
            *anchors.notes(service, form, split, gpu),
            *anchors.of_no_model(problem),
            *inference_quality.notes(evaluation, service.measurements, service.model),
        ),
        defaults=unsaid,
        shareable=rented.slots > 0,
        rented=rented.instances * rented.offer.gpus,
        price_as_of=rented.offer.dated(rented.market),
        given=given_of(workload, unsaid),
        measurements=tuple(dict.fromkeys((*own.names, *(item.id for item in evaluation.used)))),
    )


def _beyond_config(service: InferenceWorkload) -> tuple[Note, ...]:
    """Return that an engine refuses to start with the plan's context, which is beyond the model's own."""
    longest, engine = service.model.max_context, service.engine
    if not (engine.refuses_longer and longest and service.context > longest):
        return ()
    return (note("beyond_config", engine.name.partition(" (")[0], service.context, service.model.id, longest),)


CROWDED = Fraction(4, 5)
"""The busy share above which waiting grows steeply: by half of the mean service from 0.8 to 0.87 of one server."""


def _busy_note(outcomes: Mapping[str, Outcome]) -> tuple[Note, ...]:
    """Return that a service is nearly busy at its demand."""
    load = outcomes.get(f"load{EXPECTED}")
    if load is None or load <= CROWDED:
        return ()
    return (note("busy", float(load) * 100),)


def _budgets(
    service: InferenceWorkload, split: Split, gpu: Gpu, parts: Mapping[str, int], served: Measured
) -> tuple[int, int]:
    """Return the bytes of the engine's cache, as expected and at least; where it was measured, as it was."""
    expected, safe = inference_capacity.budgets_of(service, split, gpu, parts)
    return int(expected * served.cache), max(0, safe - served.taken)


def _held(service: InferenceWorkload, form: NumberFormats, split: Split, gpu: Gpu, budget: int) -> dict[str, int]:
    """Return the capacities of an engine's cache of so many bytes."""
    if service.model.architecture is None:
        return dict.fromkeys(HELD, UNKNOWN)
    return inference_capacity.capacities(service, form, split, gpu, budget) if budget > 0 else dict.fromkeys(HELD, 0)


def _hints(
    service: InferenceWorkload, form: NumberFormats, split: Split, gpu: Gpu, parts: Mapping[str, int], usable: int
) -> tuple[Hint, ...]:
    """Return what would fit on the same hardware, margin included: a shorter context, fewer sequences, or states of
    fewer."""
    if service.model.architecture is None:
        return ()
    profile = inference_workload.profile_of(service, gpu)
    rest = {name: size for name, size in parts.items() if name not in ("kv_cache", "margin")}
    beside = (*(rest[name] for name in _BESIDE), inference_memory.fixed_bytes(service, split, gpu, profile))
    spare = inference_memory.margin_bytes(service, profile, rest["weights"], 0, *beside)
    left = usable - sum(rest.values()) - int(spare)
    million = 10**6
    budget = left * million // (million + inference.margin_ppm(profile, "kv_cache", service.confidence)) - 1
    if budget <= 0:
        return ()
    held = inference_capacity.capacities(service, form, split, gpu, budget)
    out = []
    batch = inference_capacity.largest_batch(service, form, split, gpu, budget)
    if batch is not None:
        out.append(Hint("max_sequences", "<=", Fraction(batch)))
    if held["max_context"] > 0:
        out.append(Hint("context", "<=", Fraction(held["max_context"]), "tokens"))
    if held["max_concurrency"] > 0 and "total_concurrency" not in service.workload.given:
        out.append(Hint("concurrency", "<=", Fraction(held["max_concurrency"])))
    return tuple(out)


_BESIDE = ("activations", "logits", "overhead")


def _times(
    service: InferenceWorkload,
    form: NumberFormats,
    split: Split,
    gpu: Gpu,
    parts: Mapping[str, int],
    replicas: int,
    rented: Renting,
    served: Measured,
) -> tuple[dict[str, Outcome], int]:
    """Return the roofline's outcomes and the replicas that sustain the demand."""
    empty: dict[str, Outcome] = dict.fromkeys(name + ending for name in sorted(SERVED) for ending in ("", EXPECTED))
    if service.model.architecture is None or not gpu.bandwidth or service.pooling:
        return empty, 0 if service.demand is None else 10**9
    load = Load(
        weights=parts["weights"],
        kv_cache=parts["kv_cache"],
        tensor=split.tensor,
        pipeline=split.pipeline,
        card=inference_speed.fields(service, form, gpu),
        link=inference_speed.link_of(gpu),
        host=inference_speed.host_of(gpu),
        nodes=split.nodes,
        network=rented.network,
        anchor=served.times if service.measurements else None,
    )
    if not inference_speed.known(load.card):
        return empty, 0 if service.demand is None else 10**9
    times = inference_speed.speeds(service, load)
    safe = inference_speed.safe_ends(service, times)
    numbers = {
        f"{name}{ending}": steps(name, inference_speed.outcome(service, name, replicas, ends, rented.cost))
        for name in sorted(SERVED)
        if name != "load" or service.demand is not None
        for ending, ends in ((EXPECTED, times), ("", safe))
    }
    enough = 0
    if service.demand is not None:
        sustained = steps("throughput", inference_speed.request_rate(service, safe))
        enough = -(-int(service.demand * SCALES["throughput"]) // sustained) if sustained > 0 else 10**9
    return empty | {name: value(name, number) for name, number in numbers.items()}, enough
