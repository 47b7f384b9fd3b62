"""`planner explain`: what a code, a kind, a quantity, a format, a GPU or a model is."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, TypeVar

import typer

T = TypeVar("T")

if TYPE_CHECKING:
    from planner.catalog.records import Engine, Format, Gpu, Model
    from planner.language.schema import Quantity


def _lines(title: str, rows: dict[str, object]) -> list[str]:
    kept = {name: value for name, value in rows.items() if value not in (None, "", ())}
    width = max(map(len, kept), default=0)
    return [title, *(f"  {name:<{width}}  {value}" for name, value in kept.items())]


def _quantity(row: Quantity) -> list[str]:
    facts = {"of": ", ".join(row.kinds), "role": row.role, "type": row.type, "unit": row.unit}
    low, high = (None if end is None else f"{float(end):g}" for end in (row.low, row.high))
    span = " ".join(part for part in (f"from {low}" if low else "", f"to {high}" if high else "") if part)
    unsaid = "chosen" if row.free else row.default
    if isinstance(unsaid, Fraction):
        unsaid = f"{float(unsaid):g}"
    more = {"words": ", ".join(row.words), "values": span, "unmentioned": unsaid}
    return _lines(f"{row.name}: {row.doc}", {**facts, **more})


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


def _engine(row: Engine) -> list[str]:
    facts: dict[str, object] = {"block": f"{row.block_tokens} tokens", "max_sequences": row.max_sequences}
    share = {"gpu_memory_utilization": f"{float(row.gpu_memory_utilization):g}", "source": row.source}
    return _lines(f"{row.id}: {row.name}, a serving engine", {**facts, **share})


def _unit(name: str) -> list[str]:
    """Return what a unit or a scale of numbers is, and the units it can be exchanged for."""
    from planner.syntax.tokens import SCALES
    from planner.units.canonical import unit_of
    from planner.units.quantity import UNITS

    found = []
    if name in SCALES:
        attached = f"13{name}" if name in ("k", "M", "B", "T") else f"8{name} tokens"
        found += _lines(f"{name}: a scale of numbers", {"times": f"{SCALES[name]:_}", "example": attached})
    key = name.replace("$", "USD")
    if key in UNITS:
        factor, dimension = UNITS[key]
        canonical = unit_of(dimension)
        value = factor if canonical is None else factor / UNITS[canonical][0]
        others = [unit.replace("USD", "$") for unit, (_, same) in UNITS.items() if same == dimension and unit != key]
        is_ = f"{_number(value)} {(canonical or '').replace('USD', '$')}".rstrip()
        found += _lines(f"{name}: a unit of {dimension}", {"is": is_, "others": ", ".join(others)})
    return found


def _number(value: Fraction) -> str:
    return f"{value.numerator:_}" if value.denominator == 1 else f"{float(value):g}"


def _word(name: str) -> list[str]:
    from planner.syntax.words import WORDS

    found = WORDS.get(name)
    return [] if found is None else _lines(f"{name}: a word of the language", {"does": found[0], "example": found[1]})


def lines_for(what: str) -> list[str]:
    """Return the lines that explain something by its name; none where nothing has it."""
    from planner.catalog.load import load
    from planner.diagnostics.codes import CODES
    from planner.language.fields import FIELDS, FIELDS_BY_KIND
    from planner.language.schema import BY_KIND, QUANTITIES

    code = CODES.get(what.upper())
    if code:
        rows: dict[str, object] = {"why": code.why, "example": code.example, "instead": code.instead}
        return _lines(f"{what.upper()}: {code.title}", rows)
    lines = _kind(what) if what in BY_KIND else []
    if what in FIELDS_BY_KIND:
        lines += [f"{what}: a declaration. What it can say:"]
        lines += [f"    {row.name:<24}{row.doc}" for row in FIELDS_BY_KIND[what].values() if row.name != "id"]
    name = what.rpartition(".")[2]
    lines += [line for row in (*QUANTITIES, *FIELDS) if row.name == name for line in _quantity(row)]
    lines += _word(what) + _unit(what)
    catalog = load()[0]
    for fmt in _all(catalog.find_format(what)):
        lines += _format(fmt)
    for gpu in _all(catalog.find_gpu(what)):
        lines += _gpu(gpu)
    if what in catalog.engines:
        lines += _engine(catalog.engines[what])
    if not lines:
        for model in _all(catalog.find_model(what)):
            lines += _model(model)
    return lines


def _near(what: str) -> str | None:
    from difflib import get_close_matches

    from planner.catalog.load import load
    from planner.diagnostics.codes import CODES
    from planner.language.fields import FIELDS, FIELDS_BY_KIND
    from planner.language.schema import BY_KIND, QUANTITIES
    from planner.syntax.words import WORDS
    from planner.units.quantity import UNITS

    catalog = load()[0]
    rows = (row.name for row in (*QUANTITIES, *FIELDS))
    ids = (*catalog.formats, *catalog.gpus, *catalog.models, *catalog.engines)
    near = get_close_matches(what, [*CODES, *BY_KIND, *FIELDS_BY_KIND, *rows, *ids, *UNITS, *WORDS], 1)
    return near[0] if near else None


def explain(
    what: str = typer.Argument(..., help="A code, kind, quantity, format, GPU, engine, model, unit or word."),
) -> None:
    """Explain a code, a kind, a quantity, a format, a GPU, an engine, a model, a unit or a word of the language."""
    lines = lines_for(what)
    if lines:
        typer.echo("\n".join(lines))
        return
    near = _near(what)
    typer.echo(f"nothing is called `{what}`" + (f"; did you mean `{near}`?" if near else ""), err=True)
    raise typer.Exit(2)


def _all(found: T | tuple[T, ...] | None) -> tuple[T, ...]:
    return found if isinstance(found, tuple) else () if found is None else (found,)
