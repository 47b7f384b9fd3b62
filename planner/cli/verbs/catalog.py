"""`planner catalog`: list, show, check, import, diff and fetch."""

from __future__ import annotations

from dataclasses import asdict, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from planner.cli.screen import say, tell
from planner.cli.verbs.catalog_fetch import fetch
from planner.cli.verbs.catalog_import import import_, table_of
from planner.diagnostics.shown import json_text

if TYPE_CHECKING:
    from planner.catalog.architecture import LayerPart
    from planner.catalog.catalog import Catalog
    from planner.catalog.records import Architecture, Model
    from planner.diagnostics import Diagnostic

app = typer.Typer(
    help="The catalogs: GPUs, offers, models, formats, engines, what engines serve, frameworks, quality, checkpoints.",
    no_args_is_help=True,
)
KINDS = (
    *("gpus", "offers", "models", "formats", "engines", "engine_models", "engine_options", "frameworks"),
    *("quality", "checkpoints"),
)
FORMS = ("table", "json")
app.command("import")(import_)
app.command()(fetch)


def _fail(message: str) -> typer.Exit:
    tell(message)
    return typer.Exit(2)


def _refuse(*findings: Diagnostic) -> typer.Exit:
    from planner.diagnostics.concise import render

    say(render(findings), err=True)
    return typer.Exit(2)


def _form(form: str) -> None:
    if form not in FORMS:
        raise _fail(f"no format `{form}`; there are {', '.join(FORMS)}")


def _plain(value: object) -> object:
    return float(value) if isinstance(value, Fraction) else str(value)


def _json(value: object) -> None:
    say(json_text(value, _plain))


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
    names = ("max_context", "licence", "model_type", "verified", "published_params", "native_leaves", "native_partly",
             "native_classes", "of", "original_format", "layout", "breakdown", "stored_bytes", "stored", "aliases",
             "note", "assumed", "source")  # fmt: skip
    shown |= {name: getattr(model, name) for name in names}
    shown["architecture"] = _architecture(arch) if arch else None
    return shown


def _architecture(arch: Architecture) -> dict[str, Any]:
    """Return an architecture with its layers as catalogs write them, keys by the alphabet."""
    from planner.catalog.architecture import as_row

    def row(part: LayerPart) -> dict[str, Any]:
        return dict(sorted(as_row(part).items()))

    groups = [{**asdict(group), "mixer": row(group.mixer), "ffn": row(group.ffn)} for group in arch.groups]
    return {**asdict(arch), "groups": groups}


def _file(path: Path, approximate: bool) -> Model:
    """Return the model that a config.json, a checkpoint or their folder describes."""
    from planner.catalog.huggingface import ConfigError, read_checkpoint, read_config

    config = path / "config.json" if path.is_dir() else path
    weights = path.is_dir() and not config.is_file()
    try:
        if weights or path.name.endswith((".safetensors", ".gguf", ".index.json")):
            return read_checkpoint(path, approximate)
        return read_config(config, approximate)
    except ConfigError as problem:
        finding = problem.diagnostic()
        way = "; --approximate accepts an approximate description, and says what it assumes"
        raise _refuse(replace(finding, message=finding.message + way) if problem.approximable else finding) from None


def _record(catalog: Catalog, text: str, approximate: bool) -> Any:
    from difflib import get_close_matches

    path = Path(text)
    if path.is_file() or (path.is_dir() and catalog.find_model(text) is None):
        return _file(path, approximate)
    whole_record: dict[str, Any] = {}
    for result in (
        catalog.find_model(text),
        catalog.find_gpu(text),
        catalog.find_format(text),
        catalog.find_framework(text),
    ):
        for record in result if isinstance(result, tuple) else (result,):
            if record is not None:
                whole_record[record.id] = record
    if len(whole_record) > 1:
        raise _fail(f"`{text}` is ambiguous: {', '.join(whole_record)}")
    if not whole_record:
        near = get_close_matches(text, [*catalog.models, *catalog.gpus, *catalog.formats, *catalog.frameworks], 1)
        way = f"; did you mean `{near[0]}`?" if near else ""
        raise _fail(f"no model, GPU, format or framework `{text}`, nor a file of that name{way}")
    return next(iter(whole_record.values()))


