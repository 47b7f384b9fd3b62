"""The least plan that is answered wrongly in the same way: what a fault is about."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from .plans import Plan
from .verdict import faults


def shrunk(plan: Plan, seconds: float = 20.0) -> Plan:
    """Return the smallest plan found that is answered wrongly in the same way, by leaving out part after part."""
    until = time.monotonic() + seconds
    kind = sorted(kind_of(item) for item in faults(plan))
    smaller = True
    while smaller and time.monotonic() < until:
        smaller = False
        for less in _less(plan):
            try:
                found = sorted(kind_of(item) for item in faults(less))
            except (ValueError, KeyError, OverflowError):
                continue  # no plan any more
            if found == kind:
                plan, smaller = less, True
                break
    return plan


def kind_of(fault: str) -> str:
    """Return what is wrong without figures and names."""
    return re.sub(
        r"\b[a-d](?=['. ])|\b[opr]\d\b|[\d.]+(e-?\d+)?", "", fault.partition(":")[0] + fault[fault.find("is ") :][:20]
    )


def _less(plan: Plan) -> Iterator[Plan]:
    """Yield plans with one part less."""
    for name in ("rules", "wishes", "fleet", "jobs"):
        parts = getattr(plan, name)
        for place in range(len(parts)):
            less = (*parts[:place], *parts[place + 1 :])
            if name != "jobs" or less:
                yield replace(plan, **{name: less})
    for place in range(len(plan.goals)):
        if len(plan.goals) > 1:
            yield replace(plan, goals=(*plan.goals[:place], *plan.goals[place + 1 :]))
    if plan.goals != (("cost", "minimize"),):
        yield replace(plan, goals=(("cost", "minimize"),))
    for offer in plan.offers:
        rest = tuple(item for item in plan.offers if item is not offer)
        jobs = []
        for job in plan.jobs:
            kept = tuple(name for name in job.sets["offer"] if name != offer.name)
            jobs.append(replace(job, sets={**job.sets, "offer": kept or (rest[0].name if rest else offer.name,)}))
        if rest:
            yield replace(plan, offers=rest, jobs=tuple(jobs))
        for change in ({"available": None}, {"spot": None}, {"singly": False}):
            if getattr(offer, next(iter(change))):
                changes: dict[str, Any] = {**change}
                other = replace(offer, **changes)
                yield replace(plan, offers=tuple(other if item is offer else item for item in plan.offers))
    for place, job in enumerate(plan.jobs):
        changed = [replace(job, bounds=tuple(b for b in job.bounds if b is not one)) for one in job.bounds]
        for name, values in job.sets.items():
            if len(values) > 1:
                changed += [
                    replace(job, sets={**job.sets, name: tuple(v for v in values if v != one)}) for one in values
                ]
            if name in ("market", "replicas") and len(values) == 1:
                changed.append(replace(job, sets={key: held for key, held in job.sets.items() if key != name}))
            if name not in job.sets and job.kind == "inference":
                changed.append(replace(job, sets={**job.sets, name: ("1",)}))
        for made in changed:
            yield replace(plan, jobs=(*plan.jobs[:place], made, *plan.jobs[place + 1 :]))
