"""All that can be said of a plan short of solving it: mistakes, lints, and whether its lock still answers it."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Optional

from planner.diagnostics import Diagnostic, Span
from planner.diagnostics.diagnostic import error, warning
from planner.plan import Loaded

if TYPE_CHECKING:
    from fractions import Fraction

    from planner.lint.source import Source
    from planner.lock.read import Lock
    from planner.solve.candidate import Candidate

Verdict = tuple[list[Diagnostic], dict[str, "Candidate"], Optional["Lock"]]
"""What is wrong with a lock, its candidates computed again by workload, and the lock where it can be read."""

OF_ANSWERS = {"W0605", "W0611", "W0704", "W0802", "W0804", "W0811"}
"""What only a locked answer can have."""
OF_LOCKS = {*OF_ANSWERS, "W0801", "W0803"}
"""What only a plan with its lock beside it can have."""


def review(
    path: str,
    loaded: Loaded,
    locked: bool | None = None,
    texts: dict[str, str] | None = None,
    proof: bool = False,
) -> tuple[Diagnostic, ...]:
    """Return all that is wrong with a plan and its lock, and the allowances that none of it needed.

    Without the lock where `locked` is None; where it is true, a missing lock is an error. The lock's text is added to
    `texts`. With `proof` the candidates of a lock that answers its plan are enumerated again, and what proves it is
    counted.
    """
    from planner.language.copies import block_of
    from planner.lint.allow import allowed
    from planner.lint.answer import headroom
    from planner.lint.names import is_library
    from planner.lint.source import Source
    from planner.syntax.files import STDIN

    if loaded.file is None:
        return loaded.findings
    findings = [*loaded.findings, *loaded.allowed]
    source = Source(path, loaded.file, loaded.texts, loaded.problem, loaded.catalog)
    if is_library(loaded.file):  # what plans import needs no workload and has no answer
        findings = [item for item in findings if not (item.code == "E0404" and item.span and item.span.start == 0)]
        return tuple(allowed((*findings, *_lints(source, findings)), loaded.texts)[0])
    findings += _lints(source, findings)
    unjudged = set(OF_LOCKS)
    if locked is not None and path not in STDIN:
        verdict, rows, lock = _lock(path, loaded, locked, {} if texts is None else texts)
        least: dict[str, Fraction] = {}
        for name, row in rows.items():
            share = row.outcomes.get("headroom")
            if share is not None:
                least[block_of(name)] = min(share, least.get(block_of(name), share))
        findings += [*verdict, *headroom(source, least)]
        if lock is not None and not any(item.is_error for item in verdict):
            if proof:
                findings += _proven(path, loaded, verdict, lock)
            findings += _aged(loaded, rows, lock)
        unjudged = set(OF_ANSWERS) if lock is None else set() if proof else {"W0811"}
    kept, unused = allowed(findings, loaded.texts, unjudged)
    return kept if any(item.is_error for item in kept) else (*kept, *unused)


def _lints(source: Source, findings: list[Diagnostic]) -> list[Diagnostic]:
    """Return what the lints find, without what only seems missing or unused because its statement could not be read."""
    from planner.lint.lints import lint

    unread = any(item.is_error and item.code[:3] in ("E01", "E02") for item in findings)
    return [item for item in lint(source) if not unread or item.code not in ("W0610", "W0614")]


def _lock(path: str, loaded: Loaded, locked: bool, texts: dict[str, str]) -> Verdict:
    from planner.lock.lock import path_for
    from planner.lock.read import read
    from planner.lock.verify import verify

    if loaded.problem is None:
        return [], {}, None
    where = path_for(path)
    lock, broken = read(where, path)
    if broken is not None:
        return [broken], {}, None
    if lock is None:
        again = f"run `planner solve {path}` and check the lock in"
        span = Span(str(where), 0, 0, 1, 1)
        make, code = (error, "E0801") if locked else (warning, "W0801")
        return [make(code, f"{where} is missing", span, help=again)], {}, None
    texts[str(where)] = lock.text
    return *verify(loaded.problem, loaded.catalog, loaded.texts, lock), lock


def _proven(path: str, loaded: Loaded, verdict: list[Diagnostic], lock: Lock) -> list[Diagnostic]:
    """Return what of a lock's proof does not hold; that it cannot be counted where what it was made of has changed."""
    from planner.lock.certificate import prove
    from planner.lock.since import is_older
    from planner.lock.verify import as_locked

    again = f"run `planner solve {path}` and check the lock in"
    if loaded.problem is None:
        return []
    if is_older(lock) or any(item.code in ("W0802", "W0804") for item in verdict):
        message = f"{lock.path} was proven with other catalogs or another release: its proof cannot be counted again"
        return [warning("W0811", message, lock.span("proof"), help=again)]
    return prove(as_locked(loaded.problem, lock), loaded.catalog, lock, again)


def _aged(loaded: Loaded, rows: dict[str, Candidate], lock: Lock) -> list[Diagnostic]:
    """Return a W0605 for each catalog row the locked answer uses that is old or doubtful; once for each row."""
    from planner.catalog.freshness import findings

    if loaded.problem is None:
        return []
    offers = loaded.problem.offers
    out: dict[str, Diagnostic] = {}
    for name, row in rows.items():
        offer, gpu = offers.get(row.offer), loaded.problem.gpus.get(row.gpu)
        chosen = [offer] if offer is not None and offer.as_of else []  # what the plan declares has no date to look at
        doubtful = [gpu] if gpu is not None else []
        span = lock.span("workloads", name, "choice", "offer")
        for item in findings(chosen, today(), offers.of(row.gpu) if chosen else (), doubtful, span):
            out.setdefault(item.message, item)
    return list(out.values())


def today() -> date:
    """Return the day by which prices are old: the system's, or that of SOURCE_DATE_EPOCH where it is set.

    The variable is that of https://reproducible-builds.org/specs/source-date-epoch/.
    """
    seconds = os.environ.get("SOURCE_DATE_EPOCH", "")
    if seconds.isdecimal() and len(seconds) < 12:
        return datetime.fromtimestamp(int(seconds), UTC).date()
    return datetime.now(UTC).date()
