"""What the releases of an engine make of the class that a config names: a row for each engine and model type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from planner.record import dataclass

ABILITIES = ("lora", "pipeline", "fp16")
"""What a class that an engine has may not be able to do."""


@dataclass(frozen=True, slots=True)
class EngineModel:
    """What an engine makes of models of one `model_type`; the id is both, as `vllm/gemma3n`.

    `architecture` is the class that published configs name. It is `absent`, or the engine runs it `through` an
    implementation of any model, or it has it, and then without adapters, stages of a pipeline or 16-bit floats where
    `lora`, `pipeline` or `fp16` are false. All of that holds from `release` on; an engine that had a class itself up to
    the release `last` refuses it in every later one, and one that has it since the release `first` in
    every earlier one.
    """

    id: str
    architecture: str
    release: str
    source: str
    absent: bool = False
    through: str = ""
    last: str = ""
    first: str = ""
    lora: bool = True
    pipeline: bool = True
    fp16: bool = True
    note: str = ""

    @property
    def engine(self) -> str:
        """The id of the engine."""
        return self.id.partition("/")[0]


def build_engine_model(row: Mapping[str, Any]) -> EngineModel:
    """Return the record of a row of engine_models.yaml. Raise ValueError where the row contradicts itself."""
    own = not (row.get("absent") or row.get("through"))
    if row.get("absent") and row.get("through"):
        raise ValueError("an engine that has a class `through` another does not leave it `absent`")
    if own and row.get("last"):
        raise ValueError("`last` is of a class that is `absent` or run `through` another")
    if row.get("first") and not own:
        raise ValueError("`first` is of a class that the engine has itself")
    unable = [name for name in ABILITIES if row.get(name) is False]
    if unable and not own:
        raise ValueError(f"`{unable[0]}` is said of a class that the engine has itself")
    return EngineModel(
        id=str(row["id"]),
        architecture=str(row["architecture"]),
        release=str(row["release"]),
        source=str(row["source"]),
        absent=bool(row.get("absent", False)),
        through=str(row.get("through") or ""),
        last=str(row.get("last") or ""),
        first=str(row.get("first") or ""),
        lora=row.get("lora") is not False,
        pipeline=row.get("pipeline") is not False,
        fp16=row.get("fp16") is not False,
        note=str(row.get("note") or ""),
    )
