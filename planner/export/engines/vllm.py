"""vLLM: `vllm serve` with every setting that the memory formulas read."""

from __future__ import annotations

import json
from collections.abc import Iterator

from planner.export.engines.option_names import OptionNames
from planner.export.engines.program import Option, Program
from planner.export.faults import LONG, Unsayable, drafts, dtype, online_fp8, served, types
from planner.export.locked import LockedWorkload, version_of

IMAGES = {"nvidia": "vllm/vllm-openai", "amd": "vllm/vllm-openai-rocm"}
"""docs.vllm.ai/en/latest/deployment/docker: tags are v and the release, the entry point is `vllm serve`."""
PORT = 8000
PACKED = (0, 20)
"""The release from which sparse latents in fp8 are kept packed by this name alone (config/cache.py `fp8_ds_mla`).

`fp8_e4m3` is refused on Hopper from 0.20.0 to 0.28.0 (backends/mla/flashmla_sparse.py, vllm-project/recipes#565), and
selects FlashInfer's plain layout of 576 bytes a token there since 0.30.0 (flashinfer_mla_sparse_sm90.py) and on SM100,
where 656 are planned. Before, models/config.py takes every fp8 for the packed one. ROCm has the plain one alone."""
LORA_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""The choices of `--max-lora-rank` in 0.32."""


HOSTS = ("nodes.executor", "nodes.rank", "nodes.leader", "nodes.headless")


def faults(answer: LockedWorkload) -> list[Unsayable]:
    """Return what of an answer `vllm serve` cannot say."""
    return [*_faults(answer)]


def _faults(answer: LockedWorkload) -> Iterator[Unsayable]:
    name = f"vLLM {answer.version}"
    words = OptionNames("vllm", answer.version)
    yield from served(answer, "vLLM", online=online_fp8(answer) and bool(words.value("weights.method", "fp8_e4m3")))
    yield from types(answer, "vLLM")
    yield from drafts(answer, "vLLM")
    cache = answer.word("kv_cache")
    if cache not in LONG and not words.value("kv_cache", cache):
        yield Unsayable(
            "kv_cache",
            f"{name} has no option for a KV cache in {cache}",
            "set kv_cache = bf16 or fp8_e4m3",
        )
    rank = answer.count("adapter_rank", 16)
    if answer.count("adapters", 0) and rank not in LORA_RANKS:
        yield Unsayable(
            "adapter_rank",
            f"{name} takes no LoRA rank {rank}; it takes {', '.join(map(str, LORA_RANKS))}",
            f"set adapter_rank = {next((item for item in LORA_RANKS if item > rank), LORA_RANKS[-1])}",
        )
    tensor, experts = answer.count("tensor_parallel"), answer.count("expert_parallel")
    if experts not in (1, tensor):
        yield Unsayable(
            "expert_parallel",
            f"vLLM has no option for {experts} expert ranks: it splits experts over all {tensor} tensor ranks",
            f"set expert_parallel = {tensor} or 1",
        )
    if answer.count("nodes") > 1 and answer.word("attention_parallel") == "data":
        reason = f"data-parallel attention over {answer.count('nodes')} hosts needs a server on each, not one command"
        yield Unsayable("attention_parallel", reason, "set nodes = 1 or attention_parallel = tensor")
    for _ in _options(answer, words):
        pass  # what it asks for and is not there is noted
    if answer.count("nodes") > 1:
        for part in HOSTS:
            words(part)
    yield from words.faults(name)


def program(answer: LockedWorkload) -> Program:
    """Return the server of one replica; `faults` must be empty."""
    return Program(
        image=f"{IMAGES.get(answer.vendor, IMAGES['nvidia'])}:{tag(answer.version)}",
        entry=("vllm", "serve"),
        words=(str(answer.repository),),
        options=tuple(_options(answer, OptionNames("vllm", answer.version))),
        environment=(("VLLM_USE_FLASHINFER_SAMPLER", "1" if answer.word("sampler") == "flashinfer" else "0"),),
        port=PORT,
        gpus=answer.per_replica,
        hosts=answer.count("nodes"),
        notes=tuple(_notes(answer)),
        package="vllm",
    )


def tag(version: str) -> str:
    """Return the image's tag of a release: `0.29` is v0.29.0."""
    numbers = version_of(version)
    return "v" + ".".join(map(str, (*numbers, 0, 0)[: max(3, len(numbers))]))


