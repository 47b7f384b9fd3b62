"""The verbs that hold an answer against something: its lock, its tests, another plan, or the machine itself."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory

from planner.api.answers import known
from planner.api.plans import Limit, Plan, PlanError, Settings, Where, limit, load, stated
from planner.api.results import Changes, Comparison, Tests, Verification
from planner.lock.compare import Side, of_answer, of_lock
from planner.solve.answer import Answer


def compare(
    *plans: Where,
    fresh: bool = False,
    set: Settings | None = None,
    time_limit: Limit = 30.0,
) -> Comparison:
    """Return the answers of plans side by side, each from its lock where that is up to date, else solved.

    With `fresh` all are solved, and where `set` changes them. Raise PlanError for a plan with errors, ValueError for
    fewer than two.

    >>> compare("examples/chat.mem", "examples/long_context.mem")
    <Comparison: examples/chat.mem $0.44/h, examples/long_context.mem $0.44/h>
    """
    from planner.current_answer import current_answer
    from planner.report.compared import Column

    if len(plans) < 2:
        raise ValueError("name two plans, or more")
    columns, most = [], limit(time_limit)
    for plan in plans:
        loaded, path = stated(plan, None, set)
        result = current_answer(loaded, path, most, fresh or bool(set))
        columns.append(Column(path, result.source, result.side, result.refusal))
    return Comparison(tuple(columns))


def diff(plan: Plan | Where, *, against: str | None = None, time_limit: Limit = 30.0) -> Changes:
    """Return what a plan's answer is now against its lock, or with `against` against a revision of git.

    Raise PlanError for a plan with errors or a broken lock, ValueError for no such revision.

    >>> diff("examples/chat.mem").changed
    False
    """
    from planner.lock import compare as sides

    most, (loaded, path) = limit(time_limit), stated(plan)
    after = _answered(loaded, most)
    before, name = (_revision(path, against, most), against) if against else _locked(path)
    return Changes(sides.compare(path, name, before, of_answer(after)))


def _answered(loaded: Plan, time_limit: float) -> Answer:
    from planner.solve import solve

    assert loaded.problem is not None
    return known(solve(loaded.problem, loaded.catalog, 0, time_limit), loaded, time_limit)


def _locked(path: str) -> tuple[Side | None, str]:
    from planner.lock.lock import path_for
    from planner.lock.read import read

    where = path_for(path)
    lock, broken = read(where, path)
    if broken is not None:
        raise PlanError((broken,), {})
    return (of_lock(lock) if lock is not None else None), str(where)


def _revision(path: str, revision: str, time_limit: float) -> Side | None:
    from planner.lock.revision import NoRevision, extract

    with TemporaryDirectory(prefix="planner-") as folder:
        try:
            old = extract(path, revision, Path(folder))
        except NoRevision as reason:
            raise ValueError(str(reason)) from None
        loaded = None if old is None else load(old)
        if loaded is None or loaded.problem is None:
            return None
        return of_answer(_answered(loaded, time_limit))


def test(
    plan: Plan | Where | None = None,
    *,
    text: str | None = None,
    set: Settings | None = None,
    pick: str = "",
    time_limit: Limit = 120.0,
) -> Tests:
    """Return the verdicts on a plan's tests, those whose name has `pick`; `time_limit` is in seconds for all of them.

    Raise PlanError for a plan with errors.

    >>> test("examples/measured.mem")
    <Tests: examples/measured.mem, 0 failed, 1 passed>
    """
    from planner.language.problem import Problem
    from planner.solve import solve
    from planner.trials.run import run

    loaded, path = stated(plan, text, set)
    assert loaded.problem is not None
    end = time.monotonic() + limit(time_limit)

    def answer(problem: Problem) -> Answer:
        return solve(problem, loaded.catalog, 0, max(0.0, end - time.monotonic()))

    trials = [trial for trial in loaded.problem.trials if pick.casefold() in trial.name.casefold()]
    return Tests(tuple(run(trial, answer) for trial in trials), path, dict(loaded.texts))


def verify(plan: Where, *logs: Where, workload: str | None = None) -> Verification:
    """Return what start-up logs (vLLM, SGLang, llama.cpp) or nvidia-smi's CSV say against a plan's lock.

    A log is a path, or a text of several lines. Raise PlanError for a plan with errors and for a lock that is missing,
    broken or out of date, ValueError for what is not a log or where several workloads may be meant.

    >>> verify("examples/started.mem", "examples/started.log")
    <Verification: chat, holds: 8 figures compared>
    """
    from planner.diagnostics.diagnostic import error
    from planner.lock.lock import path_for
    from planner.lock.read import read
    from planner.lock.verify import as_locked
    from planner.lock.verify import verify as faults_of
    from planner.startup.block import measurement
    from planner.startup.compare import compare as compared
    from planner.startup.predicted import predicted
    from planner.startup.read import meant, of_one_start

    loaded, path = stated(plan)
    assert loaded.problem is not None
    where = path_for(path)
    lock, broken = read(where, path)
    if lock is None:
        raise PlanError((broken or error("E0801", f"{where} is missing"),), loaded.texts)
    faults = [item for item in faults_of(loaded.problem, loaded.catalog, loaded.texts, lock)[0] if item.is_error]
    if faults:
        raise PlanError(faults, {**loaded.texts, str(where): lock.text})
    log, cards = of_one_start(_bytes(item) for item in logs)
    names = meant({name: row.get("given", {}) for name, row in lock.workloads.items()}, log)
    name = workload if workload in lock.workloads else names[0] if len(names) == 1 and workload is None else ""
    if not name:
        raise ValueError(f"name the workload: {', '.join(names)}")
    problem = as_locked(loaded.problem, lock)
    said = predicted(problem, loaded.catalog, lock, name)
    verified = compared(problem, loaded.catalog, said, log, cards)
    block = "" if verified.apart or verified.changed else measurement(said, log, cards)
    return Verification(verified, lock.path, block)


def _bytes(log: Where) -> bytes:
    if isinstance(log, str) and "\n" in log:
        return log.encode("utf-8", "surrogatepass")
    from planner.startup.read import MOST

    with Path(log).open("rb") as file:
        return file.read(MOST)
