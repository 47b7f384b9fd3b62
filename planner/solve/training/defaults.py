"""What a training has of given quantities that its plan does not mention: its framework and layout say it."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING

from planner.language.problem import Value
from planner.solve.defaults import Default, unmentioned, whole_number
from planner.solve.training.workload import SIZES

if TYPE_CHECKING:
    from planner.solve.training.workload import TrainingWorkload


def of_run(run: TrainingWorkload) -> dict[str, Default]:
    """Return what a training's framework and its layout leave no choice about."""
    from planner.physics.training import StateChoice, gradient_format
    from planner.solve.parallelism import Layout
    from planner.solve.training.workload import fsdp_version, selective, sharder, sizes, synced

    adapters = str(run.workload.given["lora_precision"])

    def gradients(choice: Mapping[str, Value]) -> Value:
        method, precision = str(choice["method"]), str(choice["precision"])
        zero = choice.get("zero")
        data, context = whole_number(choice, "data_parallel"), whole_number(choice, "context_parallel")
        layout = Layout(data, 1, 1, context, 1, int(zero) if isinstance(zero, Fraction) else 0)
        who = sharder(run, layout)
        return gradient_format(StateChoice(method, precision, framework=who, adapter_precision=adapters))

    def batch(choice: Mapping[str, Value]) -> Value:
        return Fraction(whole_number(choice, "data_parallel") * whole_number(choice, "micro_batch"))

    return unmentioned(
        run.workload,
        {
            "global_batch": Default(("data_parallel", "micro_batch"), batch),
            "gradient_precision": Default(
                ("method", "precision", "zero", "data_parallel", "context_parallel"), gradients
            ),
            "selective": Default((), lambda choice: selective(run)),
            "fsdp_version": Default((), lambda choice: Fraction(fsdp_version(run))),
            "sync_each_batch": Default((), lambda choice: synced(run)),
            **{
                name: Default((), lambda choice, size=size: Fraction(size))  # type: ignore[misc]
                for name, size in zip(SIZES, sizes(run), strict=True)
            },
        },
    )
