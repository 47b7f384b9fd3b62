"""Overhead and usable memory of a serving engine, and the stated uncertainty of their sum.

vLLM: KV = total × utilization - weights - non-torch - activation peak (vllm/v1/worker/gpu_worker.py), to 0.011 GiB in
38 of 49 logs. SGLang: mem_fraction_static for weights and cache. TensorRT-LLM: a fraction of what is free after
loading. llama.cpp and transformers take what they need.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil
from typing import Final

from planner.catalog.architecture import Experts
from planner.catalog.programs.engines import Engine
from planner.catalog.records import Architecture, Gpu
from planner.physics.confidence import interpolated
from planner.physics.inference.profile import GIB, Profile
from planner.physics.inference.sampling import logits, sampler_states, warm_up
from planner.physics.remembered import remembered

DEEPEP: Final = 2**30
NODE: Final = 8
LOW_LATENCY_TOKENS: Final = 256

MANY_SEQUENCES: Final = 300
"""Sequences of a graph beyond which SGLang keeps half as much again for data-parallel attention."""

MOST_MULTIPROCESSORS: Final = 160
"""Multiprocessors taken where a GPU's are not known."""

GRAPH_START: Final = 2**29
"""What one captured size alone can take: 0.64 GiB in a log (eng-0087 of tests/truth/graphs.jsonl)."""

MILLION: Final = 1_000_000
PARTS: Final = ("weights", "kv_cache", "activations", "logits", "overhead")


def _larger(first: int, second: int) -> int:
    """The larger of two whole numbers, or of two arrays of them, element by element."""
    return (first + second + abs(first - second)) // 2


def kept_free(profile: Profile, gpu: Gpu, ranks: int, attention_ranks: int = 1, plain: bool = True) -> Fraction:
    """The share of a GPU that SGLang keeps free for activations and graphs on each of so many ranks.

    What was set, or `mem_fraction_static` by the rules of server_args.py, rounded as there. Several
    `attention_ranks`, with sequences of their own, keep 3 MiB for each sequence of the largest graph and rank, 4.5
    beyond 300, and have no prefill graphs; nor has what is not `plain`: images, or several stages.
    """
    if profile.share_set or not (profile.shares or profile.reserves):
        return 1 - profile.utilization
    if profile.shares and (gpu.device_memory <= 80 * GIB or not profile.reserves):
        return 1 - next((share for at, share in profile.shares if at >= ranks), profile.shares[-1][1])
    least, each, four = next(kept for below, *kept in profile.reserves if gpu.device_memory < below * GIB)
    size = least + each * ranks + (four if ranks >= 4 else 0)
    if attention_ranks > 1:
        sizes = (kept[ranks >= 4] for below, *kept in profile.graph_batches if gpu.device_memory < below * GIB)
        batch = next(sizes, 0)
        size += batch * attention_ranks * (9 if batch > MANY_SEQUENCES else 6) // 2
    elif plain:
        size += profile.prefill_graphs
    kept = Fraction(size * 2**20, gpu.device_memory)
    return 1 - Fraction(round(1000 * (1 - kept)), 1000)


def utilization(profile: Profile, gpu: Gpu, ranks: int, attention_ranks: int = 1, plain: bool = True) -> Fraction:
    """The share of a GPU that the engine takes on each of so many ranks: what was set, or what it takes by itself."""
    return (
        1 - kept_free(profile, gpu, ranks, attention_ranks, plain)
        if profile.budget == "static"
        else profile.utilization
    )


def threads(gpu: Gpu | None) -> int:
    """Threads a GPU holds at once, for which CUDA keeps local memory; of the largest parts where it is not known.

    MAX_THREADS_PER_SM × SMs (forums.developer.nvidia.com, local memory management); threads by compute capability:
    CUDA C++ programming guide, technical specifications.
    """
    if gpu is None or not gpu.multiprocessors:
        return MOST_MULTIPROCESSORS * 2048
    capability = gpu.compute_capability or ""
    each = 1024 if capability == "7.5" else 1536 if capability in ("8.6", "8.9", "12.0") else 2048
    return gpu.multiprocessors * each


def local_memory(profile: Profile, gpu: Gpu | None) -> int:
    """What a GPU's runtime takes for its kernels: local memory of every thread, or a vendor's own figure.

    Where GPU and host share one memory, the engine takes what the page cache has meanwhile for its own.
    """
    own = dict(profile.vendor_bytes).get(gpu.vendor) if gpu is not None else None
    shared = profile.unified_bytes if gpu is not None and gpu.unified else 0
    return shared + (profile.thread_bytes * threads(gpu) if own is None else own)


