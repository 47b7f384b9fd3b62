"""What a workload has of given quantities that its plan does not mention, where that follows from what is chosen.

The engine's release says its settings on a GPU, the framework its gradients; planner.language.defaults has the rest.
Rules, preferences and tests see the same of a single candidate and of a table of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING

from planner.catalog.records import Gpu
from planner.language.problem import Value, Workload
from planner.physics import inference
from planner.record import dataclass

if TYPE_CHECKING:
    from planner.solve.serving import Service
    from planner.solve.tuning import Run


@dataclass(frozen=True, slots=True)
class Default:
    """The decisions from which a quantity follows, and its value where they are chosen."""

    reads: tuple[str, ...]
    value: Callable[[Mapping[str, Value]], Value]


def of_service(this: Service, gpus: Mapping[str, Gpu]) -> dict[str, Default]:
    """Return the settings that the plan leaves to its engine: those of the release on the GPU."""
    from planner.solve.serving import profile_of

    newest = ".".join(map(str, this.engine.releases[-1].since))

    def profile(choice: Mapping[str, Value]) -> inference.Profile:
        return profile_of(this, gpus[str(choice["gpu"])])

    def utilization(choice: Mapping[str, Value]) -> Value:
        ranks = _count(choice, "tensor_parallel") * _count(choice, "pipeline_parallel")
        return inference.utilization(profile(choice), gpus[str(choice["gpu"])], ranks)

    split = ("gpu", "tensor_parallel", "pipeline_parallel")
    return _unmentioned(
        this.workload,
        {
            "engine_version": Default((), lambda choice: newest),
            "gpu_memory_utilization": Default(split, utilization),
            "max_sequences": Default(("gpu",), lambda choice: Fraction(profile(choice).max_sequences)),
            "max_batched_tokens": Default(("gpu",), lambda choice: Fraction(profile(choice).max_batched_tokens)),
        },
    )


SIZES = (
    "reduce_bucket_size",
    "sub_group_size",
    "stage3_max_live_parameters",
    "stage3_max_reuse_distance",
    "stage3_prefetch_bucket_size",
)
"""The sizes of DeepSpeed's configuration, as it names them, in the order of physics.training.deepspeed.Sizes."""


def of_run(this: Run) -> dict[str, Default]:
    """Return what a training's framework and its layout leave no choice about."""
    from planner.physics.training import StateChoice, gradient_format
    from planner.solve.structure import Layout
    from planner.solve.tuning import fsdp_version, selective, sharder, sizes

    adapters = str(this.workload.given["lora_precision"])

    def gradients(choice: Mapping[str, Value]) -> Value:
        method, precision = str(choice["method"]), str(choice["precision"])
        zero = choice.get("zero")
        data, context = _count(choice, "data_parallel"), _count(choice, "context_parallel")
        layout = Layout(data, 1, 1, context, 1, int(zero) if isinstance(zero, Fraction) else 0)
        who = sharder(this, layout)
        return gradient_format(StateChoice(method, precision, framework=who, adapter_precision=adapters))

    def batch(choice: Mapping[str, Value]) -> Value:
        return Fraction(_count(choice, "data_parallel") * _count(choice, "micro_batch"))

    return _unmentioned(
        this.workload,
        {
            "global_batch": Default(("data_parallel", "micro_batch"), batch),
            "gradient_precision": Default(
                ("method", "precision", "zero", "data_parallel", "context_parallel"), gradients
            ),
            "selective": Default((), lambda choice: selective(this)),
            "fsdp_version": Default((), lambda choice: Fraction(fsdp_version(this))),
            **{
                name: Default((), lambda choice, size=size: Fraction(size))  # type: ignore[misc]
                for name, size in zip(SIZES, sizes(this), strict=True)
            },
        },
    )


def _count(choice: Mapping[str, Value], name: str) -> int:
    """Return a decision that is a whole number, 1 where a choice has none (as judges take it)."""
    found = choice.get(name)
    return int(found) if isinstance(found, Fraction) else 1


def _unmentioned(workload: Workload, found: dict[str, Default]) -> dict[str, Default]:
    return {name: item for name, item in found.items() if name not in workload.given}


def values(defaults: Mapping[str, Default], choice: Mapping[str, Value]) -> dict[str, Value]:
    """Return the defaults of a whole choice."""
    return {name: item.value(choice) for name, item in defaults.items()}
