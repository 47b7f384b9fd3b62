"""SGLang: `sglang serve` with every setting that the memory formulas read."""

from __future__ import annotations

from collections.abc import Iterator

from planner.export.engines.option_names import OptionNames
from planner.export.engines.program import Option, Program
from planner.export.faults import LONG, Unsayable, drafts, dtype, online_fp8, served, types
from planner.export.locked import LockedWorkload, version_of

IMAGE = "lmsysorg/sglang"
"""docs.sglang.io/get_started/install, using docker: tags are v and the release."""
PORT = 30000
SERVE = (0, 5, 23)
"""The release whose `sglang serve` was tried; before it the module starts the server."""


def faults(answer: LockedWorkload) -> list[Unsayable]:
    """Return what of an answer `sglang serve` cannot say."""
    return [*_faults(answer)]


def _faults(answer: LockedWorkload) -> Iterator[Unsayable]:
    name, words = f"SGLang {answer.version}", OptionNames("sglang", answer.version)
    yield from served(answer, "SGLang", online=online_fp8(answer))
    yield from types(answer, "SGLang")
    yield from drafts(answer, "SGLang")
    cache = answer.word("kv_cache")
    if cache not in LONG and not words.value("kv_cache", cache):
        yield Unsayable(
            "kv_cache", f"{name} has no option for a KV cache in {cache}", "set kv_cache = bf16 or fp8_e4m3"
        )
    if answer.word("attention_parallel") == "data":
        reason = "SGLang divides chunks and requests over data-parallel ranks, which the formulas do not say"
        yield Unsayable("attention_parallel", reason, "set attention_parallel = tensor")
    if answer.given.get("images") is False:
        yield Unsayable("images", f"{name} has no option that is known here to turn images off", "leave `images` out")
    if answer.count("offloaded_weights", 0) % 2**30:
        reason = "SGLang's --cpu-offload-gb takes whole GiB"
        yield Unsayable("offloaded_weights", reason, "set offloaded_weights to a multiple of 1 GiB")
    if answer.count("offloaded_cache", 0):
        reason = f"the size of {name}'s hierarchical cache is not known here to be what the formulas take it for"
        yield Unsayable("offloaded_cache", reason, "leave `offloaded_cache` out")
    if answer.vendor != "nvidia":
        reason = f"the image of {name} for GPUs of {answer.vendor} is not known here"
        yield Unsayable("gpu", reason, "choose a GPU of nvidia")
    for _ in _options(answer, words):
        pass  # what it asks for and is not there is noted
    yield from words.faults(name)


def program(answer: LockedWorkload) -> Program:
    """Return the server of one replica; `faults` must be empty."""
    entry = ("sglang", "serve") if version_of(answer.version) >= SERVE else ("python3", "-m", "sglang.launch_server")
    return Program(
        image=f"{IMAGE}:v{answer.version}" if answer.version.count(".") > 1 else f"{IMAGE}:v{answer.version}.0",
        entry=entry,
        words=(),
        options=tuple(_options(answer, OptionNames("sglang", answer.version))),
        environment=(),
        port=PORT,
        gpus=answer.per_replica,
        hosts=answer.count("nodes"),
        notes=tuple(_notes(answer)),
        package="sglang",
    )


def joined(rank: str, leader: str, *, first: bool) -> tuple[Option, ...]:
    """Return the options of a replica's host: its rank and the address of the first, which alone serves requests."""
    address = f'{leader[:-1]}:20000"' if leader.endswith('"') else f"{leader}:20000"
    return (("--node-rank", rank), ("--dist-init-addr", address))


def _options(answer: LockedWorkload, option: OptionNames) -> Iterator[Option]:
    yield option("model"), str(answer.repository)
    yield option("weights"), dtype(answer)
    if online_fp8(answer):
        yield option("weights.method"), "fp8"
    yield option("kv_cache"), option.value("kv_cache", answer.word("kv_cache")) or "auto"
    yield option("context"), str(answer.count("context"))
    yield option("max_sequences"), str(answer.count("max_sequences"))
    yield option("max_batched_tokens"), str(answer.count("max_batched_tokens"))
    yield option("gpu_memory_utilization"), answer.share("gpu_memory_utilization")
    yield option("tensor_parallel"), str(answer.count("tensor_parallel"))
    if answer.count("pipeline_parallel") > 1 or option.has("pipeline_parallel"):
        yield option("pipeline_parallel"), str(answer.count("pipeline_parallel"))
    yield option("expert_parallel"), str(answer.count("expert_parallel"))
    if answer.count("nodes") > 1:
        yield option("nodes"), str(answer.count("nodes"))
    if answer.given.get("cuda_graphs") is False:
        yield option("cuda_graphs"), None
    if answer.word("sampler") == "flashinfer":
        yield option("sampler"), "flashinfer"
    if answer.count("adapters", 0):
        yield option("adapters"), None
        yield option("adapters.number"), str(answer.count("adapters"))
        yield option("adapter_rank"), str(answer.count("adapter_rank"))
        yield option("adapters.targets"), "all"
    if answer.word("draft_model"):
        proposed = answer.count("draft_tokens")
        yield option("draft_model"), answer.word("draft_model")
        yield option("draft_model.method"), "STANDALONE"
        yield option("draft_tokens"), str(proposed)
        yield option("draft_tokens.branches"), "1"
        yield option("draft_tokens.verified"), str(proposed + 1)  # these and the token that the model adds
        if answer.word("weights") not in LONG:  # the draft would be taken to be quantized in the same way
            yield option("draft_model.weights"), "unquant"
    if answer.count("offloaded_weights", 0):
        yield option("offloaded_weights"), str(answer.count("offloaded_weights") // 2**30)
    yield option("host"), "0.0.0.0"
    yield option("port"), str(PORT)


def _notes(answer: LockedWorkload) -> Iterator[str]:
    if answer.native not in LONG:
        yield f"weights   the checkpoint is in {answer.native} and says so itself"
    elif online_fp8(answer):
        yield f"weights   SGLang quantizes the {answer.native} checkpoint to fp8 while it loads"
