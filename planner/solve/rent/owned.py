"""Hardware that nobody rents, as machines of one's own: an offer at no price of what a workload asks for."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from fractions import Fraction

from planner.catalog.records import Offer
from planner.language.problem import Problem

SOURCE = "nobody rents it"


def hardware(problem: Problem, names: Collection[str]) -> dict[str, int]:
    """Return the GPU types, with the number on one host, that workloads of these names ask for."""
    wanted: dict[str, int] = {}
    for item in problem.workloads:
        if item.name in names and "gpu" in item.domains:
            gpus = max((int(Fraction(str(value))) for value in item.domains.get("gpus", ())), default=1)
            for gpu in map(str, item.domains["gpu"]):
                wanted[gpu] = max(gpus, wanted.get(gpu, 1))
    return dict(sorted(wanted.items()))


def unrented(problem: Problem, names: Collection[str]) -> dict[str, int]:
    """Return those of them that no offer has, whatever its provider or region."""
    rented = {item.gpu for item in problem.offers.listings}
    return {gpu: gpus for gpu, gpus in hardware(problem, names).items() if gpu not in rented}


def pasted(wanted: dict[str, int]) -> str:
    """Return the declarations of such offers, ready to paste into a plan."""
    return "\n".join(
        f"offer {_name(gpu)} {{ gpu = {gpu}; gpus = {gpus}; price = $0/h }}" for gpu, gpus in sorted(wanted.items())
    )


def with_own(problem: Problem, wanted: dict[str, int]) -> Problem:
    """Return a problem whose offers have these machines too, one of each."""
    own = {
        _name(gpu): Offer(
            id=_name(gpu),
            provider="own",
            instance_type=_name(gpu),
            region="own",
            gpu=gpu,
            gpus=gpus,
            price=0,
            spot=None,
            sold_by="instance",
            marketplace=False,
            as_of="",
            source=SOURCE,
            available=1,
        )
        for gpu, gpus in wanted.items()
    }
    return replace(problem, offers=problem.offers.beside(own))


def _name(gpu: str) -> str:
    return gpu if gpu.startswith("own_") else f"own_{gpu}"
