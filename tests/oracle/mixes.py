"""Random mixes and their best answers, found by trying every way to divide the traffic: no model and no solver."""

from __future__ import annotations

import random
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace
from itertools import product

from planner.solve.mix.model import Mix, MixOption, MixTask, Nothing, best_alone, faults, solve

Worth = tuple[int, int, int]
"""What an answer costs, the GPUs that are rented for it, and those that are used."""


@dataclass(frozen=True)
class Host:
    """What is rented: a machine of so many GPUs at a price, and how many there are, None for any number."""

    gpus: int
    price: int
    limit: int | None


def task(seed: int, sizes: int = 3, options: int = 3, slices: int = 2, limited: bool = True) -> MixTask:
    """Return a random mix: hosts of one to eight GPUs, replicas that share them or not, sizes that not all serve."""
    chance = random.Random(seed)
    alike = chance.random() < 0.5  # options that nearly replace each other
    hosts = [
        Host(
            chance.choice((1, 2, 4, 8) if alike else (1, 1, 2, 4, 8)),
            chance.randint(3, 6) if alike else chance.randint(0 if chance.random() < 0.05 else 1, 40),
            chance.randint(0, 4) if limited and chance.random() < 0.3 else None,
        )
        for _ in range(chance.randint(1, 3))
    ]
    heavy, able = chance.choice((8, 40, 150)), chance.choice((0.5, 0.8))
    usual = [chance.randint(1, heavy) for _ in range(sizes)]
    chosen: list[MixOption] = []
    for number in range(options):
        place = chance.randrange(len(hosts))
        host = hosts[place]
        each = chance.choice([count for count in (1, 2, 3, 4, 8) if count <= host.gpus])
        packs = each < host.gpus and each in (1, 2, 4) and host.gpus % each == 0
        drawn = usual if alike else [chance.randint(1, heavy) for _ in range(sizes)]
        weights = tuple(weight if chance.random() < able else None for weight in drawn)
        held = host.gpus // each
        chosen.append(
            MixOption(
                name=f"option {number}",
                pool=place,
                stock=place,
                price=host.price,
                replicas=held,
                gpus=host.gpus,
                units=1,
                share=each if packs else 0,
                each=each,
                weights=weights,
            )
        )
    limits: dict[Hashable, int] = {place: host.limit for place, host in enumerate(hosts) if host.limit is not None}
    return MixTask(tuple(chosen), sizes, slices, 100, limits)


def ways(options: int, slices: int) -> Iterator[tuple[int, ...]]:
    """Yield every way to divide the slices of one size among options."""
    if options == 1:
        yield (slices,)
        return
    for first in range(slices + 1):
        for rest in ways(options - 1, slices - first):
            yield (first, *rest)


def best(of: MixTask) -> Worth | None:
    """Return the least that any way to serve a task is worth; None where none keeps what is limited."""
    count = len(of.options)
    found: Worth | None = None
    for way in product(ways(count, of.slices), repeat=of.sizes):
        worth = worth_of(of, way)
        if worth is not None and (found is None or worth < found):
            found = worth
    return found


def worth_of(of: MixTask, way: tuple[tuple[int, ...], ...]) -> Worth | None:
    """Return what a way is worth, by size and option; None where an option cannot serve it or too little is there."""
    packed: dict[object, int] = {}
    machines: dict[object, int] = {}
    cost = rented = used = 0
    of_pool = {item.pool: item for item in of.options}
    for place, item in enumerate(of.options):
        work = 0
        for size in range(of.sizes):
            weight = item.weights[size]
            if way[size][place] and weight is None:
                return None
            work += way[size][place] * (weight or 0)
        replicas = (work + of.most - 1) // of.most
        used += replicas * item.each
        if item.share:
            packed[item.pool] = packed.get(item.pool, 0) + replicas * item.share
            continue
        here = (replicas + item.replicas - 1) // item.replicas
        machines[item.pool] = machines.get(item.pool, 0) + here
    for pool, gpus in packed.items():
        machines[pool] = machines.get(pool, 0) + (gpus + of_pool[pool].gpus - 1) // of_pool[pool].gpus
    for pool, here in machines.items():
        if here > of.available.get(pool, here):
            return None
        cost, rented = cost + here * of_pool[pool].price, rented + here * of_pool[pool].gpus
    return cost, rented, used


def answered(of: MixTask) -> Worth | None:
    """Return what the solver's answer is worth, counted here; None where it proves that there is none."""
    try:
        mix = solve(of, lambda: 30.0)
    except Nothing as reason:
        assert reason.proven
        return None
    assert mix.proven and mix.unique and not faults(of, mix.slices), mix
    return counted(of, mix)


def counted(of: MixTask, mix: Mix) -> Worth:
    """Return what a mix is worth; its own cost must be that."""
    way = tuple(
        tuple(mix.slices.get(place, (0,) * of.sizes)[size] for place in range(len(of.options)))
        for size in range(of.sizes)
    )
    assert all(sum(counts) == of.slices for counts in way)
    worth = worth_of(of, way)
    assert worth is not None and worth[0] == mix.cost, (worth, mix)
    return worth


def wrong(seed: int) -> str:
    """Return what is wrong with the answer to a random mix; empty where nothing is."""
    chance = random.Random(seed)
    of = task(seed, chance.randint(1, 3), chance.randint(2, 3), chance.randint(1, 3))
    right, found = best(of), answered(of)
    return "" if right == found else f"{found} is answered, {right} is the best of {of}"


def law(seed: int) -> str:
    """Return which law the answers to a random mix and to one like it break; empty where none."""
    of = task(seed, 4, 5, 4, limited=False)
    first = answered(of)
    alone = best_alone(of)
    if alone is not None and (first is None or counted(of, alone)[0] < first[0]):
        return "a mix costs more than one configuration alone"
    fewer = replace(of, options=of.options[:-1])
    if (less := answered(fewer)) is not None and (first is None or less[0] < first[0]):
        return "one more configuration makes the mix dearer"
    if first is None:
        return ""
    double = tuple(
        replace(item, weights=tuple(None if weight is None else 2 * weight for weight in item.weights))
        for item in of.options
    )
    twice = answered(replace(of, options=double))
    if twice is None or not first[0] <= twice[0] <= 2 * first[0]:
        return "twice the traffic costs less, or more than twice as much"
    dearer = tuple(replace(item, price=2 * item.price) for item in of.options)
    other = answered(replace(of, options=dearer))
    if other is None or other[0] != 2 * first[0]:
        return "twice the prices are not twice the cost"
    mix, back = solve(of, lambda: 30.0), solve(replace(of, options=of.options[::-1]), lambda: 30.0)
    count = len(of.options)
    if mix.slices != {count - 1 - place: slices for place, slices in back.slices.items()}:
        return "the order of the configurations decides between equal answers"
    return ""
