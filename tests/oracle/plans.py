"""A fleet as data, and the text of its plan."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

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
    """A workload: `given` is text of what it is, the `sets` are what it leaves open, by quantity."""

    name: str
    kind: str
    given: str
    sets: dict[str, tuple[str, ...]]
    bounds: tuple[Bound, ...] = ()

    def __str__(self) -> str:
        open_ = "; ".join(f"{name} in {{{', '.join(values)}}}" for name, values in self.sets.items())
        bounds = "".join(f"; {bound}" for bound in self.bounds)
        return f"{self.kind} {self.name} {{ {self.given}; {open_}{bounds} }}"


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

    def __str__(self) -> str:
        lines = [str(item) for item in (*self.offers, *self.jobs)]
        lines += [f"fleet {{ {'; '.join(map(str, self.fleet))} }}"] if self.fleet else []
        lines += [f"require {name}: {text(condition)}" for name, condition in self.rules]
        lines += [f"prefer {wish.name}: {text(wish.condition)} worth {money(wish.worth)}" for wish in self.wishes]
        lines += [" then ".join(f"{direction} {quantity}" for quantity, direction in self.goals)] if self.goals else []
        return "\n".join(lines) + "\n"
