"""The times of a service's candidates as columns, over the network of what each is rented on, and what demand asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from planner.catalog.records import Offer
from planner.language.quantities.outcomes import SERVED
from planner.record import dataclass
from planner.solve.candidate import EXPECTED
from planner.solve.columns.steps import SCALES, steps
from planner.solve.columns.table import unknown
from planner.solve.inference import speed as inference_speed
from planner.solve.inference.speed import Load, Times
from planner.solve.inference.workload import InferenceWorkload
from planner.solve.rent.rental import NETWORK

if TYPE_CHECKING:
    from planner.solve.columns.table import Column


@dataclass(frozen=True, slots=True)
class TimeColumns:
    """The times of each formats × split × GPU type; where a replica may span hosts they depend on their network too.

    `load` is None where only the model's parameters are known.
    """

    service: InferenceWorkload
    load: Load | None
    offers: Mapping[str, list[Offer]]

    @property
    def spans(self) -> bool:
        """Whether a replica of some row spans hosts."""
        return self.load is not None and bool((self.load.nodes > 1).any())

    def of(self, base: Column, network: Column) -> Times | None:
        """Return the times of rows that are placed."""
        if self.load is None:
            return None
        if self.spans:
            return self._over(self.load.at(base, network))
        times = self._over(self.load)
        return None if times is None else times.at(base)

    def fastest(self) -> Times | None:
        """Return the times of rows over a network that is as fast as a link."""
        return self._over(None if self.load is None else replace(self.load, network=self.load.link))

    def slowest(self) -> Times | None:
        """Return the times of rows over the slowest network that is offered."""
        known = [NETWORK if item.network is None else item.network for row in self.offers.values() for item in row]
        return self._over(None if self.load is None else replace(self.load, network=min(known, default=NETWORK)))

    def _over(self, load: Load | None) -> Times | None:
        import numpy

        if load is None:
            return None
        with numpy.errstate(divide="ignore", invalid="ignore"):
            return inference_speed.speeds(self.service, load)


def needed(service: InferenceWorkload, rows: int, times: Times | None) -> Column:
    """Return the replicas that sustain the demand, a billion where a replica's rate is unknown (the rule of thumb)."""
    import numpy

    assert service.demand is not None
    if times is None:
        return numpy.full(rows, 10**9)
    rate = steps("throughput", inference_speed.request_rate(service, inference_speed.safe_ends(service, times)))
    wanted = int(service.demand * SCALES["throughput"])
    return numpy.where(rate > 0, -(-wanted // numpy.maximum(rate, 1)), 10**9)


def timed(
    service: InferenceWorkload, times: Times | None, replicas: Column, costs: Column
) -> dict[str, Callable[[], Column]]:
    """Return times and what follows from them, expected and at the safe end, each computed when it is asked for."""
    out: dict[str, Callable[[], Column]] = {}
    for name in sorted(SERVED):
        for ending in (EXPECTED, ""):
            out[f"{name}{ending}"] = partial(_column, service, name, times, replicas, costs, ending == "")
    return out


def _column(
    service: InferenceWorkload, name: str, times: Times | None, replicas: Column, costs: Column, safe: bool
) -> Column:
    import numpy

    if times is None or (name == "load" and service.demand is None):
        return unknown(len(replicas))
    ends = inference_speed.safe_ends(service, times) if safe else times
    with numpy.errstate(divide="ignore", invalid="ignore"):
        column: Column = steps(name, inference_speed.outcome(service, name, replicas, ends, costs))
    return column
