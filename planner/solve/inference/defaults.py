"""What an inference has of given quantities that its plan does not mention: its engine says it."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING

from planner.catalog.records import Gpu
from planner.language.problem import Value
from planner.physics import inference
from planner.solve.defaults import Default, unmentioned, whole_number

if TYPE_CHECKING:
    from planner.solve.inference.workload import InferenceWorkload


def of_service(service: InferenceWorkload, gpus: Mapping[str, Gpu]) -> dict[str, Default]:
    """Return the settings that the plan leaves to its engine: those of the release on the GPU."""
    from planner.solve.inference.workload import profile_of

    newest = ".".join(map(str, service.engine.releases[-1].since))

    def profile(choice: Mapping[str, Value]) -> inference.Profile:
        return profile_of(service, gpus[str(choice["gpu"])])

    def utilization(choice: Mapping[str, Value]) -> Value:
        tensor, stages = (whole_number(choice, name) for name in ("tensor_parallel", "pipeline_parallel"))
        engine_profile, arch = profile(choice), service.model.architecture
        plain = stages == 1 and (arch is None or inference.towers(arch, engine_profile) == 1)
        own = tensor if service.by_sequence else 1
        return inference.utilization(engine_profile, gpus[str(choice["gpu"])], tensor * stages, own, plain)

    split = ("gpu", "tensor_parallel", "pipeline_parallel")
    return unmentioned(
        service.workload,
        {
            "engine_version": Default((), lambda choice: newest),
            "gpu_memory_utilization": Default(split, utilization),
            "max_sequences": Default(("gpu",), lambda choice: Fraction(profile(choice).max_sequences)),
            "max_batched_tokens": Default(("gpu",), lambda choice: Fraction(profile(choice).max_batched_tokens)),
        },
    )
