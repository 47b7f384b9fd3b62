"""What the engine of a workload does not do, over formats, splits and GPUs: for one candidate, and for a table."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from planner.catalog.programs.engines import Engine, Lack
from planner.catalog.records import Architecture, Format, Gpu
from planner.physics import inference
from planner.solve.candidate import Hint
from planner.solve.inference.memory import weight_format
from planner.solve.inference.model_support import refused, refuses_format
from planner.solve.inference.widths import uneven
from planner.solve.inference.workload import InferenceWorkload, NumberFormats, computes, weight_formats
from planner.solve.needs import Need, need
from planner.solve.parallelism import Split, experts_of
from planner.solve.stated import number

if TYPE_CHECKING:
    from planner.solve.columns.table import Column


def lacks(service: InferenceWorkload) -> tuple[Lack, ...]:
    """Return what of the engine's lacks holds for the workload whatever is chosen."""
    key = ("lacks",)
    if key not in service.known:
        given = service.workload.given
        version = given.get("engine_version")
        service.known[key] = inference.lacks(
            service.engine,
            None if version is None else str(version),
            service.model.architecture,
            inference.EngineRequest(
                by_sequence=service.by_sequence,
                all_to_all=str(given["all_to_all"]),
                task=str(given["task"]),
                images=given["images"] is not False,
                prefix=bool(number(service.workload, "shared_prefix")),
                draft=service.extras.draft[0] if service.extras.draft else None,
                several=service.several,
                sequences=max(service.concurrency, number(service.workload, "max_sequences", 0)),
                rank=service.extras.adapter_rank if service.extras.adapters else 0,
                cache_on_host=bool(service.extras.offloaded_cache),
                weights_on_host=bool(service.extras.offloaded_weights),
            ),
        )
    cached: tuple[Lack, ...] = service.known[key]
    return cached


def lacking(service: InferenceWorkload, form: NumberFormats, split: Split, gpu: Gpu) -> dict[str, Need]:
    """Return, by quantity, what the engine would have to do and does not."""
    return refused(service) | {
        row.decision: need("hardware" if row.of_hardware else "engine", row.what)
        for row in reversed(lacks(service))
        if inference.met_by_gpu(row, gpu)
        and inference.met_by_split(row, split.tensor, split.expert, split.pipeline)
        and inference.met_by_weights(row, weight_formats(service, form), service.model.native_format)
        and inference.met_by_cache(row, service.formats[form.kv_cache])
    }


def lacking_of(
    service: InferenceWorkload, exact: Sequence[Sequence[NumberFormats]], splits: Sequence[Split], gpus: Sequence[Gpu]
) -> list[tuple[str, Column, Column]]:
    """Return each lack that something meets: its quantity, and which formats by GPU and which splits meet it.

    `exact` are the formats as they are on each GPU, by place of what the plan offers.
    """
    import numpy

    forms = {form: at for at, form in enumerate(dict.fromkeys(form for row in exact for form in row))}
    places = numpy.array([[forms[form] for form in row] for row in exact])
    out = []
    for row in lacks(service):
        of_form = numpy.array(
            [
                inference.met_by_weights(row, weight_formats(service, form), service.model.native_format)
                and inference.met_by_cache(row, service.formats[form.kv_cache])
                for form in forms
            ]
        )
        of_split = numpy.array(
            [inference.met_by_split(row, split.tensor, split.expert, split.pipeline) for split in splits]
        )
        of_gpu = numpy.array([inference.met_by_gpu(row, gpu) for gpu in gpus])
        if of_form.any() and of_split.any() and of_gpu.any():
            out.append((row.decision, of_form[places] & of_gpu, of_split))
    everywhere = numpy.ones(places.shape, bool), numpy.ones(len(splits), bool)
    return out + [(name, *everywhere) for name in refused(service)]


def sequence_limit(service: InferenceWorkload) -> int | None:
    """Return how many sequences the engine runs at once whatever it is told; None where nothing limits them."""
    version = service.workload.given.get("engine_version")
    return inference.sequence_limit(service.engine, None if version is None else str(version))


