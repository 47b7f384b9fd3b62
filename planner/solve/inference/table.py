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
from planner.record import dataclass
from planner.solve import clock, stated
from planner.solve.columns.rules import headroom
from planner.solve.columns.size import bounded
from planner.solve.columns.table import Axis, Table, empty, unknown
from planner.solve.inference import anchors
from planner.solve.inference import capacity as inference_capacity
from planner.solve.inference import memory as inference_memory
from planner.solve.inference import space as inference_space
from planner.solve.inference import speed as inference_speed
from planner.solve.inference import support as inference_support
from planner.solve.inference import workload as inference_workload
from planner.solve.inference.defaults import of_service
from planner.solve.inference.paces import Paces, needed, timed
from planner.solve.inference.speed import Load
from planner.solve.inference.workload import Form, Service
from planner.solve.objective import quantity_of
from planner.solve.parallelism import Split, divides
from planner.solve.rent.placement import place
from planner.solve.rent.ram import beyond
from planner.solve.rent.rental import any_price, market_of, offers_for
from planner.solve.rules import reads

if TYPE_CHECKING:
    from planner.solve.columns.table import Column


@dataclass(frozen=True, slots=True)
class MemoryColumns:
    """Bytes of each formats × split × GPU type, GPU types running fastest; `budget` is what its cache has at least.

    `outside` and `crowded` say where what lies beside the budget has no room, and states more sequences than pages.
    """

    weights: Column
    kv_cache: Column
    total: Column
    budget: Column
    outside: Column
    crowded: Column


def _memory(
    this: Service, pairs: list[tuple[Form, Split]], gpus: Sequence[Gpu], seen: anchors.Columns | None
) -> MemoryColumns:
    """Return the memory of every row; each part is computed once for each case it depends on. `seen` is what the plan's
    measurements say of it."""
    import numpy

    shape = (len(pairs), len(gpus))
    outside, crowded = numpy.zeros(shape, dtype=bool), numpy.zeros(shape, dtype=bool)
    weights, kv_cache, total, budget = (numpy.zeros(shape, dtype=numpy.int64) for _ in range(4))
    known = this.model.architecture is not None
    members: dict[Split, list[int]] = {}
    for index, (_, split) in enumerate(pairs):
        members.setdefault(split, []).append(index)
    kinds: dict[object, list[int]] = {}
    for place_, gpu in enumerate(gpus):
        kinds.setdefault(inference_workload.profile_of(this, gpu), []).append(place_)
    for cards in kinds.values():
        profile = inference_workload.profile_of(this, gpus[cards[0]])
        own = numpy.array([inference_memory.weights_bytes(this, *pair, profile) for pair in clock.watched(pairs)])
        cache = numpy.array([inference_memory.kv_bytes(this, *pair, profile) for pair in clock.watched(pairs)])
        weights[:, cards], kv_cache[:, cards] = own[:, None], cache[:, None]
        above, taken = (numpy.zeros((len(pairs), len(cards)), dtype=numpy.int64) for _ in range(2))
        peaks = numpy.zeros((2, len(pairs), 1), dtype=numpy.int64)
        for split, rows in members.items():
            clock.look()
            peak = inference_memory.peak_bytes(this, split, profile)
            peaks[:, rows, 0] = numpy.array(peak)[:, None]
            for column, card in enumerate(cards):
                gpu = gpus[card]
                taken[rows, column] = inference_memory.fixed_bytes(this, split, gpu, profile)
                if known:
                    needs, left = inference_memory.outside(this, split, gpu)
                    outside[rows, card] = needs > left
                    above[rows, column] = inference_memory.overhead_bytes(
                        this, pairs[rows[0]][0], split, gpu, own[rows], peak
                    )
                else:
                    above[rows, column] = [
                        inference_memory.overhead_bytes(this, pairs[row][0], split, gpu, 0, peak)
                        for row in clock.watched(rows)
                    ]
        held, kept = own[:, None], cache[:, None]
        activations, logits = peaks
        spare = inference_memory.margin_bytes(this, profile, held, kept, activations, logits, above, taken)
        total[:, cards] = held + kept + activations + logits + above + spare
        if seen is not None:
            total[:, cards] += seen.taken[:, cards]
        if not known:
            continue
        usable = numpy.array([inference_memory.usable_bytes(this, gpus[card]) for card in cards])
        most = usable - held - activations - logits - above
        budget[:, cards] = inference_capacity.safe_budget(this, profile, most, held, peaks, above, taken)
        if seen is not None:
            budget[:, cards] = numpy.maximum(0, budget[:, cards] - seen.taken[:, cards])
            most = (most * seen.cache[:, cards]).astype(numpy.int64)
        if inference_capacity.counts_pages(this, profile):
            for row, (form, split) in enumerate(clock.watched(pairs)):
                for column, card in enumerate(cards):
                    both = int(most[row, column]), int(budget[row, card])
                    pages = inference_capacity.state_pages(this, form, split, gpus[card], both)
                    crowded[row, card] = pages is not None and profile.max_sequences > pages
    return MemoryColumns(*(item.reshape(-1) for item in (weights, kv_cache, total, budget, outside, crowded)))


