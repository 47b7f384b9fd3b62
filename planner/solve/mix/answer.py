"""The answer of a service with traffic: the cheapest mix of configurations or the cheapest one alone, checked again."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from fractions import Fraction

from planner.catalog.catalog import Catalog
from planner.language.copies import numbered
from planner.language.problem import SLICES, Bound, Bucket, Problem, Workload
from planner.solve import clock
from planner.solve.answer import Answer, Conflict, Solved, Standing
from planner.solve.candidate import Candidate, TooWide
from planner.solve.choose.goal_values import objective_of
from planner.solve.choose.values import on_gpu
from planner.solve.copies import folded, ordered
from planner.solve.fleet.audit import Contradiction
from planner.solve.inference.by_size import FIRST, at_size, ladder
from planner.solve.kinds import judge
from planner.solve.mix.model import Mix, MixTask, Nothing, best_alone, faults, rented, replicas_of
from planner.solve.mix.model import solve as solve_mix
from planner.solve.mix.options import Enumerated, enumerated
from planner.solve.needs import Need, need
from planner.solve.rent.sharing import allocate_costs, broken_together
from planner.solve.rules import slack

SolveOne = Callable[[Problem], Answer]
"""Answers a plan whose workload has one request size."""
UNKNOWN = Answer("unknown", (), (), (), None, 0, reproducible=False)


def answer_in_time(
    problem: Problem,
    catalog: Catalog,
    seconds: float,
    workers: int,
    solve: Callable[..., Answer],
    report: Callable[[str], None],
    reasons: bool = True,
) -> Answer:
    """Return the answer of a plan with one service that has traffic, within so many seconds; `solve` answers a plan
    whose service has one request size. Without `reasons` it is not said why nothing serves it."""

    def one(alone: Problem) -> Answer:
        return solve(alone, catalog, 0, clock.left(), workers)

    try:
        with clock.limited(seconds):
            return mixed(problem, catalog, workers, one, report, reasons)
    except clock.OutOfTime:
        return UNKNOWN
    except TooWide as reason:
        return replace(UNKNOWN, refusal=reason.excess)


def mixed(
    problem: Problem,
    catalog: Catalog,
    workers: int,
    one: SolveOne,
    report: Callable[[str], None],
    reasons: bool = True,
) -> Answer:
    """Return the answer of a plan with one service that has traffic; without `reasons`, not why nothing serves it."""

    def again(changed: Problem) -> Answer:
        return mixed(changed, catalog, workers, one, report, False)

    workload = problem.workloads[0]
    report("enumerating configurations")
    every = enumerated(problem, workload, catalog)
    report(f"choosing among {len(every.task.options):_} configurations")
    is_mix = workload.given.get("mix") is True
    try:
        found = solve_mix(every.task, clock.left, workers) if is_mix else best_alone(every.task)
    except Nothing as reason:
        if not reason.proven:
            return replace(UNKNOWN, considered=every.considered)
        found = None
    if found is None and not every.complete:
        return replace(UNKNOWN, considered=every.considered)
    if found is None:
        return _infeasible(problem, workload, every, is_mix, one, again if reasons else None)
    if not every.complete:  # what was not tried may cost less
        found = replace(found, bound=0, unique=False)
    answer = _answered(problem, workload, every, found, catalog)
    return _within_cost(workload, answer, found)


def _answered(problem: Problem, workload: Workload, every: Enumerated, found: Mix, catalog: Catalog) -> Answer:
    wrong = faults(every.task, found.slices)
    if wrong:
        raise Contradiction(f"the mix is none: {wrong[0]}")
    rows: dict[str, Candidate] = {}
    whole: list[Workload] = []
    for number, (place, slices) in enumerate(sorted(found.slices.items()), 1):
        name = numbered(workload.name, number)
        own = replace(workload, name=name, traffic=served(workload.traffic, slices), bounds=_without_cost(workload))
        option = every.task.options[place]
        replicas = replicas_of(every.task, option, slices)
        gpus = Fraction(str(every.choices[place]["gpus"])) * replicas
        choice = {**every.choices[place], "replicas": Fraction(replicas), "gpus": gpus}
        row = judge(problem, own, choice, catalog)
        if row.broken:
            raise Contradiction(f"a part of the mix breaks {', '.join(item.rule for item in row.broken)}")
        for bucket, of in zip(workload.traffic, option.weights, strict=True):
            if (
                any(item.prompt == bucket.prompt and item.output == bucket.output for item in own.traffic)
                and of is None
            ):
                raise Contradiction("a part of the mix serves what it cannot")
        rows[name] = row
        whole.append(own)
    rows, names = folded(rows)
    parts = replace(problem, workloads=tuple(replace(own, name=names[own.name]) for own in whole))
    rows = allocate_costs(parts, rows)
    together = broken_together(parts, rows)
    cost = sum(row.cost for row in rows.values())
    if together:
        raise Contradiction(f"the parts of the mix together break {together[0].rule}")
    if cost != found.cost:
        raise Contradiction(f"the mix costs {found.cost} in the model and {cost} in the answer")
    objective = objective_of(parts, rows)
    if not found.proven:
        objective = tuple(replace(part, bound=Fraction(found.bound, 10**6)) for part in objective)
    limited = replace(workload, bounds=_without_cost(workload))
    solved = tuple(
        Solved(rows[name], (), (), slack(limited, rows[name].known, rows[name].outcomes)) for name in ordered(rows)
    )
    return Answer(
        "optimal" if found.proven else "feasible",
        objective,
        solved,
        (),
        cost,
        every.considered,
        reproducible=found.proven and found.unique,
    )


def _without_cost(workload: Workload) -> tuple[Bound, ...]:
    """Return the bounds of each part of a service: the cost is of them all."""
    return tuple(bound for bound in workload.bounds if bound.quantity != "cost")


def served(traffic: Sequence[Bucket], slices: Sequence[int]) -> tuple[Bucket, ...]:
    """Return what a part serves of each request size, of those that it serves at all."""
    pairs = zip(traffic, slices, strict=True)
    return tuple(replace(bucket, slices=count) for bucket, count in pairs if count)


def _within_cost(workload: Workload, answer: Answer, found: Mix) -> Answer:
    """Return an answer, or that none costs as little as the plan asks."""
    for bound in workload.bounds:
        if bound.quantity != "cost" or answer.cost is None or not isinstance(bound.value, Fraction):
            continue
        cost, least = Fraction(answer.cost, 10**6), Fraction(found.bound, 10**6)
        holds = cost < bound.value if bound.operator == "<" else cost <= bound.value
        if holds:
            continue
        if not (least >= bound.value if bound.operator == "<" else least > bound.value):
            return replace(UNKNOWN, considered=answer.considered)
        conflict = Conflict(bound.rule, cost, bound.value, "USD/h")
        return Answer("infeasible", (), (), (conflict,), None, answer.considered, reproducible=found.proven)
    return answer


def _infeasible(
    problem: Problem, workload: Workload, every: Enumerated, is_mix: bool, one: SolveOne, again: SolveOne | None
) -> Answer:
    """Return why nothing serves the traffic: a request size that no configuration serves, or limited offers.

    A change is proposed where `again` finds that it is enough.
    """
    task = every.task
    unserved = [
        bucket
        for place, bucket in enumerate(workload.traffic)
        if all(option.weights[place] is None for option in task.options)
    ]
    nothing = Answer("infeasible", (), (), (), None, every.considered)
    if again is None:
        return nothing
    if unserved:
        longest = max(unserved, key=lambda bucket: (bucket.context, bucket.prompt))
        alone = one(replace(problem, workloads=(_alone(workload, longest),)))
        conflict = alone.conflict
        if (
            alone.outcome != "infeasible"
        ):  # it is the wait for a place, or longer prompts beside it, that breaks a bound
            firsts = [bound for bound in workload.bounds if bound.quantity in FIRST]
            needs = every.nearest.get(longest.prompt)
            size = need("request_size", longest.prompt, longest.output)
            conflict = tuple(Conflict(bound.rule, needs, bound.value, "s") for bound in firsts)
            conflict = conflict or (Conflict(f"{workload.name}.traffic", None, size),)
        kept = tuple(_checked(problem, workload, item, again) for item in conflict)
        return replace(nothing, conflict=kept, filtered=alone.filtered)
    short = [item for stock in task.available if (item := _short(task, stock, is_mix)) is not None]
    if short:
        return replace(nothing, conflict=tuple(short))
    if not is_mix and any(again(_with_mix(problem, workload)).workloads):
        return replace(nothing, conflict=(Conflict(f"{workload.name}.mix", None, need("one_for_all")),))
    limits = tuple(
        Conflict(f"{stock}.available", None, Fraction(has), "instances")
        for stock, has in sorted(task.available.items(), key=str)
    )
    return replace(nothing, conflict=limits)


def _with_mix(problem: Problem, workload: Workload) -> Problem:
    return replace(problem, workloads=(replace(workload, given={**workload.given, "mix": True}),))


def _checked(problem: Problem, workload: Workload, item: Conflict, again: SolveOne) -> Conflict:
    """Return a conflict of one request size, its change proposed only where that is enough for all of the traffic."""
    quantity = item.rule.rpartition(".")[2]
    plain, value = replace(item, hints=()), item.relax_to
    if any(bound.rule == item.rule for bound in workload.bounds):
        relaxed = [bound for bound in workload.bounds if bound.rule != item.rule]
        own = [bound for bound in workload.bounds if bound.rule == item.rule]
        if isinstance(value, Fraction):
            own = [replace(bound, value=value) for bound in own]
        changed = replace(workload, bounds=(*relaxed, *own))
    elif quantity in workload.domains and value is not None and not isinstance(value, Need):
        changed = replace(workload, domains={**workload.domains, quantity: (value,)})
    else:
        return plain  # what a configuration needs, and no change of the plan
    if changed is not None and again(replace(problem, workloads=(changed,))).workloads:
        return plain
    return replace(plain, relax_to=None)


def _alone(workload: Workload, bucket: Bucket) -> Workload:
    """Return a service of one request size alone, with the fewest sequences at once."""
    alone = at_size(workload, bucket, ladder(workload)[0])
    firsts = tuple(bound for bound in workload.bounds if bound.quantity in FIRST)
    return replace(alone, bounds=(*alone.bounds, *firsts))


def _short(task: MixTask, stock: Hashable, is_mix: bool) -> Conflict | None:
    """Return how many units of an offer the cheapest mix takes where that has no limit; None where there is none."""
    others = {name: has for name, has in task.available.items() if name != stock}
    without = replace(task, available=others)
    try:
        free = solve_mix(without, clock.left, any_of_equal=True) if is_mix else best_alone(without)
    except Nothing:
        return None
    if free is None:
        return None
    taken = sum(count * item.units for item, count in rented(task, free.slices) if item.stock == stock)
    return Conflict(f"{stock}.available", Fraction(taken), Fraction(task.available[stock]), "instances")


def standings(problem: Problem, answer: Answer, catalog: Catalog, gpu: str = "") -> tuple[Standing, ...]:
    """Return where each GPU type stands that serves any of the traffic: with the parts that are chosen on it, or alone
    with all of the traffic, at what it costs or with what it breaks. With a `gpu`, of that alone, whether or not the
    plan offers it. Empty where time does not suffice."""
    problem = on_gpu(problem, gpu) if gpu else problem
    workload = problem.workloads[0]
    chosen: dict[str, Candidate] = {}
    for item in answer.workloads:
        chosen.setdefault(item.chosen.gpu, item.chosen)
    out = [Standing(workload.name, name, "chosen", row) for name, row in chosen.items()]
    try:
        every = enumerated(problem, workload, catalog)
        own = replace(workload, bounds=_without_cost(workload))
        by_gpu: dict[str, list[int]] = {}
        for place, choice in enumerate(every.choices):
            by_gpu.setdefault(str(choice["gpu"]), []).append(place)
        for name in sorted(by_gpu.keys() - chosen.keys()):
            row = _all_on(problem, own, every, by_gpu[name], catalog)
            out.append(Standing(workload.name, name, "breaks" if row.broken else "fits", row))
    except clock.OutOfTime:
        return ()
    return tuple(item for item in out if gpu in ("", item.gpu))


def _all_on(
    problem: Problem, workload: Workload, every: Enumerated, places: Sequence[int], catalog: Catalog
) -> Candidate:
    """Return all of the traffic on the cheapest of some configurations, or on the one that serves most sizes."""
    task = replace(every.task, options=tuple(every.task.options[place] for place in places))
    whole = (SLICES,) * task.sizes
    alone = best_alone(task)
    if alone is not None:
        at = next(iter(alone.slices))
    else:
        at = max(range(len(places)), key=lambda at: sum(weight is not None for weight in task.options[at].weights))
    replicas = max(1, replicas_of(task, task.options[at], whole))
    choice = every.choices[places[at]]
    gpus = Fraction(str(choice["gpus"])) * replicas
    row = judge(problem, workload, {**choice, "replicas": Fraction(replicas), "gpus": gpus}, catalog)
    return replace(row, together=row.cost)
