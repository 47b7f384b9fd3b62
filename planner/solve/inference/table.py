"""The table of an inference workload: parts tabulated over what they depend on, joined by index, times as arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING

from planner.catalog.catalog import Catalog
from planner.catalog.records import Gpu
from planner.language.problem import Problem, Workload
from planner.language.quantities.outcomes import HELD, changed_by
from planner.solve import clock, stated
from planner.solve.columns.rules import headroom
from planner.solve.columns.size import bounded
from planner.solve.columns.table import Axis, Table, empty, unknown
from planner.solve.inference import anchors, memory_columns
from planner.solve.inference import capacity as inference_capacity
from planner.solve.inference import memory as inference_memory
from planner.solve.inference import space as inference_space
from planner.solve.inference import workload as inference_workload
from planner.solve.inference.defaults import of_service
from planner.solve.inference.frame import Frame, framed, remember
from planner.solve.inference.speed import Load
from planner.solve.inference.time_columns import TimeColumns, needed, timed
from planner.solve.inference.workload import InferenceWorkload, NumberFormats
from planner.solve.objective import quantity_of
from planner.solve.parallelism import Split
from planner.solve.rent.placement import Placements, place
from planner.solve.rent.ram import beyond
from planner.solve.rent.rental import any_price, market_of
from planner.solve.rules import reads

if TYPE_CHECKING:
    from planner.solve.columns.table import Column


def table(problem: Problem, workload: Workload, catalog: Catalog, fixed: bool = False) -> Table:
    """Return every candidate of an inference workload as columns."""
    import numpy

    service = inference_workload.service(problem, workload, catalog)
    shared = framed(problem, workload, service, fixed)
    if shared is None:
        return empty(workload)
    gpus, pairs, split, gpu = shared.gpus, shared.pairs, shared.split, shared.gpu

    def array(values: Sequence[object]) -> Column:
        return numpy.array(values)

    clock.look()
    own = anchors.columns(service, pairs, gpus) if service.measurements else None
    memory = memory_columns.columns(service, shared, own)
    clock.look()
    total = memory.total
    usable = array([inference_memory.usable_bytes(service, g) for g in gpus])[gpu]
    load = None
    if shared.reached is not None:
        load = Load(
            weights=memory.weights,
            kv_cache=memory.kv_cache,
            tensor=shared.tensor[split],
            pipeline=shared.pipeline[split],
            card=shared.reached,
            link=shared.link,
            host=shared.host,
            nodes=shared.nodes[split],
            anchor=None if own is None else own.times,
        )
    pace = TimeColumns(service, load, shared.offers)
    base, replicas, placed = _placed(problem, workload, service, shared, pace, fixed)
    total_gpus = replicas * (shared.tensor * shared.pipeline)[split][base]
    times = pace.of(base, placed.network)
    outcomes: dict[str, Callable[[], Column]] = {
        "memory": lambda: total[base],
        "headroom": lambda: headroom(total[base], usable[base]),
        "cost": lambda: placed.costs,
        "quality": lambda: shared.quality[base],
        "power": lambda: shared.power[gpu[base]] * total_gpus,
    }
    ranks = numpy.minimum(total_gpus, placed.per_host)
    on_host = inference_memory.host_bytes(service) * ranks
    outcomes["host_memory"] = lambda: on_host
    outcomes |= timed(service, times, replicas, placed.costs)
    of_rows = {name: partial(_capacity, service, name, pairs, gpus, memory.budget, base) for name in HELD}
    outcomes |= of_rows
    broken = {f"{workload.name}.memory": (total > usable)[base]}
    if on_host.any():
        exceeds = beyond(on_host, placed.pool, placed.pools, problem.offers, ranks)
        broken[f"{workload.name}.host_memory"] = exceeds
    if memory.outside.any():
        broken[f"{workload.name}.gpu_memory_utilization"] = memory.outside[base]
    limits = service.by_sequence or "max_sequences" in workload.given
    waiting = [
        [inference_workload.runs_at_once(service, s, g) is not None for g in gpus] for s in shared.splits if limits
    ]
    if any(map(any, waiting)):
        broken[f"{workload.name}.concurrency"] = array(waiting)[split, gpu][base]
    if memory.crowded.any():
        broken[f"{workload.name}.max_sequences"] = memory.crowded[base]
    small = [inference_workload.small_batch(service, g) is not None for g in gpus]
    if any(small):
        broken[f"{workload.name}.max_batched_tokens"] = array(small)[gpu][base]
    for name, where in shared.refused:
        rule = f"{workload.name}.{name}"
        broken[rule] = broken[rule] | where[base] if rule in broken else where[base]
    if service.demand is not None:
        broken[f"{workload.name}.demand"] = replicas < needed(service, len(base), times)
    remember(shared, service)
    return Table(
        workload=workload,
        rows=len(base),
        axes=_axes(shared, base, replicas, total_gpus, placed),
        outcomes=outcomes,
        broken=broken,
        costs=placed.costs,
        gpus=total_gpus,
        pool=placed.pool,
        pools=placed.pools,
        sizes=placed.sizes,
        prices=placed.prices,
        instances=placed.instances,
        slots=placed.slots,
        made_by=service,
        defaults=of_service(service, problem.gpus),
        of_rows=of_rows,
    )


def _placed(
    problem: Problem, workload: Workload, service: InferenceWorkload, shared: Frame, pace: TimeColumns, fixed: bool
) -> tuple[Column, Column, Placements]:
    """Return the row of each candidate, its replicas, and where it is rented: the same for all workloads of a frame but
    where a demand, and so the times, decide how many replicas there are."""
    import numpy

    if "placed" in shared.kept:
        cached: tuple[Column, Column, Placements] = shared.kept["placed"]
        return cached
    split, gpu, splits, gpus = shared.split, shared.gpu, shared.splits, shared.gpus
    copies = [inference_space.replica_counts(service, s) for s in splits]
    base, replicas = _replicated(service, copies, split, pace, scaled(problem, workload))
    spans = bool((shared.nodes > 1).any())
    if spans:
        left = numpy.array([[inference_space.may_span(service, fixed, g.id, s.nodes) for g in gpus] for s in splits])
        left = left[split, gpu]
        base, replicas = base[left[base]], replicas[left[base]]
    total_gpus = replicas * (shared.tensor * shared.pipeline)[split][base]
    market = market_of(problem, workload, spans)
    unit, nodes = shared.unit[split][base], shared.nodes[split][base]
    placed = place(gpus, shared.offers, market, gpu[base], total_gpus, unit, nodes=nodes)
    cached = base[placed.row], replicas[placed.row], placed
    if service.demand is None:
        shared.kept["placed"] = cached
    return cached


def _axes(shared: Frame, base: Column, replicas: Column, total_gpus: Column, placed: Placements) -> dict[str, Axis]:
    """Return the decisions of each candidate."""
    import numpy

    known: dict[str, Axis] | None = shared.kept.get("axes")
    if known is not None:
        return dict(known)
    distinct, of_replicas = numpy.unique(replicas, return_inverse=True)
    totals, of_totals = numpy.unique(total_gpus, return_inverse=True)
    form, split, splits = shared.form[base], shared.split[base], shared.splits
    axes = {
        "gpu": Axis(tuple(g.id for g in shared.gpus), shared.gpu[base]),
        "gpus": Axis(tuple(Fraction(n) for n in totals.tolist()), of_totals),
        "replicas": Axis(tuple(Fraction(n) for n in distinct.tolist()), of_replicas),
        "tensor_parallel": Axis(tuple(Fraction(s.tensor) for s in splits), split),
        "pipeline_parallel": Axis(tuple(Fraction(s.pipeline) for s in splits), split),
        "expert_parallel": Axis(tuple(Fraction(s.expert) for s in splits), split),
        "nodes": Axis(tuple(Fraction(s.nodes) for s in splits), split),
        **{name: Axis(axis.values, axis.index[base]) for name, axis in shared.formats.items()},
        "quantization": Axis(tuple(f.quantization for f in shared.forms), form),
        **placed.axes,
    }
    if "placed" in shared.kept:
        shared.kept["axes"] = dict(axes)
    return axes


FEW = 8
"""So many replicas beyond the fewest are tried at least, where a rule or objective reads their number."""
SCALED = frozenset({"replicas", "gpus", *changed_by("replicas", "inference")})
"""What more replicas change."""


def scaled(problem: Problem, workload: Workload) -> bool:
    """Return whether a rule, bound or objective tells numbers of replicas apart other than by cost."""
    conditions = [item.condition for item in problem.rules] + [item.condition for item in problem.preferences]
    return (
        any(SCALED & reads(condition, workload.name) for condition in conditions)
        or any(bound.quantity in SCALED for bound in workload.bounds)
        or any(bound.operator not in ("<=", "<") for bound in problem.fleet)
        or any(quantity_of(goal) in SCALED for goal in problem.goals)
        or any_price(problem, workload)
    )


def _replicated(
    service: InferenceWorkload,
    copies: list[list[int]],
    split: Column,
    pace: TimeColumns,
    more_than_fewest: bool,
) -> tuple[Column, Column]:
    """Return rows and their replicas: all that the plan offers, or from the fewest that sustain the demand on.

    More replicas than the demand needs never cost less. `more_than_fewest` says that a rule or an objective reads
    their number: then all that a plan offers are kept, else up to as many GPUs as an unsaid number may be and a few
    more. Where none is enough the most are kept, to say by how much. Where a replica may span hosts, so many are kept
    as the slowest network between them asks for.
    """
    import numpy

    if service.demand is None:
        lengths = numpy.array([len(item) for item in copies], dtype=numpy.int64)
        repeat = lengths[split]
        bounded(int(repeat.sum()), "replicas")
        base = numpy.repeat(numpy.arange(len(split)), repeat)
        flat = numpy.array([count for item in copies for count in item], dtype=numpy.int64)
        start = (numpy.cumsum(lengths) - lengths)[split]
        within = numpy.arange(len(base)) - numpy.repeat(numpy.cumsum(repeat) - repeat, repeat)
        return base, flat[numpy.repeat(start, repeat) + within] if len(base) else base
    need = needed(service, len(split), pace.fastest())
    most_needed = needed(service, len(split), pace.slowest()) if pace.spans else need
    base_parts, replica_parts = [], []
    for number, offered in enumerate(copies):
        rows = numpy.flatnonzero(split == number)
        if not offered or not len(rows):
            continue
        listed = numpy.array(offered, dtype=numpy.int64)
        first = numpy.minimum(numpy.searchsorted(listed, need[rows]), len(listed) - 1)
        last = numpy.minimum(numpy.searchsorted(listed, most_needed[rows]), len(listed) - 1) if pace.spans else first
        if more_than_fewest:
            most = stated.counts(service.workload, "replicas") or stated.counts(service.workload, "gpus")
            beyond = len(listed) - 1 if most else numpy.minimum(first + numpy.maximum(FEW, first // 2), len(listed) - 1)
            usual = numpy.searchsorted(listed, inference_space.GPUS_UNSAID, side="right") - 1
            last = numpy.maximum(last, numpy.maximum(beyond, min(int(usual), len(listed) - 1)))
        repeat = last - first + 1
        bounded(int(repeat.sum()), "replicas")
        within = numpy.arange(int(repeat.sum())) - numpy.repeat(numpy.cumsum(repeat) - repeat, repeat)
        base_parts.append(numpy.repeat(rows, repeat))
        replica_parts.append(listed[numpy.repeat(first, repeat) + within])
    if not base_parts:
        return numpy.arange(0), numpy.arange(0)
    return numpy.concatenate(base_parts), numpy.concatenate(replica_parts)


def _capacity(
    service: InferenceWorkload,
    name: str,
    pairs: list[tuple[NumberFormats, Split]],
    gpus: Sequence[Gpu],
    budget: Column,
    base: Column,
    some: Column | None = None,
) -> Column:
    """Return a capacity, of all candidates or some, computed once for each row that a candidate came from."""
    import numpy

    base = base if some is None else base[some]
    if service.model.architecture is None:
        return unknown(len(base))
    rows, which = numpy.unique(base, return_inverse=True)
    values = []
    for row, left in clock.watched(zip(rows.tolist(), budget[rows].tolist(), strict=True)):
        form, split = pairs[row // len(gpus)]
        gpu = gpus[row % len(gpus)]
        values.append(inference_capacity.capacities(service, form, split, gpu, left, (name,))[name] if left > 0 else 0)
    column: Column = numpy.array(values, dtype=numpy.int64)[which.reshape(-1)]
    return column
