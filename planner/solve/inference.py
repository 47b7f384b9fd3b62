"""Candidates of an inference workload: formats, splits and GPUs, joined to offers, judged by every rule."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import product

from planner.catalog.catalog import Catalog
from planner.catalog.records import Engine, Format, Gpu
from planner.language.problem import Measure, Problem, Value, Workload
from planner.physics import inference, quality, rule_of_thumb, time
from planner.solve.candidate import Broken, Candidate, Outcome
from planner.solve.renting import Renting, offers_for, rentings
from planner.solve.rules import broken_bounds, broken_rules

POWERS = (1, 2, 4, 8)
Capacities = dict[tuple[int, str, int, int], dict[str, Outcome]]


def exact(seconds: float) -> Fraction:
    """Return a model time as a fraction of whole nanoseconds."""
    return Fraction(round(seconds * 1e9), 10**9)


def whole(values: tuple[Value, ...]) -> list[int]:
    """Return counts as integers."""
    return [int(value) for value in values if isinstance(value, Fraction)]


def number(workload: Workload, name: str, default: int) -> int:
    """Return a given count, or its default."""
    value = workload.given.get(name)
    return int(value) if isinstance(value, Fraction) else default


def sixteen_bit(native: str) -> str:
    """Return a model's 16-bit format."""
    return native if native in ("bf16", "fp16") else "bf16"


