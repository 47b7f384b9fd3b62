"""The memory of one way to serve a model, by part, and what its engine's cache holds; plain functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from math import floor
from typing import Any

from planner.catalog.records import Format, Gpu
from planner.language.quantities.outcomes import HELD
from planner.physics import inference, rule_of_thumb
from planner.physics.inference import Profile
from planner.solve.columns.steps import UNKNOWN
from planner.solve.inference import layerwise
from planner.solve.inference.workload import Form, Service, profile_of, sixteen_bit
from planner.solve.parallelism import Split
from planner.solve.stated import number

LARGEST = 2**60
"""What exceeds every machine: larger sizes are counted as this, so that columns of sums stay below 2^63."""


def weights_bytes(this: Service, form: Form, split: Split, profile: Profile) -> int:
    """Return the weights on the fullest GPU; what is offloaded lies in the same memory where host and GPU share it."""
    key = (
        "weights",
        form.weights,
        split,
        profile.rope_cache,
        profile.absorbed,
        profile.expert_kernels,
        profile.unified,
    )
    if key not in this.known:
        model = this.model
        arch = model.architecture
        if arch is None:
            bits = this.formats[form.weights].bits
            size = -(-rule_of_thumb.inference(model.params, bits / 8)["weights"] // split.gpus)
        elif layerwise.is_mix(form.weights):
            size = _mixed_bytes(this, layerwise.layers_of(form.weights), split, profile)
        else:
            size = inference.fullest_stage(_pieces(this, form.weights, split, profile), split.pipeline)
        whole = size + _more_weights(this, split) - (0 if profile.unified else this.beside.offloaded_weights)
        this.known[key] = min(max(0, whole), LARGEST)
    return int(this.known[key])


def _pieces(this: Service, weights: str, split: Split, profile: Profile) -> inference.Pieces:
    """Return the weights of each layer on a rank; how many pipeline stages there are changes none of them."""
    model, ranks = this.model, this.attention(split)
    key = ("pieces", weights, split.tensor, split.expert, ranks, profile)
    if key not in this.known:
        assert model.architecture is not None
        this.known[key] = inference.pieces(
            model.architecture,
            model.params,
            weight_format(this, weights),
            this.native_bits,
            split.tensor,
            split.expert,
            max_context=model.max_context if profile.rope_cache else None,
            attention_tp=ranks,
            layer_split=profile.layer_split,
            absorbed=profile.absorbed,
            kernels=profile.expert_kernels,
        )
    found: inference.Pieces = this.known[key]
    return found


def weight_format(this: Service, name: str) -> Format:
    """Return a format as the model's weights are in it: its checkpoint may keep tensors in 16 bit or in another."""
    fmt, model = this.formats[name], this.model
    said = model.native_leaves or model.native_classes or model.native_partly or model.native_block
    if name != model.native_format or not said:
        return fmt

    def tiled(row: Format) -> Format:
        return replace(row, tile=model.native_block) if model.native_block and row.id == "fp8_e4m3" else row

    leaves = dict.fromkeys((*fmt.leaves, *model.native_leaves))
    classes = tuple((kind, tiled(this.formats[form])) for kind, form in model.native_classes.items())
    left = tuple(kind for kind in leaves if kind not in model.native_classes)
    return replace(tiled(fmt), leaves=left, classes=classes, partly=tuple(model.native_partly.items()))


def host_bytes(this: Service) -> int:
    """Return what each GPU's rank keeps in host memory: pinned weights and cache; a file's pages may be given back."""
    return this.beside.offloaded_weights + this.beside.offloaded_cache


def _more_weights(this: Service, split: Split) -> int:
    """Return the bytes of adapters and a draft model on one GPU."""
    beside, arch = this.beside, this.model.architecture
    total = 0
    if beside.draft:
        total += inference.weights_per_gpu(*beside.draft, tp=split.tensor)
    if beside.adapters and arch is not None:
        total += inference.adapters(arch, beside.adapter_rank, beside.adapters, split.tensor) // split.pipeline
    return total


