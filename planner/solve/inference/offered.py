"""Why the search would not enumerate a choice of an inference: what its plan and its structure do not offer."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from fractions import Fraction

from planner.language.problem import Value
from planner.solve.inference import layerwise
from planner.solve.inference.engine_rules import service_faults
from planner.solve.inference.model_support import unstaged
from planner.solve.inference.space import every_split, forms, may_span, nodes_by_gpu, replica_counts
from planner.solve.inference.workload import NUMBER_FORMATS, InferenceWorkload, NumberFormats, resolved, sixteen_bit
from planner.solve.needs import need
from planner.solve.parallelism import SPLIT, Fault, Split, divides
from planner.solve.stated import chosen_count, first_of, one_of

FOLLOWING = ("kv_cache", "activations")
"""The formats that follow from the weights and the GPU where a plan does not say them."""


def unoffered(service: InferenceWorkload, choice: Mapping[str, Value]) -> Iterator[Fault]:
    """Yield what of a choice neither the plan nor its defaults offer, and the rules of structure that it breaks."""
    offered_forms, gpu = forms(service), service.gpus.get(str(choice["gpu"]))
    chosen = NumberFormats(str(choice["weights"]), str(choice["kv_cache"]), "", str(choice["quantization"]))
    whole = [] if gpu is None else [resolved(service, form, gpu) for form in (*offered_forms, chosen)]
    for name in NUMBER_FORMATS:
        offered = dict.fromkeys(str(getattr(form, name)) for form in offered_forms)
        if name == "weights" and name not in service.workload.domains:
            offered = dict.fromkeys([*offered, *(form.weights for form in whole[:-1])])
        if (
            name in FOLLOWING and name not in service.workload.domains
        ):  # locks of earlier releases have the model's 16 bits
            follows = [str(getattr(form, name)) for form in whole if form.weights == chosen.weights]
            offered = dict.fromkeys([*filter(None, offered), *follows, sixteen_bit(service.model.native_format)])
        if name == "weights" and layerwise.is_mix(str(choice[name])):
            yield from _mix(service, str(choice[name]), offered)
        else:
            yield from one_of(name, str(choice[name]), offered)
    split = Split(*(chosen_count(choice, name) for name in SPLIT))
    engine = service.engine
    faults = list(service_faults(service.model, split, engine.one_host, unstaged(service), engine.expert_ranks))
    if not divides(service.model, split.tensor):
        faults.append(Fault("tensor_parallel", need("even_heads"), Fraction(split.tensor)))
    yield from faults
    gpus, copies = chosen_count(choice, "gpus"), chosen_count(choice, "replicas")
    if gpus != copies * split.gpus:
        needs = need("product", "replicas × tensor_parallel × pipeline_parallel", copies * split.gpus)
        yield Fault("gpus", needs, Fraction(gpus))
        return
    every = every_split(service, False)
    if not faults and split not in every:
        yield from first_of(
            ("tensor_parallel", split.tensor, [item.tensor for item in every]),
            ("pipeline_parallel", split.pipeline, [item.pipeline for item in every if item.tensor == split.tensor]),
            ("expert_parallel", split.expert, [item.expert for item in every if item.tensor == split.tensor]),
            ("nodes", split.nodes, [item.nodes for item in every if item.gpus == split.gpus]),
        )
    elif not may_span(service, False, str(choice["gpu"]), split.nodes):
        spans = nodes_by_gpu(service, False)
        yield from one_of("nodes", split.nodes, spans.get(str(choice["gpu"]), spans[""]))
    if copies not in replica_counts(service, split):
        name = (
            "gpus" if "gpus" in service.workload.domains and "replicas" not in service.workload.domains else "replicas"
        )
        yield Fault(name, need("left_by_plan"), Fraction(gpus if name == "gpus" else copies))


def _mix(service: InferenceWorkload, label: str, offered: Collection[str]) -> Iterator[Fault]:
    """Yield why a mix of formats is none of the plan's: its layers, its formats, or how it is written."""
    try:
        names = layerwise.layers_of(label)
    except ValueError:
        yield Fault("weights", need("mix"), label)
        return
    arch = service.model.architecture
    if "weights" not in service.workload.per_layer or arch is None:
        yield Fault("weights", need("one_format"), label)
    elif len(names) != arch.layers or layerwise.label_of(names) != label:
        yield Fault("weights", need("format_each", arch.layers), label)
    else:
        for name in dict.fromkeys(names):
            yield from one_of("weights", name, offered)
