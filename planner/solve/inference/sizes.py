"""What a model takes wherever it runs: its weights on one GPU, and what a token costs in its KV cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.physics import inference
from planner.record import dataclass
from planner.solve.inference import memory as inference_memory
from planner.solve.inference import workload as inference_workload
from planner.solve.parallelism import Split

if TYPE_CHECKING:
    from planner.catalog.catalog import Catalog
    from planner.language.problem import Problem
    from planner.solve.candidate import Candidate


@dataclass(frozen=True, slots=True)
class ModelSizes:
    """Sizes in bytes of a model that is not split, with the formats they are of.

    `token` is what a token costs in the layers that keep all of them, `window` in those that keep only the last ones,
    `state` what a sequence of any length takes; None where the architecture is not known. `sequence` is what the
    engine's cache takes for all the sequences asked for.
    """

    weights: int
    weights_format: str
    kv_format: str
    token: int | None
    window: int | None
    state: int | None
    sequences: int | None


def whole(problem: Problem, catalog: Catalog, row: Candidate) -> ModelSizes:
    """Return the sizes of the model of a candidate, in its formats, as its engine holds them on one GPU."""
    workload = next(item for item in problem.workloads if item.name == row.workload)
    service = inference_workload.service(problem, workload, catalog)
    form = inference_workload.formats_of(row.choice)
    one, profile = Split(1, 1), inference_workload.profile_of(service, problem.gpus[row.gpu])
    weights = inference_memory.weights_bytes(service, form, one, profile)
    arch = service.model.architecture
    if arch is None:
        return ModelSizes(weights, form.weights, form.kv_cache, None, None, None, None)
    bits, _ = inference.format_bits(problem.formats[form.kv_cache])
    return ModelSizes(
        weights,
        form.weights,
        form.kv_cache,
        inference.kv_bytes_per_token(arch, bits),
        inference.window_bytes_per_token(arch, bits),
        inference.state_bytes(arch, state_bits=inference.state_bits(arch, profile)),
        inference_memory.kv_bytes(service, form, one, profile),
    )
