"""What tables of inference workloads share that differ in nothing but their load: computed once for all of a plan.

Which formats, splits, GPUs and offers there are, what an engine refuses of them, what a GPU reaches with them and how
good they are depends on the model, the engine and what the plan offers, and not on `context` or `concurrency`.
A test takes the load away from what is made here, so that nothing of it can be read (tests/solve/test_frames.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any

from planner.catalog.records import Gpu, Offer
from planner.language.problem import Problem, Workload
from planner.record import dataclass
from planner.solve import clock
from planner.solve.classes import class_key
from planner.solve.columns.size import bounded
from planner.solve.columns.table import Axis
from planner.solve.inference import quality as inference_quality
from planner.solve.inference import space as inference_space
from planner.solve.inference import speed as inference_speed
from planner.solve.inference import support as inference_support
from planner.solve.inference import workload as inference_workload
from planner.solve.inference.workload import InferenceWorkload, NumberFormats
from planner.solve.parallelism import Split, divides
from planner.solve.rent.rental import offers_for

if TYPE_CHECKING:
    from planner.solve.columns.table import Column

LOAD = frozenset({"context", "concurrency", "prompt", "output", "copies"})
"""What is given of a workload's load, of which a frame reads but what an engine lacks for it."""
KEPT = frozenset(
    {
        "served",
        "format",
        "weights",
        "runs",
        "card",
        "reading",
        "quality",
        "resolved",
        "recovery",
        "cache quality",
        "activations",
        "cut",
        "lacks",
        "nodes",
        "usual",
    }
)
"""What a service remembers by these names does not depend on its load either."""


FORMATS = ("weights", "kv_cache", "activations")
"""The decisions on formats that follow from the GPU where a plan does not say them."""


@dataclass(slots=True)
class Frame:
    """What the tables of workloads that differ in their load share.

    `pairs` are formats and splits; `form`, `split` and `gpu` are their places for each row, GPU types running fastest.
    `formats` are the axes of what they follow from, by decision. `refused` says by decision where an engine or a GPU
    does not follow it, of rows; `reached` is what a GPU reaches with formats, None where times are not known. `known`
    is what services remember, `kept` what tables keep here: parts of the memory by profile, and the places that rows
    without a `demand` are rented at.
    """

    offers: dict[str, list[Offer]]
    gpus: list[Gpu]
    pairs: list[tuple[NumberFormats, Split]]
    forms: list[NumberFormats]
    splits: list[Split]
    form: Column
    split: Column
    gpu: Column
    tensor: Column
    pipeline: Column
    unit: Column
    nodes: Column
    formats: dict[str, Axis]
    refused: list[tuple[str, Column]]
    reached: Column | None
    link: Column
    host: Column
    quality: Column
    power: Column
    known: dict[tuple[object, ...], Any] = field(default_factory=dict)
    kept: dict[object, Any] = field(default_factory=dict)


_FRAMES: list[tuple[Problem, dict[object, Frame]]] = []
"""The frames of the plan that was asked about last."""


def framed(problem: Problem, workload: Workload, service: InferenceWorkload, fixed: bool) -> Frame | None:
    """Return the frame of a workload, that of an earlier one of the same plan where they differ in their load alone;
    None where nothing can run it. Where a plan has one workload, those that it is asked for at other loads count too.

    What the frame's workloads remember is put into what this service knows.
    """
    if problem.count > 1 and not any(item is workload for item in problem.workloads):
        return frame(problem, workload, service, fixed)
    if not _FRAMES or _FRAMES[0][0] is not problem:
        _FRAMES[:] = [(problem, {})]
    frames = _FRAMES[0][1]
    key = fixed, tuple(row.what for row in inference_support.lacks(service)), class_key(problem, workload, LOAD)
    known_frame = frames.get(key)
    if known_frame is None:
        new_frame = frame(problem, workload, service, fixed)
        if new_frame is None:
            return None
        known_frame = frames[key] = new_frame
    service.known.update(known_frame.known)
    return known_frame


def remember(frame: Frame, service: InferenceWorkload) -> None:
    """Keep what a service has found that holds for all workloads of a frame."""
    frame.known.update((key, value) for key, value in service.known.items() if key[0] in KEPT)


