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
    from planner.solve.inference.workload import Service


def of_service(this: Service, gpus: Mapping[str, Gpu]) -> dict[str, Default]:
    """Return the settings that the plan leaves to its engine: those of the release on the GPU."""
    from planner.solve.inference.workload import profile_of

    newest = ".".join(map(str, this.engine.releases[-1].since))

    def profile(choice: Mapping[str, Value]) -> inference.Profile:
        return profile_of(this, gpus[str(choice["gpu"])])

    def utilization(choice: Mapping[str, Value]) -> Value:
        ranks = whole_number(choice, "tensor_parallel") * whole_number(choice, "pipeline_parallel")
        return inference.utilization(profile(choice), gpus[str(choice["gpu"])], ranks)

    split = ("gpu", "tensor_parallel", "pipeline_parallel")
    return unmentioned(
        this.workload,
        {
            "engine_version": Default((), lambda choice: newest),
            "gpu_memory_utilization": Default(split, utilization),
            "max_sequences": Default(("gpu",), lambda choice: Fraction(profile(choice).max_sequences)),
            "max_batched_tokens": Default(("gpu",), lambda choice: Fraction(profile(choice).max_batched_tokens)),
        },
    )
