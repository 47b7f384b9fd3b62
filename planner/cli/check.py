"""`planner check`: everything short of solving; no solver is imported."""

from __future__ import annotations

from pathlib import Path

import typer

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
    for path in _files(paths):
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


def _files(paths: list[str]) -> list[str]:
    out: list[str] = []
    for path in paths:
        out += sorted(str(found) for found in Path(path).rglob("*.mem")) if Path(path).is_dir() else [path]
    return out


def _lock(path: str, loaded: Loaded, locked: bool) -> list[Diagnostic]:
    from planner.lock import lock

    if loaded.problem is None:
        return []
    where = str(lock.path_for(path))
    span = Span(where, 0, 0, 1, 1)
    again = f"run `planner solve {path}`"
    try:
        found = lock.read(lock.path_for(path))
    except lock.LockBroken as reason:
        return [error("E0803", f"{where} cannot be used: {reason}", span, help=again)]
    if found is None:
        return [
            error("E0801", f"{where} is missing", span, help=again)
            if locked
            else warning("W0801", f"{where} is missing", span, help=again)
        ]
    if found.plan != loaded.digest:
        return [error("E0802", f"{where} answers another text of this plan", span, help=again)]
    return _fits(loaded, found.workloads, span, again)


def _fits(loaded: Loaded, locked: dict[str, dict[str, object]], span: Span, again: str) -> list[Diagnostic]:
    """Recompute the locked choice: it is still a candidate, costs the same and breaks no rule."""
    from dataclasses import replace
    from fractions import Fraction

    from planner.language.schema import BY_KIND
    from planner.solve import enumerate_candidates

    problem = loaded.problem
    assert problem is not None
    out: list[Diagnostic] = []
    workloads = []
    for item in problem.workloads:
        choice = locked.get(item.name, {}).get("choice")
        if not isinstance(choice, dict):
            return [error("E0802", f"the lock has no answer for `{item.name}`", span, help=again)]
        names = BY_KIND[item.kind]
        domains = dict(item.domains)
        for key, value in choice.items():
            if key in names and key not in ("provider", "region"):
                one = Fraction(value) if isinstance(value, int) else str(value)
                if key in item.domains and one not in item.domains[key]:
                    out.append(error("E0802", f"the plan does not offer {item.name}.{key} = {value}", span, help=again))
                domains[key] = (one,)
        workloads.append(replace(item, domains=domains))
    if out:
        return out
    rows = enumerate_candidates(replace(problem, workloads=tuple(workloads)), loaded.catalog)
    for name, group in rows.items():
        row = min(group, key=lambda item: item.cost, default=None)
        entry = locked[name]
        if row is None:
            out.append(error("E0804", f"`{name}` cannot be rented as it is locked", span, help=again))
        elif row.broken:
            rules = ", ".join(fault.rule for fault in row.broken)
            out.append(error("E0804", f"the locked answer of `{name}` breaks {rules}", span, help=again))
        elif entry.get("cost_micro_usd_per_hour") != row.cost or _total(entry) != row.total:
            out.append(error("E0802", f"the locked figures of `{name}` are not what they are now", span, help=again))
    return out


def _total(entry: dict[str, object]) -> object:
    memory = entry.get("memory")
    return memory.get("total") if isinstance(memory, dict) else None


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
