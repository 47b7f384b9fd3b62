"""A plan's answer wherever it is: its lock's where that still answers it, else a solve's."""

from __future__ import annotations

from dataclasses import field

from planner.diagnostics import Diagnostic
from planner.lock.compare import Side, of_answer, of_lock
from planner.lock.lock import path_for
from planner.lock.read import read
from planner.plan import Loaded
from planner.record import dataclass


@dataclass(frozen=True, slots=True)
class CurrentAnswer:
    """A plan with its answer, None where there is none, and why; `source` is `lock` or `solved`.

    `faults` is what is wrong with a lock that was not taken.
    """

    plan: str
    source: str
    side: Side | None
    refusal: str = ""
    faults: tuple[Diagnostic, ...] = field(default_factory=tuple)


def current_answer(loaded: Loaded, path: str, limit: float = 30.0, fresh: bool = False) -> CurrentAnswer:
    """Return the answer of a plan without errors; `fresh` solves it whatever its lock says. `limit` is in seconds.

    The plan was read without settings of the command line: a lock answers the plan alone.
    """
    assert loaded.problem is not None
    findings: tuple[Diagnostic, ...] = ()
    if not fresh:
        lock, broken = read(path_for(path), path)
        if lock is not None:
            from planner.lock.verify import verify

            faults, _ = verify(loaded.problem, loaded.catalog, loaded.texts, lock)
            findings = tuple(item for item in faults if item.is_error)
            if not findings:
                return CurrentAnswer(path, "lock", of_lock(lock))
        elif broken is not None:
            findings = (broken,)
    from planner.solve import solve
    from planner.wording import excess_text

    answer = solve(loaded.problem, loaded.catalog, 0, limit)
    if answer.outcome == "unknown":
        why = f"search space too large: {excess_text(answer.refusal)}" if answer.refusal else ""
        return CurrentAnswer(path, "solved", None, why or "nothing was found within the time limit", findings)
    return CurrentAnswer(path, "solved", of_answer(answer), "", findings)