@app.command("list")
def list_(
    kind: str = typer.Argument(..., help=f"{', '.join(KINDS[:-1])} or {KINDS[-1]}."),
    words: list[str] = typer.Argument(None, help="Words that the id, name or an alias has."),
    where: list[str] = typer.Option([], "--where", "-w", help="A filter: gpu=l4, memory>=40GiB, price<2."),
    form: str = typer.Option("table", "--format", help="table or json."),
) -> None:
    """List the rows of one catalog."""
    from planner.catalog import records
    from planner.catalog.checkpoints import Checkpoint
    from planner.catalog.load import load
    from planner.catalog.programs.engine_models import EngineModel
    from planner.catalog.programs.engine_options import EngineOption
    from planner.catalog.programs.engines import Engine
    from planner.catalog.programs.frameworks import Framework
    from planner.catalog.select import choose
    from planner.report.catalog import COLUMNS, table

    if kind not in KINDS:
        raise _fail(f"no catalog `{kind}`; there are {', '.join(KINDS)}")
    _form(form)
    record_types: dict[str, type] = {
        "gpus": records.Gpu,
        "offers": records.Offer,
        "models": records.Model,
        "formats": records.Format,
        "engines": Engine,
        "engine_models": EngineModel,
        "engine_options": EngineOption,
        "frameworks": Framework,
        "quality": records.Recovery,
        "checkpoints": Checkpoint,
    }
    try:
        rows = choose(load()[0].table(kind).values(), words or (), where, record_types[kind])
    except ValueError as problem:
        raise _fail(str(problem)) from None
    if form == "json":
        _json([_model(row) if kind == "models" else asdict(row) for row in rows])
    elif rows:
        say(table(COLUMNS[kind], rows))
    else:
        tell(f"none of the {kind} is like that")


@app.command()
def show(
    ids: list[str] = typer.Argument(..., help="Ids of models, GPUs, formats or frameworks, or paths of a config.json."),
    form: str = typer.Option("table", "--format", help="table or json."),
    approximate: bool = typer.Option(False, "--approximate", help="Accept a config that is not described exactly."),
) -> None:
    """Show what the catalogs know of some ids, and what a config.json describes."""
    from planner.catalog.load import load
    from planner.catalog.programs.frameworks import Framework
    from planner.catalog.records import Gpu, Model
    from planner.report.catalog import facts, framework_page, gpu_page, model_page

    _form(form)
    catalog = load()[0]
    records = [_record(catalog, text, approximate) for text in ids]
    if form == "json":
        _json([_model(record) if isinstance(record, Model) else asdict(record) for record in records])
        return
    for number, record in enumerate(records):
        if number:
            say("")
        match record:
            case Gpu():
                offers = [offer for offer in catalog.offers.values() if offer.gpu == record.id]
                say(gpu_page(record, offers))
            case Model():
                say(model_page(record, _model(record)))
            case Framework():
                say(framework_page(record, catalog.frameworks.get(record.runs_on)))
            case _:
                say("\n".join(facts(asdict(record))))


@app.command()
def check() -> None:
    """Read every row, and say what is wrong."""
    from planner.catalog.load import load
    from planner.diagnostics.concise import render

    catalog, missing = load()
    findings = (*missing, *(() if missing else catalog.check()))
    if findings:
        say(render(findings))
    if any(item.is_error for item in findings):
        raise typer.Exit(1)
    say(", ".join(f"{len(catalog.table(kind))} {kind}" for kind in KINDS))


@app.command()
def diff(
    path: Path = typer.Argument(..., help="A catalog file: its name ends with the kind, like our_offers.yaml."),
    other: Path = typer.Argument(None, help="The file to compare with; else the shipped catalog."),
    form: str = typer.Option("table", "--format", help="table or json."),
) -> None:
    """Show how a catalog's rows differ from the shipped ones, or from another file's."""
    from planner.catalog.load import load
    from planner.catalog.prices.difference import KINDS as OWN_KINDS
    from planner.catalog.prices.difference import difference, kind_of, render

    _form(form)
    kind = kind_of(path)
    if kind is None:
        raise _fail(f"`{path.name}` does not say what it holds: end its name with one of {', '.join(OWN_KINDS)}")
    mine = table_of(path, kind)
    base = table_of(other, kind) if other is not None else load()[0].table(kind)
    keys = base if other is not None else [key for key in base if key in mine]
    changes = difference({key: base.row(key) for key in keys}, {key: mine.row(key) for key in mine})
    if form == "json":
        _json([asdict(change) for change in changes])
    else:
        say(render(changes))
