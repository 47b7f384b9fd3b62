"""The estimate when only the number of parameters is known: the rule of thumb."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

from planner.physics.optimizers import OPTIMIZERS


def inference(params: int, bytes_per_param: Fraction) -> dict[str, int]:
    """N·M·1.2: the weights, and a fifth of them for everything else (13B at 2 bytes: 31.2 GB)."""
    weights = params * bytes_per_param
    return {"weights": ceil(weights), "activations": ceil(weights / 5)}


def training(params: int, bytes_per_param: Fraction, optimizer: str = "adamw") -> dict[str, int]:
    """Weights, activations (a fifth), gradients, states (Adam 2·N·M): 13B at 2 bytes: 109.2 GB."""
    weights = params * bytes_per_param
    return {
        "weights": ceil(weights),
        "activations": ceil(weights / 5),
        "gradients": ceil(weights),
        "optimizer": ceil(OPTIMIZERS[optimizer].thumb * weights),
    }