def buffers(profile: Profile, gpu: Gpu | None, ranks: int) -> int:
    """Communication buffers of so many ranks, by the nearest size above; PCIe has fewer channels than a switch."""
    table = dict(profile.non_torch)
    if gpu is not None and "bridge" in (gpu.link or "bridge"):
        table |= {at: size for at, size in profile.non_torch_bridged if at > 2 or not gpu.link}
        table |= dict(profile.non_torch_paired) if gpu.link else {}
    fitting = [size for at, size in sorted(table.items()) if at >= ranks]
    return fitting[0] if fitting else table[max(table)] if table else 0


def non_torch(profile: Profile, gpu: Gpu | None, tp: int = 1, pp: int = 1) -> int:
    """Local memory of the kernels and communication buffers on one rank of `tp` × `pp`."""
    return buffers(profile, gpu, tp * pp) + local_memory(profile, gpu)


def fixed(profile: Profile, gpu: Gpu | None, tp: int = 1, pp: int = 1) -> int:
    """What is taken before the engine sizes anything: its context, the kernels' local memory, communication."""
    return profile.context + non_torch(profile, gpu, tp, pp)


def own_share(profile: Profile, gpu: Gpu, tp: int, pp: int, graphs: int) -> int:
    """The share of the overhead that has a margin of its own on one rank of `tp` × `pp`, with graphs of this size.

    vLLM measures its estimate of graphs by the free memory, which on one memory for GPU and host the page cache moves:
    0.1 to 3.3 times what is expected in 21 logs of GB10 (tests/truth/graphs_unified.jsonl).
    """
    if profile.budget != "utilization":
        return fixed(profile, gpu, tp, pp)
    return graphs + GRAPH_START if gpu.unified and graphs and profile.graphs_in_budget else 0


def exchange(arch: Architecture, profile: Profile, ranks: int = 1) -> int:
    """Buffers in which `ranks` that split attention by sequences exchange tokens with experts; none for gathering.

    DeepEP: 1 GiB over NVLink and as much over the network beyond one node of eight (vLLM, VLLM_DEEPEP_BUFFER_SIZE_MB);
    its low-latency kernels also two pairs of send and receive buffers of a message for each expert and token
    (deepseek-ai/DeepEP, csrc/config.hpp get_low_latency_rdma_size_hint), 256 tokens at a time (vLLM,
    VLLM_MOE_DP_CHUNK_SIZE).
    """
    experts = max((group.ffn.experts for group in arch.groups if isinstance(group.ffn, Experts)), default=0)
    if ranks <= 1 or not experts or profile.all_to_all == "gather":
        return 0
    if profile.all_to_all == "deepep":
        return DEEPEP * (1 if ranks <= NODE else 2)
    return DEEPEP + 4 * experts * LOW_LATENCY_TOKENS * (2 * arch.hidden + 16)


