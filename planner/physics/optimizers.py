"""What each optimizer keeps for a parameter: the one table, of which the rule of thumb reads the first column.

torch.optim (2.13) keeps states in the parameter's type; Adafactor is that of transformers (5.23), Lion lion-pytorch's
(0.2.5; bitsandbytes' keeps fp32 states, also of 16-bit weights), 8-bit AdamW bitsandbytes' (0.50).
"""

from __future__ import annotations

from typing import Final, NamedTuple


class StateNumbers(NamedTuple):
    """What is kept for each trained parameter.

    Attributes:
        thumb: Numbers in the weights' format, as the rule of thumb counts them (Adam keeps two).
        own: Numbers in the parameter's own type.

    """

    thumb: int
    own: int


OPTIMIZERS: Final = {
    "sgd": StateNumbers(0, 0),
    "sgd_momentum": StateNumbers(1, 1),
    "adam": StateNumbers(2, 2),
    "adamw": StateNumbers(2, 2),
    "adamw_8bit": StateNumbers(2, 0),  # bitsandbytes' are counted in training/bnb_bytes.py
    "paged_adamw_8bit": StateNumbers(2, 0),
    "paged_adamw_32bit": StateNumbers(2, 0),
    "adafactor": StateNumbers(0, 0),  # rows and columns of matrices, counted by architecture (training/optimizers.py)
    "lion": StateNumbers(1, 1),
    "muon": StateNumbers(1, 1),
}
"""By its word in plans (planner/language/quantities); what a step needs besides is in training/optimizers.py."""
