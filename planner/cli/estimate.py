"""`planner estimate`: the memory of a plan with nothing left open, or of a parameter count by the rule of thumb."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import typer

from planner.cli.plan import exists, load_plan, report, unreadable


def estimate(
    what: str = typer.Argument(..., metavar="PLAN|COUNT", help="A plan file, or a parameter count like 13B."),
    weights: str = typer.Option("bf16", help="The weights' format, with a count."),
    training: bool = typer.Option(False, "--training", help="Train it, with a count."),
    optimizer: str = typer.Option("adamw", help="The optimizer, with a count."),
    format: str = typer.Option("table", help="table or json."),
) -> None:
    """Say how much memory a plan needs, also where it does not fit (then exit 1)."""
    if format not in ("table", "json"):
        raise typer.BadParameter(f"`{format}` is no format here; use table or json")
    params = None if exists(what) else _params(what)
    if params is not None:
        _thumb(params, weights, training, optimizer, format)
        return
    from planner.solve import estimate as answer_of

    loaded = load_plan(what)
    report(loaded.findings, loaded.texts)
    if loaded.problem is None:
        raise typer.Exit(2 if unreadable(loaded) else 1)
    open_ = [
        f"{item.name}.{name}"
        for item in loaded.problem.workloads
        for name, values in item.domains.items()
        if len(values) > 1
    ] + [f"{item.name}.gpu" for item in loaded.problem.workloads if "gpu" not in item.domains]
    if open_:
        typer.echo(f"error[E0404]: left open: {', '.join(open_)}; fix them or run `planner solve {what}`", err=True)
        raise typer.Exit(1)
    answer = answer_of(loaded.problem, loaded.catalog)
    missing = {item.name for item in loaded.problem.workloads} - {item.chosen.workload for item in answer.workloads}
    if missing:
        typer.echo(f"error[E0503]: no offer has what {', '.join(sorted(missing))} asks for", err=True)
        raise typer.Exit(1)
    if format == "json":
        from planner.report.json_ import render as as_json

        typer.echo(as_json(answer, loaded.findings))
    else:
        from planner.report.table import render

        typer.echo(render(answer))
    if any(item.chosen.broken for item in answer.workloads):
        raise typer.Exit(1)


def _params(text: str) -> int | None:
    scale = {"k": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}.get(text[-1:])
    try:
        value = Fraction(text[:-1] if scale else text) * (scale or 1)
    except (ValueError, ZeroDivisionError):
        return None
    return int(value) if 0 < value < 10**18 else None


def _thumb(params: int, weights: str, training: bool, optimizer: str, format: str) -> None:
    from planner.catalog.load import load
    from planner.physics import rule_of_thumb

    catalog, _ = load()
    row = catalog.find_format(weights)
    if row is None or isinstance(row, tuple):
        typer.echo(f"error[E0301]: no format is called `{weights}`", err=True)
        raise typer.Exit(2)
    if training:
        try:
            parts = rule_of_thumb.training(params, row.bits / 8, optimizer)
        except (KeyError, ValueError):
            typer.echo(f"error[E0301]: no optimizer is called `{optimizer}`", err=True)
            raise typer.Exit(2) from None
    else:
        parts = rule_of_thumb.inference(params, row.bits / 8)
    total = sum(parts.values())
    if format == "table":
        typer.echo(
            f"{params / 1e9:g}B parameters in {row.id}, {'training' if training else 'inference'}, rule of thumb"
        )
        for name, size in parts.items():
            typer.echo(f"  {name:<14}{size / 1e9:>10.1f} GB")
        typer.echo(f"  {'total':<14}{total / 1e9:>10.1f} GB")
        return
    workload: dict[str, Any] = {
        "name": "estimate",
        "kind": "training" if training else "inference",
        "choice": {"weights": row.id, "gpu": None, "gpus": None, "offer": None}
        | ({"optimizer": optimizer} if training else {}),
        "memory": {"usable": None, "total": total, "parts": parts, "sizes": parts},
        "outcomes": {"headroom": None, "cost_usd_per_hour": None},
        "alternatives": [],
        "rejected": [],
    }
    document = {
        "schema": "planner.answer/1",
        "outcome": "fixed",
        "objective": [],
        "cost_usd_per_hour": None,
        "workloads": [workload],
        "conflict": [],
        "diagnostics": [],
    }
    typer.echo(json.dumps(document, indent=2))
