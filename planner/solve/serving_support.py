"""What the engine of a workload does not do, over formats, splits and GPUs: for one candidate, and for a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from planner.catalog.records import Gpu, Lack
from planner.physics import inference
from planner.solve.serving import Form, Service, weight_formats
from planner.solve.structure import Split

if TYPE_CHECKING:
    from planner.solve.table import Column


def lacks(this: Service) -> tuple[Lack, ...]:
    """Return what of the engine's lacks holds for the workload whatever is chosen."""
    key = ("lacks",)
    if key not in this.known:
        given = this.workload.given
        version = given.get("engine_version")
        this.known[key] = inference.lacks(
            this.engine,
            None if version is None else str(version),
            this.model.architecture,
            this.by_sequence,
            str(given["all_to_all"]),
        )
    found: tuple[Lack, ...] = this.known[key]
    return found


def lacking(this: Service, form: Form, split: Split, gpu: Gpu) -> dict[str, str]:
    """Return, by quantity, what the engine would have to do and does not."""
    return {
        row.decision: inference.reason(row)
        for row in reversed(lacks(this))
        if inference.met_by_gpu(row, gpu)
        and inference.met_by_split(row, split.tensor, split.expert)
        and inference.met_by_weights(row, weight_formats(this, form))
        and inference.met_by_cache(row, this.formats[form.kv_cache])
    }


def lacking_of(
    this: Service, forms: Sequence[Form], splits: Sequence[Split], gpus: Sequence[Gpu]
) -> list[tuple[str, Column, Column, Column]]:
    """Return each lack that something meets: its quantity, and which of the formats, splits and GPUs meet it."""
    import numpy

    out = []
    for row in lacks(this):
        masks = (
            numpy.array(
                [
                    inference.met_by_weights(row, weight_formats(this, form))
                    and inference.met_by_cache(row, this.formats[form.kv_cache])
                    for form in forms
                ]
            ),
            numpy.array([inference.met_by_split(row, split.tensor, split.expert) for split in splits]),
            numpy.array([inference.met_by_gpu(row, gpu) for gpu in gpus]),
        )
        if all(mask.any() for mask in masks):
            out.append((row.decision, *masks))
    return out
