"""The two questions that are asked of the program, with the shipped catalogs read once."""

from __future__ import annotations

from functools import cache

from planner import api
from planner.plan import Loaded, Shipped, load_plan, shipped_catalog
from planner.solve.answer import Answer


@cache
def shipped() -> Shipped:
    """Return the shipped catalogs."""
    return shipped_catalog()


def _read(text: str) -> Loaded:
    plan = load_plan("fleet.mem", shipped=shipped(), text=text)
    assert plan.problem is not None, (plan.findings, text)
    return plan


def solve(text: str) -> Answer:
    """Return what the program answers to a plan."""
    return api.solve(_read(text), top=0).answer


def estimate(text: str) -> Answer | None:
    """Return what the program says of a plan with nothing left open; None where something of it cannot be."""
    try:
        found = api.estimate(_read(text))
    except api.PlanError:
        return None
    assert isinstance(found, api.Result)
    return found.answer
