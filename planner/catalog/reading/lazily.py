"""Records that are built when they are looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, overload

T = TypeVar("T")


class Lazily(Sequence[T]):
    """The records of some rows, in their order; each is built when it is first read."""

    __slots__ = ("_built", "_make", "_rows")

    def __init__(self, make: Callable[[dict[str, Any]], T], rows: Sequence[dict[str, Any]]) -> None:
        """Take the rows; `make` builds a record of one."""
        self._make, self._rows = make, rows
        self._built: dict[int, T] = {}

    @overload
    def __getitem__(self, at: int) -> T: ...

    @overload
    def __getitem__(self, at: slice) -> Sequence[T]: ...

    def __getitem__(self, at: int | slice) -> T | Sequence[T]:
        """Return a record, or some of them."""
        if isinstance(at, slice):
            return [self[place] for place in range(*at.indices(len(self._rows)))]
        place = range(len(self._rows))[at]
        if place not in self._built:
            self._built[place] = self._make(self._rows[place])
        return self._built[place]

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._rows)

    def __eq__(self, other: object) -> bool:
        """Return whether the others are made of equal rows."""
        return isinstance(other, Lazily) and self._rows == other._rows

    __hash__ = None  # type: ignore[assignment]
