"""Rows joined to offers: every placement of a number of GPUs, found once for each distinct case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from planner.catalog.records import Gpu, Offer
from planner.record import dataclass
from planner.solve import clock
from planner.solve.columns.size import bounded
from planner.solve.columns.table import Axis
from planner.solve.rent.rental import Market, Renting, rentings

if TYPE_CHECKING:
    from planner.solve.columns.table import Column


@dataclass(frozen=True, slots=True)
class Placements:
    """For each row that an offer holds: the row it came from, its pool, instances, cost and shareable GPUs; the GPUs on
    a host and the bytes/s between hosts."""

    row: Column
    pool: Column
    pools: tuple[tuple[str, str], ...]
    sizes: tuple[int, ...]
    prices: tuple[int, ...]
    instances: Column
    costs: Column
    slots: Column
    per_host: Column
    network: Column
    axes: dict[str, Axis]


def place(
    gpus: Sequence[Gpu],
    offers: Mapping[str, list[Offer]],
    market: Market,
    gpu: Column,
    total: Column,
    unit: Column,
    known_rents: dict[int, list[Renting]] | None = None,
    nodes: Column | None = None,
) -> Placements:
    """Join rows (GPU type, GPUs in all, GPUs that stay together, hosts of a replica) to what can be rented for them.

    `known_rents` keeps what was found for the next question about the same GPU types and offers.
    """
    import numpy

    key = (gpu.astype(numpy.int64) << 40) | (total.astype(numpy.int64) << 16) | unit.astype(numpy.int64)
    if nodes is not None:
        key |= (nodes.astype(numpy.int64) - 1) << 56
    cases, which = numpy.unique(key, return_inverse=True)
    pools: dict[tuple[str, str], int] = {}
    known: list[Offer] = []
    columns: list[tuple[int, ...]] = []
    first, count = [], []
    for case in clock.watched(cases.tolist()):
        model, number, together = (case >> 40) & 0xFFFF, (case >> 16) & 0xFFFFFF, case & 0xFFFF
        rentals = None if known_rents is None else known_rents.get(case)
        if rentals is None:
            rentals = rentings(offers.get(gpus[model].id, ()), market, number, together, (case >> 56) + 1)
            if known_rents is not None:
                known_rents[case] = rentals
        first.append(len(columns))
        count.append(len(rentals))
        for item in rentals:
            pool = pools.setdefault((item.offer.id, item.market), len(pools))
            if pool == len(known):
                known.append(item.offer)
            columns.append((pool, item.instances, item.cost, item.slots, item.per_host, item.network))
    counts = numpy.array(count, dtype=numpy.int64)[which]
    bounded(int(counts.sum()), "offers")
    rows = numpy.repeat(numpy.arange(len(gpu)), counts)
    starts = numpy.repeat(numpy.array(first, dtype=numpy.int64)[which], counts)
    ends = numpy.cumsum(counts)
    within = numpy.arange(len(rows)) - numpy.repeat(ends - counts, counts)
    table = numpy.array(columns, dtype=numpy.int64).reshape(-1, 6)[starts + within]
    pool = table[:, 0]
    names = tuple(pools)
    axes = {
        "offer": _axis([name for name, _ in names], pool),
        "provider": _axis([offer.provider for offer in known], pool),
        "region": _axis([offer.region for offer in known], pool),
        "market": _axis([way for _, way in names], pool),
    }
    sizes = tuple(offer.gpus for offer in known)
    prices = tuple(offer.price_in(way) or 0 for offer, (_, way) in zip(known, names, strict=True))
    _, instances, costs, slots, per_host, network = table.T
    return Placements(
        row=rows,
        pool=pool,
        pools=names,
        sizes=sizes,
        prices=prices,
        instances=instances,
        costs=costs,
        slots=slots,
        per_host=per_host,
        network=network,
        axes=axes,
    )


def _axis(words: list[str], pool: Column) -> Axis:
    """Return an axis of distinct words, by pool."""
    import numpy

    distinct = {word: index for index, word in enumerate(dict.fromkeys(words))}
    where = numpy.array([distinct[word] for word in words] or [0], dtype=numpy.int64)
    return Axis(tuple(distinct), where[pool])
