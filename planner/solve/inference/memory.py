"""A workload as the memory of serving knows it: its arguments to `planner.physics.inference.memory`, which adds up.

Where only the number of a model's parameters is known, the rule of thumb stands in. Sizes may be arrays.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import floor
from typing import Any

from planner.catalog.records import Format, Gpu
from planner.physics import inference, rule_of_thumb
from planner.physics.inference import Profile
from planner.solve.inference import layerwise
from planner.solve.inference.workload import InferenceWorkload, NumberFormats, profile_of, sixteen_bit
from planner.solve.parallelism import Split
from planner.solve.stated import number


def served(this: InferenceWorkload, form: NumberFormats) -> inference.ServedModel:
    """Return the model in formats, as it is served; it must have an architecture."""
    key = ("served", form.weights, form.kv_cache)
    if key not in this.known:
        model, formats = this.model, this.formats
        arch = model.architecture
        assert arch is not None
        layers: tuple[tuple[int, Format], ...] = ()
        if layerwise.is_mix(form.weights):
            fmt = formats[sixteen_bit(model.native_format)]
            names = layerwise.layers_of(form.weights)
            kinds = layerwise.groups_of(arch)
            layers = tuple((kind, weight_format(this, name)) for kind, name in zip(kinds, names, strict=True))
        else:
            fmt = weight_format(this, form.weights)
        this.known[key] = inference.ServedModel(
            arch, model.params, fmt, formats[form.kv_cache], this.native_bits, model.max_context, layers
        )
    found: inference.ServedModel = this.known[key]
    return found


def weight_format(this: InferenceWorkload, name: str) -> Format:
    """Return a format as the model's weights are in it: its checkpoint may keep tensors in 16 bit or in another."""
    key = ("format", name)
    if key not in this.known:
        this.known[key] = _weight_format(this, name)
    found: Format = this.known[key]
    return found


def _weight_format(this: InferenceWorkload, name: str) -> Format:
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


def layer_bytes(this: InferenceWorkload, kind: int, name: str, split: Split) -> int:
    """Return the bytes of one layer of a kind in a format on one GPU."""
    arch, ranks = this.model.architecture, this.parallelism(split)
    assert arch is not None
    return inference.any_layer(
        arch,
        kind,
        weight_format(this, name),
        this.native_bits,
        ranks.tensor,
        ranks.expert,
        attention_tp=ranks.heads,
    )