def joined(rank: str, leader: str, *, first: bool) -> tuple[Option, ...]:
    """Return the options of a replica's host: its rank and the address of the first; the others serve no requests.

    docs.vllm.ai/en/latest/serving/parallelism_scaling, multi-node serving with multiprocessing.
    """
    more: tuple[Option, ...] = (
        ("--distributed-executor-backend", "mp"),
        ("--node-rank", rank),
        ("--master-addr", leader),
    )
    return more if first else (*more, ("--headless", None))


def _options(answer: LockedWorkload, option: OptionNames) -> Iterator[Option]:
    yield option("weights"), dtype(answer)
    if answer.given.get("task", "generate") != "generate":
        yield option("task"), "pooling"
        yield option("task.convert"), "embed" if answer.given["task"] == "embed" else "classify"
    if online_fp8(answer):
        yield option("weights.method"), "fp8"
    yield option("kv_cache"), _cache(answer, option)
    yield option("context"), str(answer.count("context"))
    yield option("max_sequences"), str(answer.count("max_sequences"))
    yield option("max_batched_tokens"), str(answer.count("max_batched_tokens"))
    yield option("gpu_memory_utilization"), answer.share("gpu_memory_utilization")
    if answer.count("nodes") > 1:
        yield option("nodes"), str(answer.count("nodes"))
    tensor, by_sequence = answer.count("tensor_parallel"), answer.word("attention_parallel") == "data"
    yield option("tensor_parallel"), "1" if by_sequence else str(tensor)
    yield option("pipeline_parallel"), str(answer.count("pipeline_parallel"))
    if by_sequence:
        yield option("attention_parallel"), str(tensor)
        yield option("all_to_all"), option.value("all_to_all", answer.word("all_to_all"))
    if answer.count("expert_parallel") > 1:
        yield option("expert_parallel"), None
    if answer.given.get("cuda_graphs") is False:
        yield option("cuda_graphs"), None
    if answer.given.get("images") is False:
        yield option("images"), json.dumps({"image": 0, "video": 0})
    if answer.count("shared_prefix", 0):
        yield option("shared_prefix"), None
    if answer.count("adapters", 0):
        yield option("adapters"), None
        yield option("adapters.number"), str(answer.count("adapters"))
        yield option("adapter_rank"), str(answer.count("adapter_rank"))
    if answer.word("draft_model"):
        said = {"model": answer.word("draft_model"), "method": "draft_model"}
        yield option("draft_model"), json.dumps({**said, "num_speculative_tokens": answer.count("draft_tokens")})
    if answer.count("offloaded_weights", 0):
        yield option("offloaded_weights"), f"{answer.count('offloaded_weights') / 2**30:.12g}"
    if answer.count("offloaded_cache", 0):
        yield option("offloaded_cache"), f"{answer.count('offloaded_cache') * answer.per_replica / 2**30:.12g}"
        yield option("offloaded_cache.backend"), "native"
    if option.has("offloaded_cache.swapped"):
        yield option("offloaded_cache.swapped"), "0"  # the formulas count no host memory for it


def _cache(answer: LockedWorkload, option: OptionNames) -> str:
    """Return what `--kv-cache-dtype` says: the name of the layout that was planned."""
    version, name = version_of(answer.version), answer.word("kv_cache")
    if name == "fp8_e4m3" and answer.flag("sparse_latents") and answer.vendor == "nvidia" and version >= PACKED:
        name = "fp8_ds_mla"
    return option.value("kv_cache", name) or "auto"


def _notes(answer: LockedWorkload) -> Iterator[str]:
    if answer.native not in LONG:
        yield f"weights   the checkpoint is in {answer.native} and says so itself"
    elif online_fp8(answer):
        yield f"weights   vLLM quantizes the {answer.native} checkpoint to fp8 while it loads"
