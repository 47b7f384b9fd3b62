"""The times of a service's candidates as columns, over the network of what each is rented on, and what demand asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from planner.catalog.records import Offer
from planner.record import dataclass
from planner.solve.columns.steps import SCALES, steps
from planner.solve.inference import speed as inference_speed
from planner.solve.inference.speed import Load
from planner.solve.inference.workload import Service
from planner.solve.rent.rental import NETWORK

if TYPE_CHECKING:
    from planner.solve.columns.table import Column


@dataclass(frozen=True, slots=True)
class Paces:
    """The times of each formats × split × GPU type; where a replica may span hosts they depend on their network too.

    `load` is None where only the model's parameters are known.
    """

    this: Service
    load: Load | None
    offers: Mapping[str, list[Offer]]

    @property
    def spans(self) -> bool:
        """Whether a replica of some row spans hosts."""
        return self.load is not None and bool((self.load.nodes > 1).any())

    def of(self, base: Column, network: Column) -> tuple[Column | None, Column | None]:
        """Return seconds per output token and to the first token of rows that are placed."""
        if self.load is None:
            return None, None
        if self.spans:
            return self._over(self.load.at(base, network))
        tpot, ttft = self._over(self.load)
        assert tpot is not None and ttft is not None
        return tpot[base], ttft[base]

    def fastest(self) -> tuple[Column | None, Column | None]:
        """Return the times of rows over a network that is as fast as a link."""
        return self._over(None if self.load is None else replace(self.load, network=self.load.link))

    def slowest(self) -> tuple[Column | None, Column | None]:
        """Return the times of rows over the slowest network that is offered."""
        known = [NETWORK if item.network is None else item.network for row in self.offers.values() for item in row]
        return self._over(None if self.load is None else replace(self.load, network=min(known, default=NETWORK)))

    def _over(self, load: Load | None) -> tuple[Column | None, Column | None]:
        import numpy

        if load is None:
            return None, None
        with numpy.errstate(divide="ignore", invalid="ignore"):
            return inference_speed.speeds(self.this, load)


def needed(this: Service, rows: int, tpot: Column | None, ttft: Column | None) -> Column:
    """Return the replicas that sustain the demand, a billion where a replica's rate is unknown (the rule of thumb)."""
    import numpy

    assert this.demand is not None
    if tpot is None:
        return numpy.full(rows, 10**9)
    rate = steps("throughput", inference_speed.request_rate(this, 1, tpot, ttft))
    wanted = int(this.demand * SCALES["throughput"])
    return numpy.where(rate > 0, -(-wanted // numpy.maximum(rate, 1)), 10**9)
