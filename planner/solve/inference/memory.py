"""A workload as the memory of serving knows it: its arguments to `planner.physics.inference.memory`, which adds up.

Where only the number of a model's parameters is known, the rule of thumb stands in. Sizes may be arrays.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import floor
from typing import Final

from planner.catalog.records import Format, Gpu
from planner.physics import inference, rule_of_thumb
from planner.physics.inference import Profile
from planner.solve.columns.steps import Ints
from planner.solve.inference import layerwise
from planner.solve.inference.workload import InferenceWorkload, NumberFormats, profile_of, sixteen_bit
from planner.solve.parallelism import Split
from planner.solve.stated import number

STATES: Final = frozenset({"mamba1", "mamba2", "gdn", "lightning", "shortconv"})
"""Mixers with states, whose slots limit how many requests SGLang runs."""


def served(service: InferenceWorkload, form: NumberFormats) -> inference.ServedModel:
    """Return the model in formats, as it is served; it must have an architecture."""
    key = ("served", form.weights, form.kv_cache)
    if key not in service.known:
        model, formats = service.model, service.formats
        arch = model.architecture
        assert arch is not None
        layers: tuple[tuple[int, Format], ...] = ()
        if layerwise.is_mix(form.weights):
            fmt = formats[sixteen_bit(model.native_format)]
            names = layerwise.layers_of(form.weights)
            kinds = layerwise.groups_of(arch)
            layers = tuple((kind, weight_format(service, name)) for kind, name in zip(kinds, names, strict=True))
        else:
            fmt = weight_format(service, form.weights)
        service.known[key] = inference.ServedModel(
            arch, model.params, fmt, formats[form.kv_cache], service.native_bits, model.max_context, layers
        )
    cached: inference.ServedModel = service.known[key]
    return cached


def weight_format(service: InferenceWorkload, name: str) -> Format:
    """Return a format as the model's weights are in it: its checkpoint may keep tensors in 16 bit or in another."""
    key = ("format", name)
    if key not in service.known:
        service.known[key] = _weight_format(service, name)
    cached: Format = service.known[key]
    return cached


def _weight_format(service: InferenceWorkload, name: str) -> Format:
    fmt, model = service.formats[name], service.model
    said = model.native_leaves or model.native_classes or model.native_partly or model.native_block
    if name != model.native_format or not said:
        return fmt

    def tiled(row: Format) -> Format:
        return replace(row, tile=model.native_block) if model.native_block and row.id == "fp8_e4m3" else row

    leaves = dict.fromkeys((*fmt.leaves, *model.native_leaves))
    classes = tuple((kind, tiled(service.formats[form])) for kind, form in model.native_classes.items())
    left = tuple(kind for kind in leaves if kind not in model.native_classes)
    return replace(tiled(fmt), leaves=left, classes=classes, partly=tuple(model.native_partly.items()))


def layer_bytes(service: InferenceWorkload, kind: int, name: str, split: Split) -> int:
    """Return the bytes of one layer of a kind in a format on one GPU."""
    arch, ranks = service.model.architecture, service.parallelism(split)
    assert arch is not None
    return inference.any_layer(
        arch,
        kind,
        weight_format(service, name),
        service.native_bits,
        ranks.tensor,
        ranks.expert,
        attention_tp=ranks.heads,
    )


