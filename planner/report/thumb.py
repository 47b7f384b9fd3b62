"""The rule of thumb for a count of parameters, in every form an answer has."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

from planner.language.schema import WHERE
from planner.record import dataclass
from planner.report import figures, markdown
from planner.report.lines import Line, clamp, coloured, plain, prose
from planner.report.sheet import Memory, Option, Sheet, WorkloadSheet

CAVEAT = (
    "A rule of thumb: it knows nothing of the model's layers, of context, batch or engine. "
    "A plan that names the model is exact about them: `planner init` writes a first one."
)
UNKNOWN = {
    "inference": ("quality", "kv_tokens", "max_concurrency", "max_context", "tpot_s", "ttft_s", "throughput_tok_s"),
    "training": ("quality", "step_time_s", "throughput_tok_s", "mfu", "duration_s", "total_cost_usd"),
}


@dataclass(frozen=True, slots=True)
class Thumb:
    """So many parameters in a format of `bits`; `parts` are the rule's bytes."""

    params: int
    format: str
    bits: Fraction
    kind: str
    optimizer: str | None
    parts: dict[str, int]

    @property
    def total(self) -> int:
        """The sum of the parts, in bytes."""
        return sum(self.parts.values())

    @property
    def count(self) -> str:
        """The parameters as people say them: `13B`."""
        for scale, letter in ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "k")):
            if self.params >= scale:
                return f"{self.params / scale:g}{letter}"
        return str(self.params)


def basis(thumb: Thumb, part: str) -> str:
    """Return how a part is reckoned."""
    each = f"{float(thumb.bits / 8):g} bytes"
    match part:
        case "weights" | "gradients":
            return f"{thumb.count} x {each}"
        case "activations":
            return "20 % of the weights"
        case _:
            states = thumb.parts[part] / max(1, thumb.parts["weights"])
            return f"{states:g} x the weights ({thumb.optimizer})"


def table(thumb: Thumb, *, width: int = 100, colour: bool = False) -> str:
    """Return the parts in GB and GiB with how each is reckoned."""
    width = clamp(width)
    out: list[Line] = [
        (
            (f"{thumb.count} parameters in {thumb.format}", "bold"),
            (f", {thumb.kind}, by the rule of thumb", ""),
        )
    ]
    for name, amount in thumb.parts.items():
        head = f"  {name:<14}{amount / 1e9:>9_.1f} GB{amount / 2**30:>11_.2f} GiB"
        out.append(((head, ""), (f"   {basis(thumb, name)}", "dim")))
    total = f"  {'total':<14}{thumb.total / 1e9:>9_.1f} GB{thumb.total / 2**30:>11_.2f} GiB"
    out.append(((total, "bold"),))
    out += prose("", CAVEAT, width, 2, "dim")
    return coloured(out, width) if colour else plain(out)


def document(thumb: Thumb) -> dict[str, Any]:
    """Return the JSON document; everything that needs a GPU is null."""
    choice: dict[str, Any] = {"weights": thumb.format} | dict.fromkeys(WHERE)
    if thumb.optimizer:
        choice["optimizer"] = thumb.optimizer
    unknown = dict.fromkeys(("headroom", "cost_usd_per_hour", *UNKNOWN[thumb.kind], "power_w"))
    workload = {
        "name": "estimate",
        "kind": thumb.kind,
        "choice": choice,
        "given": {"parameters": thumb.count},
        "anchored_on": [],
        "memory": {"usable": None, "total": thumb.total, "parts": thumb.parts, "sizes": thumb.parts}
        | ({"peak_moment": None} if thumb.kind == "training" else {}),
        "outcomes": unknown,
        "price_as_of": None,
        "slack": [],
        "broken": [],
        "approximate": [CAVEAT],
        "alternatives": [],
        "rejected": [],
        "filtered": [],
    }
    return {
        "schema": "planner.answer/1",
        "plan": None,
        "outcome": "fixed",
        "objective": [],
        "cost_usd_per_hour": None,
        "considered": 1,
        "reproducible": True,
        "searched_up_to": {},
        "offers_left_out": {},
        "offers_replaced": {},
        "workloads": [workload],
        "hardware": [],
        "pareto": [],
        "wishes": [],
        "conflict": [],
        "diagnostics": [],
    }


def render(form: str, thumb: Thumb, *, width: int = 100, colour: bool = False) -> str:
    """Return the estimate in one of the forms of an answer."""
    match form:
        case "json":
            return json.dumps(document(thumb), indent=2)
        case "markdown":
            rows = [
                (name, f"{size / 1e9:.1f} GB", figures.size(size), basis(thumb, name))
                for name, size in thumb.parts.items()
            ]
            rows.append(("**total**", f"**{thumb.total / 1e9:.1f} GB**", figures.size(thumb.total), ""))
            title = f"{thumb.count} parameters in {thumb.format}, {thumb.kind}"
            head = ("part", "GB", "GiB", "reckoned as")
            lines = [f"## {title}", "", *markdown.table(head, rows, frozenset({1, 2})), "", CAVEAT]
            return "\n".join(lines)
        case "csv":
            from planner.report import csv_

            return csv_.text([("part", "bytes"), *thumb.parts.items(), ("total", thumb.total)])
        case "html":
            from planner.report.page import html

            return html.render(_sheet(thumb), f"{thumb.count} parameters in {thumb.format}, by the rule of thumb")
        case _:
            return table(thumb, width=width, colour=colour)


def _sheet(thumb: Thumb) -> Sheet:
    memory = Memory(tuple(thumb.parts.items()), thumb.total, thumb.total, None)
    option = Option(
        gpu="",
        gpus=0,
        hardware=f"{thumb.total / 1e9:.1f} GB",
        rented="",
        setup=f"{thumb.format} weights",
        cost=None,
        memory=memory,
        quality=None,
    )
    block = WorkloadSheet(
        name="estimate",
        kind=thumb.kind,
        model=f"{thumb.count} parameters",
        choice=option,
        outcomes=(),
        slack=(),
        cheaper=(),
        alternatives=(),
        notes=(CAVEAT,),
    )
    return Sheet(
        outcome="fixed",
        blocks=(block,),
        cost=None,
        goals=(),
        limits=(),
        wishes=(),
        conflict=(),
        warnings=(),
        reasons=(),
        considered=0,
        reproducible=True,
    )
