"""Whether a log is of what a lock holds: the same engine, model, GPU, split and formats, and the same settings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import PurePosixPath

from planner.catalog.catalog import Catalog
from planner.catalog.model_names import pieces, release
from planner.catalog.records import Gpu, Model
from planner.language.copies import block_of
from planner.language.problem import Problem
from planner.language.schema import grouped
from planner.lock.text import number
from planner.physics.inference.profile import release as release_of
from planner.record import dataclass
from planner.startup.predicted import Predicted
from planner.startup.reported import Reported

NEAR = Fraction(3, 100)
"""How far the memory that an engine sees may be from the catalog's: drivers reserve more or less of one card."""
WIDE = ("fp32", "bf16", "fp16")
QUANTIZED = {
    "fp8": ("fp8",), "awq": ("int4_awq",), "awq_marlin": ("int4_awq",), "gptq": ("int4", "int8"),
    "gptq_marlin": ("int4", "int8"), "modelopt": ("fp8",), "modelopt_fp4": ("nvfp4",), "mxfp4": ("mxfp4",),
    "gpt_oss_mxfp4": ("mxfp4",), "bitsandbytes": ("nf4", "int8"), "nvfp4": ("nvfp4",),
}  # fmt: skip
"""What vLLM and SGLang call a quantization, and how the formats begin that it can be; others are not looked at."""
CACHES = {"fp8": "fp8_e4m3", "bfloat16": "bf16", "float16": "fp16", "f16": "fp16", "f32": "fp32"} | {
    name: name for name in ("fp8_e4m3", "fp8_e5m2", "bf16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "iq4_nl")
}
"""What engines call the format of a cache; `auto` follows the checkpoint; the bytes of a token show which it is."""
SAME = Fraction(7, 5)
"""Less than so many times the bytes of a token are of one format of cache: formats differ by twice, scales by less."""
_FILE = re.compile(r"(?:[-.](?:[iI]?Q\d\w*|BF16|F16|F32|MXFP4\w*|UD|i1|\d{5}-of-\d{5}))*\.gguf\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Unlike:
    """What a log has otherwise than the lock: the quantity, and both sides as they are written."""

    quantity: str
    log: str
    lock: str


def apart(problem: Problem, catalog: Catalog, lock: Predicted, log: Reported) -> tuple[list[Unlike], list[str]]:
    """Return why a log is of something else than the lock, and what of that could not be looked at."""
    out: list[Unlike] = []
    notes: list[str] = []
    engine = str(lock.given.get("engine", ""))
    if log.engine and log.engine != engine:
        return [Unlike("engine", log.engine, engine or lock.kind)], []
    if log.model:
        _model(problem, catalog, lock, log.model, out, notes)
    gpu = problem.gpus[str(lock.choice["gpu"])]
    out += _cards(catalog, gpu, log)
    for name in ("tensor_parallel", "pipeline_parallel"):
        said, locked = log.settings.get(name), lock.choice.get(name)
        if said is not None and isinstance(locked, Fraction) and said != locked:
            out.append(Unlike(name, str(said), str(locked)))
    weights, cache = str(lock.choice.get("weights", "")), str(lock.choice.get("kv_cache", ""))
    word = log.formats.get("quantization", "")
    if word == "None" and weights not in WIDE and str(lock.given.get("native_format")) != weights:
        out.append(Unlike("weights", "not quantized", weights))
    elif word in QUANTIZED and "*" not in weights and not weights.startswith(QUANTIZED[word]):
        out.append(Unlike("weights", word, weights))
    word = log.formats.get("kv_cache", "")
    if word in CACHES and cache != CACHES[word]:
        out.append(Unlike("kv_cache", CACHES[word], cache))
    elif word == "auto":
        said, locked = bytes_of_a_token(lock, log), _locked_bytes(lock)
        if said is None or not locked:
            if cache not in WIDE:
                notes.append(f"the log's format of the KV cache is `auto`: whether it is {cache} is not known")
        elif not 1 / SAME < said / locked < SAME:
            out.append(Unlike("kv_cache", f"auto, {round(said):_} bytes a token", f"{cache}, {round(locked):_}"))
    return out, notes


def bytes_of_a_token(lock: Predicted, log: Reported) -> Fraction | None:
    """Return what a token takes of the cache of a rank, None where a log does not say both."""
    held = [one.value for one in log.tokens] or [one.value * lock.block for one in log.blocks]
    cache, tokens = log.smallest("kv_cache"), min(held, default=Fraction(0))
    return cache.value / tokens if cache is not None and tokens > 0 else None


def _locked_bytes(lock: Predicted) -> Fraction:
    """Return what a token takes of the cache of a GPU in the lock, 0 where that is not known."""
    cache, tokens = (lock.bounds[part].expected if part in lock.bounds else None for part in ("kv_cache", "kv_tokens"))
    return cache * lock.sharers / tokens if cache and tokens else Fraction(0)


def settings(problem: Problem, catalog: Catalog, lock: Predicted, log: Reported) -> Iterator[Unlike]:
    """Yield each setting of the engine that is not the locked one, its release among them."""
    locked = str(lock.given.get("engine_version", ""))
    engine = problem.engines.get(log.engine) or catalog.engines.get(log.engine)
    if log.version and locked and engine is not None:
        was, now = release_of(engine, locked), release_of(engine, log.version)
        if was is not now:
            yield Unlike("engine_version", log.version, locked)
    for name in grouped("engine"):
        said, wanted = log.settings.get(name), lock.given.get(name)
        if said is not None and isinstance(wanted, Fraction) and abs(said - wanted) > Fraction(1, 200) * (wanted < 1):
            yield Unlike(name, str(number(said)), str(number(wanted)))
    said, wanted = log.settings.get("context"), lock.given.get("context")
    if said is not None and isinstance(wanted, Fraction) and said < wanted:
        yield Unlike("context", str(said), str(wanted))
    many = lock.given.get("concurrency")
    running = log.running if log.engine == "sglang" else log.settings.get("slots", log.running)
    if running is not None and isinstance(many, Fraction) and running * lock.sharers < many:
        yield Unlike("concurrency", f"{running} at once", str(many))
    if log.formats.get("eager") == "True" and lock.given.get("cuda_graphs") is True:
        yield Unlike("cuda_graphs", "false", "true")


def _model(
    problem: Problem, catalog: Catalog, lock: Predicted, written: str, out: list[Unlike], notes: list[str]
) -> None:
    """Add that a log is of another model, or that its name could not be told."""
    model = next(item.model for item in problem.workloads if item.name == block_of(lock.workload))
    said = str(lock.given.get("model", model.id))
    base = model.of or model.id
    for name in _names(written):
        if name.casefold() in (said.casefold(), model.id.casefold()):
            return
        cataloged = catalog.find_model(name) or catalog.find_model(release(name)[0])
        rows = cataloged if isinstance(cataloged, tuple) else (cataloged,) if isinstance(cataloged, Model) else ()
        if rows and base in catalog.models:
            if all((row.of or row.id) != base for row in rows):
                out.append(Unlike("model", written, said))
            return
        wanted = set(pieces(base))
        if wanted and wanted <= set(pieces(name)):
            return
    notes.append(f"the log's model `{written}` is in no catalog: whether it is {said} is not known")


def _names(written: str) -> Iterator[str]:
    """Yield what a model may be called that is written as a name, a folder, a file or a snapshot of a hub's cache."""
    text = written.replace("\\", "/").rstrip("/")
    cached = re.search(r"models--([^/]+?)--([^/]+)", text)
    if cached is not None:
        yield f"{cached[1]}/{cached[2]}"
    parts = [part for part in PurePosixPath(text).parts if part != "/"]
    if not parts:
        return
    last = _FILE.sub("", parts[-1])
    if len(parts) > 1:
        yield f"{parts[-2]}/{last}"
    yield last


def _cards(catalog: Catalog, gpu: Gpu, log: Reported) -> Iterator[Unlike]:
    """Yield that a log is of another GPU, by its name, or where that says nothing by its memory."""
    named = [catalog.find_gpu(name) for name in log.gpus]
    rows = [named_gpu if isinstance(named_gpu, tuple) else (named_gpu,) for named_gpu in named if named_gpu is not None]
    if rows and not any(gpu.id in {row.id for row in some} for some in rows):
        yield Unlike("gpu", ", ".join(log.gpus), gpu.id)
        return
    card = log.largest("card")
    if rows or card is None:
        return
    low, high = gpu.memory * (1 - NEAR), max(gpu.memory, gpu.device_memory) * (1 + NEAR)
    if not low <= card.value <= high:
        sizes = (f"{float(size) / 2**30:.2f} GiB" for size in (card.value, gpu.memory))
        yield Unlike("gpu", f"a card of {next(sizes)}", f"{gpu.id}, {next(sizes)}")
