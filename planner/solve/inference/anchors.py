"""What measurements of a plan say of a candidate that is like them: its times, and what its engine's cache holds.

Like it is what has the same model, GPU, number of GPUs and split, engine and release (as the catalog tells releases
apart), weights and KV cache format; of times also a concurrency within a factor of four. Times move by the median of
measured over expected. Of memory a measurement of that exact configuration, its settings included, can only take: where
the engine reports less cache than the safe end has, or takes more than that, the difference is no longer there to use.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

from planner.catalog.records import Gpu
from planner.language.problem import Measurement, Problem
from planner.language.schema import grouped
from planner.physics import anchors
from planner.physics.anchors import Anchor
from planner.physics.confidence import interpolated
from planner.physics.inference.profile import release
from planner.record import dataclass
from planner.solve.inference import capacity as inference_capacity
from planner.solve.inference import memory as inference_memory
from planner.solve.inference import speed as inference_speed
from planner.solve.inference.workload import (
    SIXTEEN,
    InferenceWorkload,
    NumberFormats,
    profile_of,
    resolved,
    sixteen_bit,
    sixteen_on,
)
from planner.solve.needs import Note, note
from planner.solve.parallelism import Split

if TYPE_CHECKING:
    from planner.solve.columns.table import Column

SETTINGS = grouped("engine")
PLAIN = {"shared_prefix": Fraction(0), "vision_tokens": Fraction(0)}
"""What a measurement has of given quantities that it cannot state."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What measurements say of one way to serve a model: factors of its times, bytes of each GPU that are gone on the
    safe side, the engine's cache over what was expected of it, the measurements it rests on, and how many of them speak
    of each figure."""

    times: Anchor
    taken: int
    cache: float
    names: tuple[str, ...]
    counts: tuple[tuple[str, int], ...]


NOTHING = Measured(Anchor(), 0, 1.0, (), ())


def measured(service: InferenceWorkload, form: NumberFormats, split: Split, gpu: Gpu) -> Measured:
    """Return what the plan's measurements say of a candidate."""
    if not any(item.gpu == gpu.id for item in service.measurements) or service.model.architecture is None:
        return NOTHING
    key = ("measured", form, split, gpu.id)
    if key not in service.known:
        like = [item for item in service.measurements if not unlike(service, item, form, split, gpu)]
        service.known[key] = _measured(service, like, resolved(service, form, gpu), split, gpu) if like else NOTHING
    cached: Measured = service.known[key]
    return cached


def unlike(service: InferenceWorkload, item: Measurement, form: NumberFormats, split: Split, gpu: Gpu) -> Note | None:
    """Return what a measurement of this model on this GPU is of instead of a candidate; None where it applies."""
    given = service.workload.given
    version, engine = given.get("engine_version"), service.engine
    own, other = (release(engine, text or None) for text in (str(version or ""), item.engine_version))
    exact, taken = resolved(service, form, gpu), sixteen_on(service, gpu)
    weights = taken if item.weights == sixteen_bit(service.model.native_format) else item.weights
    cache = item.kv_cache or service.cache_default or (weights if weights in SIXTEEN else taken)
    extras = service.extras
    plain = not (extras.adapters or extras.draft or extras.offloaded_weights or extras.offloaded_cache)
    checks = (
        (item.gpu == gpu.id, note("of_gpu", item.gpu)),
        (_base(item) == (service.model.of or service.model.id), note("of_model", item.model.id)),
        (item.engine == engine.id, note("of_engine", item.engine)),
        (own is other, note("of_release", item.engine, item.engine_version)),
        (
            (item.tensor_parallel, item.pipeline_parallel, 1) == (split.tensor, split.pipeline, split.nodes),
            note("of_split", item.tensor_parallel, item.pipeline_parallel),
        ),
        (weights == exact.weights, note("of_formats", item.weights, "")),
        (cache == exact.kv_cache, note("of_cache", cache)),
        (plain and not service.by_sequence and given["cuda_graphs"] is not False, note("of_plain")),
    )
    return next((what for holds, what in checks if not holds), None)


