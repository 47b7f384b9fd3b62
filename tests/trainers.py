"""What the rows of the shipped frameworks say that a choice of the physics takes."""

from __future__ import annotations

from functools import cache

from planner.catalog.load import load
from planner.catalog.programs.frameworks import Framework, resolved

SHARDED = {"accelerate": "transformers"}
"""What the physics calls the Trainer where it shards, and the framework of the catalog."""


@cache
def framework(name: str) -> Framework:
    """Return a framework of the catalog."""
    return resolved(load()[0].frameworks, SHARDED.get(name, name))


def products(name: str, precision: str) -> str:
    """Return whose 8-bit products a framework runs, "" where it runs none."""
    return framework(name).products.get(precision, "")
