"""The lock file: the answer as YAML a reviewer can read, canonical, with no clock and no machine in it."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import yaml

from planner import __version__
from planner.language.problem import Value
from planner.solve.candidate import Answer

SCHEMA = "planner.lock/1"


class LockBroken(ValueError):
    """The lock file is no lock."""


@dataclass(frozen=True, slots=True)
class Lock:
    """What a lock says: the digest of the plan's texts, and for each workload its choice, memory and cost."""

    plan: str
    workloads: dict[str, dict[str, Any]]


def digest(texts: dict[str, str]) -> str:
    """Return the digest of a plan and what it imports; where the files lie does not matter."""
    hashes = sorted(hashlib.sha256(text.encode()).hexdigest() for text in texts.values())
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()


def path_for(plan: str | Path) -> Path:
    """Return where a plan's lock lies: `chat.mem` has `chat.mem.lock`."""
    return Path(f"{plan}.lock")


def _plain(value: Value | None) -> Any:
    if isinstance(value, Fraction):
        return int(value) if value.denominator == 1 else round(float(value), 9)
    return value


def render(answer: Answer, plan: str) -> str:
    """Return the text of the lock."""
    document = {
        "schema": SCHEMA,
        "planner": __version__,
        "edition": 2026,
        "plan": plan,
        "outcome": answer.outcome,
        "objective": [
            {
                "quantity": part.quantity,
                "direction": part.direction,
                "value": _plain(part.value),
                "bound": _plain(part.bound),
                "unit": part.unit,
            }
            for part in answer.objective
        ],
        "workloads": {
            item.chosen.workload: {
                "choice": {key: _plain(item.chosen.choice[key]) for key in sorted(item.chosen.choice)},
                "instances": item.chosen.instances,
                "cost_micro_usd_per_hour": item.chosen.cost,
                "memory": {
                    "usable": item.chosen.usable,
                    "total": item.chosen.total,
                    "parts": item.chosen.parts,
                },
                "outcomes": {
                    key: _plain(value) for key, value in sorted(item.chosen.outcomes.items()) if value is not None
                },
            }
            for item in answer.workloads
        },
    }
    head = "# Written by `planner solve`; review it and check it in. Do not edit it by hand.\n"
    return head + yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110)


def write(path: Path, text: str) -> None:
    """Write beside and rename, so that a lock is whole or not there; raise OSError."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def read(path: Path) -> Lock | None:
    """Return the lock, None where there is none; raise LockBroken for a file that is no lock."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as reason:
        raise LockBroken(str(reason)) from reason
    if "<<<<<<<" in text:
        raise LockBroken("it holds a merge conflict: take either side and run `planner solve` again")
    try:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        document = yaml.load(text, Loader=loader)
    except (yaml.YAMLError, RecursionError, ValueError) as reason:
        raise LockBroken("it is no YAML") from reason
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise LockBroken("it is no lock of this program")
    workloads = document.get("workloads")
    if not isinstance(workloads, dict) or not all(isinstance(row, dict) for row in workloads.values()):
        raise LockBroken("its workloads are missing")
    return Lock(str(document.get("plan")), workloads)
