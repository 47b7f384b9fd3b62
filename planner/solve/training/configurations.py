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
from planner.physics import training
from planner.physics.training import table as physics
from planner.record import dataclass
from planner.solve import clock
from planner.solve.columns.size import MOST, bounded
from planner.solve.parallelism import Layout
from planner.solve.training import space as training_space
from planner.solve.training import workload as training_workload
from planner.solve.training.parts import ConfigurationParts, Pairs, Shape
from planner.solve.training.work import StepWork, works_of
from planner.solve.training.workload import TrainingRecipe, TrainingWorkload

if TYPE_CHECKING:
    from planner.solve.columns.table import Column


@dataclass(frozen=True, slots=True)
class Configurations:
    """The configurations, in columns; each has a run of `length` numbers of layers in the flat columns from `start`.

    `modes` are the ways of checkpointing, each with the numbers of layers that it may recompute. `kind` is the place of
    a configuration's method and precision among `kinds`, `recipe` that of its first recipe; `bytes` are those at the
    peak with their margin, without what depends on the GPU, by the recipe so many places further on as `lightest` says.
    A place of a configuration stands for `stands_for` candidates.
    """

    layouts: list[Layout]
    recipes: list[TrainingRecipe]
    kinds: list[tuple[str, str]]
    modes: list[tuple[str, list[int]]]
    kind: Column
    recipe: Column
    layout: Column
    micro_batch: Column
    mode: Column
    start: Column
    length: Column
    stands_for: int
    bytes: Column
    lightest: Column
    works: StepWork | None


def recipe_at(configurations: Configurations, config: Column, place: Column) -> Column:
    """Return the place of the recipe that a configuration has at a number of layers."""
    which: Column = configurations.recipe[config] + configurations.lightest[configurations.start[config] + place]
    return which


def space(run: TrainingWorkload, fixed: bool, apart: bool, width: int = 0) -> Configurations:
    """Return all configurations; `apart` keeps optimizers apart. Where a table will have a row of each on so many GPU
    types (`width`), raise TooWide before what is too much is joined."""
    layouts, recipes = training_space.layouts(run, fixed), training_space.recipes(run)
    arch = run.model.architecture
    if arch is None:
        return _thumbs(run, fixed, layouts, recipes)
    modes = list(training_space.modes(run, fixed))
    pairs, shapes, places = _pairs(run, layouts, fixed)
    if not len(pairs.layout) or not modes:
        return _thumbs(run, fixed, [], recipes)
    each = len({item.optimizer for item in recipes})
    parts = _states(run, arch, recipes, layouts, each, pairs, shapes, places)
    sizes = sorted(set(pairs.size.tolist()))
    # whole layers that run again keep and free what they do without
    traced = {
        selective: _sized(parts, sizes, "selective" if selective else "none")
        for selective in {name == "selective" for name, _ in modes}
    }
    # a shape whose layouts all leave no whole micro-batch has no pair, and its pipelines no row
    pipelines = sorted({shapes[place][1] for place in pairs.shape.tolist()})
    sheets: list[list[TotalsByMode]] = []
    made = 0
    for name, again in modes:
        sheets.append([])
        for pipeline in pipelines:
            sheet = _meet(run, parts, sizes, traced[name == "selective"], pipeline, name, again, apart)
            sheets[-1].append(sheet)
            made += sheet.bytes.size
            bounded(made, TOTALS, WIDE)
    bounded(sum(len(sheet.pair) for mode in sheets for sheet in mode) * width, ONE_BY_ONE, 5 * MOST)
    return _joined(run, parts, layouts, modes, apart, sheets)


