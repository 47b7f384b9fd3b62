"""Formats per layer: every mix of formats that no other mix beats in both bytes and quality, by exact integers.

A mix is written `bf16*8+int4*24`: the layers from first to last. Identical layers (same mixer and feed-forward
part) are interchangeable in bytes and in the quality model, so that only how many of them take each format is chosen,
the more precise formats first. What stands outside the layers stays in the model's 16-bit format.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import groupby
from typing import TYPE_CHECKING

from planner.catalog.records import Architecture, Format
from planner.physics.architecture import layer_parameters
from planner.solve import clock
from planner.solve.candidate import TooWide

if TYPE_CHECKING:
    from planner.solve.columns.table import Column


MOST = 20_000
"""The most mixes of one split that are kept; more is refused rather than cut."""
LOSS = 10**15
"""Steps in which the loss of a mix is counted while mixes are compared."""


def is_mix(label: str) -> bool:
    """Return whether the weights' label is a mix of formats."""
    return "*" in label


def label_of(layers: Sequence[str]) -> str:
    """Return the formats of all layers, first to last, as text."""
    return "+".join(f"{name}*{sum(1 for _ in run)}" for name, run in groupby(layers))


def layers_of(label: str) -> list[str]:
    """Return the format of each layer of a label; raise ValueError for a text that is none."""
    out: list[str] = []
    for run in label.split("+"):
        name, star, count = run.rpartition("*")
        if not star or not count.isdigit() or not 0 < int(count) <= 10_000:
            raise ValueError(f"`{label}` is not a mix of formats")
        out += [name] * int(count)
    return out


def groups_of(arch: Architecture) -> list[int]:
    """Return for each layer the first group that is like its own."""
    first: dict[tuple[object, ...], int] = {}
    out: list[int] = []
    for index, group in enumerate(arch.groups):
        out += [first.setdefault((group.mixer, group.ffn, group.norms, group.extra), index)] * group.count
    return out


def shares(arch: Architecture) -> dict[int, Fraction]:
    """Return each kind of layer's share of all layers' parameters, a layer."""
    kinds = groups_of(arch)
    sizes = {kind: sum(layer_parameters(arch, arch.groups[kind]).values()) for kind in set(kinds)}
    total = sum(sizes[kind] for kind in kinds)
    return {kind: Fraction(size, total) for kind, size in sizes.items()}


def recovery(arch: Architecture, layers: Sequence[str], measured: dict[str, Fraction | None]) -> Fraction | None:
    """Return the quality of a mix: each layer loses its share, by parameters, of what its format loses on all.

    An estimate that takes losses as additive; None where a format of it was never measured.
    """
    part, kinds = shares(arch), groups_of(arch)
    loss = Fraction(0)
    for kind, name in zip(kinds, layers, strict=True):
        known = measured[name]
        if known is None:
            return None
        loss += part[kind] * (1 - known)
    return 1 - loss


def mixes(
    arch: Architecture,
    formats: Sequence[Format],
    sizes: dict[tuple[int, str], int],
    measured: dict[str, Fraction | None],
) -> list[str]:
    """Return the undominated mixes; `sizes` are the bytes of a layer of a kind in a format on one GPU."""
    import numpy

    kinds, part = groups_of(arch), shares(arch)
    order = sorted(formats, key=lambda row: (-row.bits, row.id))
    distinct = sorted(set(kinds))
    columns = {(kind, row.id): at for at, (kind, row) in enumerate((k, f) for k in distinct for f in order)}
    front = numpy.zeros((1, 2), dtype=numpy.int64)
    counts = numpy.zeros((1, len(columns)), dtype=numpy.int16)
    for kind in distinct:
        usable = _useful(kind, order, sizes, measured)
        for _ in range(kinds.count(kind)):
            clock.look()
            steps, marks = [], []
            for row in usable:
                known = measured[row.id]
                loss = 0 if known is None else round(part[kind] * (1 - known) * LOSS)
                steps.append(front + numpy.array([sizes[kind, row.id], loss]))
                taken = counts.copy()
                taken[:, columns[kind, row.id]] += 1
                marks.append(taken)
            front, counts = _pareto(numpy.concatenate(steps), numpy.concatenate(marks))
            if len(front) > MOST:
                raise TooWide("mixes", MOST, len(formats))
    return [_label(kinds, order, columns, row) for row in clock.watched(counts.tolist())]


def _useful(
    kind: int, order: Sequence[Format], sizes: dict[tuple[int, str], int], measured: dict[str, Fraction | None]
) -> list[Format]:
    """Return the formats that no other one beats on a layer; unmeasured ones only where nothing is measured."""
    known = [row for row in order if measured[row.id] is not None] or list(order)
    out: list[Format] = []
    for row in known:
        size, value = sizes[kind, row.id], measured[row.id] or Fraction(0)
        beaten = any(
            (sizes[kind, other.id], -(measured[other.id] or Fraction(0)), other.id) < (size, -value, row.id)
            and sizes[kind, other.id] <= size
            and (measured[other.id] or Fraction(0)) >= value
            for other in known
            if other is not row
        )
        if not beaten:
            out.append(row)
    return out


def _pareto(points: Column, marks: Column) -> tuple[Column, Column]:
    """Return the points of which no other has as few bytes and as little loss."""
    import numpy

    order = numpy.lexsort((points[:, 1], points[:, 0]))
    loss = points[order, 1]
    best = numpy.minimum.accumulate(loss)
    keep = numpy.concatenate(([True], loss[1:] < best[:-1]))
    return points[order][keep], marks[order][keep]


def _label(
    kinds: Sequence[int], order: Sequence[Format], columns: dict[tuple[int, str], int], counts: Sequence[int]
) -> str:
    names = {
        kind: iter([row.id for row in order for _ in range(counts[columns[kind, row.id]])])
        for kind in dict.fromkeys(kinds)
    }
    return label_of([next(names[kind]) for kind in kinds])
