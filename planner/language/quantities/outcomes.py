"""The outcomes of the one table of quantities, and what follows from their rows."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Literal

from planner.language.quantities.quantity import BOTH, INFERENCE, TRAINING, Quantity

SERVING, TRAINED = (INFERENCE,), (TRAINING,)


def outcome(
    name: str,
    kinds: tuple[str, ...],
    unit: str | None,
    doc: str,
    *,
    low: int | None = 0,
    follows: set[Literal["hosts", "replicas"]] | None = None,
    **more: Any,
) -> Quantity:
    """Return the row of an outcome: `more` are the fields of a `Quantity` from `share` on."""
    least = None if low is None else Fraction(low)
    return Quantity(name, kinds, "outcome", "number", doc, unit, low=least, follows=frozenset(follows or ()), **more)


OUTCOMES: tuple[Quantity, ...] = (
    outcome("memory", BOTH, "bytes", "The peak on the fullest GPU.", of_memory=True),
    outcome(
        "headroom",
        BOTH,
        None,
        "(usable - memory) / usable.",
        steps=10**9,
        better="more",
        share=True,
        low=None,
        of_memory=True,
    ),
    outcome(
        "cost",
        BOTH,
        "USD/h",
        "What the rented instances cost.",
        steps=10**6,
        money="rent",
        key=("cost", "usd_per_hour"),
    ),
    outcome(
        "quality", BOTH, None, "Measured recovery against the native format.", steps=10**12, better="more", share=True
    ),
    outcome(
        "tpot", SERVING, "s", "Time per output token.", steps=10**9, timed=True, follows={"hosts"}, key=("tpot", "s")
    ),
    outcome(
        "tpot_p95",
        SERVING,
        "s",
        "The time per output token that 95 % of requests keep.",
        steps=10**9,
        timed=True,
        key=("tpot_p95", "s"),
        goal=False,
    ),
    outcome(
        "ttft",
        SERVING,
        "s",
        "Time to the first token.",
        steps=10**9,
        timed=True,
        follows={"hosts", "replicas"},
        key=("ttft", "s"),
    ),
    outcome(
        "ttft_p95",
        SERVING,
        "s",
        "The time to the first token that 95 % of requests keep.",
        steps=10**9,
        timed=True,
        follows={"replicas"},
        key=("ttft_p95", "s"),
        goal=False,
    ),
    outcome(
        "load",
        SERVING,
        None,
        "The busy share of a service at its `demand`.",
        steps=10**9,
        timed=True,
        follows={"replicas"},
        share=True,
        goal=False,
    ),
    outcome(
        "throughput",
        BOTH,
        "tok/s",
        "Tokens per second: trained, or generated (at full load where `output` is stated).",
        steps=10**6,
        better="more",
        timed=True,
        follows={"hosts", "replicas"},
        key=("throughput", "tok_s"),
    ),
    outcome(
        "cost_per_token",
        SERVING,
        "USD/tok",
        "Cost of a generated token, with its share of the prompt where `output` is stated.",
        steps=10**15,
        timed=True,
        money="tokens",
        follows={"hosts", "replicas"},
        key=("cost", "usd_per_token"),
    ),
    outcome(
        "cost_per_input_token",
        SERVING,
        "USD/tok",
        "The prompt's part of what a request costs, per token of it: by the time that GPUs compute for it.",
        steps=10**15,
        timed=True,
        money="tokens",
        follows={"hosts", "replicas"},
        key=("cost", "usd_per_input_token"),
    ),
    outcome(
        "cost_per_output_token",
        SERVING,
        "USD/tok",
        "The answer's part of what a request costs, per token of it; with the prompt's it is all of `cost`.",
        steps=10**15,
        timed=True,
        money="tokens",
        follows={"hosts", "replicas"},
        key=("cost", "usd_per_output_token"),
    ),
    outcome("kv_tokens", SERVING, "tokens", "What the engine's cache will hold.", better="more", held=True),
    outcome("max_concurrency", SERVING, None, "Sequences of `context` that fit.", better="more", held=True),
    outcome("max_context", SERVING, "tokens", "The longest context at `concurrency`.", better="more", held=True),
    outcome(
        "step_time",
        TRAINED,
        "s",
        "Time of an optimizer step.",
        steps=10**9,
        timed=True,
        follows={"hosts"},
        key=("step_time", "s"),
    ),
    outcome(
        "mfu",
        TRAINED,
        None,
        "Model FLOPs utilization.",
        steps=10**9,
        better="more",
        timed=True,
        follows={"hosts"},
        share=True,
    ),
    outcome(
        "duration",
        TRAINED,
        "s",
        "Time of the whole run.",
        steps=10**6,
        timed=True,
        follows={"hosts"},
        key=("duration", "s"),
    ),
    outcome(
        "total_cost",
        TRAINED,
        "USD",
        "Price of the whole run.",
        steps=10**6,
        timed=True,
        money="rent",
        follows={"hosts"},
        key=("total_cost", "usd"),
    ),
    outcome("power", BOTH, "W", "Board power of the GPUs.", follows={"replicas"}, key=("power", "w")),
    outcome(
        "host_memory",
        BOTH,
        "bytes",
        "What the busiest host must hold of what is offloaded; the offer's RAM bounds it where that is known.",
        follows={"replicas"},
        goal=False,
    ),
)
"""What an answer says of a choice, in the order in which it is printed."""

STEPS = {row.name: row.steps for row in OUTCOMES}
UNITS = {row.name: row.unit for row in OUTCOMES if row.unit is not None}
"""The canonical unit of each outcome that has one."""
MORE_IS_BETTER = frozenset(row.name for row in OUTCOMES if row.better == "more")
"""Outcomes of which more is better; of all other quantities less."""
TIMED = frozenset(row.name for row in OUTCOMES if row.timed)
"""Times and what follows from them: objectives, tie-breaks and fronts take their expected values, rules their safe
ends."""
SERVED = frozenset(row.name for row in OUTCOMES if row.timed and INFERENCE in row.kinds)
"""Those of a service."""
RENT = frozenset(row.name for row in OUTCOMES if row.money == "rent")
"""What is rented, an hour of it or a whole run."""
PER_TOKEN = tuple(row.name for row in OUTCOMES if row.money == "tokens")
"""What tokens of a service cost."""
APART = PER_TOKEN[1:]
"""What tokens of prompts and of answers cost apart."""
MONEY = RENT | frozenset(PER_TOKEN)
"""Outcomes that grow with the price of what is rented."""
SHARES = frozenset(row.name for row in OUTCOMES if row.share)
"""Outcomes that are shares of something."""
OF_A_WHOLE = SHARES - {"load"}
"""Those that are never above 1."""
GOALS = ("cost", "gpus", *(row.name for row in OUTCOMES if row.goal and row.name != "cost"))
"""What an objective can be, over all workloads or of one: `minimize cost`, `minimize chat.tpot`."""


HELD = tuple(row.name for row in OUTCOMES if row.held)
"""What an engine's cache holds: in tokens, in sequences, and in tokens of one."""


def changed_by(what: Literal["hosts", "replicas"], kind: str) -> tuple[str, ...]:
    """Return the outcomes of a kind of workload that hosts and their network change, or the number of replicas."""
    return tuple(row.name for row in OUTCOMES if what in row.follows and kind in row.kinds)


TRAINED_TIMES = changed_by("hosts", TRAINING)
"""Times of a training and what follows from them."""
