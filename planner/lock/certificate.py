"""What a lock says of its proof: held against the rest of it in any `check`, and counted again in `check --proof`.

Counting again enumerates every candidate and starts no solver. Of workloads that nothing couples the choice is compared
with all candidates; of others the prices on what limits the plan give a bound that holds for any answer. What rests on
the solver's search alone is said to: prices bound the first goal, and say nothing of goals after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from planner.catalog.catalog import Catalog
from planner.diagnostics.diagnostic import Diagnostic, error, warning
from planner.language.copies import block_of
from planner.language.problem import Problem
from planner.lock.figures import CERTIFICATE, shown
from planner.lock.lock import BOUND, certified
from planner.lock.mixes import placed_as_locked
from planner.lock.read import Lock
from planner.lock.recompute import recompute
from planner.solve.answer import METHODS, Certificate
from planner.solve.candidate import Candidate
from planner.solve.rent.sharing import allocate_costs
from planner.solve.rules import speaks_of


def faults(problem: Problem, lock: Lock, again: str) -> list[Diagnostic]:
    """Return an E0805 for each part of a certificate that cannot be, whatever the candidates are."""
    proof = lock.document.get("proof")
    if not isinstance(proof, dict) or not proof.keys() & set(CERTIFICATE):
        return []  # a lock of before, or of an answer that is not proven
    return [
        error("E0805", f"the lock's proof: {message}", lock.span("proof", key), help=again)
        for key, message in _faults(problem, lock, proof)
    ]


def _faults(problem: Problem, lock: Lock, proof: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    method, candidates, removed = (proof.get(key) for key in ("method", "candidates", "removed"))
    if lock.outcome != "optimal":
        yield "method", f"an answer that is {shown(lock.outcome)} has none"
    if method not in METHODS:
        yield "method", f"unknown method {shown(method)}; expected {', '.join(METHODS)}"
        return
    if not _count(candidates):
        yield "candidates", f"{shown(candidates)} is not a number of candidates"
        return
    if not isinstance(removed, dict) or not all(map(_count, removed.values())):
        yield "removed", "expected counts of candidates"
    alone = problem.count < 2 and not problem.fleet
    conditions = [item.condition for item in problem.rules] + [item.condition for item in problem.preferences]
    broad = any(len(speaks_of(condition)) != 1 for condition in conditions)
    if alone != (method == "comparison") and (alone or problem.fleet or broad):
        yield "method", f"{method} does not prove {'one workload' if alone else 'workloads that limits couple'}"
    bound, prices = proof.get(BOUND), proof.get("prices")
    if bound is None and prices is None and BOUND not in proof and "prices" not in proof:
        if method == "prices":
            yield "method", "there are no prices and no bound"
        return
    value = _value(lock)
    if method == "comparison" or value is None:
        yield "method", f"{method} of this objective has no bound"
        return
    if type(bound) is not int or not 0 <= bound <= value or (bound == value) != (method == "prices"):
        yield BOUND, f"{shown(bound)} is not a bound by {method} of an answer that costs {value}"
    yield from _prices(problem, prices)


def _prices(problem: Problem, prices: Any) -> Iterator[tuple[str, str]]:
    from planner.solve.fleet.prices import limits_of

    signs = {limit.name: limit.sign for limit, _ in limits_of(problem)}
    if not isinstance(prices, dict):
        yield "prices", "expected a price by limit"
        return
    for name, price in prices.items():
        if name not in signs:
            yield "prices", f"the plan has no limit {shown(name)}"
        elif type(price) is not int or price * signs[name] <= 0:
            yield "prices", f"{shown(price)} is not a price on {shown(name)}"


def _count(count: Any) -> bool:
    return type(count) is int and count > 0


def _value(lock: Lock) -> int | None:
    """Return what a locked answer costs with what its broken preferences weigh, in micro-dollars per hour; None where
    the lowest cost is not what comes first."""
    part = next(iter(lock.objective), {})
    if (part.get("quantity"), part.get("direction")) not in (("cost", "minimize"), ("fleet.cost", "minimize")):
        return None
    value, penalty = part.get("value"), part.get("penalty", 0)
    if not isinstance(value, int | float) or not isinstance(penalty, int | float):
        return None
    return round(value * 10**6) + round(penalty * 10**6)


def prove(problem: Problem, catalog: Catalog, lock: Lock, again: str) -> list[Diagnostic]:
    """Return an E0811 for whatever of a lock's proof does not hold for its candidates, which are enumerated again; a
    W0811 where it says nothing, or where a part of it rests on a search. The lock answers the plan as it is today."""
    from planner.solve.fleet.audit import Contradiction
    from planner.solve.pipeline import recounted

    says = {key: value for key, value in lock.document["proof"].items() if key in CERTIFICATE}
    if not says:
        return [warning("W0811", f"{lock.path} says nothing that proves its answer", lock.span("proof"), help=again)]
    whole, of = placed_as_locked(problem, lock)
    own = replace(lock, of=of)
    rows: dict[str, Candidate] = {}
    for workload in whole.workloads:
        row = recompute(whole, workload, own.workloads[workload.name]["choice"], catalog)
        if row is None:
            return []  # which is an error by itself
        rows[workload.name] = row
    try:
        right = recounted(problem, whole, catalog, allocate_costs(whole, rows))
    except Contradiction as reason:
        return [error("E0811", f"{lock.path} proves what cannot be: {reason}", lock.span("proof"), help=again)]
    out = [
        error("E0811", message, lock.span("workloads", block), help=again)
        for block, message in _better(right.best, rows)
    ]
    if right.cheaper is not None:
        message = f"{lock.path} is not the cheapest answer: one costs ${right.cheaper / 1e6:,.6g}/h"
        out.append(error("E0811", message, lock.span("objective"), help=again))
    wanted = certified(right.certificate)
    for key in dict.fromkeys((*wanted, *says)):
        if says.get(key) != wanted.get(key) or type(says.get(key)) is not type(wanted.get(key)):
            now = "not there" if key not in wanted else shown(wanted[key])
            message = f"the proof of {lock.path} does not hold: `{key}` is {now}, where it says {_said(says, key)}"
            out.append(error("E0811", message, lock.span("proof", key), help=again))
    return out or list(_searched(lock, right.certificate))


def _searched(lock: Lock, proof: Certificate) -> Iterator[Diagnostic]:
    """Yield a W0811 for each part of a proof that rests on a search: what a bound leaves of the first goal, and goals
    after it, of which prices say nothing."""
    if proof.method == "comparison":
        return
    rests = "rests on the solver's search, which is not repeated here"
    bound, value = proof.bound, _value(lock)
    if proof.method == "search":
        left = f"the last ${(value - bound) / 1e6:,.6g}/h of" if bound is not None and value is not None else "all of"
        yield warning("W0811", f"{left} the proof of {lock.path} {rests}", lock.span("proof", "method"))
    if bound is not None and lock.objective[1:]:
        later = " then ".join(f"{part.get('direction')} {part.get('quantity')}" for part in lock.objective[1:])
        message = f"the proof of `{later}` in {lock.path} {rests}"
        yield warning("W0811", message, lock.span("objective", 1))


def _said(says: Mapping[str, Any], key: str) -> str:
    if key not in says:
        return "nothing"
    value = says[key]
    return (
        ", ".join(f"{name}: {shown(item)}" for name, item in value.items()) if isinstance(value, dict) else shown(value)
    )


def _better(best: Mapping[str, Candidate], rows: Mapping[str, Candidate]) -> Iterator[tuple[str, str]]:
    """Yield the blocks of which another candidate than the locked one is the best."""
    for name, row in rows.items():
        first = best.get(block_of(name)) if name not in best else best[name]
        if first is not None and first.choice != row.choice:
            known = {key: value for key, value in first.choice.items() if row.choice.get(key) != value}
            words = ", ".join(f"{key} = {value}" for key, value in sorted(known.items()))
            yield block_of(name), f"`{block_of(name)}` has a better choice than the locked one: {words}"
