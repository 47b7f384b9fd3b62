"""What a locked answer is at risk of: a GPU that is nearly full, a service on spot only (W0611, W0612)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction

from planner.diagnostics.diagnostic import Diagnostic, Span, warning
from planner.lint.source import Source

LEAST = Fraction(3, 100)
"""Headroom under which a small change of the engine or driver may not fit: the 3 % of the lint's page."""


def spot(source: Source) -> Iterator[Diagnostic]:
    """Yield each service that may only be rented on the spot market."""
    for workload in source.problem.workloads if source.problem is not None else ():
        if workload.kind == "inference" and workload.domains.get("market") == ("spot",):
            yield warning(
                "W0612",
                f"`{workload.name}` is a service and may only be rented on the spot market",
                workload.spans.get("market", workload.span),
                help="offer `on_demand` too, or say why not: # planner: allow W0612",
            )


def headroom(source: Source, left: Mapping[str, Fraction]) -> Iterator[Diagnostic]:
    """Yield each workload of an answer that leaves less than 3 %; `left` is the headroom by workload."""
    for workload in source.problem.workloads if source.problem is not None else ():
        share = left.get(workload.name)
        if share is None or not 0 <= share < LEAST:
            continue
        span = workload.span
        name = Span(span.path, span.start, min(span.end, span.start + len(workload.kind)), span.line, span.column)
        yield warning(
            "W0611",
            f"the locked answer of `{workload.name}` leaves {float(share) * 100:.1f} % of the GPU's memory",
            workload.spans.get("headroom", name),
            help=f"write `headroom >= 5%` in `{workload.name}` and solve again",
        )