def frame(problem: Problem, workload: Workload, service: InferenceWorkload, fixed: bool) -> Frame | None:
    """Return what does not depend on a workload's load; None where nothing can run it."""
    import numpy

    offers = offers_for(problem, workload)
    wanted = workload.domains.get("gpu")
    gpus = [problem.gpus[name] for name in sorted(offers) if name in problem.gpus and (not wanted or name in wanted)]
    pairs = []
    for pair in clock.watched(inference_space.combos(service, fixed)):
        pairs.append(pair)
        bounded(len(pairs) * len(gpus), "formats")
    if not pairs or not gpus:
        return None
    forms, splits = list(dict.fromkeys(f for f, _ in pairs)), list(dict.fromkeys(s for _, s in pairs))
    form_at, split_at = {f: i for i, f in enumerate(forms)}, {s: i for i, s in enumerate(splits)}

    def array(values: Sequence[object]) -> Column:
        return numpy.array(values)

    form = numpy.repeat(array([form_at[f] for f, _ in pairs]), len(gpus))
    split = numpy.repeat(array([split_at[s] for _, s in pairs]), len(gpus))
    gpu = numpy.tile(numpy.arange(len(gpus)), len(pairs))
    exact = [[inference_workload.resolved(service, f, g) for g in gpus] for f in clock.watched(forms)]
    reached = None
    if workload.model.architecture is not None and not service.pooling:
        cards = [
            [inference_speed.fields(service, f, g) for f, g in zip(row, gpus, strict=True)]
            for row in clock.watched(exact)
        ]
        reached = array(cards)[form, gpu].T
    return Frame(
        offers=offers,
        gpus=gpus,
        pairs=pairs,
        forms=forms,
        splits=splits,
        form=form,
        split=split,
        gpu=gpu,
        tensor=array([s.tensor for s in splits]),
        pipeline=array([s.pipeline for s in splits]),
        unit=array([s.per_node for s in splits]),
        nodes=array([s.nodes for s in splits]),
        formats={name: _axis(name, exact, form, gpu) for name in FORMATS},
        refused=_refused(service, exact, gpus, forms, splits, (form, split, gpu)),
        reached=reached,
        link=array([inference_speed.link_of(g) for g in gpus])[gpu],
        host=array([inference_speed.host_of(g) for g in gpus])[gpu],
        quality=array([[inference_quality.quality_steps(service, f) for f in row] for row in clock.watched(exact)])[
            form, gpu
        ],
        power=array([g.power_w for g in gpus]),
    )


def _refused(
    service: InferenceWorkload,
    exact: Sequence[Sequence[NumberFormats]],
    gpus: Sequence[Gpu],
    forms: Sequence[NumberFormats],
    splits: Sequence[Split],
    rows: tuple[Column, Column, Column],
) -> list[tuple[str, Column]]:
    """Return by decision the rows that an engine or a GPU does not follow."""
    import numpy

    form, split, gpu = rows
    out: dict[str, Column] = {}
    reasons = [
        [inference_support.refusals(service, f, g) for f, g in zip(row, gpus, strict=True)]
        for row in clock.watched(exact)
    ]
    for name in inference_support.REFUSED:
        where = numpy.array([[name in item for item in row] for row in reasons])
        if where.any():
            out[name] = where[form, gpu]
    for name, of_formats, of_split in inference_support.lacking_of(service, exact, splits, gpus):
        where = of_formats[form, gpu] & of_split[split]
        out[name] = out[name] | where if name in out else where
    splitting = numpy.array([not divides(service.model, s.tensor) for s in splits])
    cut = numpy.array([[bool(inference_support.cut_by(service, f, s)[0]) for s in splits] for f in forms])
    uneven = splitting[split] | cut[form, split]
    out["tensor_parallel"] = out["tensor_parallel"] | uneven if "tensor_parallel" in out else uneven
    return list(out.items())


def _axis(name: str, exact: Sequence[Sequence[NumberFormats]], form: Column, gpu: Column) -> Axis:
    """Return the axis of a decision on formats, which follows from weights and GPU where the plan is silent."""
    import numpy

    words = [[str(getattr(item, name)) for item in row] for row in exact]
    distinct = {word: at for at, word in enumerate(dict.fromkeys(word for row in words for word in row))}
    return Axis(tuple(distinct), numpy.array([[distinct[word] for word in row] for row in words])[form, gpu])
