"""What a lock says of one workload, typed: what an exporter reads, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from planner.language.copies import block_of
from planner.lock.read import Lock
from planner.record import dataclass

SIXTEEN = ("bf16", "fp16")
_FILE = re.compile(r'checkpoint\("(.*)"\)\Z', re.DOTALL)


@dataclass(frozen=True, slots=True)
class LockedWorkload:
    """A workload as a lock has it: `choice` and `given` by the names of the language, sizes in bytes, counts plain.

    `gpus` are all it uses, `instances` what is rented of `offer`; `sold_by` is gpu or instance, `offered` the GPUs of
    one instance, both empty where the lock does not record the offer. `native` is the format of the model's checkpoint,
    `vendor` who makes the GPUs. Where workloads share a machine, `beside` are the others and `first` is the GPU of it
    that this one begins at: they take its GPUs in the order of their names, all copies of one before the next.
    `outcomes` are the answer's, in seconds and bytes; `kv_tokens` are those that the cache holds at least. `copies`
    identical workloads run so; `together` of them share a machine, and `beside` has them too. Not `placed` are
    workloads that may share one of several machines: which of its GPUs they have does not follow from the lock.
    `rate` are the requests per second that a part of a mix serves, 0 of all else.
    """

    plan: str
    name: str
    kind: str
    choice: Mapping[str, Any]
    given: Mapping[str, Any]
    instances: int
    checksum: str
    planner: str
    native: str
    sold_by: str
    offered: int
    vendor: str
    first: int = 0
    beside: tuple[str, ...] = ()
    kv_tokens: int = 0
    copies: int = 1
    together: int = 1
    placed: bool = True
    outcomes: Mapping[str, Any] | None = None
    rate: float = 0.0

    def count(self, name: str, unsaid: int = 1) -> int:
        """Return a whole number of the choice or of what is given."""
        value = self.choice.get(name, self.given.get(name, unsaid))
        return int(value) if isinstance(value, int | float | Fraction) and not isinstance(value, bool) else unsaid

    def word(self, name: str) -> str:
        """Return a word of the choice or of what is given, empty where there is none."""
        value = self.choice.get(name, self.given.get(name, ""))
        return value if isinstance(value, str) else ""

    def outcome(self, name: str) -> Fraction | None:
        """Return an outcome in its unit, None where the lock has none of the name."""
        value = (self.outcomes or {}).get(name)
        return Fraction(value) if isinstance(value, int | float | Fraction) else None

    @property
    def spare(self) -> Fraction:
        """Bytes of a GPU that the answer leaves free at the safe end, 0 where the lock does not say."""
        memory, headroom = self.outcome("memory"), self.outcome("headroom")
        return memory * headroom / (1 - headroom) if memory and headroom and headroom < 1 else Fraction(0)

    def flag(self, name: str) -> bool:
        """Return whether a setting that is given is true."""
        return self.given.get(name) is True

    def share(self, name: str) -> str:
        """Return a number that may have a fraction, as it is typed: the shortest text that reads back the same."""
        value = self.given.get(name)
        number = isinstance(value, int | float | Fraction) and not isinstance(value, bool)
        return f"{float(value):.12g}" if number and value is not None else ""

    @property
    def model(self) -> str:
        """The model as the plan writes it: a repository's id, a declared name, or a call."""
        return self.word("model")

    @property
    def repository(self) -> str | None:
        """The repository of the model's checkpoint, None where the plan names none."""
        written = self.model
        owner, slash, rest = written.partition("/")
        named = bool(slash and owner and rest) and not re.search(r"[\s\"'()]", written) and rest.count("/") == 0
        return written if named else None

    @property
    def file(self) -> str | None:
        """The checkpoint that the plan reads the model from, by its path from the plan's folder."""
        match = _FILE.match(self.model)
        return match[1] if match else None

    @property
    def engine(self) -> str:
        """The engine's id, empty for a training."""
        return self.word("engine")

    @property
    def version(self) -> str:
        """The release that the answer was proved for."""
        return self.word("engine_version").lstrip("v")

    @property
    def replicas(self) -> int:
        """Copies of the model that serve."""
        return self.count("replicas")

    @property
    def on_a_machine(self) -> int:
        """Replicas that share a machine: those whose GPUs one instance has, where it is sold whole."""
        fitting = self.offered // self.per_replica if self.sold_by == "instance" else 1
        return max(1, min(fitting, self.replicas))

    @property
    def per_replica(self) -> int:
        """GPUs of one replica."""
        return max(1, self.count("gpus") // max(1, self.count("replicas")))


def of_lock(lock: Lock, plan: str, name: str) -> LockedWorkload:
    """Return a workload of a lock; its kind follows from what it chose."""
    row = lock.workloads[name]
    choice, given = row["choice"], row.get("given", {})
    offer = lock.used.get("offers", {}).get(str(choice.get("offer")), {})
    first, beside, together, placed = _shared(lock, name, offer)
    return LockedWorkload(
        plan=plan,
        name=name,
        kind="inference" if "weights" in choice else "training",
        choice=choice,
        given=given,
        instances=row["instances"],
        checksum=str(lock.text.rstrip("\n").rpartition("checksum: ")[2]),
        planner=lock.version,
        native=str(given.get("native_format", "")),
        sold_by=str(offer.get("sold_by", "")),
        offered=offer["gpus"] if isinstance(offer.get("gpus"), int) else 0,
        vendor=str(lock.used.get("gpus", {}).get(str(choice.get("gpu")), {}).get("vendor", "nvidia")),
        first=first,
        beside=beside,
        kv_tokens=int(row["outcomes"].get("kv_tokens_safe") or 0),
        copies=lock.copies[name],
        together=together,
        placed=placed,
        outcomes=row["outcomes"],
        rate=sum(size["requests_per_second"] * size["eighths"] / 8 for size in row.get("traffic", ())),
    )


def _shared(lock: Lock, name: str, offer: Mapping[str, Any]) -> tuple[int, tuple[str, ...], int, bool]:
    """Return the first GPU of a workload on its machine, who else is there, how many of its copies are, and whether
    that follows from the lock: of workloads of one offer that is sold whole, where one instance has the GPUs of all, or
    where they are copies of one alone."""
    rows = {key: row["choice"] for key, row in sorted(lock.workloads.items())}
    size, own, copies = offer.get("gpus", 0), rows[name].get("gpus", 0), lock.copies
    if offer.get("sold_by") != "instance" or not size or not _shares(rows[name], size):
        return 0, (), 1, True
    rented = rows[name].get("offer"), rows[name].get("market")
    sharing = {
        key: row.get("gpus", 0)
        for key, row in rows.items()
        if (row.get("offer"), row.get("market")) == rented and _shares(row, size)
    }
    others = tuple(key for key in sharing if key != name)
    several = (f"other copies of {block_of(name)}",) if copies[name] > 1 else ()
    whole = sum(gpus * copies[key] for key, gpus in sharing.items())
    if -(-whole // size) == sum(-(-gpus // size) * copies[key] for key, gpus in sharing.items()):
        return 0, (), 1, True  # together they rent no less than alone: each has machines of its own
    if whole <= size:
        first = sum(gpus * copies[key] for key, gpus in sharing.items() if key < name)
        return first, (*several, *others), copies[name], True
    if not others and size % own == 0:
        return 0, several, min(size // own, copies[name]), True
    return 0, (*several, *others), 1, False


def _shares(choice: Mapping[str, Any], size: int) -> bool:
    """Return whether a machine of so many GPUs has others beside a choice: where that leaves GPUs free, and those that
    stay together are a power of two that divides it (as planner/solve/rent/rental.py packs them)."""
    gpus = choice.get("gpus", 0)
    unit = gpus // max(1, choice.get("replicas", 1)) // max(1, choice.get("nodes", 1))
    return bool(gpus % size and unit and not unit & (unit - 1) and not size % unit)


def version_of(text: str) -> tuple[int, ...]:
    """Return the numbers of a version."""
    return tuple(int(part) for part in re.findall(r"\d+", text)[:4])
