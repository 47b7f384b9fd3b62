"""What lives of activations and logits at each moment of a training step, on the fullest pipeline stage.

`points(arch, choice, k)` gives the points among which the peak is: each has the moment, the parameters whose gradients
exist by then, and the bytes of gradients in the making, activations and logits. A layer's own peak is traced once
(layers.py) and is linear in the micro-batch; along equal layers what lives is linear in the layer, so only the ends of
each run, and of the checkpointed part, need looking at.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from planner.catalog.records import Architecture, Layers
from planner.physics.training import fsdp
from planner.physics.training.choice import ActivationChoice
from planner.physics.training.families import family
from planner.physics.training.head import CHUNKS, head
from planner.physics.training.layers import Region, layer
from planner.physics.training.pipeline import Layer, Stage, in_flight, stage_runs
from planner.physics.training.recipe import share
from planner.physics.training.tape import Bytes
from planner.record import dataclass

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


class Point(NamedTuple):
    """What lives at one place of the step: parameters with gradients, then bytes. `stage` 0 is first, 1 last; `place`
    says what FSDP holds (fsdp.py)."""

    moment: int
    stage: int
    graded: int
    gradients: int
    activations: int
    logits: int
    place: int


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
    scores = choice.checkpointing == "selective" and choice.selective == "attention"
    recompute = "attention" if scores else ""
    loss = choice.loss
    if loss == "standard" and choice.dpo:
        loss = "preference"
    elif loss == "standard" and choice.framework == "fsdp" and choice.tp > 1:
        loss = "parallel"
    recipe, tokens = choice.recipe, share(choice.sequence, choice.cp)
    # one sequence matters to attention that hands grouped heads to the kernel as they are, and to nothing else
    single = family(arch).plain_attention and choice.sequences == 1
    key = (
        id(arch),
        recipe,
        tokens,
        choice.attention,
        loss,
        choice.loss_precision,
        choice.packed,
        recompute,
        single,
    )
    entry = _TRACES.get(key)
    if entry is not None:
        return entry[1]

    def trace(group: Layers, first: bool = False) -> Region:
        return layer(
            arch,
            group,
            recipe,
            tokens,
            choice.attention,
            first=first,
            single=single,
            packed=choice.packed,
            recompute=recompute,
        )

    groups = tuple(trace(group) for group in arch.groups)
    no_input_gradient = recipe.adapters or "embedding" in recipe.frozen
    traced = Traces(
        groups,
        trace(arch.groups[0], True) if no_input_gradient else None,
        head(arch, recipe, tokens, loss, choice.loss_precision),
        recipe.item,
        recipe.adapter_item if recipe.adapters else recipe.item,
        tuple(dict.fromkeys(region.kernel for region in groups)),
    )
    if len(_TRACES) >= _LIMIT:
        _TRACES.clear()
    _TRACES[key] = (arch, traced)
    return traced


def _heaviest(events: tuple[Bytes, ...], batch: Any) -> tuple[Any, Any, Any]:
    """Gradients, activations (casts among them) and logits of the heaviest moment."""
    if not isinstance(batch, int):
        return _heaviest_of_each(events, batch)
    best = max(events, key=lambda event: event.gradients + event.casts + (event.each + event.logits) * batch)
    return best.gradients, best.casts + best.each * batch, best.logits * batch


def _heaviest_of_each(events: tuple[Bytes, ...], batch: Any) -> tuple[Any, Any, Any]:
    """The same for an array of micro-batches."""
    import numpy

    gradients, casts, each, logits = numpy.array(events, dtype=numpy.int64).T
    best = ((gradients + casts)[:, None] + (each + logits)[:, None] * batch).argmax(axis=0)
    return gradients[best], casts[best] + each[best] * batch, logits[best] * batch


def _larger(first: Any, second: Any) -> Any:
    """The larger of two numbers, or of each two of arrays."""
    return (first + second + abs(first - second)) // 2


def _layer(region: Region, batch: Any, grad_item: int, offload: bool, selective: str) -> Layer:
    gradients, peak, _ = _heaviest(region.events, batch)
    whole = region.input * batch
    # the layer runs forward once more, with what that holds for a moment, when its output's gradient is there
    again = _larger(whole + _heaviest(region.forward, batch)[1] - gradients, peak) if region.forward else peak
    own = whole if region.keeps_input else 0
    kept = region.kept.casts + region.kept.each * batch + own
    # what forward holds for a moment, where that is more: gradients are none yet
    most = _larger(whole + _heaviest(region.forward, batch)[1], peak + own) if region.forward else peak + own
    light = whole + dict(zip(("products", "operations"), region.products, strict=True)).get(selective, 0) * batch
    thin = 0 if offload else light
    # recomputation takes over what was kept, but the layer's last product, which it does not reach
    beside = whole + (whole if selective in ("products", "operations") else 0)
    return Layer(
        0 if offload else kept,
        thin,
        region.cached,
        gradients,
        most,
        again + beside,
        region.gradients // grad_item,
    )


def _forward_logits(arch: Architecture, choice: ActivationChoice, item: int, tokens: int) -> int:
    """Logits in the head's type, in fp32, and log_softmax's result: 10 bytes each in 16 bits, 8 in fp32."""
    item = 2 if choice.recipe.autocast else item
    wide = 4 if choice.loss_precision == "fp32" or choice.recipe.autocast else item
    copies = item + (item if family(arch).logit_cap else 0)
    worked = wide + (wide if wide > item else 0)
    vocab = share(arch.vocab, choice.tp)
    if choice.dpo and choice.loss == "standard":
        # the pairs' log_softmax, kept; the reference's logits and its log_softmax of two sequences, one in the making
        wide = 4 if choice.recipe.autocast else item
        each = vocab * tokens // choice.sequences
        return (wide + item) * vocab * tokens + (2 + choice.recipe.autocast) * wide * each
    if choice.loss == "fused":
        # one chunk of logits: as many tokens as make it no larger than the hidden states (Liger's `inc_factor`)
        return (item + 4) * arch.hidden * tokens
    if choice.loss == "chunked":
        return share((copies * CHUNKS + wide * CHUNKS + worked - wide) * vocab * tokens, CHUNKS)
    if choice.framework == "fsdp" and choice.tp > 1 and choice.loss == "standard":
        worked += wide  # its log_softmax: what is shifted, and its exponential or what comes of it, beside the input
    return (copies + worked) * vocab * tokens


def recomputed(arch: Architecture, choice: ActivationChoice, depth: int, wanted: int) -> int:
    """How many of a stage's layers recompute when `wanted` of the model's do, rounded down: the safe side."""
    if choice.checkpointing == "none" or (choice.checkpointing == "selective" and choice.selective == "attention"):
        return 0
    layers = min(depth, wanted * depth // max(1, arch.layers))
    return layers // 2 if choice.checkpointing == "selective" and choice.selective == "every_second_layer" else layers


class Parts(NamedTuple):
    """What stages are made of, whatever the pipeline: the layers of each group, what stands behind them, and the ends
    of backward, of which the tied ones count where one stage has embedding and head. The micro-batch may be an array;
    then so is what depends on it."""

    layers: tuple[Layer, ...]
    first: Layer | None
    closing: int
    forward: Any
    forward_logits: Any
    passing: Any
    loss_gradients: Any
    loss_activations: Any
    loss_logits: Any
    ends: tuple[Any, ...]
    mask: Any


def precision_and_split(choice: ActivationChoice) -> tuple[object, ...]:
    """What the precision and the parallelism of a choice come to: choices that are alike in it, and in all they say
    beside these two, have the same parts."""
    return choice.recipe, choice.cp, choice.precision == "fp32"


def parts(arch: Architecture, choice: ActivationChoice) -> Parts:
    """The parts of a step's stages; `choice.micro_batch` may be an array of numpy."""
    held = traces(arch, choice)
    batch = choice.sequences
    recipe = choice.recipe
    tokens = share(choice.sequence, choice.cp) * batch
    selective = choice.selective if choice.checkpointing == "selective" else ""
    tail = held.head
    inputs = tail.input * batch if tail.keeps_input else 0
    rest = tail.kept.casts + tail.kept.each * batch + inputs
    if recipe.autocast and not choice.dpo:
        # the caller still holds the final norm's output, of which the head keeps a narrower copy
        rest += recipe.outer(arch.hidden) * recipe.hidden * tokens
    gradients, activations, loss_logits = _heaviest(tail.events, batch)
    hidden = recipe.outer(arch.hidden) * held.item * tokens
    ends: tuple[Any, ...] = (hidden,)
    if arch.tied and not recipe.adapters and "embedding" not in choice.frozen:
        # the head's gradient waits, the embedding's is made, and their sum is a third one
        table = share((arch.vocab + arch.embed_extra_rows) * (arch.embed_dim or arch.hidden), choice.tp)
        ends += (hidden + table * held.grad_item, 2 * table * held.grad_item)
    return Parts(
        layers=tuple(_layer(region, batch, held.grad_item, choice.offload, selective) for region in held.groups),
        first=_layer(held.first, batch, held.grad_item, choice.offload, selective) if held.first else None,
        closing=tail.gradients // held.grad_item,
        forward=rest,
        forward_logits=_forward_logits(arch, choice, held.item, tokens),
        passing=inputs + _heaviest(tail.forward, batch)[1] if tail.forward else 0 * batch,
        loss_gradients=gradients,
        loss_activations=inputs + activations,
        loss_logits=loss_logits,
        ends=ends,
        mask=_mask(choice, held),
    )


