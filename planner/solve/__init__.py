"""Candidates, the optimum with its proof, and why everything else is not it.

Read `pipeline.py` first: a solve is the list of its stages. Imports point down this list:

- `pipeline.py`; `offered.py` the best over several models; `first_answer.py`, `hurried.py` one of few candidates;
- `choose/` the answer, its alternatives, conflicts, remedies;
- `fleet/` the integer model that decides every plan, and its audit;
- `kinds.py` tells the kinds of workload apart; `training/` and `inference/` have the same rooms under the same names;
- `judging.py` what judging shares; `rent/` offers and shared instances; `objective.py` the order of candidates;
- `columns/` tables of candidates and rules over them; `rules.py` a rule held against one candidate; `candidate.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from planner.solve.pipeline import estimate, solve, with_hardware

__all__ = ["estimate", "solve", "with_hardware"]


def __getattr__(name: str) -> Any:
    """Import the pipeline when a solve is first asked for: `check` reads rules of structure without it."""
    if name in __all__:
        from planner.solve import pipeline

        return getattr(pipeline, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
