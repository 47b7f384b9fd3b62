"""One choice of a training workload judged in plain Python; no numpy and no solver."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

from planner.catalog.catalog import Catalog
from planner.language.problem import Problem, Value, Workload
from planner.language.quantities.outcomes import TRAINED_TIMES
from planner.physics import training_time
from planner.solve.candidate import Broken, Candidate, Outcome, aimed
from planner.solve.columns.steps import SCALES, steps, value
from planner.solve.defaults import given_of, values
from planner.solve.judging import approximations, count, hardware, headroom, placed, unmeasured
from planner.solve.needs import Note, note
from planner.solve.parallelism import Layout
from planner.solve.rent.ram import ram
from planner.solve.rent.rental import Renting, hosts_note
from planner.solve.rules import broken_bounds, broken_rules
from planner.solve.training import recipe_support as training_support
from planner.solve.training import step as training_step
from planner.solve.training import workload as training_workload
from planner.solve.training.defaults import of_run
from planner.solve.training.framework_rules import adapter_faults, batch_faults, checkpointing_faults, training_faults
from planner.solve.training.hosts import host_memory
from planner.solve.training.step import Pace
from planner.solve.training.workload import TrainingWorkload, fsdp_version, selective, virtual_stages


def _spot_note(run: TrainingWorkload, rented: Renting) -> tuple[Note, ...]:
    """Return how interruptions count in the time of a run on spot."""
    if rented.market != "spot" or not run.tokens or run.model.architecture is None:
        return ()
    if "interruptions" not in run.workload.given:
        return (note("spot_unsaid"),)
    return (note("spot", (1 - run.uninterrupted) * 100),)


def judge(
    problem: Problem,
    workload: Workload,
    choice: Mapping[str, Value],
    catalog: Catalog,
    run: TrainingWorkload | None = None,
) -> Candidate:
    """Return a choice of a training workload as a candidate, with every rule it breaks; `run` is its workload ready."""
    run = training_workload.run_of(problem, workload) if run is None else replace(run, workload=workload)
    recipe = training_workload.recipe_of(choice)
    layout = Layout(
        data=count(choice, "data_parallel"),
        tensor=count(choice, "tensor_parallel"),
        pipeline=count(choice, "pipeline_parallel"),
        context=count(choice, "context_parallel"),
        expert=count(choice, "expert_parallel"),
        zero=count(choice, "zero", 0),
        offload=str(choice.get("offload", "none")),
        replicas=count(choice, "shard_replicas"),
    )
    size, mode, again = (
        count(choice, "micro_batch"),
        str(choice["checkpointing"]),
        count(choice, "checkpointed_layers", 0),
    )
    gpu, rented = hardware(problem, choice, layout.gpus, layout.tensor)
    whole = placed(choice, rented.offer, layout.gpus)
    memory = training_workload.memory(run, gpu, recipe, layout, size, mode, again)
    total, usable = memory.total, gpu.memory
    on_host = host_memory(run, recipe, layout, rented.per_host, size, mode, again)
    outcomes: dict[str, Outcome] = {
        "memory": Fraction(total),
        "headroom": headroom(total, usable),
        "cost": Fraction(rented.cost, SCALES["cost"]),
        "quality": training_workload.quality(recipe),
        "power": Fraction(gpu.power_w * layout.gpus),
        "host_memory": Fraction(on_host),
    }
    refused = training_support.refusal(run, gpu, recipe.method, recipe.precision)
    peak = training_support.computes(run, gpu, recipe.precision) if refused is None else 0
    outcomes |= dict.fromkeys(name for own in TRAINED_TIMES for name in (own, aimed(own)))
    if run.model.architecture is not None and peak:
        part = again / run.model.architecture.layers
        pace = Pace(
            training_step.work(run, recipe, layout, size, mode),
            training_time.card(gpu, peak, rented.per_host, rented.network),
            *training_step.recomputed(run, mode, part),
        )
        numbers = training_step.outcome_numbers(run, pace, rented.cost)
        outcomes |= {name: value(name, steps(name, number)) for name, number in numbers.items()}
    faults = [
        *training_faults(run.model, run.framework, layout, fsdp_version(run), virtual_stages(run)),
        *adapter_faults(run.framework, (recipe.method,), layout, run.workload.given["use_dora"] is True),
        *batch_faults(run.global_batch, layout, size, training_workload.adds_up(run, layout)),
        *checkpointing_faults(run.model, mode, again, run.framework, selective(run)),
    ]
    broken = [Broken(f"{workload.name}.{fault.quantity}", fault.needs, fault.has) for fault in faults]
    if total > usable:
        broken.append(Broken(f"{workload.name}.memory", Fraction(total), Fraction(usable), "bytes"))
    has_ram = ram(rented.offer, min(layout.gpus, rented.per_host))
    if on_host > has_ram:
        broken.append(Broken(f"{workload.name}.host_memory", Fraction(on_host), Fraction(has_ram), "bytes"))
    if run.model.architecture is not None and refused is not None:
        quantity, needs, has = refused
        needs = training_support.with_checkpoint(needs, run.model, catalog)
        broken.append(Broken(f"{workload.name}.{quantity}", needs, has))
    arithmetic = (("method", recipe.method, recipe.precision),)
    unsaid = values(of_run(run), whole)
    broken += broken_bounds(workload, whole, outcomes)
    more, penalty = broken_rules(problem, workload, {**unsaid, **whole}, outcomes)
    return Candidate(
        workload=workload.name,
        kind="training",
        choice=whole,
        gpu=gpu.id,
        gpus=layout.gpus,
        offer=rented.offer.id,
        instances=rented.instances,
        cost=rented.cost,
        penalty=penalty,
        usable=usable,
        total=total,
        parts=memory.parts,
        sizes=memory.sizes,
        peak_moment=memory.peak_moment,
        outcomes=outcomes,
        broken=tuple(broken + more),
        notes=(
            *approximations(run.model),
            *unmeasured(workload, outcomes, arithmetic),
            *(note(*reason) for reason in memory.approximate),
            *hosts_note(rented, -(-layout.gpus // rented.per_host)),
            *_spot_note(run, rented),
        ),
        moments=memory.moments,
        defaults=unsaid,
        shareable=rented.slots > 0,
        rented=rented.instances * rented.offer.gpus,
        price_as_of=rented.offer.dated(rented.market),
        given=given_of(workload, unsaid),
    )
