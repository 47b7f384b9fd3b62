"""Public reports of engines as plans (tests/truth/serving_field.jsonl): what is said of each, and what happened."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import planner
from planner.api import PlanError
from planner.solve.candidate import Candidate, shown_outcomes

ROOT = Path(__file__).parents[1]
ROWS = ROOT / "tests" / "truth" / "serving_field.jsonl"
GIB = 2**30


@dataclass(frozen=True, slots=True)
class Verdict:
    """One report: whether it was said to fit and whether it started (None where the report says neither)."""

    row: dict[str, Any]
    fits: bool | None
    starts: bool | None
    broken: tuple[str, ...]
    chosen: Candidate | None
    gpus: int | None = None

    @property
    def right(self) -> bool | None:
        """Whether the verdict is what happened; None where the report has no verdict."""
        if "gpus" in self.row["facts"]:
            return self.gpus == self.row["facts"]["gpus"]
        return None if self.starts is None else self.fits == self.starts

    @property
    def unsafe(self) -> bool:
        """Whether it was said to fit, or to fit fewer GPUs than needed, and did not start."""
        if "gpus" in self.row["facts"]:
            return self.gpus is not None and self.gpus < self.row["facts"]["gpus"]
        return self.starts is False and self.fits is True

    @property
    def engine(self) -> str:
        """The engine of the plan."""
        return next(name for name in ("sglang", "tensorrt_llm", "llama_cpp", "vllm") if f"engine = {name}" in self.plan)

    @property
    def plan(self) -> str:
        """The plan's text."""
        return str(self.row["plan"])

    @property
    def margin(self) -> float:
        """GiB between the expected total and its safe end."""
        return self.chosen.parts["margin"] / GIB if self.chosen else 0.0


def rows() -> list[dict[str, Any]]:
    """The reports, in the order of the file."""
    return [json.loads(line) for line in ROWS.read_text(encoding="utf-8").splitlines()]


def verdict(row: dict[str, Any]) -> Verdict:
    """What the planner says of a report's plan."""
    starts = row["facts"].get("starts")
    plan = planner.load("field.mem", text=row["plan"])
    if row.get("verb") == "solve":
        found = planner.solve(plan).answer
        chosen = found.workloads[0].chosen if found.workloads else None
        return Verdict(row, chosen is not None, starts, (), chosen, chosen.gpus if chosen else None)
    try:
        chosen = planner.estimate(plan).answer.workloads[0].chosen  # type: ignore[union-attr]
    except PlanError as fault:
        return Verdict(row, False, starts, tuple(item.code for item in fault.findings), None)
    return Verdict(row, not chosen.broken, starts, tuple(item.rule for item in chosen.broken), chosen)


def lines(found: Iterable[Verdict]) -> Iterable[str]:
    """One line a report."""
    for item in found:
        state = {True: "right", False: "WRONG", None: "-"}[item.right]
        sizes = ""
        if item.chosen:
            sizes = f"{item.chosen.total / GIB:.2f} of {item.chosen.usable / GIB:.2f} GiB, margin {item.margin:.2f}"
        outcomes = shown_outcomes(item.chosen.outcomes) if item.chosen else {}
        tokens, safe = outcomes.get("kv_tokens"), outcomes.get("kv_tokens_safe")
        known, held = item.row["facts"].get("kv_tokens"), ""
        if known and tokens is not None and safe is not None:
            off, least = (float(number / known - 1) * 100 for number in (tokens, safe))
            held = f", {int(tokens)} tokens ({off:+.1f} %, safe {least:+.1f} %)"
        yield (
            f"{item.row['id']:6} {item.row['confidence']:6} {item.engine:12} {'UNSAFE' if item.unsafe else state:6} "
            f"said {item.fits}, was {item.starts if item.gpus is None else item.row['facts']['gpus']}: {sizes}{held} "
            f"{' '.join(item.broken)}"
        )


def main() -> int:
    """Print every verdict; with names, only those."""
    wanted = sys.argv[1:]
    for row in rows():
        if not wanted or row["id"] in wanted:
            for line in lines([verdict(row)]):
                print(line, flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
