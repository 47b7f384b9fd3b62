"""Everything a training plan leaves open but hardware: recipes × layouts × micro-batches × recomputation, as arrays.

Activations are traced once for each kind of candidate that shares them, states counted once for each recipe and layout;
the two meet in integer arrays. Optimizers differ in memory alone, so that only the lightest one of each row is kept,
unless a rule tells them apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from planner.catalog.records import Architecture
from planner.physics import training, training_time
from planner.physics.training import table as physics
from planner.record import dataclass
from planner.solve import tuning
from planner.solve.tuning import Layout, Recipe, Run

if TYPE_CHECKING:
    from planner.solve.table import Column


@dataclass(frozen=True, slots=True)
class Space:
    """The configurations, in columns; each has a run of `length` numbers of layers in the flat columns from `start`.

    `modes` are the ways of checkpointing, each with the numbers of layers that it may recompute. `bytes` are those at
    the peak with their margin, without what depends on the GPU, by the optimizer of the recipe whose place is `recipe`;
    `kind` is the place of its method and precision among `kinds`. A place of a configuration stands for `stands_for`
    candidates.
    """

    layouts: list[Layout]
    recipes: list[Recipe]
    kinds: list[tuple[str, str]]
    modes: list[tuple[str, list[int]]]
    kind: Column
    layout: Column
    micro_batch: Column
    mode: Column
    start: Column
    length: Column
    stands_for: int
    bytes: Column
    recipe: Column
    work: training_time.Work | None


class Pairs(NamedTuple):
    """Layouts with micro-batches, in the order of shape, batch and layout: their columns.

    `shape` is the place of the layout's shape, `held` that of its states, `flight` the micro-batches in flight.
    """

    layout: Column
    size: Column
    flight: Column
    held: Column
    shape: Column
    batch: Column


Shape = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Parts:
    """What configurations are made of: kinds of arithmetic with `each` optimizers, shapes of layouts with their pairs,
    and the states, whose columns are `places` of each kind in turn; `making`: see physics.live."""

    arch: Architecture
    recipes: list[Recipe]
    each: int
    shapes: list[Shape]
    pairs: Pairs
    states: physics.Held
    places: int
    making: list[int]

    @property
    def kinds(self) -> int:
        """How many kinds of arithmetic there are."""
        return len(self.recipes) // self.each


def space(this: Run, fixed: bool, apart: bool) -> Space:
    """Return all configurations; `apart` keeps optimizers apart."""
    layouts, recipes = tuning.layouts(this, fixed), tuning.recipes(this)
    arch = this.model.architecture
    if arch is None:
        return _thumbs(this, fixed, layouts, recipes)
    modes = list(tuning.modes(this, fixed))
    pairs, shapes, places = _pairs(this, layouts, fixed)
    if not len(pairs.layout) or not modes:
        return _thumbs(this, fixed, [], recipes)
    each = len({item.optimizer for item in recipes})
    parts = _states(this, arch, recipes, layouts, each, pairs, shapes, places)
    sheets = [
        [_meet(this, parts, pipeline, name, again, apart) for pipeline in sorted({shape[1] for shape in shapes})]
        for name, again in modes
    ]
    return _joined(this, parts, layouts, modes, apart, sheets)


def _pairs(this: Run, layouts: Sequence[Layout], fixed: bool) -> tuple[Pairs, list[Shape], list[tuple[int, bool]]]:
    """Return layouts with micro-batches, the shapes of layouts, and what states are asked of: layouts and whether
    gradients accumulate."""
    import numpy

    shapes: dict[Shape, list[int]] = {}
    for index, item in enumerate(layouts):
        shapes.setdefault((item.tensor, item.pipeline, item.context, item.expert), []).append(index)
    rows: list[tuple[int, ...]] = []
    places: dict[tuple[int, bool], int] = {}
    for shape, members in enumerate(shapes.values()):
        batches: dict[tuple[int, int], list[tuple[int, bool]]] = {}
        for index in members:
            item = layouts[index]
            for size in tuning.micro_batches(this, item, fixed):
                rounds = tuning.accumulation(this, item, size)
                flight = tuning.in_flight(this, item, size) if item.pipeline > 1 else min(2, rounds)
                batches.setdefault((size, flight), []).append((index, rounds > 1))
        for batch, ((size, flight), own) in enumerate(sorted(batches.items())):
            for index, accumulates in own:
                held = places.setdefault((index, accumulates), len(places))
                rows.append((index, size, flight, held, shape, batch))
    columns = numpy.array(rows, dtype=numpy.int64).reshape(-1, 6).T
    return Pairs(*columns), list(shapes), list(places)


def _states(
    this: Run,
    arch: Architecture,
    recipes: list[Recipe],
    layouts: Sequence[Layout],
    each: int,
    pairs: Pairs,
    shapes: list[Shape],
    places: Sequence[tuple[int, bool]],
) -> Parts:
    """Return the parts with the states of every optimizer, kind of arithmetic and place."""
    import numpy

    own = [layouts[index] for index, _ in places]
    number = {shape: place for place, shape in enumerate(shapes)}
    which = [number[item.tensor, item.pipeline, item.context, item.expert] for item in own]

    def column(name: str) -> Any:
        return numpy.array([getattr(item, name) for item in own])

    common: dict[str, Any] = {
        "dp": column("data") * column("context"),
        "pp": column("pipeline"),
        "zero": column("zero"),
        "offload": column("offload"),
        "accumulate": numpy.array([accumulates for _, accumulates in places]),
    }
    spare, found, making = training.spare(this.framework, this.confidence), [], []
    for first in range(0, len(recipes), each):
        wholes = [
            [
                training.whole(arch, this.model.params, tuning.state_choice(this, recipe, Layout(1, *shape, 0), False))
                for shape in shapes
            ]
            for recipe in recipes[first : first + each]
        ]
        choice = tuning.state_choice(this, recipes[first], Layout(1, *shapes[0], 0), False)
        found.append(physics.held(wholes, which, replace(choice, **common), spare))
        making.append(int(wholes[0][0].making))
    states = physics.Held(*(numpy.concatenate(columns, axis=-1) for columns in zip(*found, strict=True)))
    return Parts(arch, recipes, each, shapes, pairs, states, len(places), making)


class Sheet(NamedTuple):
    """Configurations that are checkpointed in one way: recipe (the first of its kind unless optimizers are told apart),
    pair, and beside each other for each number of layers the bytes and the optimizer they are those of."""

    recipe: Column
    pair: Column
    bytes: Column
    lightest: Column


def _meet(this: Run, parts: Parts, pipeline: int, mode: str, again: list[int], apart: bool) -> Sheet:
    """Return what states and activations are together in pipelines of so many stages, checkpointed in one way."""
    import numpy

    pairs, each = parts.pairs, parts.each
    own = numpy.flatnonzero(numpy.array([shape[1] for shape in parts.shapes])[pairs.shape] == pipeline)
    sizes, spare = sorted(set(pairs.size[own].tolist())), training.spare(this.framework, this.confidence)
    traced: dict[Any, tuple[int, training.Parts, int]] = {}
    trace = numpy.zeros((parts.kinds, len(parts.shapes)), dtype=numpy.int64)
    choice = training.ActivationChoice(0)
    for kind in range(parts.kinds):
        for place, shape in enumerate(parts.shapes):
            if shape[1] != pipeline:
                continue
            choice = tuning.choice_of(this, parts.recipes[kind * each], Layout(1, *shape, 0), 1, mode)
            key = (training.alike(choice), parts.making[kind])
            if key not in traced:
                traced[key] = (len(traced), _sized(this, parts.arch, choice, sizes), parts.making[kind])
            trace[kind, place] = traced[key][0]
    # rows of activations: what is traced × micro-batches with those in flight
    batches, batch = numpy.unique(pairs.size[own] << 32 | pairs.flight[own], return_inverse=True)
    which = numpy.repeat(numpy.arange(len(traced)), len(batches))
    size = numpy.tile(numpy.searchsorted(sizes, batches >> 32), len(traced))
    runs = training.stage_runs(parts.arch, pipeline)
    made = physics.gathered([found for _, found, _ in traced.values()], len(sizes), which, size, runs)
    making = numpy.array([makes for _, _, makes in traced.values()], dtype=numpy.int64)[which]
    flights = numpy.tile(batches & (1 << 32) - 1, len(traced))
    lives = physics.live(parts.arch, made, choice, flights, making, again, spare)

    kinds, pair = numpy.repeat(numpy.arange(parts.kinds), len(own)), numpy.tile(own, parts.kinds)
    row = trace[kinds, pairs.shape[pair]] * len(batches) + numpy.tile(batch, parts.kinds)
    held = kinds * parts.places + pairs.held[pair]
    peak = physics.peaks(parts.states, lives, held, row)
    if not apart:
        total, lightest = physics.lightest(parts.states, peak, held)
        return Sheet(kinds * each, pair, total, lightest)
    totals = [physics.totals(parts.states, optimizer, peak, held) for optimizer in range(each)]
    recipe = numpy.concatenate([kinds * each + optimizer for optimizer in range(each)])
    return Sheet(recipe, numpy.tile(pair, each), numpy.concatenate(totals), numpy.zeros((len(recipe), len(again)), int))


def _sized(this: Run, arch: Architecture, choice: training.ActivationChoice, sizes: list[int]) -> training.Parts:
    """Return the parts of a choice at each micro-batch; whole layers that run again have those of none."""
    again = choice.checkpointing if choice.checkpointing == "selective" else "none"
    key = ("parts", training.alike(choice), again, tuple(sizes))
    if key not in this.known:
        this.known[key] = physics.sized(arch, choice, sizes)
    found: training.Parts = this.known[key]
    return found


def _joined(
    this: Run,
    parts: Parts,
    layouts: list[Layout],
    modes: list[tuple[str, list[int]]],
    apart: bool,
    sheets: list[list[Sheet]],
) -> Space:
    """Return the sheets as one space, in the order of shape, arithmetic, batch, mode, optimizer and layout."""
    import numpy

    flat = [sheet for own in sheets for sheet in own]
    counts = [sum(len(sheet.pair) for sheet in own) for own in sheets]
    recipe, pair = (numpy.concatenate([sheet[place] for sheet in flat]) for place in range(2))
    mode = numpy.repeat(numpy.arange(len(modes)), counts)
    length = numpy.array([len(again) for _, again in modes], dtype=numpy.int64)[mode]
    order = numpy.zeros(len(pair), dtype=numpy.int64)
    for column, values in (
        (parts.pairs.shape[pair], len(parts.shapes)),
        (recipe // parts.each, parts.kinds),
        (parts.pairs.batch[pair], int(parts.pairs.batch.max()) + 1),
        (mode, len(modes)),
        (recipe % parts.each, parts.each),
        (pair, len(parts.pairs.layout)),
    ):
        order = order * values + column
    order = numpy.argsort(order, kind="stable")
    start = numpy.cumsum(length) - length
    recipe_of = [(sheet.recipe[:, None] + sheet.lightest).reshape(-1) for sheet in flat]
    recipe, pair, mode = recipe[order], pair[order], mode[order]
    kind, layout, size = recipe // parts.each, parts.pairs.layout[pair], parts.pairs.size[pair]
    return Space(
        layouts,
        parts.recipes,
        [(item.method, item.precision) for item in parts.recipes[:: parts.each]],
        modes,
        kind,
        layout,
        size,
        mode,
        start[order],
        length[order],
        1 if apart else parts.each,
        numpy.concatenate([sheet.bytes.reshape(-1) for sheet in flat]),
        numpy.concatenate(recipe_of),
        _work(this, parts, layouts, modes, kind, layout, size, mode),
    )


def _work(
    this: Run,
    parts: Parts,
    layouts: list[Layout],
    modes: list[tuple[str, list[int]]],
    kind: Column,
    layout: Column,
    size: Column,
    mode: Column,
) -> training_time.Work:
    """Return what one GPU does in a step of each configuration."""
    import numpy

    names = ("data", "tensor", "pipeline", "context", "expert", "zero")
    columns = {name: numpy.array([getattr(item, name) for item in layouts], dtype=numpy.int64) for name in names}
    out = numpy.zeros((len(training_time.Work._fields), len(kind)))
    for own in range(parts.kinds):
        rows = numpy.flatnonzero(kind == own)
        recipe = parts.recipes[own * parts.each]
        data, tensor, pipeline, context, expert, zero = (columns[name][layout[rows]] for name in names)
        single = size[rows] == 1
        keys = numpy.stack([tensor, context, expert, mode[rows], single], axis=1)
        cases, which = numpy.unique(keys, axis=0, return_inverse=True)
        kept = []
        for tp, cp, ep, way, alone in cases.tolist():
            case = tuning.choice_of(this, recipe, Layout(1, tp, 1, cp, ep, 0), 1 if alone else 2, modes[way][0])
            kept.append(training_time.kept_for_backward(parts.arch, case))
        arrays: dict[str, Any] = {
            "micro_batch": size[rows],
            "tp": tensor,
            "pp": pipeline,
            "cp": context,
            "ep": expert,
        }
        choice = tuning.choice_of(this, recipe, layouts[0], 1, "none")
        work = tuning.work_of(this, replace(choice, **arrays), data, zero, numpy.array(kept)[which.reshape(-1)])
        for place, field in enumerate(work):
            out[place, rows] = field
    return training_time.Work(*out)


def first_minimum(sizes: Column) -> Column:
    """Return for each place the place of the smallest size up to it, the first of equal ones, in each row."""
    import numpy

    low = numpy.minimum.accumulate(sizes, axis=1)
    new = numpy.concatenate((numpy.ones((len(sizes), 1), dtype=bool), low[:, 1:] < low[:, :-1]), axis=1)
    found: Column = numpy.maximum.accumulate(numpy.where(new, numpy.arange(sizes.shape[1]), 0), axis=1)
    return found


def _thumbs(this: Run, fixed: bool, layouts: list[Layout], recipes: list[Recipe]) -> Space:
    """Return what is known of a model whose parameters alone are: the rule of thumb, split evenly."""
    import numpy

    no_gpu: Any = None
    rows = [
        (
            place,
            index,
            size,
            tuning.memory(this, no_gpu, recipe, item, size, "none", 0).total,
        )
        for index, item in enumerate(layouts)
        for size in tuning.micro_batches(this, item, fixed)
        for place, recipe in enumerate(recipes)
    ]
    recipe, layout, size, total = numpy.array(rows, dtype=numpy.int64).reshape(-1, 4).T
    kinds = list(dict.fromkeys((item.method, item.precision) for item in recipes))
    kind = numpy.array([kinds.index((item.method, item.precision)) for item in recipes], dtype=numpy.int64)[recipe]
    none = numpy.zeros_like(recipe)
    return Space(
        layouts,
        recipes,
        kinds,
        [("none", [0])],
        kind,
        layout,
        size,
        none,
        numpy.arange(len(rows)),
        none + 1,
        1,
        total,
        recipe,
        None,
    )
