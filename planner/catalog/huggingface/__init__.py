"""Hugging Face configs and checkpoints as models, described exactly or refused by the field that stands in the way."""

from __future__ import annotations

from pathlib import Path

from planner.catalog.huggingface.config import ConfigError
from planner.catalog.huggingface.read import MODEL_TYPES, read_config
from planner.catalog.records import Model

__all__ = ["MODEL_TYPES", "ConfigError", "read_checkpoint", "read_config"]


def read_checkpoint(path: Path, approximate: bool = False) -> Model:
    """Return the model of a checkpoint; see `planner.catalog.stored.checkpoint.read_checkpoint`."""
    from planner.catalog.stored import checkpoint

    return checkpoint.read_checkpoint(path, approximate)
