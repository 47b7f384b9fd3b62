"""A row of the one table of quantities, and how rows are written."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

from planner.record import dataclass

Role = Literal["given", "decision", "outcome"]

INFERENCE = "inference"
TRAINING = "training"
BOTH = (INFERENCE, TRAINING)


@dataclass(frozen=True, slots=True)
class Quantity:
    """A row of the table. `type` is number, format, gpu, offer, model, engine, word, words, text, set or boolean.

    `default` is what a plan has that does not mention it, "" where that is nothing at all; defaults that follow from
    something else are in planner/language/defaults.py. `whole` numbers have no fraction; what is `free` is chosen
    where a plan does not mention it; `everything` is what `any` offers of a number that is not free. A `share` is
    printed in per cent. The fields from `steps` on are of outcomes.
    """

    name: str
    kinds: tuple[str, ...]
    role: Role
    type: str
    doc: str
    unit: str | None = None
    words: tuple[str, ...] = ()
    default: object = None
    low: Fraction | None = None
    high: Fraction | None = None
    whole: bool = False
    everything: tuple[int, ...] = ()
    free: bool = False
    share: bool = False
    steps: int = 1
    """In how many steps of a canonical unit it is counted."""
    better: Literal["less", "more"] = "less"
    key: tuple[str, str] = ("", "")
    """Its key in JSON where that names the unit: what comes before `_safe`, and the unit."""
    timed: bool = False
    """Whether it is a time or follows from one: rules take its safe end, objectives its expected value."""
    money: Literal["", "rent", "tokens"] = ""
    """What it is the price of, where it grows with the price of what is rented."""
    follows: frozenset[Literal["hosts", "replicas"]] = frozenset()
    """What changes it: hosts and their network, or the number of replicas."""
    goal: bool = True
    """Whether it can be an objective."""


HIGHEST = {
    name: Fraction(most)
    for most, names in (
        (2**32, ("context", "prompt", "output", "shared_prefix", "vision_tokens", "max_batched_tokens")),
        (2**27, ("sequence",)),
        (2**50, ("offloaded_weights", "offloaded_cache")),
        (10**6, ("concurrency", "total_concurrency", "max_sequences", "demand", "adapters")),
        (65_536, ("adapter_rank",)),
        (10**9, ("global_batch",)),
        (10**18, ("tokens",)),
    )
    for name in names
}
"""The most that a given number can be: far beyond what is built, so that every figure can be counted."""


def count(
    name: str,
    kinds: tuple[str, ...],
    role: Role,
    doc: str,
    low: int = 1,
    high: int = 4096,
    everything: tuple[int, ...] = (),
    free: bool = False,
    default: int | None = None,
) -> Quantity:
    """Return the row of a whole number; `everything` is what `any` offers where the number is not free anyway."""
    least, most, unsaid = Fraction(low), Fraction(high), None if default is None else Fraction(default)
    return Quantity(name, kinds, role, "number", doc, None, (), unsaid, least, most, True, everything, free)


def number(
    name: str,
    kinds: tuple[str, ...],
    role: Role,
    unit: str | None,
    doc: str,
    low: int | None = 0,
    whole: bool = False,
    default: int | None = None,
) -> Quantity:
    """Return the row of a number in a unit; what is given is no larger than HIGHEST says."""
    least, most = None if low is None else Fraction(low), HIGHEST.get(name) if role == "given" else None
    unsaid = None if default is None else Fraction(default)
    return Quantity(name, kinds, role, "number", doc, unit, (), unsaid, least, most, whole)


def word(name: str, kinds: tuple[str, ...], role: Role, words: str, default: str, doc: str) -> Quantity:
    """Return the row of one word of a few."""
    return Quantity(name, kinds, role, "word", doc, words=tuple(words.split()), default=default or None)
