"""Functions that remember their latest answers."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import ParamSpec, TypeVar, cast

P = ParamSpec("P")
R = TypeVar("R")


def remembered(most: int) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator for pure functions: of so many different arguments, seen last, the answer is kept.

    All workloads of a plan share these answers. Models, formats and engines' profiles are cheap to look up.
    """
    return cast("Callable[[Callable[P, R]], Callable[P, R]]", lru_cache(most))
