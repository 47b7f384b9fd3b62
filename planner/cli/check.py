"""`planner check`: everything short of solving; no solver is imported."""

from __future__ import annotations

import typer

from planner.cli.files import plans
from planner.cli.plan import Loaded, load_plan, unreadable
from planner.diagnostics import Diagnostic, Span
from planner.diagnostics.diagnostic import error, warning


def check(
    paths: list[str] = typer.Argument(..., metavar="PATH...", help="Plan files, or folders of them."),
    locked: bool = typer.Option(False, "--locked", help="A missing lock is an error."),
    format: str = typer.Option("full", help="full, concise or json."),
) -> None:
    """Check plans and their locks: syntax, names, units, and that the lock answers the plan and fits."""
    if format not in ("full", "concise", "json"):
        raise typer.BadParameter(f"`{format}` is no format here; use full, concise or json")
    findings: list[Diagnostic] = []
    texts: dict[str, str] = {}
    worst = 0
    for path in plans(paths):
        loaded = load_plan(path)
        found = [*loaded.findings, *_lock(path, loaded, locked)]
        findings += found
        texts |= loaded.texts
        if unreadable(loaded):
            worst = 2
        elif any(item.is_error for item in found):
            worst = max(worst, 1)
    _print(findings, texts, format)
    raise typer.Exit(worst)


def _lock(path: str, loaded: Loaded, locked: bool) -> list[Diagnostic]:
    from planner.lock.lock import path_for
    from planner.lock.read import read
    from planner.lock.verify import verify

    if loaded.problem is None:
        return []
    where = path_for(path)
    found, broken = read(where, path)
    if broken is not None:
        return [broken]
    if found is None:
        again = f"run `planner solve {path}` and check the lock in"
        span = Span(str(where), 0, 0, 1, 1)
        make, code = (error, "E0801") if locked else (warning, "W0801")
        return [make(code, f"{where} is missing", span, help=again)]
    return verify(loaded.problem, loaded.catalog, loaded.texts, found, strict=locked)[0]


def _print(findings: list[Diagnostic], texts: dict[str, str], format: str) -> None:
    if format == "json":
        from planner.diagnostics.json_ import render as as_json

        typer.echo(as_json(findings))
    elif findings and format == "concise":
        from planner.diagnostics.concise import render as concise

        typer.echo(concise(findings))
    elif findings:
        from planner.diagnostics.full import render

        typer.echo(render(findings, texts))
