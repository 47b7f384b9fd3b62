"""All that can be said of a plan short of solving it: mistakes, lints, and whether its lock still answers it."""

from __future__ import annotations

from fractions import Fraction

from planner.diagnostics import Diagnostic, Span
from planner.diagnostics.diagnostic import error, warning
from planner.plan import Loaded

Verdict = tuple[list[Diagnostic], dict[str, Fraction]]
"""What is wrong with a lock, and the headroom it leaves by workload."""


def review(
    path: str, loaded: Loaded, locked: bool | None = None, texts: dict[str, str] | None = None
) -> tuple[Diagnostic, ...]:
    """Return all that is wrong with a plan and its lock, and the allowances that none of it needed.

    Without the lock where `locked` is None; where it is true, a missing lock and one that the catalogs moved past are
    errors. The lock's text is added to `texts`.
    """
    from planner.lint.allow import allowed
    from planner.lint.answer import headroom
    from planner.lint.lints import lint
    from planner.lint.names import is_library
    from planner.lint.source import Source

    if loaded.file is None:
        return loaded.findings
    found = [*loaded.findings, *loaded.allowed]
    source = Source(path, loaded.file, loaded.texts, loaded.problem, loaded.catalog)
    if is_library(loaded.file):  # what plans import needs no workload and has no answer
        found = [item for item in found if not (item.code == "E0404" and item.span and item.span.start == 0)]
        return tuple(allowed((*found, *lint(source)), loaded.texts)[0])
    found += lint(source)
    if locked is not None:
        verdict, left = _lock(path, loaded, locked, {} if texts is None else texts)
        found += [*verdict, *headroom(source, left)]
    kept, unused = allowed(found, loaded.texts)
    return kept if any(item.is_error for item in kept) else (*kept, *unused)


def _lock(path: str, loaded: Loaded, locked: bool, texts: dict[str, str]) -> Verdict:
    from planner.lock.lock import path_for
    from planner.lock.read import read
    from planner.lock.verify import verify

    if loaded.problem is None:
        return [], {}
    where = path_for(path)
    found, broken = read(where, path)
    if broken is not None:
        return [broken], {}
    if found is None:
        again = f"run `planner solve {path}` and check the lock in"
        span = Span(str(where), 0, 0, 1, 1)
        make, code = (error, "E0801") if locked else (warning, "W0801")
        return [make(code, f"{where} is missing", span, help=again)], {}
    texts[str(where)] = found.text
    verdict, rows = verify(loaded.problem, loaded.catalog, loaded.texts, found, strict=locked)
    shares = ((name, row.outcomes.get("headroom")) for name, row in rows.items())
    return verdict, {name: share for name, share in shares if share is not None}
