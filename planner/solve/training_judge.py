"""One choice of a training workload judged in plain Python; no numpy and no solver."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

from planner.catalog.catalog import Catalog
from planner.language.problem import Problem, Value, Workload
from planner.physics import training_time
from planner.solve import tuning
from planner.solve.candidate import Broken, Candidate, Outcome
from planner.solve.defaults import of_run, values
from planner.solve.hosting import host_memory, ram
from planner.solve.judge import count, hardware, headroom, placed
from planner.solve.renting import TIMES, hosts_note
from planner.solve.rules import broken_bounds, broken_rules
from planner.solve.scale import SCALES, steps, value
from planner.solve.structure import Layout, batch_faults, checkpointing_faults, training_faults
from planner.solve.tuning import Pace, Recipe, Run


def judge(
    problem: Problem, workload: Workload, choice: Mapping[str, Value], catalog: Catalog, run: Run | None = None
) -> Candidate:
    """Return a choice of a training workload as a candidate, with every rule it breaks; `run` is its workload ready."""
    this = tuning.run_of(problem, workload) if run is None else replace(run, workload=workload)
    recipe = Recipe(*(str(choice[name]) for name in ("method", "precision", "optimizer")))
    layout = Layout(
        count(choice, "data_parallel"),
        count(choice, "tensor_parallel"),
        count(choice, "pipeline_parallel"),
        count(choice, "context_parallel"),
        count(choice, "expert_parallel"),
        count(choice, "zero", 0),
        str(choice.get("offload", "none")),
        count(choice, "shard_replicas"),
    )
    size, mode, again = (
        count(choice, "micro_batch"),
        str(choice["checkpointing"]),
        count(choice, "checkpointed_layers", 0),
    )
    gpu, rented = hardware(problem, choice, layout.gpus, layout.tensor)
    whole = placed(choice, rented.offer, layout.gpus)
    memory = tuning.memory(this, gpu, recipe, layout, size, mode, again)
    total, usable = memory.total, gpu.memory
    outcomes: dict[str, Outcome] = {
        "memory": Fraction(total),
        "headroom": headroom(total, usable),
        "cost": Fraction(rented.cost, SCALES["cost"]),
        "quality": tuning.quality(recipe),
        "power": Fraction(gpu.power_w * layout.gpus),
        "host_memory": Fraction(host_memory(this, recipe, layout, rented.per_host)),
    }
    refused = tuning.refusal(this, gpu, recipe.method, recipe.precision)
    peak = tuning.computes(gpu, recipe.precision) if refused is None else 0
    outcomes |= dict.fromkeys(TIMES)
    if this.model.architecture is not None and peak:
        part = again / this.model.architecture.layers
        pace = Pace(
            tuning.work(this, recipe, layout, size, mode),
            training_time.card(gpu, peak, rented.per_host, rented.network),
            *tuning.recomputed(this, mode, part),
        )
        numbers = tuning.outcome_numbers(this, pace, rented.cost)
        outcomes |= {name: value(name, steps(name, number)) for name, number in numbers.items()}
    faults = [
        *training_faults(this.model, this.framework, layout),
        *batch_faults(this.global_batch, layout, size),
        *checkpointing_faults(this.model, mode, again),
    ]
    broken = [Broken(f"{workload.name}.{fault.quantity}", fault.needs, fault.has) for fault in faults]
    if total > usable:
        broken.append(Broken(f"{workload.name}.memory", Fraction(total), Fraction(usable), "bytes"))
    on_host = host_memory(this, recipe, layout, rented.per_host)
    has_ram = ram(rented.offer, min(layout.gpus, rented.per_host))
    if on_host > has_ram:
        broken.append(Broken(f"{workload.name}.host_memory", Fraction(on_host), Fraction(has_ram), "bytes"))
    if this.model.architecture is not None and refused is not None:
        quantity, needs, has = refused
        broken.append(Broken(f"{workload.name}.{quantity}", needs, has))
    unsaid = values(of_run(this), whole)
    broken += broken_bounds(workload, whole, outcomes)
    more, penalty = broken_rules(problem, workload, {**unsaid, **whole}, outcomes)
    return Candidate(
        workload.name,
        "training",
        whole,
        gpu.id,
        layout.gpus,
        rented.offer.id,
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
        (*memory.approximate, *hosts_note(rented, -(-layout.gpus // rented.per_host))),
        memory.moments,
        unsaid,
        rented.slots > 0,
        rented.instances * rented.offer.gpus,
        price_as_of=rented.offer.as_of,
    )
