"""States of bitsandbytes' optimizers (0.50, optim/optimizer.py): two a parameter, of one byte or four, paged or not.

8-bit states have an fp32 maximum for each block of 256, and tensors below 4,096 elements keep fp32 states
(`min_8bit_size`). The Trainer of transformers has those of every embedding in fp32 (5.24, trainer.py
`create_optimizer`: `register_module_override`). Paged optimizers page what has 100,000 elements or more
(`get_state_buffer`), and never the maxima: adapters of low rank and norms stay on the GPU.
"""

from __future__ import annotations

from typing import Final

OPTIMIZERS: Final = ("adamw_8bit", "paged_adamw_8bit", "paged_adamw_32bit")
LEAST: Final = 4096
LEAST_PAGED: Final = 100_000
BLOCK: Final = 256


def state_bytes(optimizer: str, trained: int, wide: int, tiny: int, small: int) -> tuple[int, int]:
    """Bytes on the GPU and bytes paged.

    Of `trained` parameters `wide` have fp32 states whatever the optimizer, as `tiny` have, which are in tensors below
    `LEAST` elements; `small` are those in tensors below `LEAST_PAGED`, `tiny` among them.
    """
    narrow = 0 if optimizer.endswith("_32bit") else max(0, trained - wide - tiny)
    scales = 2 * 4 * -(-narrow // BLOCK)
    states = 2 * narrow + 8 * (trained - narrow)
    if not optimizer.startswith("paged_"):
        return states + scales, 0
    stay = 8 * small if optimizer.endswith("_32bit") else 8 * tiny + 2 * (small - tiny)
    stay = min(stay, states)
    return stay + scales, states - stay
