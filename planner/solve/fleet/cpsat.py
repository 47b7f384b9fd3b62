"""OR-Tools' CP-SAT behind one adapter: an integer linear model in, a solution and its bound out.

The C++ half of CP-SAT starts in a fifth of the time of the public module, which brings pandas; it is not documented, so
the public module stands behind it. Both read the model in its text form.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field
from math import gcd
from threading import Thread
from typing import Any

from planner.record import dataclass
from planner.solve import clock
from planner.solve.candidate import TooWide

INFINITY = 2**62
PRESOLVED = 5_000
"""Models of no more variables are solved as they are: that is faster for them, and trusts less."""
_SOUND = {"symmetry_level": 0, "presolve_inclusion_work_limit": 0}
"""What OR-Tools 9.15.6755 needs to be right. Where its presolve intersects linear rows with exactly-one rows, it calls
feasible models infeasible and worse answers optimal: 34 of 1,500 small random models against brute force, none with
this limit (tests/solve/test_cpsat.py). Where it looks for symmetries, some infeasible models abort the process;
identical workloads are one class anyway."""
EVERY = 0.1
"""Seconds between two looks at the clock while CP-SAT works; what it has found is taken at once."""
PATIENCE = 0.5
"""Seconds that CP-SAT has to stop in."""
MEMORY_MB = 1024
"""The most memory that CP-SAT takes before it stops."""
TERMS = 3_000_000
"""The most terms that the rows of a model have: some 300 MB here, and as much again in its text."""
AT_ONCE = 500
"""So many rows and variables are added between two looks at the clock."""


@dataclass(slots=True)
class IntegerModel:
    """Integer variables with their ranges, and rows `low <= sum of coefficient × variable <= high`."""

    ranges: list[tuple[int, int]] = field(default_factory=list)
    rows: list[tuple[dict[int, int], int, int]] = field(default_factory=list)
    terms: int = 0

    def variable(self, low: int, high: int) -> int:
        """Add a variable and return its index; raise OutOfTime where no time is left, as `row` does."""
        if len(self.ranges) % AT_ONCE == 0:
            clock.look()
        self.ranges.append((low, high))
        return len(self.ranges) - 1

    def row(self, terms: Mapping[int, int], low: int = -INFINITY, high: int = INFINITY) -> None:
        """Add a row; terms without weight are left out. Raise TooWide where a model gets too large."""
        if len(self.rows) % AT_ONCE == 0:
            clock.look()
        self.terms += len(terms)
        if self.terms > TERMS:
            raise TooWide("terms", TERMS)
        self.rows.append(({index: weight for index, weight in terms.items() if weight}, low, high))

    def one_of(self, variables: Iterable[int]) -> None:
        """Demand that exactly one of some 0-1 variables is 1."""
        self.row(dict.fromkeys(variables, 1), 1, 1)


@dataclass(frozen=True, slots=True)
class Solution:
    """The values of all variables, the objective's value and proven bound, and whether the two are equal."""

    values: tuple[int, ...]
    value: int
    bound: int
    proven: bool


def _text(model: IntegerModel, objective: Mapping[int, int], hint: Sequence[int] | None) -> tuple[str, list[int]]:
    """Return a model as CP-SAT reads it, and which of its variables that has: all but those that can only be 0."""
    live = [index for index, ends in enumerate(model.ranges) if ends != (0, 0)]
    place = dict(zip(live, range(len(live)), strict=True))
    out = [f"variables {{ domain: [{low}, {high}] }}" for low, high in map(model.ranges.__getitem__, live)]
    for row, low, high in clock.watched(model.rows, 10 * AT_ONCE):
        terms = {place[index]: weight for index, weight in row.items() if index in place}
        if not terms and low <= 0 <= high:
            continue
        indices, weights = ", ".join(map(str, terms)), ", ".join(map(str, terms.values()))
        out.append(
            f"constraints {{ linear {{ vars: [{indices}] coeffs: [{weights}] domain: [{low}, {high}] }} }}"
            if terms
            else f"constraints {{ linear {{ domain: [{low}, {high}] }} }}"
        )
    terms = {place[index]: weight for index, weight in objective.items() if weight and index in place}
    indices, weights = ", ".join(map(str, terms)), ", ".join(map(str, terms.values()))
    out.append(f"objective {{ vars: [{indices}] coeffs: [{weights}] }}" if terms else "objective { }")
    if hint is not None:
        known = [index for index in live if index < len(hint)]
        places = ", ".join(str(place[index]) for index in known)
        out.append(f"solution_hint {{ vars: [{places}] values: [{', '.join(str(hint[index]) for index in known)}] }}")
    return "\n".join(out), live


def _helper() -> Any:
    """Return the part of OR-Tools that solves, its symbols bound when they are first called: a sixth faster to load."""
    flags = sys.getdlopenflags() if hasattr(sys, "setdlopenflags") else None  # Windows has none
    if flags is not None:
        sys.setdlopenflags(os.RTLD_LAZY)
    try:
        from ortools.sat.python import cp_model_helper
    finally:
        if flags is not None:
            sys.setdlopenflags(flags)
    return cp_model_helper


