"""What a checkpoint holds: its tensors, as its files name them."""

from __future__ import annotations

from pathlib import Path

from planner.record import dataclass


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """One tensor of a checkpoint; `bytes` is what its data takes in the file."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    bytes: int
    file: str

    @property
    def elements(self) -> int:
        """How many elements it has."""
        count = 1
        for size in self.shape:
            count *= size
        return count


@dataclass(frozen=True, slots=True)
class StoredTensors:
    """Every tensor that a checkpoint stores."""

    path: Path
    tensors: tuple[StoredTensor, ...]

    @property
    def bytes(self) -> int:
        """Bytes of all data."""
        return sum(tensor.bytes for tensor in self.tensors)

    @property
    def elements(self) -> int:
        """Elements of all tensors."""
        return sum(tensor.elements for tensor in self.tensors)

    def by_type(self) -> dict[str, int]:
        """Return the bytes by type, largest first."""
        sums: dict[str, int] = {}
        for tensor in self.tensors:
            sums[tensor.dtype] = sums.get(tensor.dtype, 0) + tensor.bytes
        return dict(sorted(sums.items(), key=lambda item: (-item[1], item[0])))