def weights_bytes(this: InferenceWorkload, form: NumberFormats, split: Split, profile: Profile) -> int:
    """Return the weights on the fullest GPU; what is offloaded lies in the same memory where host and GPU share it."""
    key = ("weights", form.weights, split, profile.loads)
    if key not in this.known:
        model, ranks = this.model, this.parallelism(split)
        if model.architecture is None:
            bits = this.formats[form.weights].bits
            size = -(-rule_of_thumb.inference(model.params, bits / 8)["weights"] // split.gpus)
            this.known[key] = inference.with_extras(size, None, ranks, this.extras, profile)
        else:
            this.known[key] = inference.weights_beside(served(this, form), ranks, this.extras, profile)
    return int(this.known[key])


def host_bytes(this: InferenceWorkload) -> int:
    """Return what each GPU's rank keeps in host memory: pinned weights and cache; a file's pages may be given back."""
    return this.extras.offloaded_weights + this.extras.offloaded_cache


def sequences(
    this: InferenceWorkload, context: int, concurrency: int, profile: Profile, sharers: int = 1
) -> inference.Sequences:
    """Return the sequences that must be resident on one GPU, a share of them where ranks have their own."""
    if this.pooling:  # a request leaves with its last tokens: a batch of whole ones, and one that waits for the next
        concurrency = min(concurrency, 1 + -(-profile.max_batched_tokens // max(1, context)))
    shared = min(number(this.workload, "shared_prefix"), context)
    vision = number(this.workload, "vision_tokens")
    return inference.sequences(profile, context, concurrency, shared, vision, sharers)


def resident(this: InferenceWorkload, split: Split, profile: Profile) -> inference.Sequences:
    """Return the sequences that must be resident on one GPU at the workload's `context` and `concurrency`."""
    sharers = this.sharers(split)
    key = ("resident", sharers, profile)
    if key not in this.known:
        this.known[key] = sequences(this, this.context, this.concurrency, profile, sharers)
    found: inference.Sequences = this.known[key]
    return found


def kv_bytes(this: InferenceWorkload, form: NumberFormats, split: Split, profile: Profile) -> int:
    """Return what `context` and `concurrency` need of the KV cache on the fullest GPU."""
    if this.model.architecture is None:
        return 0
    flying = profile.max_batched_tokens, profile.in_flight
    key = ("kv_cache", form.kv_cache, split.tensor, split.pipeline, profile.keeps, flying)
    if key not in this.known:
        ranks, load = this.parallelism(split), resident(this, split, profile)
        this.known[key] = inference.cache_beside(served(this, form), ranks, this.extras, profile, load)
    return int(this.known[key])


def peak_bytes(this: InferenceWorkload, split: Split, profile: Profile, first: bool = True) -> tuple[int, int]:
    """Return the activations and the logits at the engine's peak, on a first start or a later one."""
    arch = this.model.architecture
    if arch is None:
        return 0, 0
    return inference.peaks(arch, profile, this.parallelism(split), resident(this, split, profile), first)


def served_bytes(this: InferenceWorkload, profile: Profile) -> int:
    """Return the logits of the workload's sequences while they are served: all that `outside` reads of its load."""
    arch = this.model.architecture
    return 0 if arch is None else inference.served_logits(arch, profile, this.concurrency)


def outside(this: InferenceWorkload, split: Split, gpu: Gpu) -> tuple[int, int]:
    """Return what an engine needs beside the share of the GPU that is its budget, on the safe side, and what is left.

    Both are zero where nothing stands beside a budget.
    """
    arch = this.model.architecture
    if arch is None:
        return 0, 0
    profile = profile_of(this, gpu)
    key = ("beside", split, profile)
    if key not in this.known:
        size = inference.captured_graphs(arch, profile, this.parallelism(split), this.extras)
        this.known[key] = inference.beside_budget(
            profile,
            split.gpus,
            graphs=size,
            spread=inference.graph_spread(profile, size, this.confidence),
            peaks=peak_bytes(this, split, profile, first=False),
            arch=arch,
            sequences=this.concurrency,
        )
    return inference.outside(profile, gpu, this.known[key])


def largest_share(this: InferenceWorkload, gpu: Gpu, short: int) -> Fraction:
    """Return the largest utilization, in whole per cent, that leaves so many bytes more beside the engine's budget."""
    share = profile_of(this, gpu).utilization - Fraction(short, gpu.memory)
    return Fraction(floor(100 * share), 100)


def overhead_bytes(
    this: InferenceWorkload, form: NumberFormats, split: Split, gpu: Gpu, weights: Any, peaks: tuple[int, int]
) -> Any:
    """Return what no tensor of the program accounts for; by the rule of thumb a fifth of the weights."""
    arch = this.model.architecture
    if arch is None:
        thumb = rule_of_thumb.inference(this.model.params, this.formats[form.weights].bits / 8)
        return -(-sum(size for name, size in thumb.items() if name != "weights") // split.gpus)
    return inference.overhead_beside(
        arch, profile_of(this, gpu), gpu, this.parallelism(split), this.extras, weights, peaks
    )


def fixed_bytes(this: InferenceWorkload, split: Split, gpu: Gpu, profile: Profile) -> int:
    """Return the share of the overhead that has a margin of its own."""
    arch = this.model.architecture
    return 0 if arch is None else inference.own_margin(arch, profile, gpu, this.parallelism(split), this.extras)


def margin_bytes(
    this: InferenceWorkload,
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


def usable_bytes(this: InferenceWorkload, gpu: Gpu) -> int:
    """Return the bytes a workload may use: what a framework sees, times the engine's share of it."""
    if this.model.architecture is None:
        return gpu.memory
    return inference.usable(gpu, profile_of(this, gpu))


def parts(this: InferenceWorkload, form: NumberFormats, split: Split, gpu: Gpu) -> dict[str, int]:
    """Return the memory of the fullest GPU by part."""
    profile = profile_of(this, gpu)
    if this.model.architecture is None:  # the rule's fifth of the weights is for activations, as `estimate 13B` has it
        return dict.fromkeys(inference.PARTS, 0) | {
            "weights": weights_bytes(this, form, split, profile),
            "activations": int(overhead_bytes(this, form, split, gpu, 0, (0, 0))),
        }
    ranks, load = this.parallelism(split), resident(this, split, profile)
    return inference.parts(served(this, form), profile, gpu, load, ranks, this.extras, this.confidence)