def mending(service: InferenceWorkload, name: str) -> tuple[Hint, ...]:
    """Return what would mend a quantity that the engine lacks: fewer sequences at once, a larger rank of adapters."""
    at_most, rank = sequence_limit(service), service.extras.adapter_rank
    if name == "concurrency" and at_most is not None:
        return (Hint("concurrency", "<=", Fraction(at_most)),)
    ranks = {item for row in lacks(service) for item in row.adapter_ranks if item > rank}
    return (Hint("adapter_rank", "=", Fraction(min(ranks))),) if name == "adapter_rank" and ranks else ()


def cut_by(service: InferenceWorkload, form: NumberFormats, split: Split) -> tuple[Need | None, tuple[Hint, ...]]:
    """Return why the ranks of a split cannot share weights in a format, and what would mend it; None where they can."""
    arch = service.model.architecture
    shared = uneven(service, split)
    if shared is not None:
        return shared, ()
    if arch is None or not service.engine.whole_blocks or split.tensor == 1:
        return None, ()
    key = ("cut", form.weights, split.tensor, split.expert)
    if key not in service.known:
        names, ranks = [row.id for row in weight_formats(service, form)], service.parallelism(split).heads

        def cut_of(expert: int) -> inference.Cut | None:
            every = (_cut_in(service, arch, name, split.tensor, expert, ranks) for name in names)
            return next((item for item in every if item is not None), None)

        item = cut_of(split.expert)
        cut = None if item is None else need("whole_blocks", item.block, item.what, item.size)
        whole = (
            split.expert < split.tensor
            and experts_of(service.model)
            and item is not None
            and cut_of(split.tensor) is None
        )
        hints = (Hint("expert_parallel", "=", Fraction(split.tensor)),) if whole else ()
        service.known[key] = cut, hints
    known: tuple[Need | None, tuple[Hint, ...]] = service.known[key]
    return known


def _cut_in(
    service: InferenceWorkload, arch: Architecture, weights: str, tensor: int, expert: int, heads: int
) -> inference.Cut | None:
    """Return the first share that cuts a block of weights in one format, which formats by layer have in common."""
    key = ("cut in", weights, tensor, expert, heads)
    if key not in service.known:
        service.known[key] = inference.cut(arch, weight_format(service, weights), tensor, expert, heads)
    item: inference.Cut | None = service.known[key]
    return item


def loads(engine: Engine, fmt: Format) -> bool:
    """Return whether an engine loads weights in a format."""
    return not fmt.engines or engine.id in fmt.engines


REFUSED = ("weights", "kv_cache", "activations", "gpu")
"""The decisions that an engine or a GPU may not be able to follow."""


def refusals(service: InferenceWorkload, form: NumberFormats, gpu: Gpu) -> dict[str, Need]:
    """Return, by decision, why the engine or the GPU cannot run its format; empty where all run."""
    out = {}
    rows = {
        "weights": weight_formats(service, form),
        "kv_cache": [service.formats[form.kv_cache]],
        "activations": [service.formats[form.activations]],
    }
    for name, formats in rows.items():
        for row in formats:
            if not computes(gpu, row):
                out[name] = need("hardware", row.id)
            elif name == "weights" and not loads(service.engine, row):
                out[name] = need("engine_loads", row.id)
            elif name == "kv_cache" and service.engine.kv_formats and not _keeps(service.engine, row):
                out[name] = need("engine_cache", row.id)
            elif name == "kv_cache" and row.kv_needs and not any(name in gpu.native_formats for name in row.kv_needs):
                out[name] = need("hardware_cache", row.id)
            elif name == "activations" and row.bits < 16 and not gpu.flops.get(row.computes_as):
                out[name] = need("hardware_computing", row.id)
        unfit = refuses_format(service, formats) if name != "kv_cache" and name not in out else None
        if unfit is not None:
            out[name] = unfit
    if not inference.runs_on(service.engine, gpu):
        out["gpu"] = need("engine_runs_on", gpu.id)
    return out


def _keeps(engine: Engine, row: Format) -> bool:
    return row.id in engine.kv_formats or row.like in engine.kv_formats
