"""A log held against a lock: part by part, and whether what was proved holds on the machine."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from planner.catalog.catalog import Catalog
from planner.language.problem import Problem
from planner.record import dataclass
from planner.startup.identity import Unlike, apart, settings
from planner.startup.predicted import Forecast, Predicted
from planner.startup.reported import Figure, Reported

LABELS = {
    "weights": "weights", "activations": "activation peak", "non_torch": "non-torch", "before": "before weights",
    "graph_estimate": "graphs, estimated", "graphs": "graphs", "kv_cache": "KV cache", "kv_tokens": "KV tokens",
    "max_concurrency": "max concurrency", "total": "total used", "card": "GPU memory",
}  # fmt: skip
"""The parts in the order that they are shown in, and what they are called."""


@dataclass(frozen=True, slots=True)
class ComparedPart:
    """One part: what was predicted, the figure of the log, and a verdict.

    `holds`; `beyond` where a part of a sum takes more than its own safe end, which the sum may still hold; `fails`
    where what was proved does not hold; `unpredicted` where the lock says nothing of it.
    """

    part: str
    bound: Forecast
    actual: Figure
    verdict: str

    @property
    def label(self) -> str:
        """What the part is called."""
        return LABELS[self.part]


@dataclass(frozen=True, slots=True)
class Verified:
    """A locked workload against what was reported of it.

    `apart` is why nothing was compared: the log is of something else. `changed` are settings that are not the locked
    ones, `failure` why the engine did not start, `unreported` the parts that the log does not have, `short` the bytes
    that the cache lacks for what must be resident.
    """

    workload: str
    engine: str
    version: str
    rows: tuple[ComparedPart, ...]
    apart: tuple[Unlike, ...] = ()
    changed: tuple[Unlike, ...] = ()
    failure: str = ""
    unreported: tuple[str, ...] = ()
    short: int = 0
    notes: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether the machine does what is locked."""
        fails = any(row.verdict == "fails" for row in self.rows)
        return not (fails or self.apart or self.changed or self.failure or self.short) and bool(self.rows)


def compare(
    problem: Problem, catalog: Catalog, lock: Predicted, log: Reported | None, cards: Reported | None
) -> Verified:
    """Return what a log and a table of GPUs, of which one may be missing, say of a locked workload."""
    main = log or cards
    assert main is not None
    unlike: dict[str, Unlike] = {}
    notes = list(main.notes)
    for said in filter(None, (log, cards)):
        differing, unknown = apart(problem, catalog, lock, said)
        unlike |= {item.quantity: item for item in differing}
        notes += unknown
    version = main.version or str(lock.given.get("engine_version", ""))
    name = main.engine or str(lock.given.get("engine", ""))
    if unlike:
        return Verified(lock.workload, name, version, (), tuple(unlike.values()), notes=tuple(notes))
    figures = dict(_figures(lock, log, cards, notes))
    rows = tuple(_row(part, lock.bounds[part], figures[part], figures) for part in LABELS if _both(part, lock, figures))
    unreported = tuple(LABELS[part] for part in LABELS if part in lock.bounds and part not in figures)
    cache = figures.get("kv_cache")
    short = max(0, int(lock.needs - cache.most)) if cache is not None else 0
    changed = tuple(settings(problem, catalog, lock, log)) if log is not None else ()
    failure = log.failure if log is not None else ""
    return Verified(
        workload=lock.workload,
        engine=name,
        version=version,
        rows=rows,
        apart=(),
        changed=changed,
        failure=failure,
        unreported=unreported,
        short=short,
        notes=tuple(dict.fromkeys(notes)),
    )


def _both(part: str, lock: Predicted, figures: dict[str, Figure]) -> bool:
    return part in lock.bounds and part in figures


def _figures(
    lock: Predicted, log: Reported | None, cards: Reported | None, notes: list[str]
) -> Iterator[tuple[str, Figure]]:
    """Yield the figure of each part that the machine reports: the fullest rank's, of a cache the smallest."""
    if log is not None:
        for part in ("weights", "activations", "non_torch", "graphs", "graph_estimate"):
            if (size := log.largest(part)) is not None:
                yield part, size
        cache = log.largest("kv_cache") if log.engine == "llama_cpp" else log.smallest("kv_cache")
        if cache is not None:
            yield "kv_cache", cache
        card, before = log.smallest("card"), log.smallest("before")
        if card is not None:
            yield "card", card
        seen = lock.bounds["card"].expected if "card" in lock.bounds else None
        if before is not None and seen is not None:
            yield "before", Figure(seen) - before
        held = min(log.tokens, key=lambda one: one.value, default=None)
        if held is None and log.blocks:
            least = min(log.blocks, key=lambda one: one.value)
            held = Figure(least.value * lock.block)
        if held is not None:
            yield "kv_tokens", Figure(held.value * lock.sharers)
        context = lock.given.get("context")
        if log.sequences is not None and log.of_tokens == context:
            yield "max_concurrency", Figure(log.sequences.value * lock.sharers, log.sequences.half * lock.sharers)
        elif log.sequences is not None:
            notes.append(f"its maximum concurrency is for {log.of_tokens:_} tokens, not for {context}")
    whole = cards.largest("total") if cards is not None else log.largest("total") if log is not None else None
    if whole is not None:
        yield "total", whole
    if cards is not None:
        used = lock.choice.get("gpus")
        if isinstance(used, Fraction) and len(cards.ranks) > used:
            notes.append(f"nvidia-smi lists {len(cards.ranks)} GPUs, the answer uses {used}: the fullest is compared")
        notes.append("nvidia-smi counts what other processes take of the GPU too")


def _row(part: str, bound: Forecast, actual: Figure, figures: dict[str, Figure]) -> ComparedPart:
    """Return a part with its verdict; the cache in bytes decides where its tokens are not reported."""
    decisive = bound.decisive or (part == "kv_cache" and "kv_tokens" not in figures)
    if bound.safe is None:
        return ComparedPart(part, bound, actual, "unpredicted")
    over = actual.most < bound.safe if bound.least else actual.least > bound.safe
    return ComparedPart(part, bound, actual, ("fails" if decisive else "beyond") if over else "holds")