def weights_bytes(service: InferenceWorkload, form: NumberFormats, split: Split, profile: Profile) -> int:
    """Return the weights on the fullest GPU; what is offloaded lies in the same memory where host and GPU share it."""
    key = ("weights", form.weights, split, profile.loads)
    if key not in service.known:
        model, ranks = service.model, service.parallelism(split)
        if model.architecture is None:
            bits = service.formats[form.weights].bits
            size = -(-rule_of_thumb.inference(model.params, bits / 8)["weights"] // split.gpus)
            service.known[key] = inference.with_extras(size, None, ranks, service.extras, profile)
        else:
            service.known[key] = inference.weights_beside(served(service, form), ranks, service.extras, profile)
    return int(service.known[key])


def host_bytes(service: InferenceWorkload) -> int:
    """Return what each GPU's rank keeps in host memory: pinned weights and cache; a file's pages may be given back."""
    return service.extras.offloaded_weights + service.extras.offloaded_cache


def sequences(
    service: InferenceWorkload, context: int, concurrency: int, profile: Profile, sharers: int = 1
) -> inference.Sequences:
    """Return the sequences that must be resident on one GPU, a share of them where ranks have their own."""
    if service.pooling:  # a request leaves with its last tokens: a batch of whole ones, and one that waits for the next
        concurrency = min(concurrency, 1 + -(-profile.max_batched_tokens // max(1, context)))
    context += service.draft_tokens  # what is proposed has its places in the cache before it is accepted
    shared = min(number(service.workload, "shared_prefix"), context)
    vision = number(service.workload, "vision_tokens")
    return inference.sequences(profile, context, concurrency, shared, vision, sharers)


def resident(service: InferenceWorkload, split: Split, profile: Profile) -> inference.Sequences:
    """Return the sequences that must be resident on one GPU at the workload's `context` and `concurrency`."""
    sharers = service.sharers(split)
    key = ("resident", sharers, profile)
    if key not in service.known:
        service.known[key] = sequences(service, service.context, service.concurrency, profile, sharers)
    cached: inference.Sequences = service.known[key]
    return cached


def kv_bytes(service: InferenceWorkload, form: NumberFormats, split: Split, profile: Profile) -> int:
    """Return what `context` and `concurrency` need of the KV cache on the fullest GPU."""
    if service.model.architecture is None:
        return 0
    flying = (
        profile.max_batched_tokens,
        profile.in_flight,
        profile.max_sequences if profile.keeps.pools.state_batches else 0,
    )
    key = ("kv_cache", form.kv_cache, split, profile.keeps, flying)
    if key not in service.known:
        ranks, load = service.parallelism(split), resident(service, split, profile)
        service.known[key] = inference.cache_beside(served(service, form), ranks, service.extras, profile, load)
    return int(service.known[key])


def peak_bytes(service: InferenceWorkload, split: Split, profile: Profile, first: bool = True) -> tuple[int, int]:
    """Return the activations and the logits at the engine's peak, on a first start or a later one."""
    arch = service.model.architecture
    if arch is None:
        return 0, 0
    return inference.peaks(arch, profile, service.parallelism(split), resident(service, split, profile), first)


def served_bytes(service: InferenceWorkload, profile: Profile) -> int:
    """Return the logits of the workload's sequences while they are served: all that `outside` reads of its load."""
    arch = service.model.architecture
    return 0 if arch is None else inference.served_logits(arch, profile, service.concurrency)


def outside(service: InferenceWorkload, split: Split, gpu: Gpu) -> tuple[int, int]:
    """Return what an engine needs beside the share of the GPU that is its budget, on the safe side, and what is left.

    Both are zero where nothing stands beside a budget.
    """
    arch = service.model.architecture
    if arch is None:
        return 0, 0
    profile = profile_of(service, gpu)
    if profile.budget == "static":
        return _beside_pool(service, split, gpu, profile)
    key = ("beside", split, profile)
    if key not in service.known:
        size = inference.captured_graphs(arch, profile, service.parallelism(split), service.extras)
        service.known[key] = inference.beside_budget(
            profile,
            split.gpus,
            graphs=size,
            spread=inference.graph_spread(profile, size, service.confidence),
            peaks=peak_bytes(service, split, profile, first=False),
            arch=arch,
            sequences=service.concurrency,
        )
    return inference.outside(profile, gpu, service.known[key])


def _rows(service: InferenceWorkload, split: Split, gpu: Gpu, profile: Profile) -> int:
    """Return the rows of SGLang's table of requests on one rank: what is stated, or by what its pool can hold at most,
    in the narrowest format that is offered and if weights took nothing; 0 where states leave it few rows."""
    model, ranks = service.model, service.parallelism(split)
    assert model.architecture is not None
    stated = number(service.workload, "max_sequences", 0)
    if stated or inference.traits(model.architecture) & STATES:
        return stated // service.sharers(split)
    default = service.cache_default or sixteen_bit(model.native_format)
    offered = (service.formats[str(name)] for name in service.workload.domains.get("kv_cache", (default,)))
    narrowest = min(offered, key=lambda fmt: fmt.bits)
    served = inference.ServedModel(
        model.architecture, model.params, narrowest, narrowest, service.native_bits, model.max_context, ()
    )
    one = sequences(service, service.context, 1, profile)
    each = inference.cache_beside(served, ranks, service.extras, profile, one)
    share = inference.utilization(profile, gpu, split.gpus, ranks.sharers)
    return inference.most_requests(floor(gpu.memory * share), each)


def _beside_pool(service: InferenceWorkload, split: Split, gpu: Gpu, profile: Profile) -> tuple[int, int]:
    """Return what SGLang needs of the share that it keeps free, with its table of requests, and that share."""
    arch, ranks, rows = service.model.architecture, service.parallelism(split), _rows(service, split, gpu, profile)
    assert arch is not None
    if not rows:
        return 0, 0
    return inference.beside_pool(
        profile,
        gpu,
        (split.tensor, split.pipeline),
        table=inference.request_table(rows, service.context),
        live=sum(peak_bytes(service, split, profile)) + inference.captured_graphs(arch, profile, ranks, service.extras),
        exchange=inference.exchange(arch, profile, ranks.sharers if ranks.expert > 1 else 1),
        towers=inference.towers(arch, profile),
        attention_ranks=ranks.sharers,
    )


def largest_share(service: InferenceWorkload, split: Split, gpu: Gpu, short: int) -> Fraction:
    """Return the largest utilization, in whole per cent, that leaves so many bytes more beside the engine's budget."""
    profile, ranks = profile_of(service, gpu), service.parallelism(split)
    share = inference.utilization(profile, gpu, split.gpus, ranks.sharers)
    return Fraction(floor(100 * (share - Fraction(short, gpu.memory))), 100)


def most_requests(service: InferenceWorkload, split: Split, gpu: Gpu, short: int) -> int:
    """Return how many requests SGLang has room for where it is so many bytes short; zero for other engines."""
    profile = profile_of(service, gpu)
    if profile.budget != "static":
        return 0
    assert service.model.architecture is not None
    one = inference.served_logits(service.model.architecture, profile, 1)  # what a request more takes beside its row
    table = inference.request_table(_rows(service, split, gpu, profile), service.context)
    return max(0, (table - short) // (inference.request_table(0, service.context) + one) - 1) * service.sharers(split)


def overhead_bytes(
    service: InferenceWorkload, form: NumberFormats, split: Split, gpu: Gpu, weights: Ints, peaks: tuple[int, int]
) -> Ints:
    """Return what no tensor of the program accounts for; by the rule of thumb a fifth of the weights."""
    arch = service.model.architecture
    if arch is None:
        thumb = rule_of_thumb.inference(service.model.params, service.formats[form.weights].bits / 8)
        return -(-sum(size for name, size in thumb.items() if name != "weights") // split.gpus)
    return inference.overhead_beside(
        arch, profile_of(service, gpu), gpu, service.parallelism(split), service.extras, weights, peaks
    )


def fixed_bytes(service: InferenceWorkload, split: Split, gpu: Gpu, profile: Profile) -> int:
    """Return the share of the overhead that has a margin of its own."""
    arch = service.model.architecture
    return 0 if arch is None else inference.own_margin(arch, profile, gpu, service.parallelism(split), service.extras)


def margin_bytes(
    service: InferenceWorkload,
    profile: Profile,
    weights: Ints,
    kv_cache: Ints,
    activations: Ints,
    logits: Ints,
    overhead: Ints,
    fixed: Ints,
) -> Ints:
    """Return the bytes between the expected total and its safe end."""
    if service.model.architecture is None:
        return 0
    return inference.margin(profile, service.confidence, weights, kv_cache, activations, logits, overhead, fixed)


def usable_bytes(service: InferenceWorkload, gpu: Gpu) -> int:
    """Return the bytes a workload may use: what a framework sees, times the engine's share of it."""
    if service.model.architecture is None:
        return gpu.memory
    return inference.usable(gpu, profile_of(service, gpu))


def parts(service: InferenceWorkload, form: NumberFormats, split: Split, gpu: Gpu) -> dict[str, int]:
    """Return the memory of the fullest GPU by part."""
    profile = profile_of(service, gpu)
    if (
        service.model.architecture is None
    ):  # the rule's fifth of the weights is for activations, as `estimate 13B` has it
        return dict.fromkeys(inference.PARTS, 0) | {
            "weights": weights_bytes(service, form, split, profile),
            "activations": int(overhead_bytes(service, form, split, gpu, 0, (0, 0))),
        }
    ranks, load = service.parallelism(split), resident(service, split, profile)
    return inference.parts(served(service, form), profile, gpu, load, ranks, service.extras, service.confidence)
