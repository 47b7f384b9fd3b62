"""`planner check`: everything short of solving; no solver is imported."""

from __future__ import annotations

from fractions import Fraction

import typer

from planner.cli.files import plans
from planner.cli.plan import Loaded, load_plan, shipped_catalog
from planner.diagnostics import Diagnostic, Span
from planner.diagnostics.diagnostic import error, warning
from planner.diagnostics.formats import FORMATS, render

Verdict = tuple[list[Diagnostic], dict[str, Fraction]]
"""What is wrong with a lock, and the headroom it leaves by workload."""


def check(
    paths: list[str] = typer.Argument(..., metavar="PATH...", help="Plan files, or folders of them."),
    locked: bool = typer.Option(False, "--locked", help="A missing lock, or one the catalogs moved past, is an error."),
    format: str = typer.Option("full", help=", ".join(FORMATS[:-1]) + f" or {FORMATS[-1]}."),
) -> None:
    """Check plans and their locks: syntax, names, units, and that the lock answers the plan and fits."""
    if format not in FORMATS:
        raise typer.BadParameter(f"`{format}` is no format here; use {', '.join(FORMATS)}")
    findings: dict[Diagnostic, None] = {}  # what two plans import is reported once
    texts: dict[str, str] = {}
    files = plans(paths)
    worst = 0
    shipped = shipped_catalog()
    for path in files:
        loaded = load_plan(path, shipped=shipped)
        found = _findings(path, loaded, locked, texts)
        findings |= dict.fromkeys(found)
        texts |= loaded.texts
        if any(item.is_error and item.code.startswith("E00") for item in found):
            worst = 2
        elif any(item.is_error for item in found):
            worst = max(worst, 1)
    shown = render(format, tuple(findings), texts, files)
    if shown:
        typer.echo(shown)
    typer.echo(_summary(len(files), tuple(findings)), err=True)
    raise typer.Exit(worst)


def _summary(plans: int, findings: tuple[Diagnostic, ...]) -> str:
    errors = sum(item.is_error for item in findings)
    counts = ((errors, "error"), (len(findings) - errors, "warning"))
    said = " and ".join(f"{count} {word}{'s' * (count != 1)}" for count, word in counts if count)
    return f"{plans} plan{'s' * (plans != 1)} checked: {said or 'all good'}"


def findings_of_plan(path: str, loaded: Loaded) -> tuple[Diagnostic, ...]:
    """Return all that is wrong with a plan itself, lints included, and the allowances that none of it needed."""
    return _findings(path, loaded, None, {})


def _findings(path: str, loaded: Loaded, locked: bool | None, texts: dict[str, str]) -> tuple[Diagnostic, ...]:
    """Return all that is wrong with a plan and its lock; without the lock where `locked` is None."""
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
        verdict, left = _lock(path, loaded, locked, texts)
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
