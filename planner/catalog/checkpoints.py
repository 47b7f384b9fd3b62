"""Checkpoints: published weights of a model that has a row, under their own name and in their own format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from typing import Any

from planner.catalog.records import Model
from planner.record import dataclass

NAMED = "named"
"""The `layout` of a checkpoint whose files were not read: its name and its publisher's habits say the format."""


WIDE = ("bf16", "fp16", "fp32")
"""Formats that hold what was published in a narrower one as it is."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Another name of the model `of`, whose weights are stored in `native_format`.

    `layout` is `read` where its configuration or its publisher's description says what is stored in which format, and
    `named` where only its name does. `native_leaves`, `native_classes`, `native_partly` and `native_block` are those of
    a model.
    """

    id: str
    of: str
    native_format: str
    layout: str
    source: str
    native_leaves: tuple[str, ...] = ()
    native_classes: dict[str, str] = field(default_factory=dict)
    native_partly: dict[str, int] = field(default_factory=dict)
    native_block: int = 0
    max_context: int | None = None
    note: str = ""

    def of_model(self, base: Model) -> Model:
        """Return the model of the row `of` as this checkpoint stores it.

        One in the row's own format that says nothing else of its tensors stores them as the row says.
        """
        own = self.native_leaves or self.native_classes or self.native_partly
        same = self.native_format == base.native_format
        layout: Any = base if same and not own else self
        return replace(
            base,
            id=self.id,
            aliases=(),
            native_format=self.native_format,
            native_leaves=layout.native_leaves,
            native_classes=layout.native_classes,
            native_partly=layout.native_partly,
            native_block=self.native_block or (base.native_block if same else 0),
            max_context=self.max_context or base.max_context,
            published_params=None,
            published_note="",
            source=self.source,
            note=self.note,
            of=base.id,
            layout=self.layout,
            original_format="" if same or self.native_format in WIDE else base.native_format,
        )


def build_checkpoint(row: Mapping[str, Any]) -> Checkpoint:
    """Return the checkpoint of a row of checkpoints.yaml."""
    if row["of"] == row["id"]:
        raise ValueError("`of` must name the row of another model")
    return Checkpoint(
        id=str(row["id"]),
        of=str(row["of"]),
        native_format=str(row["native_format"]),
        layout=str(row["layout"]),
        source=str(row["source"]),
        native_leaves=tuple(row.get("native_leaves") or ()),
        native_classes=dict(row.get("native_classes") or {}),
        native_partly=dict(row.get("native_partly") or {}),
        native_block=int(row.get("native_block") or 0),
        max_context=row.get("max_context"),
        note=str(row.get("note") or ""),
    )
