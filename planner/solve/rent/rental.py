"""Offers joined to placements: what may be rented, how many instances it takes, and at what price."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from planner.catalog.offers import Listing
from planner.catalog.records import MARKETS, Offer
from planner.language.defaults import STATED
from planner.language.problem import Problem, Value, Workload, by_run
from planner.language.quantities.outcomes import MONEY, changed_by
from planner.language.schema import BY_KIND, FROM_OFFER, grouped
from planner.record import dataclass
from planner.solve.needs import Note, note
from planner.solve.rent.ram import ram
from planner.solve.rules import reads, simple

MOST_SOLD_SINGLY = 8
"""GPUs sold one by one are rented on one host up to this number, the largest the shipped catalog's providers sell."""
ONE_HOST = 1 << 40
"""GPUs on a host where one host holds all of a workload's: more than any has."""
NETWORK = 1_250_000_000
"""Bytes/s of a host between hosts whose network nobody states: 10 Gbit/s, an assumption: whole
nodes of the catalog state 100 and more, instances of one GPU 0.1 to 100."""


@dataclass(frozen=True, slots=True)
class Renting:
    """Instances of an offer and their price in micro-dollars per hour; `slots` are the GPUs that could be shared.

    `per_host` GPUs are on one host; more hosts than one are joined by a `network` of bytes/s a host.
    """

    offer: Offer
    market: str
    instances: int
    cost: int
    slots: int
    per_host: int
    network: int


def offers_for(problem: Problem, workload: Workload) -> dict[str, list[Offer]]:
    """Return the offers a workload may rent that can matter, by GPU."""
    out: dict[str, list[Offer]] = {}
    for item in _leading(offers_listed(problem, workload), _reach_of(problem, workload)):
        out.setdefault(item.gpu, []).append(problem.offers[item.id])
    return out


@dataclass(frozen=True, slots=True)
class Reach:
    """What tells offers apart for all who may rent them: the markets, what rules speak of, whether a dearer one can be
    better, and where workloads ask for offers in several ways, which of these each offer meets."""

    markets: frozenset[str]
    spoken: frozenset[str]
    any_price: bool
    meets: Mapping[str, tuple[bool, ...]]


_REACHES: list[tuple[Problem, Reach]] = []
"""The plan that was asked about last, with its answer."""


def _reach_of(problem: Problem, workload: Workload) -> Reach:
    """Return what tells the offers of a workload apart, of all workloads where they may share instances."""
    if problem.count == 1:
        return _joint(problem, (workload,))
    if not _REACHES or _REACHES[0][0] is not problem:
        _REACHES[:] = [(problem, _joint(problem, problem.workloads))]
    reach = _REACHES[0][1]
    known = any(item is workload for item in problem.workloads)
    return reach if known else _joint(problem, (*problem.workloads, workload))


def _joint(problem: Problem, workloads: Sequence[Workload]) -> Reach:
    markets = [market_of(problem, item, spans=True) for item in workloads]
    every = ({name: item.domains[name] for name in PLACES if name in item.domains} for item in workloads)
    asked = {repr(words): words for words in every}.values()
    listed = problem.offers.listings
    met = [{item.id for item in _asked_for(listed, words) if _usual(item, words)} for words in asked]
    return Reach(
        frozenset(way for market in markets for way in market.markets),
        frozenset(name for market in markets for name in market.spoken),
        any(market.any_price for market in markets),
        {item.id: tuple(item.id in ids for ids in met) for item in listed} if len(asked) > 1 else {},
    )


