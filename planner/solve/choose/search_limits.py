"""The limits of what is searched where a plan does not say: a proof speaks of no more than that."""

from __future__ import annotations

from planner.language.problem import Problem, Workload
from planner.solve import stated, structure
from planner.solve.inference import space as inference_space

Limits = dict[str, int]
"""By decision, the largest number that is tried of it."""


def searched(problem: Problem) -> dict[str, Limits]:
    """Return the limits by workload: of what its plan leaves open, and could be larger where the plan said so."""
    found = {item.name: _training(item) if item.kind == "training" else _service(item) for item in problem.workloads}
    return {name: limits for name, limits in found.items() if limits}


def _service(workload: Workload) -> Limits:
    out: Limits = {}
    gpus, layers = stated.counts(workload, "gpus"), _layers(workload)
    most = max(gpus) if gpus else inference_space.GPUS_UNSAID
    if not gpus:
        out["gpus"] = inference_space.GPUS_DEMANDED if "demand" in workload.given else inference_space.GPUS_UNSAID
    if "tensor_parallel" not in workload.domains and most > inference_space.WITHIN_NODE:
        out["tensor_parallel"] = inference_space.WITHIN_NODE
    if "pipeline_parallel" not in workload.domains and min(most, layers) > inference_space.STAGES:
        out["pipeline_parallel"] = inference_space.STAGES
    return out


def _training(workload: Workload) -> Limits:
    from planner.solve.training import (
        space as training_space,  # the physics of training, which a plan of inferences alone does not read
    )

    out: Limits = {}
    gpus, layers = stated.counts(workload, "gpus"), _layers(workload)
    most = max(gpus or training_space.GPUS_UNSAID)
    if not gpus:
        out["gpus"] = most
    if workload.model.architecture is None:
        return out
    if "tensor_parallel" not in workload.domains and most > max(training_space.TENSORS):
        out["tensor_parallel"] = max(training_space.TENSORS)
    if "pipeline_parallel" not in workload.domains and min(most, layers) > max(training_space.pipelines(workload)):
        out["pipeline_parallel"] = max(training_space.pipelines(workload))
    if "context_parallel" not in workload.domains and most > inference_space.WITHIN_NODE:
        out["context_parallel"] = max(training_space.CONTEXTS)
    if (
        "expert_parallel" not in workload.domains
        and most > inference_space.WITHIN_NODE
        and structure.experts_of(workload.model)
    ):
        out["expert_parallel"] = 1
    batch = stated.number(workload, "global_batch", 0)
    if "micro_batch" not in workload.domains and (not batch or batch > max(training_space.MICRO_BATCHES)):
        out["micro_batch"] = max(training_space.MICRO_BATCHES)
    return out


def _layers(workload: Workload) -> int:
    return workload.model.architecture.layers if workload.model.architecture else 1
