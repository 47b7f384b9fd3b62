"""What the engine's release makes of the class of a model: whether it has it, in fp16, with adapters, in stages.

The rows of engine_models.yaml, held against the version that a plan states. A model whose class no row knows is given
the benefit of the doubt: a plan's own, say.
"""

from __future__ import annotations

from collections.abc import Iterable

from planner.catalog.programs.engine_models import EngineModel
from planner.catalog.records import Format
from planner.physics.inference.profile import version_of
from planner.solve.inference.workload import InferenceWorkload
from planner.solve.needs import Need, need

FP16 = "fp16"


def _wanted(service: InferenceWorkload) -> tuple[int, ...]:
    """Return the version that the plan states, as numbers; none where it is the newest."""
    said = service.workload.given.get("engine_version")
    return version_of(None if said is None else str(said))


def _known(service: InferenceWorkload) -> EngineModel | None:
    """Return the row of the class at the version, where one holds then: from the release on that its sources are of."""
    row, wanted = service.engine_model, _wanted(service)
    if row is None or not wanted or wanted >= version_of(row.release):
        return row
    return None


def _native(service: InferenceWorkload) -> EngineModel | None:
    """Return the row of a class that the engine has itself."""
    row = _known(service)
    return None if row is None or row.absent or row.through else row


def refused(service: InferenceWorkload) -> dict[str, Need]:
    """Return, by quantity, what the engine does not do for the class whatever formats, splits and GPUs are chosen."""
    row = _gone(service)
    if row is not None and row.through:
        return {"engine": need("engine_class_itself", row.architecture, row.through, row.last)}
    if row is not None:
        return {"engine": need("engine_class", row.architecture, row.last)}
    own, wanted = _native(service), _wanted(service)
    if service.engine_model is not None and wanted and wanted < version_of(service.engine_model.first or None):
        named = service.engine_model
        return {"engine_version": need("engine_class_since", named.architecture, named.first)}
    if own is not None and not own.lora and service.extras.adapters:
        return {"adapters": need("engine_adapters", own.architecture)}
    return {}


def _gone(service: InferenceWorkload) -> EngineModel | None:
    """Return the row of a class that the engine does not have itself at the version.

    One with a last release is gone in all that follow it but for its patches; of others only the release that was read
    is known, and those after it.
    """
    row, wanted = service.engine_model, _wanted(service)
    if row is None or not (row.absent or row.through):
        return None
    if wanted and row.last:
        return row if wanted[:2] > version_of(row.last)[:2] else None
    return _known(service)


def refuses_format(service: InferenceWorkload, formats: Iterable[Format]) -> Need | None:
    """Return why the class does not run in formats of weights or activations: in 16-bit floats; None where it does."""
    row = _native(service)
    if row is None or row.fp16 or all(FP16 not in (item.id, item.like) for item in formats):
        return None
    return need("engine_fp16", row.architecture)


def unstaged(service: InferenceWorkload) -> str:
    """Return the class that the engine does not run in stages of a pipeline; empty where it does."""
    row = _native(service)
    return row.architecture if row is not None and not row.pipeline else ""
