"""What SPEC says of a combination, one choice a workload on an offer and a market: what it rents, breaks and is worth.

What is compared, in this order (SPEC §7): the objective as written; cost, or where all workloads are trainings that say
`tokens` total cost and then duration (and then, with preferences, cost); rented GPUs, whole instances; quality; each
workload's time, in the order of their names; used GPUs; headroom. Duration, quality and headroom of several workloads
are sums there; what nobody knows is worse than all that is known. What still ties are names, of which `verdict.py`
asks. What preferences that are not kept are worth joins a cost that is minimised. A workload's cost is its share,
wherever it is read. Numbers are counted in 10^-15 of their unit, exactly; of the price of a run the program says whole
micro-dollars, and these count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from . import physics
from .physics import GRAIN
from .plans import Job, Offer, Plan
from .words import compare, reads, value

CENT = GRAIN // 100
MICRO = GRAIN // 10**6
UPWARDS = frozenset({"quality", "headroom", "throughput", "kv_tokens", "max_concurrency", "max_context", "mfu"})
SUMS = frozenset({"cost", "gpus", "power", "throughput", "replicas", "total_cost"})
"""What workloads have together; of all else the worst one counts (docs/language.md, Objectives)."""
ONLY = {
    "inference": frozenset(
        ["replicas", "kv_tokens", "max_concurrency", "max_context", "cost_per_token", "ttft", "tpot"]
    ),
    "training": frozenset(["step_time", "mfu", "duration", "total_cost"]),
}
"""Quantities that one kind has and the other has not."""
TIMES = frozenset({"tpot", "ttft", "throughput", "step_time", "mfu", "duration"})
"""Bounds hold at the safe end of these, objectives and tie-breaks take what is expected (SPEC §6)."""
UNKNOWN = 10**40
"""What nobody knows is worse than all that somebody knows."""
Key = tuple[int, ...]
Pool = tuple[str, str]
"""An offer and a market."""


@dataclass(frozen=True)
class Row:
    """One way to run one workload: its choice, where it is rented, and what it would rent and pay alone."""

    job: Job
    choice: physics.Choice
    offer: Offer
    market: str
    gpus: int
    instances: int
    price: int
    shared: bool
    values: Mapping[str, Any]
    whole: Mapping[str, int]

    @property
    def pool(self) -> Pool:
        """Where it is rented."""
        return self.offer.name, self.market


def alone(offer: Offer, gpus: int, together: int, nodes: int = 1) -> tuple[int, bool] | None:
    """Return the instances that hold `gpus` in groups that must stay together, and whether others may share them.

    Groups that are a power of two and divide an instance pack without a gap, whoever they belong to; who fills whole
    instances leaves nothing to share. So many `nodes` as
    there are groups of a replica are not more than needed.
    """
    groups = (8 if offer.singly else offer.gpus) // together
    if not groups or (nodes > 1 and groups * (nodes - 1) >= nodes):
        return None
    if offer.singly:
        return gpus, False
    packs = together.bit_count() == 1 and offer.gpus % together == 0 and gpus % offer.gpus > 0
    return -(-(gpus // together) // groups), packs


def rows_of(plan: Plan) -> list[list[Row]]:
    """Return of each workload, in the order of their names, every way to run it that fits."""
    every = []
    for job in sorted(plan.jobs, key=lambda job: job.name):
        offers = [offer for offer in plan.offers if offer.name in job.sets["offer"]]
        gpus = job.sets.get("gpu")
        every.append((job, [offer for offer in offers if gpus is None or offer.gpu in gpus], physics.choices(job)))
    held = [
        [
            (job, offer, choice)
            for offer in offers
            for choice in _on_hosts(plan, job, offer, choices)
            if _alone(offer, choice) is not None
        ]
        for job, offers, choices in every
    ]
    physics.learn(item for items in held for item in items)
    return [[row for item in items for row in _rows(*item)] for items in held]


def _on_hosts(plan: Plan, job: Job, offer: Offer, choices: Sequence[physics.Choice]) -> list[physics.Choice]:
    """Return choices with the hosts of a replica of a service: one, or as many as the smallest replica needs (SPEC §1).

    Each host has whole stages, or a stage whole hosts.
    """
    if job.kind == "training":
        return list(choices)
    mine = [item for item in plan.offers if item.name in job.sets["offer"] and item.gpu == offer.gpu]
    largest = max(8 if item.singly else item.gpus for item in mine)
    sizes = [(int(dict(choice)["gpus"]) // int(dict(choice)["replicas"]), choice) for choice in choices]
    nodes = -(-min((size for size, _ in sizes), default=1) // largest)
    out = []
    for size, choice in sizes:
        tensor, each = int(dict(choice)["tensor_parallel"]), size // nodes
        if size % nodes == 0 and (each % tensor == 0 or tensor % each == 0):
            out.append((*choice, ("nodes", str(nodes))))
    return out


def _alone(offer: Offer, choice: physics.Choice) -> tuple[int, bool] | None:
    """Return what a choice rents where nobody else is; None where no instance holds it, or too few are there."""
    chosen = dict(choice)
    together, nodes = int(chosen["tensor_parallel"]), int(chosen.get("nodes", 1))
    if "nodes" in chosen:
        together = int(chosen["gpus"]) // int(chosen["replicas"]) // nodes
    found = alone(offer, int(chosen["gpus"]), together, nodes)
    return None if found is None or (offer.limit is not None and found[0] > offer.limit) else found


def _rows(job: Job, offer: Offer, choice: physics.Choice) -> list[Row]:
    found, rented = physics.facts(job, offer, choice), _alone(offer, choice)
    if found is None or not found.fits or rented is None:
        return []
    gpus = int(dict(choice)["gpus"])
    out = []
    for market in job.sets.get("market", ("on_demand",)):
        price = offer.price_on(market)
        if price is not None:
            values = {**found.values, "offer": offer.name, "market": market, "gpu": offer.gpu}
            out.append(Row(job, choice, offer, market, gpus, rented[0], price * CENT, rented[1], values, found.whole))
    return out


@dataclass(frozen=True)
class Rented:
    """What a combination rents: money and GPUs in all, instances of each offer, and what each workload pays."""

    cost: int
    gpus: int
    instances: dict[str, int]
    paid: tuple[tuple[int, int], ...]

    @property
    def shares(self) -> tuple[Fraction, ...]:
        """What each workload pays, in grains of a dollar an hour."""
        return tuple(Fraction(*part) for part in self.paid)


def rent(rows: Sequence[Row]) -> Rented:
    """Return what rows rent: whole instances, those that can be shared once, paid by what each would pay alone."""
    used: dict[Pool, int] = {}
    whole: dict[Pool, int] = {}
    for row in rows:
        if row.shared:
            used[row.pool] = used.get(row.pool, 0) + row.gpus
            whole[row.pool] = whole.get(row.pool, 0) + row.instances
    cost = gpus = 0
    instances: dict[str, int] = {}
    paid: list[tuple[int, int]] = []
    counted: set[Pool] = set()
    for row in rows:
        count = -(-used[row.pool] // row.offer.gpus) if row.shared else row.instances
        paid.append((row.price * row.instances * count, whole[row.pool]) if row.shared else (row.price * count, 1))
        if row.shared and row.pool in counted:
            continue
        counted.add(row.pool) if row.shared else None
        cost += row.price * count
        gpus += row.offer.gpus * count
        instances[row.offer.name] = instances.get(row.offer.name, 0) + count
    return Rented(cost, gpus, instances, tuple(paid))


class Truth:
    """What a plan says of combinations of rows, one a workload in the order of their names."""

    def __init__(self, plan: Plan) -> None:
        """Find every row of the plan."""
        plan = plan.written_out()
        self.plan = plan
        self.jobs = sorted(plan.jobs, key=lambda job: job.name)
        self.names = [job.name for job in self.jobs]
        self.place = {name: place for place, name in enumerate(self.names)}
        runs = all(job.kind == "training" and "tokens" in job.given for job in self.jobs)
        self.goals = plan.goals or (("total_cost" if runs else "cost", "minimize"),)
        self.last = (("total_cost", "duration") if runs else ()) + (("cost",) if plan.wishes or not runs else ())
        self.conditions = [(condition, reads(condition, self.names)) for _, condition in plan.rules]
        self.wishes = [(wish, reads(wish.condition, self.names)) for wish in plan.wishes]
        self.rows = [[row for row in rows if self._may(row)] for rows in rows_of(plan)]

    def _may(self, row: Row) -> bool:
        """Return whether a row keeps what is about it alone, money apart, which depends on who shares."""
        name = row.job.name
        if any(bound.quantity not in physics.MONEY and not _keeps(bound, row.values) for bound in row.job.bounds):
            return False
        look = {name: row.values}
        return all(
            value(condition, lambda owner, quantity: look[owner].get(quantity), self.names) is True
            for condition, of in self.conditions
            if only(of) == name
        )

    def look(self, rows: Sequence[Row], rented: Rented) -> Any:
        """Return how a condition finds the quantities of a combination; the price of a run in whole micro-dollars."""

        def find(owner: str, quantity: str) -> Any:
            place = self.place[owner]
            if quantity == "cost":
                return Fraction(*rented.paid[place]) / GRAIN
            if quantity in ("total_cost", "total_cost_expected"):
                seconds = rows[place].values.get(quantity.replace("total_cost", "duration"))
                paid, parts = rented.paid[place]
                return None if seconds is None else Fraction(round(paid * seconds / parts / (3600 * MICRO)), 10**6)
            return rows[place].values.get(quantity)

        return find

    def broken(self, rows: Sequence[Row], rented: Rented | None = None) -> list[str]:
        """Return the rules that a combination breaks."""
        rented = rented or rent(rows)
        out = []
        for offer in self.plan.offers:
            if offer.limit is not None and rented.instances.get(offer.name, 0) > offer.limit:
                out.append(f"{offer.name}.available")
        find = self.look(rows, rented)
        for job in self.jobs:
            for bound in job.bounds:
                found = find(job.name, bound.quantity)
                if found is None or not compare(bound.operator, found, bound.value):
                    out.append(f"{job.name}.{bound.quantity}")
        for bound in self.plan.fleet:
            if not compare(bound.operator, self._together(bound.quantity, rows, rented), bound.value):
                out.append(f"fleet.{bound.quantity}")
        for (name, condition), _ in zip(self.plan.rules, self.conditions, strict=True):
            if value(condition, find, self.names) is not True:
                out.append(name)
        return out

    def _together(self, quantity: str, rows: Sequence[Row], rented: Rented) -> Fraction:
        if quantity == "cost":
            return Fraction(rented.cost, GRAIN)
        if quantity.startswith("available."):
            return Fraction(sum(row.gpus for row in rows if f"available.{row.offer.gpu}" == quantity))
        find = self.look(rows, rented)
        known = (find(name, quantity) for name in self.names)
        return sum((found for found in known if found is not None), Fraction(0))

    def penalty(self, rows: Sequence[Row], rented: Rented) -> int:
        """Return what the preferences are worth that a combination does not keep."""
        find = self.look(rows, rented)
        return sum(
            wish.worth * CENT for wish in self.plan.wishes if value(wish.condition, find, self.names) is not True
        )

    def key(self, rows: Sequence[Row], rented: Rented | None = None) -> Key:
        """Return what a combination is compared by, all parts to be minimised."""
        rented = rented or rent(rows)
        find = self.look(rows, rented)
        out = [self._goal(quantity, direction, rows, rented, find) for quantity, direction in self.goals]
        out += [self._goal(quantity, "tie", rows, rented, find) for quantity in self.last]
        out.append(rented.gpus)
        out.append(sum(steps(row, "quality", -1) for row in rows))
        out += [time_of(row) for row in rows]
        out.append(sum(row.gpus for row in rows))
        out.append(sum(steps(row, "headroom", -1) for row in rows))
        return tuple(out)

    def _goal(self, goal: str, direction: str, rows: Sequence[Row], rented: Rented, find: Any) -> int:
        owner, _, quantity = goal.rpartition(".")
        sign = -1 if direction == "maximize" else 1
        if quantity == "cost" and not owner:
            return sign * rented.cost + (self.penalty(rows, rented) if sign == 1 else 0)
        names = [name for name in self.names if owner in ("", block_of(name))]
        mine = [rows[self.place[name]] for name in names if has(self.jobs[self.place[name]], quantity)]
        if quantity in physics.MONEY:
            expected = "total_cost_expected" if quantity == "total_cost" else quantity
            paid = (find(row.job.name, expected) for row in mine)
            known = [UNKNOWN if item is None else sign * int(item * GRAIN) for item in paid]
        else:
            known = [steps(row, quantity, sign) for row in mine]
        if not known:
            return 0
        return max(known) if self.is_worst(goal, direction) else sum(known)

    def is_worst(self, goal: str, direction: str) -> bool:
        """Return whether a goal is as good as the worst of the workloads that it is about."""
        owner, _, quantity = goal.rpartition(".")
        copies = sum(block_of(name) == owner for name in self.names)
        return quantity not in SUMS and direction != "tie" and (not owner or copies > 1)


def block_of(name: str) -> str:
    """Return the block that a workload is of."""
    return name.partition("#")[0]


def _keeps(bound: Any, values: Mapping[str, Any]) -> bool:
    found = values.get(bound.quantity)
    return found is not None and compare(bound.operator, found, bound.value)


def only(pairs: set[tuple[str, str]]) -> str | None:
    """Return the only workload that a condition reads, where it reads no money of it."""
    owners = {owner for owner, _ in pairs}
    return next(iter(owners)) if len(owners) == 1 and not any(name in physics.MONEY for _, name in pairs) else None


def has(job: Job, quantity: str) -> bool:
    """Return whether a workload of that kind has a quantity."""
    return all(quantity not in names for kind, names in ONLY.items() if kind != job.kind)


def steps(row: Row, quantity: str, sign: int = 1) -> int:
    """Return what a row has of a quantity, to be minimised."""
    found = row.whole.get(f"{quantity}_expected" if quantity in TIMES else quantity, row.whole.get(quantity))
    return UNKNOWN if found is None else sign * found


def time_of(row: Row) -> int:
    """Return the time of a token or a step."""
    return steps(row, "tpot" if row.job.kind == "inference" else "step_time")
