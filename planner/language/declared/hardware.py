"""GPUs and offers that a plan declares, from scratch or `like` a shipped one."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from fractions import Fraction
from math import ceil

from planner.catalog.offers import IDENTIFYING, agreeing
from planner.catalog.records import MARKETS, Gpu, Offer
from planner.language.declared.declare import StatedFields, base_of, read_fields
from planner.language.declared.fields import MICRO
from planner.language.scope import Scope
from planner.syntax import tree

GIGA = 10**9
PLAN = "the plan"
PRICES = frozenset(MARKETS.values())


def _int(said: StatedFields, name: str, default: int, scale: int = 1) -> int:
    value = said.values.get(name)
    return int(value * scale) if isinstance(value, Fraction) else default


def _str(said: StatedFields, name: str, default: str) -> str:
    value = said.values.get(name)
    return value if isinstance(value, str) else default


def _missing(declaration: tree.Declaration, said: StatedFields, needed: tuple[str, ...], scope: Scope) -> bool:
    absent = [name for name in needed if not any(spoken.partition(".")[0] == name for spoken in said.spans)]
    for name in absent:
        if name in said.meant:
            continue
        scope.error(
            "E0404",
            f"{declaration.kind} `{declaration.name}` does not say `{name}`",
            declaration.name_span,
            help=f"state it, or copy a row: {declaration.kind} {declaration.name} like ID {{ … }}",
        )
    return bool(absent)


def base_row(declaration: tree.Declaration, scope: Scope) -> object:
    """Return the row a declaration is `like`, None where it has no base or a finding says why not."""
    if declaration.base is None:
        return None
    own = base_of(declaration, scope)
    if declaration.name in scope.broken:
        return None
    row = scope.find(declaration.kind, declaration.base if own is None else tree.Name((own.name,), own.span))
    if row is None:
        scope.broken.add(declaration.name)
    return row


def declare_gpu(declaration: tree.Declaration, scope: Scope) -> None:
    """Add a declared GPU to the scope."""
    before = len(scope.findings)
    base = base_row(declaration, scope)
    said = read_fields(declaration, scope)
    if base is None and declaration.base is None:
        _missing(declaration, said, ("memory", "bandwidth", "peak"), scope)
    for name in ("memory", "bandwidth", "device_memory"):
        if said.values.get(name) == 0:
            scope.error("E0403", f"`{name}` is above zero", said.spans[name], help="state what the card has")
    if len(scope.findings) > before:
        scope.broken.add(declaration.name)
        return
    start = base if isinstance(base, Gpu) else _blank(declaration.name, tuple(said.peaks))
    changes: dict[str, object] = {
        name: _str(said, name, "") for name in ("vendor", "architecture", "pcie", "cpu") if name in said.values
    }
    sizes = ("memory", "device_memory", "max_gpus_per_node", "release_year")
    changes |= {name: _int(said, name, 0) for name in sizes if name in said.values}
    changes |= {name: _int(said, name, 0, GIGA) for name in ("bandwidth", "link_bandwidth") if name in said.values}
    if "power" in said.values:
        changes["power_w"] = _int(said, "power", 0)
    if "memory" in said.values:  # the plan's own figure stands for what the device reports, too
        changes.setdefault("device_memory", changes["memory"])
        changes["memory_source"] = PLAN
    changes["flops"] = start.flops | {name: int(value) for name, value in said.peaks.items()}
    changes |= dict(said.sets)
    own = {"id": declaration.name, "name": declaration.name, "confidence": "stated", "aliases": (), "source": PLAN}
    scope.gpus[declaration.name] = replace(start, **changes | own)  # type: ignore[arg-type]


def _blank(name: str, computes: tuple[str, ...]) -> Gpu:
    return Gpu(
        id=name,
        name=name,
        vendor="own",
        architecture="own",
        memory=0,
        device_memory=0,
        marketed_gb=0,
        bandwidth=0,
        flops={},
        native_formats=computes,
        link_bandwidth=0,
        pcie=None,
        max_gpus_per_node=8,
        power_w=0,
        release_year=0,
        confidence="stated",
        aliases=(),
        source=PLAN,
        memory_source=PLAN,
    )


def declare_offer(declaration: tree.Declaration, scope: Scope) -> None:
    """Add a declared offer to the scope; its provider and region are `own` unless stated."""
    before = len(scope.findings)
    base = base_row(declaration, scope)
    said = read_fields(declaration, scope)
    if base is None and declaration.base is None:
        _missing(declaration, said, ("gpu", "gpus"), scope)
        if not PRICES & set(said.spans):
            _missing(declaration, said, ("price",), scope)
    if said.values.get("network") == 0:
        way = "leave it out where it is not known"
        scope.error("E0403", "`network` is above zero", said.spans["network"], help=way)
    if len(scope.findings) > before:
        scope.broken.add(declaration.name)
        return
    origin = base if isinstance(base, Offer) else None
    changes: dict[str, object] = {
        name: _str(said, name, "")
        for name in ("gpu", "provider", "region", "instance_type", "sold_by")
        if name in said.values
    }
    changes |= {name: _int(said, name, 0) for name in ("gpus", "available", "vcpus") if name in said.values}
    changes |= {name: round(_money(said, name) * MICRO) for name in PRICES if name in said.values}
    if "network" in said.values:
        changes["network"] = _int(said, "network", 0, GIGA)
    if "marketplace" in said.values:
        changes["marketplace"] = said.values["marketplace"]
    if "ram" in said.values:
        changes["ram_gib"] = float(Fraction(_int(said, "ram", 0), 2**30))
    if "as_of" in said.values:
        changes["as_of"] = date.fromordinal(_int(said, "as_of", 1)).isoformat()
    start = origin or Offer(
        id=declaration.name,
        provider="own",
        instance_type=declaration.name,
        region="own",
        gpu="",
        gpus=1,
        price=None,
        spot=None,
        sold_by="instance",
        marketplace=False,
        as_of="",
        source=PLAN,
    )
    changes |= {"id": declaration.name, "source": PLAN, "flags": ()}
    offer = replace(start, **changes)  # type: ignore[arg-type]
    free = not any(getattr(offer, name) for name in MARKETS.values())
    if offer.available is None and (offer.provider == "own" or free):
        offer = replace(offer, available=1)  # owned hardware is one machine
    if "electricity" in said.values:
        offer = _powered(offer, _money(said, "electricity"), scope)
    scope.offers[declaration.name] = offer
    _replaces(offer, origin, said, scope)


def _replaces(offer: Offer, origin: Offer | None, said: StatedFields, scope: Scope) -> None:
    """Note the shipped offers that an own one of the same provider stands for, where it states a price.

    What `like` copies is stated: of a shipped row all that it says, of an own one what that says itself.
    """
    stated = {"ram_gib" if name == "ram" else name for name in said.values}
    if origin is not None:
        known = scope.stated.get(origin.id)
        copied = {name for name in (*IDENTIFYING, "provider") if getattr(origin, name) is not None}
        stated |= copied if known is None else known
    scope.stated[offer.id], scope.known = frozenset(stated - PRICES), None
    if "provider" in stated and PRICES & said.values.keys():
        scope.replaced[offer.id] = agreeing(offer, frozenset(stated), scope.catalog.offers)


def _powered(offer: Offer, rate: Fraction, scope: Scope) -> Offer:
    """Return an offer whose price holds its electricity: board power × $/kWh, in micro-dollars, rounded up."""
    gpu = scope.gpus.get(offer.gpu) or scope.catalog.gpus.get(offer.gpu)
    if gpu is None:
        return offer
    bill = ceil(Fraction(gpu.power_w * offer.gpus, 1000) * rate * MICRO)
    return replace(
        offer,
        **{name: price + bill for name in PRICES if (price := getattr(offer, name)) is not None},
    )


def _money(said: StatedFields, name: str) -> Fraction:
    value = said.values[name]
    assert isinstance(value, Fraction)
    return value