def stages(arch: Architecture, choice: ActivationChoice) -> tuple[Stage, ...]:
    """The first and the last pipeline stage, or the only one."""
    whole_parts, runs = parts(arch, choice), tuple(stage_runs(arch, choice.pp))
    return tuple(
        stage(whole_parts, runs, number, choice.pp, in_flight(choice, number))
        for number in ((0,) if choice.pp <= 1 else (0, 1))
    )


def stage(whole: Parts, runs: tuple[tuple[int, int], ...], number: int, pp: int, flight: tuple[Any, int]) -> Stage:
    """One stage of `pp` with these runs of layers and micro-batches in flight."""
    closes = pp <= 1 or number == 1
    return Stage(
        number=number,
        runs=runs,
        layers=whole.layers,
        first=whole.first if number == 0 else None,
        in_flight=flight,
        has_head=closes,
        closing=whole.closing if closes else 0,
        forward=whole.forward if closes else 0,
        forward_logits=whole.forward_logits if closes else 0,
        passing=whole.passing if closes else 0,
        loss_gradients=whole.loss_gradients,
        loss_activations=whole.loss_activations,
        loss_logits=whole.loss_logits,
        ends=whole.ends if pp <= 1 else whole.ends[:1],
        mask=whole.mask,
    )


def points(arch: Architecture, choice: ActivationChoice, checkpointed_layers: int = 0) -> tuple[Point, ...]:
    """The candidates for the peak with the first `checkpointed_layers` layers recomputed."""
    out: list[Point] = []
    for stage in stages(arch, choice):
        again = recomputed(arch, choice, stage.depth, checkpointed_layers)
        out += _stage_points(stage, again, choice.framework in fsdp.FRAMEWORKS)
    return tuple(out)