def _leading(listed: Iterator[Listing], reach: Reach) -> Iterator[Listing]:
    """Yield all that is limited, and of the others the cheapest in each market of those that are alike in what is
    rented, in its hosts, in what rules speak of and in which workloads may rent them.

    Whatever number of GPUs is asked for, as many instances of each hold it, so that the one with the lowest price, by
    name among equals, comes first in the order of `rentings` as well. Where workloads share instances, whoever is on a
    dearer one may be moved to it, all together: their instances are as many, or fewer beside who is there already,
    and cost no more.
    """
    if reach.any_price:
        yield from listed
        return
    spoken = sorted(reach.spoken & {*FROM_OFFER})
    groups: dict[tuple[object, ...], list[Listing]] = {}
    for item in listed:
        own = item.id if item.limited or "offer" in reach.spoken else ""
        may = reach.meets.get(item.id, ())
        key = (item.gpu, item.gpus, item.sold_by, item.host, own, may, *(getattr(item, word) for word in spoken))
        groups.setdefault(key, []).append(item)
    places = [place for place, way in enumerate(MARKETS) if way in reach.markets]
    for items in groups.values():
        first = set()
        for place in places:
            sold = [(round(usd * 10**6), item.id) for item in items if (usd := item.usd[place]) is not None]
            if sold:
                first.add(min(sold)[1])
        yield from (item for item in items if item.id in first)


PLACES = ("offer", *FROM_OFFER)
"""What a plan may ask of the offers of a workload; their GPU is compared in any case."""


def _usual(item: Listing, words: Mapping[str, Sequence[Value]]) -> bool:
    """Return whether an offer is rented as a plan asks: unless it names offers or providers, no doubtful or old one."""
    return "offer" in words or "provider" in words or not (item.doubtful or item.old)


def offers_listed(problem: Problem, workload: Workload) -> Iterator[Listing]:
    """Yield what a workload may rent, unbuilt: unless named no marketplace host, no flagged row and no price that the
    catalog saw last more than a year before its own date."""
    yield from (item for item in _asked(problem, workload) if _usual(item, workload.domains))


def left_out(problem: Problem, workload: Workload) -> int:
    """Return how many offers a workload could rent if their price had been seen within the catalog's last year."""
    if _names(workload):
        return 0
    return sum(item.old and not item.doubtful for item in _asked(problem, workload))


def allows(problem: Problem, workload: Workload, offer: str) -> bool:
    """Return whether a plan lets a workload rent an offer, whatever the catalog has come to say of its price since."""
    listed = (item for item in problem.offers.listings if item.id == offer)
    if not any(_asked_for(listed, workload.domains)):
        return False
    return _names(workload) or not problem.offers[offer].marketplace


def _names(workload: Workload) -> bool:
    """Return whether a plan names offers or providers of a workload."""
    return "offer" in workload.domains or "provider" in workload.domains


def _asked(problem: Problem, workload: Workload) -> Iterator[Listing]:
    """Yield what has the hardware, provider, region and name that a plan asks for."""
    offers = problem.offers
    if "gpu" not in workload.domains:
        listed: Iterable[Listing] = offers.listings
    else:
        gpus = {str(name) for name in workload.domains["gpu"]}
        listed = (offers.listings[at] for at in sorted(at for gpu in gpus for at in offers.by_gpu.get(gpu, ())))
    yield from _asked_for(listed, workload.domains)


def _asked_for(listed: Iterable[Listing], words: Mapping[str, Sequence[Value]]) -> Iterator[Listing]:
    """Yield of some offers what is as a plan's words say, whatever the age of its price."""
    named = words.get("offer")
    gpus, providers, regions = (words.get(name) for name in ("gpu", "provider", "region"))
    for item in listed:
        if (
            (not item.replaced if named is None else item.id in named)
            and (gpus is None or item.gpu in gpus)
            and (providers is None or item.provider in providers)
            and (regions is None or item.region in regions)
        ):
            yield item


def largest_hosts(problem: Problem, workload: Workload) -> dict[str, int]:
    """Return the most GPUs on one host of what a workload may rent, by GPU."""
    out: dict[str, int] = {}
    for item in offers_listed(problem, workload):
        size = max(MOST_SOLD_SINGLY, item.gpus) if item.sold_by == "gpu" else item.gpus
        out[item.gpu] = max(size, out.get(item.gpu, 1))
    return out


