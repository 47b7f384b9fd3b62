"""The cheapest hardware a model provably fits on: a plan language and a solver."""

from __future__ import annotations

from planner.version import __version__

TYPE_CHECKING = False  # as typing has it, whose import an interrupt could fall into
if TYPE_CHECKING:
    from typing import Any

    from planner.api import Estimate, Plan, PlanError, Result, Review, check, estimate, load, solve

__all__ = ["Estimate", "Plan", "PlanError", "Result", "Review", "__version__", "check", "estimate", "load", "solve"]


def __getattr__(name: str) -> Any:
    """Import the library when it is first used: the command line starts without it."""
    if name in __all__:
        from planner import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)
