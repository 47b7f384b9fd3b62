"""Limits over all workloads together: a fleet's budget and GPUs, what is owned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

from planner.language.problem import FleetBound, Problem
from planner.solve.candidate import Candidate

MICRO = 1_000_000
Amount = Callable[[Candidate], int]
Total = Callable[[Sequence[Candidate]], int]


def amounts(problem: Problem) -> list[tuple[str, Amount, int]]:
    """Return each shared limit: its rule, what a candidate takes of it, and the most there is."""
    out: list[tuple[str, Amount, int]] = []
    for bound in problem.fleet:
        scale = MICRO if bound.quantity == "cost" else 1
        out.append((bound.rule, _of(bound), _most(bound, bound.value * scale)))
    for offer in problem.offers:
        if offer.available is not None:

            def take(row: Candidate, name: str = offer.id) -> int:
                return row.instances if row.offer == name else 0

            out.append((f"{offer.id}.available", take, offer.available))
    return out


def _most(bound: FleetBound, value: Fraction) -> int:
    floor = value.numerator // value.denominator
    return floor - 1 if bound.operator == "<" and floor == value else floor


def _of(bound: FleetBound) -> Amount:
    if bound.quantity == "cost":
        return lambda row: row.cost
    if bound.quantity == "gpus":
        return lambda row: row.gpus
    return lambda row: row.gpus if row.gpu == bound.gpu else 0


def limits(problem: Problem) -> list[tuple[str, Total, int]]:
    """Return each shared limit with the total of a whole fleet."""
    out: list[tuple[str, Total, int]] = []
    for rule, amount, most in amounts(problem):

        def total(rows: Sequence[Candidate], amount: Amount = amount) -> int:
            return sum(amount(row) for row in rows)

        out.append((rule, total, most))
    return out