def _base(item: Measurement) -> str:
    return item.model.of or item.model.id


def _measured(
    service: InferenceWorkload, like: list[Measurement], form: NumberFormats, split: Split, gpu: Gpu
) -> Measured:
    first, later, taken, caches = [], [], [], []
    names: dict[str, None] = {}
    for item in like:
        tpot, ttft = _ratios(_as_measured(service, item), item, form, split, gpu)
        if anchors.near(item.concurrency, service.concurrency) and (tpot or ttft):
            first += [ttft] if ttft else []
            later += [tpot] if tpot else []
            names[item.id] = None
        if (
            profile_of(_as_measured(service, item, False), gpu) is profile_of(service, gpu)
            and item.model.id == service.model.id
        ):
            gone, share = _gone(service, item, form, split, gpu)
            taken += [] if gone is None else [gone]
            caches += [] if share is None else [share]
            names |= {} if gone is None else {item.id: None}
    times = Anchor(
        anchors.factor(later), anchors.factor(first), _margin(service, "tpot", later), _margin(service, "ttft", first)
    )
    counts = {"tpot": len(later), "ttft": len(first), "kv_tokens": len(caches), "memory": len(taken) - len(caches)}
    return Measured(
        times,
        max(taken, default=0),
        anchors.factor(caches),
        tuple(names),
        tuple((name, count) for name, count in counts.items() if count),
    )


def _as_measured(service: InferenceWorkload, item: Measurement, load: bool = True) -> InferenceWorkload:
    """Return the service as it was when a measurement was taken; without its `load`, with its settings alone."""
    key = ("as measured", item.id, load)
    if key not in service.known:
        given = {name: value for name, value in service.workload.given.items() if name not in SETTINGS} | item.settings
        that = replace(service, workload=replace(service.workload, given=given), known={}, measurements=())
        if load:
            context = item.prompt + item.output
            counts = {"concurrency": item.concurrency, "prompt": item.prompt, "output": item.output, "context": context}
            given |= PLAIN | {name: Fraction(count) for name, count in counts.items()}
            that = replace(
                that,
                context=context,
                concurrency=item.concurrency,
                prompt=item.prompt,
                output=item.output,
                demand=None,
            )
        service.known[key] = that
    cached: InferenceWorkload = service.known[key]
    return cached


def _ratios(
    that: InferenceWorkload, item: Measurement, form: NumberFormats, split: Split, gpu: Gpu
) -> tuple[float, float]:
    """Return measured over expected time per output token and to the first one, 0 for what was not measured."""
    if not gpu.bandwidth or not (item.tpot or item.ttft or item.prefill or item.throughput):
        return 0.0, 0.0
    profile = profile_of(that, gpu)
    load = inference_speed.Load(
        inference_memory.weights_bytes(that, form, split, profile),
        inference_memory.kv_bytes(that, form, split, profile),
        split.tensor,
        split.pipeline,
        inference_speed.fields(that, form, gpu),
        inference_speed.link_of(gpu),
        inference_speed.host_of(gpu),
    )
    if not inference_speed.known(load.card):
        return 0.0, 0.0
    times = inference_speed.speeds(that, load)
    tpot = item.tpot / times.tpot if item.tpot else 0.0
    if item.throughput and not item.tpot:
        tpot = float(inference_speed.rate(that, 1, times)) / item.throughput
    ttft = item.ttft / times.ttft if item.ttft else (item.prefill or 0.0) / times.prefill
    return tpot, ttft


def _margin(service: InferenceWorkload, name: str, ratios: Sequence[float]) -> float:
    """Return what measured times reach of anchored ones at most, as a factor; 0 where too few were measured."""
    table = tuple(sorted(service.engine.anchored_margins.get(name, {}).items()))
    if len(ratios) < anchors.ENOUGH or not table:
        return 0.0
    confidence = service.workload.given["time_confidence"]
    assert isinstance(confidence, Fraction)
    return 1 + interpolated(table, confidence) / 1e6


