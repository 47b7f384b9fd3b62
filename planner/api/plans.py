"""Reading plans as the library does: by path or by text, with settings as a mapping; and what is raised of one."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from math import isnan
from numbers import Real
from os import PathLike, fspath

from planner.diagnostics import Diagnostic
from planner.language.schema import QUANTITIES
from planner.plan import Loaded as Plan
from planner.plan import load_plan

__all__ = ["Limit", "Plan", "PlanError", "Settings", "Where", "limit", "load", "read_plan", "refused", "stated"]

Where = str | PathLike[str]
Limit = float | str
"""A time limit: seconds, or a text as the command line takes it, `"10s"`."""
Settings = Mapping[str, object]
"""Values by `workload.quantity`: a text as a plan writes it, a number, a bool, or a collection of those."""
QUOTED = frozenset(row.name for row in QUANTITIES if row.type in ("model", "text", "offer"))
"""The quantities whose values a plan writes in quotes."""
TEXT = "plan.mem"
"""What a plan is called that has no file."""


class PlanError(ValueError):
    """There is no answer to a plan: it has errors, leaves open what must be fixed, or has more to try than is tried.

    `findings` say which, each with a code and a place; the message shows them.
    """

    def __init__(self, findings: Sequence[Diagnostic], texts: dict[str, str]) -> None:
        """Keep the findings; the message is what the command line prints."""
        from planner.diagnostics.full import render

        self.findings = tuple(findings)
        super().__init__(render(self.findings, texts))


def load(
    path: Where,
    *,
    text: str | None = None,
    settings: Sequence[str] = (),
    set: Settings | None = None,
) -> Plan:
    """Return a plan as it was read; it never raises for what is wrong with the plan: `findings` has it.

    `text` stands for the file's text, `settings` are overrides as `--set` takes them, `set` the same as a mapping: a
    list, tuple, set or range offers several values.

    >>> load("small.mem", text="let a = 1 +").findings[0].code
    'E0102'
    >>> load("examples/chat.mem", settings=["chat.concurrency=4"]).problem.workloads[0].given["concurrency"]
    Fraction(4, 1)
    >>> load("examples/chat.mem", set={"chat.gpus": [1, 2]}).problem.workloads[0].domains["gpus"]
    (Fraction(1, 1), Fraction(2, 1))
    """
    return load_plan(fspath(path), (*settings, *written(set or {})), text=text)


def written(settings: Settings) -> Iterator[str]:
    """Yield settings as `--set` takes them; raise TypeError for a value that no plan can have."""
    for name, value in settings.items():
        quantity = name.rpartition(".")[2]
        if isinstance(value, Collection) and not isinstance(value, str | bytes | Mapping):
            parts = list(value) if isinstance(value, Sequence) else sorted(value, key=str)
            yield f"{name} in {{{', '.join(_literal(quantity, part) for part in parts)}}}"
        else:
            yield f"{name} = {_literal(quantity, value)}"


def _literal(quantity: str, value: object) -> str:
    """Return a value as a plan writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        bare = quantity not in QUOTED or value.startswith('"') or "(" in value or value.isidentifier()
        return value if bare else json.dumps(value, ensure_ascii=False)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float | Decimal | Fraction):
        return f"{Decimal(repr(float(value))):f}"
    raise TypeError(f"{quantity}: a {type(value).__name__} is not a value of a plan")


def read_plan(plan: Plan | Where | None, text: str | None, settings: Settings | None) -> tuple[Plan, str]:
    """Return a plan that was read, or is read now, and what it is called.

    Raise TypeError where neither a plan nor a text is named, or where settings come too late.
    """
    if isinstance(plan, Plan):
        if text is not None or settings:
            raise TypeError("a plan that was read has its text and settings; give them to `planner.load`")
        return plan, next(iter(plan.texts), TEXT)
    if plan is None and text is None:
        raise TypeError("name a plan, or give its `text`")
    path = TEXT if plan is None else fspath(plan)
    return load(path, text=text, set=settings), path


def stated(plan: Plan | Where | None, text: str | None = None, settings: Settings | None = None) -> tuple[Plan, str]:
    """Return a plan as `read_plan` does; raise PlanError where it has errors."""
    loaded, path = read_plan(plan, text, settings)
    if loaded.problem is None:
        raise PlanError(loaded.findings, loaded.texts)
    return loaded, path


def limit(time_limit: Limit) -> float:
    """Return a time limit in seconds; raise ValueError for a text that is none and for what is not a number."""
    if isinstance(time_limit, str):
        from planner.units.quantity import duration

        return duration(time_limit)
    if isinstance(time_limit, bool) or not isinstance(time_limit, Real) or isnan(time_limit):
        raise ValueError(f'`time_limit` is in seconds, or a text like "30s"; {time_limit!r} is neither')
    return float(time_limit)


def refused(plan: Plan, code: str, message: str, help: str, workload: str = "") -> PlanError:
    """Return what is raised instead of an empty answer: one finding, at the workload, or at the first of the plan."""
    from planner.diagnostics.diagnostic import error

    blocks = plan.problem.workloads if plan.problem is not None else ()
    span = next((item.span for item in blocks if item.name == workload or not workload), None)
    return PlanError((error(code, message, span, help=help),), plan.texts)
