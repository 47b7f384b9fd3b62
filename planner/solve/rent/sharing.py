"""Workloads together: what they share and pay, and the rules over all of them; plain Python over candidates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from itertools import islice

from planner.language.copies import MARK, block_of
from planner.language.expressions.evaluate import compare
from planner.language.problem import FleetBound, Problem, Workload
from planner.language.quantities.outcomes import MONEY, UNITS
from planner.language.schema import BY_KIND
from planner.solve.candidate import EXPECTED, Broken, Candidate, Outcome
from planner.solve.columns.steps import SCALES
from planner.solve.needs import note
from planner.solve.rules import broken_bounds, broken_rules, holds_together, reads, speaks_of
from planner.syntax.tree import Expression

Pool = tuple[str, str]
"""An offer's id and the market it is rented on."""


def pool_of(row: Candidate) -> Pool:
    """Return where a candidate is rented."""
    return row.offer, str(row.choice.get("market", "on_demand"))


def sharing(problem: Problem, chosen: Mapping[str, Candidate]) -> dict[Pool, tuple[int, int, tuple[str, ...]]]:
    """Return, by pool that several workloads share: instances, their cost in micro-dollars/h, and the workloads.

    Units that divide an instance and are powers of two pack without a gap, so that as many instances do as the
    GPUs together fill.
    """
    members: dict[Pool, list[str]] = {}
    for name in sorted(chosen):
        if chosen[name].shareable:
            members.setdefault(pool_of(chosen[name]), []).append(name)
    out = {}
    for pool, names in members.items():
        if sum(chosen[name].copies for name in names) < 2 and not names[0].startswith(MARK):
            continue
        offer = problem.offers[pool[0]]
        price = offer.price_in(pool[1])
        instances = -(-sum(chosen[name].gpus * chosen[name].copies for name in names) // offer.gpus)
        out[pool] = (instances, instances * (price or 0), tuple(names))
    return out


def allocate_costs(problem: Problem, chosen: Mapping[str, Candidate]) -> dict[str, Candidate]:
    """Return the candidates with their shares: a shared pool is paid in proportion to what each would pay alone.

    So no workload pays more than alone, and the shares add up to the instances rented. Rules read the exact share; the
    whole micro-dollars of `cost` add up to the money that is paid.
    """
    out = dict(chosen)
    for pool, (instances, cost, names) in sharing(problem, chosen).items():
        alone = sum(chosen[name].instances * chosen[name].copies for name in names)
        left = cost - sum(cost * chosen[name].instances * chosen[name].copies // alone for name in names)
        blocks: dict[str, int] = {}
        for name in names:
            blocks[block_of(name)] = blocks.get(block_of(name), 0) + chosen[name].copies
        for name in names:
            row = chosen[name]
            share, rest = divmod(cost * row.instances * row.copies, alone)
            up = min(left, int(rest > 0))  # no share is rounded up by more than the last micro-dollar
            share, left = share + up, left - up
            company = _company(block_of(name), blocks)
            if row.traffic:  # whose parts are no copies
                company = 0, block_of(name), tuple(other for other in names if other != name)
            shared_note = note("shares", instances, pool[0], *company)
            outcomes = row.outcomes | paid(row.outcomes, Fraction(instances, alone))
            shared = replace(row, cost=share, outcomes=outcomes, notes=(*row.notes, shared_note))
            out[name] = _judged_again(problem, shared)
    return out


NAMED = 12
"""So many of those who share an instance are named."""


def _company(block: str, blocks: Mapping[str, int]) -> tuple[int, str, tuple[str, ...]]:
    """Return who shares what a workload rents: how many other copies of which block, and the other blocks, many of them
    by their number."""
    others = tuple(islice((other for other in blocks if other != block), NAMED))
    more = len(blocks) - 1 - len(others)
    return blocks[block] - 1, block, (*others, f"{more:_} more") if more else others


def paid(outcomes: Mapping[str, Outcome], share: Fraction) -> dict[str, Outcome]:
    """Return the outcomes that change where a workload pays a share of its instances: its cost exactly, what follows
    from it in whole steps."""
    if share == 1:
        return {}
    cost = outcomes["cost"]
    assert cost is not None
    out: dict[str, Outcome] = {"cost": cost * share}
    for ending in ("", EXPECTED):
        duration = outcomes.get(f"duration{ending}")
        if outcomes.get(f"total_cost{ending}") is not None and duration is not None:
            out[f"total_cost{ending}"] = _step("total_cost", cost * share * duration / 3600)
        rate = outcomes.get(f"throughput{ending}")
        if outcomes.get(f"cost_per_token{ending}") is not None and rate:
            out[f"cost_per_token{ending}"] = _step("cost_per_token", cost * share / 3600 / rate)
        for name in ("cost_per_input_token", "cost_per_output_token"):
            whole = outcomes.get(f"{name}{ending}")
            if whole is not None:
                out[f"{name}{ending}"] = _step(name, whole * share)
    return out


def _step(quantity: str, amount: Fraction) -> Fraction:
    """Return an amount in whole steps of its quantity's scale."""
    return Fraction(round(amount * SCALES[quantity]), SCALES[quantity])


def _named(problem: Problem, name: str) -> Workload | None:
    """Return a workload by its name."""
    if not _NAMED or _NAMED[0][0] is not problem:
        _NAMED[:] = [(problem, {item.name: item for item in problem.workloads})]
    return _NAMED[0][1].get(name)


_NAMED: list[tuple[Problem, dict[str, Workload]]] = []
"""The plan that was asked about last, with its workloads by name."""


def _judged_again(problem: Problem, row: Candidate) -> Candidate:
    """Return a candidate whose own rules and preferences about money are held against its share."""
    workload = _named(problem, row.workload)
    if workload is None:  # several that are added up
        return row

    def about_money(condition: Expression) -> bool:
        return speaks_of(condition) == {row.workload} and bool(reads(condition, row.workload) & MONEY)

    bounds = tuple(bound for bound in workload.bounds if bound.quantity in MONEY)
    rules = tuple(rule for rule in problem.rules if about_money(rule.condition))
    names = {bound.rule for bound in bounds} | {rule.name for rule in rules}
    if not names and not any(about_money(wish.condition) for wish in problem.preferences):
        return row
    broken = broken_bounds(replace(workload, bounds=bounds), row.known, row.outcomes)
    more, penalty = broken_rules(replace(problem, rules=rules), workload, row.known, row.outcomes)
    kept = tuple(item for item in row.broken if item.rule not in names)
    return replace(row, broken=(*kept, *broken, *more), penalty=penalty * row.copies)


def instances(problem: Problem, chosen: Mapping[str, Candidate]) -> dict[str, int]:
    """Return how many instances of each offer an answer rents, those that workloads share counted once."""
    shared = sharing(problem, chosen)
    joined = {name for _, _, names in shared.values() for name in names}
    out: dict[str, int] = {}
    for (offer, _), (count, _, _) in shared.items():
        out[offer] = out.get(offer, 0) + count
    for name, row in chosen.items():
        if name not in joined:
            out[row.offer] = out.get(row.offer, 0) + row.instances * row.copies
    return out


def amount(bound: FleetBound, chosen: Mapping[str, Candidate]) -> Fraction | None:
    """Return what an answer takes of a fleet bound's quantity, in canonical units; None where it is unknown.

    It is the sum over the workloads whose kind has the quantity.
    """
    rows = list(chosen.values())
    match bound.quantity:
        case "cost":
            return Fraction(sum(row.cost for row in rows), SCALES["cost"])
        case "gpus":
            return Fraction(sum(row.gpus * row.copies for row in rows))
        case "available":
            return Fraction(sum(row.gpus * row.copies for row in rows if row.gpu == bound.gpu))
    values = [
        (row.choice.get(bound.quantity, row.outcomes.get(bound.quantity)), row.copies)
        for row in rows
        if bound.quantity in BY_KIND[row.kind]
    ]
    numbers = [value * copies for value, copies in values if isinstance(value, Fraction)]
    return sum(numbers, Fraction(0)) if len(numbers) == len(values) else None


def broken_together(problem: Problem, chosen: Mapping[str, Candidate]) -> list[Broken]:
    """Return the fleet bounds, availabilities and rules over several workloads that an answer breaks."""
    out = []
    for bound in problem.fleet:
        takes = amount(bound, chosen)
        if takes is None or not compare(bound.operator, takes, bound.value):
            out.append(Broken(bound.rule, takes, bound.value, UNITS.get(bound.quantity)))
    taken = instances(problem, chosen)
    for offer in problem.offers.limited:
        if offer.available is not None and taken.get(offer.id, 0) > offer.available:
            has = Fraction(offer.available)
            out.append(Broken(f"{offer.id}.available", Fraction(taken[offer.id]), has, "instances"))
    for rule in problem.rules:
        if len(speaks_of(rule.condition)) != 1 and not holds_together(rule.condition, problem, chosen):
            out.append(Broken(rule.name, None, None))
    return out