@remembered(8192)
def graphs(arch: Architecture, profile: Profile, tp: int = 1, pp: int = 1) -> int:
    """CUDA graphs of one rank, expected: a fixed part, and a share for each layer of the stage and captured size.

    GPUs apart that share one memory with the host, 0.10 GiB and 0.18 MiB (0.38 on more ranks than one) meet half of
    the start-up logs of vLLM 0.6 to 0.28 within a third (tests/truth/graphs.jsonl). Engines whose catalog row has no
    share for a layer take the fixed part. An engine's own estimate of them has the same middle.
    """
    layers = -(-arch.layers // pp)
    rate = next((size for ranks, size in reversed(profile.graph_layer) if ranks <= tp), 0)
    return profile.graphs + rate * layers * profile.graph_sizes


@remembered(4096)
def graph_spread(profile: Profile, size: int, confidence: Fraction) -> int:
    """Bytes by which CUDA graphs expected to take `size` exceed it in at most 1 - `confidence` of the logs.

    Where the engine's own estimate comes off its cache, by which they exceed that: it is made on the same host. The
    second model runner measures what is piecewise in full there and extrapolates the rest.
    """
    if not size:
        return 0
    part = "estimate" if profile.graphs_in_budget else "graphs"
    uncertain = (size + GRAPH_START) * profile.graph_extrapolated
    return ceil(margin_ppm(profile, part, confidence) * uncertain / MILLION)


def outside(profile: Profile, gpu: Gpu, beside: tuple[int, int]) -> tuple[int, int]:
    """(bytes needed, bytes left) beside what a utilization is a share of: whether the engine starts, and serves.

    What is left is the share that the utilization leaves, and what `beside` says is free again by then.
    """
    if profile.budget != "utilization":
        return 0, 0
    needs, freed = beside
    return needs, gpu.memory - usable(gpu, profile) + freed


def most_requests(room: int, each: int) -> int:
    """Rows of SGLang's table of requests where it is not told how many run: 512 for each context that its pool holds.

    From 2,048 to 4,096 (0.4.6 model_executor/model_runner.py init_memory_pool, 0.5.14 model_runner_kv_cache_mixin.py
    _resolve_max_num_reqs, 0.5.23 pool_configurator.py). `room` is for weights and pool, a context takes `each`.
    """
    return max(2048, min(4096, 512 * room // max(1, each)))


def request_table(rows: int, context: int) -> int:
    """Bytes of SGLang's table of where the tokens of each request lie: four for each token of a context.

    It is made after the pool, out of the share that is kept free (mem_cache/memory_pool.py ReqToTokenPool, 0.4.6 to
    0.5.23: a row and four tokens more). 80.04 GiB of Llama 4 Scout's 10,485,760 tokens (sgl-project/sglang#5755).
    """
    return 4 * (rows + 1) * (context + 4)


def beside_pool(
    profile: Profile,
    gpu: Gpu,
    ranks: tuple[int, int],
    *,
    table: int,
    live: int,
    exchange: int = 0,
    towers: Fraction = Fraction(1),
    attention_ranks: int = 1,
) -> tuple[int, int]:
    """(bytes needed, bytes left) in the share that an engine with a pool of fixed share keeps free.

    That share is meant for what is `live` while it serves; where this alone is more, only the `table` counts.
    """
    tp, pp = ranks
    shared = profile.context + non_torch(profile, gpu, tp, pp) + exchange
    left = ceil((gpu.memory - shared) * static_free(profile, gpu, tp, pp, towers, attention_ranks))
    return table + (live if live <= left else 0), left


def served_logits(arch: Architecture, profile: Profile, sequences: int) -> int:
    """Logits of so many sequences while they are served."""
    return logits(arch, min(sequences, profile.max_sequences) * (1 + profile.drafted), profile.sampler_bytes_per_logit)


def beside_budget(
    profile: Profile,
    ranks: int = 1,
    *,
    graphs: int,
    spread: int = 0,
    peaks: tuple[int, int] = (0, 0),
    arch: Architecture | None = None,
    sequences: int = 1,
) -> tuple[int, int]:
    """(bytes needed, bytes free again) beside the budget of an engine that fills it, on any GPU of this profile.

    vLLM makes its context before it takes its first look at the memory, fills all of its budget with KV cache, and
    captures its graphs then; since 0.20 their estimate comes off the cache, but not in the second model runner before
    0.29. What the profiling run had taken (`peaks`, of a later start) is free again, less what is taken while
    `sequences` are served, and while the sampler of all is warmed up.
    """
    needs = (
        profile.context
        + (profile.communicators if ranks > 1 else 0)
        + spread
        + (0 if profile.graphs_in_budget else graphs)
    )
    if arch is None:
        return needs, 0
    forward, sampler = peaks
    served = served_logits(arch, profile, sequences)
    states = sampler_states(arch, profile)
    return needs, forward + sampler - states - max(forward, served, warm_up(arch, profile))


def in_budget(profile: Profile, gpu: Gpu | None, tp: int = 1, pp: int = 1, graphs: int | None = None) -> int:
    """The part of the overhead that the engine itself subtracts before it sizes its KV cache."""
    counted = profile.graphs if graphs is None else graphs
    return non_torch(profile, gpu, tp, pp) + (counted if profile.graphs_in_budget else 0)


def usable(gpu: Gpu, profile: Profile) -> int:
    """Bytes the engine may use of what a framework sees of the GPU; for vLLM its utilization of it."""
    share = profile.utilization
    return gpu.memory * share.numerator // share.denominator if profile.budget == "utilization" else gpu.memory


def overhead(
    profile: Profile,
    gpu: Gpu,
    tp: int = 1,
    pp: int = 1,
    *,
    weights: int = 0,
    activations: int = 0,
    logits: int = 0,
    towers: Fraction = Fraction(1),
    exchange: int = 0,
    graphs: int | None = None,
    attention_ranks: int = 1,
) -> int:
    """All that no tensor of the model accounts for, out of `usable`.

    vLLM: what it counts itself; its context and what its graphs take beyond their estimate lie in the share of the GPU
    that the utilization leaves (`outside`). SGLang and TensorRT-LLM: context, buffers, graphs and the share they keep
    free, which `towers` changes for a model with an image encoder; `exchange` are the buffers of expert parallelism,
    `graphs` the CUDA graphs of this model (the release's fixed part where not stated); `attention_ranks`
    ranks have sequences of their own (data-parallel attention). The sizes may be arrays.
    """
    captured = profile.graphs if graphs is None else graphs
    shared = non_torch(profile, gpu, tp, pp) + exchange
    match profile.budget:
        case "utilization":
            return shared + (captured if profile.graphs_in_budget else 0)
        case "static":
            reserve = ceil(
                (gpu.memory - profile.context - shared) * static_free(profile, gpu, tp, pp, towers, attention_ranks)
            )
            live = activations + logits + captured + shared
            return profile.context + captured + shared + _larger(reserve - live, 0 * live)
        case "free":
            fixed = profile.context + shared + captured
            free = _larger(gpu.memory - fixed - weights - activations - logits, 0 * weights)
            share = profile.utilization
            return fixed + free * (share.denominator - share.numerator) // share.denominator
    return profile.context + shared + captured


def static_free(
    profile: Profile, gpu: Gpu, tp: int, pp: int = 1, towers: Fraction = Fraction(1), attention_ranks: int = 1
) -> Fraction:
    """The share SGLang keeps free on each rank, with its factor for an encoder on what it fills.

    `attention_ranks` have sequences of their own.
    """
    return 1 - (1 - kept_free(profile, gpu, tp * pp, attention_ranks, plain=towers == 1 and pp == 1)) * towers


def kv_budget(
    profile: Profile,
    gpu: Gpu,
    tp: int,
    pp: int,
    *,
    weights: int,
    activations: int,
    logits: int,
    towers: Fraction = Fraction(1),
    exchange: int = 0,
    graphs: int | None = None,
) -> int:
    """Bytes the engine will give its KV cache, as expected."""
    beside = overhead(
        profile,
        gpu,
        tp,
        pp,
        weights=weights,
        activations=activations,
        logits=logits,
        towers=towers,
        exchange=exchange,
        graphs=graphs,
    )
    return cache_room(profile, gpu, weights, activations, logits, beside)


def cache_room(profile: Profile, gpu: Gpu, weights: int, activations: int, logits: int, overhead: int) -> int:
    """Bytes that these leave to the KV cache out of `usable`. The sizes may be arrays."""
    return usable(gpu, profile) - weights - activations - logits - overhead


@remembered(4096)
def margin_ppm(profile: Profile, part: str, confidence: Fraction = Fraction(95, 100)) -> int:
    """Millionths of a part by which the engine's need exceeds the estimate in at most 1 - `confidence` of the logs.

    Between two confidences of the catalog it is interpolated; beyond the highest it is the highest.
    """
    return interpolated(dict(profile.margins).get(part, ()), confidence)


def margin(
    profile: Profile,
    confidence: Fraction,
    weights: int,
    kv_cache: int,
    activations: int,
    logits: int,
    overhead: int,
    fixed: int = 0,
) -> int:
    """Bytes between the expected total and its safe end: every part's own, added up. The sizes may be arrays.

    `fixed` is the share of the overhead that has a margin of its own: in an engine that keeps a share free, and the
    estimate of graphs where GPU and host share one memory (`own_share`).
    """
    sizes = (weights, kv_cache, activations, logits, overhead, fixed)
    name = "unified" if profile.budget == "utilization" else "fixed"
    whole, rest = 0, 0
    for part, size in zip((*PARTS, name), sizes, strict=True):
        millionths = margin_ppm(profile, part, confidence)
        if millionths:  # in two steps, so that a product of columns stays below 2^63
            whole, rest = whole + millionths * (size // MILLION), rest + millionths * (size % MILLION)
    return whole + (rest + MILLION - 1) // MILLION


def runs_on(engine: Engine, gpu: Gpu) -> bool:
    """Whether an engine runs on a GPU: of its vendors', not excluded, of the compute capability it needs."""
    if (engine.vendors and gpu.vendor not in engine.vendors) or gpu.id in engine.excludes:
        return False
    if not engine.least_capability or gpu.compute_capability is None or gpu.vendor != "nvidia":
        return True
    return _version(gpu.compute_capability) >= _version(engine.least_capability)


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split(".") if number.isdecimal())
