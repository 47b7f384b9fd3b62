"""llama.cpp: `llama-server` on a GGUF file, with as many slots of `context` as the answer holds."""

from __future__ import annotations

from collections.abc import Iterator

from planner.export.engines.program import Option, Program
from planner.export.faults import Unsayable, drafts, is_mix
from planner.export.said import Said, version_of
from planner.language.schema import grouped
from planner.physics.inference.llama_cpp import MICRO_BATCH

PORT = 8080
CACHES = {"fp32": "f32", "fp16": "f16"}
"""What `-ctk` and `-ctv` call formats whose names differ from the catalog's."""
FLASH_BY_VALUE = (6327,)
"""The release from which `-fa` takes a value, and `auto` is its default (ggml-org/llama.cpp#15434)."""
WIDE = ("fp32", "fp16", "bf16")
"""Caches with which the formulas keep the scores on Intel's GPUs (`scores_kept_on` in catalogs/engines.yaml)."""
FITS_ITSELF = (10434,)
"""The release that was tried: `-fit off` keeps it from changing what is said, and `-sm tensor` splits tensors."""


def faults(this: Said) -> list[Unsayable]:
    """Return what of an answer `llama-server` cannot say."""
    return [*_faults(this)]


def _faults(this: Said) -> Iterator[Unsayable]:
    name, weights = f"llama.cpp {this.version}", this.word("weights")
    file = this.file
    if file is None or not file.endswith(".gguf"):
        yield Unsayable(
            "model",
            f"llama-server loads a GGUF file, and the plan names none: `{this.model}`",
            'name the file, model = checkpoint("models/model.gguf")',
        )
    elif weights != this.native or is_mix(weights):
        reason = f"the file is in {this.native}, not in {weights}, and llama-server does not change it"
        yield Unsayable("weights", reason, f"set weights = {this.native}, or name a file in {weights}")
    yield from drafts(this, "llama-server")
    if version_of(this.version) < FITS_ITSELF and this.count("tensor_parallel") > 1:
        reason = f"{name} has no split of tensors that is known here"
        yield Unsayable("tensor_parallel", reason, "set tensor_parallel = 1, and pipeline_parallel for the GPUs")
    if version_of(this.version) < FLASH_BY_VALUE:
        reason = f"the options of llama-server before b{FLASH_BY_VALUE[0]} are not known here"
        yield Unsayable("engine_version", reason, 'set engine_version = "6327" or later')
    for quantity in ("adapters", *grouped("offloaded")):
        if this.count(quantity, 0):
            yield Unsayable(
                quantity, f"llama-server has no option for {quantity} as the plan has it", f"leave `{quantity}` out"
            )
    if this.count("nodes") > 1:
        yield Unsayable("nodes", "llama-server runs on one host", "set nodes = 1")


def slots(this: Said) -> int:
    """Return the sequences that one server holds."""
    together = this.count("total_concurrency", 0)
    return -(-together // this.replicas) if together else this.count("concurrency")


def program(this: Said) -> Program:
    """Return the server of one replica; `faults` must be empty."""
    notes = (f"slots     {slots(this)} of {this.count('context')} tokens: -c is their product",)
    return Program("", ("llama-server",), (), tuple(_options(this)), (), PORT, this.per_replica, 1, notes, "")


def joined(rank: str, leader: str, *, first: bool) -> tuple[Option, ...]:
    """Return nothing: a server runs on one host."""
    return ()


def _options(this: Said) -> Iterator[Option]:
    cache = this.word("kv_cache")
    tensor, gpus = this.count("tensor_parallel"), this.per_replica
    yield "-m", str(this.file)
    yield "-c", str(slots(this) * this.count("context"))
    yield "-np", str(slots(this))
    yield "-b", str(this.count("max_batched_tokens"))
    yield "-ub", str(min(MICRO_BATCH, this.count("max_batched_tokens")))
    yield "-ctk", CACHES.get(cache, cache)
    yield "-ctv", CACHES.get(cache, cache)
    yield "-fa", "off" if this.vendor == "intel" and cache in WIDE else "on"
    yield "-ngl", "999"
    yield "-sm", "tensor" if tensor > 1 else "layer" if gpus > 1 else "none"
    if version_of(this.version) >= FITS_ITSELF:
        yield "-fit", "off"
    if this.given.get("images") is False:
        yield "--no-mmproj", None
    yield "--host", "0.0.0.0"
    yield "--port", str(PORT)
