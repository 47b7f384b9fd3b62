"""The cheapest hardware a model provably fits on: a plan language and a solver."""

from __future__ import annotations

import sys
from types import ModuleType

from planner.version import __version__

TYPE_CHECKING = False  # as typing has it, whose import an interrupt could fall into
if TYPE_CHECKING:
    from typing import Any

    from planner.api import (
        Changes,
        Comparison,
        Estimate,
        Plan,
        PlanError,
        Reasons,
        Result,
        Review,
        Tests,
        Verification,
        check,
        compare,
        diff,
        estimate,
        load,
        solve,
        test,
        verify,
        why,
    )

__all__ = [
    "Changes", "Comparison", "Estimate", "Plan", "PlanError", "Reasons", "Result", "Review", "Tests", "Verification",
    "__version__", "check", "compare", "diff", "estimate", "load", "solve", "test", "verify", "why",
]  # fmt: skip


class _Package(ModuleType):
    """This package: a submodule that is imported under the name of a function stays callable as that function."""

    def __setattr__(self, name: str, value: object) -> None:
        if isinstance(value, ModuleType) and name in __all__:
            value.__class__ = _Called
        super().__setattr__(name, value)


class _Called(ModuleType):
    """A package that is also the library's function of its name, `planner.solve`."""

    @property
    def __wrapped__(self) -> Any:
        """The function; `inspect.signature` and `inspect.unwrap` look here."""
        from planner import api

        return getattr(api, self.__name__.rpartition(".")[2])

    @property
    def __doc__(self) -> str | None:  # type: ignore[override]
        """The function's."""
        return str(self.__wrapped__.__doc__)

    def __call__(self, *words: Any, **more: Any) -> Any:
        """Call the function."""
        return self.__wrapped__(*words, **more)

    def __repr__(self) -> str:
        return f"<function {self.__name__}, and the package of that name>"


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    """Import the library when it is first used: the command line starts without it."""
    if name in __all__:
        from planner import api

        return globals().get(name, getattr(api, name))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)