def renting(offer: Offer, market: str, gpus: int, unit: int, nodes: int = 1) -> Renting | None:
    """Return what holds `gpus` in groups of `unit` that stay within one instance; None where none can.

    `nodes` such groups are one replica, and fewer hosts could not hold them. An instance can be shared where some of
    its GPUs are free and the unit is a power of two that divides it: such units always pack without a gap.
    """
    price = offer.price_in(market)
    if price is None:
        return None
    if offer.sold_by == "gpu":
        each = max(1, offer.gpus)
        most = max(MOST_SOLD_SINGLY, each)
        if unit > most or unit % each:
            return None
        instances = -(-gpus // each)
        host = most // each * each
        if host * (nodes - 1) >= unit * nodes:
            return None
        return _available(offer, Renting(offer, market, instances, instances * price, 0, *_reach(offer, gpus, host)))
    groups_each = offer.gpus // unit
    if groups_each == 0 or groups_each * (nodes - 1) >= nodes:
        return None
    instances = -(-(gpus // unit) // groups_each)
    packs = unit & (unit - 1) == 0 and offer.gpus % unit == 0 and gpus % offer.gpus != 0
    reach = _reach(offer, gpus, groups_each * unit)
    return _available(offer, Renting(offer, market, instances, instances * price, gpus if packs else 0, *reach))


def _reach(offer: Offer, gpus: int, host: int) -> tuple[int, int]:
    """Return the GPUs on one host and the network between hosts; alike for all offers where one host is enough."""
    if gpus <= host:
        return ONE_HOST, NETWORK
    return host, NETWORK if offer.network is None else offer.network


def hosts_note(rental: Renting, hosts: int) -> tuple[Note, ...]:
    """Return what is assumed where `hosts` work as one."""
    if hosts == 1 or rental.offer.network is not None:
        return ()
    return (note("network", hosts, NETWORK / 1.25e8),)


def _available(offer: Offer, rental: Renting) -> Renting | None:
    return None if offer.available is not None and rental.instances > offer.available else rental


@dataclass(frozen=True, slots=True)
class Market:
    """What tells the offers of a plan apart: the markets, what rules speak of, whether workloads share instances, and
    whether hosts and their network matter (`joined`). `any_price` is whether a dearer offer can be better than a
    cheaper one of the same hardware, `faster` whether it can be where its network is faster, `roomy` where its hosts
    have more memory for each GPU."""

    markets: tuple[str, ...]
    spoken: frozenset[str]
    shared: bool
    joined: bool
    any_price: bool = False
    faster: bool = False
    roomy: bool = False


def _changed_by_hosts(workload: Workload) -> set[str]:
    """Return what hosts and their network change: times, and by how many replicas sustain a demand what these take."""
    more = ("replicas", "gpus", "power") if "replicas" in BY_KIND[workload.kind] else ()
    return {*changed_by("hosts", workload.kind), *more}


def market_of(problem: Problem, workload: Workload, spans: bool = False) -> Market:
    """Return what a workload's offers are distinguished by; `spans` is whether a replica may span hosts."""
    markets = tuple(str(value) for value in workload.domains.get("market", (STATED[workload.kind]["market"],)))
    stated = {"market", *PLACES}
    conditions = [item.condition for item in problem.rules] + [item.condition for item in problem.preferences]
    spoken = {name for condition in conditions for name in reads(condition, workload.name) & stated}
    spoken |= {bound.quantity for bound in workload.bounds} & stated
    read = {name for condition in conditions for name in reads(condition, workload.name)}
    read |= {bound.quantity for bound in workload.bounds} | {bound.quantity for bound in problem.fleet}
    read |= {goal.quantity.rpartition(".")[2] for goal in problem.goals}
    joined = spans or "nodes" not in BY_KIND[workload.kind]  # whose hosts are no decision may span them anyway
    faster = joined and (by_run(problem.workloads) or not read.isdisjoint(_changed_by_hosts(workload)))
    faster = faster or (spans and "demand" in workload.given)
    # what is offloaded may need the RAM of a dearer offer
    words = (*workload.domains.get("offload", ()), *workload.domains.get("optimizer", ()))
    moved = any(word in ("optimizer", "parameters") or str(word).startswith("paged_") for word in words)
    moved = moved or bool(workload.given.get("offload_activations"))
    held = any(workload.given.get(name) for name in grouped("offloaded"))
    whole = any_price(problem, workload) or held or (moved and "host_memory" in read)
    return Market(markets, frozenset(spoken), problem.count > 1, joined, whole, faster, moved)


def any_price(problem: Problem, workload: Workload) -> bool:
    """Return whether something in a plan can prefer a dearer offer: a lower bound on money, money maximised, or a rule
    or preference about money that is not one upper bound."""
    capped = ("<=", "<")
    if any(bound.quantity in MONEY and bound.operator not in capped for bound in workload.bounds):
        return True
    if any(bound.quantity in MONEY and bound.operator not in capped for bound in problem.fleet):
        return True
    if any(goal.direction == "maximize" and goal.quantity.rpartition(".")[2] in MONEY for goal in problem.goals):
        return True
    for condition in [rule.condition for rule in problem.rules] + [wish.condition for wish in problem.preferences]:
        if reads(condition, workload.name) & MONEY:
            bound = simple(condition, workload.name)
            if bound is None or bound.operator not in capped:
                return True
    return False


def rentings(offers: Sequence[Offer], market: Market, gpus: int, unit: int, nodes: int = 1) -> list[Renting]:
    """Return the rentings that can matter: the cheapest of each kind that a rule distinguishes, and every limited one.

    Where workloads may share instances, every offer that can be shared is kept as well; where hosts and their network
    matter, dearer ones that are faster; where a dearer offer can be better, all.
    """
    kept: list[Renting] = []
    kinds: dict[tuple[str, ...], list[Renting]] = {}
    for offer in offers:
        for way in market.markets:
            rental = renting(offer, way, gpus, unit, nodes)
            if rental is None:
                continue
            if offer.available is not None or market.any_price or (market.shared and rental.slots):
                kept.append(rental)
                continue
            attributes = {"offer": offer.id, "provider": offer.provider, "region": offer.region, "market": way}
            kinds.setdefault(tuple(attributes[name] for name in sorted(market.spoken)), []).append(rental)
    for same in kinds.values():
        kept += _cheapest(same, market, gpus)
    return sorted(kept, key=_order)


def _cheapest(identical: list[Renting], market: Market, gpus: int) -> list[Renting]:
    """Return those that no cheaper one stands for: the cheapest, and where hosts and their network matter, what is
    faster than all that are cheaper, or has more memory on its hosts. Where a time only breaks ties, what is faster
    must cost as little and rent as few GPUs."""
    out: list[Renting] = []
    for item in sorted(identical, key=_order):
        if not any(_stands(have, item, market, gpus) for have in out):
            out.append(item)
    return out


def _stands(have: Renting, item: Renting, market: Market, gpus: int) -> bool:
    """Return whether a renting that comes first can take the place of another wherever that is good enough."""
    if not market.joined:
        return True
    dearer = _order(have)[:2] < _order(item)[:2]
    if market.roomy and not _as_roomy(have, item, gpus):
        return False
    if dearer and not market.faster:
        return True
    return have.per_host >= item.per_host and have.network >= item.network


def _as_roomy(have: Renting, item: Renting, gpus: int) -> bool:
    """Return whether a renting's hosts have as much memory for each of the GPUs on them, or nobody states how much."""
    known, other = (renting.offer.ram_gib for renting in (have, item))
    if known is None or other is None:
        return known is None
    ours, theirs = (min(gpus, renting.per_host) for renting in (have, item))
    return ram(have.offer, ours) * theirs >= ram(item.offer, theirs) * ours


def _order(item: Renting) -> tuple[int, int, str, str]:
    """Return the order of what rents the same hardware: the tie-breaks that offers alone decide, then their names."""
    return item.cost, item.instances * item.offer.gpus, item.market, item.offer.id
