"""Candidates of a training workload: recipe, micro-batch, recomputation, splits and GPUs, joined to offers."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

from planner.catalog.catalog import Catalog
from planner.catalog.records import Gpu
from planner.language.problem import Measure, Problem, Value, Workload
from planner.physics import rule_of_thumb, time
from planner.physics import training as physics
from planner.solve.candidate import Broken, Candidate, Outcome
from planner.solve.inference import POWERS, exact, number, whole
from planner.solve.renting import Renting, offers_for, rentings
from planner.solve.rules import broken_bounds, broken_rules

CONTEXT = 504_658_657
"""CUDA context with lazy loading, 0.47 GiB: stas00/ml-engineering, training/performance, A100, torch 2.1.1."""
NCCL = 1_556_925_645
"""Communication buffers of more than one GPU, 1.45 GiB: the same page, torch.distributed on two GPUs."""
EFFICIENCY = 0.4
"""Share of the dense peak a step reaches: an estimate; llm-foundry publishes 0.41 to 0.55 MFU on A100 and H100."""
COMPUTES = {"fp32": "fp32", "fp8_mixed": "fp8_e4m3", "int8": "int8", "fp16_mixed": "fp16"}


def candidates(problem: Problem, workload: Workload, catalog: Catalog, fixed: bool = False) -> list[Candidate]:
    """Return every candidate, those that break a rule with what they break."""
    domains = workload.domains
    renting = offers_for(problem, workload)
    names = [str(value) for value in domains.get("gpu", tuple(problem.gpus))]
    gpus = [problem.gpus[name] for name in names if name in renting]
    markets = tuple(str(value) for value in domains.get("market", ("on_demand",)))
    lets = problem.lets

    def words(name: str, default: tuple[str, ...]) -> list[str]:
        return [str(value) for value in domains.get(name, default)]

    def counts(name: str, default: tuple[int, ...]) -> list[int]:
        return whole(domains[name]) if name in domains else list(default)

    allowed = set(counts("gpus", ())) if "gpus" in domains else None
    shards = tuple(sorted(allowed)) if allowed and fixed else POWERS
    batch = number(workload, "global_batch", 0)
    micro = tuple(size for size in (1, 2, 4, 8, 16, 32) if not batch or size <= batch)
    out: list[Candidate] = []
    for method, recipe, optimizer in product(
        words("method", ("full",)), words("precision", ("bf16_mixed",)), words("optimizer", ("adamw",))
    ):
        for dp, tp, pp in product(
            counts("data_parallel", shards),
            counts("tensor_parallel", (1,) if fixed else (1, 2, 4, 8)),
            counts("pipeline_parallel", (1,) if fixed else (1, 2, 4)),
        ):
            total = dp * tp * pp
            if allowed is not None and total not in allowed:
                continue
            places = [(gpu, item) for gpu in gpus for item in rentings(renting[gpu.id], markets, total, tp)]
            for checkpointing, zero, size in product(
                words("checkpointing", ("none",) if fixed else ("none", "selective", "full")),
                counts("zero", (0,) if fixed or dp == 1 else (0, 1, 2, 3)),
                counts("micro_batch", (1,) if fixed else micro),
            ):
                if batch and batch % (dp * size):
                    continue
                layers = workload.model.architecture.layers if workload.model.architecture else 0
                whole_model = layers if checkpointing == "full" else 0
                for again in counts("checkpointed_layers", (whole_model,)):
                    if again > layers or (checkpointing == "none" and again):
                        continue
                    choice: dict[str, Value] = {
                        "method": method,
                        "precision": recipe,
                        "optimizer": optimizer,
                        "checkpointing": checkpointing,
                    }
                    numbers = {
                        "data_parallel": dp,
                        "tensor_parallel": tp,
                        "pipeline_parallel": pp,
                        "gpus": total,
                        "zero": zero,
                        "micro_batch": size,
                        "checkpointed_layers": again,
                    }
                    choice |= {name: Fraction(value) for name, value in numbers.items()}
                    memory = _memory(workload, choice, numbers)
                    for gpu, rented in places:
                        out.append(_candidate(problem, workload, gpu, rented, choice, numbers, memory, lets))
    return out


def _memory(workload: Workload, choice: dict[str, Value], numbers: dict[str, int]) -> physics.TrainingMemory:
    model = workload.model
    given = workload.given
    if model.architecture is None:
        parts = rule_of_thumb.training(model.params, Fraction(2), str(choice["optimizer"]))
        share = numbers["tensor_parallel"] * numbers["pipeline_parallel"]
        parts = {name: -(-size // share) for name, size in parts.items()}
        return physics.TrainingMemory(parts, parts, "backward_end", {}, ("rule of thumb",))
    recipe = str(choice["precision"])
    kernel = str(given.get("attention", "sdpa"))
    targets = given.get("lora_targets", "all_linear")
    return physics.memory(
        model.architecture,
        model.params,
        micro_batch=numbers["micro_batch"],
        sequence=number(workload, "sequence", 1),
        recipe=recipe,
        attention=kernel,
        checkpointing=str(choice["checkpointing"]),
        checkpointed_layers=numbers["checkpointed_layers"] if choice["checkpointing"] == "full" else None,
        optimizer=str(choice["optimizer"]),
        kernel=str(given.get("optimizer_kernel", "foreach")),
        method=str(choice["method"]),
        rank=number(workload, "lora_rank", 16),
        targets=str(targets),
        dropout=bool(given.get("lora_dropout", Fraction(0))),
        zero=numbers["zero"],
        dp=numbers["data_parallel"],
        tp=numbers["tensor_parallel"],
        pp=numbers["pipeline_parallel"],
        framework=str(given.get("framework", "transformers")),
        overhead=CONTEXT + (NCCL if numbers["gpus"] > 1 else 0),
    )


def _candidate(
    problem: Problem,
    workload: Workload,
    gpu: Gpu,
    rented: Renting,
    shared: dict[str, Value],
    numbers: dict[str, int],
    memory: physics.TrainingMemory,
    lets: dict[str, Measure],
) -> Candidate:
    offer = rented.offer
    choice = {
        **shared,
        "gpu": gpu.id,
        "offer": offer.id,
        "provider": offer.provider,
        "region": offer.region,
        "market": rented.market,
    }
    total, usable = memory.total, gpu.memory
    outcomes: dict[str, Outcome] = {
        "memory": Fraction(total),
        "headroom": Fraction(usable - total, usable),
        "cost": Fraction(rented.cost, 1_000_000),
        "quality": Fraction(1) if shared["method"] == "full" else None,
        "power": Fraction(gpu.power_w * numbers["gpus"]),
    }
    outcomes |= _times(workload, gpu, str(shared["precision"]), str(shared["checkpointing"]), numbers, rented.cost)
    broken: list[Broken] = []
    if total > usable:
        broken.append(Broken(f"{workload.name}.memory", Fraction(total), Fraction(usable)))
    if shared["precision"] in ("bf16", "bf16_mixed") and not gpu.flops.get("bf16"):
        broken.append(Broken(f"{workload.name}.precision", "hardware for bf16", gpu.id))
    broken += broken_bounds(workload, choice, outcomes)
    more, penalty = broken_rules(problem, workload, choice, outcomes, lets)
    return Candidate(
        workload.name,
        "training",
        choice,
        gpu.id,
        numbers["gpus"],
        offer.id,
        rented.instances,
        rented.cost,
        penalty,
        usable,
        total,
        memory.parts,
        memory.sizes,
        memory.peak_moment,
        outcomes,
        tuple(broken + more),
        memory.approximate,
    )


def _times(
    workload: Workload, gpu: Gpu, recipe: str, checkpointing: str, numbers: dict[str, int], cost: int
) -> dict[str, Outcome]:
    model = workload.model
    peak = gpu.flops.get(COMPUTES.get(recipe, "bf16")) or gpu.flops.get("bf16") or gpu.flops.get("fp16") or 0
    empty: dict[str, Outcome] = dict.fromkeys(("step_time", "throughput", "mfu", "duration", "total_cost"))
    if not peak or model.architecture is None:
        return empty
    sequence = number(workload, "sequence", 1)
    sequences = number(workload, "global_batch", numbers["micro_batch"] * numbers["data_parallel"])
    tokens = sequences * sequence
    layers = model.architecture.layers
    again = numbers["checkpointed_layers"] / layers if checkpointing == "full" else 0.0
    talk = 0.0
    if numbers["tensor_parallel"] > 1:
        link = gpu.link_bandwidth or 16 * 10**9
        share = tokens // numbers["data_parallel"]
        talk = 3 * time.allreduce(model.architecture.hidden, layers, share, numbers["tensor_parallel"], link)
    step = time.training_step(
        model.active_params,
        tokens,
        sequence,
        model.architecture,
        peak,
        recomputed=again,
        efficiency=EFFICIENCY,
        gpus=numbers["gpus"],
        communication=talk,
    )
    rate = tokens / step
    useful = (
        EFFICIENCY
        * time.training_step(
            model.active_params,
            tokens,
            sequence,
            model.architecture,
            peak,
            efficiency=EFFICIENCY,
            gpus=numbers["gpus"],
        )
        / step
    )
    out = empty | {"step_time": exact(step), "throughput": exact(rate), "mfu": exact(useful)}
    goal = number(workload, "tokens", 0)
    if goal:
        duration = exact(goal / rate)
        out |= {"duration": duration, "total_cost": duration / 3600 * cost / 1_000_000}
    return out
