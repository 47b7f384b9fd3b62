"""The mix as an integer model: how many instances of each configuration, and which slices of the traffic they serve.

As Mélange poses it (arXiv 2404.14527): every slice of a request size goes to one configuration, the load of a
configuration is the sum of what its slices take of a replica, and the instances that hold so many replicas are paid.
Slices of one size are alike, so that they are counted rather than told apart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Mapping, Sequence
from fractions import Fraction

from planner.record import dataclass
from planner.solve import clock
from planner.solve.fleet import cpsat

RANK_BITS = 30
"""How many bits of a name's digest decide between answers that are equal in all else."""


@dataclass(frozen=True, slots=True)
class MixOption:
    """A configuration that may serve some of the traffic.

    An instance of it holds `replicas` of `each` so many GPUs, costs `price`, has `gpus` and is `units` of what `stock`
    has. Those of one `pool` with a `share`, which is `each` then and 0 otherwise, may stand on one instance: shares are
    powers of two that divide it, so that they always pack without a gap. `weights` are what a slice of each size takes
    of a replica, None where it cannot serve that size.
    """

    name: str
    pool: Hashable
    stock: Hashable
    price: int
    replicas: int
    gpus: int
    units: int
    share: int
    each: int
    weights: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class MixTask:
    """What is to be served: `slices` of each size, by `options`, each replica of which may take `most`. `available` are
    the units of what is limited."""

    options: tuple[MixOption, ...]
    sizes: int
    slices: int
    most: int
    available: Mapping[Hashable, int]


@dataclass(frozen=True, slots=True)
class Mix:
    """Slices of each size by option (its place), what the instances cost, and the least that is proven of any mix.

    `unique` is whether all that decides between equal mixes was proven too.
    """

    slices: Mapping[int, tuple[int, ...]]
    cost: int
    bound: int
    unique: bool

    @property
    def proven(self) -> bool:
        """Whether no mix costs less."""
        return self.bound == self.cost


