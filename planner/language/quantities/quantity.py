"""A row of the one table of quantities, and how rows are written."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Literal

from planner.record import dataclass

Role = Literal["given", "decision", "outcome"]
Group = Literal["", "where", "arithmetic", "split", "text", "engine", "offloaded", "adapters", "deepspeed_sizes"]

INFERENCE = "inference"
TRAINING = "training"
BOTH = (INFERENCE, TRAINING)


@dataclass(frozen=True, slots=True)
class Quantity:
    """A row of the table. `type` is number, format, gpu, offer, model, engine, word, words, text, set or boolean.

    `default` is what a plan has that does not mention it, "" where that is nothing at all; defaults that follow from
    something else are in planner/language/defaults.py. `whole` numbers have no fraction; what is `free` is chosen
    where a plan does not mention it; `everything` is what `any` offers of a number that is not free. A `share` is
    printed in per cent. The fields from `steps` to `goal` are of outcomes.
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
    follows: frozenset[Literal["hosts", "replicas", "offer"]] = frozenset()
    """What changes it: hosts and their network, the number of replicas, or (of a decision) the offer that is rented."""
    goal: bool = True
    """Whether it can be an objective."""
    of_memory: bool = False
    """Whether it is the memory of a GPU, or follows from it alone."""
    held: bool = False
    """Whether it is what the cache of an engine holds."""
    meanings: tuple[str, ...] = ()
    """What each of the words means, one line for each, as `planner explain` says it."""
    computes: tuple[str, ...] = ()
    """Of a precision, the number format whose dense peak each of the words computes at."""
    unsaid: str = ""
    """From what its default follows where it has no one default, in words, as `planner explain` says it."""
    judged: bool = False
    """Whether its default follows from a catalog's row or from what is chosen (planner/solve/defaults.py)."""
    powers: bool = False
    """Whether models and engines count it in powers of two: `8k` of it is likely meant as `8Ki`."""
    group: Group = ""
    """What it belongs to. Decisions say where a workload runs, what it computes in, or only how it is divided; what is
    given may be of requests that are answered with text alone, a setting that an engine starts with, an amount kept in
    host memory, or of adapters or DeepSpeed."""
    neutral: tuple[str | bool | Fraction, ...] = ()
    """What of a decision is the default; of every other number it is 1."""
    turn: int = 0
    """The place of a decision among those that are left open, one after the other, to see whether that mends a plan."""
    suggested: bool = False
    """Whether its stated default is named where another value alone mends a plan that does not mention it."""
    by_value: bool = False
    """Whether an answer says on request where each value of a decision stands beside the choice."""
    per_layer: bool = False
    """Whether `per layer` can decide it for each layer."""


MOST_GPUS = 2**17
"""The most GPUs of a workload: some times the largest published run (16,384 for Llama 3, arXiv 2407.21783)."""


def count(
    name: str,
    kinds: tuple[str, ...],
    role: Role,
    doc: str,
    low: int = 1,
    high: int = 4096,
    *,
    default: int | None = None,
    **more: Any,
) -> Quantity:
    """Return the row of a whole number; `more` are further fields of it."""
    unsaid = None if default is None else Fraction(default)
    least, most = Fraction(low), Fraction(high)
    return Quantity(name, kinds, role, "number", doc, default=unsaid, low=least, high=most, whole=True, **more)


def number(
    name: str,
    kinds: tuple[str, ...],
    role: Role,
    unit: str | None,
    doc: str,
    low: int | None = 0,
    whole: bool = False,
    *,
    high: int | None = None,
    default: int | None = None,
    **more: Any,
) -> Quantity:
    """Return the row of a number in a unit; `more` are further fields of it.

    The most that a given number can be is far beyond what is built, so that every figure can be counted.
    """
    unsaid = None if default is None else Fraction(default)
    least, most = None if low is None else Fraction(low), None if high is None else Fraction(high)
    return Quantity(name, kinds, role, "number", doc, unit, default=unsaid, low=least, high=most, whole=whole, **more)


def word(
    name: str,
    kinds: tuple[str, ...],
    role: Role,
    meanings: Mapping[str, str],
    default: str | None,
    doc: str,
    *,
    type: Literal["word", "words"] = "word",
    **more: Any,
) -> Quantity:
    """Return the row of one word of a few, or of several; `meanings` says what each means."""
    words, lines = tuple(meanings), tuple(meanings.values())
    return Quantity(name, kinds, role, type, doc, words=words, default=default, meanings=lines, **more)
