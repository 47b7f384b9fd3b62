"""The parts of a mix in a lock: what each serves of every request size, and whether all of it is served once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

from planner.diagnostics.diagnostic import Diagnostic, error
from planner.language.copies import block_of, numbered
from planner.language.problem import SLICES, Bucket, Problem, Workload
from planner.lock.read import Lock
from planner.solve.candidate import Candidate
from planner.solve.copies import ordered, placed
from planner.solve.rules import satisfied


def placed_as_locked(problem: Problem, lock: Lock) -> tuple[Problem, dict[str, str]]:
    """Return a problem whose workloads are those of a lock, and for each the lock's workload that it takes; raise
    ValueError where those are not the plan's."""
    mixed = next((item for item in problem.workloads if item.traffic), None)
    if mixed is None:
        return placed(problem, lock.copies)
    rows = lock.document["workloads"]
    own = replace(mixed, bounds=tuple(bound for bound in mixed.bounds if bound.quantity != "cost"))
    parts = tuple(replace(own, name=name, traffic=_served(mixed, rows[name])) for name in ordered(rows))
    return replace(problem, workloads=parts), {name: name for name in rows}


def beyond_cost(problem: Problem, rows: Mapping[str, Candidate], lock: Lock, again: str) -> list[Diagnostic]:
    """Return an E0804 for each bound on what a mix costs that its parts together break."""
    cost = Fraction(sum(row.cost for row in rows.values()), 10**6)
    return [
        error(
            "E0804",
            f"the locked answer breaks {bound.rule}: {float(cost):g} against {float(bound.value):g} USD/h",
            lock.span("workloads"),
            secondary=((bound.span, "this rule"),),
            help=again,
        )
        for item in problem.workloads
        if item.traffic
        for bound in item.bounds
        if bound.quantity == "cost" and isinstance(bound.value, Fraction) and not satisfied(bound, cost)
    ]


def _served(workload: Workload, row: dict[str, Any]) -> tuple[Bucket, ...]:
    eighths = {(item.get("prompt"), item.get("output")): item.get("eighths") for item in _sizes(row)}
    pairs = ((item, eighths.get((item.prompt, item.output))) for item in workload.traffic)
    return tuple(replace(item, slices=count) for item, count in pairs if isinstance(count, int) and count)


def _sizes(row: dict[str, Any]) -> list[dict[str, Any]]:
    sizes = row.get("traffic")
    return [item for item in sizes if isinstance(item, dict)] if isinstance(sizes, list) else []


def unserved(problem: Problem, lock: Lock, again: str) -> list[Diagnostic]:
    """Return an E0804 for whatever of the traffic a lock does not serve exactly once, or serves though the plan has
    none of it."""
    mixed = next((item for item in problem.workloads if item.traffic), None)
    if mixed is None:
        return []
    return [
        error("E0804", message, lock.span("workloads", *place), help=again) for place, message in _unserved(mixed, lock)
    ]


def _unserved(workload: Workload, lock: Lock) -> Iterator[tuple[tuple[str, ...], str]]:
    rows = lock.document["workloads"]
    names = ordered(rows)
    if names != [numbered(workload.name, number) for number in range(1, len(names) + 1)]:
        yield (), f"the parts of `{workload.name}` are not numbered from 1"
        return
    if len(names) > 1 and workload.given.get("mix") is not True:
        yield (names[1],), f"`{workload.name}` is no mix, and the lock has {len(names)} parts of it"
        return
    known = {(item.prompt, item.output): 0 for item in workload.traffic}
    for name in names:
        if not _sizes(rows[name]):
            yield (name,), f"the lock does not say what `{name}` serves"
            return
        seen = set()
        for item in _sizes(rows[name]):
            size, count = (item.get("prompt"), item.get("output")), item.get("eighths")
            if size not in known or size in seen or type(count) is not int or not 1 <= count <= SLICES:
                yield (name, "traffic"), f"`{name}` serves what the traffic of the plan does not have"
                return
            seen.add(size)
            known[size] += count
    for (prompt, output), count in known.items():
        if count != SLICES:
            sizes = f"prompts to {prompt:_} and outputs to {output:_} tokens"
            yield (), f"the lock serves {count} of {SLICES} eighths of the requests with {sizes}"


def has_traffic(problem: Problem, name: str) -> bool:
    """Return whether a workload is a service with traffic, or a part of one."""
    return any(item.traffic and block_of(item.name) == block_of(name) for item in problem.workloads)
