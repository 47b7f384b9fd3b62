"""Brute force: every choice of a small plan judged one by one, without the tables and the solver."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from fractions import Fraction

from planner.catalog.catalog import Catalog
from planner.language.problem import Problem, Value, Workload
from planner.solve import stated
from planner.solve.candidate import Candidate
from planner.solve.judging import Unknown
from planner.solve.kinds import judge
from planner.solve.objective import PACE, RENTED, goal_value, ties
from planner.solve.parallelism import divides
from planner.solve.rent.sharing import allocate_costs, broken_together, instances
from planner.solve.rules import holds_together, speaks_of
from planner.solve.training import space as training_space


def numbers(workload: Workload, name: str, default: list[int]) -> list[int]:
    return stated.counts(workload, name) or default


def inference_choices(workload: Workload) -> Iterator[dict[str, Value]]:
    formats = [sorted(map(str, workload.domains.get(name, ("bf16",)))) for name in ("weights", "kv_cache")]
    splits = itertools.product(
        numbers(workload, "replicas", [1]),
        [tp for tp in range(1, 9) if divides(workload.model, tp)],
        range(1, 9),
    )
    for (copies, tp, pp), weights, cache in itertools.product(splits, formats[0], formats[1]):
        if copies * tp * pp in numbers(workload, "gpus", []):
            yield {
                "replicas": Fraction(copies),
                "tensor_parallel": Fraction(tp),
                "pipeline_parallel": Fraction(pp),
                "expert_parallel": Fraction(1),
                "nodes": Fraction(1),
                "weights": weights,
                "kv_cache": cache,
                "activations": "bf16",
                "quantization": "ptq",
            }


def training_choices(workload: Workload) -> Iterator[dict[str, Value]]:
    layers = workload.model.architecture.layers  # type: ignore[union-attr]
    batch = stated.number(workload, "global_batch", 0)
    again = [("none", 0), ("selective", layers), *(("full", count) for count in range(1, layers + 1))]
    trainer = workload.given["framework"] == "transformers"
    if trainer:  # all layers or none, and nothing of a layer
        again = [("none", 0), ("full", layers)]
    defaults = (("method", "full"), ("precision", "bf16"), ("optimizer", "adamw"), ("offload", "none"))
    words = [sorted(map(str, workload.domains.get(name, (default,)))) for name, default in defaults]
    for total in numbers(workload, "gpus", []):
        for tp, pp in itertools.product(
            *(((1,), (1,)) if trainer else (training_space.TENSORS, training_space.PIPELINES))
        ):
            if total % (tp * pp) or pp > layers:
                continue
            dp = total // (tp * pp)
            for zero, size, (mode, count), method, precision, optimizer, offload in itertools.product(
                range(4) if dp > 1 else [0],
                numbers(workload, "micro_batch", list(training_space.MICRO_BATCHES)),
                again,
                *words,
            ):
                if batch and batch % (dp * size):
                    continue
                if trainer and dp > 1 and (zero == 1 or tp > 1):  # FSDP1 has no tensor parallelism beside it
                    continue
                if workload.given.get("framework") == "deepspeed" and pp > 1 and zero > 1:
                    continue
                yield {
                    "method": method,
                    "precision": precision,
                    "optimizer": optimizer,
                    "micro_batch": Fraction(size),
                    "checkpointing": mode,
                    "checkpointed_layers": Fraction(count),
                    "zero": Fraction(zero),
                    "data_parallel": Fraction(dp),
                    "tensor_parallel": Fraction(tp),
                    "pipeline_parallel": Fraction(pp),
                    "context_parallel": Fraction(1),
                    "expert_parallel": Fraction(1),
                    "offload": offload,
                    "shard_replicas": Fraction(1),
                }


def candidates(problem: Problem, workload: Workload, catalog: Catalog) -> list[Candidate]:
    """Return every choice of the offers that a workload names, judged."""
    choices = inference_choices(workload) if workload.kind == "inference" else training_choices(workload)
    out = []
    for choice in choices:
        for offer in problem.offers:
            if offer.id not in workload.domains["offer"]:
                continue
            try:
                whole = {**choice, "gpu": offer.gpu, "offer": offer.id, "market": "on_demand"}
                computed = problem.gpus[offer.gpu].flops
                if choice.get("weights") == "fp8_e4m3" and computed.get("fp8_e4m3"):  # SPEC §1, on vLLM
                    whole["activations"] = "fp8_e4m3"
                out.append(judge(problem, workload, whole, catalog))
            except Unknown:
                continue
    return out


Key = tuple[object, ...]
WORST = (
    *("headroom", "quality", "memory", "tpot", "ttft", "cost_per_token", "kv_tokens", "max_concurrency"),
    *("max_context", "step_time", "mfu", "duration"),
)
"""Quantities of which a sum over workloads says nothing: an objective is as good as the worst of them."""


def rank(problem: Problem, rows: list[Candidate]) -> Key:
    """Return what an answer is compared by: sums and worsts of goals, broken preferences paid, then names."""
    goals = (*problem.goals, *ties(problem))
    sums: list[object] = []
    taken = {row.workload: row for row in rows}
    for place, goal in enumerate(goals):
        worst = len(rows) > 1 and place < len(problem.goals) and goal.quantity in WORST
        parts = [goal_value(row, goal, worst) for row in rows]
        if goal.quantity == PACE:
            sums.append(tuple(parts))
        elif goal.quantity == RENTED:
            rented = instances(problem, taken)
            sums.append(sum(count * problem.offers[offer].gpus for offer, count in rented.items()))
        else:
            sums.append(max(parts) if worst else sum(parts))
    chosen = {row.workload: row for row in rows}
    for wish in problem.preferences:
        if len(speaks_of(wish.condition)) > 1 and not holds_together(wish.condition, problem, chosen):
            place = [goal.quantity for goal in goals].index("cost")
            sums[place] = sums[place] + wish.worth  # type: ignore[operator]
    return (*sums, *(row.name for row in rows))


def _hopeless(problem: Problem, row: Candidate) -> bool:
    """Return whether a candidate breaks a rule whoever shares its instances: a bound on cost may hold for its share."""
    shared = {f"{row.workload}.cost"} if len(problem.workloads) > 1 else set()
    return any(item.rule not in shared for item in row.broken)


def best(problem: Problem, catalog: Catalog, limit: int = 200_000) -> tuple[Key, list[Candidate]] | None:
    """Return the best answer of all combinations, None where none keeps every rule."""
    groups = [
        [row for row in candidates(problem, item, catalog) if not _hopeless(problem, row)]
        for item in sorted(problem.workloads, key=lambda item: item.name)
    ]
    found: tuple[Key, list[Candidate]] | None = None
    for count, rows in enumerate(itertools.product(*groups)):
        assert count < limit
        chosen = {row.workload: row for row in rows}
        if len(rows) > 1:
            chosen = allocate_costs(problem, chosen)
            if broken_together(problem, chosen) or any(row.broken for row in chosen.values()):
                continue
        ordered = [chosen[name] for name in sorted(chosen)]
        key = rank(problem, ordered)
        if found is None or key < found[0]:
            found = (key, ordered)
    return found
