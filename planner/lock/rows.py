"""The catalog rows an answer rests on, each with its digest and what of it a reviewer reads: a price and its date, a
GPU's memory, an engine's release. With them a lock can be judged when the catalogs have moved on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

from planner.catalog.catalog import Catalog
from planner.catalog.programs.engine_models import EngineModel
from planner.catalog.programs.engines import Engine
from planner.catalog.records import MARKETS, Offer
from planner.language.copies import block_of
from planner.language.problem import Measurement, Problem, Workload
from planner.lock.digest import MEASUREMENTS, programs, row_digest
from planner.lock.text import number
from planner.physics import quality
from planner.physics.inference.profile import release
from planner.solve.candidate import Candidate
from planner.solve.inference import layerwise

Facts = dict[str, Any]
PRICES = {market: f"{market}_usd_per_hour" for market in MARKETS}
"""What a market's price is called in a lock."""


def used(rows: Mapping[str, Candidate], problem: Problem, catalog: Catalog) -> dict[str, dict[str, Facts]]:
    """Return what is recorded of each row that an answer rests on, by catalog and id."""
    by_kind: dict[str, dict[str, Facts]] = {}
    workloads = {block_of(item.name): item for item in problem.workloads}
    for name in sorted(rows):
        workload, row = workloads[block_of(name)], rows[name]
        for kind, key in _ids(workload, row, problem, catalog):
            own = by_kind.setdefault(kind, {}).setdefault(key, {})
            more = facts(problem, catalog, kind, key, row, workload)
            if kind == "engines" and own.get("release", more.get("release")) != more.get("release"):
                more["release"] = ", ".join(sorted({*own["release"].split(", "), more["release"]}))
            own |= more
    return {
        kind: {key: {**own[key], "digest": row_digest(problem, catalog, kind, key)} for key in sorted(own)}
        for kind, own in sorted(by_kind.items())
    }


def _ids(workload: Workload, row: Candidate, problem: Problem, catalog: Catalog) -> Iterable[tuple[str, str]]:
    yield "models", workload.model.id
    yield "gpus", row.gpu
    yield "offers", row.offer
    for kind, keys in programs(workload, catalog, default=False).items():
        yield from ((kind, key) for key in sorted(keys))
    yield from ((MEASUREMENTS, key) for key in row.measurements)
    names = _formats(row)
    yield from (("formats", name) for role in names.values() for name in role if name in problem.formats)
    own = _evaluated(workload, row, problem)
    for role, formats in names.items():
        if role in ("weights", "kv_cache") and role not in own:
            yield from (("quality", key) for key in _measured(workload, row, role, formats, problem, catalog))


def _evaluated(workload: Workload, row: Candidate, problem: Problem) -> frozenset[str]:
    """Return the roles whose quality the plan's own evaluations say, instead of the catalog's."""
    known = {item.id: item for item in problem.measurements if item.quality is not None}
    used = [known[name] for name in row.measurements if name in known]
    weights, model = str(row.choice.get("weights", "")), workload.model
    roles = {"weights" for item in used if item.weights == weights and quality.steps(model, weights)}
    return frozenset(roles | {"kv_cache" for item in used if item.kv_cache == str(row.choice.get("kv_cache", ""))})


def _formats(row: Candidate) -> dict[str, list[str]]:
    """Return the formats of a choice by decision; those of a mix each."""
    out: dict[str, list[str]] = {}
    for name in ("weights", "kv_cache", "activations"):
        if name in row.choice:
            label = str(row.choice[name])
            out[name] = sorted(set(layerwise.layers_of(label))) if layerwise.is_mix(label) else [label]
    return out


def _measured(
    workload: Workload, row: Candidate, role: str, names: Iterable[str], problem: Problem, catalog: Catalog
) -> Iterable[str]:
    """Yield the measurements that decided about the quality of formats."""
    model = workload.model
    how = str(row.choice["quantization"]) if role == "weights" else None
    shipped = catalog.quality
    weighed = role == "weights"
    for name in [step for each in names for step in quality.steps(model, each)] if weighed else names:
        fmt = problem.formats[name]
        if fmt.quality is not None if weighed else name == model.native_format:
            continue
        known = [shipped[key] for key, its in zip(shipped, shipped.column("role"), strict=True) if its == role]
        known += [item for item in problem.quality if item.role == role]
        recovery, _ = quality.deciding(known, fmt.like or name, role, model.of or model.id, how, model.params)
        if recovery is not None:
            yield recovery.id