def _light(text: str, settings: Mapping[str, Any]) -> Any:
    cp_model_helper = _helper()
    model = cp_model_helper.CpModelProto()
    if not model.parse_text_format(text):
        raise ValueError("CP-SAT does not read the model's text")
    parameters = cp_model_helper.SatParameters()
    for name, value in settings.items():
        setattr(parameters, name, value)
    wrapper = cp_model_helper.SolveWrapper()
    wrapper.set_parameters(parameters)
    return _watched(lambda: wrapper.solve(model), wrapper.stop_search, settings)


def _public(text: str, settings: Mapping[str, Any]) -> Any:
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    proto: Any = model.proto if hasattr(model, "proto") else model.Proto()
    if hasattr(proto, "parse_text_format"):
        proto.parse_text_format(text)
    else:
        from google.protobuf import text_format  # type: ignore[import-untyped]

        text_format.Parse(text, proto)
    solver = cp_model.CpSolver()
    for name, value in settings.items():
        setattr(solver.parameters, name, value)
    _watched(lambda: solver.solve(model), solver.stop_search, settings)
    return solver.response_proto if hasattr(solver, "response_proto") else solver.ResponseProto()


def _watched(work: Callable[[], Any], stop: Callable[[], Any], settings: Mapping[str, Any]) -> Any:
    """Return what the solver finds, from a thread of its own: so signals are heard, and its own limit need not hold.

    Raise OutOfTime where it does not stop when it is asked to: then it is left behind.
    """
    result: list[Any] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            result.append(work())
        except BaseException as problem:
            failed.append(problem)

    thread = Thread(target=run, daemon=True)
    end = time.monotonic() + settings["max_time_in_seconds"]
    thread.start()
    try:
        while thread.is_alive():
            thread.join(EVERY)
            if clock.stopped():
                end = min(end, time.monotonic())
            late = time.monotonic() - end
            if late > 0:
                stop()
            if late > PATIENCE:
                raise clock.OutOfTime
    except BaseException:
        stop()
        thread.join(PATIENCE)
        raise
    if failed:
        raise failed[0]
    return result[0]


def _run(text: str, settings: Mapping[str, Any]) -> Any:
    try:
        return _light(text, settings)
    except (ImportError, AttributeError, TypeError, ValueError):
        return _public(text, settings)


def solve(
    model: IntegerModel,
    objective: Mapping[int, int],
    *,
    seconds: float,
    workers: int = 1,
    hint: Sequence[int] | None = None,
) -> Solution | None:
    """Minimise; return None where no solution keeps all rows, or none was found in time (see `infeasible`).

    Raise TooWide where the numbers of a model are more than the solver counts with.
    """
    scale = gcd(*objective.values()) or 1  # smaller numbers for the same order
    smaller = {index: weight // scale for index, weight in objective.items()}
    response, live = _response(model, smaller, seconds, workers, hint)
    if response.status not in _codes("FEASIBLE", "OPTIMAL"):
        return None
    by_variable = dict(zip(live, map(int, response.solution), strict=True))
    values = tuple(by_variable.get(index, 0) for index in range(len(model.ranges)))
    value = sum(weight * values[index] for index, weight in objective.items())
    proven = response.status in _codes("OPTIMAL")
    bound = value if proven else round(response.best_objective_bound) * scale
    return Solution(values, value, bound, proven)


def infeasible(model: IntegerModel, *, seconds: float) -> bool | None:
    """Return whether no solution keeps all rows; None where that was not decided in time."""
    status = _response(model, {}, seconds, 1, None)[0].status
    if status in _codes("INFEASIBLE"):
        return True
    return False if status in _codes("FEASIBLE", "OPTIMAL") else None


def _codes(*names: str) -> set[Any]:
    """Return statuses as the response may hold them: the numbers of cp_model.proto's CpSolverStatus, or an enum's."""
    numbers = {"UNKNOWN": 0, "MODEL_INVALID": 1, "FEASIBLE": 2, "INFEASIBLE": 3, "OPTIMAL": 4}
    codes: set[Any] = {numbers[name] for name in names}
    try:
        from ortools.sat.python.cp_model_helper import CpSolverStatus

        codes |= {getattr(CpSolverStatus, name) for name in names}
    except (ImportError, AttributeError):
        pass
    return codes


def _response(
    model: IntegerModel, objective: Mapping[int, int], seconds: float, workers: int, hint: Sequence[int] | None
) -> tuple[Any, list[int]]:
    text, live = _text(model, objective, hint)
    settings = {
        "num_workers": workers,
        "linearization_level": 2,
        **_SOUND,
        "cp_model_presolve": len(live) > PRESOLVED,
        "random_seed": 0,
        "max_memory_in_mb": MEMORY_MB,
        "max_time_in_seconds": max(0.05, min(seconds, clock.left())),
    }
    response = _run(text, settings)
    if response.status in _codes("MODEL_INVALID"):
        raise TooWide("sums")
    return response, live
