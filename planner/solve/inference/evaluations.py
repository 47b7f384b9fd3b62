"""The quality of weights and KV cache as a plan's own evaluations have it, instead of the catalog's measurements."""

from __future__ import annotations

from collections.abc import Container, Iterable
from fractions import Fraction
from typing import NamedTuple

from planner.catalog.records import Model
from planner.language.problem import Measurement
from planner.physics import quality
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
    return tuple(note("unlike", (item.id,), f"of weights in {item.weights}{_with(item)}") for item in own)


def _with(item: Measurement) -> str:
    return f" and a KV cache in {item.kv_cache}" if item.kv_cache else ""
