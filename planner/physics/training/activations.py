"""What lives of activations and logits at each moment of a training step, on the fullest pipeline stage.

`points(arch, choice, k)` gives the points among which the peak is: each has the moment, the parameters whose gradients
exist by then, and the bytes of gradients in the making, activations and logits. A layer's own peak is traced once
(layers.py) and is linear in the micro-batch; along equal layers what lives is linear in the layer, so only the ends of
each run, and of the checkpointed part, need looking at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from planner.catalog.records import Architecture, Layers
from planner.physics.training.families import family
from planner.physics.training.layers import Region, head, layer
from planner.physics.training.recipe import Recipe, recipe_for, share

MOMENTS: Final = (
    "forward",
    "loss",
    "backward_last_layer",
    "backward_first_layer",
    "backward_end",
    "optimizer",
)
FORWARD, LOSS, LAST, FIRST, END, OPTIMIZER = range(6)
ALL: Final = -1
"""Stands for all trained parameters where a point counts those that have gradients."""


@dataclass(frozen=True, slots=True)
class ActivationChoice:
    """What the activations depend on. `sequence` is in tokens, `micro_batch` in sequences.

    `checkpointing` is none, full or selective; `selective` what that means: `attention` (Megatron: the scores) or `ops`
    (torchtitan: all but every second matrix product and attention). `micro_batches` is how many a pipeline runs in a
    step, `chunks` the model chunks a stage holds under the interleaved schedule.
    """

    sequence: int
    micro_batch: int = 1
    precision: str = "bf16"
    method: str = "full"
    attention: str = "sdpa"
    framework: str = "transformers"
    checkpointing: str = "none"
    selective: str = "attention"
    loss: str = "standard"
    rank: int = 16
    targets: tuple[str, ...] | str = "all_linear"
    dropout: bool = False
    tp: int = 1
    pp: int = 1
    cp: int = 1
    ep: int = 1
    schedule: str = "1f1b"
    micro_batches: int = 0
    chunks: int = 2
    frozen: tuple[str, ...] = ()
    dpo: bool = False
    packed: bool = False
    offload: bool = False

    @property
    def recipe(self) -> Recipe:
        """The types the step computes in."""
        return recipe_for(
            self.precision,
            self.framework,
            self.method,
            rank=self.rank,
            targets=self.targets,
            dropout=self.dropout,
            frozen=self.frozen,
            tp=self.tp,
            ep=self.ep,
        )

    @property
    def sequences(self) -> int:
        """Sequences of one forward pass: a preference pair is two."""
        return self.micro_batch * (2 if self.dpo else 1)


class Point(NamedTuple):
    """What lives at one place of the step: parameters with gradients, then bytes. `stage` 0 is first, 1 last."""

    moment: int
    stage: int
    graded: int
    gradients: int
    activations: int
    logits: int


class Layer(NamedTuple):
    """A layer at the choice's micro-batch: bytes kept, bytes kept when it is checkpointed, autocast's copies (part of
    `kept`), its heaviest moment (gradients, activations) and its trained parameters."""

    kept: int
    thin: int
    casts: int
    gradients: int
    peak: int
    peak_checkpointed: int
    trained: int


@dataclass(frozen=True, slots=True)
class Traces:
    """The regions of an architecture under one choice of everything but the micro-batch and the checkpointing."""

    groups: tuple[Region, ...]
    first: Region | None
    head: Region
    item: int
    grad_item: int
    kernels: tuple[str, ...]


_TRACES: dict[tuple[object, ...], tuple[Architecture, Traces]] = {}
_LIMIT: Final = 4096


def traces(arch: Architecture, choice: ActivationChoice) -> Traces:
    """The traced regions, kept for the next question about the same architecture."""
    recompute = choice.selective if choice.checkpointing == "selective" else ""
    key = (
        id(arch),
        choice.sequence,
        choice.precision,
        choice.method,
        choice.attention,
        choice.framework,
        choice.loss,
        choice.rank,
        choice.targets,
        choice.dropout,
        choice.tp,
        choice.cp,
        choice.ep,
        choice.frozen,
        choice.packed,
        recompute,
        choice.sequences == 1,
    )
    found = _TRACES.get(key)
    if found is not None:
        return found[1]
    recipe = choice.recipe
    tokens = share(choice.sequence, choice.cp)

    def trace(group: Layers, first: bool = False) -> Region:
        return layer(
            arch,
            group,
            recipe,
            tokens,
            choice.attention,
            first=first,
            single=choice.sequences == 1,
            packed=choice.packed,
            recompute=recompute,
        )

    groups = tuple(trace(group) for group in arch.groups)
    no_input_gradient = recipe.adapters or "embedding" in recipe.frozen
    made = Traces(
        groups,
        trace(arch.groups[0], True) if no_input_gradient else None,
        head(arch, recipe, tokens, choice.loss),
        recipe.item,
        4 if recipe.adapters else recipe.item,
        tuple(dict.fromkeys(region.kernel for region in groups)),
    )
    if len(_TRACES) >= _LIMIT:
        _TRACES.clear()
    _TRACES[key] = (arch, made)
    return made


def _heaviest(region: Region, batch: int) -> tuple[int, int, int]:
    """Gradients, activations (casts among them) and logits of a region's heaviest moment."""
    best = max(region.events, key=lambda event: event.gradients + event.casts + (event.each + event.logits) * batch)
    return best.gradients, best.casts + best.each * batch, best.logits * batch


