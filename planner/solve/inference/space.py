"""What an inference plan leaves open but hardware: number formats, parallelism of a replica, replicas."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from planner.language.defaults import STATED
from planner.language.problem import Value, Workload
from planner.solve.inference import layerwise
from planner.solve.inference.engine_rules import service_faults
from planner.solve.inference.memory import layer_bytes
from planner.solve.inference.model_support import unstaged
from planner.solve.inference.quality import measured
from planner.solve.inference.workload import InferenceWorkload, NumberFormats, sixteen_bit
from planner.solve.parallelism import Split, divides, experts_of, layers_of
from planner.solve.stated import counts
from planner.solve.stated import number as stated_number

GPUS_UNSAID = 64
"""The most GPUs of a service whose plan does not say `gpus`."""
GPUS_DEMANDED = 4096
"""The most GPUs where `demand` decides how many replicas there are: what `gpus` can be."""
WITHIN_NODE = 8
"""The largest tensor-parallel group that is tried where the plan does not say: one node of eight."""
STAGES = 8
HOSTS = 64
"""The most hosts that a replica spans: what `nodes` can be."""


def forms(service: InferenceWorkload) -> list[NumberFormats]:
    """Return the formats a plan offers; unsaid activations are empty, what they are follows from the GPU."""
    domains, native = service.workload.domains, service.model.native_format
    sixteen = sixteen_bit(native)
    out = []
    for how in texts(domains, "quantization", STATED[service.workload.kind]["quantization"]):
        for act in texts(domains, "activations", ""):
            for kv in texts(domains, "kv_cache", service.cache_default or sixteen):
                for weights in texts(domains, "weights", native):
                    out.append(NumberFormats(weights, kv, act, how))
    return out


def texts(domains: dict[str, tuple[Value, ...]], name: str, default: str) -> tuple[str, ...]:
    """Return the words a plan offers for a decision, in alphabetical order, or the default."""
    return tuple(sorted(str(value) for value in domains.get(name, (default,))))


def splits(service: InferenceWorkload, fixed: bool) -> list[Split]:
    """Return the ways one replica may lie on GPUs; with `fixed`, all of a plan's GPUs share each layer."""
    model, engine, own = service.model, service.engine, unstaged(service)
    return [
        split
        for split in every_split(service, fixed)
        if not any(service_faults(model, split, engine.one_host, own, engine.expert_ranks))
    ]


def every_split(service: InferenceWorkload, fixed: bool) -> list[Split]:
    """Return what a plan leaves of splits, whether they can be or not."""
    nodes = sorted({count for some in nodes_by_gpu(service, fixed).values() for count in some}) or [1]
    return [
        split if count == 1 else replace(split, nodes=count) for split in _on_gpus(service, fixed) for count in nodes
    ]


