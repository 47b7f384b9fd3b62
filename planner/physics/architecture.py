"""Parameter counts of an architecture, for the formulas: the counting itself belongs to the catalogs."""

from planner.catalog.parameters import (
    CLASSES,
    layer_parameters,
    norm_size,
    outside_parameters,
    parameters,
    routed_parameters,
    tensors,
)

__all__ = [
    "CLASSES",
    "layer_parameters",
    "norm_size",
    "outside_parameters",
    "parameters",
    "routed_parameters",
    "tensors",
]