def _pairs(
    run: TrainingWorkload, layouts: Sequence[Layout], fixed: bool
) -> tuple[Pairs, list[Shape], list[tuple[int, bool]]]:
    """Return layouts with micro-batches, the shapes of layouts, and what states are asked of: layouts and whether
    gradients accumulate."""
    import numpy

    shapes: dict[Shape, list[int]] = {}
    for index, item in enumerate(layouts):
        shapes.setdefault(item.shape, []).append(index)
    rows: list[tuple[int, ...]] = []
    places: dict[tuple[int, bool], int] = {}
    for shape, members in enumerate(clock.watched(shapes.values(), 1)):
        batches: dict[tuple[int, int], list[tuple[int, bool]]] = {}
        for index in members:
            item = layouts[index]
            for size in training_space.micro_batches(run, item, fixed):
                rounds = training_workload.accumulation(run, item, size)
                flight = training_workload.in_flight(run, item, size) if item.pipeline > 1 else min(2, rounds)
                batches.setdefault((size, flight), []).append((index, rounds > 1))
        for batch, ((size, flight), own) in enumerate(sorted(batches.items())):
            for index, accumulates in own:
                held = places.setdefault((index, accumulates), len(places))
                rows.append((index, size, flight, held, shape, batch))
    columns = numpy.array(rows, dtype=numpy.int64).reshape(-1, 6).T
    return Pairs(*columns), list(shapes), list(places)


def _states(
    run: TrainingWorkload,
    arch: Architecture,
    recipes: list[TrainingRecipe],
    layouts: Sequence[Layout],
    each: int,
    pairs: Pairs,
    shapes: list[Shape],
    places: Sequence[tuple[int, bool]],
) -> ConfigurationParts:
    """Return the parts with the states of every optimizer, kind of arithmetic and place."""
    import numpy

    own = [layouts[index] for index, _ in places]
    number = {shape: place for place, shape in enumerate(shapes)}
    which = [number[item.shape] for item in own]

    def column(name: str) -> Column:
        return numpy.array([getattr(item, name) for item in own])

    common: dict[str, Any] = {
        "dp": column("data") * column("context"),
        "pp": column("pipeline"),
        "zero": column("zero"),
        "offload": column("offload"),
        "replicas": column("replicas"),
        "accumulate": numpy.array([accumulates for _, accumulates in places]),
    }
    spare, held, making = training_workload.spare_of(run), [], []
    for first in clock.watched(range(0, len(recipes), each), 1):
        optimizers = [recipe.optimizer for recipe in recipes[first : first + each]]
        bases = [training_workload.state_choice(run, recipes[first], _layout(shape), False) for shape in shapes]
        wholes = [training.wholes(arch, run.model.params, base, optimizers) for base in clock.watched(bases)]
        held.append(_held(list(zip(*wholes, strict=True)), bases, which, common, spare))
        making.append([own[0].making for own in wholes])
    states = physics.StateColumns(*(numpy.concatenate(columns, axis=-1) for columns in zip(*held, strict=True)))
    traced: dict[tuple[object, ...], int] = {}
    choices: list[training.ActivationChoice] = []
    trace = numpy.zeros((len(making), len(shapes)), dtype=numpy.int64)
    for kind, makes in enumerate(clock.watched(making, 1)):
        known: dict[tuple[int, int, int, bool], int] = {}
        for place, (tensor, _, context, expert, sharded) in enumerate(shapes):
            if (tensor, context, expert, sharded) not in known:
                layout = _layout((tensor, 1, context, expert, sharded))
                choice = training_workload.choice_of(run, recipes[kind * each], layout, 1, "none")
                key = (*training.precision_and_split(choice), makes[place])
                if key not in traced:
                    traced[key] = len(choices)
                    choices.append(choice)
                known[tensor, context, expert, sharded] = traced[key]
            trace[kind, place] = known[tensor, context, expert, sharded]
    over = physics.passed_over(states)
    makes_ = numpy.array([key[-1] for key in traced], dtype=numpy.int64)
    return ConfigurationParts(
        arch=arch,
        recipes=recipes,
        each=each,
        shapes=shapes,
        pairs=pairs,
        states=states,
        over=over,
        places=len(places),
        choices=choices,
        making=makes_,
        trace=trace,
    )


def _layout(shape: Shape) -> Layout:
    """Return the smallest layout of a shape."""
    tensor, pipeline, context, expert, sharded = shape
    return (
        Layout(2, tensor, pipeline, context, expert, 2) if sharded else Layout(1, tensor, pipeline, context, expert, 0)
    )


