"""What a fixed choice of one workload needs and gives, as `estimate` says it: asked once for all plans and seeds."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from .asking import estimate
from .plans import Job, Offer

Choice = tuple[tuple[str, str], ...]
"""A value for everything that is open but what is rented, as a plan writes it, by quantity."""
GRAIN = 10**15
"""In so many parts of a unit all numbers are counted: every one that the program says is a whole number of them."""
TOGETHER = 60
"""So many choices are asked about in one plan."""
LAYERS = {"Qwen/Qwen2.5-0.5B": 24, "meta-llama/Llama-3.2-1B": 16}
"""Of the models that are trained."""
MONEY = frozenset({"cost", "cost_per_token", "total_cost"})
"""Follows from what is rented: computed here, never asked."""


@dataclass(frozen=True)
class Facts:
    """Whether a choice fits and can run, its quantities in canonical units, and its numbers in grains of them."""

    fits: bool
    values: dict[str, Any]
    whole: dict[str, int]


Asked = tuple[str, str, str, str]
_known: dict[Asked, Facts | None] = {}


def choices(job: Job) -> list[Choice]:
    """Return every choice that a workload's sets allow, and SPEC where they say nothing."""
    return list(_services(job) if job.kind == "inference" else _trainings(job))


def _services(job: Job) -> Iterator[Choice]:
    sets = job.sets
    totals = {int(count) for count in sets["gpus"]}
    sizes = [str(size) for size in range(1, min(8, max(totals)) + 1)]
    named: dict[str, Sequence[str]] = {
        "replicas": sets.get("replicas", ("1",)),
        "tensor_parallel": sets.get("tensor_parallel", sizes),
        "pipeline_parallel": sets.get("pipeline_parallel", sizes),
        **{name: sets[name] for name in ("weights", "kv_cache") if name in sets},
    }
    for values in itertools.product(*named.values()):
        found = dict(zip(named, values, strict=True))
        total = int(found["replicas"]) * int(found["tensor_parallel"]) * int(found["pipeline_parallel"])
        if total in totals:
            yield tuple({"gpus": str(total), **found}.items())


def _trainings(job: Job) -> Iterator[Choice]:
    sets, words = job.sets, dict(part.split(" = ") for part in job.given.split("; "))
    layers, batch = LAYERS[words["model"].strip('"')], int(words["global_batch"])
    trainer = words.get("framework", "transformers") == "transformers"
    stored = [
        (mode, count)
        for mode in sets.get("checkpointing", ("none", "selective", "full"))
        for count in range(layers + 1)
        if (mode == "none") == (count == 0)
        and (str(count) in sets.get("checkpointed_layers", [str(count)]))
        and (mode != "selective" or count == layers or "checkpointed_layers" in sets)
        and (not trainer or mode == "none" or (mode == "full" and count == layers))
    ]
    for total, tensor in itertools.product(sets["gpus"], sets.get("tensor_parallel", ("1", "2", "4", "8"))):
        data, rest = divmod(int(total), int(tensor))
        if rest:
            continue
        stages = sets.get("zero", ("0", "1", "2", "3") if data > 1 else ("0",))
        sizes = sets.get("micro_batch", ("1", "2", "4", "8", "16", "32", "64"))
        for zero, size, (mode, count) in itertools.product(stages, sizes, stored):
            # the Trainer shards no optimizer states alone, and FSDP1 has no tensor parallelism beside it
            if trainer and data > 1 and (zero == "1" or tensor != "1"):
                continue
            if batch % (data * int(size)) == 0:
                yield (
                    *(("gpus", total), ("tensor_parallel", tensor), ("data_parallel", str(data)), ("zero", zero)),
                    *(("micro_batch", size), ("checkpointing", mode), ("checkpointed_layers", str(count))),
                )


def _asked(job: Job, offer: Offer, choice: Choice) -> Asked:
    """Return what physics depends on: hosts only where one does not hold all of the GPUs."""
    chosen = dict(choice)
    hosts = 8 if offer.singly or int(chosen["gpus"]) <= offer.gpus else offer.gpus
    said = "; ".join(f"{name} = {value}" for name, value in choice)
    return (job.kind, f"{job.given}; {said}; gpu = {offer.gpu}", offer.gpu, str(hosts))


def learn(wanted: Iterable[tuple[Job, Offer, Choice]]) -> None:
    """Ask what is not yet known, many choices in one plan."""
    new = sorted({key for key in (_asked(*item) for item in wanted) if key not in _known})
    for start in range(0, len(new), TOGETHER):
        _ask(new[start : start + TOGETHER])


def _ask(keys: list[Asked]) -> None:
    hosts = sorted({key[2:] for key in keys})
    lines = [
        f"offer o{place} {{ gpu = {gpu}; gpus = {gpus}; provider = lambda; price = $1/h }}"
        for place, (gpu, gpus) in enumerate(hosts)
    ]
    lines += [
        f"{kind} w{place} {{ {said}; offer = o{hosts.index((gpu, gpus))} }}"
        for place, (kind, said, gpu, gpus) in enumerate(keys)
    ]
    answer = estimate("\n".join(lines) + "\n")
    if answer is None:  # one of them at least is no choice at all
        if len(keys) == 1:
            _known[keys[0]] = None
        else:
            _ask(keys[: len(keys) // 2])
            _ask(keys[len(keys) // 2 :])
        return
    for place, key in enumerate(keys):
        (row,) = (item.chosen for item in answer.workloads if item.chosen.workload == f"w{place}")
        values: dict[str, Any] = {name: value for name, value in row.outcomes.items() if name not in MONEY}
        values |= row.choice
        whole = {name: int(value * GRAIN) for name, value in values.items() if isinstance(value, Fraction)}
        _known[key] = Facts(not row.broken and row.total <= row.usable, values, whole)


def facts(job: Job, offer: Offer, choice: Choice) -> Facts | None:
    """Return what a choice needs and gives on an offer; None where nothing can run it. It must have been learnt."""
    return _known[_asked(job, offer, choice)]
