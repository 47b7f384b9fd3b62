"""Hugging Face configs as models: `read_config` describes one exactly, or says which field stands in the way."""

from planner.catalog.huggingface.config import ConfigError
from planner.catalog.huggingface.read import MODEL_TYPES, read_config

__all__ = ["MODEL_TYPES", "ConfigError", "read_config"]
