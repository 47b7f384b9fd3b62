"""`planner catalog`: list, show and check the shipped catalogs."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from planner.catalog.catalog import Catalog
    from planner.catalog.records import Model

app = typer.Typer(help="The catalogs: GPUs, offers, models, formats, engines, quality.", no_args_is_help=True)
COLUMNS = {
    "gpus": ("id", "name", "vendor", "memory", "bandwidth", "power_w"),
    "offers": ("id", "gpu", "gpus", "price", "spot", "as_of"),
    "models": ("id", "params", "active_params", "native_format", "max_context"),
    "formats": ("id", "name", "bits", "roles", "engines"),
    "engines": ("id", "name", "block_tokens", "max_sequences", "max_batched_tokens"),
    "quality": ("id", "role", "format", "model", "metric", "recovery"),
}


def _fail(message: str) -> typer.Exit:
    typer.echo(message, err=True)
    return typer.Exit(2)


def _cell(column: str, value: Any) -> str:
    if value is None:
        return "-"
    if column == "memory":
        return f"{value / 2**30:.2f} GiB"
    if column == "bandwidth":
        return f"{value / 1e9:.0f} GB/s"
    if column in ("price", "spot"):
        return f"${value / 1e6:.4f}/h"
    if isinstance(value, Fraction):
        return f"{float(value):g}"
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _model(model: Model) -> dict[str, Any]:
    from planner.physics.inference import kv_bytes_per_token, layer_cache, state_bytes, window_bytes_per_token

    arch = model.architecture
    shown: dict[str, Any] = {
        "id": model.id,
        "params": model.params,
        "active_params": model.active_params,
        "native_format": model.native_format,
        "layers": arch.layers if arch else None,
        "kv_cache": None,
    }
    if arch:
        windows = [layer_cache(group, arch.hidden, Fraction(16)).window for group in arch.groups]
        shown["kv_cache"] = {
            "bytes_per_token": kv_bytes_per_token(arch),
            "window_bytes_per_token": window_bytes_per_token(arch),
            "window": max((size for size in windows if size is not None), default=None),
            "state_bytes": state_bytes(arch),
        }
    return shown


def _record(catalog: Catalog, text: str) -> dict[str, Any]:
    from dataclasses import asdict
    from difflib import get_close_matches

    found: dict[str, Any] = {}
    for result in (catalog.find_model(text), catalog.find_gpu(text), catalog.find_format(text)):
        for record in result if isinstance(result, tuple) else (result,):
            if record is not None:
                found[record.id] = record
    if len(found) > 1:
        raise _fail(f"`{text}` is ambiguous: {', '.join(found)}")
    if not found:
        near = get_close_matches(text, [*catalog.models, *catalog.gpus, *catalog.formats], 1)
        raise _fail(f"no model, GPU or format `{text}`" + (f"; did you mean `{near[0]}`?" if near else ""))
    record = next(iter(found.values()))
    return _model(record) if record.id in catalog.models else asdict(record)


def _plain(value: object) -> object:
    return float(value) if isinstance(value, Fraction) else str(value)


@app.command("list")
def list_(kind: str = typer.Argument(..., help="gpus, offers, models, formats, engines or quality.")) -> None:
    """List the rows of one catalog."""
    from planner.catalog.load import load

    if kind not in COLUMNS:
        raise _fail(f"no catalog `{kind}`; there are {', '.join(COLUMNS)}")
    columns = COLUMNS[kind]
    records = load()[0].table(kind).values()
    rows = [columns, *(tuple(_cell(name, getattr(row, name)) for name in columns) for row in records)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        typer.echo("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


@app.command()
def show(
    ids: list[str] = typer.Argument(..., help="Ids of models, GPUs or formats."),
    form: str = typer.Option("table", "--format", help="table or json."),
) -> None:
    """Show what the catalogs know of some ids."""
    from planner.catalog.load import load

    if form not in ("table", "json"):
        raise _fail(f"no format `{form}`; there are table, json")
    catalog = load()[0]
    items = [_record(catalog, text) for text in ids]
    if form == "json":
        typer.echo(json.dumps(items, indent=2, default=_plain))
        return
    for number, item in enumerate(items):
        if number:
            typer.echo()
        nested = item.pop("kv_cache", None) or {}
        flat = {**item, **{f"kv_cache.{name}": value for name, value in nested.items()}}
        width = max(map(len, flat))
        for name, value in flat.items():
            typer.echo(f"{name:<{width}}  {_cell(name, value)}")


@app.command()
def check() -> None:
    """Read and build every row, and say what is wrong."""
    from planner.catalog.load import load
    from planner.diagnostics.concise import render

    catalog, missing = load()
    findings = (*missing, *(() if missing else catalog.check()))
    if findings:
        typer.echo(render(findings))
    if any(item.is_error for item in findings):
        raise typer.Exit(1)
    typer.echo(", ".join(f"{len(catalog.table(kind))} {kind}" for kind in COLUMNS))
