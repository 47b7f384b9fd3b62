"""Writing the lock file: the answer as YAML a reviewer can read, canonical, with no clock and no machine in it.

All of it but which release wrote it follows from the plan, the catalogs and what was chosen, so that `check` finds any
figure that does not. What proves the answer follows from all candidates: `check --proof` enumerates them again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from planner.catalog.catalog import Catalog
from planner.language.offered import of_models
from planner.language.problem import Problem
from planner.lock.digest import catalog_digests, import_digests, plan_digest
from planner.lock.rows import used
from planner.lock.text import dump, number
from planner.solve.answer import Answer, Certificate, Solved
from planner.solve.candidate import shown_outcomes, traffic_of
from planner.syntax.files import write
from planner.version import __version__

__all__ = ["SCHEMA", "document", "path_for", "render", "workload", "write"]

SCHEMA = "planner.lock/3"
EDITION = 2026
BOUND = "bound_micro_usd_per_hour"
"""What no answer costs less than, with what its broken preferences weigh."""


def path_for(plan: str | Path) -> Path:
    """Return where a plan's lock lies: `chat.mem` has `chat.mem.lock`."""
    return Path(f"{str(plan).rstrip('/')}.lock")


def checksum(body: str) -> str:
    """Return the digest that ends a lock: a cut, edited or merged lock does not have it."""
    return hashlib.sha256(body.encode("utf-8", "surrogatepass")).hexdigest()


def document(answer: Answer, problem: Problem, catalog: Catalog, texts: Mapping[str, str]) -> dict[str, Any]:
    """Return what a lock says, all but its checksum; `texts` are the plan's and its imports' texts by path."""
    problem = of_models(problem, answer.models)
    return {
        "schema": SCHEMA,
        "planner": __version__,
        **stated(answer),
        "plan": plan_digest(texts.get(problem.path, "")),
        "imports": import_digests(problem.path, texts),
        "catalogs": {
            kind: {"rows": rows.rows, "digest": rows.digest} for kind, rows in catalog_digests(problem, catalog).items()
        },
        "used": used({item.chosen.workload: item.chosen for item in answer.workloads}, problem, catalog),
    }


def stated(answer: Answer) -> dict[str, Any]:
    """Return what a lock says of the answer itself."""
    return {
        "edition": EDITION,
        "outcome": answer.outcome,
        "cost_usd_per_hour": None if answer.cost is None else answer.cost / 1e6,
        "objective": [
            {
                "quantity": part.quantity,
                "direction": part.direction,
                "value": number(part.value),
                "bound": number(part.bound),
                "unit": part.unit,
                **({"over": part.over} if part.over != "sum" else {}),
                **({"penalty": number(part.penalty)} if part.penalty else {}),
            }
            for part in answer.objective
        ],
        "proof": {"reproducible": answer.reproducible, **certified(answer.certificate)},
        "workloads": {item.chosen.workload: workload(item) for item in answer.workloads},
    }


def certified(proof: Certificate | None) -> dict[str, Any]:
    """Return what a lock says of what proves its answer; nothing where nothing does."""
    if proof is None:
        return {}
    bound = {} if proof.bound is None else {BOUND: proof.bound, "prices": dict(proof.prices)}
    return {"method": proof.method, "candidates": proof.candidates, "removed": dict(proof.removed), **bound}


def workload(item: Solved) -> dict[str, Any]:
    """Return what a lock says of one workload."""
    row = item.chosen
    memory: dict[str, Any] = {"usable": row.usable, "total": row.total, "parts": dict(row.parts)}
    if row.peak_moment is not None:
        memory["peak_moment"] = row.peak_moment
    return {
        **({"copies": row.copies} if row.copies > 1 else {}),
        "choice": {key: number(row.choice[key]) for key in sorted(row.choice)},
        **({"given": {key: number(row.given[key]) for key in sorted(row.given)}} if row.given else {}),
        **({"traffic": traffic_of(row)} if row.traffic else {}),
        "instances": row.instances,
        "cost_micro_usd_per_hour": row.cost,
        "memory": memory,
        "outcomes": {
            key: number(value) for key, value in sorted(shown_outcomes(row.outcomes).items()) if value is not None
        },
    }


def render(answer: Answer, problem: Problem, catalog: Catalog, texts: Mapping[str, str]) -> str:
    """Return the text of the lock: the same bytes for the same answer, on every machine."""
    return sealed(document(answer, problem, catalog, texts))


def sealed(document: Mapping[str, Any]) -> str:
    """Return the text of a document with the checksum that ends it."""
    body = dump(document)
    return f"{body}checksum: {checksum(body)}\n"
