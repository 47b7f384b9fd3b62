"""`planner explain`: what a code, a kind, a quantity, a format, a GPU or a model is."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import typer

T = TypeVar("T")

if TYPE_CHECKING:
    from planner.catalog.records import Format, Gpu, Model
    from planner.language.schema import Quantity


def _lines(title: str, rows: dict[str, object]) -> list[str]:
    kept = {name: value for name, value in rows.items() if value not in (None, "", ())}
    width = max(map(len, kept), default=0)
    return [title, *(f"  {name:<{width}}  {value}" for name, value in kept.items())]


def _quantity(row: Quantity) -> list[str]:
    facts = {"of": ", ".join(row.kinds), "role": row.role, "type": row.type, "unit": row.unit}
    return _lines(f"{row.name}: {row.doc}", {**facts, "words": ", ".join(row.words), "default": row.default})


def _kind(name: str) -> list[str]:
    from planner.language.schema import BY_KIND

    lines = [f"{name}: a kind of workload. Its quantities:"]
    for role in ("given", "decision", "outcome"):
        lines.append(f"  {role}")
        lines += [f"    {row.name:<24}{row.doc}" for row in BY_KIND[name].values() if row.role == role]
    return lines


def _format(row: Format) -> list[str]:
    facts = {"bits": f"{float(row.bits):g}", "exponent": row.exponent, "mantissa": row.mantissa}
    more = {"largest": row.largest, "epsilon": row.epsilon, "block": row.block}
    last = {"leaves alone": ", ".join(row.leaves), "engines": ", ".join(row.engines), "source": row.source}
    return _lines(f"{row.id}: {row.name}, a number format", {**facts, **more, **last})


def _gpu(row: Gpu) -> list[str]:
    peaks = {f"peak {name}": f"{value / 1e12:g} TFLOPS" for name, value in row.flops.items()}
    sizes = {"usable": f"{row.memory / 2**30:.2f} GiB", "device": f"{row.device_memory / 2**30:.2f} GiB"}
    last = {"confidence": row.confidence, "source": row.source}
    speed = {"bandwidth": f"{row.bandwidth / 1e9:g} GB/s"}
    return _lines(f"{row.id}: {row.name}", {**sizes, **speed, **peaks, **last})


def _model(row: Model) -> list[str]:
    layers = row.architecture.layers if row.architecture else None
    facts = {"parameters": f"{row.params:_}", "active": f"{row.active_params:_}", "native": row.native_format}
    more = {"layers": layers, "context": row.max_context, "licence": row.licence, "source": row.source}
    return _lines(f"{row.id}: a model", {**facts, **more})


def explain(
    what: str = typer.Argument(..., help="A code, kind, quantity, format, GPU or model."),
) -> None:
    """Explain a code, a kind, a quantity, a format, a GPU or a model."""
    from difflib import get_close_matches

    from planner.catalog.load import load
    from planner.diagnostics.codes import CODES
    from planner.language.schema import BY_KIND, QUANTITIES

    code = CODES.get(what.upper())
    if code:
        rows: dict[str, object] = {"why": code.why, "example": code.example, "instead": code.instead}
        typer.echo("\n".join(_lines(f"{what.upper()}: {code.title}", rows)))
        return
    if what in BY_KIND:
        typer.echo("\n".join(_kind(what)))
        return
    lines = [line for row in QUANTITIES if row.name == what for line in _quantity(row)]
    catalog = load()[0]
    for fmt in _all(catalog.find_format(what)):
        lines += _format(fmt)
    for gpu in _all(catalog.find_gpu(what)):
        lines += _gpu(gpu)
    if not lines:
        for model in _all(catalog.find_model(what)):
            lines += _model(model)
    if lines:
        typer.echo("\n".join(lines))
        return
    quantities = (row.name for row in QUANTITIES)
    names = [*CODES, *BY_KIND, *quantities, *catalog.formats, *catalog.gpus, *catalog.models]
    near = get_close_matches(what, names, 1)
    typer.echo(f"nothing is called `{what}`" + (f"; did you mean `{near[0]}`?" if near else ""), err=True)
    raise typer.Exit(2)


def _all(found: T | tuple[T, ...] | None) -> tuple[T, ...]:
    return found if isinstance(found, tuple) else () if found is None else (found,)
