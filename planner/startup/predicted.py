"""What a locked answer says an engine will report when it starts: each part as expected, and at its safe end.

Weights, cache and capacities are the lock's own figures; what the lock holds together in `overhead` is put apart by the
same formulas that made it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

from planner.catalog.catalog import Catalog
from planner.language.copies import block_of
from planner.language.problem import Problem, Value
from planner.lock.read import Lock
from planner.lock.recompute import value
from planner.physics import inference
from planner.record import dataclass
from planner.solve.inference import capacity
from planner.solve.inference import memory as inference_memory
from planner.solve.inference import workload as inference_workload
from planner.solve.parallelism import SPLIT, Split


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is expected of a figure, and its safe end: the most that it may be, or the least where `least`.

    A `decisive` one makes the answer false where it does not hold; the others are parts of a sum that has its own
    bound. None where the lock says nothing of it.
    """

    expected: Fraction | None
    safe: Fraction | None
    least: bool = False
    decisive: bool = False


@dataclass(frozen=True, slots=True)
class Predicted:
    """A locked workload as its engine would report it, on the fullest GPU; `bounds` by what `reported.PARTS` names,
    with `kv_tokens` and `max_concurrency`. `block` are the tokens of a block of the cache, `sharers` the ranks that
    have sequences of their own, `choice` and `given` are the lock's.
    """

    workload: str
    kind: str
    choice: Mapping[str, Value]
    given: Mapping[str, Value]
    bounds: Mapping[str, Forecast]
    block: int = 1
    sharers: int = 1
    needs: int = 0
    """Bytes of the cache that `context` and `concurrency` need."""


PART = ("concurrency", "max_sequences", "output")
"""What is given of a part of a mix that its block need not say."""


def predicted(problem: Problem, catalog: Catalog, lock: Lock, name: str) -> Predicted:
    """Return what a workload of a lock is expected to report. The lock is of this plan and its catalog has its rows."""
    row = lock.workloads[name]
    workload = next(item for item in problem.workloads if item.name == block_of(name))
    choice = {key: value(written) for key, written in row["choice"].items()}
    given = {key: value(written) for key, written in row.get("given", {}).items()}
    memory = row["memory"]
    parts = {key: int(size) for key, size in memory["parts"].items()}
    gpu = problem.gpus[str(choice["gpu"])]
    whole = Forecast(Fraction(memory["total"] - parts.get("margin", 0)), Fraction(memory["usable"]), decisive=True)
    card = Forecast(Fraction(gpu.memory), Fraction(gpu.memory), least=True)
    if workload.kind != "inference":
        return Predicted(name, workload.kind, choice, given, {"total": whole, "card": card})
    stated = {key: word for key, word in given.items() if key in workload.given}
    if "total_concurrency" in workload.given:  # a lock states what each replica holds
        stated["concurrency"] = given.get("concurrency", Fraction(1))
    if workload.traffic:  # what a part of a mix runs at is the lock's alone
        stated |= {key: given[key] for key in PART if key in given}
    workload = replace(workload, given={**workload.given, **stated})
    service = inference_workload.service(problem, workload, catalog)
    split = Split(*(_count(choice, key) for key in SPLIT))
    if service.model.architecture is None:
        weights = Forecast(Fraction(parts["weights"]), None)
        return Predicted(name, "inference", choice, given, {"weights": weights, "total": whole, "card": card})
    profile, arch = inference_workload.profile_of(service, gpu), service.model.architecture

    def most(part: str, size: int, decisive: bool = False, margin: str = "") -> Forecast:
        spread = inference.margin_ppm(profile, margin or part, service.confidence) * size
        return Forecast(Fraction(size), Fraction(size) + Fraction(spread, 10**6), decisive=decisive)

    peak = parts["activations"] + parts["logits"]
    captured = inference.captured_graphs(arch, profile, service.parallelism(split), service.extras)
    bounds = {"weights": most("weights", parts["weights"], True), "activations": most("activations", peak)}
    outcomes = row["outcomes"]
    if profile.budget == "grown":
        bounds["kv_cache"] = most("kv_cache", parts["kv_cache"], True)
        held = _number(given, "concurrency") * _number(given, "context")
        bounds["kv_tokens"] = Forecast(held, held, True, True)
        bounds |= {"total": whole, "card": card}
        return Predicted(
            workload=name,
            kind="inference",
            choice=choice,
            given=given,
            bounds=bounds,
            block=profile.block,
            sharers=1,
            needs=parts["kv_cache"],
        )
    expected, safe = capacity.budgets_of(service, split, gpu, parts)
    bounds["kv_cache"] = Forecast(Fraction(expected), Fraction(safe), True)
    spread = inference.graph_spread(profile, captured, service.confidence)
    bounds["graphs"] = Forecast(Fraction(captured), Fraction(captured + spread))
    if profile.budget == "utilization":
        beside = captured if profile.graphs_in_budget else 0
        bounds["non_torch"] = most("overhead", parts["overhead"] - beside)
        if profile.graphs_in_budget:
            bounds["graph_estimate"] = most("overhead", captured)
        outside, _ = inference_memory.outside(service, split, gpu)
        usable = inference.usable(gpu, profile)
        context = profile.context + (profile.communicators if split.gpus > 1 else 0)
        taken = usable + context + (0 if profile.graphs_in_budget else captured)
        bounds["total"] = Forecast(Fraction(taken), Fraction(min(gpu.memory, usable + outside)), decisive=True)
    else:
        fixed = inference.fixed(profile, gpu, split.tensor, split.pipeline)
        bounds["before"] = most("before", fixed, margin="fixed")
        bounds["total"] = Forecast(None, Fraction(gpu.memory), decisive=True)
    middle, end = (
        None if written is None else Fraction(str(written))
        for written in (outcomes.get("kv_tokens"), outcomes.get("kv_tokens_safe", outcomes.get("kv_tokens")))
    )
    bounds["kv_tokens"] = Forecast(middle, end, least=True, decisive=True)
    form = inference_workload.formats_of(choice)
    middle, end = (
        None if many is None else Fraction(many)
        for many in (capacity.sequences_in_cache(service, form, split, gpu, max(0, room)) for room in (expected, safe))
    )
    bounds["max_concurrency"] = Forecast(middle, end, least=True, decisive=True)
    bounds["card"] = card
    sharers = service.sharers(split)
    return Predicted(
        workload=name,
        kind="inference",
        choice=choice,
        given=given,
        bounds=bounds,
        block=profile.block,
        sharers=sharers,
        needs=parts["kv_cache"],
    )


def _count(choice: Mapping[str, Value], name: str) -> int:
    number = choice.get(name)
    return int(number) if isinstance(number, Fraction) else 1


def _number(given: Mapping[str, Value], name: str) -> Fraction:
    number = given.get(name)
    return number if isinstance(number, Fraction) else Fraction(0)
