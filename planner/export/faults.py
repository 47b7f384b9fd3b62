"""What of an answer has no form in a target: the setting, why, and what could be changed."""

from __future__ import annotations

from collections.abc import Iterator

from planner.export.locked import SIXTEEN, LockedWorkload
from planner.record import dataclass


@dataclass(frozen=True, slots=True)
class Unsayable:
    """A setting that the target cannot say: the quantity, a sentence of why, and the way out."""

    quantity: str
    reason: str
    help: str


LONG = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
"""What PyTorch calls the formats of 16 and 32 bits."""


def beyond_config(answer: LockedWorkload, engine: str, longest: int | None) -> Iterator[Unsayable]:
    """Yield that an engine does not start with the answer's context: the model's config states the `longest`.

    Its positions are scaled by a config alone, and whatever an exporter names is a checkpoint with its own.
    """
    context = answer.count("context")
    if longest is not None and context > longest:
        yield Unsayable(
            "context",
            f"{engine} does not start with {context:_} tokens: the config of {answer.model} states {longest:_}",
            f"set context = {longest:_} tokens, or name a checkpoint whose config scales its positions (YaRN)",
        )


def is_mix(weights: str) -> bool:
    """Return whether weights are a format for each layer, `bf16*3+int8*29`."""
    return "+" in weights or "*" in weights


def loads_elsewhere(answer: LockedWorkload, engine: str) -> Iterator[Unsayable]:
    """Yield why an engine would not load the bytes that were proved: no checkpoint is named, or it has others.

    A checkpoint serves in its own format, and one of 16 or 32 bits in any other of these.
    """
    weights = answer.word("weights")
    if answer.repository is None:
        yield Unsayable(
            "model",
            f"the plan names no checkpoint that {engine} could load: `{answer.model}` has no weights",
            'name a repository of the catalog, such as model = "Qwen/Qwen3-8B"',
        )
    if is_mix(weights):
        yield Unsayable(
            "weights",
            f"{engine} has no option for a format per layer: {weights}",
            "offer formats for the whole model, without `per layer`",
        )
    elif weights != answer.native and not (weights in LONG and answer.native in LONG):
        yield Unsayable(
            "weights",
            f"{answer.model} is published in {answer.native}, and the plan names no checkpoint in {weights}",
            f"set weights = {answer.native}, or name a model that is published in {weights}",
        )


def online_fp8(answer: LockedWorkload) -> bool:
    """Return whether the engine makes the weights itself, from a checkpoint of 16 bits."""
    return answer.word("weights") == "fp8_e4m3" and answer.native in SIXTEEN


def served(answer: LockedWorkload, engine: str, *, online: bool) -> Iterator[Unsayable]:
    """Yield why an engine would not load what was proved; of weights that it makes `online` only the model counts."""
    refusals = loads_elsewhere(answer, engine)
    yield from (item for item in refusals if item.quantity == "model") if online else refusals


def types(answer: LockedWorkload, engine: str) -> Iterator[Unsayable]:
    """Yield why one type for the whole program cannot say weights, activations and cache."""
    weights, activations, cache = (answer.word(name) for name in ("weights", "activations", "kv_cache"))
    computed = weights if weights in LONG else activations
    if weights in LONG and activations != weights:
        yield Unsayable(
            "activations",
            f"{engine} computes {weights} weights in {weights}: it has no option for activations in {activations}",
            f"set activations = {weights}",
        )
    if cache in LONG and computed in LONG and cache != computed:
        yield Unsayable(
            "kv_cache",
            f"{engine} has no option for a KV cache in {cache} beside activations in {computed}",
            f"set kv_cache = {computed}",
        )


def dtype(answer: LockedWorkload) -> str:
    """Return the type that the program computes in, by PyTorch's name: the weights' where they have 16 or 32 bits, else
    the activations', else the cache's, else the 16-bit one that quantized checkpoints multiply in."""
    names = (answer.word("weights"), answer.word("activations"), answer.word("kv_cache"))
    return LONG[next((name for name in names if name in LONG), SIXTEEN[0])]


def drafts(answer: LockedWorkload, engine: str, reason: str = "") -> Iterator[Unsayable]:
    """Yield that an engine cannot be told of a draft model, for a `reason` of its own or that it has no repository."""
    name = answer.word("draft_model")
    if name and (reason or "/" not in name):
        yield Unsayable(
            "draft_model",
            reason or f"{engine} loads the draft model from a repository, and `{name}` names none",
            "name it as on Hugging Face, ORG/MODEL"
            if not reason
            else "export the plan without `draft_model`, and add the engine's speculative options by hand",
        )