def _stage_points(stage: Stage, again: int, sharded: bool) -> list[Point]:
    depth, number = stage.depth, stage.number
    kept, casts, trained = stage.before(depth, again)
    held = share(kept * stage.in_flight[0], stage.in_flight[1]) - kept
    mask = stage.mask if again else 0
    out = [Point(FORWARD, number, 0, 0, held + stage.ends[0], 0, fsdp.START)]
    start = held + kept + casts + mask
    out.append(Point(FORWARD, number, 0, 0, start + stage.ends[0], 0, fsdp.HEAD))
    out.append(Point(FORWARD, number, 0, 0, start + stage.forward, stage.forward_logits, fsdp.WHOLE))
    if stage.passing:
        out.append(Point(FORWARD, number, 0, 0, start + stage.passing, 0, fsdp.WHOLE))
    if stage.has_head:
        live = held + kept + stage.loss_activations + mask
        out.append(Point(LOSS, number, 0, stage.loss_gradients, live, stage.loss_logits, fsdp.LOSS))
    for place in sorted(stage.edges(sharded) | {max(0, again - 1), min(again, depth - 1)}, reverse=True):
        layer = stage.at(place)
        below, _, done = stage.before(place, again)
        own = layer.peak_checkpointed + mask if place < again else layer.peak
        graded = max(0, stage.closing + trained - done - layer.trained)
        moment = LAST if place == depth - 1 or 0 < 2 * place >= depth else FIRST
        holds = fsdp.LAST if place == depth - 1 else fsdp.BETWEEN if place else fsdp.FIRST
        out.append(Point(moment, number, graded, layer.gradients, held + below + own, 0, holds))
        if depth == 1:
            out.append(out[-1]._replace(moment=FIRST))
    out += [Point(END, number, ALL, 0, held + spare, 0, fsdp.EMBEDDING) for spare in stage.ends]
    out.append(Point(END, number, ALL, 0, held, 0, fsdp.REDUCE))
    out.append(Point(OPTIMIZER, number, ALL, 0, 0, 0, fsdp.STEP))
    return out


def _mask(choice: ActivationChoice, traced: Traces) -> int:
    """The attention mask that stays for recomputation: a byte a score, or the type's where attention is eager."""
    tokens = share(choice.sequence, choice.cp)
    item = choice.recipe.hidden if "eager" in traced.kernels else 1 if "efficient" in traced.kernels else 0
    if choice.precision == "fp32" and "eager" not in traced.kernels:
        item = 0
    return item * choice.sequences * tokens * tokens
