"""What judging a candidate of any kind shares: its counts, its hardware and offer, its headroom."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from planner.catalog.records import Gpu, Model, Offer
from planner.language.problem import Problem, Value, Workload
from planner.solve.candidate import Outcome
from planner.solve.columns.steps import SCALES
from planner.solve.needs import Note, note
from planner.solve.rent.rental import Renting, renting
from planner.solve.rules import let_through


class Unknown(LookupError):
    """A choice that names something the problem does not have."""


def approximations(model: Model) -> tuple[Note, ...]:
    """Return what was taken for granted of a model whose description is approximate, as notes of an answer."""
    return tuple(note("approximate", text) for text in model.assumed)


def unmeasured(
    workload: Workload, outcomes: Mapping[str, Outcome], parts: tuple[tuple[str, ...], ...]
) -> tuple[Note, ...]:
    """Return that rules hold though the quality of these parts, each with its format, is unmeasured, as notes."""
    return tuple(note("unmeasured", parts, rule) for rule in let_through(workload, outcomes))


def count(choice: Mapping[str, Value], name: str, default: int = 1) -> int:
    """Return a decision that is a whole number."""
    value = choice.get(name)
    if value is None:
        return default
    if not isinstance(value, Fraction) or value.denominator != 1:
        raise Unknown(f"`{name}` is not a whole number: {value}")
    return int(value)


def hardware(
    problem: Problem, choice: Mapping[str, Value], gpus: int, unit: int, nodes: int = 1
) -> tuple[Gpu, Renting]:
    """Return the GPU and what is rented for a choice; raise Unknown where the offer is gone or holds no such group."""
    gpu = problem.gpus.get(str(choice.get("gpu")))
    if gpu is None:
        raise Unknown(f"unknown GPU `{choice.get('gpu')}`")
    offer = problem.offers.get(choice.get("offer"))
    if offer is None:
        raise Unknown(f"there is no offer `{choice.get('offer')}`")
    if offer.gpu != gpu.id:
        raise Unknown(f"`{offer.id}` has no {gpu.id}")
    rental = renting(offer, str(choice.get("market", "on_demand")), gpus, unit, nodes)
    if rental is None:
        raise Unknown(f"`{offer.id}` does not rent {gpus} GPUs in groups of {unit} that way")
    return gpu, rental


def placed(choice: Mapping[str, Value], offer: Offer, gpus: int) -> dict[str, Value]:
    """Return a choice with what follows from its offer."""
    return {**choice, "gpus": Fraction(gpus), "provider": offer.provider, "region": offer.region}


def headroom(total: int, usable: int) -> Fraction | None:
    """Return (usable - total) / usable, rounded down to its steps."""
    scale = SCALES["headroom"]
    return Fraction((usable - total) * scale // usable, scale) if usable else None
