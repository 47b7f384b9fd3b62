"""What a draft model takes of a step: its weights, its part of the cache, and the seconds of its passes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from planner.physics import inference, serving_time, time
from planner.physics.serving_time import Kernel, KernelSpeeds
from planner.solve.columns.steps import Floats
from planner.solve.inference.workload import InferenceWorkload

if TYPE_CHECKING:
    from collections.abc import Sequence


class Drafting(NamedTuple):
    """What a draft model takes of a GPU: its weights and the part of the cache that is its own, in bytes, and seconds
    of one of its passes over all sequences, and of a prompt."""

    weights: Floats
    cache: Floats
    step: Floats
    prefill: Floats


def drafting(
    service: InferenceWorkload, reached: Sequence[Floats], link: Floats, tensor: Floats, kv_cache: Floats, read: float
) -> Drafting:
    """Return what the draft model takes where `tensor` ranks hold it and both caches together have so many bytes.

    `reached` is what a GPU reaches with it, flat (`speed.fields`), `read` the share of the cache that a step reads. It
    lies on the ranks of a tensor group as the model does, whole on each stage (vllm/config/speculative.py,
    draft_tensor_parallel_size), computes each token that it proposes in a pass of its own, with what the engine does
    once a pass, and reads every prompt as well.
    """
    arch = service.model.architecture
    assert service.extras.draft is not None and arch is not None
    small, params, fmt = service.extras.draft
    key = ("drafting",)
    if key not in service.known:
        each, own = inference.kv_bytes_per_token(arch), inference.kv_bytes_per_token(small)
        service.known[key] = time.reading(small, params, fmt), float(own / (each + own)) if each + own else 0.0
    reading, part_of_cache = service.known[key]
    dense, experts, cache, scores = (Kernel(*reached[at : at + 3]) for at in range(0, 12, 3))
    card = KernelSpeeds(dense, experts, cache, scores, reached[12], link)
    engine, calls = serving_time.between(service.engine), serving_time.calls(small)
    weights, cached = reading.total / tensor, kv_cache * part_of_cache
    part = serving_time.part(small, time.active_params(small, params), reading, tensor, 1, weights)
    step = serving_time.passing(card, engine, calls, part, service.concurrency, cached * read, 0.0)
    step = step + engine.step + engine.sequence * service.concurrency
    passes = -(-service.prompt // serving_time.CHUNK)
    within = time.attention_flops(small, service.prompt) / 2 * service.prompt / passes / tensor
    prefill = passes * serving_time.passing(card, engine, calls, part, service.prompt / passes, 0.0, within)
    return Drafting(weights, cached, step, prefill)