def layer_bytes(this: Service, kind: int, name: str, split: Split) -> int:
    """Return the bytes of one layer of a kind in a format on one GPU."""
    key = ("layer", kind, name, split.tensor, split.expert)
    if key not in this.known:
        arch = this.model.architecture
        assert arch is not None
        fmt = weight_format(this, name)
        if fmt.partly:  # which layers these are is not known here: any may be
            fmt = replace(fmt, leaves=(*fmt.leaves, *(part for part, _ in fmt.partly)), partly=())
        this.known[key] = inference.layer_weights(
            arch,
            kind,
            fmt,
            this.native_bits,
            split.tensor,
            split.expert,
            attention_tp=this.attention(split),
        )
    return int(this.known[key])


def _mixed_bytes(this: Service, layers: list[str], split: Split, profile: Profile) -> int:
    """Return the weights of a mix on the fullest of the stages, which take the layers in order."""
    arch = this.model.architecture
    assert arch is not None
    outer = this.formats[sixteen_bit(this.model.native_format)]
    first, last = inference.outside_weights(arch, this.model.params, outer, this.native_bits, split.tensor)
    rope = inference.rope_cache(arch, this.model.max_context if profile.rope_cache else None, this.native_bits)
    sizes = [layer_bytes(this, kind, name, split) for kind, name in zip(layerwise.groups_of(arch), layers, strict=True)]
    if split.pipeline <= 1:
        return first + last + rope + sum(sizes)
    each = -(-len(sizes) // split.pipeline)
    stages = [sum(sizes[start : start + each]) for start in range(0, len(sizes), each)]
    stages[0] += first
    stages[-1] += last + (first if arch.tied and len(stages) > 1 else 0)
    return max(stages) + rope


def cache_groups(this: Service, form: Form, split: Split, profile: Profile) -> Any:
    """Return the layers of the fullest stage with what each holds of the KV cache."""
    ranks = this.attention(split)
    key = ("groups", form.kv_cache, ranks, split.pipeline, profile.keeps)
    if key not in this.known:
        arch = this.model.architecture
        assert arch is not None
        fmt = this.formats[form.kv_cache]
        groups = inference.cache_groups(arch, fmt, profile, ranks, split.pipeline)
        if this.beside.draft:
            groups += inference.cache_groups(this.beside.draft[0], fmt, profile, ranks)
        this.known[key] = groups
    return this.known[key]


def sequences(this: Service, context: int, concurrency: int, profile: Profile, sharers: int = 1) -> inference.Sequences:
    """Return the sequences that must be resident on one GPU, a share of them where ranks have their own."""
    if this.pooling:  # a request leaves with its last tokens: a batch of whole ones, and one that waits for the next
        concurrency = min(concurrency, 1 + -(-profile.max_batched_tokens // max(1, context)))
    shared = min(number(this.workload, "shared_prefix", 0), context)
    vision = number(this.workload, "vision_tokens", 0)
    return inference.sequences(profile, context, concurrency, shared, vision, sharers)


def kv_bytes(this: Service, form: Form, split: Split, profile: Profile) -> int:
    """Return what `context` and `concurrency` need of the KV cache on the fullest GPU."""
    if this.model.architecture is None:
        return 0
    flying = profile.max_batched_tokens, profile.in_flight
    key = ("kv_cache", form.kv_cache, this.attention(split), this.sharers(split), split.pipeline, profile.keeps, flying)
    if key not in this.known:
        groups = cache_groups(this, form, split, profile)
        load = sequences(this, this.context, this.concurrency, profile, this.sharers(split))
        whole = inference.held(groups, load, profile.block)
        this.known[key] = min(max(0, whole), LARGEST)
    return int(this.known[key])


def peak_bytes(this: Service, split: Split, profile: Profile, first: bool = True) -> tuple[int, int]:
    """Return the activations and the logits at the engine's peak, on a first start or a later one."""
    arch = this.model.architecture
    if arch is None:
        return 0, 0
    key = ("peak", split.tensor, split.expert, split.pipeline, profile, first)
    if key not in this.known:
        this.known[key] = inference.peak(
            arch,
            profile,
            split.tensor,
            split.expert,
            ranks=this.sharers(split),
            stages=split.pipeline,
            context=this.context * this.concurrency,
            sequences=this.concurrency,
            first=first,
        )
    found: tuple[int, int] = this.known[key]
    return found


def _towers(this: Service, gpu: Gpu) -> Fraction:
    arch = this.model.architecture
    return inference.towers(arch, profile_of(this, gpu)) if arch is not None else Fraction(1)


def _exchange(this: Service, split: Split, gpu: Gpu) -> int:
    arch = this.model.architecture
    ranks = this.sharers(split) if split.expert > 1 else 1
    return inference.exchange(arch, profile_of(this, gpu), ranks) if arch is not None else 0


def _graphs(this: Service, split: Split, profile: Profile) -> int:
    arch = this.model.architecture
    if arch is None:
        return 0
    key = ("graphs", split.tensor, split.pipeline, profile)
    if key not in this.known:
        this.known[key] = inference.captured_graphs(arch, profile, split.tensor, split.pipeline, this.beside)
    return int(this.known[key])


def outside(this: Service, split: Split, gpu: Gpu) -> tuple[int, int]:
    """Return what an engine needs beside the share of the GPU that is its budget, on the safe side, and what is left.

    Both are zero where nothing stands beside a budget.
    """
    if this.model.architecture is None:
        return 0, 0
    profile = profile_of(this, gpu)
    key = ("beside", split, profile)
    if key not in this.known:
        size = _graphs(this, split, profile)
        this.known[key] = inference.beside_budget(
            profile,
            split.gpus,
            graphs=size,
            spread=inference.graph_spread(profile, size, this.confidence),
            peaks=peak_bytes(this, split, profile, first=False),
            arch=this.model.architecture,
            sequences=this.concurrency,
        )
    return inference.outside(profile, gpu, this.known[key])


def counts_pages(this: Service, profile: Profile) -> bool:
    """Return whether an engine holds its number of sequences against the pages of recurrent states."""
    arch = this.model.architecture
    if arch is None or not (profile.state_blocks and profile.full_graphs):
        return False
    return any(group.mixer.get("kind") in inference.RECURRENT for group in arch.groups)


def state_pages(this: Service, form: Form, split: Split, gpu: Gpu, budgets: tuple[int, int]) -> int | None:
    """Return how many sequences an engine admits whose states share the cache's pages; None where it does not ask.

    vLLM since 0.20: no more than the pool has pages, where it captures full CUDA graphs. Of the cache's `budgets`,
    expected and at least, it is the smaller number at the workload's confidence: the pages of the second, and those
    of the first less the share by which reports had fewer.
    """
    profile, arch = profile_of(this, gpu), this.model.architecture
    if arch is None or not counts_pages(this, profile):
        return None
    key = ("pages", form.kv_cache, split, profile)
    if key not in this.known:
        fmt = this.formats[form.kv_cache]
        this.known[key] = inference.cache_groups(arch, fmt, profile, this.attention(split), split.pipeline)
    groups = this.known[key]
    expected, least = (inference.pages(budget, groups, profile.state_pages) for budget in budgets)
    if expected is None or least is None:
        return None
    million = 10**6
    return min(least, expected * million // (million + inference.margin_ppm(profile, "pages", this.confidence)))


def largest_share(this: Service, gpu: Gpu, short: int) -> Fraction:
    """Return the largest utilization, in whole per cent, that leaves so many bytes more beside the engine's budget."""
    share = profile_of(this, gpu).utilization - Fraction(short, gpu.memory)
    return Fraction(floor(100 * share), 100)


def overhead_bytes(this: Service, form: Form, split: Split, gpu: Gpu, weights: Any, peaks: tuple[int, int]) -> Any:
    """Return what no tensor of the program accounts for; by the rule of thumb a fifth of the weights.

    Where GPU and host share one memory, so does what is offloaded.
    """
    if this.model.architecture is None:
        thumb = rule_of_thumb.inference(this.model.params, this.formats[form.weights].bits / 8)
        return -(-sum(size for name, size in thumb.items() if name != "weights") // split.gpus)
    above = inference.overhead(
        profile_of(this, gpu),
        gpu,
        split.tensor,
        split.pipeline,
        weights=weights,
        activations=peaks[0],
        logits=peaks[1],
        towers=_towers(this, gpu),
        exchange=_exchange(this, split, gpu),
        graphs=_graphs(this, split, profile_of(this, gpu)),
        own=this.sharers(split),
    )
    return above + (this.beside.offloaded_cache if gpu.unified else 0)


def fixed_bytes(this: Service, split: Split, gpu: Gpu, profile: Profile) -> int:
    """Return the share of the overhead that has a margin of its own."""
    return inference.own_share(profile, gpu, split.tensor, split.pipeline, _graphs(this, split, profile))


def margin_bytes(
    this: Service,
    profile: Profile,
    weights: Any,
    kv_cache: Any,
    activations: Any,
    logits: Any,
    overhead: Any,
    fixed: Any,
) -> Any:
    """Return the bytes between the expected total and its safe end."""
    if this.model.architecture is None:
        return 0
    return inference.margin(profile, this.confidence, weights, kv_cache, activations, logits, overhead, fixed)


def cache_budget(this: Service, gpu: Gpu, weights: Any, peaks: tuple[int, int], overhead: Any) -> Any:
    """Return the bytes that the engine will give its KV cache, as expected."""
    return inference.cache_room(profile_of(this, gpu), gpu, weights, *peaks, overhead)


def safe_budget(
    this: Service, profile: Profile, budget: Any, weights: Any, peaks: Any, overhead: Any, fixed: Any
) -> Any:
    """Return the bytes that the engine's cache has at least, at the workload's confidence."""
    activations, logits = peaks
    left = budget - margin_bytes(this, profile, weights, 0, activations, logits, overhead, fixed)
    left, million = (left + abs(left)) // 2, 10**6
    return left * million // (million + inference.margin_ppm(profile, "kv_cache", this.confidence))


def usable_bytes(this: Service, gpu: Gpu) -> int:
    """Return the bytes a workload may use: what a framework sees, times the engine's share of it."""
    if this.model.architecture is None:
        return gpu.memory
    return inference.usable(gpu, profile_of(this, gpu))


def parts(this: Service, form: Form, split: Split, gpu: Gpu) -> dict[str, int]:
    """Return the memory of the fullest GPU by part."""
    profile = profile_of(this, gpu)
    weights = weights_bytes(this, form, split, profile)
    cache = kv_bytes(this, form, split, profile)
    peaks = peak_bytes(this, split, profile)
    above = int(overhead_bytes(this, form, split, gpu, weights, peaks))
    if this.model.architecture is None:  # the rule's fifth of the weights is for activations, as `estimate 13B` has it
        peaks, above = (above, 0), 0
    apart = fixed_bytes(this, split, gpu, profile)
    return {
        "weights": weights,
        "kv_cache": cache,
        "activations": peaks[0],
        "logits": peaks[1],
        "overhead": above,
        "margin": int(margin_bytes(this, profile, weights, cache, *peaks, above, apart)),
    }


def budgets(this: Service, form: Form, split: Split, gpu: Gpu) -> tuple[int, int]:
    """Return the bytes of the engine's cache, as expected and at least."""
    return budgets_of(this, split, gpu, parts(this, form, split, gpu))


def budgets_of(this: Service, split: Split, gpu: Gpu, parts: Mapping[str, int]) -> tuple[int, int]:
    """Return the bytes of the engine's cache beside the other parts, as expected and at least."""
    if this.model.architecture is None:
        return 0, 0
    profile, peaks = profile_of(this, gpu), (parts["activations"], parts["logits"])
    expected = int(cache_budget(this, gpu, parts["weights"], peaks, parts["overhead"]))
    fixed = fixed_bytes(this, split, gpu, profile)
    return expected, int(safe_budget(this, profile, expected, parts["weights"], peaks, parts["overhead"], fixed))


def capacities(
    this: Service, form: Form, split: Split, gpu: Gpu, budget: int, names: tuple[str, ...] = HELD
) -> dict[str, int]:
    """Return what the engine's cache holds, of these names at least."""
    if this.model.architecture is None:
        return dict.fromkeys(names, UNKNOWN)
    profile = profile_of(this, gpu)
    found: dict[str, int] = this.known.setdefault(("capacity", form.kv_cache, split, profile, budget), {})
    missing = [name for name in names if name not in found]
    if missing:
        groups = cache_groups(this, form, split, profile)
        sharers = this.sharers(split)
        alone = sequences(this, this.context, 1, profile)
    for name in missing:
        if name == "kv_tokens":
            one = alone if profile.by_request and len(groups) > 1 else None
            found[name] = max(0, inference.pool_tokens(budget, groups, profile.block, one)) * sharers
        elif name == "max_concurrency":
            most = inference.most_sequences(budget, groups, alone, profile.block)
            found[name] = UNKNOWN if most is None else max(0, most) * sharers
        else:
            wanted = sequences(this, this.context, this.concurrency, profile, sharers)
            limit = this.model.max_context or 1 << 20
            found[name] = max(0, inference.longest_context(budget, groups, wanted, profile.block, limit))
    return found
