"""Training frameworks: what settings each has, what it runs on, and what it does not do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from typing import Any

from planner.record import dataclass

SELECTIVE = ("attention", "operations", "products", "every_second_layer")
"""What selective checkpointing can make again."""
STAGES = (0, 1, 2, 3)
"""The stages of ZeRO."""


@dataclass(frozen=True, slots=True)
class TrainerLack:
    """Something that a framework does not do, or only on some hardware; all that is stated must meet.

    `decision` is the quantity of a plan that is refused for it, `what` names it in answers. It meets one of the
    `methods`, `precisions` or kernels of `attention` where they are stated, GPUs of `vendors`, of a compute capability
    `below` one, those whose host has one of `cpus`, models of `families`, and where `runs_on` lists compute
    capabilities all others.
    """

    decision: str
    what: str
    source: str
    methods: tuple[str, ...] = ()
    precisions: tuple[str, ...] = ()
    attention: tuple[str, ...] = ()
    vendors: tuple[str, ...] = ()
    below: str = ""
    runs_on: tuple[str, ...] = ()
    cpus: tuple[str, ...] = ()
    families: tuple[str, ...] = ()

    @property
    def of_hardware(self) -> bool:
        """Whether other hardware has it."""
        return bool(self.vendors or self.below or self.runs_on)


@dataclass(frozen=True, slots=True)
class Framework:
    """A training framework, and what settings it has.

    One that `runs_on` another has that one's trainer: all that its own row does not say is the other's, and `sets` are
    the values of given quantities that it takes where a plan mentions none. One that is `unmodelled` (why) is refused,
    with the nearest that is modelled `instead`.

    `vendors` are those whose GPUs its memory is known for. `products` are by precision whose 8-bit products it runs:
    `float8` (torchao's), `te` (Transformer Engine's), `te_cached` (the same with copies of the weights that are kept)
    or `int8`. `selective` is what it means by selective checkpointing, `selectives` all kinds that it can be set to.
    `zero` are its stages; `piped_zero` is the highest beside pipelines. `some_layers`: part of the layers can
    recompute; `pipelines`: it has any; `hybrid`: it shards within groups of copies; `joint`: FSDP's version that tensor
    and context parallelism need beside copies, 0 where it does not matter. `fsdp_version` and `sync_each_batch` are its
    own defaults.
    """

    id: str
    name: str
    source: str
    runs_on: str = ""
    unmodelled: str = ""
    instead: str = ""
    vendors: tuple[str, ...] = ()
    products: dict[str, str] = field(default_factory=dict)
    selective: str = "products"
    selectives: tuple[str, ...] = SELECTIVE
    zero: tuple[int, ...] = STAGES
    piped_zero: int = 3
    some_layers: bool = True
    pipelines: bool = True
    hybrid: bool = False
    joint: int = 0
    fsdp_version: int = 2
    sync_each_batch: bool = True
    lacks: tuple[TrainerLack, ...] = ()
    sets: dict[str, Any] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    note: str = ""

    @property
    def trainer(self) -> str:
        """The id of the framework whose trainer it runs: its own, or that of the one it runs on."""
        return self.runs_on or self.id


def resolved(table: Mapping[str, Framework], key: str) -> Framework:
    """Return a framework with what it has of the one that it runs on. Raise KeyError where there is none."""
    row = table[key]
    if not row.runs_on:
        return row
    base = table[row.runs_on]
    return replace(
        base,
        id=row.id,
        name=row.name,
        source=row.source,
        runs_on=base.id,
        lacks=(*row.lacks, *base.lacks),
        sets=row.sets,
        sources=row.sources,
        aliases=row.aliases,
        note=row.note,
    )


def build_framework(row: Mapping[str, Any]) -> Framework:
    """Return the framework of a row of frameworks.yaml."""
    own = row.get("vendors")
    if sum(bool(row.get(key)) for key in ("vendors", "runs_on", "unmodelled")) != 1:
        raise ValueError("a framework has its `vendors`, or says what it `runs_on`, or why it is `unmodelled`")
    if bool(row.get("unmodelled")) != bool(row.get("instead")):
        raise ValueError("an `unmodelled` framework has another `instead`")
    stated = ("selective", "piped_zero", "some_layers", "pipelines", "hybrid", "joint", "fsdp_version",
              "sync_each_batch")  # fmt: skip
    said = {name: row[name] for name in stated if row.get(name) is not None}
    if not own and (said or row.get("products")):
        raise ValueError(f"`{min(said, default='products')}` is said by the row of a framework with its own trainer")
    listed: dict[str, Any] = {name: tuple(row[name]) for name in ("selectives", "zero") if row.get(name) is not None}
    return Framework(
        id=str(row["id"]),
        name=str(row["name"]),
        source=str(row["source"]),
        runs_on=str(row.get("runs_on") or ""),
        unmodelled=str(row.get("unmodelled") or ""),
        instead=str(row.get("instead") or ""),
        vendors=tuple(own or ()),
        products=dict(row.get("products") or {}),
        lacks=tuple(map(_lack, row.get("lacks") or ())),
        sets=dict(row.get("sets") or {}),
        sources={key: str(text) for key, text in (row.get("sources") or {}).items()},
        aliases=tuple(row.get("aliases") or ()),
        note=str(row.get("note") or ""),
        **said,
        **listed,
    )


def _lack(row: Mapping[str, Any]) -> TrainerLack:
    lists = ("methods", "precisions", "attention", "vendors", "runs_on", "cpus", "families")
    named: dict[str, Any] = {name: tuple(row.get(name) or ()) for name in lists}
    return TrainerLack(
        decision=str(row["decision"]),
        what=str(row["what"]),
        source=str(row["source"]),
        below=str(row.get("below") or ""),
        **named,
    )