def facts(problem: Problem, catalog: Catalog, kind: str, key: str, row: Candidate, workload: Workload) -> Facts:
    """Return what of a row a reviewer reads, without what it does not state. Raise KeyError where it is gone.

    Of an offer's prices it is that of the market of `row`; the engine's release is that of `workload`'s version.
    """
    match kind:
        case "offers":
            offer = problem.offers[key]
            return _offer(offer, str(row.choice["market"]))
        case "gpus":
            gpu = problem.gpus[key]
            return {"memory": gpu.memory, "bandwidth": gpu.bandwidth, "power": gpu.power_w, "vendor": gpu.vendor}
        case "models":
            model = workload.model
            own_model = {"params": model.params, "native_format": model.native_format}
            return own_model | ({"approximate": "; ".join(model.assumed)} if model.assumed else {})
        case "formats":
            return {"bits": number(problem.formats[key].bits)}
        case "engines":
            return _engine(problem.engines.get(key) or catalog.engines[key], workload)
        case "engine_models":
            return _engine_model(catalog.engine_models[key])
        case "frameworks":
            framework = catalog.frameworks[key]
            return {"runs_on": framework.runs_on} if framework.runs_on else {}
        case "measurements":
            return _measured_figures(next(item for item in problem.measurements if item.id == key))
        case "quality":
            own = {item.id: item for item in problem.quality}
            return {"recovery": number((own.get(key) or catalog.quality[key]).recovery)}
    raise KeyError(kind)


def _measured_figures(item: Measurement) -> Facts:
    times = {"tpot_s": item.tpot, "ttft_s": item.ttft, "prefill_s": item.prefill, "throughput_tok_s": item.throughput}
    sizes = {"kv_tokens": item.kv_tokens, "memory_bytes": item.memory}
    kept = sizes | {"quality": None if item.quality is None else number(item.quality)}
    at = {"concurrency": item.concurrency, "prompt": item.prompt, "output": item.output} if any(times.values()) else {}
    task = {"task": item.task} if item.task else {}
    return at | task | {name: value for name, value in (times | kept).items() if value is not None}


def _offer(offer: Offer, market: str) -> Facts:
    price = offer.price_in(market)
    out: Facts = {"gpu": offer.gpu, "gpus": offer.gpus, "sold_by": offer.sold_by}
    if price is not None:
        out[PRICES[market]] = number(Fraction(price, 10**6))
    stated = {"as_of": offer.as_of or None, "available": offer.available, "network": offer.network}
    return out | {name: value for name, value in stated.items() if value is not None}


def _engine(engine: Engine, workload: Workload) -> Facts:
    version = workload.given.get("engine_version")
    if not engine.releases:
        return {}
    return {"release": ".".join(map(str, release(engine, None if version is None else str(version)).since))}


def _engine_model(item: EngineModel) -> Facts:
    out: Facts = {"class": item.architecture, "release": item.release}
    return out | ({"through": item.through} if item.through else {})


def rebuilt(key: str, recorded: Mapping[str, Any], provider: str, region: str) -> Offer | None:
    """Return an offer as a lock recorded it; None where it recorded too little, or what cannot be."""
    gpu, gpus, sold_by = recorded.get("gpu"), recorded.get("gpus"), recorded.get("sold_by")
    if not isinstance(gpu, str) or not isinstance(gpus, int) or not _whole(gpus) or sold_by not in ("instance", "gpu"):
        return None
    prices = {MARKETS[market]: _micro(recorded.get(name)) for market, name in PRICES.items()}
    available, network = recorded.get("available"), recorded.get("network")
    return Offer(
        id=key,
        provider=provider,
        instance_type=key.rpartition("/")[2],
        region=region,
        gpu=gpu,
        gpus=gpus,
        price=prices["price"],
        spot=prices["spot"],
        sold_by=sold_by,
        marketplace=False,
        as_of=str(recorded.get("as_of", "")),
        source="the lock",
        available=available if _whole(available) else None,
        network=network if _whole(network) else None,
        reserved_1y=prices["reserved_1y"],
        reserved_3y=prices["reserved_3y"],
    )


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**53


def _micro(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 10**9:
        return None
    return round(Fraction(str(value)) * 10**6)