def splits(workload: Workload, fixed: bool) -> Iterator[tuple[int, int, int]]:
    """Yield (replicas, tensor, pipeline) whose product is an allowed number of GPUs."""
    domains = workload.domains
    allowed = set(whole(domains["gpus"])) if "gpus" in domains else None
    replicas = whole(domains.get("replicas", (Fraction(1),)))
    default = set(POWERS)
    if fixed and allowed:
        default = {max(1, most // copies) for most in allowed for copies in replicas}
    tensors = whole(domains["tensor_parallel"]) if "tensor_parallel" in domains else sorted(default)
    pipelines = whole(domains["pipeline_parallel"]) if "pipeline_parallel" in domains else sorted(POWERS)
    if fixed and "pipeline_parallel" not in domains:
        pipelines = [1]
    for copies, tp, pp in product(replicas, tensors, pipelines):
        if allowed is None or copies * tp * pp in allowed:
            yield copies, tp, pp


def peak_flops(gpu: Gpu, weights: Format, activations: Format) -> int:
    """Return the dense peak at what is computed in: the activations' format where the hardware has it."""
    for wanted in (activations.computes_as, weights.computes_as, "bf16", "fp16", "fp32"):
        if gpu.flops.get(wanted):
            return gpu.flops[wanted]
    return 0


def runs_on(gpu: Gpu, formats: tuple[Format, ...]) -> bool:
    """Return whether the GPU can run every format at all."""
    return all(not row.needs or any(need in gpu.native_formats for need in row.needs) for row in formats)


def candidates(problem: Problem, workload: Workload, catalog: Catalog, fixed: bool = False) -> list[Candidate]:
    """Return every candidate, those that break a rule with what they break."""
    model, domains = workload.model, workload.domains
    engine = catalog.engines[str(workload.given.get("engine", "vllm"))]
    sixteen = sixteen_bit(model.native_format)
    weights = [str(value) for value in domains.get("weights", (model.native_format,))]
    caches = [str(value) for value in domains.get("kv_cache", (sixteen,))]
    computed = [str(value) for value in domains.get("activations", (sixteen,))]
    quantizations = [str(value) for value in domains.get("quantization", ("ptq",))]
    markets = tuple(str(value) for value in domains.get("market", ("on_demand",)))
    gpu_ids = [str(value) for value in domains.get("gpu", tuple(problem.gpus))]
    renting = offers_for(problem, workload)
    gpus = [problem.gpus[name] for name in gpu_ids if name in renting]
    rows = tuple(catalog.quality.values())
    lets = problem.lets
    out: list[Candidate] = []
    capacities: Capacities = {}
    for w, kv, act, how in product(weights, caches, computed, quantizations):
        formats = (problem.formats[w], problem.formats[kv], problem.formats[act])
        if any(row.engines and engine.id not in row.engines for row in formats[:1]):
            continue
        measured, _ = quality.recovery(rows, w, "weights", model.id, how, model.native_format)
        cached, _ = quality.recovery(rows, kv, "kv_cache", model.id, None, sixteen)
        recovered = quality.combined(measured, cached)
        for copies, tp, pp in splits(workload, fixed):
            parts = _parts(workload, formats, engine, tp, pp)
            choice: dict[str, Value] = {
                "replicas": Fraction(copies),
                "tensor_parallel": Fraction(tp),
                "pipeline_parallel": Fraction(pp),
                "weights": w,
                "kv_cache": kv,
                "activations": act,
                "quantization": how,
                "gpus": Fraction(copies * tp * pp),
            }
            for gpu in gpus:
                for rented in rentings(renting[gpu.id], markets, copies * tp * pp, tp):
                    out.append(
                        _candidate(
                            problem, workload, engine, gpu, rented, choice, parts, recovered, formats, lets, capacities
                        )
                    )
    return out


def _parts(workload: Workload, formats: tuple[Format, ...], engine: Engine, tp: int, pp: int) -> dict[str, int]:
    model = workload.model
    if model.architecture is None:
        thumb = rule_of_thumb.inference(model.params, formats[0].bits / 8)
        return {name: -(-size // (tp * pp)) for name, size in thumb.items()}
    return inference.memory(
        model.architecture,
        model.params,
        formats[0],
        formats[1].bits,
        engine,
        context=number(workload, "context", 1),
        concurrency=number(workload, "concurrency", 1),
        tp=tp,
        pp=pp,
        max_batched_tokens=number(workload, "max_batched_tokens", engine.max_batched_tokens),
        max_sequences=number(workload, "max_sequences", engine.max_sequences),
    ).parts


def usable_memory(gpu: Gpu, workload: Workload, engine: Engine) -> int:
    """Return the bytes a workload may use: what a framework sees, times the engine's share of it."""
    share = workload.given.get("gpu_memory_utilization", engine.gpu_memory_utilization)
    if not isinstance(share, Fraction) or workload.model.architecture is None:
        share = Fraction(1)
    return int(gpu.memory * share)


def _candidate(
    problem: Problem,
    workload: Workload,
    engine: Engine,
    gpu: Gpu,
    rented: Renting,
    shared: dict[str, Value],
    parts: dict[str, int],
    recovered: Fraction | None,
    formats: tuple[Format, ...],
    lets: dict[str, Measure],
    capacities: Capacities,
) -> Candidate:
    usable = usable_memory(gpu, workload, engine)
    total = sum(parts.values())
    offer = rented.offer
    choice = {
        **shared,
        "gpu": gpu.id,
        "offer": offer.id,
        "provider": offer.provider,
        "region": offer.region,
        "market": rented.market,
    }
    outcomes: dict[str, Outcome] = {
        "memory": Fraction(total),
        "headroom": Fraction(usable - total, usable) if usable else None,
        "cost": Fraction(rented.cost, 1_000_000),
        "quality": recovered,
    }
    gpus = int(str(shared["gpus"]))
    outcomes["power"] = Fraction(gpu.power_w * gpus)
    outcomes |= _service(workload, engine, gpu, parts, usable, formats, shared, rented.cost, capacities)
    broken: list[Broken] = []
    if total > usable:
        broken.append(Broken(f"{workload.name}.memory", Fraction(total), Fraction(usable)))
    if not runs_on(gpu, formats):
        broken.append(Broken(f"{workload.name}.weights", f"hardware for {formats[0].id}", gpu.id))
    broken += broken_bounds(workload, choice, outcomes)
    more, penalty = broken_rules(problem, workload, choice, outcomes, lets)
    return Candidate(
        workload.name,
        "inference",
        choice,
        gpu.id,
        gpus,
        offer.id,
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
    )


def _service(
    workload: Workload,
    engine: Engine,
    gpu: Gpu,
    parts: dict[str, int],
    usable: int,
    formats: tuple[Format, ...],
    choice: dict[str, Value],
    cost: int,
    capacities: Capacities,
) -> dict[str, Outcome]:
    """Return the outcomes beside memory: what the cache holds and the roofline's times."""
    model = workload.model
    arch = model.architecture
    empty = ("kv_tokens", "max_concurrency", "max_context", "tpot", "ttft", "throughput", "cost_per_token")
    if arch is None:
        return dict.fromkeys(empty)
    tp, pp, copies = (int(str(choice[key])) for key in ("tensor_parallel", "pipeline_parallel", "replicas"))
    context, concurrency = number(workload, "context", 1), number(workload, "concurrency", 1)
    bits = formats[1].bits
    budget = usable - sum(size for name, size in parts.items() if name != "kv_cache")
    block = engine.block_tokens
    key = (budget, formats[1].id, tp, pp)
    if key not in capacities:
        capacities[key] = _capacity(workload, budget, bits, tp, pp, block)
    out = capacities[key]
    peak = peak_flops(gpu, formats[0], formats[2])
    if not peak or not gpu.bandwidth:
        return dict.fromkeys(empty) | out
    reads, computes = float(engine.bandwidth_efficiency), float(engine.flops_efficiency)
    flops = 2 * model.active_params * concurrency / (tp * pp)
    tpot = pp * time.decode(
        parts["weights"],
        parts["kv_cache"],
        flops,
        gpu.bandwidth,
        peak,
        bandwidth_efficiency=reads,
        flops_efficiency=computes,
        communication=_talk(arch.hidden, arch.layers, concurrency, tp, gpu),
    )
    output = number(workload, "output", 0)
    prompt = number(workload, "prompt", max(1, context - output))
    ttft = time.prefill(
        model.active_params,
        prompt,
        arch,
        parts["weights"],
        gpu.bandwidth,
        peak,
        gpus=tp,
        bandwidth_efficiency=reads,
        flops_efficiency=computes,
        communication=_talk(arch.hidden, arch.layers, prompt, tp, gpu),
    )
    rate = exact(copies * pp * time.throughput(concurrency, tpot)) if tpot else Fraction(0)
    return out | {
        "tpot": exact(tpot),
        "ttft": exact(ttft),
        "throughput": rate,
        "cost_per_token": Fraction(cost, 1_000_000 * 3600) / rate if rate else None,
    }


def _capacity(workload: Workload, budget: int, bits: Fraction, tp: int, pp: int, block: int) -> dict[str, Outcome]:
    """Return what the cache holds in a budget of bytes."""
    model = workload.model
    arch = model.architecture
    assert arch is not None
    context, concurrency = number(workload, "context", 1), number(workload, "concurrency", 1)
    most = inference.max_concurrency(budget, arch, bits, tp, pp, context, block)
    longest = inference.max_context(budget, arch, bits, tp, pp, concurrency, block, model.max_context or 1 << 20)
    return {
        "kv_tokens": Fraction(max(0, inference.kv_tokens(budget, arch, bits, tp, pp, block))),
        "max_concurrency": None if most is None else Fraction(most),
        "max_context": Fraction(longest),
    }


def _talk(hidden: int, layers: int, tokens: int, tp: int, gpu: Gpu) -> float:
    link = gpu.link_bandwidth or 16 * 10**9
    return time.allreduce(hidden, layers, tokens, tp, link) if tp > 1 else 0.0