def nodes_by_gpu(service: InferenceWorkload, fixed: bool) -> dict[str, tuple[int, ...]]:
    """Return the numbers of hosts that a replica may span, by GPU, "" for all that are not named.

    What the plan offers; else one, or as many as the smallest of its replicas needs of the largest hosts.
    """
    key = ("nodes", fixed)
    if key not in service.known:
        said, spans = counts(service.workload, "nodes"), {}
        if said is None and {"gpus", "tensor_parallel", "pipeline_parallel"} & service.workload.domains.keys():
            left = _on_gpus(service, fixed)
            if "gpus" in service.workload.domains:
                left = [split for split in left if replica_counts(service, split)]
            least = min((split.gpus for split in left), default=1)
            needed = {gpu: -(-least // most) for gpu, most in service.hosts().items()} if least > 1 else {}
            spans = {gpu: (count,) for gpu, count in needed.items() if count <= HOSTS}
        service.known[key] = {"": tuple(said or [1]), **spans}
    cached: dict[str, tuple[int, ...]] = service.known[key]
    return cached


def may_span(service: InferenceWorkload, fixed: bool, gpu: str, nodes: int) -> bool:
    """Return whether a plan leaves it that a replica on a GPU spans so many hosts."""
    spans = nodes_by_gpu(service, fixed)
    return nodes in spans.get(gpu, spans[""])


def _on_gpus(service: InferenceWorkload, fixed: bool) -> list[Split]:
    """Return what a plan leaves of splits on one host."""
    workload = service.workload
    allowed = counts(workload, "gpus")
    most = max(allowed) if allowed else GPUS_UNSAID
    copies = counts(workload, "replicas") or [1]
    said = counts(workload, "tensor_parallel")
    if said is None:
        said = sorted({max(1, total // each) for total in allowed for each in copies}) if fixed and allowed else None
    tensors = said or [tp for tp in range(1, min(WITHIN_NODE, most) + 1) if divides(service.model, tp)]
    stages = counts(workload, "pipeline_parallel")
    layers = layers_of(service.model) or STAGES
    pipelines = stages or ([1] if fixed else list(range(1, min(STAGES, most, layers) + 1)))
    experts = counts(workload, "expert_parallel")
    mixed = bool(experts_of(service.model))
    return [
        Split(tp, pp, ep)
        for tp in tensors
        for pp in pipelines
        for ep in (experts or ([1] if fixed or not mixed else sorted({1, tp})))
        if allowed is None or fixed or tp * pp <= most
    ]


def replica_counts(service: InferenceWorkload, split: Split) -> list[int]:
    """Return the numbers of replicas a plan leaves for a split: one unless it says, any where `demand` decides."""
    said = counts(service.workload, "replicas")
    allowed = counts(service.workload, "gpus")
    if said is None and service.demand is not None:
        said = list(range(1, (max(allowed) if allowed else GPUS_DEMANDED) // split.gpus + 1))
    return [copies for copies in said or [1] if allowed is None or copies * split.gpus in allowed]


def combos(service: InferenceWorkload, fixed: bool) -> Iterator[tuple[NumberFormats, Split]]:
    """Yield every pair of formats and split."""
    every = forms(service)
    for split in splits(service, fixed):
        yield from ((form, split) for form in every)
        if "weights" in service.workload.per_layer and service.model.architecture is not None:
            yield from ((form, split) for form in _mixed_forms(service, every, split))


def _mixed_forms(service: InferenceWorkload, every: list[NumberFormats], split: Split) -> list[NumberFormats]:
    """Return the formats per layer that no others beat, beside the ones that are the same in all layers."""
    arch = service.model.architecture
    assert arch is not None
    out = []
    for how in sorted({form.quantization for form in every}):
        names = sorted({form.weights for form in every if form.quantization == how})
        known = {name: measured(service, name, how) for name in names}
        sizes = {
            (kind, name): layer_bytes(service, kind, name, split)
            for kind in set(layerwise.groups_of(arch))
            for name in names
        }
        labels = layerwise.mixes(arch, [service.formats[name] for name in names], sizes, known)
        others = {(form.kv_cache, form.activations) for form in every if form.quantization == how}
        for label in labels:
            if "+" in label:
                out += [NumberFormats(label, cache, act, how) for cache, act in sorted(others)]
    return out


def search_limits(workload: Workload) -> dict[str, int]:
    """Return the limits of what is searched: of what a plan leaves open, and could be larger where the plan said so."""
    out: dict[str, int] = {}
    if workload.traffic:
        from planner.solve.inference.by_size import ladder

        if "concurrency" not in workload.said:
            out["concurrency"] = max(ladder(workload))
        if "tensor_parallel" not in workload.domains:
            out["tensor_parallel"] = WITHIN_NODE
        if "pipeline_parallel" not in workload.domains:
            out["pipeline_parallel"] = 1
        return out
    gpus, layers = counts(workload, "gpus"), (layers_of(workload.model) or 1)
    most = max(gpus) if gpus else GPUS_UNSAID
    if not gpus:
        many = {"demand", "total_concurrency"} & workload.given.keys()
        out["gpus"] = GPUS_DEMANDED if many else GPUS_UNSAID
    if "replicas" not in workload.domains and stated_number(workload, "total_concurrency", 0) > GPUS_UNSAID:
        out["replicas"] = GPUS_UNSAID
    if "tensor_parallel" not in workload.domains and most > WITHIN_NODE:
        out["tensor_parallel"] = WITHIN_NODE
    if "pipeline_parallel" not in workload.domains and min(most, layers) > STAGES:
        out["pipeline_parallel"] = STAGES
    several = {"demand", "total_concurrency"} & workload.given.keys() and "replicas" not in workload.domains
    if several or max(counts(workload, "replicas") or [1]) > 1:
        out["offer"] = 1
    return out
