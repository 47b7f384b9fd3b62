"""Everything a training plan leaves open but hardware: recipes × layouts × micro-batches × recomputation, as arrays.

Activations are traced once for each kind of candidate that shares them, states once for each recipe and layout; the two
meet in integer arrays. Optimizers differ in memory alone, so that only the lightest one of each row is kept, unless a
rule tells them apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from planner.physics import training, training_time
from planner.physics.training import table as physics
from planner.record import dataclass
from planner.solve import tuning
from planner.solve.tuning import Layout, Recipe, Run

if TYPE_CHECKING:
    from planner.solve.table import Column


@dataclass(frozen=True, slots=True)
class Kind:
    """Candidates with the same activations: everything but copies of the model, ZeRO, offload and optimizer."""

    method: str
    precision: str
    tensor: int
    pipeline: int
    context: int
    expert: int
    micro_batch: int
    mode: str


@dataclass(frozen=True, slots=True)
class Space:
    """The configurations, in columns; each has a run of `length` numbers of layers in the flat columns from `start`.

    `bytes` are those at the peak with their margin, without what depends on the GPU; `recipe` and `again` say how;
    `stands_for` is how many candidates a place of a configuration stands for.
    """

    kinds: list[Kind]
    layouts: list[Layout]
    recipes: list[Recipe]
    kind: Column
    layout: Column
    start: Column
    length: Column
    stands_for: Column
    bytes: Column
    recipe: Column
    again: Column
    lightest: Column
    work: training_time.Work | None
    repeats: Column


@dataclass(slots=True)
class _Parts:
    kind: list[Column]
    layout: list[Column]
    length: list[Column]
    stands_for: list[Column]
    bytes: list[Column]
    recipe: list[Column]
    again: list[Column]
    lightest: list[Column]
    work: list[Column]
    repeats: list[Column]


def space(this: Run, fixed: bool, apart: bool) -> Space:
    """Return all configurations; `apart` keeps optimizers apart."""
    parts = _Parts(*([] for _ in range(10)))
    layouts, recipes = tuning.layouts(this, fixed), tuning.recipes(this)
    kinds: list[Kind] = []
    if this.model.architecture is None:
        _thumbs(this, fixed, layouts, recipes, kinds, parts)
        return _joined(kinds, layouts, recipes, parts, False)
    shapes: dict[tuple[int, int, int, int], list[int]] = {}
    for index, item in enumerate(layouts):
        shapes.setdefault((item.tensor, item.pipeline, item.context, item.expert), []).append(index)
    sizes = [tuning.micro_batches(this, item, fixed) for item in layouts]
    modes = list(tuning.modes(this, fixed))
    for shape, members in shapes.items():
        for (method, precision), named in _by_arithmetic(recipes).items():
            for accumulate, size, own in _batches(this, layouts, sizes, members):
                held = _held(this, recipes, layouts, named, own, accumulate)
                for mode, again in modes:
                    kinds.append(Kind(method, precision, *shape, size, mode))
                    _add(this, kinds, layouts, recipes, named, own, again, held, apart, parts)
    return _joined(kinds, layouts, recipes, parts, True)


def _by_arithmetic(recipes: Sequence[Recipe]) -> dict[tuple[str, str], list[int]]:
    out: dict[tuple[str, str], list[int]] = {}
    for index, item in enumerate(recipes):
        out.setdefault((item.method, item.precision), []).append(index)
    return out


def _batches(
    this: Run, layouts: Sequence[Layout], sizes: Sequence[list[int]], members: Sequence[int]
) -> list[tuple[bool, int, list[int]]]:
    """Return (whether gradients accumulate, micro-batch, layouts) of what shares activations and kinds of states."""
    out: dict[tuple[int, int], list[int]] = {}
    for index in members:
        for size in sizes[index]:
            rounds = min(2, tuning.accumulation(this, layouts[index], size))
            key = (size, tuning.in_flight(this, layouts[index], size) if layouts[index].pipeline > 1 else rounds)
            out.setdefault(key, []).append(index)
    return [(rounds > 1, size, own) for (size, rounds), own in sorted(out.items())]


def _held(
    this: Run,
    recipes: Sequence[Recipe],
    layouts: Sequence[Layout],
    named: Sequence[int],
    own: Sequence[int],
    accumulate: bool,
) -> physics.Held:
    """Return the states of some recipes on some layouts, recipes first."""
    key = ("held", tuple(named), tuple(own), accumulate)
    if key not in this.known:
        this.known[key] = physics.held(
            [tuning.states(this, recipes[r], layouts[place], accumulate) for r in named for place in own]
        )
    found: physics.Held = this.known[key]
    return found


def _add(
    this: Run,
    kinds: Sequence[Kind],
    layouts: Sequence[Layout],
    recipes: Sequence[Recipe],
    named: Sequence[int],
    own: Sequence[int],
    again: Sequence[int],
    held: physics.Held,
    apart: bool,
    parts: _Parts,
) -> None:
    """Add the configurations of a kind on some layouts."""
    import numpy

    arch, kind = this.model.architecture, kinds[-1]
    assert arch is not None
    choice = tuning.choice_of(this, recipes[named[0]], layouts[own[0]], kind.micro_batch, kind.mode)
    spare = training.spare(this.framework, this.confidence)
    totals = physics.totals_of(held, physics.columns(arch, choice), spare)[:, again]
    totals = totals.reshape(len(named), len(own), len(again))
    named_array = numpy.array(named, dtype=numpy.int64)
    if apart:
        sizes = totals.reshape(-1, len(again))
        which = numpy.repeat(named_array, len(own))[:, None].repeat(len(again), axis=1)
        layout = numpy.tile(numpy.array(own, dtype=numpy.int64), len(named))
    else:
        lightest = totals.argmin(axis=0)
        sizes, which = totals.min(axis=0), named_array[lightest]
        layout = numpy.array(own, dtype=numpy.int64)
    count = len(sizes)
    parts.kind.append(numpy.full(count, len(kinds) - 1, dtype=numpy.int64))
    parts.layout.append(layout)
    parts.length.append(numpy.full(count, len(again), dtype=numpy.int64))
    parts.stands_for.append(numpy.full(count, 1 if apart else len(named), dtype=numpy.int64))
    parts.bytes.append(sizes.reshape(-1))
    parts.recipe.append(which.reshape(-1))
    parts.again.append(numpy.tile(numpy.array(again, dtype=numpy.int64), count))
    parts.lightest.append(_first_minimum(sizes).reshape(-1))
    data = numpy.array([layouts[index].data for index in layout.tolist()], dtype=numpy.int64)
    zero = numpy.array([layouts[index].zero for index in layout.tolist()], dtype=numpy.int64)
    work = tuning.work_of(this, choice, data, zero)
    parts.work.append(numpy.stack([numpy.broadcast_to(numpy.asarray(item, dtype=float), count) for item in work]))
    none, every = training_time.recomputed(choice, 0.0), training_time.recomputed(choice, 1.0)
    repeats = [none[0], every[0] - none[0], none[1], every[1] - none[1]]
    parts.repeats.append(numpy.tile(numpy.array(repeats, dtype=float)[:, None], count))


def _first_minimum(sizes: Column) -> Column:
    """Return for each place the place of the smallest size up to it, the first of equal ones, in each row."""
    import numpy

    low = numpy.minimum.accumulate(sizes, axis=1)
    new = numpy.concatenate((numpy.ones((len(sizes), 1), dtype=bool), low[:, 1:] < low[:, :-1]), axis=1)
    found: Column = numpy.maximum.accumulate(numpy.where(new, numpy.arange(sizes.shape[1]), 0), axis=1)
    return found


def _thumbs(
    this: Run,
    fixed: bool,
    layouts: Sequence[Layout],
    recipes: Sequence[Recipe],
    kinds: list[Kind],
    parts: _Parts,
) -> None:
    """Add what is known of a model whose parameters alone are: the rule of thumb, split evenly."""
    import numpy

    no_gpu: Any = None
    for index, item in enumerate(layouts):
        for size in tuning.micro_batches(this, item, fixed):
            for place, recipe in enumerate(recipes):
                shape = (item.tensor, item.pipeline, item.context, item.expert)
                kinds.append(Kind(recipe.method, recipe.precision, *shape, size, "none"))
                found = tuning.memory(this, no_gpu, recipe, item, size, "none", 0)
                for column, number in (
                    (parts.kind, len(kinds) - 1),
                    (parts.layout, index),
                    (parts.length, 1),
                    (parts.stands_for, 1),
                    (parts.bytes, found.total),
                    (parts.recipe, place),
                    (parts.again, 0),
                    (parts.lightest, 0),
                ):
                    column.append(numpy.array([number], dtype=numpy.int64))


def _joined(kinds: list[Kind], layouts: list[Layout], recipes: list[Recipe], parts: _Parts, timed: bool) -> Space:
    import numpy

    def joined(columns: list[Column]) -> Column:
        return numpy.concatenate(columns) if columns else numpy.array([], dtype=numpy.int64)

    length = joined(parts.length)
    work = None
    if timed:
        fields = numpy.concatenate(parts.work, axis=1) if parts.work else numpy.zeros((13, 0))
        work = training_time.Work(*fields)
    repeats = numpy.concatenate(parts.repeats, axis=1) if parts.repeats else numpy.zeros((4, len(length)))
    return Space(
        kinds,
        layouts,
        recipes,
        joined(parts.kind),
        joined(parts.layout),
        numpy.cumsum(length) - length,
        length,
        joined(parts.stands_for),
        joined(parts.bytes),
        joined(parts.recipe),
        joined(parts.again),
        joined(parts.lightest),
        work,
        repeats,
    )