def table(problem: Problem, workload: Workload, catalog: Catalog, fixed: bool = False) -> Table:
    """Return every candidate of an inference workload as columns."""
    import numpy

    this = inference_workload.service(problem, workload, catalog)
    offers = offers_for(problem, workload)
    wanted = workload.domains.get("gpu")
    gpus = [problem.gpus[name] for name in sorted(offers) if name in problem.gpus and (not wanted or name in wanted)]
    pairs = []
    for pair in clock.watched(inference_space.combos(this, fixed)):
        pairs.append(pair)
        bounded(len(pairs) * len(gpus), "formats, splits and GPU types")
    if not pairs or not gpus:
        return empty(workload)
    all_forms, all_splits = list(dict.fromkeys(f for f, _ in pairs)), list(dict.fromkeys(s for _, s in pairs))
    form_at, split_at = {f: i for i, f in enumerate(all_forms)}, {s: i for i, s in enumerate(all_splits)}

    def array(values: Sequence[object]) -> Column:
        return numpy.array(values)

    # One row for each formats × split × GPU type, before replicas and offers.
    form = numpy.repeat(array([form_at[f] for f, _ in pairs] or [0])[: len(pairs)], len(gpus))
    split = numpy.repeat(array([split_at[s] for _, s in pairs] or [0])[: len(pairs)], len(gpus))
    gpu = numpy.tile(numpy.arange(len(gpus)), len(pairs))
    tensor = array([s.tensor for s in all_splits])
    pipeline = array([s.pipeline for s in all_splits])
    unit, nodes = array([s.per_node for s in all_splits]), array([s.nodes for s in all_splits])

    clock.look()
    own = anchors.columns(this, pairs, gpus) if this.measurements else None
    memory = _memory(this, pairs, gpus, own)
    clock.look()
    weights, kv_cache, total = memory.weights, memory.kv_cache, memory.total
    usable = array([inference_memory.usable_bytes(this, g) for g in gpus])[gpu]

    exact = [[inference_workload.resolved(this, f, g) for g in gpus] for f in clock.watched(all_forms)]
    refused = [
        [inference_support.refusals(this, f, g) for f, g in zip(row, gpus, strict=True)] for row in clock.watched(exact)
    ]
    load = None
    if workload.model.architecture is not None and not this.pooling:
        reached = [
            [inference_speed.fields(this, f, g) for f, g in zip(row, gpus, strict=True)] for row in clock.watched(exact)
        ]
        load = Load(
            weights,
            kv_cache,
            tensor[split],
            pipeline[split],
            array(reached)[form, gpu].T,
            array([inference_speed.link_of(g) for g in gpus])[gpu],
            numpy.array([inference_speed.host_of(g) for g in gpus])[gpu],
            nodes[split],
            anchor=None if own is None else own.times,
        )
    pace = Paces(this, load, offers)

    # Replicas, then offers.
    copies = [inference_space.replica_counts(this, s) for s in all_splits]
    base, replicas = _replicated(this, copies, split, pace, scaled(problem, workload))
    spans = bool((nodes > 1).any())
    if spans:
        left = array([[inference_space.may_span(this, fixed, g.id, s.nodes) for g in gpus] for s in all_splits])[
            split, gpu
        ]
        base, replicas = base[left[base]], replicas[left[base]]
    total_gpus = replicas * (tensor * pipeline)[split][base]
    market = market_of(problem, workload, spans)
    placed = place(gpus, offers, market, gpu[base], total_gpus, unit[split][base], nodes=nodes[split][base])
    base, replicas, total_gpus = base[placed.row], replicas[placed.row], total_gpus[placed.row]
    times = pace.of(base, placed.network)

    distinct, of_replicas = numpy.unique(replicas, return_inverse=True)
    totals, of_totals = numpy.unique(total_gpus, return_inverse=True)
    axes = {
        "gpu": Axis(tuple(g.id for g in gpus), gpu[base]),
        "gpus": Axis(tuple(Fraction(n) for n in totals.tolist()), of_totals),
        "replicas": Axis(tuple(Fraction(n) for n in distinct.tolist()), of_replicas),
        "tensor_parallel": Axis(tuple(Fraction(s.tensor) for s in all_splits), split[base]),
        "pipeline_parallel": Axis(tuple(Fraction(s.pipeline) for s in all_splits), split[base]),
        "expert_parallel": Axis(tuple(Fraction(s.expert) for s in all_splits), split[base]),
        "nodes": Axis(tuple(Fraction(s.nodes) for s in all_splits), split[base]),
        "weights": Axis(tuple(f.weights for f in all_forms), form[base]),
        "kv_cache": Axis(tuple(f.kv_cache for f in all_forms), form[base]),
        "activations": _activations(exact, form[base], gpu[base]),
        "quantization": Axis(tuple(f.quantization for f in all_forms), form[base]),
        **placed.axes,
    }
    quality = array([inference_workload.quality_steps(this, f) for f in clock.watched(all_forms)])
    power = array([g.power_w for g in gpus])
    outcomes: dict[str, Callable[[], Column]] = {
        "memory": lambda: total[base],
        "headroom": lambda: headroom(total[base], usable[base]),
        "cost": lambda: placed.costs,
        "quality": lambda: quality[form[base]],
        "power": lambda: power[gpu[base]] * total_gpus,
    }
    ranks = numpy.minimum(total_gpus, placed.per_host)
    on_host = inference_memory.host_bytes(this) * ranks
    outcomes["host_memory"] = lambda: on_host
    outcomes |= timed(this, times, replicas, placed.costs)
    for name in HELD:
        outcomes[name] = partial(_capacity, this, name, pairs, gpus, memory.budget, base)
    broken = {f"{workload.name}.memory": (total > usable)[base]}
    if on_host.any():
        exceeds = beyond(on_host, placed.pool, placed.pools, problem.offers, ranks)
        broken[f"{workload.name}.host_memory"] = exceeds
    if memory.outside.any():
        broken[f"{workload.name}.gpu_memory_utilization"] = memory.outside[base]
    waiting = array([[inference_workload.runs_at_once(this, s, g) is not None for g in gpus] for s in all_splits])
    if waiting.any():
        broken[f"{workload.name}.concurrency"] = waiting[split, gpu][base]
    if memory.crowded.any():
        broken[f"{workload.name}.max_sequences"] = memory.crowded[base]
    for name in inference_support.REFUSED:
        where = array([[name in item for item in row] for row in refused])
        if where.any():
            broken[f"{workload.name}.{name}"] = where[form, gpu][base]
    for name, *met in inference_support.lacking_of(this, all_forms, all_splits, gpus):
        rule = f"{workload.name}.{name}"
        where = met[0][form] & met[1][split] & met[2][gpu]
        broken[rule] = broken[rule] | where[base] if rule in broken else where[base]
    splitting = array([not divides(workload.model, s.tensor) for s in all_splits])
    cut = array([[bool(inference_support.cut_by(this, f, s)[0]) for s in all_splits] for f in all_forms])
    rule = f"{workload.name}.tensor_parallel"
    broken[rule] = broken.get(rule, False) | (splitting[split] | cut[form, split])[base]
    if this.demand is not None:
        broken[f"{workload.name}.demand"] = replicas < needed(this, len(base), times)
    return Table(
        workload,
        len(base),
        axes,
        outcomes,
        broken,
        placed.costs,
        total_gpus,
        placed.pool,
        placed.pools,
        placed.sizes,
        placed.prices,
        placed.instances,
        placed.slots,
        made_by=this,
        defaults=of_service(this, problem.gpus),
    )


