"""The limits of what is searched where a plan does not say: a proof speaks of no more than that."""

from __future__ import annotations

from planner.language.problem import Problem, Workload
from planner.solve import serving, structure

Limits = dict[str, int]
"""By decision, the largest number that is tried of it."""


def searched(problem: Problem) -> dict[str, Limits]:
    """Return the limits by workload: of what its plan leaves open, and could be larger where the plan said so."""
    found = {item.name: _training(item) if item.kind == "training" else _service(item) for item in problem.workloads}
    return {name: limits for name, limits in found.items() if limits}


def _service(workload: Workload) -> Limits:
    out: Limits = {}
    gpus, layers = serving.counts(workload, "gpus"), _layers(workload)
    most = max(gpus) if gpus else serving.GPUS_UNSAID
    if not gpus:
        out["gpus"] = serving.GPUS_DEMANDED if "demand" in workload.given else serving.GPUS_UNSAID
    if "tensor_parallel" not in workload.domains and most > serving.WITHIN_NODE:
        out["tensor_parallel"] = serving.WITHIN_NODE
    if "pipeline_parallel" not in workload.domains and min(most, layers) > serving.STAGES:
        out["pipeline_parallel"] = serving.STAGES
    return out


def _training(workload: Workload) -> Limits:
    from planner.solve import tuning  # the physics of training, which a plan of inferences alone does not read

    out: Limits = {}
    gpus, layers = serving.counts(workload, "gpus"), _layers(workload)
    most = max(gpus or tuning.GPUS_UNSAID)
    if not gpus:
        out["gpus"] = most
    if workload.model.architecture is None:
        return out
    if "tensor_parallel" not in workload.domains and most > max(tuning.TENSORS):
        out["tensor_parallel"] = max(tuning.TENSORS)
    if "pipeline_parallel" not in workload.domains and min(most, layers) > max(tuning.pipelines(workload)):
        out["pipeline_parallel"] = max(tuning.pipelines(workload))
    if "context_parallel" not in workload.domains and most > serving.WITHIN_NODE:
        out["context_parallel"] = max(tuning.CONTEXTS)
    if (
        "expert_parallel" not in workload.domains
        and most > serving.WITHIN_NODE
        and structure.experts_of(workload.model)
    ):
        out["expert_parallel"] = 1
    batch = serving.number(workload, "global_batch", 0)
    if "micro_batch" not in workload.domains and (not batch or batch > max(tuning.MICRO_BATCHES)):
        out["micro_batch"] = max(tuning.MICRO_BATCHES)
    return out


def _layers(workload: Workload) -> int:
    return workload.model.architecture.layers if workload.model.architecture else 1
