"""vLLM: `vllm serve` with every setting that the memory formulas read."""

from __future__ import annotations

import json
from collections.abc import Iterator

from planner.export.engines.program import Option, Program
from planner.export.faults import LONG, Unsayable, drafts, dtype, online_fp8, served, types
from planner.export.said import Said, version_of

IMAGES = {"nvidia": "vllm/vllm-openai", "amd": "vllm/vllm-openai-rocm"}
"""docs.vllm.ai/en/latest/deployment/docker: tags are v and the release, the entry point is `vllm serve`."""
PORT = 8000
CACHES = {
    "bf16": ("bfloat16", (0, 23)),
    "fp16": ("float16", (0, 32)),
    "fp8_e4m3": ("fp8_e4m3", (0, 3)),
    "fp8_e5m2": ("fp8_e5m2", (0, 3)),
    "int8": ("int8_per_token_head", (0, 20)),
    "int4": ("int4_per_token_head", (0, 25)),
    "fp8_per_token_head": ("fp8_per_token_head", (0, 20)),
    "fp8_ds_mla": ("fp8_ds_mla", (0, 20)),
    "nvfp4": ("nvfp4", (0, 25)),
    "turboquant_k8v4": ("turboquant_k8v4", (0, 20)),
    "turboquant_4bit_nc": ("turboquant_4bit_nc", (0, 20)),
    "turboquant_k3v4_nc": ("turboquant_k3v4_nc", (0, 20)),
    "turboquant_3bit_nc": ("turboquant_3bit_nc", (0, 20)),
}
"""What `--kv-cache-dtype` calls a format, and the first release that is known to take the word: vllm/config/cache.py,
CacheDType, of 0.20.2, 0.25.0 and 0.32; a log of 0.23 for bfloat16 (noonghunna/club-3090 discussion 773)."""
PACKED = (0, 20)
"""The release from which sparse latents in fp8 are kept packed by this name alone (config/cache.py `fp8_ds_mla`).

`fp8_e4m3` is refused on Hopper from 0.20.0 to 0.28.0 (backends/mla/flashmla_sparse.py, vllm-project/recipes#565), and
selects FlashInfer's plain layout of 576 bytes a token there since 0.30.0 (flashinfer_mla_sparse_sm90.py) and on SM100,
where 656 are planned. Before, models/config.py takes every fp8 for the packed one. ROCm has the plain one alone."""
FP8_ONLINE = (0, 4, 1)
"""`--quantization fp8` quantizes a 16-bit checkpoint while it loads (docs.vllm.ai, features/quantization/fp8)."""
LORA_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""The choices of `--max-lora-rank` in 0.32."""
SEVERAL_HOSTS = (0, 12)
"""`--nnodes` and `--node-rank` without Ray."""
EXCHANGE = {
    "gather": "allgather_reducescatter",
    "deepep": "deepep_high_throughput",
    "deepep_low_latency": "deepep_low_latency",
}
"""What `--all2all-backend` calls the ways to the experts."""


def faults(answer: Said) -> list[Unsayable]:
    """Return what of an answer `vllm serve` cannot say."""
    return [*_faults(answer)]


def _faults(answer: Said) -> Iterator[Unsayable]:
    name, version = f"vLLM {answer.version}", version_of(answer.version)
    yield from served(answer, "vLLM", online=online_fp8(answer) and version >= FP8_ONLINE)
    yield from types(answer, "vLLM")
    yield from drafts(answer, "vLLM")
    cache = answer.word("kv_cache")
    if cache not in LONG and (cache not in CACHES or CACHES[cache][1] > version):
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
    if answer.count("nodes") > 1 and version < SEVERAL_HOSTS:
        yield Unsayable("nodes", f"{name} has no options for several hosts", 'set engine_version = "0.12" or later')


def program(answer: Said) -> Program:
    """Return the server of one replica; `faults` must be empty."""
    return Program(
        f"{IMAGES.get(answer.vendor, IMAGES['nvidia'])}:{tag(answer.version)}",
        ("vllm", "serve"),
        (str(answer.repository),),
        tuple(_options(answer)),
        (("VLLM_USE_FLASHINFER_SAMPLER", "1" if answer.word("sampler") == "flashinfer" else "0"),),
        PORT,
        answer.per_replica,
        answer.count("nodes"),
        tuple(_notes(answer)),
        "vllm",
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


def _options(answer: Said) -> Iterator[Option]:
    yield "--dtype", dtype(answer)
    if answer.given.get("task", "generate") != "generate":
        yield "--runner", "pooling"
        yield "--convert", "embed" if answer.given["task"] == "embed" else "classify"
    if online_fp8(answer):
        yield "--quantization", "fp8"
    yield "--kv-cache-dtype", _cache(answer)
    yield "--max-model-len", str(answer.count("context"))
    yield "--max-num-seqs", str(answer.count("max_sequences"))
    yield "--max-num-batched-tokens", str(answer.count("max_batched_tokens"))
    yield "--gpu-memory-utilization", answer.share("gpu_memory_utilization")
    if answer.count("nodes") > 1:
        yield "--nnodes", str(answer.count("nodes"))
    tensor, by_sequence = answer.count("tensor_parallel"), answer.word("attention_parallel") == "data"
    yield "--tensor-parallel-size", "1" if by_sequence else str(tensor)
    yield "--pipeline-parallel-size", str(answer.count("pipeline_parallel"))
    if by_sequence:
        yield "--data-parallel-size", str(tensor)
        yield "--all2all-backend", EXCHANGE[answer.word("all_to_all")]
    if answer.count("expert_parallel") > 1:
        yield "--enable-expert-parallel", None
    if answer.given.get("cuda_graphs") is False:
        yield "--enforce-eager", None
    if answer.given.get("images") is False:
        yield "--limit-mm-per-prompt", json.dumps({"image": 0, "video": 0})
    if answer.count("shared_prefix", 0):
        yield "--enable-prefix-caching", None
    if answer.count("adapters", 0):
        yield "--enable-lora", None
        yield "--max-loras", str(answer.count("adapters"))
        yield "--max-lora-rank", str(answer.count("adapter_rank"))
    if answer.count("offloaded_weights", 0):
        yield "--cpu-offload-gb", f"{answer.count('offloaded_weights') / 2**30:.12g}"
    if answer.count("offloaded_cache", 0):
        yield "--kv-offloading-size", f"{answer.count('offloaded_cache') * answer.per_replica / 2**30:.12g}"
        yield "--kv-offloading-backend", "native"


def _cache(answer: Said) -> str:
    """Return what `--kv-cache-dtype` says: the name of the layout that was planned."""
    version, name = version_of(answer.version), answer.word("kv_cache")
    if name == "fp8_e4m3" and answer.flag("sparse_latents") and answer.vendor == "nvidia" and version >= PACKED:
        name = "fp8_ds_mla"
    word, since = CACHES.get(name, ("auto", (0,)))
    return word if version >= since else "auto"


def _notes(answer: Said) -> Iterator[str]:
    if answer.native not in LONG:
        yield f"weights   the checkpoint is in {answer.native} and says so itself"
    elif online_fp8(answer):
        yield f"weights   vLLM quantizes the {answer.native} checkpoint to fp8 while it loads"
