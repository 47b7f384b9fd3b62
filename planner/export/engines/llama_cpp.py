"""llama.cpp: `llama-server` on a GGUF file, with as many slots of `context` as the answer holds."""

from __future__ import annotations

from collections.abc import Iterator

from planner.export.engines.option_names import OptionNames
from planner.export.engines.program import Option, Program
from planner.export.faults import Unsayable, drafts, is_mix
from planner.export.locked import LockedWorkload, version_of
from planner.language.schema import grouped
from planner.physics.inference.llama_cpp import MICRO_BATCH

PORT = 8080
FLASH_BY_VALUE = (6327,)
"""The release from which `-fa` takes a value, and `auto` is its default (ggml-org/llama.cpp#15434)."""
WIDE = ("fp32", "fp16", "bf16")
"""Caches with which the formulas keep the scores on Intel's GPUs (`scores_kept_on` in catalogs/engines.yaml)."""
FITS_ITSELF = (10434,)
"""The release that was tried: `-fit off` keeps it from changing what is said, and `-sm tensor` splits tensors."""


def faults(answer: LockedWorkload) -> list[Unsayable]:
    """Return what of an answer `llama-server` cannot say."""
    return [*_faults(answer)]


def _faults(answer: LockedWorkload) -> Iterator[Unsayable]:
    name, weights = f"llama.cpp {answer.version}", answer.word("weights")
    file = answer.file
    if file is None or not file.endswith(".gguf"):
        yield Unsayable(
            "model",
            f"llama-server loads a GGUF file, and the plan names none: `{answer.model}`",
            'name the file, model = checkpoint("models/model.gguf")',
        )
    elif weights != answer.native or is_mix(weights):
        reason = f"the file is in {answer.native}, not in {weights}, and llama-server does not change it"
        yield Unsayable("weights", reason, f"set weights = {answer.native}, or name a file in {weights}")
    yield from drafts(
        answer, "llama-server", "llama-server loads a draft model from a GGUF file, which a plan does not name"
    )
    if version_of(answer.version) < FITS_ITSELF and answer.count("tensor_parallel") > 1:
        reason = f"{name} has no split of tensors that is known here"
        yield Unsayable("tensor_parallel", reason, "set tensor_parallel = 1, and pipeline_parallel for the GPUs")
    if version_of(answer.version) < FLASH_BY_VALUE:
        reason = f"the options of llama-server before b{FLASH_BY_VALUE[0]} are not known here"
        yield Unsayable("engine_version", reason, 'set engine_version = "6327" or later')
        return
    for quantity in ("adapters", *grouped("offloaded")):
        if answer.count(quantity, 0):
            yield Unsayable(
                quantity, f"llama-server has no option for {quantity} as the plan has it", f"leave `{quantity}` out"
            )
    if answer.count("nodes") > 1:
        yield Unsayable("nodes", "llama-server runs on one host", "set nodes = 1")
    words = OptionNames("llama_cpp", answer.version)
    if not words.value("kv_cache", answer.word("kv_cache")):
        reason = f"{name} has no word for a KV cache in {answer.word('kv_cache')}"
        yield Unsayable("kv_cache", reason, "set kv_cache = fp16 or q8_0")
    for _ in _options(answer, words):
        pass  # what it asks for and is not there is noted
    yield from words.faults(name)


def slots(answer: LockedWorkload) -> int:
    """Return the sequences that one server holds."""
    together = answer.count("total_concurrency", 0)
    return -(-together // answer.replicas) if together else answer.count("concurrency")


def program(answer: LockedWorkload) -> Program:
    """Return the server of one replica; `faults` must be empty."""
    notes = (f"slots     {slots(answer)} of {answer.count('context')} tokens: -c is their product",)
    return Program(
        image="",
        entry=("llama-server",),
        words=(),
        options=tuple(_options(answer, OptionNames("llama_cpp", answer.version))),
        environment=(),
        port=PORT,
        gpus=answer.per_replica,
        hosts=1,
        notes=notes,
        package="",
    )


def joined(rank: str, leader: str, *, first: bool) -> tuple[Option, ...]:
    """Return nothing: a server runs on one host."""
    return ()


def _options(answer: LockedWorkload, option: OptionNames) -> Iterator[Option]:
    cache = option.value("kv_cache", answer.word("kv_cache"))
    tensor, gpus = answer.count("tensor_parallel"), answer.per_replica
    yield option("model"), str(answer.file)
    yield option("context"), str(slots(answer) * answer.count("context"))
    yield option("concurrency"), str(slots(answer))
    if option.has("concurrency.apart"):
        yield option("concurrency.apart"), None
    yield option("max_batched_tokens"), str(answer.count("max_batched_tokens"))
    yield option("max_batched_tokens.micro"), str(min(MICRO_BATCH, answer.count("max_batched_tokens")))
    yield option("kv_cache"), cache
    yield option("kv_cache.values"), cache
    yield option("attention"), "off" if answer.vendor == "intel" and answer.word("kv_cache") in WIDE else "on"
    yield option("weights.layers"), "999"
    yield option("tensor_parallel"), "tensor" if tensor > 1 else "layer" if gpus > 1 else "none"
    if option.has("fit"):
        yield option("fit"), "off"
    for setting in ("host_memory", "host_memory.checkpoints"):
        if option.has(setting):
            yield option(setting), "0"  # the formulas count no host memory for prompts that are kept
    if answer.given.get("images") is False:
        yield option("images"), None
    yield option("host"), "0.0.0.0"
    yield option("port"), str(PORT)
