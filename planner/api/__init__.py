"""Library use: the verbs as functions, with the objects the command line prints.

>>> import planner
>>> plan = planner.load("examples/chat.mem")
>>> plan.problem is not None, plan.findings
(True, ())
"""

from __future__ import annotations

from planner.api.against import compare, diff, test, verify
from planner.api.answers import check, estimate, left_open, parameters, solve, why
from planner.api.plans import Plan, PlanError, load
from planner.api.results import (
    Changes,
    Comparison,
    Estimate,
    Reasons,
    Result,
    Review,
    Tests,
    Verification,
)

__all__ = [
    "Changes", "Comparison", "Estimate", "Plan", "PlanError", "Reasons", "Result", "Review", "Tests", "Verification",
    "check", "compare", "diff", "estimate", "left_open", "load", "parameters", "solve", "test", "verify", "why",
]  # fmt: skip
