"""Writing the lock file: the answer as YAML a reviewer can read, canonical, with no clock and no machine in it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from planner import __version__
from planner.catalog.catalog import Catalog
from planner.language.problem import Problem, Value
from planner.lock.digest import catalog_digests, import_digests, plan_digest, row_digest
from planner.solve.candidate import Answer, Candidate, Solved
from planner.syntax.files import write

__all__ = ["SCHEMA", "document", "path_for", "render", "workload", "write"]

SCHEMA = "planner.lock/1"
EDITION = 2026
HEAD = "# Written by `planner solve`; review it and check it in. Do not edit it by hand.\n"
USED = {"gpu": "gpus", "offer": "offers", "weights": "formats", "kv_cache": "formats", "activations": "formats"}


def path_for(plan: str | Path) -> Path:
    """Return where a plan's lock lies: `chat.mem` has `chat.mem.lock`."""
    return Path(f"{str(plan).rstrip('/')}.lock")


def checksum(body: str) -> str:
    """Return the digest that ends a lock: a cut, edited or merged lock does not have it."""
    return hashlib.sha256(body.encode("utf-8", "surrogatepass")).hexdigest()


def plain(value: Value | None) -> Any:
    """Return a value as a lock has it: whole numbers as integers, others with nine decimals."""
    if isinstance(value, Fraction):
        return int(value) if value.denominator == 1 else round(float(value), 9)
    return value


def document(answer: Answer, problem: Problem, catalog: Catalog, texts: Mapping[str, str]) -> dict[str, Any]:
    """Return what a lock says, all but its checksum; `texts` are the plan's and its imports' texts by path."""
    return {
        "schema": SCHEMA,
        "planner": __version__,
        "edition": EDITION,
        "outcome": answer.outcome,
        "cost_usd_per_hour": None if answer.cost is None else answer.cost / 1e6,
        "objective": [
            {
                "quantity": part.quantity,
                "direction": part.direction,
                "value": plain(part.value),
                "bound": plain(part.bound),
                "unit": part.unit,
                **({"over": part.over} if part.over != "sum" else {}),
                **({"penalty": plain(part.penalty)} if part.penalty else {}),
            }
            for part in answer.objective
        ],
        "proof": {"considered": answer.considered, "reproducible": answer.reproducible},
        "workloads": {item.chosen.workload: workload(item) for item in answer.workloads},
        "plan": plan_digest(texts.get(problem.path, "")),
        "imports": import_digests(problem.path, texts),
        "catalogs": {
            kind: {"rows": found.rows, "digest": found.digest}
            for kind, found in catalog_digests(problem, catalog).items()
        },
        "used": _used(answer, problem, catalog),
    }


def workload(item: Solved) -> dict[str, Any]:
    """Return what a lock says of one workload."""
    row = item.chosen
    memory: dict[str, Any] = {"usable": row.usable, "total": row.total, "parts": dict(row.parts)}
    if row.peak_moment is not None:
        memory["peak_moment"] = row.peak_moment
    return {
        "choice": {key: plain(row.choice[key]) for key in sorted(row.choice)},
        "instances": row.instances,
        "cost_micro_usd_per_hour": row.cost,
        "memory": memory,
        "outcomes": {key: plain(value) for key, value in sorted(row.outcomes.items()) if value is not None},
    }


def _used(answer: Answer, problem: Problem, catalog: Catalog) -> dict[str, dict[str, str]]:
    """Return a short digest of each catalog row the answer uses, so that `check` can name the one that changed."""
    found: dict[str, set[str]] = {}
    models = {item.name: item.model.id for item in problem.workloads}
    for item in answer.workloads:
        found.setdefault("models", set()).add(models[item.chosen.workload])
        for name, kind in USED.items():
            if name in item.chosen.choice:
                found.setdefault(kind, set()).update(_ids(item.chosen, name, kind, problem))
    return {
        kind: {key: row_digest(problem, catalog, kind, key) for key in sorted(ids)}
        for kind, ids in sorted(found.items())
    }


def _ids(row: Candidate, name: str, kind: str, problem: Problem) -> set[str]:
    value = str(row.choice[name])
    known = problem.formats if kind == "formats" else {value: None}
    return {value} & set(known)


def render(answer: Answer, problem: Problem, catalog: Catalog, texts: Mapping[str, str]) -> str:
    """Return the text of the lock: the same bytes for the same answer, on every machine."""
    found = document(answer, problem, catalog, texts)
    body = _yaml(found, readable=True)
    if not body.replace("\n", "").isprintable():  # a reviewer must see what is there: overrides are written as escapes
        body = _yaml(found, readable=False)
    body = HEAD + _annotated(body)
    return f"{body}checksum: {checksum(body)}\n"


def _yaml(found: dict[str, Any], readable: bool) -> str:
    import yaml

    return yaml.dump(found, Dumper=yaml.SafeDumper, sort_keys=False, allow_unicode=readable, width=1000)


def _annotated(text: str) -> str:
    """Put GiB behind the sizes, for people."""
    out, inside = [], None
    for row in text.splitlines():
        depth = len(row) - len(row.lstrip())
        if inside is not None and depth <= inside:
            inside = None
        if row.strip() == "memory:":
            inside = depth
        size = row.rpartition(": ")[2]
        if inside is not None and size.isdigit() and size != "0":
            row += f"  # {int(size) / 2**30:.2f} GiB"
        out.append(row)
    return "".join(f"{row}\n" for row in out)