def replicas_of(task: MixTask, option: MixOption, slices: Sequence[int]) -> int:
    """Return the fewest replicas that serve some slices of each size."""
    taken = sum(count * (weight or 0) for count, weight in zip(slices, option.weights, strict=True) if count)
    return -(-taken // task.most)


def rented(task: MixTask, slices: Mapping[int, Sequence[int]]) -> list[tuple[MixOption, int]]:
    """Return the instances of a mix: an option of each pool that is shared, or of its own, and how many."""
    own: list[tuple[MixOption, int]] = []
    shared: dict[Hashable, tuple[MixOption, int]] = {}
    for place, counts in slices.items():
        option = task.options[place]
        replicas = replicas_of(task, option, counts)
        if option.share:
            shared[option.pool] = option, shared.get(option.pool, (option, 0))[1] + replicas * option.share
        else:
            own.append((option, -(-replicas // option.replicas)))
    return own + [(option, -(-gpus // option.gpus)) for option, gpus in shared.values()]


def cost_of(task: MixTask, slices: Mapping[int, Sequence[int]]) -> tuple[int, int]:
    """Return what the instances of a mix cost, and their GPUs."""
    instances = rented(task, slices)
    return sum(count * item.price for item, count in instances), sum(count * item.gpus for item, count in instances)


def faults(task: MixTask, slices: Mapping[int, Sequence[int]]) -> list[str]:
    """Return what is wrong with a mix: slices that are served by none or twice, or where they cannot be, and more units
    of something than there are."""
    out = []
    for size in range(task.sizes):
        served = sum(counts[size] for counts in slices.values())
        if served != task.slices:
            out.append(f"{served} of {task.slices} slices of size {size} are served")
    for place, counts in slices.items():
        option = task.options[place]
        if any(count < 0 or (count and weight is None) for count, weight in zip(counts, option.weights, strict=True)):
            out.append(f"{option.name} serves a size that it cannot serve")
    taken: dict[Hashable, int] = {}
    for item, count in rented(task, slices):
        taken[item.stock] = taken.get(item.stock, 0) + count * item.units
    short = {stock: has for stock, has in task.available.items() if taken.get(stock, 0) > has}
    return out + [f"{stock} has {has} units, not {taken[stock]}" for stock, has in short.items()]


def undominated(task: MixTask) -> tuple[int, ...]:
    """Return the places of options that no other can replace in every mix.

    One replaces another where each of its instances may stand for one of the other: it costs no more, has no more GPUs,
    holds as many replicas, takes no more of any size, and is of the same stock with no more units, or of one without
    limit. What shares instances may find room on one that is paid anyway: only what shares the same replaces it, with
    no larger a share.
    """

    def order(place: int) -> tuple[object, ...]:
        item = task.options[place]
        weights = tuple(weight is None for weight in item.weights), tuple(weight or 0 for weight in item.weights)
        limited = item.stock in task.available
        return item.price, item.gpus, -item.replicas, item.each, *weights, limited, item.units, item.name

    kept: list[MixOption] = []
    out: list[int] = []
    for place in clock.watched(sorted(range(len(task.options)), key=order), 10):
        item = task.options[place]
        if any(weight is not None for weight in item.weights) and not any(_replaces(task, have, item) for have in kept):
            kept.append(item)
            out.append(place)
    return tuple(sorted(out))


def _replaces(task: MixTask, have: MixOption, item: MixOption) -> bool:
    if have.price > item.price or have.gpus > item.gpus or have.replicas < item.replicas or have.each > item.each:
        return False
    if item.share and (have.pool != item.pool or not have.share):
        return False
    if have.stock in task.available and (have.stock != item.stock or have.units > item.units):
        return False
    return all(
        other is None or (own is not None and own <= other)
        for own, other in zip(have.weights, item.weights, strict=True)
    )


def best_alone(task: MixTask) -> Mix | None:
    """Return the cheapest single option that serves everything, then the one with the fewest GPUs, then by the digest
    of its name; None where no option can."""
    best: tuple[int, int, int, int] | None = None
    every = (task.slices,) * task.sizes
    for place, option in enumerate(task.options):
        if any(weight is None for weight in option.weights) or faults(task, {place: every}):
            continue
        cost, gpus = cost_of(task, {place: every})
        best = min(item for item in (best, (cost, gpus, rank(option.name), place)) if item is not None)
    if best is None:
        return None
    return Mix({best[3]: every}, best[0], best[0], True)


def rank(name: str) -> int:
    """Return a number of a name that has nothing to do with its alphabetical place."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> (64 - RANK_BITS)


class Nothing(Exception):
    """No mix serves everything (`proven`), or none was found in time."""

    def __init__(self, proven: bool) -> None:
        """Say whether that is proven."""
        super().__init__()
        self.proven = proven


def solve(task: MixTask, seconds: Callable[[], float], workers: int = 1, any_of_equal: bool = False) -> Mix:
    """Return the cheapest mix, of those the one with the fewest GPUs rented and then used, with the least work, and
    between equal ones by digests of names; raise Nothing where there is none.

    Where time runs out before its cost is proven, the best one found with what is proven of any. With `any_of_equal`
    any of the cheapest, which is found sooner.
    """
    places = undominated(task)
    served = {size for place in places for size, weight in enumerate(task.options[place].weights) if weight is not None}
    if len(served) < task.sizes:
        raise Nothing(True)
    ahead = _incumbent(task, places)
    fleet = _model(task, places, ahead)
    model, parts = fleet.model, fleet.parts
    cost = fleet.of_instances(lambda item: item.price)
    hint = None if ahead is None else fleet.hint(task, places, ahead)
    first = cpsat.solve(model, cost, seconds=seconds(), workers=workers, hint=hint)
    if first is None and ahead is None:
        raise Nothing(cpsat.infeasible(model, seconds=max(0.05, seconds())) is True)
    if first is None:
        assert ahead is not None
        return Mix(ahead, cost_of(task, ahead)[0], 0, False)
    if not first.proven:
        slices = _slices(parts, places, first.values)
        if ahead is not None and cost_of(task, ahead)[0] < cost_of(task, slices)[0]:
            slices = ahead
        return Mix(slices, cost_of(task, slices)[0], max(0, first.bound), False)
    if any_of_equal:
        return Mix(_slices(parts, places, first.values), first.value, first.value, False)
    model.row(cost, high=first.value)
    last, unique = first, True
    ranked = {fleet.replicas[place]: rank(task.options[place].name) for place in places}
    used = {fleet.replicas[place]: task.options[place].each for place in places}
    for terms in (fleet.of_instances(lambda item: item.gpus), used, ranked):
        better = cpsat.solve(model, terms, seconds=max(0.05, seconds()), workers=workers, hint=last.values)
        if better is not None:
            last = better
            model.row(terms, high=better.value)
        if better is None or not better.proven:
            unique = False
            break
    slices = _slices(parts, places, last.values)
    if unique:
        replicas = {place: last.values[fleet.replicas[place]] for place in places}
        slices, unique = _divided(task, replicas, slices, seconds, workers)
    return Mix(slices, cost_of(task, slices)[0], first.value, unique)


def _divided(
    task: MixTask,
    replicas: Mapping[int, int],
    slices: Mapping[int, tuple[int, ...]],
    seconds: Callable[[], float],
    workers: int,
) -> tuple[dict[int, tuple[int, ...]], bool]:
    """Return how replicas that are chosen divide the traffic with the least work, then by digests of names, and whether
    that is proven; `slices` are one way to."""
    model = cpsat.IntegerModel()
    parts = {
        (place, size): model.variable(0, task.slices)
        for place, count in replicas.items()
        if count
        for size, weight in enumerate(task.options[place].weights)
        if weight is not None
    }
    for size in range(task.sizes):
        model.row({at: 1 for (_, of), at in parts.items() if of == size}, task.slices, task.slices)
    chosen = [place for place, count in replicas.items() if count]
    for place in chosen:
        taken = {at: task.options[place].weights[size] or 0 for (own, size), at in parts.items() if own == place}
        model.row(taken, high=task.most * replicas[place])
    values = tuple(slices.get(place, (0,) * task.sizes)[size] for place, size in parts)
    work = {at: _work(task, place, size) for (place, size), at in parts.items()}
    order = {at: rank(f"{task.options[place].name} {size}") for (place, size), at in parts.items()}
    for terms in (work, order):
        better = cpsat.solve(model, terms, seconds=max(0.05, seconds()), workers=workers, hint=values)
        if better is None or not better.proven:
            return _slices(parts, chosen, values), False
        values = better.values
        model.row(terms, high=better.value)
    return _slices(parts, chosen, values), True


def _work(task: MixTask, place: int, size: int) -> int:
    """Return what a slice takes of a replica in millionths, for a goal whose sums stay small."""
    return -(-(task.options[place].weights[size] or 0) * 10**6 // task.most)


@dataclass(slots=True)
class _Variables:
    """The model of a mix, and its variables: the replicas of each option, the instances of each pool that is shared and
    of each option that has its own, and the slices of each size that an option serves."""

    model: cpsat.IntegerModel
    replicas: dict[int, int]
    instances: list[tuple[int, MixOption, tuple[int, ...]]]
    parts: dict[tuple[int, int], int]

    def of_instances(self, figure: Callable[[MixOption], int]) -> dict[int, int]:
        """Return the sum over all instances of a figure of theirs."""
        return {at: figure(option) for at, option, _ in self.instances}

    def hint(self, task: MixTask, places: Sequence[int], ahead: Mapping[int, Sequence[int]]) -> list[int]:
        """Return the values of all variables in a mix."""
        out = [0] * len(self.model.ranges)
        nothing = (0,) * task.sizes
        count = {place: replicas_of(task, task.options[place], ahead.get(place, nothing)) for place in places}
        for place in places:
            out[self.replicas[place]] = count[place]
        for at, option, members in self.instances:
            gpus = sum(count[place] * task.options[place].share for place in members)
            own = sum(count[place] for place in members)
            out[at] = -(-gpus // option.gpus) if option.share else -(-own // option.replicas)
        for (place, size), at in self.parts.items():
            out[at] = ahead.get(place, nothing)[size]
        return out


def _model(task: MixTask, places: Sequence[int], ahead: Mapping[int, Sequence[int]] | None) -> _Variables:
    """Return the model: what is served, by how many replicas, on how many instances. No more instances are tried than a
    mix that is known costs."""
    model = cpsat.IntegerModel()
    fleet = _Variables(model, {}, [], {})
    most_cost = None if ahead is None else cost_of(task, ahead)[0]
    pools: dict[Hashable, list[int]] = {}
    for place in places:
        option = task.options[place]
        pools.setdefault(("pool", option.pool) if option.share else ("own", place), []).append(place)
        every = [task.slices if weight is not None else 0 for weight in option.weights]
        fleet.replicas[place] = model.variable(0, replicas_of(task, option, every))
        for size, weight in enumerate(option.weights):
            if weight is not None:
                fleet.parts[place, size] = model.variable(0, task.slices)
    for members in pools.values():
        option = task.options[members[0]]
        most = sum(-(-model.ranges[fleet.replicas[place]][1] // task.options[place].replicas) for place in members)
        if option.stock in task.available:
            most = min(most, task.available[option.stock] // option.units)
        if most_cost is not None and option.price:
            most = min(most, most_cost // option.price)
        at = model.variable(0, most)
        fleet.instances.append((at, option, tuple(members)))
        if option.share:
            model.row(
                {**{fleet.replicas[place]: task.options[place].share for place in members}, at: -option.gpus}, high=0
            )
        else:
            model.row({fleet.replicas[members[0]]: 1, at: -option.replicas}, high=0)
    for size in range(task.sizes):
        model.row({at: 1 for (_, of), at in fleet.parts.items() if of == size}, task.slices, task.slices)
    for place in places:
        option, replicas = task.options[place], fleet.replicas[place]
        weights = [(size, weight) for size, weight in enumerate(option.weights) if weight is not None]
        model.row({**{fleet.parts[place, size]: weight for size, weight in weights}, replicas: -task.most}, high=0)
        for size, _ in weights:  # a size that is served needs a replica
            model.row({fleet.parts[place, size]: 1, replicas: -task.slices}, high=0)
    for stock, has in task.available.items():
        model.row({at: item.units for at, item, _ in fleet.instances if item.stock == stock}, high=has)
    return fleet


def _slices(
    parts: Mapping[tuple[int, int], int], places: Sequence[int], values: Sequence[int]
) -> dict[int, tuple[int, ...]]:
    """Return the slices of each size by option, of those that serve any."""
    sizes = 1 + max(size for _, size in parts)
    out = {
        place: tuple(values[parts[place, size]] if (place, size) in parts else 0 for size in range(sizes))
        for place in places
    }
    return {place: counts for place, counts in out.items() if any(counts)}


def _incumbent(task: MixTask, places: Sequence[int]) -> dict[int, tuple[int, ...]] | None:
    """Return a mix that is likely good: the best option alone, or each size where it is cheapest by its share of an
    instance; None where neither keeps what is available."""
    found: list[dict[int, tuple[int, ...]]] = []
    alone = best_alone(
        MixTask(tuple(task.options[place] for place in places), task.sizes, task.slices, task.most, task.available)
    )
    if alone is not None:
        found.append({places[place]: counts for place, counts in alone.slices.items()})
    counts: dict[int, list[int]] = {}
    for size in range(task.sizes):
        shares = [
            (Fraction(weight * option.price, option.replicas), place)
            for place in places
            if (weight := (option := task.options[place]).weights[size]) is not None
        ]
        if shares:
            counts.setdefault(min(shares)[1], [0] * task.sizes)[size] = task.slices
    apart = {place: tuple(own) for place, own in counts.items()}
    if not faults(task, apart):
        found.append(apart)
    return min(found, key=lambda slices: cost_of(task, slices), default=None)