def _held(
    wholes: list[tuple[Any, ...]],
    bases: list[training.StateChoice],
    which: list[int],
    common: dict[str, Any],
    spare: int,
) -> physics.StateColumns:
    """Return what states hold of every place: those of one sharder at a time, in the order of places."""
    import numpy

    frameworks = [bases[shape].framework for shape in which]
    pieces, order = [], []
    for framework in dict.fromkeys(frameworks):
        mine = [place for place, own in enumerate(frameworks) if own == framework]
        columns = {name: values[mine] for name, values in common.items()}
        base = replace(bases[which[mine[0]]], **columns)
        pieces.append(physics.state_columns(wholes, [which[place] for place in mine], base, spare))
        order += mine
    back = numpy.argsort(order)
    return physics.StateColumns(
        *(numpy.concatenate(columns, axis=-1)[..., back] for columns in zip(*pieces, strict=True))
    )


BLOCK = 2_000_000
"""So many totals are worked out between two looks at the clock."""
WIDE = 40_000_000
"""The most totals of all configurations: nine bytes each are kept."""
ON_GPUS = "configurations"
ONE_BY_ONE = "configurations_one_by_one"
TOTALS = "layouts"


class TotalsByMode(NamedTuple):
    """Configurations checkpointed in one way: recipe (the first of its kind unless optimizers are distinguished), pair,
    and beside each other for each number of layers the bytes, and how much further on their recipe is."""

    recipe: Column
    pair: Column
    bytes: Column
    lightest: Column


def _sized(parts: ConfigurationParts, sizes: list[int], mode: str) -> list[training.Parts]:
    """Return the parts of every choice at each micro-batch."""
    choices = clock.watched(parts.choices, 1)
    return [physics.sized(parts.arch, replace(choice, checkpointing=mode), sizes) for choice in choices]