def _layer(region: Region, batch: int, grad_item: int, offload: bool) -> Layer:
    gradients, peak, _ = _heaviest(region, batch)
    whole = region.input * batch
    own = whole if region.keeps_input else 0
    kept = region.kept.casts + region.kept.each * batch + own
    thin = 0 if offload else whole
    return Layer(
        0 if offload else kept,
        thin,
        region.kept.casts,
        gradients,
        peak + own,
        peak + whole,
        region.gradients // grad_item,
    )


def stage_runs(arch: Architecture, pp: int) -> list[tuple[int, int]]:
    """Groups and counts of the layers of the fullest pipeline stage: the heaviest layers, never the average."""
    from planner.physics.architecture import layer_parameters

    if pp <= 1:
        return [(index, group.count) for index, group in enumerate(arch.groups)]
    wanted = share(arch.layers, pp)
    weight = {index: sum(layer_parameters(arch, group).values()) for index, group in enumerate(arch.groups)}
    taken: dict[int, int] = {}
    for index in sorted(weight, key=lambda each: -weight[each]):
        taken[index] = min(arch.groups[index].count, wanted - sum(taken.values()))
    return [(index, taken[index]) for index in sorted(taken) if taken[index]]


def in_flight(choice: ActivationChoice, stage: int) -> tuple[int, int]:
    """Micro-batches whose activations a stage holds, as a fraction (numerator, denominator) of a micro-batch.

    gpipe holds all of a step (arXiv 1811.06965); 1f1b as many as stages follow (PipeDream-flush, arXiv 2006.09503);
    interleaved 1 + (p - 1) / (p v) times the p of the first stage (arXiv 2205.05198, section 4.2.3).
    """
    if choice.pp <= 1:
        return 1, 1
    most = choice.micro_batches or 4 * choice.pp
    if choice.schedule == "gpipe":
        return most, 1
    if choice.schedule == "interleaved":
        first = choice.pp * choice.chunks + choice.pp - 1
        return (min(first, most * choice.chunks), choice.chunks) if stage == 0 else (choice.chunks + 1, choice.chunks)
    return (min(choice.pp, most) if stage == 0 else 1), 1


def _forward_logits(arch: Architecture, choice: ActivationChoice, item: int, tokens: int) -> int:
    """Logits in the head's type, in fp32, and log_softmax's result: 10 bytes each in 16 bits, 8 in fp32."""
    item = 2 if choice.recipe.autocast else item
    each = item + 4 + (4 if item == 2 else 0) + (item if family(arch).logit_cap else 0)
    vocab = share(arch.vocab, choice.tp)
    if choice.loss == "fused":
        return 0
    return each * vocab * tokens