def _activations(exact: Sequence[Sequence[Form]], form: Column, gpu: Column) -> Axis:
    """Return the axis of the activations' formats, which follow from weights and GPU where the plan is silent."""
    import numpy

    words = [[item.activations for item in row] for row in exact]
    distinct = {word: at for at, word in enumerate(dict.fromkeys(word for row in words for word in row))}
    return Axis(tuple(distinct), numpy.array([[distinct[word] for word in row] for row in words])[form, gpu])


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
    this: Service,
    copies: list[list[int]],
    split: Column,
    pace: Paces,
    told: bool,
) -> tuple[Column, Column]:
    """Return rows and their replicas: all that the plan offers, or from the fewest that sustain the demand on.

    More replicas than the demand needs never cost less. Only where they are `told` apart by a rule or an objective
    are more than the fewest kept: all that a plan offers, else up to so many GPUs as an unsaid number may be and a few
    more. Where none is enough the most are kept, to say by how much. Where a replica may span hosts, so many are kept
    as the slowest network between them asks for.
    """
    import numpy

    if this.demand is None:
        lengths = numpy.array([len(item) for item in copies], dtype=numpy.int64)
        repeat = lengths[split]
        bounded(int(repeat.sum()), "numbers of replicas")
        base = numpy.repeat(numpy.arange(len(split)), repeat)
        flat = numpy.array([count for item in copies for count in item], dtype=numpy.int64)
        start = (numpy.cumsum(lengths) - lengths)[split]
        within = numpy.arange(len(base)) - numpy.repeat(numpy.cumsum(repeat) - repeat, repeat)
        return base, flat[numpy.repeat(start, repeat) + within] if len(base) else base
    need = needed(this, len(split), pace.fastest())
    most_needed = needed(this, len(split), pace.slowest()) if pace.spans else need
    base_parts, replica_parts = [], []
    for number, offered in enumerate(copies):
        rows = numpy.flatnonzero(split == number)
        if not offered or not len(rows):
            continue
        listed = numpy.array(offered, dtype=numpy.int64)
        first = numpy.minimum(numpy.searchsorted(listed, need[rows]), len(listed) - 1)
        last = numpy.minimum(numpy.searchsorted(listed, most_needed[rows]), len(listed) - 1) if pace.spans else first
        if told:
            most = stated.counts(this.workload, "replicas") or stated.counts(this.workload, "gpus")
            beyond = len(listed) - 1 if most else numpy.minimum(first + numpy.maximum(FEW, first // 2), len(listed) - 1)
            usual = numpy.searchsorted(listed, inference_space.GPUS_UNSAID, side="right") - 1
            last = numpy.maximum(last, numpy.maximum(beyond, min(int(usual), len(listed) - 1)))
        repeat = last - first + 1
        bounded(int(repeat.sum()), "numbers of replicas")
        within = numpy.arange(int(repeat.sum())) - numpy.repeat(numpy.cumsum(repeat) - repeat, repeat)
        base_parts.append(numpy.repeat(rows, repeat))
        replica_parts.append(listed[numpy.repeat(first, repeat) + within])
    if not base_parts:
        return numpy.arange(0), numpy.arange(0)
    return numpy.concatenate(base_parts), numpy.concatenate(replica_parts)


def _capacity(
    this: Service,
    name: str,
    pairs: list[tuple[Form, Split]],
    gpus: Sequence[Gpu],
    budget: Column,
    base: Column,
) -> Column:
    """Return a capacity, computed once for each row that a candidate came from."""
    import numpy

    if this.model.architecture is None:
        return unknown(len(base))
    rows, which = numpy.unique(base, return_inverse=True)
    values = []
    for row, left in clock.watched(zip(rows.tolist(), budget[rows].tolist(), strict=True)):
        form, split = pairs[row // len(gpus)]
        gpu = gpus[row % len(gpus)]
        values.append(inference_capacity.capacities(this, form, split, gpu, left, (name,))[name] if left > 0 else 0)
    found: Column = numpy.array(values, dtype=numpy.int64)[which.reshape(-1)]
    return found
