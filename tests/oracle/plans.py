"""A fleet as data, and the text of its plan."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product
from typing import Any

from .words import Term, text


@dataclass(frozen=True)
class Offer:
    """What may be rented: prices in cents an hour; owned where no provider is said."""

    name: str
    gpu: str
    gpus: int
    price: int
    spot: int | None = None
    available: int | None = None
    owned: bool = False
    singly: bool = False

    @property
    def limit(self) -> int | None:
        """How many instances there are: one of an owned machine unless it says more, None for any number."""
        if self.available is not None:
            return self.available
        return 1 if self.owned or not self.price else None

    def price_on(self, market: str) -> int | None:
        """Return the price on a market, in cents an hour; None where it is not sold there."""
        return self.spot if market == "spot" else self.price

    def __str__(self) -> str:
        parts = [f"gpu = {self.gpu}; gpus = {self.gpus}; price = {money(self.price)}"]
        parts += [] if self.owned else ["provider = lambda"]
        parts += [] if self.spot is None else [f"spot = {money(self.spot)}"]
        parts += [] if self.available is None else [f"available = {self.available}"]
        parts += ["sold_by = gpu"] if self.singly else []
        return f"offer {self.name} {{ {'; '.join(parts)} }}"


def _each(condition: Term, every: dict[str, list[str]]) -> list[Term]:
    """Return a condition for each workload of the blocks that it names."""
    named = sorted({owner for owner in _named(condition) if owner in every})
    out = []
    for chosen in product(*(every[owner] for owner in named)):
        out.append(_about(condition, dict(zip(named, chosen, strict=True))))
    return out


def _named(term: object) -> Iterator[str]:
    if isinstance(term, tuple):
        if term[:1] == ("of",):
            yield term[1]
        else:
            for part in term:
                yield from _named(part)


def _about(term: Any, names: dict[str, str]) -> Any:
    if not isinstance(term, tuple):
        return term
    if term[:1] == ("of",):
        return ("of", names.get(term[1], term[1]), term[2])
    return tuple(_about(part, names) for part in term)


def money(cents: int) -> str:
    """Return a price as a plan writes it."""
    return f"${cents // 100}.{cents % 100:02d}/h"


@dataclass(frozen=True)
class Bound:
    """A bound of a block: the quantity, how it is compared, the value in canonical units and as it is written."""

    quantity: str
    operator: str
    value: Fraction
    written: str

    def __str__(self) -> str:
        return f"{self.quantity} {self.operator} {self.written}"


@dataclass(frozen=True)
class Job:
    """A workload: `given` is text of what it is, the `sets` are what it leaves open, by quantity; it is there `copies`
    times."""

    name: str
    kind: str
    given: str
    sets: dict[str, tuple[str, ...]]
    bounds: tuple[Bound, ...] = ()
    copies: int = 1

    def __str__(self) -> str:
        open_ = "; ".join(f"{name} in {{{', '.join(values)}}}" for name, values in self.sets.items())
        bounds = "".join(f"; {bound}" for bound in self.bounds)
        copies = f"; copies = {self.copies}" if self.copies > 1 else ""
        return f"{self.kind} {self.name} {{ {self.given}{copies}; {open_}{bounds} }}"


@dataclass(frozen=True)
class Wish:
    """A preference: its worth is in cents an hour."""

    name: str
    condition: Term
    worth: int


@dataclass(frozen=True)
class Plan:
    """All of a plan. `goals` are (quantity or workload.quantity, direction); none is the default."""

    offers: tuple[Offer, ...]
    jobs: tuple[Job, ...]
    fleet: tuple[Bound, ...] = ()
    rules: tuple[tuple[str, Term], ...] = ()
    wishes: tuple[Wish, ...] = ()
    goals: tuple[tuple[str, str], ...] = ()

    def written_out(self, mark: str = "#") -> Plan:
        """Return the plan with a workload for each copy: `a`, then `a#2`; what names one of them is there for each."""
        if all(job.copies == 1 for job in self.jobs):
            return self
        every = {
            job.name: [job.name, *(f"{job.name}{mark}{number}" for number in range(2, job.copies + 1))]
            for job in self.jobs
        }
        jobs = [replace(job, name=name, copies=1) for job in self.jobs for name in every[job.name]]
        rules = [
            (f"{name}_{place}" if place else name, each)
            for name, condition in self.rules
            for place, each in enumerate(_each(condition, every))
        ]
        wishes = [
            replace(wish, name=f"{wish.name}_{place}" if place else wish.name, condition=each)
            for wish in self.wishes
            for place, each in enumerate(_each(wish.condition, every))
        ]
        return replace(self, jobs=tuple(jobs), rules=tuple(rules), wishes=tuple(wishes))

    def __str__(self) -> str:
        lines = [str(item) for item in (*self.offers, *self.jobs)]
        lines += [f"fleet {{ {'; '.join(map(str, self.fleet))} }}"] if self.fleet else []
        lines += [f"require {name}: {text(condition)}" for name, condition in self.rules]
        lines += [f"prefer {wish.name}: {text(wish.condition)} worth {money(wish.worth)}" for wish in self.wishes]
        lines += [" then ".join(f"{direction} {quantity}" for quantity, direction in self.goals)] if self.goals else []
        return "\n".join(lines) + "\n"