def _gone(
    service: InferenceWorkload, item: Measurement, form: NumberFormats, split: Split, gpu: Gpu
) -> tuple[int | None, float | None]:
    """Return the bytes that a measurement finds gone beyond the safe end, and measured over expected cache."""
    if not (item.kv_tokens or item.memory):
        return None, None
    gone, share = 0, None
    if item.kv_tokens:
        expected, safe = inference_capacity.budgets(service, form, split, gpu)
        tokens = (
            inference_capacity.capacities(service, form, split, gpu, expected, ("kv_tokens",)) if expected > 0 else {}
        )
        if tokens.get("kv_tokens"):
            share = item.kv_tokens / tokens["kv_tokens"]
            gone = max(gone, safe - int(expected * share))
    if item.memory:
        parts = inference_memory.parts(_as_measured(service, item), form, split, gpu)
        gone = max(gone, item.memory - sum(parts.values()))
    return gone, share


@dataclass(frozen=True, slots=True)
class Columns:
    """What measurements say of each formats × split (rows) on each GPU type: factors and margins of times, flat; bytes
    that are gone, and the cache's share."""

    times: Column
    taken: Column
    cache: Column


def columns(
    service: InferenceWorkload, pairs: Sequence[tuple[NumberFormats, Split]], gpus: Sequence[Gpu]
) -> Columns | None:
    """Return what measurements say of the rows of a table; None where the plan has none that speaks of one."""
    import numpy

    cards = [at for at, gpu in enumerate(gpus) if any(item.gpu == gpu.id for item in service.measurements)]
    if not cards or service.model.architecture is None:
        return None
    shape = len(pairs), len(gpus)
    times = numpy.empty((4, *shape))
    times[:] = numpy.array(Anchor())[:, None, None]
    taken, cache = numpy.zeros(shape, dtype=numpy.int64), numpy.ones(shape)
    for row, (form, split) in enumerate(pairs):
        for card in cards:
            measured_here = measured(service, form, split, gpus[card])
            times[:, row, card] = measured_here.times
            taken[row, card], cache[row, card] = measured_here.taken, measured_here.cache
    return Columns(times.reshape(4, -1), taken, cache)


def of_no_model(problem: Problem) -> tuple[Note, ...]:
    """Return which measurements are of a model that no workload of the problem has: they speak of none of them."""
    served = {item.model.of or item.model.id for item in problem.workloads}
    apart: dict[str, list[str]] = {}
    for item in problem.measurements:
        if _base(item) not in served:
            apart.setdefault(item.model.id, []).append(item.id)
    return tuple(note("unlike", tuple(names), note("of_model", model)) for model, names in apart.items())


def notes(service: InferenceWorkload, form: NumberFormats, split: Split, gpu: Gpu) -> tuple[Note, ...]:
    """Return how many measurements an answer is anchored on, and of those of its model and GPU that are not like it
    what tells them apart."""
    own = [
        item
        for item in service.measurements
        if item.gpu == gpu.id and _base(item) == (service.model.of or service.model.id)
    ]
    if not own:
        return ()
    measured_here = measured(service, form, split, gpu)
    out = []
    if measured_here.names:
        factors = {"tpot": measured_here.times.tpot, "ttft": measured_here.times.ttft, "kv_tokens": measured_here.cache}
        anchored = tuple((name, factors[name], many) for name, many in measured_here.counts if name in factors)
        out.append(note("anchored", len(measured_here.names), anchored))
    apart: dict[Note, list[str]] = {}
    for item in own:
        why = unlike(service, item, form, split, gpu)
        if why is None and not anchors.near(item.concurrency, service.concurrency):
            why = note("of_load", item.concurrency)
        if why is not None and item.id not in measured_here.names:
            apart.setdefault(why, []).append(item.id)
    return (*out, *(note("unlike", tuple(names), why) for why, names in apart.items()))
