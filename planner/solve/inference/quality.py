"""The quality of weights and KV cache: as a plan's own evaluations have it, else as the catalog's measurements."""

from __future__ import annotations

from collections.abc import Container, Iterable
from fractions import Fraction
from typing import NamedTuple

from planner.catalog.records import Model
from planner.language.problem import Measurement
from planner.physics import quality
from planner.solve.columns.steps import SCALES, UNKNOWN
from planner.solve.inference import layerwise
from planner.solve.inference.workload import InferenceWorkload, NumberFormats, sixteen_bit, weight_formats
from planner.solve.needs import Note, note

PLAIN = ""
"""A cache in the formats that the model was made to be served in: it loses nothing."""


class Evaluated(NamedTuple):
    """What evaluations say of weights and cache together, or of each alone; None where none speaks of it."""

    both: Measurement | None = None
    weights: Measurement | None = None
    cache: Measurement | None = None

    @property
    def used(self) -> tuple[Measurement, ...]:
        """Those that decide: the one of both where there is one."""
        one = (self.both,) if self.both is not None else (self.weights, self.cache)
        return tuple(item for item in one if item is not None)


def evaluated(
    measurements: Iterable[Measurement], model: Model, weights: str, cache: str, plain: Container[str]
) -> Evaluated:
    """Return the plan's evaluations of a model in formats, of several the worst; `plain` are caches that lose nothing.

    What was evaluated together stands for both; else one of the weights with a plain cache, and one of the cache with
    weights that lost nothing.
    """
    base = model.of or model.id
    own = [item for item in measurements if item.quality is not None and (item.model.of or item.model.id) == base]
    kept = PLAIN if cache in plain else cache
    caches = {item.id: PLAIN if item.kv_cache in plain or not item.kv_cache else item.kv_cache for item in own}
    both = [item for item in own if item.weights == weights and caches[item.id] == kept]
    if both:
        return Evaluated(both=_worst(both))
    alone = [item for item in own if item.weights == weights and caches[item.id] == PLAIN]
    cached = [item for item in own if not quality.steps(item.model, item.weights) and caches[item.id] == kept]
    return Evaluated(weights=_worst(alone), cache=_worst(cached) if kept != PLAIN else None)


def _worst(items: list[Measurement]) -> Measurement | None:
    return min(items, key=lambda item: (recovery(item), item.id), default=None)


def recovery(item: Measurement) -> Fraction:
    """Return what an evaluation says was kept, at most all: what it shows above that is its noise."""
    return min(Fraction(1), item.quality or Fraction(1))


def notes(runs: Evaluated, measurements: Iterable[Measurement], model: Model) -> tuple[Note, ...]:
    """Return which evaluations decide about quality, by what task, and whether it may be chance.

    Where none does, what those of this model are of.
    """
    if runs.used:
        return tuple(
            note("evaluated", item.id, float(item.quality or 0) * 100, item.task, item.chance) for item in runs.used
        )
    base = model.of or model.id
    own = [item for item in measurements if item.quality is not None and (item.model.of or item.model.id) == base]
    return tuple(note("unlike", (item.id,), note("of_formats", item.weights, item.kv_cache)) for item in own)


def measured(service: InferenceWorkload, name: str, quantization: str) -> Fraction | None:
    """Return the measured recovery of weights in a format; None where it is unmeasured."""
    model = service.model
    alone = evaluation(service, name, sixteen_bit(model.native_format)).used
    if alone:
        return recovery(alone[0])
    own = service.formats[name].quality
    if own is not None:
        return own
    key = ("recovery", name, quantization)
    if key not in service.known:
        service.known[key] = _measured_in(service, name, quantization)
    cached: Fraction | None = service.known[key]
    return cached


def _measured_in(service: InferenceWorkload, name: str, quantization: str) -> Fraction | None:
    model = service.model
    known: Fraction | None = Fraction(1)
    for step in quality.steps(model, name):
        alias = service.formats[step].like or step
        rows = service.measured("weights", alias)
        share = quality.recovery(rows, alias, "weights", model.of or model.id, quantization, params=model.params)[0]
        known = quality.combined(known, share)
    return known


def evaluation(service: InferenceWorkload, weights: str, cache: str) -> Evaluated:
    """Return what the plan's own evaluations say of weights and cache in these formats."""
    if not service.measurements:
        return NO_EVALUATION
    plain = (sixteen_bit(service.model.native_format), *_served_in(service))
    return evaluated(service.measurements, service.model, weights, cache, plain)


NO_EVALUATION = Evaluated()


def unmeasured(service: InferenceWorkload, form: NumberFormats) -> tuple[tuple[str, ...], ...]:
    """Return the roles whose format is unmeasured, with the format: `("weights", "nvfp4")`."""
    if evaluation(service, form.weights, form.kv_cache).both is not None:
        return ()
    names = [fmt.id for fmt in weight_formats(service, form)]
    out = [("weights", name) for name in names if measured(service, name, form.quantization) is None]
    return (*out, *([("kv_cache", form.kv_cache)] if _cache_quality(service, form) is None else []))


def _cache_quality(service: InferenceWorkload, form: NumberFormats) -> Fraction | None:
    """Return the measured recovery of the KV cache in a format; None where it is unmeasured."""
    key = ("cache quality", form.weights, form.kv_cache)
    if key not in service.known:
        service.known[key] = _cache_measured(service, form)
    cached: Fraction | None = service.known[key]
    return cached


def _cache_measured(service: InferenceWorkload, form: NumberFormats) -> Fraction | None:
    model = service.model
    alone = evaluation(service, form.weights, form.kv_cache).cache
    if alone is not None:
        return recovery(alone)
    alias = service.formats[form.kv_cache].like or form.kv_cache
    native = alias if alias in _served_in(service) else sixteen_bit(model.native_format)
    rows = service.measured("kv_cache", alias)
    return quality.recovery(rows, alias, "kv_cache", model.of or model.id, None, native, model.params)[0]


def _served_in(service: InferenceWorkload) -> tuple[str, ...]:
    """Return the cache formats that the engine keeps this model in on any GPU: those it was made to be served in."""
    arch = service.model.architecture
    every = () if arch is None else service.engine.cache_defaults
    return tuple(row.format for row in every if arch is not None and not row.runs_on and arch.family in row.families)


def quality_steps(service: InferenceWorkload, form: NumberFormats) -> int:
    """Return the recovery of weights and KV cache together, in steps; UNKNOWN where it is unmeasured."""
    key = ("quality", form.weights, form.kv_cache, form.quantization)
    if key not in service.known:
        model = service.model
        together = evaluation(service, form.weights, form.kv_cache).both
        if together is not None:
            service.known[key] = int(recovery(together) * SCALES["quality"])
            return int(service.known[key])
        if layerwise.is_mix(form.weights):
            assert model.architecture is not None
            names = layerwise.layers_of(form.weights)
            known = {name: measured(service, name, form.quantization) for name in set(names)}
            weights = layerwise.recovery(model.architecture, names, known)
        else:
            weights = measured(service, form.weights, form.quantization)
        cache = _cache_quality(service, form)
        both = quality.combined(weights, cache)
        service.known[key] = UNKNOWN if both is None else int(both * SCALES["quality"])
    return int(service.known[key])