def _meet(
    run: TrainingWorkload,
    parts: ConfigurationParts,
    sizes: list[int],
    parts_by_size: Sequence[training.Parts],
    pipeline: int,
    mode: str,
    again: list[int],
    apart: bool,
) -> TotalsByMode:
    """Return what states and activations are together in pipelines of so many stages, checkpointed in one way;
    `parts_by_size` are the parts of every choice at each of the `sizes` of micro-batches."""
    import numpy

    clock.look()
    pairs, each, spare = parts.pairs, parts.each, training_workload.spare_of(run)
    shapes = numpy.array([shape[1] for shape in parts.shapes]) == pipeline
    own = numpy.flatnonzero(shapes[pairs.shape])
    # rows of activations: what is traced × micro-batches with those in flight
    batches, batch = numpy.unique(pairs.size[own] << 32 | pairs.flight[own], return_inverse=True)
    used, traces = numpy.unique(parts.trace[:, shapes], return_inverse=True)
    trace = numpy.zeros_like(parts.trace)
    trace[:, shapes] = traces.reshape(len(trace), -1)
    which = numpy.repeat(numpy.arange(len(used)), len(batches))
    size = numpy.tile(numpy.searchsorted(sizes, batches >> 32), len(used))
    runs = training.stage_runs(parts.arch, pipeline)
    rows = physics.gathered([parts_by_size[place] for place in used.tolist()], len(sizes), which, size, runs)
    flights = numpy.tile(batches & (1 << 32) - 1, len(used))
    choice = replace(parts.choices[0], pp=pipeline, checkpointing=mode)
    lives = physics.live(parts.arch, rows, choice, flights, parts.making[used][which], again, spare)

    count = len(parts.kinds)
    kinds, pair = numpy.repeat(numpy.arange(count), len(own)), numpy.tile(own, count)
    row = trace[kinds, pairs.shape[pair]] * len(batches) + numpy.tile(batch, count)
    held = kinds * parts.places + pairs.held[pair]
    bounded(len(held) * len(again) * (each if apart else 1), TOTALS, WIDE)
    long = max(1, BLOCK // len(again))
    blocks = [slice(first, first + long) for first in range(0, len(held), long)]
    peak = [physics.peaks(parts.states, lives, held[at], row[at]) for at in clock.watched(blocks, 1)]
    if not apart:
        per_mode = [
            physics.lightest(parts.states, parts.over, most, held[at])
            for at, most in clock.watched(zip(blocks, peak, strict=True), 1)
        ]
        total, lightest = (numpy.concatenate(values) for values in zip(*per_mode, strict=True))
        return TotalsByMode(kinds * each, pair, total, lightest)
    totals = [
        physics.totals(parts.states, optimizer, most, held[at])
        for optimizer in range(each)
        for at, most in clock.watched(zip(blocks, peak, strict=True), 1)
    ]
    recipe = numpy.concatenate([kinds * each + optimizer for optimizer in range(each)])
    none = numpy.zeros((len(recipe), len(again)), dtype=numpy.int8)
    return TotalsByMode(recipe, numpy.tile(pair, each), numpy.concatenate(totals), none)


def _joined(
    run: TrainingWorkload,
    parts: ConfigurationParts,
    layouts: list[Layout],
    modes: list[tuple[str, list[int]]],
    apart: bool,
    sheets: list[list[TotalsByMode]],
) -> Configurations:
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
        (recipe // parts.each, len(parts.kinds)),
        (parts.pairs.batch[pair], int(parts.pairs.batch.max()) + 1),
        (mode, len(modes)),
        (recipe % parts.each, parts.each),
        (pair, len(parts.pairs.layout)),
    ):
        order = order * values + column
    order = numpy.argsort(order)
    start = (numpy.cumsum(length) - length)[order]
    recipe, pair, mode = recipe[order], pair[order], mode[order]
    kind = recipe // parts.each
    return Configurations(
        layouts=layouts,
        recipes=parts.recipes,
        kinds=parts.kinds,
        modes=modes,
        kind=kind,
        recipe=recipe,
        layout=parts.pairs.layout[pair],
        micro_batch=parts.pairs.size[pair],
        mode=mode,
        start=start,
        length=length[order],
        stands_for=1 if apart else parts.each,
        bytes=numpy.concatenate([sheet.bytes.reshape(-1) for sheet in flat]),
        lightest=numpy.concatenate([sheet.lightest.reshape(-1) for sheet in flat]),
        works=works_of(run, parts, layouts, modes, kind, pair, mode),
    )


def _thumbs(run: TrainingWorkload, fixed: bool, layouts: list[Layout], recipes: list[TrainingRecipe]) -> Configurations:
    """Return what is known of a model whose parameters alone are: the rule of thumb, split evenly."""
    import numpy

    no_gpu: Any = None
    modes = list(training_space.modes(run, fixed))
    rows = [
        (place, index, size, number, training_workload.memory(run, no_gpu, recipe, item, size, name, again[0]).total)
        for index, item in enumerate(clock.watched(layouts))
        for size in training_space.micro_batches(run, item, fixed)
        for place, recipe in enumerate(recipes)
        for number, (name, again) in enumerate(modes)
    ]
    recipe, layout, size, mode, total = numpy.array(rows, dtype=numpy.int64).reshape(-1, 5).T
    kinds = list(dict.fromkeys((item.method, item.precision) for item in recipes))
    kind = numpy.array([kinds.index((item.method, item.precision)) for item in recipes], dtype=numpy.int64)[recipe]
    length = numpy.array([len(again) for _, again in modes], dtype=numpy.int64)[mode] if modes else mode
    start = numpy.cumsum(length) - length
    every = numpy.repeat(total, length)
    none = numpy.zeros_like(every)
    modes = modes or [("none", [0])]
    return Configurations(
        layouts=layouts,
        recipes=recipes,
        kinds=kinds,
        modes=modes,
        kind=kind,
        recipe=recipe,
        layout=layout,
        micro_batch=size,
        mode=mode,
        start=start,
        length=length,
        stands_for=1,
        bytes=every,
        lightest=none,
        works=None,
    )
