"""Measurements that a plan declares: what its own machines did, stated in a block or read from a benchmark's file."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from planner.catalog.records import Format, Model
from planner.language.declared import evaluations
from planner.language.declared.declare import StatedFields, read_fields
from planner.language.problem import Measurement, Value
from planner.language.schema import grouped
from planner.language.scope import Scope
from planner.language.workload import body_of
from planner.syntax import tree
from planner.syntax.files import read as read_text

if TYPE_CHECKING:
    from planner.catalog.measured.benchmark_results import BenchmarkRun
    from planner.catalog.measured.evaluation_results import KeptQuality

SPEEDS = ("tpot", "ttft", "throughput")
SERVED = (*SPEEDS, "kv_tokens", "memory")
"""What is measured of serving, on a GPU; quality is the same on all."""
MEASURED = (*SERVED, "quality")
LOAD = ("concurrency", "prompt", "output")
"""What a speed, and a peak that follows from it, is measured at."""
SETTINGS = grouped("engine")


def declare_measurement(declaration: tree.Declaration, scope: Scope) -> None:
    """Add a declared measurement to the scope: one, or one for each run of the file that it names."""
    before = len(scope.findings)
    body = body_of(declaration, scope)
    declaration = replace(declaration, body=tuple(body or ()))
    call = evaluations.reader_of(declaration)
    plain = tuple(line for line in declaration.body if line.value is not call)
    said = read_fields(replace(declaration, body=plain), scope)
    kept = evaluations.kept(call, scope) if call is not None else None
    if call is not None:
        said.spans.setdefault("quality", call.span)
    runs = _runs(said, declaration, scope) if body is not None and len(scope.findings) == before else []
    if len(scope.findings) == before:
        for number, run in enumerate(runs, 1):
            name = declaration.name if len(runs) == 1 else f"{declaration.name}[{number}]"
            measurement = _measurement(name, said, run, kept, declaration, scope)
            if measurement is None or len(scope.findings) > before:
                break
            scope.measurements.append(measurement)
    if len(scope.findings) > before:
        scope.broken.add(declaration.name)


def _runs(said: StatedFields, declaration: tree.Declaration, scope: Scope) -> list[BenchmarkRun | None]:
    """Return the runs of the file that a block names; [None] where it states what was measured itself."""
    if "results" not in said.spans:
        stated = [name for name in MEASURED if name in said.values or (name == "quality" and name in said.spans)]
        if not stated:
            what = f"says nothing that was measured: {', '.join(MEASURED)}"
            scope.error("E0404", f"measurement `{declaration.name}` {what}", declaration.name_span, "tpot = 21.4 ms")
        elif any(name in (*SPEEDS, "memory") for name in stated):
            _needed(declaration, said, LOAD, scope)
        return [None]
    for name in (*SPEEDS, *LOAD):
        if name in said.spans:
            scope.error(
                "E0405",
                f"`{name}` is in the file of results",
                said.spans[name],
                secondary=((said.spans["results"], "the file"),),
                help=f"leave out `{name}`",
            )
    value = next(line.value for line in declaration.body if line.target.text == "results")
    if not isinstance(value, tree.String):  # what a lock rests on is noted as it is written
        scope.error("E0402", "`results` takes a path in quotes", value.span, help='results = "bench.json"')
        return []
    place = Path(value.span.path).parent / value.text
    text, finding = read_text(place)
    reason = finding.message if finding is not None else ""
    if text is not None:
        from planner.catalog.measured.benchmark_results import read

        try:
            return list(read(text))
        except ValueError as problem:
            reason = f'"{said.values.get("results")}" cannot be read: {problem}'
    scope.error("E0206", reason, said.spans["results"], help="name a file as the benchmark wrote it")
    return []


def _needed(declaration: tree.Declaration, said: StatedFields, names: tuple[str, ...], scope: Scope) -> bool:
    absent = [name for name in names if name not in said.values and name not in said.meant]
    for name in absent:
        help = f"{name} = {'16' if name == 'concurrency' else '1024 tokens'}" if name in LOAD else f"state `{name}`"
        message = f"measurement `{declaration.name}` does not say `{name}`"
        scope.error("E0404", message, declaration.name_span, help=help)
    return not absent


def _measurement(
    name: str,
    said: StatedFields,
    run: BenchmarkRun | None,
    kept: KeptQuality | None,
    declaration: tree.Declaration,
    scope: Scope,
) -> Measurement | None:
    model = _model(said, run.model if run else kept.native if kept else "", declaration, scope)
    serves = run is not None or any(name in said.values for name in SERVED)
    if (serves and not _needed(declaration, said, ("gpu",), scope)) or model is None:
        return None
    share = kept.quality if kept else evaluations.stated(said, scope)
    weights = _weights(said, kept, model, scope)
    if share is not None and not _quantized(said, weights, model, declaration, scope):
        return None
    engine = _text(said, "engine") or (run.engine if run else "") or "vllm"
    gpus, stages = _whole(said, "gpus", 1), _whole(said, "pipeline_parallel", 1)
    tensor = _whole(said, "tensor_parallel", max(1, gpus // stages))
    if tensor * stages != gpus:
        scope.error(
            "E0403",
            f"{tensor} x {stages} ranks are not {gpus} GPUs",
            said.spans.get("tensor_parallel", said.spans.get("pipeline_parallel", declaration.name_span)),
            help="gpus = tensor_parallel * pipeline_parallel; the measurement is of one replica",
        )
        return None
    if "memory" in said.values and engine != "llama_cpp":
        message = f"{engine} reserves its cache beforehand: its peak says nothing of what it needs"
        scope.error("E0405", message, said.spans["memory"], help="state `kv_tokens`, which it prints when it starts")
        return None
    settings: dict[str, Value] = {key: said.values[key] for key in SETTINGS if key in said.values}
    return Measurement(
        id=name,
        model=model,
        gpu=_text(said, "gpu") if serves else "",
        gpus=gpus,
        tensor_parallel=tensor,
        pipeline_parallel=stages,
        engine=engine,
        engine_version=_text(said, "engine_version") or (run.engine_version if run else ""),
        weights=weights or model.native_format,
        kv_cache=_cache(said, run, scope),
        settings=settings,
        concurrency=run.concurrency if run else _whole(said, "concurrency", 1),
        prompt=run.prompt if run else _whole(said, "prompt", 1),
        output=run.output if run else _whole(said, "output", 1),
        tpot=run.tpot if run else _float(said, "tpot"),
        ttft=run.ttft if run else _float(said, "ttft"),
        prefill=run.prefill if run else None,
        throughput=run.throughput if run else _float(said, "throughput"),
        kv_tokens=_whole(said, "kv_tokens", 0) or None,
        memory=_whole(said, "memory", 0) or None,
        quality=share,
        task=kept.task if kept else "",
        chance=kept.chance if kept else False,
    )


def _weights(said: StatedFields, kept: KeptQuality | None, model: Model, scope: Scope) -> str:
    """Return the format of the weights that were measured, "" where nobody says; files and block must agree."""
    own, stated = evaluations.weights_of(kept, scope) if kept else "", _text(said, "weights")
    if own and stated and own != stated:
        message = f'"{kept.quantized if kept else ""}" has weights in {own}, not in {stated}'
        scope.error("E0405", message, said.spans["weights"], help="leave out `weights`, or name another file")
    return stated or own or (model.native_format if model.original_format else "")


def _quantized(said: StatedFields, weights: str, model: Model, declaration: tree.Declaration, scope: Scope) -> bool:
    """Return whether an evaluation is of something quantized, as it must be; else note what it is to say."""
    cache = _text(said, "kv_cache")
    native = model.original_format or model.native_format
    if weights not in ("", native) or cache not in ("", "bf16", "fp16", "fp32"):
        return True
    message = f"measurement `{declaration.name}` does not say what was quantized"
    scope.error("E0404", message, declaration.name_span, help="weights = fp8, or kv_cache = fp8")
    return False


def _model(said: StatedFields, named: str, declaration: tree.Declaration, scope: Scope) -> Model | None:
    """Return the model that was served; a file says it where the block does not, and may not say another one."""
    named_model = scope.catalog.find_model(named) if named else None
    if "model" not in said.values:
        if isinstance(named_model, Model):
            return named_model
        why = f': the file has "{named}", which no catalog has' if named else ""
        message = f"measurement `{declaration.name}` does not say `model`{why}"
        scope.error("E0404", message, declaration.name_span, help='model = "owner/name"')
        return None
    word = str(said.values["model"])
    known = scope.models.get(word) or scope.catalog.find_model(word)
    if not isinstance(known, Model):
        return None
    if isinstance(named_model, Model) and (named_model.of or named_model.id) != (known.of or known.id):
        message = f'the file measured "{named_model.id}", not "{known.id}"'
        scope.error("E0405", message, said.spans["model"], help="leave out `model`, or name another file")
        return None
    return known


def _cache(said: StatedFields, run: BenchmarkRun | None, scope: Scope) -> str:
    """Return the format of the cache; a file of llama.cpp says it where the block does not."""
    stated, written = _text(said, "kv_cache"), run.cache if run else ""
    number_format = scope.catalog.find_format(written) if written else None
    if not isinstance(number_format, Format):
        return stated
    if stated and stated != number_format.id:
        message = f"the file measured a cache in {number_format.id}, not in {stated}"
        scope.error("E0405", message, said.spans["kv_cache"], help="leave out `kv_cache`")
    return number_format.id


def _text(said: StatedFields, name: str) -> str:
    value = said.values.get(name)
    return value if isinstance(value, str) else ""


def _whole(said: StatedFields, name: str, default: int) -> int:
    value = said.values.get(name)
    return int(value) if isinstance(value, Fraction) else default


def _float(said: StatedFields, name: str) -> float | None:
    """Return a measured time or rate; nothing takes no time, so that a zero is not known."""
    value = said.values.get(name)
    return float(value) if isinstance(value, Fraction) and value > 0 else None