def points(arch: Architecture, choice: ActivationChoice, checkpointed_layers: int = 0) -> tuple[Point, ...]:
    """The candidates for the peak with the first `checkpointed_layers` layers recomputed."""
    found = traces(arch, choice)
    batch = choice.sequences
    tokens = share(choice.sequence, choice.cp) * batch
    layers = [_layer(region, batch, found.grad_item, choice.offload) for region in found.groups]
    first = _layer(found.first, batch, found.grad_item, choice.offload) if found.first else None
    runs = stage_runs(arch, choice.pp)
    depth = sum(count for _, count in runs)
    total = arch.layers
    again = min(depth, checkpointed_layers * depth // max(1, total)) if choice.checkpointing != "none" else 0
    if choice.checkpointing == "full" and checkpointed_layers >= total:
        again = depth
    if choice.checkpointing == "selective" and choice.selective == "attention":
        again = 0
    out: list[Point] = []
    for stage in (0,) if choice.pp <= 1 else (0, 1):
        out += _stage_points(arch, choice, found, layers, first, runs, again, stage, tokens)
    return tuple(out)


def _at(runs: list[tuple[int, int]], place: int) -> int:
    for index, count in runs:
        if place < count:
            return index
        place -= count
    return runs[-1][0]


def _before(runs: list[tuple[int, int]], layers: list[Layer], place: int, again: int) -> tuple[int, int, int]:
    """What the layers before `place` keep, autocast's copies of those that recompute, and their parameters."""
    kept = casts = trained = start = 0
    for index, count in runs:
        taken = max(0, min(count, place - start))
        light = max(0, min(taken, again - start))
        kept += light * layers[index].thin + (taken - light) * layers[index].kept
        casts += light * layers[index].casts
        trained += taken * layers[index].trained
        start += count
    return kept, casts, trained


def _stage_points(
    arch: Architecture,
    choice: ActivationChoice,
    found: Traces,
    layers: list[Layer],
    first: Layer | None,
    runs: list[tuple[int, int]],
    again: int,
    stage: int,
    tokens: int,
) -> list[Point]:
    batch = choice.sequences
    depth = sum(count for _, count in runs)
    kept, casts, trained = _before(runs, layers, depth, again)
    if first is not None and stage == 0 and again == 0:
        kept += first.kept - layers[runs[0][0]].kept
    above, below = in_flight(choice, stage)
    held = share(kept * above, below) - kept
    has_head = choice.pp <= 1 or stage == 1
    tail = found.head
    inputs = tail.input * batch if tail.keeps_input else 0
    mask = _masks(arch, choice, found, again)
    out = []
    closing = 0
    if has_head:
        closing = tail.gradients // found.grad_item
        rest = tail.kept.casts + tail.kept.each * batch + inputs
        if choice.recipe.autocast:
            # the caller still holds the final norm's output, of which the head keeps a narrower copy
            rest += choice.recipe.outer(arch.hidden) * choice.recipe.hidden * tokens
        logits = _forward_logits(arch, choice, found.item, tokens) * (2 if choice.dpo else 1)
        out.append(Point(FORWARD, stage, 0, 0, held + kept + casts + rest + mask, logits))
        gradients, activations, logits = _heaviest(tail, batch)
        out.append(Point(LOSS, stage, 0, gradients, held + kept + inputs + activations + mask, logits))
    else:
        out.append(Point(FORWARD, stage, 0, 0, held + kept + casts + mask, 0))
    edges = {0, depth - 1, max(0, again - 1), min(again, depth - 1)}
    start = 0
    for _, count in runs:
        edges |= {start, start + count - 1}
        start += count
    for place in sorted(edges, reverse=True):
        here = layers[_at(runs, place)]
        if place == 0 and first is not None and stage == 0:
            here = first
        below_kept, _, below_trained = _before(runs, layers, place, again)
        if first is not None and place and again == 0 and stage == 0:
            below_kept += first.kept - layers[runs[0][0]].kept
        peak = here.peak_checkpointed if place < again else here.peak
        graded = closing + trained - below_trained - here.trained
        moment = LAST if place == depth - 1 else FIRST if place == 0 else (LAST if 2 * place >= depth else FIRST)
        masked = mask if place < again else 0
        out.append(Point(moment, stage, max(0, graded), here.gradients, held + below_kept + peak + masked, 0))
        if depth == 1:
            out.append(out[-1]._replace(moment=FIRST))
    hidden = choice.recipe.outer(arch.hidden) * found.item * tokens
    out.append(Point(END, stage, ALL, 0, held + hidden, 0))
    if choice.pp <= 1 and arch.tied and not choice.recipe.adapters and "embedding" not in choice.frozen:
        # the head's gradient waits, the embedding's is made, and their sum is a third one
        table = share((arch.vocab + arch.embed_extra_rows) * (arch.embed_dim or arch.hidden), choice.tp)
        out.append(Point(END, stage, ALL, 0, held + hidden + table * found.grad_item, 0))
        out.append(Point(END, stage, ALL, 0, held + 2 * table * found.grad_item, 0))
    out.append(Point(OPTIMIZER, stage, ALL, 0, 0, 0))
    return out


def _masks(arch: Architecture, choice: ActivationChoice, found: Traces, again: int) -> int:
    """The attention mask that stays for recomputation: a byte a score, or the type's where attention is eager."""
    if not again:
        return 0
    tokens = share(choice.sequence, choice.cp)
    item = choice.recipe.hidden if "eager" in found.kernels else 1 if "efficient" in found.kernels else 0
    if found.item == 4 and choice.precision == "fp32" and "eager" not in found.kernels:
        item = 0
    return item * choice.sequences * tokens * tokens
